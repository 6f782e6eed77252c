"""Intel's certificates by one strict template each: the root, its CAs, TCB signers, PCKs.

Nothing is skipped but the revocation list's address and what a PCK says of its platform beyond the
fields named here; another order, another extension or another length is refused.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from oyez.attestation import der, p256
from oyez.attestation.der import ECDSA_SHA256, Der
from oyez.protocol.errors import Invalid

#: Key x, y of "Intel SGX Root CA".
INTEL_ROOT = bytes.fromhex(
    "0ba9c4c0c0c86193a3fe23d6b02cda10a8bbd4e88e48b4458561a36e705525f5"
    "67918e2edc88e40d860bd0cc4ee26aacc988e505a953558c453f6b0904ae7394"
)
VERSION_3 = bytes.fromhex("a003020102")
P256_KEY = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
AUTHORITY = bytes.fromhex("301f0603551d23041830168014")
REVOCATION_ADDRESS = bytes.fromhex("0603551d1f")
IDENTIFIER = bytes.fromhex("301d0603551d0e04160414")
CA_USAGE = bytes.fromhex("300e0603551d0f0101ff040403020106")
LEAF_USAGE = bytes.fromhex("300e0603551d0f0101ff0404030206c0")
CA_DEPTH = bytes.fromhex("30120603551d130101ff040830060101ff0201")
NOT_CA = bytes.fromhex("300c0603551d130101ff04023000")
SGX = bytes.fromhex("2a864886f84d010d01")
NAME_BYTES = 127
#: Chains by the depths of their certificates: a PCK, who signs collateral, who issues PCKs.
PCK: tuple[int | None, ...] = (None, 0, 1)
SIGNER: tuple[int | None, ...] = (None, 1)
ISSUER: tuple[int | None, ...] = (0, 1)
MAX_PEM = 16_384
BEGIN, END = b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n"


@dataclass(frozen=True, slots=True)
class Platform:
    """What a PCK certificate says of its platform."""

    ppid: bytes  # 16
    components: bytes  # 16 SVNs of one byte
    pcesvn: int  # 0..65535
    fmspc: bytes  # 6


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate in its parts; names are compared as DER bytes."""

    signed: bytes  # TBSCertificate
    signature: bytes  # 64: r, s
    serial: int  # 1..2^160 - 1
    issuer: bytes
    subject: bytes
    not_before: int  # seconds since 1970
    not_after: int
    key: bytes  # 64: x, y
    authority: bytes  # 20: its issuer's identifier
    identifier: bytes  # 20
    depth: int | None  # CAs below a CA, 0 or 1; None: no CA
    platform: Platform | None  # of a PCK


def _name(reader: Der) -> bytes:
    """Return a name's DER."""
    name = reader.whole(der.SEQUENCE)
    reader.must(2 < len(name) <= NAME_BYTES + 2, "a name too long or empty")
    return name


def _field(reader: Der, number: bytes) -> Der:
    """Return a reader behind the id of the next numbered field of Intel's extension."""
    field = reader.inside(der.SEQUENCE)
    oid = SGX + number
    field.literal(
        bytes((der.OID, len(oid))) + oid, f"field {'.'.join(map(str, number))} of the platform"
    )
    return field


def _octets(reader: Der, number: bytes, size: int) -> bytes:
    """Return the octet string of the next numbered field."""
    field = _field(reader, number)
    value = field.octets(size)
    field.end()
    return value


def _number(reader: Der, number: bytes, size: int) -> int:
    """Return the integer of the next numbered field, at most `size` bytes."""
    field = _field(reader, number)
    value = field.number(size)
    field.end()
    return value


def _platform(reader: Der) -> Platform:
    """Return what Intel's extension of a PCK says: the first four fields, in order.

    Rule: ATTEST-5
    """
    extension = reader.inside(der.SEQUENCE)
    reader.end()
    extension.literal(bytes((der.OID, len(SGX))) + SGX, "Intel's extension")
    content = extension.inside(der.OCTETS)
    extension.end()
    fields = content.inside(der.SEQUENCE)
    content.end()
    ppid = _octets(fields, b"\1", 16)
    tcb = _field(fields, b"\2")
    svns = tcb.inside(der.SEQUENCE)
    tcb.end()
    components = bytes(_number(svns, bytes((2, i)), 1) for i in range(1, 17))
    pcesvn = _number(svns, bytes((2, 17)), 2)
    cpu_svn = _octets(svns, bytes((2, 18)), 16)
    svns.end()
    fields.must(cpu_svn == components, "CPUSVN other than its components")
    fields.must(_octets(fields, b"\3", 2) == bytes(2), "PCE id other than 0000")
    fmspc = _octets(fields, b"\4", 6)
    for number in (5, 6, 7):
        _field(fields, bytes((number,))).rest()
    fields.end()
    return Platform(ppid, components, pcesvn, fmspc)


def parse_certificate(data: bytes) -> Certificate:
    """Return a certificate that follows the template of a CA, a TCB signer or a PCK.

    Raises:
        Invalid: ATTEST-4, no strict DER; ATTEST-5, none of the template.

    Rule: ATTEST-5
    """
    signed, signature, tbs = Der.open_signed(data, "certificate", "ATTEST-5")
    tbs.literal(VERSION_3, "version 3")
    serial = tbs.number(20)
    tbs.must(serial > 0, "serial number 0")
    tbs.literal(ECDSA_SHA256, "ECDSA with SHA-256")
    issuer = _name(tbs)
    validity = tbs.inside(der.SEQUENCE)
    not_before, not_after = validity.time(), validity.time()
    validity.end()
    subject = _name(tbs)
    tbs.literal(P256_KEY, "a key of P-256")
    key = tbs.fixed(64)
    wrapped = tbs.inside(der.EXTENSIONS)
    tbs.end()
    fields = wrapped.inside(der.SEQUENCE)
    wrapped.end()
    fields.literal(AUTHORITY, "the authority's identifier")
    authority = fields.fixed(20)
    address = fields.inside(der.SEQUENCE)
    address.literal(REVOCATION_ADDRESS, "the revocation list's address")
    address.content(der.OCTETS)
    address.end()
    fields.literal(IDENTIFIER, "the key's identifier")
    identifier = fields.fixed(20)
    depth: int | None = None
    platform: Platform | None = None
    if fields.follows(CA_USAGE):
        fields.literal(CA_USAGE, "a CA's usage")
        fields.literal(CA_DEPTH, "a CA's constraints")
        depth = fields.fixed(1)[0]
        fields.must(depth in (0, 1), "a CA of another depth")
    else:
        fields.literal(LEAF_USAGE, "a signer's usage")
        fields.literal(NOT_CA, "no CA")
        if not fields.done():
            platform = _platform(fields)
    fields.end()
    return Certificate(
        signed, signature, serial, issuer, subject, not_before, not_after, key, authority,
        identifier, depth, platform,
    )  # fmt: skip


def parse_pem(text: bytes) -> tuple[Certificate, ...]:
    """Return the certificates of a PEM text, which must be what encoding them again gives.

    Raises:
        Invalid: ATTEST-4, another text.

    Rule: ATTEST-4
    """
    if len(text) > MAX_PEM or not text.endswith(END):
        raise Invalid("ATTEST-4", "certificates: not PEM")
    found = []
    canonical = b""
    for block in text.split(END)[:-1]:
        try:
            data = base64.b64decode(block.removeprefix(BEGIN).replace(b"\n", b""), validate=True)
        except ValueError as error:
            raise Invalid("ATTEST-4", f"certificates: not base64: {error}") from error
        code = base64.b64encode(data)
        lines = [code[i : i + 64] + b"\n" for i in range(0, len(code), 64)]
        canonical += BEGIN + b"".join(lines) + END
        found.append(data)
    if canonical != text:
        raise Invalid("ATTEST-4", "certificates: not the usual form of PEM")
    return tuple(parse_certificate(data) for data in found)


def check_chain(
    chain: tuple[Certificate, ...], role: tuple[int | None, ...], root: bytes, now: int
) -> None:
    """Refuse a chain, its own end first, that does not lead to the root's key at this time.

    Each is in force, is issued by the next under its name and identifier, and is signed by it; the
    last is the root, which signs itself.

    Args:
        chain: the certificate, its issuers, the root.
        role: the depth that each must have, e.g. `PCK`.
        root: key x, y of the root, 64 bytes.
        now: seconds since 1970.

    Raises:
        Invalid: ATTEST-6, with the first certificate and reason.

    Rule: ATTEST-6
    """
    if tuple(one.depth for one in chain) != role:
        raise Invalid("ATTEST-6", "certificates: a chain of other roles")
    if (chain[0].platform is not None) != (role == PCK):
        raise Invalid("ATTEST-6", "certificates: a PCK where none may be, or none")
    if chain[-1].key != root:
        raise Invalid("ATTEST-6", "certificates: another root")
    for place, (one, issuer) in enumerate(zip(chain, (*chain[1:], chain[-1]), strict=True)):
        reason = _link(one, issuer, now)
        if reason is not None:
            raise Invalid("ATTEST-6", f"certificate {place} of its chain: {reason}")


def _link(one: Certificate, issuer: Certificate, now: int) -> str | None:
    """Return why a certificate is not one of this issuer's at this time, None if it is."""
    if now < one.not_before:
        return "not valid yet"
    if now > one.not_after:
        return "expired"
    if one.issuer != issuer.subject:
        return "of another issuer's name"
    if one.authority != issuer.identifier:
        return "of another issuer's identifier"
    if not p256.verify(issuer.key, one.signed, one.signature):
        return "not signed by its issuer"
    return None
