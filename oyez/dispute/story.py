"""What became of duels, from the chain's logs alone: where two assertions part, who was right.

A *story* is one duel: its siblings, the record in which they differ, its bouts down to one lane,
and the value that the contract computed for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from oyez.chain import events
from oyez.chain.client import Chain
from oyez.chain.contracts import ModelRegistry
from oyez.chain.deployment import Deployment
from oyez.chain.duel_states import HEX_BITS, Fall, Leaf, Phase
from oyez.chain.events import AssertionProposed, BatchClosed, Event
from oyez.chain.game import Game
from oyez.chain.game_events import ChampionOut, GameEvent, RecordFound, Resolved
from oyez.derivation import follow
from oyez.dispute import duels
from oyez.dispute.duels import Bout, Contest, Duels
from oyez.protocol import inner, inner_kinds, step
from oyez.protocol.constants import LAST_POSITION, LAST_SLOT
from oyez.protocol.errors import Invalid, Rewind, Temporary
from oyez.protocol.inner import DEAD, Layout
from oyez.protocol.inner_frame import find_frame, layout_frame
from oyez.protocol.trace import ChunkType
from oyez.protocol.types import Address, Hash32, ModelShape


@dataclass(frozen=True, slots=True)
class Place:
    """A record of the outer trace in words.

    Attributes:
        call: its id in the inbox.
        position: 0 is the prologue, 2,047 the epilogue, between them token position - 1.
        layer: None of a record that is no layer's.
        what: layer, sampler, entry, state, prompt, output, roots, last or none.
    """

    record: int
    call: int
    position: int
    layer: int | None
    what: str


@dataclass(frozen=True, slots=True)
class Lane:
    """The lane that a bout came to.

    Attributes:
        op: the region's name; kind: what its lanes are there.
        values: by side, DEAD (-2**255) where the leaf is PAD; None until both leaves are shown.
        contract: what the step verifier computed; None until resolved.
        transaction: of the resolve.
    """

    leaf: int
    op: str | None
    kind: str | None
    lane: int | None
    values: tuple[int, int] | None
    contract: int | None
    transaction: Hash32 | None


@dataclass(frozen=True, slots=True)
class BoutStory:
    """Two champions, by side, and how far they came; `out` are those whom it put out."""

    champions: tuple[Address, Address]
    phase: str
    moves: int
    lane: Lane | None
    out: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """A duel.

    Attributes:
        ids, proposers: by side.
        place: None until the outer descent is over.
        falls: champions that went out, and how.
    """

    key: Hash32
    batch: int
    ids: tuple[Hash32, Hash32]
    proposers: tuple[Address, Address]
    place: Place | None
    moves: int
    falls: tuple[tuple[Address, int, Fall], ...]
    bouts: tuple[BoutStory, ...]


class Chronicle:
    """All duels of a deployment, folded from its events."""

    def __init__(self, contests: Duels, shape: ModelShape | None, height: int) -> None:
        """Begin empty; without a shape lanes have no names."""
        self._duels = contests
        self._shape = shape
        self._height = height
        self._proposed: dict[Hash32, AssertionProposed] = {}
        self._first_calls: dict[int, int] = {}
        self._resolved: dict[Hash32, Resolved] = {}
        self._outs: dict[Hash32, list[ChampionOut]] = {}
        self._records: dict[Hash32, int] = {}

    def add(self, event: Event | GameEvent, date: Callable[[events.Place], int]) -> None:
        """Take the next event; `date` gives its block's time in seconds."""
        match event:
            case AssertionProposed():
                self._proposed[event.assertion_id] = event
            case BatchClosed():
                self._first_calls[event.header.number] = event.header.first_call
            case Resolved():
                self._resolved[event.bout] = event
            case ChampionOut():
                self._outs.setdefault(event.duel, []).append(event)
            case RecordFound():
                self._records[event.duel] = event.state.index
        self._duels.add(event, date)

    def list_stories(self, wanted: Hash32 | None = None) -> list[Story]:
        """Return the duels of that key or of that assertion, oldest first; all without one.

        Raises:
            Invalid: DUEL-21 there is none.

        Rule: DUEL-21
        """
        found = [
            contest
            for contest in self._duels.list_all()
            if wanted is None or wanted in (contest.duel.key, *contest.duel.ids)
        ]
        if wanted is not None and not found:
            raise Invalid(
                "DUEL-21",
                f"no duel has or is about 0x{wanted.hex()}: give a duel's key or an assertion's id",
            )
        return [self._tell(contest) for contest in found]

    def _tell(self, contest: Contest) -> Story:
        key, ids = contest.duel.key, contest.duel.ids
        record = self._records.get(key)
        batch = self._proposed[ids[0]].batch
        outs = self._outs.get(key, [])
        sides = [[f for f in contest.fighters.values() if f.side == side] for side in (0, 1)]
        bouts = tuple(
            self._tell_bout(self._duels.get_bout(a, b), record, outs)
            for a in sides[0]
            for b in sides[1]
        )
        return Story(
            key=key,
            batch=batch,
            ids=ids,
            proposers=(self._proposed[ids[0]].proposer, self._proposed[ids[1]].proposer),
            place=None if record is None else self._locate(record, batch),
            moves=len(contest.movers) - 1,
            falls=tuple((out.staker, out.side, out.how) for out in outs),
            bouts=bouts,
        )

    def _locate(self, record: int, batch: int) -> Place:
        what, slot = self._name(record), inner.get_slot(record)
        call = self._first_calls[batch] + inner.get_call(record)
        layer = slot if what == "layer" else None
        return Place(record, call, inner.get_position(record), layer, what)

    def _name(self, record: int) -> str:
        """Return what a record is: by its address alone, and the model's layers."""
        slot, position = inner.get_slot(record), inner.get_position(record)
        frame = find_frame(record)
        if frame is not None:
            return frame.name.lower()
        if slot == LAST_SLOT and position < LAST_POSITION:
            return "sampler"
        if position in (0, LAST_POSITION):
            return "none"
        layers = LAST_SLOT if self._shape is None else self._shape.layers
        return "layer" if slot < layers else "none"

    def _tell_bout(self, bout: Bout, record: int | None, outs: Iterable[ChampionOut]) -> BoutStory:
        a, b = bout.fighters
        pair = (a.staker, b.staker)
        out = tuple(o.staker for o in outs if o.staker in pair)
        return BoutStory(
            pair, bout.state.phase.name, len(bout.movers), self._read_lane(bout, record), out
        )

    def _read_lane(self, bout: Bout, record: int | None) -> Lane | None:
        if record is None or bout.state.phase not in (Phase.LEAF, Phase.RESOLVABLE, Phase.RESOLVED):
            return None
        leaf = bout.state.index
        resolved = self._resolved.get(bout.key)
        layout = self._find_layout(record)
        region = None if layout is None else layout.find(leaf)
        lane = None if resolved is None else resolved.lane
        values = None
        if resolved is not None:
            # the leaf shown first belongs to the side on turn
            turn = bout.state.turn
            shown = [_read(leaf, resolved.lane) for leaf in bout.leaves]
            values = (shown[turn], shown[1 - turn])
        kind = None
        if layout is not None and lane is not None:
            kind = inner_kinds.find_kind(self._shape, layout, leaf, lane)
        return Lane(
            leaf=leaf,
            op=None if region is None else region.name,
            kind=kind,
            lane=lane,
            values=values,
            contract=None if resolved is None else resolved.value,
            transaction=None if resolved is None else resolved.place.transaction,
        )

    def _find_layout(self, record: int) -> Layout | None:
        frame = find_frame(record)
        if frame is not None:
            return layout_frame(frame, self._height)
        if self._shape is None:
            return None
        what = self._name(record)
        if what == "sampler":
            return inner.layout_sampler(self._shape, self._height)
        return inner.layout_layer(self._shape, self._height) if what == "layer" else None


def _read(leaf: Leaf, lane: int) -> int:
    if leaf.type == ChunkType.PAD:
        return DEAD
    return step.read_lane(ChunkType(leaf.type), leaf.raw, lane)


def fetch_chronicle(chain: Chain, deployment: Deployment) -> Chronicle:
    """Read every event from the deployment to the newest block.

    Lanes have names where the registry lists one model whose steps are provable.

    Raises:
        Invalid: DUEL-21 the rollup was deployed without a game.
        Temporary: the node cannot be read now, or the chain changed meanwhile.
    """
    contests = duels.begin_duels(chain, deployment)
    if contests is None:
        raise Invalid("DUEL-21", "this rollup was deployed without a DuelGame: it has no duels")
    shape = ModelRegistry(chain, deployment).fetch_shape(0)
    height = HEX_BITS * Game(chain, deployment).fetch_settings().inner_levels
    chronicle = Chronicle(contests, shape if is_provable(shape, height) else None, height)
    after: follow.Checkpoint | None = None
    try:
        while (window := follow.fetch_window(chain, deployment, after)) is not None:
            for event in window.events:
                chronicle.add(event, lambda place: follow.fetch_time(chain, place))
            after = window.last
    except Rewind as error:
        raise Temporary(f"{error}: run the command again") from error
    return chronicle


def is_provable(shape: ModelShape, height: int) -> bool:
    """Tell whether inner traces of a shape have a layout."""
    try:
        inner.layout_layer(shape, height)
        inner.layout_sampler(shape, height)
    except Invalid:
        return False
    return True
