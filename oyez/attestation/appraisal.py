"""Accepts a quote or says why not: signatures, revocation, the enclave, the domain, the levels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from oyez.attestation import p256
from oyez.attestation.certificates import (
    INTEL_ROOT,
    PCK,
    Certificate,
    Platform,
    check_chain,
    parse_pem,
)
from oyez.attestation.collateral import Collateral, check_collateral
from oyez.attestation.documents import Module, QeIdentity, Status, SvnLevel, TcbInfo
from oyez.attestation.quote import QeReport, Quote, TdReport, parse_quote
from oyez.attestation.revocation import check_not_revoked
from oyez.protocol.errors import Invalid

#: Every status -> why a quote with it is refused; None: it is accepted.
REFUSALS: dict[Status, str | None] = {
    Status.UP_TO_DATE: None,
    Status.SW_HARDENING: "its software must work around a known weakness",
    Status.CONFIGURATION: "its configuration leaves a known weakness open",
    Status.CONFIGURATION_AND_SW: "its configuration and software leave a known weakness open",
    Status.OUT_OF_DATE: "it lacks a security update",
    Status.OUT_OF_DATE_CONFIGURATION: "it lacks a security update, and its configuration is weak",
    Status.REVOKED: "Intel has revoked it",
}
#: Bits of TDATTRIBUTES.
DEBUG, TUD = 1 << 0, 0xFF
SEPT_VE_DISABLE, MIGRATABLE, PKS, KL, PERFMON = 1 << 28, 1 << 29, 1 << 30, 1 << 31, 1 << 63
QE_DEBUG = 1 << 1


@dataclass(frozen=True, slots=True)
class Attested:
    """What an accepted quote proves, and until when its collateral does."""

    report: TdReport
    platform: Platform
    pck: Certificate
    enclave: QeReport
    until: int  # seconds since 1970: the first certificate, list or document to expire


def _check_signatures(quote: Quote, pck: Certificate) -> None:
    """Refuse a quote whose parts are not bound: PCK, enclave's report, attestation key, TD report.

    Rule: ATTEST-12
    """
    if not p256.verify(pck.key, quote.qe_signed, quote.qe_signature):
        raise Invalid("ATTEST-12", "quote: its enclave's report is not signed by the PCK")
    bound = hashlib.sha256(quote.attestation_key + quote.qe_auth).digest() + bytes(32)
    if quote.qe_report.report_data != bound:
        raise Invalid("ATTEST-12", "quote: its enclave's report names another attestation key")
    if not p256.verify(quote.attestation_key, quote.signed, quote.signature):
        raise Invalid("ATTEST-12", "quote: not signed by its attestation key")


def _masked(value: bytes, mask: bytes) -> bytes:
    """Return the bits of a value that a mask of the same length has."""
    return bytes(one & bit for one, bit in zip(value, mask, strict=True))


def check_enclave(enclave: QeReport, identity: QeIdentity) -> None:
    """Refuse a quoting enclave that is not Intel's for TDX, or in debug mode.

    Raises:
        Invalid: ATTEST-13, with the reason.

    Rule: ATTEST-13
    """
    reason = None
    if enclave.attributes[0] & QE_DEBUG:
        reason = "in debug mode"
    elif enclave.mr_signer != identity.mr_signer:
        reason = "signed by another than Intel"
    elif enclave.isv_prod_id != identity.isv_prod_id:
        reason = f"product {enclave.isv_prod_id}, not {identity.isv_prod_id}"
    elif _masked(enclave.misc_select, identity.misc_mask) != identity.misc_select:
        reason = "of another MISCSELECT"
    elif _masked(enclave.attributes, identity.attributes_mask) != identity.attributes:
        reason = "of other attributes"
    if reason is not None:
        raise Invalid("ATTEST-13", f"quoting enclave: {reason}")


def check_domain(report: TdReport) -> None:
    """Refuse a trust domain that its host may look into, or that something else controls.

    Raises:
        Invalid: ATTEST-14, with the reason.

    Rule: ATTEST-14
    """
    attributes = int.from_bytes(report.td_attributes, "little")
    reason = None
    if attributes & DEBUG:
        reason = "in debug mode"
    elif attributes & TUD:
        reason = "a reserved bit of its first attributes is set"
    elif not attributes & SEPT_VE_DISABLE:
        reason = "SEPT_VE_DISABLE is not set"
    elif attributes & MIGRATABLE:
        reason = "it may be migrated"
    elif attributes & ~(SEPT_VE_DISABLE | PKS | KL | PERFMON):
        reason = "a reserved attribute is set"
    elif any(report.seam_attributes):
        reason = "SEAM attributes are set"
    elif report.mr_service_td is not None and any(report.mr_service_td):
        reason = "a service domain is bound to it"
    if reason is not None:
        raise Invalid("ATTEST-14", f"trust domain: {reason}")


def _accept(what: str, status: Status) -> None:
    """Refuse every status but UpToDate."""
    refusal = REFUSALS[status]
    if refusal is not None:
        raise Invalid("ATTEST-16", f"{what} is {status.value}: {refusal}")


def _svn_status(what: str, svn: int, levels: tuple[SvnLevel, ...]) -> Status:
    """Return the status of the first level that an ISVSVN reaches."""
    for level in levels:
        if svn >= level.isv_svn:
            return level.status
    raise Invalid("ATTEST-16", f"{what} of ISVSVN {svn} reaches no level")


def _module(svn: bytes, info: TcbInfo) -> Module:
    """Return the identity of the TDX module of a TEE_TCB_SVN."""
    for module in info.modules:
        if module.version == svn[1]:
            return module
    raise Invalid("ATTEST-15", f"TDX module: version {svn[1]} is not in the TCB info")


def check_module(report: TdReport, info: TcbInfo) -> None:
    """Refuse a TDX module that is not the one its version's identity says.

    Raises:
        Invalid: ATTEST-15, with the reason.

    Rule: ATTEST-15
    """
    module = _module(report.tee_tcb_svn, info)
    if report.mr_signer_seam != module.mr_signer:
        raise Invalid("ATTEST-15", "TDX module: signed by another")
    if _masked(report.seam_attributes, module.mask) != module.attributes:
        raise Invalid("ATTEST-15", "TDX module: of other attributes")


def _platform_status(svn: bytes, platform: Platform, info: TcbInfo) -> Status:
    """Return the status of the first level that a platform reaches with a TEE_TCB_SVN."""
    first = 2 if svn[1] > 0 else 0
    for level in info.levels:
        sgx = zip(platform.components, level.components, strict=True)
        tdx = zip(svn[first:], level.tdx[first:], strict=True)
        reached = all(have >= need for have, need in (*sgx, *tdx))
        if reached and platform.pcesvn >= level.pcesvn:
            return level.status
    raise Invalid("ATTEST-16", "platform reaches no TCB level")


def check_levels(
    report: TdReport, enclave: QeReport, platform: Platform, info: TcbInfo, identity: QeIdentity
) -> None:
    """Refuse unless platform, TDX module and quoting enclave are all UpToDate.

    With TD 1.5 both TEE_TCB_SVN, of the domain's start, and TEE_TCB_SVN_2, of now, must be.

    Raises:
        Invalid: ATTEST-16 with the part and its status; ATTEST-15 for a module without identity.

    Rule: ATTEST-16
    """
    for svn in (report.tee_tcb_svn, report.tee_tcb_svn_2):
        if svn is not None:
            _accept("platform", _platform_status(svn, platform, info))
            if svn[1] > 0:
                levels = _module(svn, info).levels
                _accept("TDX module", _svn_status("TDX module", svn[0], levels))
    status = _svn_status("quoting enclave", enclave.isv_svn, identity.levels)
    _accept("quoting enclave", status)


def appraise(raw: bytes, given: Collateral, now: int, root: bytes = INTEL_ROOT) -> Attested:
    """Return what a quote proves; refuse it with the first rule that it breaks.

    Accepted iff every check holds and every status is UpToDate. What the domain runs is not judged
    here: compare the report's measurements and its report_data with what is expected.

    Args:
        raw: the quote.
        given: collateral of its platform, from anybody.
        now: seconds since 1970.
        root: key x, y of the root, 64 bytes; Intel's unless a test has its own.

    Raises:
        Invalid: ATTEST-1 to ATTEST-16, with the reason.

    Rule: ATTEST-16
    """
    quote = parse_quote(raw)
    chain = parse_pem(quote.chain) if given.pck_chain is None else given.pck_chain
    check_chain(chain, PCK, root, now)
    pck, issuer = chain[0], chain[1]
    _check_signatures(quote, pck)
    until = check_collateral(given, root, now)
    if (issuer.subject, issuer.key) != (given.issuers[0].subject, given.issuers[0].key):
        raise Invalid("ATTEST-11", "collateral: of another issuer than the quote's")
    check_not_revoked(issuer, given.root_revoked)
    check_not_revoked(pck, given.pck_revoked)
    platform = pck.platform
    if platform is None or platform.fmspc != given.tcb_info.fmspc:
        raise Invalid("ATTEST-11", "collateral: the TCB info is of another FMSPC than the quote")
    check_enclave(quote.qe_report, given.qe_identity)
    check_domain(quote.report)
    check_module(quote.report, given.tcb_info)
    check_levels(quote.report, quote.qe_report, platform, given.tcb_info, given.qe_identity)
    until = min([until, *(one.not_after for one in chain)])
    return Attested(quote.report, platform, pck, quote.qe_report, until)
