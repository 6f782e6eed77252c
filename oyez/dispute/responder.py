"""Sends an honest client's moves, one at a time; what was decided is checked once more before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from oyez.chain.client import Mined, Reverted
from oyez.chain.contracts import Rollup, Transaction
from oyez.chain.journal import SqlJournal
from oyez.chain.sender import InsufficientBalance, Sender
from oyez.derivation.history import SkippedLog
from oyez.dispute import duel_check, duel_moves
from oyez.dispute.duel_moves import DuelMove, Expel, OpenDuel, WithdrawPay
from oyez.dispute.moves import (
    CancelWithdrawal,
    Decision,
    Finalize,
    MarkVoid,
    Move,
    Propose,
    StepDown,
)
from oyez.dispute.tree import Tree
from oyez.dispute.view import LIVE
from oyez.dispute.witness import UnfoundedMove, Witness
from oyez.protocol.errors import Temporary
from oyez.protocol.types import Claim, Hash32, Status
from oyez.service import Log


class Proposal(Protocol):
    """What `propose` takes of a batch's result."""

    @property
    def claim(self) -> Claim:
        """The four roots."""
        ...

    @property
    def last_record_proof(self) -> tuple[Hash32, ...]:
        """Siblings of the trace's last record."""
        ...

    @property
    def batch_data(self) -> bytes:
        """One row a call."""
        ...


@dataclass(frozen=True, slots=True)
class Done:
    """A move that was mined."""

    move: Move
    mined: Mined


class Responder:
    """One stake's hands."""

    def __init__(
        self,
        rollup: Rollup,
        sender: Sender,
        journal: SqlJournal,
        fetch_proposal: Callable[[int], Proposal],
        log: Log,
        witness: Witness | None = None,
    ) -> None:
        """Take the contract, the way to it, this node's result of each batch, and its traces."""
        self._rollup = rollup
        self._sender = sender
        self._journal = journal
        self._fetch_proposal = fetch_proposal
        self._log = log
        self._witness = witness

    def perform(self, decision: Decision, tree: Tree, block: Hash32) -> Done | None:
        """Send the first move that the chain takes, wait until it is mined; None: it took none.

        A refusal is no failure: an identical move of somebody else came first, or the chain has
        moved on; the next move may be another.

        Raises:
            SkippedLog: at the block that was read the Rollup says otherwise than the logs did.
            Temporary: it is not mined yet, or the account cannot pay.

        Rule: CHAL-19
        """
        dear: Temporary | None = None
        for move in decision.moves:
            self._verify(move, tree, block)
            facts = {"move": move.kind, "batch": move.batch, "assertion": move.assertion_id}
            if isinstance(move, Propose) and move.answers:
                late = {"late_by": move.late_by} if move.late_by else {}
                self._log("late" if late else "answering", **facts, lies=move.answers, **late)
            try:
                mined = self._sender.send(move.key, self._build(move))
            except Reverted as error:
                self._log(self._explain(move), **facts, reason=error.reason)
            except UnfoundedMove as error:
                self._log("unfounded", **facts, reason=error.what)
            except InsufficientBalance as error:
                # a reveal costs a part of a proposal: what can still be paid is not held up
                dear = dear or Temporary(f"cannot {move.kind} for batch {move.batch}: {error}")
            else:
                return Done(move, mined)
        if dear is not None:
            raise dear
        return None

    def _explain(self, move: Move) -> str:
        """Return the log's word for a refusal: an identical move of somebody else is a success."""
        if self._witness is None or not isinstance(move, DuelMove):
            return "refused"
        return "overtaken" if duel_check.is_overtaken(self._witness.game, move) else "refused"

    def forget_stale(self, decision: Decision) -> None:
        """Drop what was signed, is not on the chain, and is not to be done now.

        After a re-org or a restart the chain may ask for something else; a key binds its content,
        so what is dropped is never sent again, and what is wanted again is signed anew.

        Rule: CHAL-20
        """
        wanted = {move.key for move in decision.moves}
        for key, signed in self._journal.list_signed().items():
            if key in wanted or not key.startswith(KINDS):
                continue
            digests = (signed.hash, *signed.replaced)
            if not any(self._rollup.chain.find_mined(digest) for digest in digests):
                self._journal.drop_signed(key)
                self._log("dropped", intention=key, nonce=signed.nonce)

    def _verify(self, move: Move, tree: Tree, block: Hash32) -> None:
        """Check that the logs told all that the move stands on; else the node lost one."""
        for assertion_id in list_grounds(move):
            expected = tree.get_status(assertion_id)
            status = self._rollup.fetch_status(assertion_id, at=block)
            if status is not expected:
                raise SkippedLog(
                    f"assertion 0x{assertion_id.hex()} is {status.name} on the chain and "
                    f"{expected.name} by the node's logs: reading again"
                )
        if isinstance(move, Expel) and tree.get_status(move.assertion_id) is Status.PENDING:
            staker = move.fighter.staker
            if self._rollup.fetch_stake(staker, at=block).status == LIVE:
                raise SkippedLog(
                    f"0x{staker.hex()} was slashed by the node's logs and was not on the chain: "
                    "reading again"
                )

    def _build(self, move: Move) -> Transaction:
        match move:
            case Propose():
                proposal = self._fetch_proposal(move.batch)
                return self._rollup.build_propose(
                    parent=move.parent,
                    attempt=move.attempt,
                    batch_hash=move.batch_hash,
                    claim=proposal.claim,
                    last_record_proof=proposal.last_record_proof,
                    batch_data=proposal.batch_data,
                )
            case StepDown():
                return self._rollup.build_step_down(move.path)
            case Finalize():
                return self._rollup.build_finalize(move.assertion_id)
            case MarkVoid():
                return self._rollup.build_mark_void(move.assertion_id)
            case CancelWithdrawal():
                return self._rollup.build_cancel_withdrawal()
            case _:
                if self._witness is None:
                    raise UnfoundedMove("this rollup has no game")
                return self._witness.build(move)


#: First words of the intentions that are moves.
KINDS = tuple(
    kind + " "
    for kind in (
        *(kind.kind for kind in (Propose, StepDown, Finalize, MarkVoid, CancelWithdrawal)),
        *duel_moves.KINDS,
    )
)


def list_grounds(move: Move) -> Iterator[Hash32]:
    """Yield the assertions whose statuses a move was decided from."""
    match move:
        case Propose():
            yield move.parent
            yield move.assertion_id
        case StepDown():
            yield from move.path
        case OpenDuel():
            yield from move.ids
        case WithdrawPay():
            return
        case _:
            yield move.assertion_id
