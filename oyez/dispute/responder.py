"""Sends an honest client's moves, many a block; what was decided is checked once more before.

Moves of one decision that know nothing of each other are on their way together. One that is refused
or overtaken holds up none of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from oyez.chain.client import Mined, Reverted, RpcError
from oyez.chain.contracts import Rollup, Transaction
from oyez.chain.delivery import NonceTaken
from oyez.chain.flight import MOST_WAITING, Flight
from oyez.chain.journal import SqlJournal
from oyez.chain.sender import Sender
from oyez.chain.signing import InsufficientBalance
from oyez.derivation.history import SkippedLog
from oyez.dispute import duel_check
from oyez.dispute.duel_moves import DuelMove, Expel
from oyez.dispute.moves import (
    KINDS,
    CancelWithdrawal,
    Decision,
    Finalize,
    MarkVoid,
    Move,
    Propose,
    StepDown,
)
from oyez.dispute.scopes import Scope, list_grounds, list_scopes, waits_for_ancestor
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
        #: by key, what was sent and not yet seen mined: so that it can be told
        self._on_the_way: dict[str, Move] = {}

    def reset(self) -> None:
        """Forget what is on its way, all but the journal: the chain may be another."""
        self._on_the_way.clear()
        self._sender.reset()

    def perform(self, decision: Decision, tree: Tree, block: Hash32) -> tuple[Done, ...]:
        """Send the moves that the chain takes and wait until the first is mined; return all mined.

        A refusal is no failure: an identical move of somebody else came first, or the chain has
        moved on. What is not mined with the first stays on its way: the next block is decided anew.

        Raises:
            SkippedLog: at the block that was read the Rollup says otherwise than the logs did.
            Temporary: none is mined yet, or the account cannot pay.

        Rule: CHAL-19
        """
        flight = self._sender.open_flight()
        done = self._settle(flight)
        told = {item.move.key for item in done}
        moves = [move for move in decision.moves if move.key not in told]
        begun, troubles = self._begin(flight, moves, tree, block)
        if not begun and flight.waiting >= MOST_WAITING:
            flight.push_all()
        done += self._finish(flight, begun, troubles)
        if not troubles:
            return tuple(done)
        if not done:
            raise troubles[0]
        self._log("put_off", reason=troubles[0])
        return tuple(done)

    def _settle(self, flight: Flight) -> list[Done]:
        """Tell of what earlier decisions left on its way and was mined since."""
        done = []
        for key, outcome in flight.settle().items():
            move = self._on_the_way.pop(key, None)
            if move is None:
                continue  # no move, or one of an earlier process
            if isinstance(outcome, Reverted):
                self._tell_refusal(move, outcome)
            else:
                done.append(Done(move, outcome))
        return done

    def _begin(
        self, flight: Flight, moves: Sequence[Move], tree: Tree, block: Hash32
    ) -> tuple[list[Move], list[Temporary]]:
        """Send what may go together, first what is journalled; return it, and what did not go.

        Why first: its nonces are lower than any that is chosen now.

        Rule: CHAL-47
        """
        begun: list[Move] = []
        troubles: list[Temporary] = []
        busy: set[Scope] = set()
        known = {move.key for move in moves if self._journal.get_signed(move.key) is not None}
        for move in sorted(moves, key=lambda move: move.key not in known):
            scopes = list_scopes(move, tree)
            if busy & scopes or waits_for_ancestor(move, tree):
                continue
            if move.key not in known and flight.waiting >= MOST_WAITING:
                break
            try:
                self._verify(move, tree, block)
                self._announce(move)
                if not flight.resume(move.key):
                    flight.begin(move.key, self._build(move))
            except Reverted as error:
                self._tell_refusal(move, error)
            except UnfoundedMove as error:
                self._log("unfounded", **show(move), reason=error.what)
            except InsufficientBalance as error:
                # a reveal costs a part of a proposal: what can still be paid is not held up
                troubles.append(explain_purse(move, error))
            except SkippedLog:
                raise
            except RpcError as error:
                troubles.append(error)
                if move.key in known:
                    break  # others would wait behind its nonce
            except Temporary as error:
                troubles.append(error)
                break
            else:
                busy |= scopes
                begun.append(move)
                self._on_the_way[move.key] = move
        return begun, troubles

    def _finish(
        self, flight: Flight, begun: Sequence[Move], troubles: list[Temporary]
    ) -> list[Done]:
        """Wait for the first that is mined, and take what is mined with it.

        Why no longer: another's move may be due an answer at the block that is there now.
        """
        done: list[Done] = []
        is_seen = False
        for move in sorted(begun, key=lambda move: flight.get_nonce(move.key)):
            try:
                mined = flight.look(move.key) if is_seen else flight.finish(move.key)
            except Reverted as error:
                self._tell_refusal(move, error)
            except NonceTaken as error:
                troubles.append(error)
                del self._on_the_way[move.key]
                continue
            except InsufficientBalance as error:
                troubles.append(explain_purse(move, error))
                break
            except Temporary as error:
                troubles.append(error)
                break
            else:
                if mined is None:
                    break
                done.append(Done(move, mined))
            is_seen = True
            del self._on_the_way[move.key]
        return done

    def _announce(self, move: Move) -> None:
        if isinstance(move, Propose) and move.answers:
            late = {"late_by": move.late_by} if move.late_by else {}
            self._log("late" if late else "answering", **show(move), lies=move.answers, **late)

    def _tell_refusal(self, move: Move, error: Reverted) -> None:
        self._log(self._explain(move), **show(move), reason=error.reason)

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
        flight = self._sender.open_flight()
        for key, signed in self._journal.list_signed().items():
            if key in wanted or not key.startswith(KINDS):
                continue
            digests = (signed.hash, *signed.replaced)
            if any(self._rollup.chain.find_mined(digest) for digest in digests):
                continue
            if flight.drop(key, signed):
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


def show(move: Move) -> dict[str, object]:
    """Return what a log line says of a move."""
    return {"move": move.kind, "batch": move.batch, "assertion": move.assertion_id}


def explain_purse(move: Move, error: InsufficientBalance) -> Temporary:
    """Return why a move waits for ether."""
    return Temporary(f"cannot {move.kind} for batch {move.batch}: {error}")
