"""Quotes of the simulated platform: every field of header, reports and signature block, signed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from Crypto.PublicKey import ECC

from oyez.attestation.quote import (
    CERTIFIED_REPORT,
    ECDSA_P256,
    PEM_CHAIN,
    QE_VENDOR,
    TD10,
    TD15,
    TEE_TDX,
)
from oyez.attestation.simulated_certificates import public_key, sign

#: body_size -> body_type of a version 5 quote.
BODY_TYPES = {TD10: 2, TD15: 3}
#: The first words of `user_data` in every simulated quote.
MARK = b"SIMULATED".ljust(20, b"\0")
#: What a simulated domain runs unless it is told otherwise.
COMPOSE = '{"manifest_version":2,"name":"simulated","runner":"docker-compose"}'


def compute_config_id(compose: str) -> bytes:
    """Return the MRCONFIGID of 48 bytes that dstack gives a compose file: 1, SHA-256, zeros."""
    return b"\1" + hashlib.sha256(compose.encode("utf-8", "surrogateescape")).digest() + bytes(15)


def _measured(what: str) -> bytes:
    """Return 48 bytes that stand for a measurement of nothing real."""
    return hashlib.sha384(b"simulated " + what.encode()).digest()


def _event(register: int) -> dict[str, Any]:
    """Return the one event of a run-time register, as dstack lists events."""
    name = f"simulated-{register}"
    digest = _measured(name).hex()
    return {"imr": register, "event_type": 0, "digest": digest, "event": name, "event_payload": ""}


#: What extended the run-time registers: from it they can be computed again.
EVENTS = tuple(_event(register) for register in range(4))


def _extended(register: int) -> bytes:
    """Return a run-time register after its event."""
    return hashlib.sha384(bytes(48) + bytes.fromhex(EVENTS[register]["digest"])).digest()


@dataclass(frozen=True, slots=True)
class HeaderForm:
    """Every field of a quote's header, and of a version 5's descriptor.

    `body_type` and `body_size` None are those that fit the report.
    """

    version: int = 4
    key_type: int = ECDSA_P256
    tee_type: int = TEE_TDX
    qe_svn: int = 0
    pce_svn: int = 0
    vendor: bytes = QE_VENDOR
    user_data: bytes = MARK
    body_type: int | None = None
    body_size: int | None = None


@dataclass(frozen=True, slots=True)
class ReportForm:
    """Every field of a TD report; both last ones None: TD 1.0."""

    report_data: bytes = bytes(64)
    tee_tcb_svn: bytes = bytes((5, 1, 3)) + bytes(13)
    mr_seam: bytes = _measured("TDX module")
    mr_signer_seam: bytes = bytes(48)
    seam_attributes: bytes = bytes(8)
    td_attributes: bytes = bytes.fromhex("0000001000000000")
    xfam: bytes = bytes.fromhex("e702060000000000")
    mr_td: bytes = _measured("domain")
    mr_config_id: bytes = compute_config_id(COMPOSE)
    mr_owner: bytes = bytes(48)
    mr_owner_config: bytes = bytes(48)
    rt_mr0: bytes = _extended(0)
    rt_mr1: bytes = _extended(1)
    rt_mr2: bytes = _extended(2)
    rt_mr3: bytes = _extended(3)
    tee_tcb_svn_2: bytes | None = None
    mr_service_td: bytes | None = None

    def encode(self) -> bytes:
        """Return the report's bytes: 584, or 648 of TD 1.5."""
        return b"".join(
            (
                self.tee_tcb_svn, self.mr_seam, self.mr_signer_seam, self.seam_attributes,
                self.td_attributes, self.xfam, self.mr_td, self.mr_config_id, self.mr_owner,
                self.mr_owner_config, self.rt_mr0, self.rt_mr1, self.rt_mr2, self.rt_mr3,
                self.report_data, self.tee_tcb_svn_2 or b"", self.mr_service_td or b"",
            )
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class QeReportForm:
    """Every field of the quoting enclave's report; `report_data` None binds the attestation key."""

    cpu_svn: bytes
    mr_signer: bytes
    misc_select: bytes = bytes(4)
    reserved_1: bytes = bytes(28)
    attributes: bytes = bytes.fromhex("1500000000000000e700000000000000")
    mr_enclave: bytes = hashlib.sha256(b"simulated quoting enclave").digest()
    reserved_2: bytes = bytes(32)
    reserved_3: bytes = bytes(96)
    isv_prod_id: int = 2
    isv_svn: int = 4
    reserved_4: bytes = bytes(60)
    report_data: bytes | None = None

    def encode(self, bound: bytes) -> bytes:
        """Return the report's 384 bytes; `bound` is its data unless the form has one."""
        return b"".join(
            (
                self.cpu_svn, self.misc_select, self.reserved_1, self.attributes,
                self.mr_enclave, self.reserved_2, self.mr_signer, self.reserved_3,
                self.isv_prod_id.to_bytes(2, "little"), self.isv_svn.to_bytes(2, "little"),
                self.reserved_4, bound if self.report_data is None else self.report_data,
            )
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class QuoteForm:
    """Everything that a quote is made of; what is None is computed from the rest."""

    report: ReportForm
    qe_report: QeReportForm
    chain: bytes  # PEM, with the zero byte that ends it if any
    attestation: ECC.EccKey  # signs header, descriptor and TD report
    pck: ECC.EccKey  # signs the quoting enclave's report
    header: HeaderForm = field(default_factory=HeaderForm)
    auth: bytes = bytes(range(32))
    attestation_key: bytes | None = None  # 64, of another key than signs
    signature: bytes | None = None
    qe_signature: bytes | None = None
    certified_type: int = CERTIFIED_REPORT
    chain_type: int = PEM_CHAIN
    auth_size: int | None = None
    chain_size: int | None = None
    certified_size: int | None = None
    block_size: int | None = None
    tail: bytes = b""


def _little(value: int | None, usual: int, size: int) -> bytes:
    """Return a value, or the usual one, in `size` bytes."""
    return (usual if value is None else value).to_bytes(size, "little")


def signed_part(form: QuoteForm) -> bytes:
    """Return what the attestation key signs: header, descriptor of version 5, TD report."""
    header, report = form.header, form.report.encode()
    parts = (
        header.version.to_bytes(2, "little"), header.key_type.to_bytes(2, "little"),
        header.tee_type.to_bytes(4, "little"), header.qe_svn.to_bytes(2, "little"),
        header.pce_svn.to_bytes(2, "little"), header.vendor, header.user_data,
    )  # fmt: skip
    descriptor = b""
    if header.version == 5:
        descriptor = _little(header.body_type, BODY_TYPES.get(len(report), 0), 2)
        descriptor += _little(header.body_size, len(report), 4)
    return b"".join(parts) + descriptor + report


def issue_quote(form: QuoteForm) -> bytes:
    """Return a quote of a form, signed by its two keys."""
    signed = signed_part(form)
    key = public_key(form.attestation) if form.attestation_key is None else form.attestation_key
    enclave = form.qe_report.encode(hashlib.sha256(key + form.auth).digest() + bytes(32))
    inner = enclave
    inner += sign(form.pck, enclave) if form.qe_signature is None else form.qe_signature
    inner += _little(form.auth_size, len(form.auth), 2) + form.auth
    inner += form.chain_type.to_bytes(2, "little")
    inner += _little(form.chain_size, len(form.chain), 4) + form.chain
    block = sign(form.attestation, signed) if form.signature is None else form.signature
    block += key + form.certified_type.to_bytes(2, "little")
    block += _little(form.certified_size, len(inner), 4) + inner
    return signed + _little(form.block_size, len(block), 4) + block + form.tail
