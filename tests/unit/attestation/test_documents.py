"""TCB infos, QE identities and collateral: Intel's own as their files say, and each altered."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from oyez.attestation.certificates import INTEL_ROOT
from oyez.attestation.collateral import (
    check_collateral,
    check_follows,
    check_list_follows,
    parse_collateral,
)
from oyez.attestation.documents import Status, parse_qe_identity, parse_tcb_info
from oyez.protocol.errors import Invalid
from tests import tdx_samples, tdx_world
from tests.tdx_judging import changed, refused, written

SETS = sorted(path.stem for path in (tdx_samples.ROOT / "collateral").glob("tdx_*-??.json"))
REAL = {name: json.loads(tdx_samples.collateral(name)) for name in SETS}
TEXT = REAL["tdx_90c06f000000_2026-02"]["tcb_info"]
QE_TEXT = REAL["tdx_90c06f000000_2026-02"]["qe_identity"]


@pytest.mark.parametrize("name", SETS)
def test_every_published_set_reads_as_its_file_says(name: str) -> None:
    """Rule: ATTEST-8, ATTEST-9, ATTEST-10, ATTEST-11"""
    about, given = tdx_samples.about(name), parse_collateral(tdx_samples.collateral(name))
    info = given.tcb_info
    assert info.fmspc.hex() == about["fmspc"]
    assert info.evaluation == about["tcbEvaluationDataNumber"]
    assert [level.status.value for level in info.levels] == about["level_statuses"]
    assert info.levels[0].status is Status.UP_TO_DATE
    assert [module.version for module in info.modules][:1] == [0]
    assert given.qe_identity.isv_prod_id == 2
    assert len(given.tcb_signed.text) == about["tcb_info_len"]
    start, end = about["window"]
    if end in (given.root_revoked.next_update, given.pck_revoked.next_update):
        end -= 1  # a list's nextUpdate is too late
    assert check_collateral(given, INTEL_ROOT, about["suggested_now"]) == end
    for now in (start, end):
        assert check_collateral(given, INTEL_ROOT, now) == end
    for now in (start - 1, end + 1):
        with pytest.raises(Invalid, match=r"not in force yet|expired|not valid yet") as caught:
            check_collateral(given, INTEL_ROOT, now)
        assert caught.value.rule in ("ATTEST-6", "ATTEST-7", "ATTEST-11")
    refused("ATTEST-6", "another root", check_collateral, given, tdx_world.ROOT, start)


def test_an_sgx_set_is_refused() -> None:
    """Rule: ATTEST-9"""
    refused("ATTEST-9", "id is not TDX", parse_collateral,
            tdx_samples.collateral("sgx_00a067110000_2025-06"))  # fmt: skip


def test_the_numbers_of_a_tcb_info() -> None:
    """Rule: ATTEST-9"""
    info = parse_tcb_info(TEXT)
    assert (info.issued, info.until) == (1_771_412_331, 1_774_004_331)
    first = info.levels[0]
    assert first.components.hex() == "03030202040100050000000000000000"
    assert first.tdx.hex() == "05000300000000000000000000000000"
    assert first.pcesvn == 13
    modules = {
        one.version: [(x.isv_svn, x.status.value) for x in one.levels] for one in info.modules
    }
    assert modules == {
        0: [],
        3: [(3, "UpToDate")],
        1: [(6, "UpToDate"), (4, "OutOfDate"), (2, "OutOfDate")],
    }


LEVEL = ("tcbLevels", 0)
IN_TCB: list[tuple[str, object, tuple[str | int, ...]]] = [
    ("id is not TDX", "SGX", ("id",)),
    ("version is not 3", 2, ("version",)),
    ("version is not 3", 4, ("version",)),
    ("version is no integer", True, ("version",)),
    ("version is no integer", 3.0, ("version",)),
    ("version is no integer", "3", ("version",)),
    ("issueDate is no time", "2026-02-18", ("issueDate",)),
    ("issueDate is no time", "2026-02-18T10:58:51+00:00", ("issueDate",)),
    ("issueDate: ", "2026-02-30T10:58:51Z", ("issueDate",)),
    ("nextUpdate is no text", 5, ("nextUpdate",)),
    ("nextUpdate: ", "2026-03-20T10:58:60Z", ("nextUpdate",)),
    ("fmspc is no hex of 6", "90C06F0000", ("fmspc",)),
    ("fmspc is no hex of 6", "90C06F00000G", ("fmspc",)),
    ("fmspc is no hex of 6", "90 C06F00000", ("fmspc",)),
    ("pceId", "0001", ("pceId",)),
    ("tcbType", 1, ("tcbType",)),
    ("EvaluationDataNumber is no integer", -1, ("tcbEvaluationDataNumber",)),
    ("EvaluationDataNumber is no integer", 65_536, ("tcbEvaluationDataNumber",)),
    ("EvaluationDataNumber is no integer", None, ("tcbEvaluationDataNumber",)),
    ("mrsigner is no hex of 48", "00", ("tdxModule", "mrsigner")),
    ("attributes is no hex of 8", "", ("tdxModule", "attributes")),
    ("attributesMask is no hex of 8", "FF" * 9, ("tdxModule", "attributesMask")),
    ("members other than", {"mrsigner": "00" * 48}, ("tdxModule",)),
    ("no object", [], ("tdxModule",)),
    ("no array or empty", [], ("tdxModuleIdentities",)),
    ("no array or empty", {}, ("tdxModuleIdentities",)),
    ("two hex digits", "TDX_1", ("tdxModuleIdentities", 0, "id")),
    ("two hex digits", "TDX_0g", ("tdxModuleIdentities", 0, "id")),
    ("two identities", "TDX_01", ("tdxModuleIdentities", 0, "id")),
    ("two identities", "TDX_00", ("tdxModuleIdentities", 0, "id")),
    ("no array or empty", [], ("tdxModuleIdentities", 0, "tcbLevels")),
    ("isvsvn is no integer", 65_536, ("tdxModuleIdentities", 0, "tcbLevels", 0, "tcb", "isvsvn")),
    ("members other", {"isvsvn": 3, "x": 1}, ("tdxModuleIdentities", 0, "tcbLevels", 0, "tcb")),
    ("no array or empty", [], ("tcbLevels",)),
    ("no object", 3, LEVEL),
    ("tcbStatus is no status", "uptodate", (*LEVEL, "tcbStatus")),
    ("tcbStatus is no status", "", (*LEVEL, "tcbStatus")),
    ("tcbDate is no time", "", (*LEVEL, "tcbDate")),
    ("pcesvn is no integer", 65_536, (*LEVEL, "tcb", "pcesvn")),
    ("components are not sixteen", [{"svn": 1}] * 15, (*LEVEL, "tcb", "sgxtcbcomponents")),
    ("components are not sixteen", [{"svn": 1}] * 17, (*LEVEL, "tcb", "tdxtcbcomponents")),
    ("svn is no integer", 256, (*LEVEL, "tcb", "tdxtcbcomponents", 3, "svn")),
    ("svn is no integer", -1, (*LEVEL, "tcb", "sgxtcbcomponents", 3, "svn")),
    ("category is no text", 1, (*LEVEL, "tcb", "sgxtcbcomponents", 0, "category")),
    ("members other", {"type": "x", "svn": 1}, (*LEVEL, "tcb", "sgxtcbcomponents", 0)),
    ("members other", 1, ("tcbLevels", 0, "more")),
    ("members other", 1, ("more",)),
    ("an advisory is no text", [1], ("tcbLevels", 1, "advisoryIDs")),
    ("advisoryIDs is no array", [], ("tcbLevels", 1, "advisoryIDs")),
]
IN_QE: list[tuple[str, object, tuple[str | int, ...]]] = [
    ("id is not TD_QE", "QE", ("id",)),
    ("id is not TD_QE", None, ("id",)),
    ("version is not 2", 3, ("version",)),
    ("issueDate is no time", "", ("issueDate",)),
    ("nextUpdate is no time", "2026-03-20T10:42:15Zz", ("nextUpdate",)),
    ("EvaluationDataNumber is no integer", "18", ("tcbEvaluationDataNumber",)),
    ("miscselect is no hex of 4", "0000000", ("miscselect",)),
    ("miscselectMask is no hex of 4", "", ("miscselectMask",)),
    ("attributes is no hex of 16", "11", ("attributes",)),
    ("attributesMask is no hex of 16", "11" * 17, ("attributesMask",)),
    ("mrsigner is no hex of 32", "11" * 31, ("mrsigner",)),
    ("isvprodid is no integer", 65_536, ("isvprodid",)),
    ("no array or empty", [], ("tcbLevels",)),
    ("isvsvn is no integer", False, ("tcbLevels", 0, "tcb", "isvsvn")),
    ("tcbStatus is no status", "Fine", ("tcbLevels", 0, "tcbStatus")),
    ("members other", 0, ("more",)),
]


@pytest.mark.parametrize(("what", "value", "path"), IN_TCB)
def test_each_wrong_member_of_a_tcb_info_is_named(
    what: str, value: object, path: tuple[str | int, ...]
) -> None:
    """Rule: ATTEST-9"""
    refused("ATTEST-9", what, parse_tcb_info, changed(TEXT, value, *path))


@pytest.mark.parametrize(("what", "value", "path"), IN_QE)
def test_each_wrong_member_of_a_qe_identity_is_named(
    what: str, value: object, path: tuple[str | int, ...]
) -> None:
    """Rule: ATTEST-10"""
    refused("ATTEST-10", what, parse_qe_identity, changed(QE_TEXT, value, *path))


def test_hex_is_of_either_case_and_optional_members_may_be_absent() -> None:
    """Rule: ATTEST-8, ATTEST-9"""
    assert parse_tcb_info(changed(TEXT, "90c06f000000", "fmspc")) == parse_tcb_info(TEXT)
    bare = json.loads(TEXT)
    del bare["tdxModuleIdentities"]
    for component in bare["tcbLevels"][0]["tcb"]["sgxtcbcomponents"]:
        component.pop("category", None)
        component.pop("type", None)
    read = parse_tcb_info(written(bare))
    assert [module.version for module in read.modules] == [0]
    assert read.levels == parse_tcb_info(TEXT).levels


def test_a_document_has_one_form() -> None:
    """Rule: ATTEST-8"""
    twice = TEXT.replace('"id":"TDX",', '"id":"TDX","id":"TDX",', 1)
    swapped = TEXT.replace('"id":"TDX","version":3', '"version":3,"id":"TDX"', 1)
    for text, what in (
        (TEXT + " ", "usual form"),
        (TEXT.replace(",", ", ", 1), "usual form"),
        (TEXT.replace("TDX", "\\u0054DX", 1), "usual form"),
        (TEXT.replace('"version":3', '"version":3e0', 1), "usual form"),
        (TEXT.replace('"version":3', '"version":-0', 1), "usual form"),
        (TEXT.replace('"version":3', '"version":NaN', 1), "version is no integer"),
        (TEXT.replace('"version":3', '"version":' + "9" * 5_000, 1), "not JSON"),
        (twice, "occurs twice"),
        (swapped, "members other than"),
        (TEXT[:-1], "not JSON"),
        ("", "not JSON"),
        ("\ufeff" + TEXT, "not ASCII"),
        (TEXT.replace("BIOS", "BIÖS", 1), "not ASCII"),
        ("[" * 16_000, "not JSON"),
        ("[" * 900 + "]" * 900, "id is not TDX|not JSON"),
        ("[" * 8_000 + "]" * 8_000, "not JSON"),
        ('{"a":' * 3_000 + "1" + "}" * 3_000, "not JSON|not ASCII"),
        (" " * 16_385, "at most 16384"),
        ("null", "id is not TDX"),
        ('"TDX"', "id is not TDX"),
    ):
        refused("ATTEST-9", what, parse_tcb_info, text)


def test_a_collateral_has_nine_members_of_text() -> None:
    """Rule: ATTEST-8"""
    good = REAL["tdx_b0c06f000000_2025-06"]
    parse_collateral(written(good))
    for name in good:
        refused(
            "ATTEST-8", "nine", parse_collateral, written({k: good[k] for k in good if k != name})
        )
        refused("ATTEST-8", f"{name} is no text", parse_collateral, written(good | {name: None}))
        refused("ATTEST-8", "not ASCII", parse_collateral, written(good | {name: "\ud800"}))
    refused("ATTEST-8", "nine", parse_collateral, written(good | {"more": ""}))
    for other in ([], list(good), None, 9, "pck_crl"):
        refused("ATTEST-8", "nine", parse_collateral, written(other))
    for name in ("tcb_info_signature", "qe_identity_signature"):
        refused("ATTEST-8", "hex of 64", parse_collateral, written(good | {name: "00" * 63}))
        refused("ATTEST-8", "hex of 64", parse_collateral, written(good | {name: "0x" + "00" * 63}))
    for name in ("root_ca_crl", "pck_crl"):
        refused("ATTEST-8", "no hex", parse_collateral, written(good | {name: "0"}))
        refused(
            "ATTEST-8", "lower case", parse_collateral, written(good | {name: good[name].upper()})
        )


def test_only_a_later_document_replaces_one() -> None:
    """Rule: ATTEST-17"""
    old, new = (
        parse_collateral(tdx_samples.collateral(f"tdx_90c06f000000_{when}"))
        for when in ("2025-06", "2026-02")
    )
    check_follows(new.tcb_info, old.tcb_info)
    check_follows(new.qe_identity, old.qe_identity)
    check_list_follows(new.pck_revoked, old.pck_revoked)
    for one in (new, old):
        refused("ATTEST-17", "later", check_follows, old.tcb_info, one.tcb_info)
        refused("ATTEST-17", "later", check_follows, old.qe_identity, one.qe_identity)
        refused("ATTEST-17", "later", check_list_follows, old.pck_revoked, one.pck_revoked)
    same, later = (
        parse_collateral(tdx_samples.collateral(f"tdx_00806f050000_{when}"))
        for when in ("2025-06", "2025-10")
    )
    assert later.tcb_info.evaluation == same.tcb_info.evaluation
    check_follows(later.tcb_info, same.tcb_info)
    lower = parse_tcb_info(changed(TEXT, 16, "tcbEvaluationDataNumber"))
    refused("ATTEST-17", "lower evaluation", check_follows, lower, old.tcb_info)
    lower_qe = parse_qe_identity(changed(QE_TEXT, 16, "tcbEvaluationDataNumber"))
    refused("ATTEST-17", "lower evaluation", check_follows, lower_qe, old.qe_identity)
    other = parse_tcb_info(changed(TEXT, "90c06f000001", "fmspc"))
    refused("ATTEST-17", "FMSPC", check_follows, other, old.tcb_info)
    refused("ATTEST-17", "another kind", check_follows, new.qe_identity, old.tcb_info)
    refused("ATTEST-17", "issuer", check_list_follows, new.root_revoked, old.pck_revoked)


def damaged(text: str, draw: random.Random) -> str:
    """Return JSON with a value replaced, a member moved, or characters changed."""
    kind = draw.randrange(4)
    if kind == 0:
        at = draw.randrange(len(text))
        return (
            text[:at] + draw.choice(('"', "{", "]", ",", "\\", "9", "\0", "é", "")) + text[at + 1 :]
        )
    whole: Any = json.loads(text)
    place = whole
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw.choice(keys)
        deeper = isinstance(place[key], dict | list) and len(place[key]) > 0
        if not deeper or draw.randrange(4) == 0:
            break
        place = place[key]
    if kind == 1:
        place[key] = draw.choice(
            (None, True, -1, 2**70, 1.5, "", "x", [], {}, [[]], "TDX", "0" * 96)
        )
    elif kind == 2:
        del place[key]
    elif isinstance(place, dict):
        place[draw.choice(("svn", "x", "tcbStatus"))] = place.pop(key)
    else:
        place.append(place[key])
    return written(whole)


def test_any_json_is_read_or_refused() -> None:
    """Rule: ATTEST-8"""
    draw = random.Random(13)
    outer = written(REAL["tdx_b0c06f000000_2025-06"])
    read = refusals = 0
    for _ in range(1_000):
        text, parse = draw.choice(
            ((TEXT, parse_tcb_info), (QE_TEXT, parse_qe_identity), (outer, parse_collateral))
        )
        try:
            parse(damaged(text, draw))
            read += 1
        except Invalid:
            refusals += 1
    assert read > 10
    assert refusals > 500
