"""What of a collateral the chain should have: in an order in which each part can be taken."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from oyez.attestation.certificates import Certificate
from oyez.attestation.collateral import Collateral, Signed
from oyez.attestation.documents import QeIdentity, Status, TcbInfo
from oyez.attestation.revocation import RevocationList
from oyez.attestation.submissions import compute_subject_id
from oyez.chain.contracts import Transaction
from oyez.chain.tdx import Kept, TdxCollateral
from oyez.protocol.codec import keccak
from oyez.protocol.types import Hash32

DAY = 86_400


@dataclass(frozen=True, slots=True)
class Submission:
    """A part of a collateral that the chain lacks.

    Attributes:
        what: its name for the log.
        why: `missing`, `news` (it changes what is accepted), `expiring`, or `orphaned`: the signer
            of what is stored was revoked.
        transaction: what submits it.
    """

    what: str
    why: str
    transaction: Transaction

    @property
    def key(self) -> str:
        """What the journal knows it by: the same part is the same transaction."""
        return f"{self.what} {hashlib.sha256(self.transaction.data).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Clock:
    """The chain's time, and how long before its end a part is renewed; seconds."""

    now: int
    margin: int

    def is_due(self, until: int, renewed: int) -> bool:
        """Tell whether what ends at `until` should give way to what ends at `renewed`."""
        gain = DAY if until >= self.now else 1
        return until < self.now + self.margin and renewed >= until + gain


def plan(given: Collateral, kept: TdxCollateral, margin: int, now: int) -> Iterator[Submission]:
    """Yield what the chain lacks of a collateral, or will lack in `margin` seconds.

    A newer part is sent if the stored one ends within the margin and the new one a day later at
    least, or if it is news: another evaluation number, a status that changed, a certificate newly
    revoked. Else it waits, since each costs gas and Intel issues the same anew every day.

    Args:
        given: the collateral, whole.
        kept: the contract.
        margin: seconds before the end of what is stored.
        now: seconds since 1970, of the chain.

    Rule: ENCLAVE-11
    """
    root, clock = given.issuers[1], Clock(now, margin)
    yield from _plan_list("root list", given.root_revoked, root, kept, clock)
    yield from _plan_issuer("PCK issuer", given.issuers[0], kept)
    yield from _plan_list("PCK list", given.pck_revoked, given.issuers[0], kept, clock)
    documents: tuple[tuple[str, Signed, TcbInfo | QeIdentity, Kept, _Build], ...] = (
        (
            f"TCB info {given.tcb_info.fmspc.hex()}",
            given.tcb_signed,
            given.tcb_info,
            kept.fetch_tcb_info(given.tcb_info.fmspc),
            kept.build_tcb_info,
        ),
        (
            "QE identity",
            given.qe_signed,
            given.qe_identity,
            kept.fetch_qe_identity(),
            kept.build_qe_identity,
        ),
    )
    issuer = compute_subject_id(given.issuers[0])
    orphaned = kept.fetch_is_orphaned(issuer, given.tcb_info.fmspc)
    for what, signed, document, stored, build in documents:
        signer = signed.chain[0]
        why = _judge(document, stored, clock)
        if why is None and orphaned and document.issued >= stored.issued:
            why = "orphaned"
        if why is not None:
            yield from _plan_issuer("signer", signer, kept)
            transaction = build(signed.text, signed.signature, compute_subject_id(signer))
            yield Submission(what, why, transaction)


_Build = Callable[[bytes, bytes, Hash32], Transaction]


def _plan_issuer(what: str, one: Certificate, kept: TdxCollateral) -> Iterator[Submission]:
    """Yield a certificate that the chain has not, or has in an older form."""
    start = kept.fetch_issuer_start(compute_subject_id(one))
    if one.not_before > start:
        why = "expiring" if start else "missing"
        yield Submission(what, why, kept.build_issuer(one.signed, one.signature))


def _plan_list(
    what: str, found: RevocationList, issuer: Certificate, kept: TdxCollateral, clock: Clock
) -> Iterator[Submission]:
    """Yield a list that the chain needs now."""
    this_update, next_update = kept.fetch_list(compute_subject_id(issuer))
    if found.this_update <= this_update:
        return
    why = None
    if this_update == 0:
        why = "missing"
    elif any(not _is_known(issuer, serial, kept) for serial in found.serials):
        why = "news"
    elif clock.is_due(next_update - 1, found.next_update - 1):
        why = "expiring"
    if why is not None:
        yield Submission(what, why, kept.build_list(found.signed, found.signature))


def _is_known(issuer: Certificate, serial: int, kept: TdxCollateral) -> bool:
    """Tell whether the chain has a certificate as revoked."""
    mark = keccak(keccak(issuer.subject) + serial.to_bytes(32))[:20]
    return kept.fetch_is_revoked(mark)


def _judge(document: TcbInfo | QeIdentity, stored: Kept, clock: Clock) -> str | None:
    """Return why a document should be submitted, None if it should not."""
    if document.issued <= stored.issued or document.evaluation < stored.evaluation:
        return None
    is_current = document.levels[0].status is Status.UP_TO_DATE
    if stored.issued == 0:
        return "missing"
    if document.evaluation > stored.evaluation or is_current != stored.is_current:
        return "news"
    if clock.is_due(stored.until, document.until):
        return "expiring"
    return None
