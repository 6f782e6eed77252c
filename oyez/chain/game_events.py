"""The game's events as records: each brings the whole state that the chain keeps as a hash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from oyez.chain import contracts
from oyez.chain.client import Log
from oyez.chain.duel_states import Descent, Duel, Fall, Leaf, Phase
from oyez.chain.events import Place
from oyez.protocol.errors import Temporary
from oyez.protocol.types import Address, Hash32


@dataclass(frozen=True, slots=True)
class DuelOpened:
    """Two siblings duel."""

    duel: Duel
    opener: Address
    place: Place


@dataclass(frozen=True, slots=True)
class Revealed:
    """A side showed the 16 children of its node; `game` is a duel's key or a bout's."""

    game: Hash32
    mover: Address
    state: Descent
    children: tuple[Hash32, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class RecordFound:
    """The outer descent is over; from now on champions commit."""

    duel: Hash32
    mover: Address
    state: Descent
    place: Place


@dataclass(frozen=True, slots=True)
class Committed:
    """A staker stands behind an inner root of one side, whose 16 children are shown."""

    duel: Hash32
    side: int
    staker: Address
    inner_root: Hash32
    children: tuple[Hash32, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class LeafRevealed:
    """A side of a bout showed its leaf."""

    bout: Hash32
    mover: Address
    leaf: Leaf
    state: Descent
    place: Place


@dataclass(frozen=True, slots=True)
class Resolved:
    """The first lane that differed was recomputed."""

    bout: Hash32
    resolver: Address
    lane: int
    value: int
    state: Descent
    place: Place


@dataclass(frozen=True, slots=True)
class ChampionOut:
    """A champion is out, and its stake slashed."""

    duel: Hash32
    side: int
    staker: Address
    how: Fall
    place: Place


@dataclass(frozen=True, slots=True)
class ChampionReleased:
    """A champion of a moot duel has its lock back."""

    duel: Hash32
    side: int
    staker: Address
    place: Place


@dataclass(frozen=True, slots=True)
class MovesPaid:
    """Who moved against a loser was credited, once a game; `amount` in wei."""

    game: Hash32
    loser: Address
    amount: int
    place: Place


GameEvent = (
    DuelOpened
    | Revealed
    | RecordFound
    | Committed
    | LeafRevealed
    | Resolved
    | ChampionOut
    | ChampionReleased
    | MovesPaid
)

#: Event name -> the contract that logs it.
SOURCES = {
    "DuelOpened": "DuelGame",
    "Revealed": "DuelGame",
    "RecordFound": "DuelGame",
    "Committed": "DuelGame",
    "LeafRevealed": "DuelGame",
    "Resolved": "DuelGame",
    "ChampionOut": "DuelGame",
    "ChampionReleased": "DuelGame",
    "MovesPaid": "MovePay",
}


def compute_topics() -> list[bytes]:
    """Return the signatures of these events, for a log filter."""
    return [contracts.compute_topic(contract, name) for name, contract in SOURCES.items()]


def decode(log: Log) -> GameEvent | None:
    """Return the event of a log, or None for an event that is none of these.

    The log's address is the caller's filter; Temporary when the node gave damaged data.
    """
    for name, contract in SOURCES.items():
        if log.topics and log.topics[0] == contracts.compute_topic(contract, name):
            place = Place(log.block, log.block_hash, log.index, log.transaction)
            try:
                return _build(name, contracts.decode_log(contract, name, log), place)
            except ValueError as error:
                raise Temporary(f"the node gave a damaged {name} log: use another RPC") from error
    return None


def _build(name: str, facts: dict[str, Any], place: Place) -> GameEvent:  # Any: ABI values
    match name:
        case "DuelOpened":
            a, b, state = facts["state"]
            return DuelOpened(Duel(a, b, _descent(state)), facts["opener"], place)
        case "Revealed":
            state, children = _descent(facts["state"]), facts["children"]
            return Revealed(facts["game"], facts["mover"], state, children, place)
        case "RecordFound":
            return RecordFound(facts["duel"], facts["mover"], _descent(facts["state"]), place)
        case "Committed":
            return Committed(
                facts["duel"],
                _side(facts),
                facts["staker"],
                facts["inner_root"],
                facts["children"],
                place,
            )
        case "LeafRevealed":
            leaf = Leaf(facts["type"], facts["raw"])
            state = _descent(facts["state"])
            return LeafRevealed(facts["bout"], facts["mover"], leaf, state, place)
        case "Resolved":
            return Resolved(
                facts["bout"],
                facts["resolver"],
                facts["lane"],
                facts["lane_value"],
                _descent(facts["state"]),
                place,
            )
        case "ChampionOut":
            how = Fall(facts["how"])
            return ChampionOut(facts["duel"], _side(facts), facts["staker"], how, place)
        case "ChampionReleased":
            return ChampionReleased(facts["duel"], _side(facts), facts["staker"], place)
        case _:
            return MovesPaid(facts["game"], facts["loser"], facts["amount"], place)


def _descent(words: tuple[Any, ...]) -> Descent:  # Any: ABI values
    state = Descent(*words)
    Phase(state.phase)
    return state


def _side(facts: dict[str, Any]) -> int:  # Any: ABI values
    side = int(facts["side"])
    if side > 1:
        raise ValueError(f"no side {side}")
    return side
