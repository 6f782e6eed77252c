"""What the contracts take of a quote and of its collateral: signed parts, with r and s apart.

Nothing is judged here. What cannot be found in a quote is left empty, and the contract says why.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from oyez.attestation.certificates import BEGIN, END, Certificate
from oyez.attestation.collateral import Collateral
from oyez.attestation.der import Der
from oyez.attestation.quote import DESCRIPTOR, HEADER, TD10, TD15, parse_quote
from oyez.attestation.revocation import RevocationList
from oyez.protocol.codec import keccak
from oyez.protocol.errors import Invalid
from oyez.protocol.types import Hash32

#: Bytes of a quote between its TD report and its PEM certificates.
BLOCK = 626
#: TDATTRIBUTES to RTMR2 in a TD report: what a workload is the hash of.
MEASURED = slice(120, 472)


@dataclass(frozen=True, slots=True)
class QuoteParts:
    """The arguments of `verify` and the first three of `register`."""

    quote: bytes  # up to the PEM certificates
    certificate: bytes  # TBSCertificate of the PCK
    signature: bytes  # 64: r, s


@dataclass(frozen=True, slots=True)
class Submission:
    """A call of the collateral contract."""

    name: str
    arguments: tuple[Any, ...]


def split_quote(raw: bytes) -> QuoteParts:
    """Return the parts of a quote that the registry takes, of any bytes.

    Rule: ATTEST-26
    """
    end = HEADER + TD10
    if raw[:2] == b"\5\0":
        end += DESCRIPTOR + (TD15 - TD10 if raw[HEADER : HEADER + 2] == b"\3\0" else 0)
    end += BLOCK
    certificate, signature = _open_leaf(raw[end:])
    return QuoteParts(raw[:end], certificate, signature)


def _open_leaf(text: bytes) -> tuple[bytes, bytes]:
    """Return the first PEM certificate's signed part and signature; nothing where there is none."""
    block = text[len(BEGIN) : text.find(END)] if text.startswith(BEGIN) else b""
    try:
        data = base64.b64decode(block.replace(b"\n", b""), validate=True)
        signed, signature, _ = Der.open_signed(data, "certificate", "ATTEST-5")
    except (ValueError, Invalid):
        return b"", bytes(64)
    return signed, signature


def compute_workload(quote: bytes) -> Hash32:
    """Return the hash by which a well-formed quote's software is allowed.

    Raises:
        Invalid: ATTEST-1, no quote.

    Rule: ATTEST-26
    """
    parsed = parse_quote(quote)
    start = HEADER if parsed.version == 4 else HEADER + DESCRIPTOR
    return keccak(parsed.signed[start:][MEASURED])


def compute_subject_id(one: Certificate) -> Hash32:
    """Return the id by which the contracts know an issuer: its name and its key's identifier."""
    return keccak(one.subject + one.identifier)


def compute_mark(one: Certificate) -> bytes:
    """Return the 20 bytes by which the contracts know a certificate on revocation lists.

    Rule: ATTEST-21
    """
    return keccak(keccak(one.issuer) + one.serial.to_bytes(32))[:20]


def _list(one: RevocationList) -> Submission:
    return Submission("submit_list", (one.signed, one.signature))


def _issuer(one: Certificate) -> Submission:
    return Submission("submit_issuer", (one.signed, one.signature))


def list_submissions(given: Collateral) -> Iterator[Submission]:
    """Yield the calls that bring a collateral onto the chain, in an order that works.

    The root's list, the issuers, the PCK CA's list, the documents; a signer of both documents once.
    """
    yield _list(given.root_revoked)
    yield _issuer(given.issuers[0])
    tcb, qe = given.tcb_signed.chain[0], given.qe_signed.chain[0]
    yield _issuer(tcb)
    if compute_subject_id(qe) != compute_subject_id(tcb):
        yield _issuer(qe)
    yield _list(given.pck_revoked)
    for name, document in (
        ("submit_tcb_info", given.tcb_signed),
        ("submit_qe_identity", given.qe_signed),
    ):
        signer = compute_subject_id(document.chain[0])
        yield Submission(name, (document.text, document.signature, signer))
