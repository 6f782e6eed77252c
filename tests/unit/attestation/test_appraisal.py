"""Published quotes accepted or refused as their files say; every altered one by its rule."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import replace

import pytest

from oyez.attestation import p256
from oyez.attestation.appraisal import REFUSALS, appraise
from oyez.attestation.certificates import BEGIN, SGX
from oyez.attestation.collateral import parse_collateral
from oyez.attestation.documents import Status
from oyez.protocol.errors import Invalid
from tests import tdx_samples, tdx_world
from tests.tdx_judging import TD10, TD15, judge, qe, refused, tcb, written
from tests.tdx_world import World, certificate, public

#: dcap-qvl's answer -> our rule and reason.
REASONS = {
    "OutOfDate": ("ATTEST-16", "platform is OutOfDate"),
    "error: Verification failed: No matching TCB level found": (
        "ATTEST-16",
        "reaches no TCB level",
    ),
    "error: Verification failed: Debug mode is enabled": ("ATTEST-14", "in debug mode"),
    "error: Verification failed: SEPT_VE_DISABLE is not enabled": ("ATTEST-14", "SEPT_VE_DISABLE"),
    "error: Verification failed: Invalid MR service TD": ("ATTEST-14", "a service domain"),
}
ACCEPTED = {
    "tdx_v4_phala_b0c06f_uptodate", "tdx_v4_flashbots_b0c06f_a", "tdx_v4_flashbots_b0c06f_b",
    "tdx_v4_gcp_cos113_00806f", "tdx_v5td15_google_90c06f",
}  # fmt: skip


@pytest.mark.parametrize(
    "case", tdx_samples.cases(), ids=lambda case: f"{case.quote}-{case.collateral}"
)
def test_published_quotes_are_judged_as_their_files_say(case: tdx_samples.Case) -> None:
    """Rule: ATTEST-16, ATTEST-12, ATTEST-13, ATTEST-14, ATTEST-15"""
    raw, text = tdx_samples.raw(case.quote), tdx_samples.collateral(case.collateral)
    if case.quote.startswith("sgx_"):
        given = parse_collateral(tdx_samples.collateral(TD10[1]))
        refused("ATTEST-1", "version 3", appraise, raw, given, case.now)
        return
    given = parse_collateral(text)
    assert (case.answer == "UpToDate") == (case.quote in ACCEPTED)
    if case.answer != "UpToDate":
        rule, what = REASONS[case.answer]
        refused(rule, what, appraise, raw, given, case.now)
        return
    found = appraise(raw, given, case.now)
    facts = tdx_samples.facts(case.quote)
    start, end = tdx_samples.about(case.collateral)["window"]
    until = end - 1  # a list's nextUpdate is too late
    assert found.until == until
    assert found.report.report_data.hex() == facts["td"]["report_data"]
    assert found.platform.fmspc.hex() == facts["fmspc"]
    assert hex(found.pck.serial) == facts["pck_serial"]
    assert appraise(raw, given, until) == found
    for now in (start - 1, until + 1):
        with pytest.raises(Invalid, match=r"in force yet|not valid yet|expired"):
            appraise(raw, given, now)
    refused("ATTEST-6", "another root", appraise, raw, given, case.now, tdx_world.ROOT)


def test_every_published_quote_has_its_answer() -> None:
    """Rule: ATTEST-16"""
    judged = {case.quote for case in tdx_samples.cases()}
    assert set(tdx_samples.QUOTES) - judged == {"sgx_v3_automata_00606a"}
    assert judged >= ACCEPTED
    assert len(tdx_samples.cases()) >= 17
    raw = tdx_samples.raw("sgx_v3_automata_00606a")
    given = parse_collateral(tdx_samples.collateral(TD10[1]))
    refused("ATTEST-1", "version 3", appraise, raw, given, 1_751_624_191)


def test_every_status_but_up_to_date_is_refused() -> None:
    """Rule: ATTEST-16"""
    assert set(REFUSALS) == set(Status)
    assert [status for status, why in REFUSALS.items() if why is None] == [Status.UP_TO_DATE]
    for status in set(Status) - {Status.UP_TO_DATE}:
        words = f"is {status.value}: {REFUSALS[status]}"
        platform = tcb(World(), status.value, "tcbLevels", 0, "tcbStatus")
        refused("ATTEST-16", f"platform {words}", judge, platform)
        module = tcb(World(), status.value, "tdxModuleIdentities", 1, "tcbLevels", 0, "tcbStatus")
        refused("ATTEST-16", f"TDX module {words}", judge, module)
        enclave = qe(World(), status.value, "tcbLevels", 0, "tcbStatus")
        refused("ATTEST-16", f"quoting enclave {words}", judge, enclave)


def test_the_tests_own_platform_is_accepted_and_by_intels_root_refused() -> None:
    """Rule: ATTEST-12, ATTEST-6"""
    for names in (TD10, TD15):
        world = World(*names)
        judge(world)
        given = parse_collateral(world.collateral())
        refused("ATTEST-6", "another root", appraise, world.quote(), given, world.now)
        real = parse_collateral(tdx_samples.collateral(names[1]))
        refused("ATTEST-6", "another root", appraise, world.quote(), real, world.now)
        raw = tdx_samples.raw(names[0])
        refused("ATTEST-6", "another root", appraise, raw, given, world.now)


ALLOWED = ("0000001000000000", "0000005000000000", "0000009000000000", "0000001000000080")
DOMAIN: list[tuple[str, str, int, str]] = [
    ("ATTEST-14", "in debug mode", 120, "0100001000000000"),
    ("ATTEST-14", "first attributes", 120, "0200001000000000"),
    ("ATTEST-14", "first attributes", 120, "8000001000000000"),
    ("ATTEST-14", "SEPT_VE_DISABLE", 120, "0000000000000000"),
    ("ATTEST-14", "migrated", 120, "0000003000000000"),
    ("ATTEST-14", "reserved attribute", 120, "0001001000000000"),
    ("ATTEST-14", "reserved attribute", 120, "0000001800000000"),
    ("ATTEST-14", "reserved attribute", 120, "0000001001000000"),
    ("ATTEST-14", "reserved attribute", 120, "0000001000000040"),
    ("ATTEST-14", "SEAM attributes", 112, "01"),
    ("ATTEST-14", "SEAM attributes", 119, "80"),
    ("ATTEST-15", "signed by another", 64, "01"),
    ("ATTEST-15", "signed by another", 111, "01"),
    ("ATTEST-15", "version 2 is not", 0, "090203"),
    ("ATTEST-16", "TDX module is OutOfDate", 0, "030103"),
    ("ATTEST-16", "ISVSVN 1 reaches no", 0, "010103"),
    ("ATTEST-16", "ISVSVN 2 reaches no", 0, "020303"),
    ("ATTEST-16", "platform reaches no", 0, "060101"),
    ("ATTEST-16", "platform reaches no", 0, "040003"),
]


@pytest.mark.parametrize(("rule", "what", "at", "value"), DOMAIN)
def test_each_wrong_field_of_a_domain_is_refused(rule: str, what: str, at: int, value: str) -> None:
    """Rule: ATTEST-14, ATTEST-15, ATTEST-16"""
    for names in (TD10, TD15):
        world = World(*names)
        refused(rule, what, judge, world, world.quote(body={at: bytes.fromhex(value)}))


def test_the_modules_identity_is_that_of_its_version() -> None:
    """Rule: ATTEST-15"""
    for version, path in ((0, ("tdxModule",)), (1, ("tdxModuleIdentities", 1))):
        for member, value, what in (
            ("mrsigner", "01" + "00" * 47, "signed by another"),
            ("attributes", "01" + "00" * 7, "of other attributes"),
        ):
            world = tcb(World(), value, *path, member)
            for svn in (0, 1, 3):
                quote = world.quote(body={0: bytes((6, svn, 3))})
                if svn == version:
                    refused("ATTEST-15", what, judge, world, quote)
                else:
                    judge(world, quote)


def test_fields_that_may_differ() -> None:
    """Rule: ATTEST-14, ATTEST-16"""
    world = World()
    for attributes in ALLOWED:
        judge(world, world.quote(body={120: bytes.fromhex(attributes)}))
    for svn in ("050002", "040102", "030302", "ff01ff"):
        judge(world, world.quote(body={0: bytes.fromhex(svn)}))
    for at in (16, 128, 136, 184, 232, 280, 328, 472, 520, 583):
        judge(world, world.quote(body={at: b"\xa5"}))


@pytest.mark.parametrize(
    ("rule", "what", "at", "value"),
    [
        ("ATTEST-14", "service domain", 600, "01"),
        ("ATTEST-14", "service domain", 647, "80"),
        ("ATTEST-16", "platform is OutOfDate", 584, "060102"),
        ("ATTEST-16", "platform reaches no", 584, "060101"),
        ("ATTEST-16", "TDX module is OutOfDate", 584, "050103"),
        ("ATTEST-15", "version 2 is not", 584, "060203"),
    ],
)
def test_what_td_1_5_adds_is_judged(rule: str, what: str, at: int, value: str) -> None:
    """Rule: ATTEST-14, ATTEST-16"""
    world = World(*TD15)
    refused(rule, what, judge, world, world.quote(body={at: bytes.fromhex(value)}))
    judge(world, world.quote(body={584: bytes.fromhex("060103")}))


@pytest.mark.parametrize(
    ("rule", "what", "at", "value"),
    [
        ("ATTEST-13", "in debug mode", 48, "17"),
        ("ATTEST-13", "other attributes", 48, "05"),
        ("ATTEST-13", "other attributes", 55, "01"),
        ("ATTEST-13", "MISCSELECT", 16, "01"),
        ("ATTEST-13", "MISCSELECT", 19, "80"),
        ("ATTEST-13", "another than Intel", 128, "00"),
        ("ATTEST-13", "another than Intel", 159, "00"),
        ("ATTEST-13", "product 1, not 2", 256, "01"),
        ("ATTEST-13", "product 258, not 2", 257, "01"),
        ("ATTEST-16", "enclave of ISVSVN 3 reaches no", 258, "03"),
        ("ATTEST-12", "names another", 320, "00" * 32),
        ("ATTEST-12", "names another", 352, "01"),
        ("ATTEST-12", "names another", 383, "01"),
    ],
)
def test_each_wrong_field_of_the_enclave_is_refused(
    rule: str, what: str, at: int, value: str
) -> None:
    """Rule: ATTEST-12, ATTEST-13, ATTEST-16"""
    world = World()
    refused(rule, what, judge, world, world.quote(enclave={at: bytes.fromhex(value)}))
    judge(world, world.quote(enclave={48: b"\x11", 56: b"\0", 64: b"\0", 258: b"\xff\xff"}))


def test_signatures_bind_the_parts() -> None:
    """Rule: ATTEST-12"""
    world = World()
    good = world.quote()
    signed = len(world.base.signed) + 4

    def resigned(r: bytes, s: bytes) -> bytes:
        return good[:signed] + r + s + good[signed + 64 :]

    r, s = good[signed : signed + 32], good[signed + 32 : signed + 64]
    judge(world, resigned(r, (p256.ORDER - int.from_bytes(s)).to_bytes(32)))
    order = p256.ORDER.to_bytes(32)
    for pair in ((r, bytes(32)), (bytes(32), s), (order, s), (r, order), (s, r)):
        refused("ATTEST-12", "by its attestation key", judge, world, resigned(*pair))
    key = public("attestation")
    for bad in (bytes(64), key[:63] + bytes((key[63] ^ 1,)), public("foreign")):
        refused("ATTEST-12", "by its attestation key", judge, world, world.quote(key=bad))
    for name in ("pck", "foreign"):
        refused("ATTEST-12", "by its attestation key", judge, world, world.quote(signed_by=name))
    for name in ("attestation", "ca", "root"):
        refused("ATTEST-12", "by the PCK", judge, world, world.quote(certified_by=name))
    foreign = hashlib.sha256(public("foreign") + world.base.qe_auth).digest()
    refused("ATTEST-12", "names another", judge, world, world.quote(enclave={320: foreign}))


def platform(world: World, number: int, old: int, new: int) -> bytes:
    """Return a quote whose PCK has another component SVN (1 to 16) or PCESVN (17)."""
    assert world.leaf.platform is not None
    head = SGX + b"\2" + bytes((number,)) + b"\2\1"
    edits = [(head + bytes((old,)), head + bytes((new,)))]
    if number < 17:
        svns = world.leaf.platform.components
        assert svns[number - 1] == old
        before = b"\4\x10" + svns
        edits.append((before, before[: number + 1] + bytes((new,)) + before[number + 2 :]))
    _, ca, root = world.chain()
    return world.quote(chain=(certificate(world.leaf, "ca", edits), ca, root))


def test_the_platforms_own_numbers_are_judged() -> None:
    """Rule: ATTEST-16"""
    world = World()
    refused("ATTEST-16", "reaches no TCB level", judge, world, platform(world, 1, 3, 1))
    refused("ATTEST-16", "reaches no TCB level", judge, world, platform(world, 8, 5, 4))
    refused("ATTEST-16", "reaches no TCB level", judge, world, platform(world, 17, 11, 4))
    refused("ATTEST-16", "platform is OutOfDate", judge, world, platform(world, 17, 11, 10))
    for number, old, new in ((1, 3, 2), (1, 3, 127), (16, 0, 9), (17, 11, 12)):
        judge(world, platform(world, number, old, new))


def test_a_chain_of_other_parts_is_refused() -> None:
    """Rule: ATTEST-6, ATTEST-7"""
    world = World()
    leaf, ca, root = world.chain()
    signer = certificate(world.signer, "root")
    for chain in (
        (ca, root),
        (signer, root),
        (leaf, ca),
        (leaf, leaf, ca, root),
        (signer, ca, root),
    ):
        refused("ATTEST-6", "certificates", judge, world, world.quote(chain=chain))
    expired = certificate(replace(world.leaf, not_after=world.now - 1), "ca")
    refused("ATTEST-6", "expired", judge, world, world.quote(chain=(expired, ca, root)))
    ended = certificate(replace(world.leaf, not_after=world.now), "ca")
    found = appraise(
        world.quote(chain=(ended, ca, root)),
        parse_collateral(world.collateral()),
        world.now,
        tdx_world.ROOT,
    )
    assert found.until == world.now
    other = replace(world.ca, key=public("foreign"))
    foreign = (certificate(world.leaf, "foreign"), certificate(other, "root"), root)
    refused("ATTEST-11", "another issuer", judge, world, world.quote(chain=foreign))


def test_a_newer_tcb_info_ends_what_was_up_to_date() -> None:
    """Rule: ATTEST-16"""
    world = World()
    raised = json.loads(world.tcb_info)
    top = json.loads(written(raised["tcbLevels"][0]))
    top["tcb"]["pcesvn"] = 12
    raised["tcbLevels"][0]["tcbStatus"] = "OutOfDate"
    raised["tcbLevels"].insert(0, top)
    world.tcb_info = written(raised)
    refused("ATTEST-16", "platform is OutOfDate", judge, world)
    judge(world, platform(world, 17, 11, 12))


def test_no_flipped_bit_of_a_real_quote_is_accepted() -> None:
    """Rule: ATTEST-1, ATTEST-12"""
    draw = random.Random(17)
    for name, collateral in (TD10, TD15):
        raw = tdx_samples.raw(name)
        given = parse_collateral(tdx_samples.collateral(collateral))
        now = tdx_samples.about(collateral)["suggested_now"]
        appraise(raw, given, now)
        places = [draw.randrange(8 * len(raw)) for _ in range(60)]
        places += [draw.randrange(8 * raw.index(BEGIN)) for _ in range(40)]
        for bit in places:
            flipped = bytearray(raw)
            flipped[bit // 8] ^= 1 << bit % 8
            with pytest.raises(Invalid):
                appraise(bytes(flipped), given, now)


def test_no_flipped_bit_of_real_collateral_is_accepted() -> None:
    """Rule: ATTEST-8, ATTEST-11"""
    draw = random.Random(19)
    name, collateral = TD15
    raw, parts = tdx_samples.raw(name), json.loads(tdx_samples.collateral(collateral))
    text = written(parts)
    now = tdx_samples.about(collateral)["suggested_now"]
    for _ in range(100):
        bit = draw.randrange(7 * len(text))
        at = bit // 7
        flipped = text[:at] + chr(ord(text[at]) ^ 1 << bit % 7) + text[at + 1 :]
        with pytest.raises(Invalid):
            appraise(raw, parse_collateral(flipped), now)
