"""The readers of DER, JSON and times: each refusal by name, and Python's answer for all else."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from oyez.attestation.simulated import SimulatedPlatform
from oyez.attestation.simulated_certificates import signed_list
from oyez.attestation.simulated_documents import module, svn_level, written
from tests import tdx_readers
from tests.contracts.harness import Reverted
from tests.tdx_readers import ask, deploy_readers, list_readers

NOW = 1_760_000_000
PLATFORM = SimulatedPlatform()
TEMPLATE = "documents: not the template"


@pytest.mark.parametrize("reader", list_readers(), ids=lambda reader: reader.name)
def test_what_intel_issued_reads_as_in_python(reader: tdx_readers.Reader) -> None:
    """Rule: ATTEST-5, ATTEST-7, ATTEST-19, ATTEST-20, ATTEST-21"""
    for seed in reader.seeds:
        assert ask(reader.name, seed) == reader.python(seed)


@pytest.mark.parametrize("reader", list_readers(), ids=lambda reader: reader.name)
def test_damaged_inputs_are_refused_or_read_as_in_python(reader: tdx_readers.Reader) -> None:
    """Rule: ATTEST-4, ATTEST-5, ATTEST-7, ATTEST-19, ATTEST-20"""
    counts = tdx_readers.fuzz(random.Random(f"readers {reader.name}"), reader, 200)
    assert sum(count for name, count in counts.items() if name.endswith("refused")) >= 80
    assert sum(count for name, count in counts.items() if name.endswith("read")) >= 10


def refuses(name: str, word: str) -> str | None:
    number = int.from_bytes(word.encode().ljust(32, b"\7"))
    try:
        getattr(deploy_readers(), name)(number)
    except Reverted as refusal:
        return refusal.reason
    return None


def utc(text: str) -> str | None:
    return refuses("utc", "\x17\x0d" + text)


def iso(text: str) -> str | None:
    return refuses("iso", text)


def test_times_are_read_as_python_reads_them() -> None:
    """Rule: ATTEST-4, ATTEST-8"""
    rng = random.Random(3)
    readers = deploy_readers()
    moments = [datetime(2000, 1, 1, tzinfo=UTC), datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)]
    moments += [datetime(year, month, day, tzinfo=UTC) for year in (2023, 2024, 2048)
                for month, day in ((2, 28), (3, 1), (12, 31))]  # fmt: skip
    moments.append(datetime(2024, 2, 29, 12, 34, 56, tzinfo=UTC))
    moments += [
        datetime.fromtimestamp(rng.randrange(946_684_800, 2_524_608_000), UTC) for _ in range(40)
    ]
    for moment in moments:
        seconds = int(moment.timestamp())
        text = b"\x17\x0d" + moment.strftime("%y%m%d%H%M%SZ").encode()
        assert readers.utc(int.from_bytes(text.ljust(32, b"\7"))) == seconds
        text = moment.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
        assert readers.iso(int.from_bytes(text.ljust(32, b"\7"))) == seconds
    late = b"2099-12-31T23:59:59Z".ljust(32, b"\0")
    assert readers.iso(int.from_bytes(late)) == 4_102_444_799


def test_what_is_no_time_is_refused_by_name() -> None:
    """Rule: ATTEST-4, ATTEST-8"""
    assert utc("240229000000Z") is None
    assert refuses("utc", "\x18\x0d240229000000Z") == "times: no time in utc"
    assert refuses("utc", "\x17\x0c240229000000Z") == "times: no time in utc"
    for end in ("z", "+", "0"):
        assert utc("240229000000" + end) == "times: no time in utc"
    for year in ("50", "99"):
        assert utc(year + "0101000000Z") == "times: utc after 2049"
    for at in range(12):
        for wrong in "/:\x00p":
            text = "240229121212"
            reason = utc(text[:at] + wrong + text[at + 1 :] + "Z")
            assert reason == "times: no digits" or (at == 0 and reason == "times: utc after 2049")
    for month in ("00", "13", "99"):
        assert utc(f"24{month}01000000Z") == "times: no such month"
    for clock in ("240000", "990000", "006000", "000060", "000099"):
        assert utc(f"240101{clock}Z") == "times: no such hour"
    for day in ("230229", "240230", "240100", "240132", "240431", "241232", "490229"):
        assert utc(f"{day}000000Z") == "times: no such day"
    assert iso("2024-02-29T12:00:00Z") is None
    assert iso("1999-12-31T12:00:00Z") == "times: not of this century"
    assert iso("2100-01-01T12:00:00Z") == "times: not of this century"
    for at in (4, 7, 10, 13, 16, 19):
        text = "2024-02-29T12:00:00Z"
        assert iso(text[:at] + " " + text[at + 1 :]) == "times: no iso time"
    assert iso("2023-02-29T12:00:00Z") == "times: no such day"


def test_sixteen_bytes_are_compared_one_by_one() -> None:
    """Rule: ATTEST-16"""
    rng = random.Random(4)
    readers = deploy_readers()
    for _ in range(300):
        have = bytes(rng.choice((0, 1, 127, 128, 129, 255)) for _ in range(16))
        need = bytes(max(0, min(255, one - rng.choice((0, 0, 1, 200)))) for one in have)
        if rng.random() < 0.5:
            at = rng.randrange(16)
            need = (
                need[:at] + bytes((min(255, have[at] + rng.choice((0, 1, 128))),)) + need[at + 1 :]
            )
        expected = all(one >= other for one, other in zip(have, need, strict=True))
        assert readers.is_reached(int.from_bytes(have), int.from_bytes(need)) == expected


def test_lists_of_any_length_up_to_the_bound() -> None:
    """Rule: ATTEST-21, ATTEST-7"""
    form = PLATFORM.pck_list_form(NOW)

    def listed(*serials: int, **fields: Any) -> bytes:
        entries = tuple((serial, NOW, 1) for serial in serials)
        return signed_list(replace(form, entries=entries, **fields))

    for serials in ((), (1,), (255, 256), range(1, 5), range(1, 301)):
        raw = listed(*serials)
        read = ask("revocation_list", raw)
        assert read == tdx_readers.read_list(raw)
        assert read[-1] == frozenset(serials)
    edges = (1, 127, 128, 1 << 151, (1 << 159) - 1, 1 << 159, (1 << 160) - 1)
    assert ask("revocation_list", listed(*edges))[-1] == frozenset(edges)
    assert ask("revocation_list", listed(*range(1, 302))) == "list: too many entries"
    for serial, reason in (
        (0, "x509: serial out of range"),
        (1 << 160, "x509: serial out of range"),
        (1 << 168, "x509: serial of another length"),
    ):
        assert ask("revocation_list", listed(serial)) == reason
    padded = listed(0x51).replace(b"\x30\x20\x02\x01\x51", b"\x30\x21\x02\x02\x00\x51")
    padded = padded[:2] + bytes((padded[2] + 1,)) + padded[3:]
    at = padded.index(b"\x30\x22\x30\x21\x02\x02") if b"\x30\x22\x30\x21\x02\x02" in padded else -1
    if at < 0:
        at = padded.index(b"\x30\x21\x02\x02\x00\x51") - 1
        padded = padded[:at] + bytes((padded[at] + 1,)) + padded[at + 1 :]
    assert ask("revocation_list", padded) == "x509: serial not the shortest"
    for raw in (b"", b"\x30", listed()[:-1], listed(tail=b"\0"), listed(version=b"\2\1\2")):
        assert ask("revocation_list", raw) == "list: not the template"


def info(**members: Any) -> dict[str, Any]:
    return PLATFORM.tcb_info(NOW) | members


def change(act: Callable[[dict[str, Any]], None]) -> bytes:
    made = info()
    act(made)
    return written(made).encode()


def reason_of(act: Callable[[dict[str, Any]], None]) -> Any:
    return ask("tcb_info", change(act))


def test_what_is_no_tcb_info_is_refused_by_name() -> None:
    """Rule: ATTEST-19"""
    right = written(info())
    level = '"tcbLevels":[{"tcb":{"sgxtcbcomponents":['

    def other(old: str, new: str) -> Any:
        assert old in right
        return ask("tcb_info", right.replace(old, new, 1).encode())

    for old, new in (
        ('"id":"TDX"', '"id":"SGX"'),
        ('"version":3', '"version":2'),
        ('"pceId":"0000"', '"pceId":"0001"'),
        ('"tcbType":0', '"tcbType":1'),
        ('"tdxModule":{', '"tdxModulf":{'),
        (level, level.replace("sgx", "tdx")),
        (',"pcesvn":', ', "pcesvn":'),
        ('"id":"TDX_', '"id":"TDY_'),
    ):
        assert other(old, new) == TEMPLATE
    for wrong in ('"x"', "-1", "65536", "100000"):
        assert other('DataNumber":18', f'DataNumber":{wrong}') == "documents: no number"
    assert other('DataNumber":18', 'DataNumber":018') == "documents: a leading zero"
    assert other('"pcesvn":13', '"pcesvn":013') == "documents: a leading zero"
    assert other('"pcesvn":13', '"pcesvn":65535')[6] == 65_535
    for wrong in ("G1", "g1", "/1", ":1", "@1", "`1"):
        assert other('"fmspc":"51', f'"fmspc":"{wrong}') == "documents: no hex"
    lower = other("51D051D051D0", "51d051d051d0")
    assert lower[2] == PLATFORM.fmspc
    assert other('[{"svn":4,', '[{"svm":4,') == "documents: no component"
    assert other('[{"svn":4,', '[{"svn":256,') == "documents: no svn of a byte"
    assert other('[{"svn":4,', '[{"svn":255,')[5] >> 248 == 255
    for wrong in ('[{"svn":40"', '[{"svn":4 ,', '[{"svn":4]'):
        assert other('[{"svn":4,', wrong) == "documents: no svn of a byte"
    long = '"category":"' + "x" * 300
    assert other('"category":"BIOS', long) == "documents: not 16 components"


def test_sixteen_components_no_more_and_no_less() -> None:
    """Rule: ATTEST-19"""
    for name in ("sgxtcbcomponents", "tdxtcbcomponents"):
        for count in (15, 17):

            def resize(made: dict[str, Any], name: str = name, count: int = count) -> None:
                tcb = made["tcbLevels"][0]["tcb"]
                tcb[name] = (tcb[name] + [{"svn": 0}])[:count]

            assert reason_of(resize) == "documents: not 16 components"


def test_modules_stand_at_most_once() -> None:
    """Rule: ATTEST-19"""

    def give(*versions: int) -> Any:
        modules = [module(one, svn_level(one), svn_level(0, "OutOfDate")) for one in versions]
        return reason_of(lambda made: made.update(tdxModuleIdentities=modules))

    for versions in ((1,), (255, 7, 16), tuple(range(1, 16))):
        assert [one[0] for one in give(*versions)[4]] == [0, *versions]
    for versions in ((1, 1), (3, 1, 3), (0,), (1, 0)):
        assert give(*versions) == "documents: a module twice"
    for versions in (tuple(range(1, 17)), tuple(range(1, 20))):
        assert give(*versions) == "documents: too many modules"


def test_levels_that_never_end_are_refused() -> None:
    """Rule: ATTEST-19"""
    right = written(info())
    at = right.index("}]},")
    for size in (at + 1, at + 500, 16_384):
        text = (right[:at] + "," + '"' * 16_384)[:size]
        assert ask("tcb_info", text.encode()) == "documents: ends too early"


def test_what_is_no_qe_identity_is_refused_by_name() -> None:
    """Rule: ATTEST-20"""
    right = written(PLATFORM.qe_identity(NOW))
    for old, new in (
        ('"id":"TD_QE"', '"id":"QE"'),
        ('"version":2', '"version":3'),
        ('"issueDate"', '"issuedate"'),
        ('"nextUpdate"', '"nextupdate"'),
        ('"miscselectMask"', '"miscselectmask"'),
        ('"attributesMask"', '"attributesmask"'),
        ('"isvprodid"', '"isvprodie"'),
        ('"tcbStatus"', '"tcbstatus"'),
        ('},"tcbDate"', '} ,"tcbDate"'),
    ):
        assert ask("qe_identity", right.replace(old, new).encode()) == TEMPLATE
    for old, new in (('"miscselect":"0', '"miscselect":"x'), ('"mrsigner":"', '"mrsigner":"%')):
        assert ask("qe_identity", right.replace(old, new).encode()) == "documents: no hex"
    for raw in (b"", b"{", right[:100].encode()):
        assert ask("qe_identity", raw) == TEMPLATE


def test_a_document_cut_anywhere_before_its_status_is_refused() -> None:
    """Rule: ATTEST-19, ATTEST-20"""
    for name, right in (
        ("tcb_info", written(info())),
        ("qe_identity", written(PLATFORM.qe_identity(NOW))),
    ):
        status = right.rindex('UpToDate"') if name == "qe_identity" else right.index(
            '"tcbStatus":"UpToDate"', right.index("tdxtcbcomponents")
        ) + 13  # fmt: skip
        end = status + len('UpToDate"')
        whole = ask(name, right.encode())
        assert ask(name, right[:end].encode()) == whole
        step = 1 if name == "qe_identity" else 7
        for at in range(0, end, step):
            read = ask(name, right[:at].encode())
            assert isinstance(read, str) or read[-1] is False, at
