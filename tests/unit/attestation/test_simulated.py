"""The simulated platform: Intel's templates byte for byte, its own root and names, every field."""

from __future__ import annotations

import importlib
import json
from dataclasses import fields, replace
from typing import Any

import pytest

from oyez.attestation.appraisal import appraise
from oyez.attestation.certificates import (
    INTEL_ROOT,
    P256_KEY,
    SGX,
    Certificate,
    parse_certificate,
    parse_pem,
)
from oyez.attestation.collateral import parse_collateral
from oyez.attestation.quote import parse_quote
from oyez.attestation.revocation import parse_revocations
from oyez.attestation.simulated import FMSPC, QE_SIGNER, SimulatedPlatform
from oyez.attestation.simulated_certificates import (
    CertificateForm,
    ListForm,
    PlatformForm,
    issue,
    issue_list,
    pem,
    signed_certificate,
    signed_list,
)
from oyez.attestation.simulated_documents import svn_level, tcb_level, written
from oyez.attestation.simulated_quote import QuoteForm, issue_quote
from oyez.protocol.errors import Invalid
from tests import tdx_samples
from tests.tdx_judging import TD10, TD15, refused

NOW = 1_780_000_000
PLATFORM = SimulatedPlatform()
SHAPES = ((4, False), (5, False), (5, True))


def between(data: bytes, before: bytes, size: int) -> bytes:
    """Return the bytes that follow others, which occur once."""
    assert data.count(before) == 1
    start = data.index(before) + len(before)
    return data[start : start + size]


def form_of(real: Certificate) -> CertificateForm:
    """Return the form of a certificate of Intel's."""
    extensions = real.signed[real.signed.index(P256_KEY) + len(P256_KEY) + 64 :]
    start = extensions.index(b"https://")
    address = extensions[start : start + extensions[start - 1]].decode()
    platform = None
    if real.platform is not None:
        part = real.platform
        flags = tuple(between(real.signed, SGX + bytes((7, i)) + b"\1\1", 1)[0] for i in (1, 2, 3))
        platform = PlatformForm(
            part.ppid, tuple(part.components), part.pcesvn, part.components, part.fmspc,
            between(real.signed, SGX + b"\6\4\x10", 16), flags=flags,
        )  # fmt: skip
    return CertificateForm(
        real.serial, real.issuer, real.subject, real.not_before, real.not_after, real.key,
        real.authority, real.identifier, address, real.depth, platform,
    )  # fmt: skip


def test_certificates_are_intels_byte_for_byte() -> None:
    """Rule: ENCLAVE-1, ATTEST-5"""
    seen = 0
    for name in tdx_samples.TDX_QUOTES:
        for real in parse_pem(parse_quote(tdx_samples.raw(name)).chain):
            assert signed_certificate(form_of(real)) == real.signed
            seen += 1
    for _, set_name in (TD10, TD15):
        real_set = json.loads(tdx_samples.collateral(set_name))
        for real in parse_pem(real_set["tcb_info_issuer_chain"].encode()):
            assert signed_certificate(form_of(real)) == real.signed
    assert seen >= 30


def test_revocation_lists_are_intels_byte_for_byte() -> None:
    """Rule: ENCLAVE-1, ATTEST-7"""
    real_set = json.loads(tdx_samples.collateral(TD10[1]))
    root = parse_revocations(bytes.fromhex(real_set["root_ca_crl"]))
    form = ListForm(root.issuer, root.this_update, root.next_update, root.authority)
    assert signed_list(form) == root.signed
    real = parse_revocations(bytes.fromhex(real_set["pck_crl"]))
    assert real.serials
    # The order of the entries is the real list's own: the first that ends equally is found.
    ordered = sorted(real.serials, key=lambda serial: real.signed.index(serial.to_bytes(20)))
    entries = tuple((serial, real.this_update, 1) for serial in ordered)
    assert signed_list(replace(form, issuer=real.issuer, this_update=real.this_update,
                               next_update=real.next_update, authority=real.authority,
                               entries=entries)) == real.signed  # fmt: skip


def test_documents_have_intels_members_in_intels_order() -> None:
    """Rule: ENCLAVE-1, ATTEST-9, ATTEST-10"""

    def outline(value: Any) -> Any:
        if isinstance(value, dict):
            return [(name, outline(one)) for name, one in value.items() if name != "advisoryIDs"]
        return outline(value[0]) if isinstance(value, list) else type(value)

    real_set = json.loads(tdx_samples.collateral(TD10[1]))
    ours = json.loads(PLATFORM.collateral(NOW))
    for name in ("tcb_info", "qe_identity"):
        assert outline(json.loads(ours[name])) == outline(json.loads(real_set[name]))
    real = json.loads(real_set["tcb_info"])["tcbLevels"][0]
    sgx = [one["svn"] for one in real["tcb"]["sgxtcbcomponents"]]
    tdx = [one["svn"] for one in real["tcb"]["tdxtcbcomponents"]]
    again = tcb_level(sgx, real["tcb"]["pcesvn"], tdx, since=real["tcbDate"][:10])
    assert written(again) == written(real)
    enclave = json.loads(real_set["qe_identity"])
    changed = {name: enclave[name] for name in ("issueDate", "nextUpdate", "mrsigner")}
    changed["tcbEvaluationDataNumber"] = enclave["tcbEvaluationDataNumber"]
    assert PLATFORM.qe_identity(NOW) | changed == enclave


@pytest.mark.parametrize(("version", "td15"), SHAPES)
def test_its_quotes_are_accepted_under_its_root_and_refused_under_intels(
    version: int, td15: bool
) -> None:
    """Rule: ENCLAVE-1, ATTEST-16, ATTEST-6"""
    quote = PLATFORM.quote(bytes(range(64)), version=version, td15=td15)
    text = PLATFORM.collateral(NOW)
    found = appraise(quote, parse_collateral(text), NOW, PLATFORM.root_key)
    assert found.report.report_data == bytes(range(64))
    assert (found.report.mr_service_td is not None) == td15
    assert parse_quote(quote).version == version
    refused("ATTEST-6", "another root", appraise, quote, parse_collateral(text), NOW)
    refused(
        "ATTEST-6", "another root", appraise, tdx_samples.raw(TD10[0]), parse_collateral(text),
        NOW, PLATFORM.root_key,
    )  # fmt: skip


@pytest.mark.parametrize(("version", "td15"), SHAPES)
def test_dcap_qvl_agrees_on_both(version: int, td15: bool) -> None:
    """Rule: ENCLAVE-1"""
    dcap_qvl = importlib.import_module("dcap_qvl")
    quote = PLATFORM.quote(bytes(64), version=version, td15=td15)
    given = dcap_qvl.QuoteCollateralV3.from_json(PLATFORM.collateral(NOW))
    found = dcap_qvl.verify_with_root_ca(quote, given, PLATFORM.root, NOW)
    assert found.status == "UpToDate"
    with pytest.raises(ValueError, match="InvalidCrlSignature"):
        dcap_qvl.verify(quote, given, NOW)


def test_names_are_its_own_and_the_seed_gives_the_keys() -> None:
    """Rule: ENCLAVE-1"""
    chain = parse_pem(PLATFORM.quote_form().chain[:-1])
    names = [part for one in (*chain, parse_certificate(PLATFORM.signer))
             for part in (one.subject, one.issuer)]  # fmt: skip
    for name in names:
        assert b"SIMULATED SGX " in name
        assert b"SIMULATION - NOT INTEL" in name
        assert b"Intel" not in name
    assert b"SIMULATED SGX Root CA" in chain[-1].subject
    assert chain[-1].key == PLATFORM.root_key != INTEL_ROOT
    quote = PLATFORM.quote(bytes(64))
    assert quote[28:37] == b"SIMULATED"
    platform = chain[0].platform
    assert platform is not None
    assert platform.fmspc == FMSPC == bytes.fromhex("51d051d051d0")
    assert parse_quote(quote).qe_report.mr_signer == QE_SIGNER
    assert QE_SIGNER.hex() not in tdx_samples.collateral(TD10[1]).lower()
    again, other = SimulatedPlatform(), SimulatedPlatform(b"another seed")
    assert again.quote(bytes(64)) == quote
    assert again.collateral(NOW) == PLATFORM.collateral(NOW)
    keys = {
        int(place.key(label).pointQ.x)
        for place in (PLATFORM, other)
        for label in ("root", "ca", "signer", "pck", "attestation")
    }
    assert len(keys) == 10


def judge(form: QuoteForm, **collateral: str) -> object:
    given = parse_collateral(PLATFORM.collateral(NOW, **collateral))
    return appraise(issue_quote(form), given, NOW, PLATFORM.root_key)


def test_a_changed_field_is_signed_again_and_refused_for_itself() -> None:
    """Rule: ENCLAVE-1"""
    usual = PLATFORM.quote_form()
    judge(usual)

    def header(**changes: Any) -> QuoteForm:
        return replace(usual, header=replace(usual.header, **changes))

    def report(**changes: Any) -> QuoteForm:
        return replace(usual, report=replace(usual.report, **changes))

    def enclave(**changes: Any) -> QuoteForm:
        return replace(usual, qe_report=replace(usual.qe_report, **changes))

    def leaf(**changes: Any) -> QuoteForm:
        pck = issue(replace(PLATFORM.pck_form, **changes), PLATFORM.key("ca"))
        return replace(usual, chain=pem(pck, PLATFORM.ca, PLATFORM.root))

    platform = PLATFORM.pck_form.platform
    assert platform is not None
    behind = replace(platform, components=(3, *platform.components[1:]),
                     cpu_svn=b"\3" + platform.cpu_svn[1:])  # fmt: skip
    cases: list[tuple[str, str, QuoteForm]] = [
        ("ATTEST-1", "version 6", header(version=6)),
        ("ATTEST-1", "not Intel's", header(vendor=bytes(16))),
        ("ATTEST-1", "body 3 of 584", header(version=5, body_type=3)),
        ("ATTEST-1", "body 2 of 648", header(version=5, body_size=648)),
        ("ATTEST-14", "debug", report(td_attributes=bytes.fromhex("0100001000000000"))),
        ("ATTEST-15", "version 2", report(tee_tcb_svn=bytes((5, 2, 3)) + bytes(13))),
        ("ATTEST-16", "TDX module is OutOfDate",
         report(tee_tcb_svn=bytes((4, 1, 3)) + bytes(13))),
        ("ATTEST-13", "another than Intel", enclave(mr_signer=bytes(32))),
        ("ATTEST-16", "ISVSVN 3", enclave(isv_svn=3)),
        ("ATTEST-12", "another attestation key", enclave(report_data=bytes(64))),
        ("ATTEST-12", "by its attestation key", replace(usual, attestation_key=bytes(64))),
        ("ATTEST-12", "by the PCK", replace(usual, pck=PLATFORM.key("attestation"))),
        ("ATTEST-12", "by its attestation key", replace(usual, signature=bytes(64))),
        ("ATTEST-12", "by the PCK", replace(usual, qe_signature=bytes(64))),
        ("ATTEST-1", "type 6", replace(usual, certified_type=5)),
        ("ATTEST-1", "type 5", replace(usual, chain_type=6)),
        ("ATTEST-1", "of a wrong length", replace(usual, certified_size=1)),
        ("ATTEST-1", "of a wrong length", replace(usual, chain_size=1)),
        ("ATTEST-1", "32 bytes", replace(usual, auth_size=31)),
        ("ATTEST-1", "32 bytes", replace(usual, auth=bytes(31))),
        ("ATTEST-1", "too early", replace(usual, block_size=9_000)),
        ("ATTEST-1", "other than zero", replace(usual, tail=b"\0\1")),
        ("ATTEST-6", "expired", leaf(not_after=NOW - 1)),
        ("ATTEST-6", "identifier", leaf(authority=bytes(20))),
        ("ATTEST-5", "PCE id", leaf(platform=replace(platform, pce_id=b"\0\1"))),
        ("ATTEST-5", "CPUSVN", leaf(platform=replace(platform, cpu_svn=bytes(16)))),
        ("ATTEST-16", "is OutOfDate", leaf(platform=behind)),
        ("ATTEST-11", "FMSPC", leaf(platform=replace(platform, fmspc=bytes(6)))),
        ("ATTEST-5", "more than", leaf(tail=b"\5\0")),
    ]  # fmt: skip
    for rule, what, form in cases:
        refused(rule, what, judge, form)


def test_changed_collateral_is_signed_again_and_refused_for_itself() -> None:
    """Rule: ENCLAVE-1"""
    usual, platform = PLATFORM.quote_form(), PLATFORM
    info, identity = platform.tcb_info(NOW), platform.qe_identity(NOW)
    by_ca, by_root = platform.key("ca"), platform.key("root")
    on_it = platform.pck_list_form(NOW, [platform.pck_form.serial])
    root_on_it = platform.root_list_form(NOW, [platform.ca_form.serial])
    early = replace(platform.pck_list_form(NOW), this_update=NOW + 1)
    cases: list[tuple[str, str, dict[str, Any]]] = [
        ("ATTEST-9", "id is not TDX", {"tcb_info": written(info | {"id": "SGX"})}),
        ("ATTEST-11", "expired", {"tcb_info": written(platform.tcb_info(NOW - 30 * 86_400))}),
        ("ATTEST-16", "ISVSVN 4",
         {"qe_identity": written(identity | {"tcbLevels": [svn_level(5)]})}),
        ("ATTEST-11", "not signed", {"signed_by": "foreign"}),
        ("ATTEST-7", "revoked", {"pck_list": issue_list(on_it, by_ca)}),
        ("ATTEST-7", "revoked", {"root_list": issue_list(root_on_it, by_root)}),
        ("ATTEST-7", "not in force yet", {"pck_list": issue_list(early, by_ca)}),
        ("ATTEST-7", "not signed", {"pck_list": issue_list(platform.pck_list_form(NOW), by_root)}),
        ("ATTEST-8", "tcb_info_signature", {"tcb_info_signature": "00"}),
    ]  # fmt: skip
    for rule, what, changes in cases:
        with pytest.raises(Invalid, match=what) as caught:
            judge(usual, **changes)
        assert caught.value.rule == rule


def test_every_field_of_a_form_reaches_the_bytes() -> None:
    """Rule: ENCLAVE-1"""
    usual = PLATFORM.quote_form(version=5, td15=True)
    whole = issue_quote(usual)

    def other(value: Any) -> Any:
        if isinstance(value, bytes):
            return bytes((value[0] ^ 1,)) + value[1:] if value else b"\0"
        return (value or 0) ^ 1

    for part in ("header", "report", "qe_report"):
        form = getattr(usual, part)
        for one in fields(form):
            value = getattr(form, one.name)
            if one.name == "version":
                continue
            value = bytes(64) if value is None and one.name == "report_data" else value
            changed = replace(usual, **{part: replace(form, **{one.name: other(value)})})
            assert issue_quote(changed) != whole, one.name
    certificate = PLATFORM.pck_form
    for one in fields(certificate):
        value = getattr(certificate, one.name)
        if one.name in ("address", "extensions", "platform", "depth"):
            value = {"address": "x", "extensions": (), "platform": None, "depth": 0}[one.name]
        else:
            value = other(value)
        changed = replace(certificate, **{one.name: value})
        assert signed_certificate(changed) != signed_certificate(certificate), one.name
