"""Ways in which a liar brings other leaves than a step reads: most of them true of something."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from oyez.chain.duel_states import Leaf
from oyez.dispute import lanes
from oyez.dispute.falsify import PatchedTree, flip_lane
from oyez.protocol import inner, trace
from oyez.protocol.constants import (
    CHUNKS_PER_RECORD,
    LAST_SLOT,
    OUTER_HEIGHT,
    POSITION_BITS,
    RECORD_HEIGHT,
    SLOT_BITS,
)
from oyez.protocol.trace import ChunkType
from tests.openings import (
    Bundle,
    Case,
    Piece,
    open_inner,
    open_outer,
    tell,
)

#: Draws of a stand-in until one fits.
TRIES = 12


@dataclass(frozen=True)
class Mutant:
    """A proof of other openings.

    Attributes:
        bundle: None where the bytes are no encoding.
        like: whose addresses say how long its paths are.
        note: what it is counted by beside its class.
    """

    proof: bytes
    bundle: Bundle | None = None
    like: Bundle | None = None
    note: str = ""


def stand_in(case: Case, at: int, piece: Piece) -> Mutant:
    """Return the proof with a leaf replaced and all that follows from it."""
    old = case.bundle.leaves[at]
    return make_mutant(*tell(case, {(old.is_outer, old.index): piece}))


def make_mutant(bundle: Bundle, like: Bundle | None = None) -> Mutant:
    return Mutant(bundle.encode(like), bundle, like)


def draw_place(rng: random.Random, case: Case, *, living: bool) -> int | None:
    """Return the place of a leaf of the proof."""
    places = [at for at, piece in enumerate(case.bundle.leaves) if bool(piece.data) is living]
    return rng.choice(places) if places else None


def draw_leaf(rng: random.Random, case: Case, fits: Callable[[Piece], bool]) -> Piece | None:
    """Return a true opening of the same inner trace that fits."""
    tree = case.here.batch.machine.open_inner(1, case.record)
    for _ in range(TRIES):
        region = rng.choice([r for r in tree.leaves.layout.regions if r.leaves])
        leaf = region.start + rng.randrange(region.leaves)
        piece = open_inner(case.here, case.record, leaf)
        if fits(piece):
            return piece
    return None


def _draw_chunk(
    rng: random.Random, case: Case, record: Callable[[], int], fits: Callable[[Piece], bool]
) -> Piece | None:
    """Return a true opening of a chunk of a record so drawn that fits."""
    for _ in range(TRIES):
        index = record() << RECORD_HEIGHT | rng.randrange(CHUNKS_PER_RECORD)
        if index >> RECORD_HEIGHT == (1 << OUTER_HEIGHT) - 1:
            continue
        piece = open_outer(case.here, index)
        if fits(piece):
            return piece
    return None


def draw_position(rng: random.Random, case: Case) -> int:
    return rng.randint(1, case.here.batch.executions[inner.get_call(case.record)].positions)


def damage_call(rng: random.Random, case: Case) -> Mutant | None:
    """What stands at the same place of another call: in one opening, or in all."""
    other = 1 - inner.get_call(case.record)
    flip = 1 << (POSITION_BITS + SLOT_BITS)
    outer = [at for at, piece in enumerate(case.bundle.leaves) if piece.is_outer]
    if outer and rng.random() < 0.9:
        chosen = outer if rng.random() < 0.3 else [rng.choice(outer)]
        places = [case.bundle.leaves[at].index for at in chosen]
        return make_mutant(
            *tell(
                case,
                {(True, at): open_outer(case.here, at ^ flip << RECORD_HEIGHT) for at in places},
            )
        )
    if inner.get_position(case.record) > case.here.batch.executions[other].positions:
        return None
    lies = {
        (False, piece.index): open_inner(case.here, case.record ^ flip, piece.index)
        for piece in case.bundle.leaves
        if not piece.is_outer
    }
    return make_mutant(*tell(case, lies))


def damage_op(rng: random.Random, case: Case) -> Mutant | None:
    """A true opening of another op's, of the type that is wanted."""
    at = draw_place(rng, case, living=True)
    if at is None:
        return None
    old = case.bundle.leaves[at]
    piece = _draw_other(rng, case, old, lambda piece: piece.type is old.type)
    return None if piece is None else stand_in(case, at, piece)


def damage_type(rng: random.Random, case: Case) -> Mutant | None:
    """A true opening of a chunk of another type than is wanted."""
    at = draw_place(rng, case, living=True)
    if at is None:
        return None
    old = case.bundle.leaves[at]
    piece = _draw_other(rng, case, old, lambda p: p.type not in (old.type, ChunkType.PAD))
    return None if piece is None else stand_in(case, at, piece)


def _draw_other(
    rng: random.Random, case: Case, old: Piece, fits: Callable[[Piece], bool]
) -> Piece | None:
    """Return a true opening in the same tree of another op's."""
    call = inner.get_call(case.record)
    if old.is_outer:
        slot = inner.get_slot(old.index >> RECORD_HEIGHT)
        layers = case.here.batch.engine.shape.layers
        slots = [one for one in (*range(layers), LAST_SLOT) if one != slot]

        def draw() -> int:
            if rng.random() < 0.2:
                return trace.compute_outer_index(call, 0, rng.randrange(3))
            return trace.compute_outer_index(call, draw_position(rng, case), rng.choice(slots))

        return _draw_chunk(rng, case, draw, fits)
    layout = case.here.batch.machine.open_inner(1, case.record).leaves.layout
    own = layout.find(old.index)
    return draw_leaf(rng, case, lambda piece: layout.find(piece.index) is not own and fits(piece))


def damage_rehashed(rng: random.Random, case: Case) -> Mutant | None:
    """One lane false, and every path that of the liar's own tree; or of that opening alone."""
    at = draw_place(rng, case, living=True)
    if at is None:
        return None
    old = case.bundle.leaves[at]
    width = lanes.WIDTHS[old.type]
    lane = rng.randrange(len(old.data) // width)
    chunk, _, _ = flip_lane(Leaf(int(old.type), old.data), lane)
    leaf = trace.compute_chunk_leaf(chunk)
    liars = PatchedTree(old.tree, {old.index: leaf})
    lie = replace(old, tree=liars, leaf=leaf, data=chunk.data)
    told, wanted = tell(case, {(old.is_outer, old.index): lie})
    return move_tree(rng, told, wanted, lie)


def move_tree(rng: random.Random, told: Bundle, wanted: Bundle, lie: Piece) -> Mutant:
    """Return a bundle told with a lie: mostly with all leaves of its tree under the liar's root."""
    if rng.random() < 0.3:
        return make_mutant(told, wanted)
    leaves = tuple(
        replace(piece, tree=lie.tree) if piece.is_outer is lie.is_outer else piece
        for piece in told.leaves
    )
    return make_mutant(replace(told, leaves=leaves), wanted)


def damage_lanes(rng: random.Random, case: Case) -> Mutant | None:
    """Two lanes of a leaf exchanged."""
    at = draw_place(rng, case, living=True)
    if at is None:
        return None
    old = case.bundle.leaves[at]
    width = lanes.WIDTHS[old.type]
    for _ in range(TRIES):
        a, b = sorted(rng.sample(range(len(old.data) // width), 2))
        x, y = old.data[a * width :][:width], old.data[b * width :][:width]
        if x != y:
            between = old.data[(a + 1) * width : b * width]
            data = old.data[: a * width] + y + between + x + old.data[(b + 1) * width :]
            return stand_in(case, at, old.alter(data))
    return None


def damage_dead(rng: random.Random, case: Case) -> Mutant | None:
    """A PAD leaf for a living one: a true one from elsewhere, or none that is there."""
    at = draw_place(rng, case, living=True)
    if at is None:
        return None
    old = case.bundle.leaves[at]
    if rng.random() < 0.25:
        return stand_in(case, at, old.alter(b""))
    if old.is_outer:
        record = old.index >> RECORD_HEIGHT
        piece = _draw_chunk(rng, case, lambda: record, lambda piece: not piece.data)
    else:
        piece = draw_leaf(rng, case, lambda piece: not piece.data)
    return None if piece is None else stand_in(case, at, piece)


def damage_alive(rng: random.Random, case: Case) -> Mutant | None:
    """A living leaf for a PAD one."""
    at = draw_place(rng, case, living=False)
    if at is None:
        return None
    old = case.bundle.leaves[at]
    if rng.random() < 0.2:
        return stand_in(case, at, replace(old, type=ChunkType.INT32).alter(bytes(1_024)))
    if old.is_outer:
        slot = inner.get_slot(old.index >> RECORD_HEIGHT)
        call = inner.get_call(case.record)
        piece = _draw_chunk(
            rng,
            case,
            lambda: trace.compute_outer_index(call, draw_position(rng, case), slot),
            lambda piece: bool(piece.data),
        )
    else:
        piece = draw_leaf(rng, case, lambda piece: bool(piece.data))
    return None if piece is None else stand_in(case, at, piece)


def damage_order(rng: random.Random, case: Case) -> Mutant | None:
    """Two openings exchanged, each in the other's place or the whole in another order."""
    leaves, rows = list(case.bundle.leaves), list(case.bundle.rows)
    lists = [one for one in (leaves, rows) if len(one) > 1]
    if not lists:
        return None
    chosen = rng.choice(lists)
    a, b = rng.sample(range(len(chosen)), 2)
    one, two = chosen[a], chosen[b]
    if chosen is leaves and one.is_outer is two.is_outer and rng.random() < 0.7:
        lies = {(one.is_outer, one.index): two, (two.is_outer, two.index): one}
        return make_mutant(*tell(case, lies))
    chosen[a], chosen[b] = two, one
    return make_mutant(replace(case.bundle, leaves=tuple(leaves), rows=tuple(rows)))
