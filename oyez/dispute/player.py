"""An agent that plays for results it is given: it reads the chain, derives nothing, and acts.

What services derive from the inbox it takes as it is, true or false; so one process can play both
sides of a duel, and a liar defends what no derivation gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from oyez.chain.client import Chain
from oyez.chain.contracts import Inbox, Rollup
from oyez.chain.deployment import Deployment
from oyez.chain.events import (
    AssertionDefeated,
    AssertionFinalized,
    AssertionProposed,
    AssertionVoided,
    Event,
    Place,
)
from oyez.chain.game_events import GameEvent
from oyez.chain.journal import SqlJournal, open_database
from oyez.chain.keys import Key
from oyez.chain.sender import Sender
from oyez.derivation import follow
from oyez.derivation.follow import Window
from oyez.derivation.history import SkippedLog
from oyez.dispute import agent
from oyez.dispute.agent import Agent, Facts
from oyez.dispute.duels import begin_duels
from oyez.dispute.responder import Done
from oyez.dispute.traces import Machine, TraceSource
from oyez.dispute.tree import Tree
from oyez.dispute.view import Own
from oyez.dispute.witness import open_witness
from oyez.protocol import codec
from oyez.protocol.types import Claim, Hash32
from oyez.service import Log

#: Times that all is read again before a lost log is an error.
MOST_READINGS = 5


@dataclass(frozen=True, slots=True)
class Held:
    """A result that a player stands by, and how it is posted."""

    own: Own
    last_record_proof: tuple[Hash32, ...]
    batch_data: bytes

    @property
    def claim(self) -> Claim:
        """The four roots."""
        return self.own.claim


class Player:
    """One stake, with what it holds of each batch."""

    def __init__(
        self,
        chain: Chain,
        deployment: Deployment,
        key: Key,
        home: Path,
        held: Mapping[int, Held],
        traces: TraceSource,
        machine: Machine | None,
        log: Log,
        rival: Claim | None = None,
    ) -> None:
        """Begin at the deployment; `home` keeps what was signed.

        `traces` and `machine` are of what is held. Of the siblings of what it holds a player with a
        `rival` sees that one alone: liars need not beat each other.
        """
        self._rival = rival
        self._unseen: set[Hash32] = set()
        self._chain = chain
        self._deployment = deployment
        self._held = held
        rollup = Rollup(chain, deployment)
        journal = SqlJournal(open_database(home / "journal.db"))
        self._agent = Agent(
            rollup,
            agent.fetch_periods(rollup, Inbox(chain, deployment)),
            Sender(chain, key, journal),
            journal,
            held.__getitem__,
            log,
            open_witness(chain, deployment, traces, machine),
        )
        self._genesis = codec.compute_genesis_id(chain.chain_id, rollup.address)
        self._log = log
        self._begin()

    def _begin(self) -> None:
        self._tree = Tree(self._genesis)
        self._duels = begin_duels(self._chain, self._deployment)
        self._seen: Window | None = None
        self._agent.reset()

    def step(self) -> tuple[Done, ...]:
        """Read what is new and act once; return what was mined.

        Raises:
            Temporary: the chain cannot be read or taken from now.
            SkippedLog: the node lacks a log, however often all is read again.
        """
        for _ in range(MOST_READINGS):
            try:
                return self._step()
            except SkippedLog as error:
                # a node gives a block's logs a moment after the block
                self._log("reading again", reason=str(error))
                self._begin()
        return self._step()

    def _step(self) -> tuple[Done, ...]:
        after = None if self._seen is None else self._seen.last
        while (window := follow.fetch_window(self._chain, self._deployment, after)) is not None:
            for event in window.events:
                if not self._overlooks(event):
                    self._tree.add(event, self._date)
                if self._duels is not None:
                    self._duels.add(event, self._date)
            self._seen, after = window, window.last
        assert self._seen is not None, "a deployment has a block"
        return self._agent.act(
            Facts(
                block=self._seen.last,
                time=self._seen.time,
                tree=self._tree,
                own={number: held.own for number, held in self._held.items()},
                head_is_true=True,
                is_complete=True,
                duels=self._duels,
            )
        )

    def _overlooks(self, event: Event | GameEvent) -> bool:
        match event:
            case AssertionProposed() if self._rival is not None:
                held = self._held.get(event.batch)
                if held is not None and event.claim not in (held.claim, self._rival):
                    self._unseen.add(event.assertion_id)
                return event.assertion_id in self._unseen
            case AssertionFinalized() | AssertionDefeated() | AssertionVoided():
                return event.assertion_id in self._unseen
        return False

    def _date(self, place: Place) -> int:
        return follow.fetch_time(self._chain, place)
