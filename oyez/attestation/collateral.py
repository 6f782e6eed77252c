"""What judges a quote beside the quote: Intel's documents, their signers, the revocation lists.

Read from the JSON that dcap-qvl calls QuoteCollateralV3.
"""

from __future__ import annotations

from dataclasses import dataclass

from oyez.attestation import p256
from oyez.attestation.certificates import ISSUER, SIGNER, Certificate, check_chain, parse_pem
from oyez.attestation.documents import QeIdentity, TcbInfo, parse_qe_identity, parse_tcb_info
from oyez.attestation.revocation import (
    RevocationList,
    check_not_revoked,
    check_revocations,
    parse_revocations,
)
from oyez.attestation.signed_json import Reader, load
from oyez.protocol.errors import Invalid

MAX_COLLATERAL = 262_144
#: The member that dcap-qvl adds where it knows the platform: its PCK and who issued it.
PCK_CHAIN = "pck_certificate_chain"


@dataclass(frozen=True, slots=True)
class Signed:
    """The exact bytes of a document, its signature and its signer's chain."""

    text: bytes
    signature: bytes  # 64: r, s
    chain: tuple[Certificate, ...]


@dataclass(frozen=True, slots=True)
class Collateral:
    """Everything beside a quote that judges it; read, not yet checked."""

    issuers: tuple[Certificate, ...]  # who issues PCKs, root
    pck_chain: tuple[Certificate, ...] | None  # counts in place of the quote's; None: not given
    root_revoked: RevocationList
    pck_revoked: RevocationList
    tcb_signed: Signed
    tcb_info: TcbInfo
    qe_signed: Signed
    qe_identity: QeIdentity


def parse_collateral(text: str) -> Collateral:
    """Return the collateral of QuoteCollateralV3 JSON; any text ends in it or in Invalid.

    Raises:
        Invalid: ATTEST-4, 5, 7, 8, 9 or 10, with the part that is wrong.

    Rule: ATTEST-8
    """
    read = Reader("ATTEST-8", "collateral")
    names = (
        "pck_crl_issuer_chain", "root_ca_crl", "pck_crl", "tcb_info_issuer_chain", "tcb_info",
        "tcb_info_signature", "qe_identity_issuer_chain", "qe_identity", "qe_identity_signature",
    )  # fmt: skip
    value = load(text, MAX_COLLATERAL, False, "ATTEST-8", "collateral")
    members = dict(value) if isinstance(value, dict) else {}
    pck_chain = members.pop(PCK_CHAIN, None)
    read.must(set(members) == set(names), "not the nine members")
    parts = {name: read.text(members[name], name) for name in names}
    if pck_chain is not None:
        parts[PCK_CHAIN] = read.text(pck_chain, PCK_CHAIN)
    read.must(all(part.isascii() for part in parts.values()), "a member that is not ASCII")

    for name in ("root_ca_crl", "pck_crl", "tcb_info_signature", "qe_identity_signature"):
        read.must(parts[name] == parts[name].lower(), f"{name} is not in lower case")

    def signed(name: str) -> Signed:
        return Signed(
            parts[name].encode(),
            read.octets(parts[f"{name}_signature"], 64, f"{name}_signature"),
            parse_pem(parts[f"{name}_issuer_chain"].encode()),
        )

    return Collateral(
        parse_pem(parts["pck_crl_issuer_chain"].encode()),
        parse_pem(parts[PCK_CHAIN].encode()) if PCK_CHAIN in parts else None,
        parse_revocations(read.octets(parts["root_ca_crl"], None, "root_ca_crl")),
        parse_revocations(read.octets(parts["pck_crl"], None, "pck_crl")),
        signed("tcb_info"),
        parse_tcb_info(parts["tcb_info"]),
        signed("qe_identity"),
        parse_qe_identity(parts["qe_identity"]),
    )


def check_collateral(given: Collateral, root: bytes, now: int) -> int:
    """Return until when a collateral is in force; refuse one that is not the root's or not now.

    Args:
        given: what `parse_collateral` returned.
        root: key x, y of the root, 64 bytes.
        now: seconds since 1970.

    Raises:
        Invalid: ATTEST-6 or 7 for chains and lists, ATTEST-11 for the documents.

    Rule: ATTEST-11
    """
    check_chain(given.issuers, ISSUER, root, now)
    check_revocations(given.root_revoked, given.issuers[1], now)
    check_revocations(given.pck_revoked, given.issuers[0], now)
    check_not_revoked(given.issuers[0], given.root_revoked)
    until = [given.root_revoked.next_update - 1, given.pck_revoked.next_update - 1]
    until += [one.not_after for one in given.issuers]
    documents = (
        ("TCB info", given.tcb_signed, given.tcb_info),
        ("QE identity", given.qe_signed, given.qe_identity),
    )
    for what, signed, document in documents:
        check_chain(signed.chain, SIGNER, root, now)
        check_not_revoked(signed.chain[0], given.root_revoked)
        if not p256.verify(signed.chain[0].key, signed.text, signed.signature):
            raise Invalid("ATTEST-11", f"{what}: not signed by its signer")
        if now < document.issued:
            raise Invalid("ATTEST-11", f"{what}: not in force yet")
        if now > document.until:
            raise Invalid("ATTEST-11", f"{what}: expired")
        until += [document.until, signed.chain[0].not_after]
    return min(until)


def check_follows(later: TcbInfo | QeIdentity, earlier: TcbInfo | QeIdentity) -> None:
    """Refuse to put a document in the place of one that is as new or newer.

    Raises:
        Invalid: ATTEST-17, with the reason.

    Rule: ATTEST-17
    """
    reason = None
    if isinstance(later, TcbInfo) != isinstance(earlier, TcbInfo):
        reason = "of another kind"
    elif (
        isinstance(later, TcbInfo) and isinstance(earlier, TcbInfo) and later.fmspc != earlier.fmspc
    ):
        reason = "of another FMSPC"
    elif later.issued <= earlier.issued:
        reason = "not issued later"
    elif later.evaluation < earlier.evaluation:
        reason = "of a lower evaluation number"
    if reason is not None:
        raise Invalid("ATTEST-17", f"document: {reason}")


def check_list_follows(later: RevocationList, earlier: RevocationList) -> None:
    """Refuse to put a revocation list in the place of one that is as new or newer.

    Raises:
        Invalid: ATTEST-17, with the reason.

    Rule: ATTEST-17
    """
    if later.issuer != earlier.issuer:
        raise Invalid("ATTEST-17", "revocation list: of another issuer")
    if later.this_update <= earlier.this_update:
        raise Invalid("ATTEST-17", "revocation list: not issued later")
