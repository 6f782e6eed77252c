"""Duels on the chain, from the game's events: states, champions, bouts. Pure; like `tree`.

Every event brings the whole new state, with the hash chain of its movers: one that does not follow
from the state before it shows that a log was lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType

from oyez.chain import duel_states
from oyez.chain.client import Chain
from oyez.chain.deployment import Deployment
from oyez.chain.duel_states import Champion, Descent, Duel, Leaf
from oyez.chain.events import Event, Place, StakeChanged
from oyez.chain.game import Game
from oyez.chain.game_events import (
    ChampionOut,
    ChampionReleased,
    Committed,
    DuelOpened,
    GameEvent,
    LeafRevealed,
    MovesPaid,
    RecordFound,
    Resolved,
    Revealed,
)
from oyez.derivation.history import SkippedLog
from oyez.protocol import codec
from oyez.protocol.types import ZERO_HASH, Address, Hash32

#: Side and staker: who a champion is within a duel.
Seat = tuple[int, Address]
REPEATED = "repeat what happens once in a duel"


class Standing(Enum):
    """What became of a champion."""

    ALIVE = "alive"
    OUT = "out"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Fighter:
    """A champion in a duel.

    Attributes:
        key: of its slot.
        children: the 16 nodes below its inner root.
    """

    side: int
    champion: Champion
    key: Hash32
    children: tuple[Hash32, ...]
    standing: Standing = Standing.ALIVE

    @property
    def staker(self) -> Address:
        """Whose stake it is."""
        return self.champion.staker

    @property
    def is_alive(self) -> bool:
        """Whether it was neither put out nor released."""
        return self.standing is Standing.ALIVE

    @property
    def kept(self) -> Hash32:
        """What its slot holds."""
        held = {Standing.OUT: duel_states.OUT, Standing.RELEASED: duel_states.RELEASED}
        return held.get(self.standing, self.champion.hash)


@dataclass(frozen=True, slots=True)
class Bout:
    """Two opposed champions.

    Attributes:
        state: the last; before the first move the one that the game derives and stores nowhere.
        children: of the waiting champion's node; empty once leaves are shown.
        is_begun: whether somebody has moved.
        leaves: as they were shown, in order.
        movers: who moved, then who resolved.
    """

    fighters: tuple[Fighter, Fighter]
    state: Descent
    children: tuple[Hash32, ...]
    is_begun: bool = False
    leaves: tuple[Leaf, ...] = ()
    movers: tuple[Address, ...] = ()

    @property
    def key(self) -> Hash32:
        """Its name."""
        return duel_states.compute_pair_key(*(fighter.key for fighter in self.fighters))

    @property
    def kept(self) -> Hash32:
        """What its slot holds: zero while nobody has moved."""
        return self.state.hash if self.is_begun else ZERO_HASH


@dataclass(frozen=True, slots=True)
class Contest:
    """A duel.

    Attributes:
        duel: ids and last state.
        children: of the waiting side's node; empty before the first move and after the last.
        movers: who opened, then who moved.
        fighters: its champions, in the order of their commits.
    """

    duel: Duel
    children: tuple[Hash32, ...] = ()
    movers: tuple[Address, ...] = ()
    fighters: Mapping[Seat, Fighter] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def state(self) -> Descent:
        """Its outer descent."""
        return self.duel.descent

    def list_alive(self, side: int) -> list[Fighter]:
        """Return a side's living champions, oldest first."""
        return [f for f in self.fighters.values() if f.side == side and f.is_alive]

    def get_fighter(self, side: int, staker: Address) -> Fighter | None:
        """Return a champion, in whatever standing."""
        return self.fighters.get((side, staker))


class Duels:
    """All duels by key, their bouts, whose stake was slashed, and which games are paid."""

    def __init__(self, inner_levels: int) -> None:
        """Begin without any; `inner_levels` are the inner trees' 16-ary ones."""
        self._inner_levels = inner_levels
        self._contests: dict[Hash32, Contest] = {}
        self._bouts: dict[Hash32, Bout] = {}
        self._championed: dict[Address, frozenset[Hash32]] = {}
        self.slashed: frozenset[Address] = frozenset()
        self.paid: frozenset[Hash32] = frozenset()
        self.drawn: Mapping[Address, int] = MappingProxyType({})

    def copy(self) -> Duels:
        """Return one that changes apart from this one."""
        made = Duels(self._inner_levels)
        made._contests = dict(self._contests)
        made._bouts = dict(self._bouts)
        made._championed = dict(self._championed)
        made.slashed, made.paid, made.drawn = self.slashed, self.paid, self.drawn
        return made

    def find(self, first: Hash32, second: Hash32) -> Contest | None:
        """Return the duel of two siblings, whichever is the older."""
        older = self._contests.get(duel_states.compute_pair_key(first, second))
        return older or self._contests.get(duel_states.compute_pair_key(second, first))

    def list_all(self) -> list[Contest]:
        """Return every duel, oldest first."""
        return list(self._contests.values())

    def list_championed(self, staker: Address) -> frozenset[Hash32]:
        """Return the assertions that a stake ever stood up for, whatever became of them."""
        return self._championed.get(staker, frozenset())

    def get_bout(self, first: Fighter, second: Fighter) -> Bout:
        """Return the bout of two opposed champions, of side 0 and of side 1."""
        return self._bouts[duel_states.compute_pair_key(first.key, second.key)]

    def add(self, event: Event | GameEvent, date: Callable[[Place], int]) -> None:
        """Take the chain's next event; `date` gives its block's time in seconds.

        Raises:
            SkippedLog: it does not follow from those before.

        Rule: CHAL-46
        """
        match event:
            case DuelOpened():
                self._open(event)
            case Revealed():
                if event.game in self._bouts:
                    self._move_bout(event.game, event.mover, event.state, event.children)
                else:
                    self._move(event.game, event.mover, event.state, event.children)
            case RecordFound():
                self._move(event.duel, event.mover, event.state, ())
            case Committed():
                self._commit(event, date(event.place))
            case LeafRevealed():
                self._move_bout(event.bout, event.mover, event.state, (), event.leaf)
            case Resolved():
                self._move_bout(event.bout, event.resolver, event.state, ())
            case ChampionOut():
                self._end(event.duel, event.side, event.staker, Standing.OUT)
            case ChampionReleased():
                self._end(event.duel, event.side, event.staker, Standing.RELEASED)
            case MovesPaid():
                verify(event.game not in self.paid, REPEATED)
                self.paid |= {event.game}
                total = self.drawn.get(event.loser, 0) + event.amount
                self.drawn = MappingProxyType({**self.drawn, event.loser: total})
            case StakeChanged():
                if event.name == "StakeSlashed":
                    self.slashed |= {event.staker}

    def _open(self, event: DuelOpened) -> None:
        verify(event.duel.key not in self._contests, REPEATED)
        verify_chain(ZERO_HASH, event.opener, event.duel.descent)
        self._contests[event.duel.key] = Contest(event.duel, movers=(event.opener,))

    def _move(
        self, key: Hash32, mover: Address, state: Descent, children: tuple[Hash32, ...]
    ) -> None:
        found = self._get(key)
        verify_chain(found.state.movers, mover, state)
        self._contests[key] = replace(
            found,
            duel=found.duel.with_descent(state),
            children=children,
            movers=(*found.movers, mover),
        )

    def _commit(self, event: Committed, time: int) -> None:
        found = self._get(event.duel)
        verify((event.side, event.staker) not in found.fighters, REPEATED)
        is_due = found.state.last <= time < found.state.get_deadline(event.side)
        verify(is_due, "tell of a champion that came too early or too late")
        champion = Champion(event.staker, event.inner_root, time)
        key = duel_states.compute_champion_key(event.duel, event.side, event.staker)
        made = Fighter(event.side, champion, key, event.children)
        self._put(event.duel, found, made)
        before = self.list_championed(event.staker)
        self._championed[event.staker] = before | {found.duel.ids[event.side]}
        for other in found.fighters.values():
            if other.side != made.side:
                pair = (made, other) if made.side == 0 else (other, made)
                first = duel_states.begin_bout(
                    found.duel, pair[0].champion, pair[1].champion, self._inner_levels
                )
                bout = Bout(pair, first, pair[1 - first.turn].children)
                self._bouts[bout.key] = bout

    def _move_bout(
        self,
        key: Hash32,
        mover: Address,
        state: Descent,
        children: tuple[Hash32, ...],
        leaf: Leaf | None = None,
    ) -> None:
        found = self._bouts.get(key)
        if found is None:
            raise SkippedLog(f"the node's logs lack the champions of bout 0x{key.hex()}")
        verify_chain(found.state.movers, mover, state)
        self._bouts[key] = replace(
            found,
            state=state,
            children=children,
            is_begun=True,
            leaves=found.leaves if leaf is None else (*found.leaves, leaf),
            movers=(*found.movers, mover),
        )

    def _end(self, key: Hash32, side: int, staker: Address, standing: Standing) -> None:
        found = self._get(key)
        fighter = found.get_fighter(side, staker)
        if fighter is None or not fighter.is_alive:
            raise SkippedLog(f"the node's logs lack the commit of champion 0x{staker.hex()}")
        self._put(key, found, replace(fighter, standing=standing))

    def _put(self, key: Hash32, found: Contest, fighter: Fighter) -> None:
        fighters = {**found.fighters, (fighter.side, fighter.staker): fighter}
        self._contests[key] = replace(found, fighters=MappingProxyType(fighters))

    def _get(self, key: Hash32) -> Contest:
        found = self._contests.get(key)
        if found is None:
            raise SkippedLog(f"the node's logs lack the opening of duel 0x{key.hex()}")
        return found


def begin_duels(chain: Chain, deployment: Deployment) -> Duels | None:
    """Return a deployment's game before its first duel; None where there is no game."""
    if not deployment.has_game:
        return None
    return Duels(Game(chain, deployment).fetch_settings().inner_levels)


def verify_chain(movers: Hash32, mover: Address, state: Descent) -> None:
    """Check that a state was made by this mover from one with that chain of movers."""
    verify(codec.keccak(movers + codec.encode_word(mover)) == state.movers, "lack a move of a duel")


def verify(condition: bool, what: str) -> None:
    """Check the logs; SkippedLog says what they do else."""
    if not condition:
        raise SkippedLog(f"the node's logs {what}: reading again")
