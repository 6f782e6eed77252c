"""Certificates and revocation lists of the simulated platform, in Intel's own DER template.

A form has every field of a document; a test replaces one and has it signed again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

from Crypto.Hash import SHA256
from Crypto.PublicKey import ECC
from Crypto.Signature import DSS

from oyez.attestation import der, p256
from oyez.attestation.certificates import (
    AUTHORITY,
    BEGIN,
    CA_DEPTH,
    CA_USAGE,
    END,
    IDENTIFIER,
    LEAF_USAGE,
    NOT_CA,
    P256_KEY,
    REVOCATION_ADDRESS,
    SGX,
    VERSION_3,
)
from oyez.attestation.der import ECDSA_SHA256
from oyez.attestation.der_writer import element, integer, object_id, signature, utc_time
from oyez.attestation.revocation import AUTHORITY as LIST_AUTHORITY
from oyez.attestation.revocation import LIST_NUMBER, REASON, VERSION_2


@dataclass(frozen=True, slots=True)
class PlatformForm:
    """Every field of Intel's extension of a PCK certificate."""

    ppid: bytes
    components: tuple[int, ...]
    pcesvn: int
    cpu_svn: bytes
    fmspc: bytes
    instance: bytes
    pce_id: bytes = bytes(2)
    sgx_type: int = 1  # scalable
    flags: tuple[int, ...] = (0xFF, 0xFF, 0xFF)  # dynamic platform, cached keys, SMT


@dataclass(frozen=True, slots=True)
class CertificateForm:
    """Every field of a certificate.

    `depth` None makes a signer or, with a platform, a PCK. `extensions`, where not None, take the
    place of the usual ones.
    """

    serial: int
    issuer: bytes
    subject: bytes
    not_before: int
    not_after: int
    key: bytes
    authority: bytes
    identifier: bytes
    address: str
    depth: int | None = None
    platform: PlatformForm | None = None
    version: bytes = VERSION_3
    algorithm: bytes = ECDSA_SHA256
    extensions: tuple[bytes, ...] | None = None
    tail: bytes = b""  # after the extensions, inside TBSCertificate


@dataclass(frozen=True, slots=True)
class ListForm:
    """Every field of a revocation list; `entries` are serial, seconds since 1970, reason."""

    issuer: bytes
    this_update: int
    next_update: int
    authority: bytes
    entries: tuple[tuple[int, int, int], ...] = ()
    number: int = 1
    version: bytes = VERSION_2
    algorithm: bytes = ECDSA_SHA256
    tail: bytes = b""


def derive_key(seed: bytes, label: str) -> ECC.EccKey:
    """Return the P-256 key that a seed and a label give, the same everywhere."""
    wide = hmac.new(seed, b"oyez simulated platform/" + label.encode(), hashlib.sha512).digest()
    return ECC.construct(curve="P-256", d=int.from_bytes(wide) % (p256.ORDER - 1) + 1)


def public_key(key: ECC.EccKey) -> bytes:
    """Return a key's x, y in 64 bytes."""
    point = key.pointQ
    return int(point.x).to_bytes(32) + int(point.y).to_bytes(32)


def key_identifier(key: bytes) -> bytes:
    """Return the 20 bytes that name a key x, y in certificates."""
    return hashlib.sha1(b"\4" + key, usedforsecurity=False).digest()


def sign(key: ECC.EccKey, message: bytes) -> bytes:
    """Return r, s in 64 bytes over a message's SHA-256; the same key and message give the same."""
    signed: bytes = DSS.new(key, "deterministic-rfc6979").sign(SHA256.new(message))
    return signed


def wrap(signed: bytes, raw: bytes) -> bytes:
    """Return a certificate's or list's DER of its signed part and r, s."""
    return element(der.SEQUENCE, signed, ECDSA_SHA256, signature(raw))


def pem(*certificates: bytes) -> bytes:
    """Return certificates' DER as PEM, lines of 64."""
    text = b""
    for data in certificates:
        code = base64.b64encode(data)
        text += BEGIN + b"".join(code[i : i + 64] + b"\n" for i in range(0, len(code), 64)) + END
    return text


def _numbered(number: bytes, value: bytes) -> bytes:
    """Return a numbered field of Intel's extension."""
    return element(der.SEQUENCE, object_id(SGX + number), value)


def platform_extension(form: PlatformForm) -> bytes:
    """Return Intel's extension of a PCK certificate."""
    svns = [_numbered(bytes((2, i + 1)), integer(svn)) for i, svn in enumerate(form.components)]
    svns.append(_numbered(bytes((2, 17)), integer(form.pcesvn)))
    svns.append(_numbered(bytes((2, 18)), element(der.OCTETS, form.cpu_svn)))
    flags = [
        _numbered(bytes((7, i + 1)), element(der.BOOLEAN, bytes((flag,))))
        for i, flag in enumerate(form.flags)
    ]
    fields = element(
        der.SEQUENCE,
        _numbered(b"\1", element(der.OCTETS, form.ppid)),
        _numbered(b"\2", element(der.SEQUENCE, *svns)),
        _numbered(b"\3", element(der.OCTETS, form.pce_id)),
        _numbered(b"\4", element(der.OCTETS, form.fmspc)),
        _numbered(b"\5", element(der.ENUMERATED, bytes((form.sgx_type,)))),
        _numbered(b"\6", element(der.OCTETS, form.instance)),
        _numbered(b"\7", element(der.SEQUENCE, *flags)),
    )
    return element(der.SEQUENCE, object_id(SGX), element(der.OCTETS, fields))


def usual_extensions(form: CertificateForm) -> tuple[bytes, ...]:
    """Return a certificate's extensions in Intel's order."""
    url = element(0x86, form.address.encode())
    point = element(der.SEQUENCE, element(0xA0, element(0xA0, url)))
    address = element(der.OCTETS, element(der.SEQUENCE, point))
    found = [
        AUTHORITY + form.authority,
        element(der.SEQUENCE, REVOCATION_ADDRESS, address),
        IDENTIFIER + form.identifier,
    ]
    if form.depth is None:
        found += [LEAF_USAGE, NOT_CA]
    else:
        found += [CA_USAGE, CA_DEPTH + bytes((form.depth,))]
    if form.platform is not None:
        found.append(platform_extension(form.platform))
    return tuple(found)


def signed_certificate(form: CertificateForm) -> bytes:
    """Return the TBSCertificate of a form."""
    extensions = usual_extensions(form) if form.extensions is None else form.extensions
    return element(
        der.SEQUENCE,
        form.version,
        integer(form.serial),
        form.algorithm,
        form.issuer,
        element(der.SEQUENCE, utc_time(form.not_before), utc_time(form.not_after)),
        form.subject,
        P256_KEY,
        form.key,
        element(der.EXTENSIONS, element(der.SEQUENCE, *extensions)),
        form.tail,
    )


def signed_list(form: ListForm) -> bytes:
    """Return the TBSCertList of a form; a list without entries has no element for them."""
    entries = [
        element(der.SEQUENCE, integer(serial), utc_time(since), REASON, bytes((reason,)))
        for serial, since, reason in form.entries
    ]
    numbered = element(der.SEQUENCE, LIST_NUMBER, element(der.OCTETS, integer(form.number)))
    return element(
        der.SEQUENCE,
        form.version,
        form.algorithm,
        form.issuer,
        utc_time(form.this_update),
        utc_time(form.next_update),
        element(der.SEQUENCE, *entries) if entries else b"",
        element(
            der.EXTENSIONS_CRL,
            element(der.SEQUENCE, numbered, LIST_AUTHORITY + form.authority),
        ),
        form.tail,
    )


def issue(form: CertificateForm, by: ECC.EccKey) -> bytes:
    """Return a certificate's DER, signed."""
    signed = signed_certificate(form)
    return wrap(signed, sign(by, signed))


def issue_list(form: ListForm, by: ECC.EccKey) -> bytes:
    """Return a revocation list's DER, signed."""
    signed = signed_list(form)
    return wrap(signed, sign(by, signed))
