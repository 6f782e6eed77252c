"""Signatures, DER, certificates, chains and revocation lists: Intel's own, and each altered."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from oyez.attestation import p256
from oyez.attestation.certificates import (
    BEGIN,
    CA_DEPTH,
    END,
    INTEL_ROOT,
    ISSUER,
    PCK,
    REVOCATION_ADDRESS,
    SIGNER,
    Certificate,
    check_chain,
    parse_certificate,
    parse_pem,
)
from oyez.attestation.der import Der
from oyez.attestation.quote import parse_quote
from oyez.attestation.revocation import check_not_revoked, check_revocations, parse_revocations
from oyez.protocol.errors import Invalid
from tests import tdx_samples, tdx_world
from tests.tdx_world import certificate, public, revocations, sign, tlv, wrap

SETS = sorted(path.stem for path in (tdx_samples.ROOT / "collateral").glob("*-??.json"))
WORLD = tdx_world.World()
NOW, ROOT = WORLD.now, tdx_world.ROOT
DAY = 86_400


def real_chain(name: str) -> tuple[Certificate, ...]:
    raw = tdx_samples.raw(name)
    end = raw.rindex(END) + len(END)
    return parse_pem(raw[raw.index(BEGIN) : end])


def refused(rule: str, what: str, act: Callable[..., object], *inputs: object) -> None:
    with pytest.raises(Invalid, match=what) as caught:
        act(*inputs)
    assert caught.value.rule == rule


def test_signatures_and_their_edges() -> None:
    """Rule: ATTEST-3"""
    key, message = public("pck"), b"message"
    good = sign("pck", message)
    r, s = good[:32], good[32:]
    order, field = p256.ORDER.to_bytes(32), p256.FIELD.to_bytes(32)
    assert p256.verify(key, message, good)
    assert p256.verify(key, message, r + (p256.ORDER - int.from_bytes(s)).to_bytes(32))
    for bad in (bytes(32) + s, r + bytes(32), order + s, r + order, s + r, r, good + b"\0", b""):
        assert not p256.verify(key, message, bad)
    assert not p256.verify(key, b"Message", good)
    assert not p256.verify(public("ca"), message, good)
    off = key[:63] + bytes((key[63] ^ 1,))
    longer = key[:32] + b"\0" + key[32:]
    for other in (bytes(64), off, field + key[32:], key[:32] + field, key[:32], longer, b""):
        assert not p256.on_curve(other)
        assert not p256.verify(other, message, good)
    x, y = int.from_bytes(key[:32]), int.from_bytes(key[32:])
    at_zero = pow(p256.B, (p256.FIELD + 1) // 4, p256.FIELD).to_bytes(32)
    assert p256.on_curve(bytes(32) + at_zero)
    assert not p256.on_curve(field + at_zero)
    assert p256.on_curve(key)
    assert p256.on_curve(key[:32] + (p256.FIELD - y).to_bytes(32))
    assert not p256.on_curve((x + p256.FIELD).to_bytes(33)[-32:] + key[32:])


@pytest.mark.parametrize("name", tdx_samples.QUOTES)
def test_every_published_chain_reads_as_its_file_says(name: str) -> None:
    """Rule: ATTEST-5, ATTEST-6"""
    facts = tdx_samples.facts(name)
    if "Processor" in facts["pck_issuer"]:
        refused("ATTEST-5", "no element 0x30", real_chain, name)
        return
    leaf, ca, root = chain = real_chain(name)
    assert leaf.platform is not None
    assert leaf.platform.fmspc.hex() == facts["fmspc"]
    assert list(leaf.platform.components) == facts["pck_tcb_comp_svn"]
    assert leaf.platform.pcesvn == facts["pcesvn"]
    assert hex(leaf.serial) == facts["pck_serial"]
    assert (ca.depth, root.depth) == (0, 1)
    assert root.key == INTEL_ROOT
    check_chain(chain, PCK, INTEL_ROOT, leaf.not_before)
    check_chain(chain, PCK, INTEL_ROOT, leaf.not_after)
    for now in (leaf.not_before - 1, leaf.not_after + 1):
        refused("ATTEST-6", "not valid yet|expired", check_chain, chain, PCK, INTEL_ROOT, now)
    refused("ATTEST-6", "another root", check_chain, chain, PCK, ROOT, leaf.not_before)


@pytest.mark.parametrize("name", SETS)
def test_every_published_collateral_has_its_chains_and_lists(name: str) -> None:
    """Rule: ATTEST-6, ATTEST-7"""
    parts, now = json.loads(tdx_samples.collateral(name)), tdx_samples.about(name)["suggested_now"]
    for member in ("tcb_info_issuer_chain", "qe_identity_issuer_chain"):
        check_chain(parse_pem(parts[member].encode()), SIGNER, INTEL_ROOT, now)
    issuers = parse_pem(parts["pck_crl_issuer_chain"].encode())
    check_chain(issuers, ISSUER, INTEL_ROOT, now)
    for member, issuer in zip(("pck_crl", "root_ca_crl"), issuers, strict=True):
        listed = parse_revocations(bytes.fromhex(parts[member]))
        check_revocations(listed, issuer, now)
        for when in (listed.this_update - 1, listed.next_update):
            refused("ATTEST-7", "in force|expired", check_revocations, listed, issuer, when)
        check_revocations(listed, issuer, listed.this_update)
        check_revocations(listed, issuer, listed.next_update - 1)
        assert len(listed.serials) == parts[member].count("0603551d1504030a01")


def chain_of(*certificates: bytes) -> Callable[[], None]:
    chain = tuple(parse_certificate(one) for one in certificates)
    return lambda: check_chain(chain, PCK, ROOT, NOW)


def test_the_tests_own_chain_is_accepted() -> None:
    """Rule: ATTEST-6"""
    chain_of(*WORLD.chain())()
    check_chain(parse_pem(tdx_world.pem(*WORLD.chain())), PCK, ROOT, NOW)


def altered_chains() -> list[tuple[str, Callable[[], None]]]:
    leaf, ca, root = WORLD.chain()
    of, base = certificate, WORLD
    by_root = replace(base.leaf, issuer=base.root.subject)
    root_id = [(base.ca.identifier, base.root.identifier)]
    signer = of(base.signer, "root")
    foreign = of(replace(base.root, key=public("foreign")), "foreign")
    old, new = {"not_after": NOW - 1}, {"not_before": NOW + 1}
    return [
        ("another root", chain_of(leaf, ca, foreign)),
        ("certificate 2.*not signed", chain_of(leaf, ca, of(base.root, "foreign"))),
        ("certificate 1.*not signed", chain_of(leaf, of(base.ca, "foreign"), root)),
        ("certificate 0.*not signed", chain_of(of(base.leaf, "pck"), ca, root)),
        ("certificate 0.*not signed", chain_of(of(base.leaf, "root"), ca, root)),
        ("certificate 0.*expired", chain_of(of(replace(base.leaf, **old), "ca"), ca, root)),
        ("certificate 0.*not valid yet",
         chain_of(of(replace(base.leaf, **new), "ca"), ca, root)),
        ("certificate 1.*expired", chain_of(leaf, of(replace(base.ca, **old), "root"), root)),
        ("certificate 1.*not valid yet",
         chain_of(leaf, of(replace(base.ca, **new), "root"), root)),
        ("certificate 2.*expired", chain_of(leaf, ca, of(replace(base.root, **old), "root"))),
        ("another issuer's name", chain_of(of(by_root, "ca"), ca, root)),
        ("another issuer's identifier", chain_of(of(base.leaf, "ca", root_id), ca, root)),
        ("another issuer's identifier",
         chain_of(of(base.leaf, "ca", [(base.ca.identifier, bytes(20))]), ca, root)),
        ("other roles", chain_of(of(by_root, "root", root_id), root)),
        ("other roles", chain_of(of(by_root, "root", root_id), root, root)),
        ("other roles", chain_of(leaf, leaf, ca, root)),
        ("other roles", chain_of(leaf, signer, root)),
        ("other roles", chain_of(ca, root)),
        ("other roles", chain_of(ca, ca, root)),
        ("other roles", chain_of(leaf)),
        ("other roles", chain_of()),
        ("PCK where none may be, or none", chain_of(signer, ca, root)),
    ]  # fmt: skip


@pytest.mark.parametrize(("what", "act"), altered_chains())
def test_no_altered_chain_is_accepted(what: str, act: Callable[[], None]) -> None:
    """Rule: ATTEST-6"""
    refused("ATTEST-6", what, act)


def test_a_pck_is_no_signer_and_a_ca_of_another_depth_is_none() -> None:
    """Rule: ATTEST-6"""
    leaf, ca, root = (parse_certificate(one) for one in WORLD.chain())
    as_signer = (replace(leaf, depth=None), root)
    refused("ATTEST-6", "a PCK where", check_chain, as_signer, SIGNER, ROOT, NOW)
    below = certificate(WORLD.ca, "root", [(CA_DEPTH + b"\0", CA_DEPTH + b"\1")])
    refused("ATTEST-6", "other roles", chain_of(WORLD.chain()[0], below, WORLD.chain()[2]))
    check_chain((ca, root), ISSUER, ROOT, NOW)
    refused("ATTEST-6", "other roles", check_chain, (root,), ISSUER, ROOT, NOW)


SGX_FIELD = bytes.fromhex("2a864886f84d010d01")
ALTERED: list[tuple[str, bytes, bytes]] = [
    ("PCE id", SGX_FIELD + b"\3\4\2\0\0", SGX_FIELD + b"\3\4\2\0\1"),
    ("CPUSVN", SGX_FIELD + b"\2\1\2\1\3", SGX_FIELD + b"\2\1\2\1\4"),
    ("negative", SGX_FIELD + b"\2\1\2\1\3", SGX_FIELD + b"\2\1\2\1\x80"),
    ("field 2.1 of", SGX_FIELD + b"\2\1\2\1\3", SGX_FIELD + b"\2\2\2\1\3"),
    ("octet string not of 6", SGX_FIELD + b"\4\4\6\xb0\xc0", SGX_FIELD + b"\4\4\4\xb0\xc0"),
    ("no CA", b"\x1d\x13\1\1\xff\4\2\x30\0", b"\x1d\x13\1\1\xff\4\2\x30\1"),
    ("usage", b"\x03\x02\x06\xc0", b"\x03\x02\x06\x80"),
    ("identifier", b"\x55\x1d\x0e", b"\x55\x1d\x0d"),
    ("address", b"\x55\x1d\x1f", b"\x55\x1d\x1e"),
    ("authority", b"\x55\x1d\x23", b"\x55\x1d\x22"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "old", "new"), ALTERED)
def test_a_pck_follows_its_template(what: str, old: bytes, new: bytes) -> None:
    """Rule: ATTEST-5"""
    altered = certificate(WORLD.leaf, "ca", [(old, new)])
    rule = "ATTEST-4" if what == "negative" else "ATTEST-5"
    refused(rule, what, parse_certificate, altered)


def test_certificates_have_no_byte_more_and_no_odd_serial() -> None:
    """Rule: ATTEST-4, ATTEST-5"""
    leaf = WORLD.chain()[0]
    signed = parse_certificate(leaf).signed
    refused("ATTEST-5", "more", parse_certificate, leaf + b"\0")
    refused("ATTEST-5", "ECDSA", parse_certificate, wrap(signed + b"\0", "ca"))
    longer = tlv(0x30, Der(signed, "x", "ATTEST-5").content(0x30) + b"\0")
    refused("ATTEST-5", "more", parse_certificate, wrap(longer, "ca"))
    for rule, serial, what in (
        ("ATTEST-5", 0, "serial number 0"),
        ("ATTEST-4", 1 << 160, "above 20 bytes"),
    ):
        odd = certificate(replace(WORLD.leaf, serial=serial), "ca")
        refused(rule, what, parse_certificate, odd)
    largest = certificate(replace(WORLD.leaf, serial=(1 << 160) - 1), "ca")
    assert parse_certificate(largest).serial == (1 << 160) - 1


NUMBERS = [
    (b"\2\1\0", 0), (b"\2\1\x7f", 127), (b"\2\2\0\x80", 128), (b"\2\2\0\xff", 255),
    (b"\2\1\x80", None), (b"\2\2\0\x7f", None), (b"\2\0", None), (b"\2\2\1\0", None),
    (b"\2\x81\1\0", None), (b"\2\x80\0", None), (b"\2\x82\0\1\0", None), (b"\2\x83\0\0\1\0", None),
    (b"\2\2\0", None), (b"\2", None), (b"", None), (b"\3\1\0", None), (b"\2\1\0\0", None),
]  # fmt: skip


@pytest.mark.parametrize(("data", "value"), NUMBERS)
def test_integers_have_one_form(data: bytes, value: int | None) -> None:
    """Rule: ATTEST-4"""

    def read() -> int:
        reader = Der(data, "number", "ATTEST-4")
        number = reader.number(1)
        reader.end()
        return number

    if value is None:
        refused("ATTEST-4", "number: ", read)
    else:
        assert read() == value


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"000101000000Z", 946_684_800),
        (b"240229235959Z", 1_709_251_199),
        (b"491231235959Z", 2_524_607_999),
        (b"500101000000Z", None),
        (b"230229000000Z", None),
        (b"241301000000Z", None),
        (b"240101240000Z", None),
        (b"240101000060Z", None),
        (b"2401010000Z", None),
        (b"240101000000+", None),
        (b"24010100000 Z", None),
        (b"240101000000ZZ", None),
    ],
)
def test_times_have_one_form(text: bytes, seconds: int | None) -> None:
    """Rule: ATTEST-4"""
    reader = Der(tlv(0x17, text), "time", "ATTEST-4")
    if seconds is None:
        refused("ATTEST-4", "time: ", reader.time)
    else:
        assert reader.time() == seconds


def test_pem_has_one_form() -> None:
    """Rule: ATTEST-4"""
    text = tdx_world.pem(*WORLD.chain())
    assert len(parse_pem(text)) == 3
    for bad in (
        b"", text[:-1], text + b"\n", b"\n" + text, text.replace(b"\n", b"\r\n"),
        text.replace(b"A\n", b"A \n", 1), text.replace(BEGIN, b"", 1), BEGIN + END,
        text.replace(b"=\n", b"\n", 1), text * 5, b"\xff" + text, END,
    ):  # fmt: skip
        refused("ATTEST-5" if bad == BEGIN + END else "ATTEST-4", "certificate", parse_pem, bad)


def test_revocation_lists_name_who_is_revoked() -> None:
    """Rule: ATTEST-7"""
    for serials in ((), (1,), (WORLD.leaf.serial, 7), tuple(range(1, 301)), ((1 << 160) - 1,)):
        listed = parse_revocations(revocations(WORLD.ca, "ca", NOW - 1, NOW + 1, serials))
        check_revocations(listed, WORLD.ca, NOW)
        assert listed.serials == frozenset(serials)
        if WORLD.leaf.serial in serials:
            refused("ATTEST-7", "revoked", check_not_revoked, WORLD.leaf, listed)
        else:
            check_not_revoked(WORLD.leaf, listed)
    refused("ATTEST-7", "another issuer than", check_not_revoked, WORLD.ca, listed)


@pytest.mark.parametrize(
    ("what", "issuer", "by", "since", "until"),
    [
        ("not signed", WORLD.ca, "pck", -1, 1),
        ("not signed", WORLD.ca, "root", -1, 1),
        ("of another issuer", WORLD.root, "root", -1, 1),
        ("of another issuer", replace(WORLD.ca, identifier=bytes(20)), "ca", -1, 1),
        ("of another issuer", WORLD.signer, "signer", -1, 1),
        ("not in force yet", WORLD.ca, "ca", 1, 2),
        ("expired", WORLD.ca, "ca", -2, -1),
    ],
)
def test_revocation_lists_come_from_their_ca_in_time(
    what: str, issuer: Certificate, by: str, since: int, until: int
) -> None:
    """Rule: ATTEST-7"""
    listed = parse_revocations(revocations(issuer, by, NOW + since, NOW + until))
    refused("ATTEST-7", what, check_revocations, listed, WORLD.ca, NOW)
    if issuer is WORLD.signer:
        refused("ATTEST-7", "no CA", check_revocations, listed, WORLD.signer, NOW)


def test_revocation_lists_follow_their_template() -> None:
    """Rule: ATTEST-7"""
    good = revocations(WORLD.ca, "ca", NOW - 1, NOW + 1, [5])
    signed = parse_revocations(good).signed
    refused("ATTEST-7", "more", parse_revocations, good + b"\0")
    for rule, old, new, what in (
        ("ATTEST-4", b"\2\1\5\x17", b"\2\1\x85\x17", "negative"),
        ("ATTEST-7", b"\x55\x1d\x15", b"\x55\x1d\x18", "reason"),
        ("ATTEST-7", b"\x55\x1d\x14", b"\x55\x1d\x1b", "number"),
        ("ATTEST-7", b"\x55\x1d\x23", b"\x55\x1d\x1c", "authority"),
        ("ATTEST-7", b"\2\1\1\x30\x0a\6", b"\2\1\0\x30\x0a\6", "version 2"),
    ):
        altered = wrap(tdx_world.edited(signed, [(old, new)]), "ca")
        refused(rule, what, parse_revocations, altered)
    none = tlv(0x30, b"")
    empty = Der(
        parse_revocations(revocations(WORLD.ca, "ca", NOW - 1, NOW + 1)).signed, "x", "ATTEST-7"
    )
    content = empty.content(0x30)
    at = content.index(b"\xa0")
    bad = wrap(tlv(0x30, content[:at] + none + content[at:]), "ca")
    refused("ATTEST-7", "empty list", parse_revocations, bad)


def elements(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield tag, start of the content and end of each element of whole DER."""
    at = 0
    while at < len(data):
        start, size = at + 2, data[at + 1]
        if size >= 0x80:
            start, size = start + size - 0x80, int.from_bytes(data[start : start + size - 0x80])
        yield data[at], start, start + size
        at = start + size


def grown(data: bytes) -> Iterator[bytes]:
    """Yield DER with an element more, once inside each element that the templates read."""
    yield data + b"\5\0"
    at = 0
    for tag, start, end in elements(data):
        content, lead = data[start:end], b"\0" if tag == 3 else b""
        inner = content[len(lead) :]
        name = inner[:1] == b"\x31"
        unread = data.startswith(REVOCATION_ADDRESS) or inner[11:12] in (b"\5", b"\6", b"\7")
        holds = tag >= 0x30 or (
            tag in (3, 4) and inner[:1] in (b"\x30", b"\2") and len(content) != 16
        )
        if holds and not name and not unread:
            for more in grown(inner):
                yield data[:at] + tlv(tag, lead + more) + data[end:]
        at = end


def test_no_element_holds_one_more() -> None:
    """Rule: ATTEST-4, ATTEST-5, ATTEST-7"""
    listed = revocations(WORLD.ca, "ca", NOW - 1, NOW + 1, [5, 6])
    sources = [(one, "ATTEST-5", parse_certificate) for one in WORLD.chain()]
    counts = []
    for data, rule, parse in (*sources, (listed, "ATTEST-7", parse_revocations)):
        assert b"".join(data[:end] for _, _, end in elements(data)) == data
        variants = list(grown(data))
        for more in variants:
            refused(rule, "certificate: |revocation list: ", parse, more)
        counts.append(len(variants))
    assert min(counts) >= 14
    assert counts[0] >= 40


def damaged(data: bytes, draw: random.Random) -> bytes:
    """Return DER with bytes changed, cut, doubled or put in, lengths often among them."""
    out = bytearray(data)
    for _ in range(draw.randrange(1, 4)):
        at = draw.randrange(len(out) + 1)
        kind = draw.randrange(5)
        if kind == 0 and at < len(out):
            out[at] = draw.choice((0, 1, 0x7F, 0x80, 0x81, 0x82, 0x84, 0xFF, draw.randrange(256)))
        elif kind == 1:
            out[at:at] = draw.randbytes(draw.randrange(1, 5))
        elif kind == 2:
            del out[at : at + draw.randrange(1, 9)]
        elif kind == 3:
            out[at:at] = out[at : at + draw.randrange(40)]
        else:
            out[at:at] = tlv(draw.choice((2, 3, 4, 6, 0x17, 0x30, 0xA0, 0xA3)), draw.randbytes(3))
    return bytes(out)


def test_any_der_is_read_or_refused() -> None:
    """Rule: ATTEST-4"""
    draw = random.Random(11)
    sources = [
        *((one, parse_certificate) for one in WORLD.chain()),
        (revocations(WORLD.ca, "ca", NOW - 1, NOW + 1, [5, 6]), parse_revocations),
        (tdx_world.pem(*WORLD.chain()), parse_pem),
    ]
    read = refusals = 0
    for _ in range(1_000):
        source, parse = draw.choice(sources)
        try:
            parse(damaged(source, draw))
            read += 1
        except Invalid:
            refusals += 1
    assert read > 10
    assert refusals > 500


def test_the_chain_in_a_quote_is_the_one_read() -> None:
    """Rule: ATTEST-5"""
    assert parse_pem(parse_quote(WORLD.quote()).chain) == tuple(
        parse_certificate(one) for one in WORLD.chain()
    )


def test_the_edges_of_names_depths_and_times() -> None:
    """Rule: ATTEST-5, ATTEST-7"""
    for size in (0, 1, 127, 128):
        named = certificate(replace(WORLD.leaf, subject=tlv(0x30, bytes(size))), "ca")
        if size in (1, 127):
            assert len(parse_certificate(named).subject) == size + 2
        else:
            refused("ATTEST-5", "a name too long or empty", parse_certificate, named)
    deeper = certificate(WORLD.ca, "root", [(CA_DEPTH + b"\0", CA_DEPTH + b"\2")])
    refused("ATTEST-5", "another depth", parse_certificate, deeper)
    renamed = replace(WORLD.ca, subject=WORLD.root.subject)
    listed = parse_revocations(revocations(renamed, "ca", NOW, NOW + 1))
    refused("ATTEST-7", "of another issuer", check_revocations, listed, WORLD.ca, NOW)
    check_revocations(listed, renamed, NOW)
