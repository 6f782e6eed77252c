"""All ways in which a liar brings other openings than a step reads, those of rows among them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from oyez.dispute.falsify import PatchedTree
from oyez.engines.exact.model_tree import TensorNumber
from oyez.engines.exact.step_rows import MATRICES
from oyez.protocol import inner, trace
from oyez.protocol.constants import (
    CHUNKS_PER_RECORD,
    RECORD_HEIGHT,
)
from oyez.protocol.types import Hash32
from tests.opening_lies import (
    TRIES,
    Mutant,
    damage_alive,
    damage_call,
    damage_dead,
    damage_lanes,
    damage_op,
    damage_order,
    damage_rehashed,
    damage_type,
    draw_leaf,
    draw_place,
    draw_position,
    make_mutant,
    stand_in,
)
from tests.openings import (
    Case,
    Piece,
    change_row,
    open_inner,
    open_outer,
    open_row,
)

#: Makes one of a case, None where it has nothing to be changed so.
Way = Callable[[random.Random, Case], Mutant | None]


def _stand_in_row(case: Case, at: int, piece: Piece) -> Mutant:
    rows = list(case.bundle.rows)
    rows[at] = piece
    return make_mutant(replace(case.bundle, rows=tuple(rows)), case.bundle)


def _count_rows(case: Case, tensor: int) -> int:
    """Return the rows of a tensor."""
    engine, rows = case.here.batch.engine, case.here.batch.machine.rows
    if tensor == TensorNumber.LAYERS + MATRICES * engine.shape.layers:
        return int(engine.model.head.rows)
    return rows.find_leaf(tensor + 1, 0) - rows.find_leaf(tensor, 0)


def damage_address(rng: random.Random, case: Case) -> Mutant | None:
    """A true opening of the same op's, at another address."""
    if case.bundle.rows and rng.random() < 0.3:
        at = rng.randrange(len(case.bundle.rows))
        tensor, row = case.row_names[at]
        other = row ^ 1 << rng.randrange(4)
        if other >= _count_rows(case, tensor):
            return None
        return _stand_in_row(case, at, open_row(case.here.batch.machine.rows, tensor, other))
    found = draw_place(rng, case, living=True)
    if found is None:
        return None
    old = case.bundle.leaves[found]
    if old.is_outer:
        record, chunk = divmod(old.index, CHUNKS_PER_RECORD)
        slot = inner.get_slot(record)
        other = trace.compute_outer_index(inner.get_call(record), draw_position(rng, case), slot)
        if rng.random() < 0.3:
            other, chunk = record, rng.randrange(CHUNKS_PER_RECORD)
        piece = open_outer(case.here, other << RECORD_HEIGHT | chunk)
    else:
        layout = case.here.batch.machine.open_inner(1, case.record).leaves.layout
        region = layout.find(old.index)
        assert region is not None
        piece = open_inner(case.here, case.record, region.start + rng.randrange(region.leaves))
    return None if piece.index == old.index else stand_in(case, found, piece)


def damage_header(rng: random.Random, case: Case) -> Mutant | None:
    """A true row of another tensor, so behind another header."""
    if not case.bundle.rows:
        return None
    at = rng.randrange(len(case.bundle.rows))
    rows, (tensor, _) = case.here.batch.machine.rows, case.row_names[at]
    last = TensorNumber.LAYERS + MATRICES * case.here.batch.engine.shape.layers
    size, best = len(case.bundle.rows[at].data), None
    for _ in range(TRIES):
        other = rng.randrange(last)
        if other == tensor:
            continue
        piece = open_row(rows, other, rng.randrange(_count_rows(case, other)))
        if best is None or len(piece.data) == size:
            best = piece
        if len(best.data) == size:
            break
    return None if best is None else _stand_in_row(case, at, best)


def damage_stale(rng: random.Random, case: Case) -> Mutant | None:
    """All rows under the root of a model in which one of those read is another."""
    if not case.bundle.rows:
        return None
    rows = case.here.batch.machine.rows
    at = rng.randrange(len(case.bundle.rows))
    data = bytearray(case.bundle.rows[at].data)
    if not data:
        return None
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    index = case.bundle.rows[at].index
    leaf = Hash32(change_row(rows, *case.row_names[at], bytes(data)))
    stale = PatchedTree(rows, {index: leaf})
    changed = [replace(piece, tree=stale) for piece in case.bundle.rows]
    changed[at] = replace(changed[at], leaf=leaf, data=bytes(data))
    return make_mutant(replace(case.bundle, rows=tuple(changed)), case.bundle)


def damage_more(rng: random.Random, case: Case) -> Mutant | None:
    """One true opening more."""
    leaves, rows = list(case.bundle.leaves), list(case.bundle.rows)
    if rows and rng.random() < 0.3:
        tensor, row = case.row_names[0]
        more = open_row(case.here.batch.machine.rows, tensor, max(row - 1, 0))
        rows.insert(rng.randint(0, len(rows)), more)
    else:
        found = draw_leaf(rng, case, lambda piece: True)
        assert found is not None
        more = rng.choice(leaves) if leaves and rng.random() < 0.2 else found
        leaves.insert(rng.randint(0, len(leaves)), more)
    return make_mutant(replace(case.bundle, leaves=tuple(leaves), rows=tuple(rows)))


def damage_fewer(rng: random.Random, case: Case) -> Mutant | None:
    """One opening less."""
    leaves, rows = list(case.bundle.leaves), list(case.bundle.rows)
    lists = [one for one in (leaves, rows) if one]
    if not lists:
        return None
    chosen = rng.choice(lists)
    del chosen[rng.randrange(len(chosen))]
    return make_mutant(replace(case.bundle, leaves=tuple(leaves), rows=tuple(rows)))


def damage_hint(rng: random.Random, case: Case) -> Mutant | None:
    """Another place in the sorted vocabulary, with the true rows of there or of here."""
    tensors = {tensor for tensor, _ in case.row_names}
    if tensors != {int(TensorNumber.VOCABULARY)}:
        return None
    rows, count = case.here.batch.machine.rows, case.here.batch.machine.model.records
    near = case.bundle.hint + rng.choice((-2, -1, 1, 2))
    hint = near if rng.random() < 0.5 else rng.randrange(count)
    if rng.random() < 0.2:
        far = rng.choice((near % (1 << 256), count, count - 1, 1 << 255, (1 << 256) - 1))
        return make_mutant(replace(case.bundle, hint=far), case.bundle)
    if hint == case.bundle.hint or not 0 <= hint < count:
        return None
    named = [at for at in (hint, hint + 1) if at < count]
    pieces = tuple(open_row(rows, TensorNumber.VOCABULARY, at) for at in named)
    wanted = replace(case.bundle, rows=pieces, hint=hint)
    if len(pieces) == len(case.bundle.rows) == 2 and rng.random() < 0.3:
        # an earlier record, and beside it the one that is after the text
        return make_mutant(replace(wanted, rows=(pieces[0], case.bundle.rows[1])), wanted)
    return make_mutant(wanted)


def damage_bytes(rng: random.Random, case: Case) -> Mutant | None:
    """The encoding cut short, or a place in it that points elsewhere."""
    proof = case.proof
    if rng.random() < 0.75:
        short = rng.randint(1, 96) if rng.random() < 0.5 else rng.randint(1, len(proof))
        return Mutant(proof[: len(proof) - short])
    words = range(0, len(proof), 32)
    at = rng.choice([at for at in words if 0 < int.from_bytes(proof[at : at + 32]) < 1 << 16])
    other = rng.choice((0, 32, 1 << 255, len(proof), rng.randrange(0, len(proof), 32)))
    return Mutant(proof[:at] + other.to_bytes(32, "big") + proof[at + 32 :])


#: What is done, named as it is counted.
WAYS: dict[str, Way] = {
    "another address": damage_address,
    "another call's": damage_call,
    "another op's": damage_op,
    "another type": damage_type,
    "another header": damage_header,
    "stale model": damage_stale,
    "re-hashed": damage_rehashed,
    "swapped lanes": damage_lanes,
    "swapped openings": damage_order,
    "PAD for living": damage_dead,
    "living for PAD": damage_alive,
    "one more": damage_more,
    "one less": damage_fewer,
    "another hint": damage_hint,
    "damaged encoding": damage_bytes,
}
