"""Altered quotes of the simulated platform, signed again: each with the contract's reason and rule.

The rule is the one by which Python refuses the same quote; None where Python accepts it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from Crypto.PublicKey import ECC

from oyez.attestation import p256
from oyez.attestation.certificates import CA_USAGE
from oyez.attestation.simulated import SimulatedPlatform
from oyez.attestation.simulated_certificates import (
    CertificateForm,
    issue,
    pem,
    sign,
    usual_extensions,
)
from oyez.attestation.simulated_quote import QuoteForm, issue_quote, signed_part

TEMPLATE = "x509: not the template"
UNKNOWN = "tdx: unknown issuer"
BEHIND = "tdx: platform not up to date"
Build = Callable[[SimulatedPlatform], bytes]


@dataclass(frozen=True)
class Case:
    """A quote that the contract refuses for a reason."""

    name: str
    build: Build
    reason: str
    rule: str | None


def header(**fields: Any) -> Build:
    def build(platform: SimulatedPlatform) -> bytes:
        form = platform.quote_form()
        return issue_quote(replace(form, header=replace(form.header, **fields)))

    return build


def report(td15: bool = False, **fields: bytes) -> Build:
    def build(platform: SimulatedPlatform) -> bytes:
        form = platform.quote_form(version=5 if td15 else 4, td15=td15)
        return issue_quote(replace(form, report=replace(form.report, **fields)))

    return build


def enclave(**fields: Any) -> Build:
    def build(platform: SimulatedPlatform) -> bytes:
        form = platform.quote_form()
        return issue_quote(replace(form, qe_report=replace(form.qe_report, **fields)))

    return build


def whole(change: Callable[[SimulatedPlatform, QuoteForm], QuoteForm]) -> Build:
    return lambda platform: issue_quote(change(platform, platform.quote_form()))


def fields(**given: Any) -> Build:
    return whole(lambda _, form: replace(form, **given))


def pck(
    change: Callable[[SimulatedPlatform], CertificateForm], by: str = "ca", key: str = "pck"
) -> Build:
    """A quote whose leaf has another form, is issued by a key and certifies with a key."""

    def build(platform: SimulatedPlatform) -> bytes:
        leaf = issue(change(platform), platform.key(by))
        chain = pem(leaf, platform.ca, platform.root)
        return issue_quote(replace(platform.quote_form(), chain=chain, pck=platform.key(key)))

    return build


def leaf(**changes: Any) -> Build:
    return pck(lambda platform: replace(platform.pck_form, **changes))


def machine(**changes: Any) -> Build:
    def change(platform: SimulatedPlatform) -> CertificateForm:
        assert platform.pck_form.platform is not None
        return replace(platform.pck_form, platform=replace(platform.pck_form.platform, **changes))

    return pck(change)


def svns(at: int, svn: int) -> Build:
    """A leaf with another component SVN."""

    def change(platform: SimulatedPlatform) -> CertificateForm:
        own = platform.pck_form.platform
        assert own is not None
        found = (*own.components[:at], svn, *own.components[at + 1 :])
        other = replace(own, components=found, cpu_svn=bytes(found))
        return replace(platform.pck_form, platform=other)

    return pck(change)


def issued_by(name: str) -> Build:
    """A leaf that names another issuer than the PCK CA, and is signed by it."""

    def change(platform: SimulatedPlatform) -> CertificateForm:
        issuer: CertificateForm = getattr(platform, f"{name}_form")
        return replace(platform.pck_form, issuer=issuer.subject, authority=issuer.identifier)

    return pck(change, by=name)


def signature(make: Callable[[bytes, bytes], bytes]) -> Build:
    """A quote with another signature, made of its r and s."""

    def change(platform: SimulatedPlatform, form: QuoteForm) -> QuoteForm:
        right = sign(platform.key("attestation"), signed_part(form))
        return replace(form, signature=make(right[:32], right[32:]))

    return whole(change)


def attested_by(key: bytes) -> Build:
    return fields(attestation_key=key)


def foreign() -> SimulatedPlatform:
    """A platform of the same names under other keys."""
    return SimulatedPlatform(b"another seed")


def without_depth(platform: SimulatedPlatform) -> CertificateForm:
    """A PCK whose usage is a CA's."""
    usual = usual_extensions(platform.pck_form)
    swapped = tuple(CA_USAGE if one.startswith(CA_USAGE[:11]) else one for one in usual)
    return replace(platform.pck_form, extensions=swapped)


def key_of(label: str) -> Callable[[SimulatedPlatform], ECC.EccKey]:
    return lambda platform: platform.key(label)


ORDER = p256.ORDER.to_bytes(32)
OFF_CURVE = bytes(31) + b"\1" + bytes(31) + b"\1"


def quote_cases() -> Iterator[Case]:
    """Layout, signatures, quoting enclave, trust domain, levels."""
    layout = "ATTEST-1"
    yield Case("version 3", header(version=3), "quote: version not 4 or 5", layout)
    yield Case("version 6", header(version=6), "quote: version not 4 or 5", layout)
    yield Case("key of P-384", header(key_type=3), "quote: key not of p256", layout)
    yield Case("an SGX quote", header(tee_type=0), "quote: not of tdx", layout)
    vendor = bytes(16)
    yield Case("another vendor", header(vendor=vendor), "quote: enclave not of intel", layout)
    for body_type, body_size in ((1, 384), (2, 648), (3, 584), (4, 648), (2, 585)):
        body = header(version=5, body_type=body_type, body_size=body_size)
        name = f"body {body_type} of {body_size} bytes"
        yield Case(name, body, "quote: body of another type", layout)
    yield Case("certified by 5", fields(certified_type=5), "quote: certification type", layout)
    yield Case("chain of type 4", fields(chain_type=4), "quote: certificates type", layout)
    yield Case("31 bytes of auth", fields(auth=bytes(31)), "quote: auth data", layout)
    yield Case("no auth", fields(auth=b""), "quote: auth data", layout)
    yield Case("auth said to be 0", fields(auth_size=0), "quote: auth data", layout)
    yield Case("short block", fields(block_size=600), "quote: block length", layout)
    yield Case("short chain", fields(chain_size=1), "quote: certification length", layout)

    bound = "ATTEST-12"
    other = whole(lambda p, form: replace(form, pck=p.key("attestation")))
    yield Case("report by no PCK", other, "quote: report not by the pck", bound)
    named = enclave(report_data=b"\1" * 64)
    yield Case("another key named", named, "quote: another attestation key", bound)

    def with_tail(p: SimulatedPlatform, form: QuoteForm) -> QuoteForm:
        usual = issue_quote(form)
        data = usual[632 + 138 + 320 : 632 + 138 + 352] + bytes(31) + b"\1"
        return replace(form, qe_report=replace(form.qe_report, report_data=data))

    yield Case("tail", whole(with_tail), "quote: report data has a tail", bound)
    unsigned = "quote: not by its key"
    false = {
        "s = 0": lambda r, s: r + bytes(32),
        "r = 0": lambda r, s: bytes(32) + s,
        "r = n": lambda r, s: ORDER + s,
        "s = n": lambda r, s: r + ORDER,
        "swapped": lambda r, s: s + r,
    }
    for name, make in false.items():
        yield Case(name, signature(make), unsigned, bound)
    yield Case("signed by the PCK", whole(
        lambda p, form: replace(form, signature=sign(p.key("pck"), signed_part(form)))
    ), unsigned, bound)  # fmt: skip
    yield Case("key (0, 0)", attested_by(bytes(64)), unsigned, bound)
    yield Case("key off the curve", attested_by(OFF_CURVE), unsigned, bound)

    qe = "ATTEST-13"
    debug = enclave(attributes=bytes.fromhex("1700000000000000e700000000000000"))
    yield Case("enclave in debug mode", debug, "tdx: enclave in debug mode", qe)
    for name, changed in (
        ("attributes, first", {"attributes": bytes.fromhex("0500000000000000e700000000000000")}),
        ("attributes, last", {"attributes": bytes.fromhex("1500000000000001e700000000000000")}),
        ("miscselect, first", {"misc_select": bytes.fromhex("01000000")}),
        ("miscselect, last", {"misc_select": bytes.fromhex("00000080")}),
        ("signer", {"mr_signer": bytes(32)}),
        ("product of SGX", {"isv_prod_id": 1}),
        ("product, high byte", {"isv_prod_id": 258}),
    ):
        yield Case(f"enclave's {name}", enclave(**changed), "tdx: another enclave", qe)
    yield Case("old enclave", enclave(isv_svn=3), "tdx: enclave not up to date", "ATTEST-16")

    domain = "ATTEST-14"
    for bits, reason in (
        ("0100001000000000", "tdx: domain in debug mode"),
        ("0200001000000000", "tdx: untrusted attribute"),
        ("8000001000000000", "tdx: untrusted attribute"),
        ("0000000000000000", "tdx: sept_ve_disable not set"),
        ("0000003000000000", "tdx: migratable domain"),
        ("0001001000000000", "tdx: reserved attribute"),
        ("0000001800000000", "tdx: reserved attribute"),
        ("0000001001000000", "tdx: reserved attribute"),
        ("0000001000000040", "tdx: reserved attribute"),
    ):
        attributes = bytes.fromhex(bits)
        yield Case(f"TDATTRIBUTES {bits}", report(td_attributes=attributes), reason, domain)
    for at in (0, 7):
        seam = bytes(at) + b"\1" + bytes(7 - at)
        made = report(seam_attributes=seam)
        yield Case(f"SEAMATTRIBUTES {at}", made, "tdx: seam attributes", domain)
    for at in (0, 31, 32, 47):
        one = bytes(at) + b"\1" + bytes(47 - at)
        made = report(mr_signer_seam=one)
        yield Case(f"MRSIGNERSEAM {at}", made, "tdx: module of another signer", "ATTEST-15")
        made = report(td15=True, mr_service_td=one)
        yield Case(f"MRSERVICETD {at}", made, "tdx: bound service domain", domain)

    for name, tee, reason, rule in (
        ("unknown module", (5, 2, 3), "tdx: unknown module", "ATTEST-15"),
        ("old module", (4, 1, 3), "tdx: module not up to date", "ATTEST-16"),
        ("old module of version 3", (2, 3, 3), "tdx: module not up to date", "ATTEST-16"),
        ("old microcode", (5, 1, 2), BEHIND, "ATTEST-16"),
        ("old module of version 0", (4, 0, 3), BEHIND, "ATTEST-16"),
    ):
        svn = bytes(tee) + bytes(13)
        yield Case(name, report(tee_tcb_svn=svn), reason, rule)
        now = report(td15=True, tee_tcb_svn_2=svn)
        yield Case(f"{name} by now", now, reason, rule)


def chain_cases() -> Iterator[Case]:
    """The PCK and its issuer."""
    unsigned, chain, form = "tdx: pck not signed", "ATTEST-6", "ATTEST-5"
    self_signed = pck(lambda p: p.pck_form, by="pck")
    yield Case("signed by itself", self_signed, unsigned, chain)

    def other_root(_: SimulatedPlatform) -> bytes:
        return foreign().quote(bytes(64))

    yield Case("another root of the same names", other_root, UNKNOWN, chain)
    for name in ("signer", "root", "pck"):
        yield Case(f"issued by {name}", issued_by(name), UNKNOWN, chain)
    yield Case("expired", leaf(not_after=1_600_000_000), "tdx: pck expired", chain)
    later = leaf(not_before=2_500_000_000)
    yield Case("not valid yet", later, "tdx: pck not valid yet", chain)
    aki = leaf(authority=bytes(20))
    yield Case("another identifier", aki, UNKNOWN, chain)
    fmspc = machine(fmspc=bytes.fromhex("51d051d051d1"))
    yield Case("an FMSPC without TCB info", fmspc, "tdx: no tcb info", "ATTEST-11")
    yield Case("PCE id 0001", machine(pce_id=b"\0\1"), TEMPLATE, form)
    yield Case("CPUSVN of others", machine(cpu_svn=bytes(16)), TEMPLATE, form)
    yield Case("PPID of 15 bytes", machine(ppid=bytes(15)), TEMPLATE, form)
    yield Case("FMSPC of 5 bytes", machine(fmspc=bytes(5)), TEMPLATE, form)
    for at, svn in ((0, 3), (7, 4)):
        yield Case(f"component {at} is {svn}", svns(at, svn), BEHIND, "ATTEST-16")
    yield Case("old PCESVN", machine(pcesvn=12), BEHIND, "ATTEST-16")
    tail = leaf(tail=b"\0")
    yield Case("a byte after the extensions", tail, TEMPLATE, form)
    yield Case("a CA's usage", pck(without_depth), TEMPLATE, form)
    ca = pck(lambda p: p.ca_form, by="root", key="ca")
    yield Case("a CA as leaf", ca, TEMPLATE, chain)
    signer = pck(lambda p: p.signer_form, by="root", key="signer")
    yield Case("a TCB signer as leaf", signer, TEMPLATE, chain)
    version = leaf(version=bytes.fromhex("a003020101"))
    yield Case("version 2", version, TEMPLATE, form)
    algorithm = leaf(algorithm=bytes.fromhex("300a06082a8648ce3d040303"))
    yield Case("ECDSA with SHA-384", algorithm, TEMPLATE, form)
    yield Case("serial 0", leaf(serial=0), "x509: serial out of range", form)
    large = leaf(serial=1 << 160)
    yield Case("serial above 20 bytes", large, "x509: serial out of range", "ATTEST-4")
    yield Case(
        "serial of 22 bytes", leaf(serial=1 << 168), "x509: serial of another length", "ATTEST-4"
    )


def list_cases() -> list[Case]:
    return [*quote_cases(), *chain_cases()]


def accepted() -> dict[str, Build]:
    """Quotes that differ from the usual one and are accepted all the same."""
    return {
        "version 5, TD 1.0": lambda p: p.quote(bytes(64), version=5),
        "version 5, TD 1.5": lambda p: p.quote(bytes(64), version=5, td15=True),
        "malleated signature": signature(
            lambda r, s: r + (p256.ORDER - int.from_bytes(s)).to_bytes(32)
        ),
        "newer module": report(tee_tcb_svn=bytes((255, 1, 255)) + bytes(13)),
        "lower first SVN, of the module's identity alone": report(
            tee_tcb_svn=bytes((3, 3, 3)) + bytes(13)
        ),
        "version 0": report(tee_tcb_svn=bytes((5, 0, 3)) + bytes(13)),
        "newer enclave": enclave(isv_svn=65_535),
        "PKS, KL and PERFMON": report(td_attributes=bytes.fromhex("000000d000000080")),
        "serial 1": leaf(serial=1),
        "the largest serial": leaf(serial=(1 << 160) - 1),
        "component of 255": svns(15, 255),
        "PCESVN of 65,535": machine(pcesvn=65_535),
        "zeros behind it": fields(tail=bytes(70)),
        "no zero behind the chain": whole(
            lambda _, form: replace(form, chain=form.chain.removesuffix(b"\0"))
        ),
    }
