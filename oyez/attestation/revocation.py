"""Certificate revocation lists of Intel's root and of its PCK CAs, by one strict template."""

from __future__ import annotations

from dataclasses import dataclass

from oyez.attestation import der, p256
from oyez.attestation.certificates import Certificate
from oyez.attestation.der import ECDSA_SHA256, Der
from oyez.protocol.errors import Invalid

VERSION_2 = bytes.fromhex("020101")
REASON = bytes.fromhex("300c300a0603551d1504030a01")
LIST_NUMBER = bytes.fromhex("0603551d14")
AUTHORITY = bytes.fromhex("301f0603551d23041830168014")


@dataclass(frozen=True, slots=True)
class RevocationList:
    """A revocation list in its parts."""

    signed: bytes  # TBSCertList
    signature: bytes  # 64: r, s
    issuer: bytes  # a name's DER
    this_update: int  # seconds since 1970
    next_update: int
    serials: frozenset[int]
    authority: bytes  # 20: its issuer's identifier


def _serials(reader: Der) -> frozenset[int]:
    """Return the serial numbers of the list's entries, of which there is at least one."""
    entries = reader.inside(der.SEQUENCE)
    entries.must(not entries.done(), "an empty list of entries")
    found = set()
    while not entries.done():
        entry = entries.inside(der.SEQUENCE)
        found.add(entry.number(20))
        entry.time()
        entry.literal(REASON, "a reason")
        entry.fixed(1)
        entry.end()
    return frozenset(found)


def parse_revocations(data: bytes) -> RevocationList:
    """Return a revocation list that follows the template.

    Raises:
        Invalid: ATTEST-4, no strict DER; ATTEST-7, none of the template.

    Rule: ATTEST-7
    """
    signed, signature, tbs = Der.open_signed(data, "revocation list", "ATTEST-7")
    tbs.literal(VERSION_2, "version 2")
    tbs.literal(ECDSA_SHA256, "ECDSA with SHA-256")
    issuer = tbs.whole(der.SEQUENCE)
    this_update, next_update = tbs.time(), tbs.time()
    serials = _serials(tbs) if tbs.next_is(der.SEQUENCE) else frozenset[int]()
    wrapped = tbs.inside(der.EXTENSIONS_CRL)
    tbs.end()
    fields = wrapped.inside(der.SEQUENCE)
    wrapped.end()
    numbered = fields.inside(der.SEQUENCE)
    numbered.literal(LIST_NUMBER, "the list's number")
    number = numbered.inside(der.OCTETS)
    numbered.end()
    number.number(20)
    number.end()
    fields.literal(AUTHORITY, "the authority's identifier")
    authority = fields.fixed(20)
    fields.end()
    return RevocationList(signed, signature, issuer, this_update, next_update, serials, authority)


def check_revocations(revoked: RevocationList, issuer: Certificate, now: int) -> None:
    """Refuse a list that this CA did not issue or that is not in force.

    Raises:
        Invalid: ATTEST-7, with the reason.

    Rule: ATTEST-7
    """
    reason = None
    if issuer.depth is None:
        reason = "issued by what is no CA"
    elif revoked.issuer != issuer.subject or revoked.authority != issuer.identifier:
        reason = "of another issuer"
    elif not p256.verify(issuer.key, revoked.signed, revoked.signature):
        reason = "not signed by its issuer"
    elif now < revoked.this_update:
        reason = "not in force yet"
    elif now >= revoked.next_update:
        reason = "expired"
    if reason is not None:
        raise Invalid("ATTEST-7", f"revocation list: {reason}")


def check_not_revoked(one: Certificate, revoked: RevocationList) -> None:
    """Refuse a certificate whose serial number its issuer's list has.

    Raises:
        Invalid: ATTEST-7.

    Rule: ATTEST-7
    """
    if one.issuer != revoked.issuer:
        raise Invalid("ATTEST-7", "revocation list: of another issuer than the certificate's")
    if one.serial in revoked.serials:
        raise Invalid("ATTEST-7", f"certificate {one.serial:x}: revoked")
