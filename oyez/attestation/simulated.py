"""A platform that is none: issues quotes and collateral of Intel's formats under its own root.

For development chains and tests. Everything that Intel would sign is signed by keys from a seed
that anybody may know; names, FMSPC and quoting enclave are its own, so that nothing here can be
taken for Intel's. Production builds have Intel's root compiled in and refuse all of it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from Crypto.PublicKey import ECC

from oyez.attestation.der_writer import name
from oyez.attestation.simulated_certificates import (
    CertificateForm,
    ListForm,
    PlatformForm,
    derive_key,
    issue,
    issue_list,
    key_identifier,
    pem,
    public_key,
    sign,
)
from oyez.attestation.simulated_documents import (
    module,
    qe_identity,
    svn_level,
    tcb_info,
    tcb_level,
    written,
)
from oyez.attestation.simulated_quote import (
    HeaderForm,
    QeReportForm,
    QuoteForm,
    ReportForm,
    issue_quote,
)

SEED = b"oyez simulated platform, known to everybody"
FMSPC = bytes.fromhex("51d051d051d0")
ORGANIZATION = "SIMULATION - NOT INTEL"
QE_SIGNER = hashlib.sha256(b"SIMULATED TD QE signer").digest()
ADDRESS = "http://127.0.0.1/simulated"
COMPONENTS = (4, 4, 2, 2, 4, 1, 0, 5, *[0] * 8)
TDX_SVNS = (5, 0, 3, *[0] * 13)
PCESVN, EVALUATION = 13, 18
DAY = 86_400
#: 2020-01-01 and 2049-12-31T23:59:59: certificates are the same at any time between.
NOT_BEFORE, NOT_AFTER = 1_577_836_800, 2_524_607_999
#: Days before and after now that documents, and the root's list, are in force.
ISSUED, LASTS, ROOT_LASTS = 1, 29, 377


class SimulatedPlatform:
    """A root, a PCK CA, a TCB signer, a machine with its PCK, and a quoting enclave.

    The same seed gives the same platform everywhere. Forms are what a test alters:
    `platform.quote_form(...)`, `replace(...)`, `issue_quote(form)`.

    Rule: ENCLAVE-1
    """

    def __init__(self, seed: bytes = SEED, fmspc: bytes = FMSPC) -> None:
        """Derive the keys and certificates.

        Args:
            seed: where every key comes from; not a secret.
            fmspc: 6 bytes, the machine's family.
        """
        self.seed, self.fmspc = seed, fmspc
        self.root_form = self._authority("Root CA", "root", "root", 1)
        self.ca_form = self._authority("PCK Platform CA", "ca", "root", 0)
        self.signer_form = self._leaf("TCB Signing", "signer", self.root_form)
        usual = PlatformForm(
            ppid=self._drawn("PPID"),
            components=COMPONENTS,
            pcesvn=PCESVN,
            cpu_svn=bytes(COMPONENTS),
            fmspc=fmspc,
            instance=self._drawn("instance"),
        )
        self.pck_form = replace(self._leaf("PCK Certificate", "pck", self.ca_form), platform=usual)

    def key(self, label: str) -> ECC.EccKey:
        """Return a key: root, ca, signer, pck, attestation, or any other label's own."""
        return derive_key(self.seed, label)

    @property
    def root_key(self) -> bytes:
        """Return the root's key x, y in 64 bytes, as `appraise` takes it."""
        return public_key(self.key("root"))

    @property
    def root(self) -> bytes:
        """Return the root's certificate in DER."""
        return issue(self.root_form, self.key("root"))

    @property
    def ca(self) -> bytes:
        """Return the PCK CA's certificate in DER."""
        return issue(self.ca_form, self.key("root"))

    @property
    def signer(self) -> bytes:
        """Return the TCB signer's certificate in DER."""
        return issue(self.signer_form, self.key("root"))

    @property
    def pck(self) -> bytes:
        """Return the machine's PCK certificate in DER."""
        return issue(self.pck_form, self.key("ca"))

    def _drawn(self, label: str) -> bytes:
        """Return 16 bytes that the seed and a label give."""
        return hmac.new(self.seed, label.encode(), hashlib.sha256).digest()[:16]

    def _authority(self, what: str, label: str, by: str, depth: int) -> CertificateForm:
        """Return the form of a CA, whose serial number is its identifier as Intel's are."""
        key, issuer = public_key(self.key(label)), public_key(self.key(by))
        return CertificateForm(
            serial=int.from_bytes(key_identifier(key)),
            issuer=name("SIMULATED SGX Root CA", ORGANIZATION),
            subject=name(f"SIMULATED SGX {what}", ORGANIZATION),
            not_before=NOT_BEFORE,
            not_after=NOT_AFTER,
            key=key,
            authority=key_identifier(issuer),
            identifier=key_identifier(key),
            address=f"{ADDRESS}/root.crl",
            depth=depth,
        )

    def _leaf(self, what: str, label: str, issuer: CertificateForm) -> CertificateForm:
        """Return the form of a certificate that issues none."""
        key = public_key(self.key(label))
        return CertificateForm(
            serial=int.from_bytes(self._drawn(f"serial of {label}") + b"\x51\xd0\x51\xd0"),
            issuer=issuer.subject,
            subject=name(f"SIMULATED SGX {what}", ORGANIZATION),
            not_before=NOT_BEFORE,
            not_after=NOT_AFTER,
            key=key,
            authority=issuer.identifier,
            identifier=key_identifier(key),
            address=f"{ADDRESS}/{'pck' if issuer.depth == 0 else 'root'}.crl",
        )

    def root_list_form(self, now: int, revoked: Sequence[int] = ()) -> ListForm:
        """Return the form of the root's revocation list, with these serial numbers on it."""
        return self._list(self.root_form, now, now + ROOT_LASTS * DAY, revoked)

    def pck_list_form(self, now: int, revoked: Sequence[int] = ()) -> ListForm:
        """Return the form of the PCK CA's revocation list, with these serial numbers on it."""
        return self._list(self.ca_form, now, now + LASTS * DAY, revoked)

    def _list(
        self, issuer: CertificateForm, now: int, until: int, revoked: Sequence[int]
    ) -> ListForm:
        """Return the form of a list issued a day ago."""
        since = now - ISSUED * DAY
        entries = tuple((serial, since, 1) for serial in revoked)
        return ListForm(issuer.subject, since, until, issuer.identifier, entries)

    def tcb_info(self, now: int) -> dict[str, Any]:
        """Return the TCB info, issued a day ago; the machine reaches the first level."""
        levels = (
            tcb_level(COMPONENTS, PCESVN, TDX_SVNS),
            tcb_level((1, 1, 1, 1, *[0] * 12), 5, (2, 0, 1, *[0] * 13), "OutOfDate"),
        )
        modules = (module(3, svn_level(3)), module(1, svn_level(5), svn_level(2, "OutOfDate")))
        issued, until = now - ISSUED * DAY, now + LASTS * DAY
        return tcb_info(self.fmspc, issued, until, EVALUATION, levels, modules)

    def qe_identity(self, now: int) -> dict[str, Any]:
        """Return the quoting enclave's identity as a document issued a day ago."""
        issued, until = now - ISSUED * DAY, now + LASTS * DAY
        return qe_identity(QE_SIGNER, issued, until, EVALUATION, (svn_level(4),))

    def collateral(
        self,
        now: int,
        *,
        tcb_info: str | None = None,
        qe_identity: str | None = None,
        root_list: bytes | None = None,
        pck_list: bytes | None = None,
        signed_by: str = "signer",
        **members: str,
    ) -> str:
        """Return QuoteCollateralV3 JSON that is in force at a time.

        Args:
            now: seconds since 1970.
            tcb_info: another document's text, signed in place of the usual one.
            qe_identity: the same.
            root_list: another revocation list's DER.
            pck_list: the same.
            signed_by: label of the key that signs both documents.
            members: whole members in place of the usual ones.
        """
        root_list = root_list or issue_list(self.root_list_form(now), self.key("root"))
        pck_list = pck_list or issue_list(self.pck_list_form(now), self.key("ca"))
        tcb_info = tcb_info or written(self.tcb_info(now))
        qe_identity = qe_identity or written(self.qe_identity(now))
        signers, key = pem(self.signer, self.root).decode(), self.key(signed_by)
        usual = {
            "pck_crl_issuer_chain": pem(self.ca, self.root).decode(),
            "root_ca_crl": root_list.hex(),
            "pck_crl": pck_list.hex(),
            "tcb_info_issuer_chain": signers,
            "tcb_info": tcb_info,
            "tcb_info_signature": sign(key, tcb_info.encode()).hex(),
            "qe_identity_issuer_chain": signers,
            "qe_identity": qe_identity,
            "qe_identity_signature": sign(key, qe_identity.encode()).hex(),
        }
        return json.dumps(usual | members)

    def quote_form(
        self, report_data: bytes = bytes(64), *, version: int = 4, td15: bool = False
    ) -> QuoteForm:
        """Return the form of a quote over report data of 64 bytes.

        Args:
            report_data: what the domain binds.
            version: 4 or 5.
            td15: a TD 1.5 report, which version 5 alone has.
        """
        report = ReportForm(report_data=report_data)
        if td15:
            report = replace(report, tee_tcb_svn_2=report.tee_tcb_svn, mr_service_td=bytes(48))
        return QuoteForm(
            report=report,
            qe_report=QeReportForm(cpu_svn=bytes(COMPONENTS), mr_signer=QE_SIGNER),
            chain=pem(self.pck, self.ca, self.root) + b"\0",
            attestation=self.key("attestation"),
            pck=self.key("pck"),
            header=HeaderForm(version=version),
        )

    def quote(self, report_data: bytes, *, version: int = 4, td15: bool = False) -> bytes:
        """Return a quote over report data of 64 bytes."""
        return issue_quote(self.quote_form(report_data, version=version, td15=td15))
