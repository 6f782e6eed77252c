"""Certificates, lists and quotes as signed parts, and put together again; judges nothing.

What cannot be cut is handed over whole and unsigned, so that it is the contract that refuses it.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from oyez.attestation.der import Der
from oyez.attestation.quote import KEY, QE_AUTH, QE_REPORT, SIGNATURE
from oyez.attestation.submissions import BLOCK
from oyez.protocol.errors import Invalid

CERTIFICATE = re.compile(
    rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----"
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A signed part and its signature r, s of 64 bytes; of what has no such form: all, and none."""

    signed: bytes
    signature: bytes


def cut_signed(data: bytes) -> Piece:
    """Return the pieces of a certificate or revocation list in DER."""
    try:
        signed, signature, _ = Der.open_signed(data, "signed data", "ATTEST-4")
    except Invalid:
        return Piece(data, b"")
    return Piece(signed, signature)


def cut_pem(text: bytes) -> list[bytes]:
    """Return the DER of each certificate of a text, up to the first that cannot be decoded."""
    found = []
    for body in CERTIFICATE.findall(text):
        try:
            found.append(base64.b64decode(b"".join(body.split()), validate=True))
        except binascii.Error:
            break
    return found


def join_quote(head: bytes, chain: bytes) -> bytes:
    """Return the quote of a head and a PEM chain; lengths, which nothing signs, are made to fit."""
    end = len(head) - BLOCK
    certified = QE_REPORT + SIGNATURE + 2 + QE_AUTH + 6 + len(chain)
    sizes = {
        end: SIGNATURE + KEY + 6 + certified,
        end + 4 + SIGNATURE + KEY + 2: certified,
        len(head) - 4: len(chain),
    }
    fitted = bytearray(head)
    for at, size in sizes.items():
        fitted[at : at + 4] = size.to_bytes(4, "little")
    return bytes(fitted) + chain
