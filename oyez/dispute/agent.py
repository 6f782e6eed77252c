"""Decides at every new block, and has the responder do it: challengers and sequencers alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from oyez.chain.contracts import Inbox, Rollup, Stake
from oyez.chain.journal import SqlJournal
from oyez.chain.sender import Sender
from oyez.derivation.follow import Checkpoint
from oyez.derivation.history import SkippedLog
from oyez.dispute import duel_check, rules
from oyez.dispute.duels import Duels
from oyez.dispute.moves import Blocked
from oyez.dispute.responder import Done, Proposal, Responder
from oyez.dispute.tree import Tree
from oyez.dispute.view import LIVE, GameView, Own, Periods, View
from oyez.dispute.witness import Witness
from oyez.protocol.types import Address
from oyez.service import Log


@dataclass(frozen=True, slots=True)
class Facts:
    """What a service knows at a block.

    Attributes:
        block: the last one that was read; `time` its time in seconds.
        own: its results by batch, of every batch after the head at least.
        is_complete: whether every batch closed up to that block is among them.
        duels: None where the rollup was deployed without a game.
    """

    block: Checkpoint
    time: int
    tree: Tree
    own: Mapping[int, Own]
    head_is_true: bool
    is_complete: bool
    duels: Duels | None = None

    @property
    def state(self) -> tuple[bytes, int]:
        """What a decision is made once for: the block, and the newest own result."""
        return self.block.hash, max(self.own, default=0)


def fetch_periods(rollup: Rollup, inbox: Inbox) -> Periods:
    """Read the deployment's periods."""
    settings = rollup.fetch_settings()
    return Periods(
        challenge=settings.challenge_window,
        response=settings.response_window,
        first_child=inbox.fetch_period("max_batch_seconds") + settings.sequencer_grace,
        stake=settings.stake,
    )


class Agent:
    """One key that acts on forks."""

    def __init__(
        self,
        rollup: Rollup,
        periods: Periods,
        sender: Sender,
        journal: SqlJournal,
        fetch_proposal: Callable[[int], Proposal],
        log: Log,
        witness: Witness | None = None,
    ) -> None:
        """Begin knowing nothing; each decision reads the chain anew."""
        self._rollup = rollup
        self._periods = periods
        self._sender = sender
        self._log = log
        self._responder = Responder(rollup, sender, journal, fetch_proposal, log, witness)
        self._witness = witness
        self.blocked: tuple[Blocked, ...] = ()
        self._said: set[tuple[str, str]] = set()
        self.reset()

    def reset(self) -> None:
        """Decide anew, whatever was decided before: the chain may be another."""
        self._decided: tuple[bytes, int] | None = None
        self._is_fresh = True
        self._responder.reset()

    def act(self, facts: Facts) -> tuple[Done, ...]:
        """Decide once a block and result, make what moves may go together, return what was mined.

        Raises:
            SkippedLog: the node lost a log; what was derived is worth nothing.
            Temporary: try again.
        """
        state = facts.state
        if state == self._decided:
            return ()
        view = self._look(facts)
        decision = rules.decide(view)
        if self._is_fresh and facts.is_complete:
            self._responder.forget_stale(decision)
            self._is_fresh = False
        self._tell(decision.blocked)
        done = self._responder.perform(decision, facts.tree, facts.block.hash)
        self._decided = state
        return done

    def put_off(self, facts: Facts) -> None:
        """Try nothing more on this state of the chain; the next block is decided anew."""
        self._decided = facts.state

    def _look(self, facts: Facts) -> View:
        rollup, at = self._rollup, facts.block.hash
        sequencer, me = rollup.fetch_sequencer(at), self._sender.address
        stake, sequencer_stake = (rollup.fetch_stake(who, at) for who in (me, sequencer))
        verify_count(facts.tree, me, stake)
        verify_count(facts.tree, sequencer, sequencer_stake)
        view = View(
            chain_id=rollup.chain.chain_id,
            rollup=rollup.address,
            time=facts.time,
            periods=self._periods,
            tree=facts.tree,
            own=facts.own,
            head_is_true=facts.head_is_true,
            me=me,
            stake=stake,
            sequencer=sequencer,
            sequencer_stake=sequencer_stake,
            game=self._look_at_game(facts),
        )
        if self._witness is not None:
            duel_check.verify_duels(self._witness.game, view, rules.find_branch(view), facts.block)
        return view

    def _look_at_game(self, facts: Facts) -> GameView | None:
        if self._witness is None or facts.duels is None:
            return None
        return GameView(
            duels=facts.duels,
            has_machine=self._witness.machine is not None,
            credit=self._witness.pay.fetch_credit(self._sender.address, facts.block.hash),
            quarter=self._periods.stake // 4,
        )

    def _tell(self, blocked: tuple[Blocked, ...]) -> None:
        """Say of each move that it would have been made, once for each reason.

        Rule: CHAL-21
        """
        self.blocked = blocked
        for item in blocked:
            mark = (item.move.key, item.why)
            if mark not in self._said:
                self._said.add(mark)
                self._log(
                    "blocked",
                    move=item.move.kind,
                    batch=item.move.batch,
                    assertion=item.move.assertion_id,
                    reason=item.why,
                )


def verify_count(tree: Tree, staker: Address, stake: Stake) -> None:
    """Check that the logs told of every pending proposal of a stake.

    Raises:
        SkippedLog: the Rollup counts another number of them at the block that was read.

    Rule: CHAL-24
    """
    told = len(tree.list_of(staker))
    if stake.status == LIVE and stake.proposals != told:
        raise SkippedLog(
            f"0x{staker.hex()} has {stake.proposals} pending proposals on the chain and {told} by "
            "the node's logs: reading again"
        )
