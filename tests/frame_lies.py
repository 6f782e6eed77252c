"""Ways in which a liar about what stands around a call's tokens brings other leaves and preimages.

Where he can, he goes on as it follows from what he brought: a verifier that believes it finds all
that it then asks for.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace

from oyez.chain.duel_states import Leaf
from oyez.dispute import lanes
from oyez.dispute.falsify import PatchedTree, flip_lane
from oyez.protocol import codec, inner
from oyez.protocol.constants import (
    CHUNKS_PER_RECORD,
    RECORD_HEIGHT,
)
from oyez.protocol.inner_frame import PLACE, Frame, find_frame, get_record
from oyez.protocol.step_frame import NODE_BYTES
from oyez.protocol.trace import ChunkType
from oyez.protocol.types import Hash32
from tests.opening_damage import (
    Way,
    damage_bytes,
    damage_fewer,
    damage_header,
    damage_hint,
    damage_more,
    damage_stale,
)
from tests.opening_lies import (
    TRIES,
    Mutant,
    damage_lanes,
    damage_order,
    draw_leaf,
    draw_place,
    make_mutant,
    move_tree,
    stand_in,
)
from tests.openings import (
    Case,
    Piece,
    collect_preimages,
    open_inner,
    open_outer,
    read_step,
    tell,
)

#: Tags of hashed words, and what such a preimage is counted as.
_TAGS = {
    codec.tag(name): text
    for name, text in {
        "BATCH": "a batch",
        "ENTRY": "an entry",
        "CELL": "a cell",
        "FIELD": "a field",
        "ASSERTION": "an assertion",
    }.items()
}
#: Region -> whose node a preimage of 64 bytes is there.
_NODES = {
    "words": "a node above an entry",
    "node": "a node above a field",
    **dict.fromkeys(("path", "entry_words", "path_end", "depth", "sibling"), "a node above a cell"),
}


def find_role(case: Case, data: bytes) -> str:
    """Name what the lane asks for these bytes as."""
    node = _NODES.get(case.region.name) if len(data) == NODE_BYTES else None
    return f"for {node or _TAGS.get(Hash32(data[:32]), 'a text')}"


def _draw_call(rng: random.Random, case: Case) -> int:
    """Return another call of the batch."""
    own, count = inner.get_call(case.record), len(case.here.batch.executions)
    return rng.choice([call for call in range(count) if call != own])


def _draw_chunk(rng: random.Random, case: Case, fits: Callable[[Piece], bool]) -> Piece | None:
    """Return a true chunk of a record of the same call, or of the sampler, that fits."""
    count = len(case.here.batch.executions)
    call = inner.get_call(case.record)
    for _ in range(TRIES):
        where = call if call < count and rng.random() < 0.7 else rng.randrange(count)
        record = get_record(where, rng.choice(list(PLACE)))
        index = record << RECORD_HEIGHT | rng.randrange(CHUNKS_PER_RECORD)
        piece = open_outer(case.here, index)
        if fits(piece):
            return piece
    return None


def _draw_other(
    rng: random.Random, case: Case, old: Piece, fits: Callable[[Piece], bool]
) -> Piece | None:
    if old.is_outer:
        return _draw_chunk(rng, case, lambda p: p.index != old.index and fits(p))
    return draw_leaf(rng, case, lambda p: p.index != old.index and fits(p))


def damage_address(rng: random.Random, case: Case) -> Mutant | None:
    """A true opening at another address: of the same region, or a chunk of the same record."""
    found = draw_place(rng, case, living=True)
    if found is None:
        return None
    old = case.bundle.leaves[found]
    if old.is_outer:
        record = old.index >> RECORD_HEIGHT
        piece = open_outer(case.here, record << RECORD_HEIGHT | rng.randrange(CHUNKS_PER_RECORD))
    else:
        layout = case.here.batch.machine.open_inner(1, case.record).leaves.layout
        region = layout.find(old.index)
        assert region is not None
        piece = open_inner(case.here, case.record, region.start + rng.randrange(region.leaves))
        if piece.index == old.index:
            piece = open_inner(case.here, case.record, old.index ^ 1 << rng.randrange(5))
    return None if piece.index == old.index else stand_in(case, found, piece)


def damage_call(rng: random.Random, case: Case) -> Mutant | None:
    """What stands at the same place of another call: in one opening, or in all."""
    own, other = inner.get_call(case.record), _draw_call(rng, case)
    change = (own ^ other) * get_record(1, Frame.ENTRY)
    outer = [at for at, piece in enumerate(case.bundle.leaves) if piece.is_outer]
    lies = {}
    if outer and rng.random() < 0.6:
        for at in outer if rng.random() < 0.3 else [rng.choice(outer)]:
            index = case.bundle.leaves[at].index
            if find_frame(index >> RECORD_HEIGHT) is not None:
                lies[True, index] = open_outer(case.here, index ^ change << RECORD_HEIGHT)
    elif find_frame(case.record) is not Frame.LAST:
        for piece in case.bundle.leaves:
            if not piece.is_outer:
                lies[False, piece.index] = open_inner(case.here, case.record ^ change, piece.index)
    if not lies or all(case_has(case, at, piece) for at, piece in lies.items()):
        return None
    return make_mutant(*tell(case, lies))


def case_has(case: Case, at: tuple[bool, int], piece: Piece) -> bool:
    """Whether the same bytes stand in the case's own trace."""
    return any(
        (old.is_outer, old.index) == at and old.data == piece.data for old in case.bundle.leaves
    )


def damage_op(rng: random.Random, case: Case) -> Mutant | None:
    """A true opening of another op's, of the type that is wanted."""
    at = draw_place(rng, case, living=True)
    if at is None:
        return None
    old = case.bundle.leaves[at]
    layout = case.here.batch.machine.open_inner(1, case.record).leaves.layout

    def fits(piece: Piece) -> bool:
        if piece.type is not old.type or piece.data == old.data:
            return False
        return old.is_outer or layout.find(piece.index) is not layout.find(old.index)

    piece = _draw_other(rng, case, old, fits)
    return None if piece is None else stand_in(case, at, piece)


def damage_rehashed(rng: random.Random, case: Case) -> Mutant | None:
    """A false leaf, and every path that of the liar's own tree; or of that opening alone.

    Where a digest stands in the leaf that the lane asks for, it is that of bytes of the liar's.
    """
    at = draw_place(rng, case, living=True)
    if at is None:
        return None
    old, told = case.bundle.leaves[at], {}
    digests = {codec.keccak(data): data for data in case.bundle.preimages or ()}
    asked = [digest for digest in digests if bytes(digest) in old.data]
    if asked and rng.random() < 0.8:
        digest = rng.choice(asked)
        false = _alter(rng, digests[digest])
        told[codec.keccak(false)] = false
        data = old.data.replace(digest, codec.keccak(false))
    else:
        count = len(old.data) // lanes.WIDTHS[old.type]
        data = flip_lane(Leaf(int(old.type), old.data), rng.randrange(count))[0].data
    lie = old.alter(data)
    liars = PatchedTree(old.tree, {old.index: Hash32(lie.leaf)})
    lie = replace(lie, tree=liars)
    bundle, wanted = tell(case, {(old.is_outer, old.index): lie}, told)
    return move_tree(rng, bundle, wanted, lie)


def damage_dead(rng: random.Random, case: Case) -> Mutant | None:
    """A PAD leaf for a living one: a true one from elsewhere, or none that is there."""
    at = draw_place(rng, case, living=True)
    if at is None:
        return None
    old = case.bundle.leaves[at]
    if rng.random() < 0.25:
        return stand_in(case, at, old.alter(b""))
    piece = _draw_other(rng, case, old, lambda piece: not piece.data)
    return None if piece is None else stand_in(case, at, piece)


def damage_alive(rng: random.Random, case: Case) -> Mutant | None:
    """A living leaf for a PAD one."""
    at = draw_place(rng, case, living=False)
    if at is None:
        return None
    old = case.bundle.leaves[at]
    if rng.random() < 0.2:
        return stand_in(case, at, replace(old, type=ChunkType.INT32).alter(bytes(1_024)))
    if old.is_outer and rng.random() < 0.5:
        # the same chunk of the same record, of a call that is there or whose model ran
        record, chunk = divmod(old.index, CHUNKS_PER_RECORD)
        frame = find_frame(record)
        if frame in PLACE:
            other = get_record(_draw_call(rng, case), frame)
            piece: Piece | None = open_outer(case.here, other << RECORD_HEIGHT | chunk)
            return stand_in(case, at, piece) if piece is not None and piece.data else None
    piece = _draw_other(rng, case, old, lambda piece: bool(piece.data))
    return None if piece is None else stand_in(case, at, piece)


def _alter(rng: random.Random, data: bytes) -> bytes:
    """Return other bytes, as many unless there are none."""
    if not data:
        return rng.randbytes(1)
    if rng.random() < 0.5:
        bit = rng.randrange(8 * len(data))
        return (int.from_bytes(data, "big") ^ 1 << bit).to_bytes(len(data), "big")
    if len(data) == NODE_BYTES and rng.random() < 0.5 and data[:32] != data[32:]:
        return data[32:] + data[:32]
    start = rng.randrange(0, len(data), 32)
    word = data[start : start + 32]
    return data[:start] + bytes(255 - byte for byte in word) + data[start + 32 :]


def _bring(
    rng: random.Random, case: Case, change: Callable[[bytes], bytes | None]
) -> Mutant | None:
    """Change one preimage: alone, or with all that follows from it."""
    given = case.bundle.preimages
    if not given:
        return None
    at = rng.randrange(len(given))
    false = change(given[at])
    if false is None or false == given[at]:
        return None
    note = find_role(case, given[at])
    if rng.random() < 0.7:
        bundle, like = tell(case, {}, {codec.keccak(given[at]): false})
    else:
        changed = (*given[:at], false, *given[at + 1 :])
        bundle, like = replace(case.bundle, preimages=changed), case.bundle
    return replace(make_mutant(bundle, like), note=note)


def damage_preimage(rng: random.Random, case: Case) -> Mutant | None:
    """Other bytes of the same length: a true preimage of another digest, or altered ones."""

    def change(data: bytes) -> bytes | None:
        if rng.random() < 0.5:
            known = collect_preimages(case.here).values()
            others = [other for other in known if len(other) == len(data) and other != data]
            if others:
                return rng.choice(others)
        return _alter(rng, data) if data else None

    return _bring(rng, case, change)


def damage_cut(rng: random.Random, case: Case) -> Mutant | None:
    """The beginning of a preimage, or its end."""

    def change(data: bytes) -> bytes | None:
        if not data:
            return None
        short = min(len(data), rng.choice((1, 32, rng.randint(1, len(data)))))
        return data[:-short] if rng.random() < 0.8 else data[short:]

    return _bring(rng, case, change)


def damage_longer(rng: random.Random, case: Case) -> Mutant | None:
    """A preimage and more bytes: zeros, any, or itself again."""

    def change(data: bytes) -> bytes:
        more = rng.choice((1, 31, 32, 64))
        return data + rng.choice((bytes(more), rng.randbytes(more), data or b"\0"))

    return _bring(rng, case, change)


def _list(case: Case, at: int, preimages: list[bytes]) -> Mutant:
    note = find_role(case, (case.bundle.preimages or ())[at])
    bundle = replace(case.bundle, preimages=tuple(preimages))
    return replace(make_mutant(bundle, case.bundle), note=note)


def damage_missing(rng: random.Random, case: Case) -> Mutant | None:
    """One preimage less, or an empty one in its place; or all after it missing too."""
    given = list(case.bundle.preimages or ())
    if not given:
        return None
    at = rng.randrange(len(given))
    draw = rng.random()
    if draw < 0.2:
        return _list(case, at, given[:at])
    empty = [b""] if draw < 0.4 and given[at] else []
    return _list(case, at, given[:at] + empty + given[at + 1 :])


def damage_surplus(rng: random.Random, case: Case) -> Mutant | None:
    """One preimage too many: one that is there already, a true one of another digest, none."""
    given = list(case.bundle.preimages or ())
    known = list(collect_preimages(case.here).values())
    more = rng.choice((rng.choice(known), rng.choice(given or known), b""))
    given.insert(rng.randint(0, len(given)), more)
    return make_mutant(replace(case.bundle, preimages=tuple(given)), case.bundle)


def damage_swapped(rng: random.Random, case: Case) -> Mutant | None:
    """Two preimages exchanged, and all that follows if one is believed; or all in any order."""
    given = list(case.bundle.preimages or ())
    if len(set(given)) < 2:
        return None
    draw = rng.random()
    a, b = sorted(rng.sample(range(len(given)), 2))
    if draw < 0.3:
        told = {codec.keccak(given[a]): given[b], codec.keccak(given[b]): given[a]}
        return replace(make_mutant(*tell(case, {}, told)), note=find_role(case, given[a]))
    if draw < 0.6:
        given[a], given[b] = given[b], given[a]
    else:
        rng.shuffle(given)
    return _list(case, a, given)


def damage_others(rng: random.Random, case: Case) -> Mutant | None:
    """What the same lane of another call asks for: one preimage of it, or all."""
    given, frame = case.bundle.preimages, find_frame(case.record)
    if not given or frame not in PLACE:
        return None
    record = get_record(_draw_call(rng, case), frame)
    tree = case.here.batch.machine.open_inner(1, record)
    if tree.get_chunk(case.leaf).type is ChunkType.PAD:
        return None
    _, read = read_step(case.here, record, case.leaf, case.lane, {})
    theirs = tuple(read.preimages)
    places = [at for at, (a, b) in enumerate(zip(given, theirs, strict=False)) if a != b]
    if not places:
        return None
    at = rng.choice(places)
    note = find_role(case, given[at])
    if rng.random() < 0.3:
        bundle, like = replace(case.bundle, preimages=theirs), case.bundle
    elif rng.random() < 0.7:
        bundle, like = tell(case, {}, {codec.keccak(given[at]): theirs[at]})
    else:
        changed = given[:at] + theirs[at : at + 1] + given[at + 1 :]
        bundle, like = replace(case.bundle, preimages=changed), case.bundle
    return replace(make_mutant(bundle, like), note=note)


#: What is done, named as it is counted.
WAYS: Mapping[str, Way] = {
    "re-hashed": damage_rehashed,
    "another address": damage_address,
    "another call's": damage_call,
    "another op's": damage_op,
    "another header": damage_header,
    "stale model": damage_stale,
    "swapped lanes": damage_lanes,
    "swapped openings": damage_order,
    "PAD for living": damage_dead,
    "living for PAD": damage_alive,
    "one more": damage_more,
    "one less": damage_fewer,
    "another hint": damage_hint,
    "another preimage": damage_preimage,
    "cut preimage": damage_cut,
    "lengthened preimage": damage_longer,
    "missing preimage": damage_missing,
    "one preimage more": damage_surplus,
    "swapped preimages": damage_swapped,
    "another call's preimage": damage_others,
    "damaged encoding": damage_bytes,
}
