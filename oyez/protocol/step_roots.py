"""Steps of ROOTS and of the last record: the cell after a call, the new roots, the receipts.

A call changes one leaf of the state tree. The way to it before the call is read from the root
downwards; its siblings, and the place at which a new cell parts from the one it met, make the way
after the call from the leaf upwards. A call that changes nothing walks the same way twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from oyez.protocol import codec, merkle, schema
from oyez.protocol.constants import CHUNK_BYTES, KEY_BITS, MAX_FIELDS, RECEIPTS_HEIGHT
from oyez.protocol.inner import DEAD
from oyez.protocol.inner_frame import Frame, get_record
from oyez.protocol.step import Lanes, Op, Step
from oyez.protocol.step_frame import (
    NODE_BYTES,
    ask,
    descend,
    find_node,
    find_root_before,
    get_bit,
    is_shut,
    pick,
    read_record,
    read_roots_before,
    to_hash,
    to_word,
)
from oyez.protocol.step_machine import open_manifest
from oyez.protocol.trace import WORDS, ChunkType
from oyez.protocol.types import Outcome

#: Words of an entry's record, lanes of an output's head.
_CALL_ID, _FEE, _MANIFEST, _KEY, _CELL_LEAF, _VERSION = 1, 5, 7, 9, 10, 11
_OUTCOME, _CODE, _DETAIL, _POSITIONS, _OUTPUT_BYTES = 0, 1, 2, 3, 5
#: Words of `cell_after` and `path_end`; lane of `depth` that is the new one.
_LEAF_AFTER, _VERSION_AFTER, _ROOT_BEFORE, _RECEIPT = 0, 1, 2, 3
_MET, _PUT = 0, 1
_PATH_LEAVES = KEY_BITS // WORDS
_NEW_DEPTH = _PATH_LEAVES
#: Word of the second leaf of `field` that is the root.
_FIELDS_ROOT = 2 * MAX_FIELDS - 2 - WORDS
#: Words of the record: roots, the receipts tree's frontier, and what the receipt says.
_STATE_ROOT, _OUTBOX_ROOT, _RECEIPTS_ROOT, _FRONTIER = 0, 1, 2, 3
_RECEIPT_LEAF = _FRONTIER + RECEIPTS_HEIGHT
#: Word of a batch's hash (BATCH-2), of a cell's leaf (STATE-4).
_COUNT, _LEAF_KEY = 3, 1
_WAY = (Frame.ENTRY, _KEY)
_END_WORD = 1 << KEY_BITS


def _read_entry(step: Step) -> Lanes | None:
    return read_record(step, Frame.ENTRY, 1, ChunkType.BYTES32)


def _read_output(step: Step) -> Lanes | None:
    return read_record(step, Frame.OUTPUT, 0, ChunkType.INT32)


def compute_field_part(step: Step) -> int:
    """Return the hash of a field's name (even lanes), or of its type; 0 past the last field.

    Rule: FRAME-71
    """
    if is_shut(step, Frame.ENTRY):
        return DEAD
    entry = _read_entry(step)
    published = None if entry is None else open_manifest(step, entry[_MANIFEST])
    index, part = divmod(step.leaf * WORDS + step.lane, 2)
    if published is None or index >= len(published.manifest.fields):
        return step.filler
    field = published.manifest.fields[index]
    return to_word(schema.compute_type_hash(field) if part else codec.keccak(field.name))


def compute_field(step: Step) -> int:
    """Return a field's leaf after the call, or a node above: the tree's levels stand one by one.

    Rule: FRAME-71
    """
    if is_shut(step, Frame.ENTRY):
        return DEAD
    if step.leaf == 0:
        return _find_field(step)
    left = 2 * step.lane
    if step.lane == WORDS - 1:
        return step.filler
    if left >= WORDS:
        return _hash_node(step.own[left - WORDS], step.own[left + 1 - WORDS])
    leaves = step.read("field")
    return step.filler if leaves is None else _hash_node(leaves[left], leaves[left + 1])


def _hash_node(left: int, right: int) -> int:
    return to_word(merkle.compute_keccak_node(to_hash(left), to_hash(right)))


def _find_field(step: Step) -> int:
    leaf, at = divmod(2 * step.lane, WORDS)
    parts = step.read("field_part", leaf)
    if parts is None or not parts[at]:
        return step.filler
    values = read_record(step, Frame.OUTPUT, 1, ChunkType.BYTES32)
    if values is None:
        return step.filler
    words = (step.lane, parts[at], parts[at + 1], values[step.lane])
    return to_word(codec.H("FIELD", *words))


def compute_cell(step: Step) -> int:
    """Return the cell's leaf or version after the call, the state root before, or the receipt.

    Rule: FRAME-72
    """
    if is_shut(step, Frame.ENTRY):
        return DEAD
    if step.lane == _ROOT_BEFORE:
        return find_root_before(step, 0)
    if step.lane > _RECEIPT:
        return step.filler
    head = _read_output(step)
    if head is None:
        return step.filler
    if step.lane == _RECEIPT:
        return _find_receipt(step, head)
    entry = _read_entry(step)
    if entry is None:
        return step.filler
    is_accepted = head[_OUTCOME] == Outcome.ACCEPTED
    version = (entry[_VERSION] + is_accepted) % _END_WORD
    if step.lane == _VERSION_AFTER:
        return to_word(to_hash(version))
    if not is_accepted:
        return entry[_CELL_LEAF]
    fields = step.read("field", 1)
    if fields is None:
        return step.filler
    words = (entry[_KEY], entry[_MANIFEST], fields[_FIELDS_ROOT], version)
    return to_word(codec.H("CELL", *words))


def _find_receipt(step: Step, head: Lanes) -> int:
    """Return the receipt's leaf.

    Rule: FRAME-73
    """
    text = read_record(step, Frame.OUTPUT, 2, ChunkType.BYTES)
    if text is None:
        return step.filler
    entry = _read_entry(step)
    if entry is None:
        return step.filler
    length = min(max(head[_OUTPUT_BYTES], 0), CHUNK_BYTES)
    output = bytes(text[at] for at in range(length))
    return to_word(
        codec.H(
            "RECEIPT",
            entry[_CALL_ID],
            head[_OUTCOME],
            head[_CODE],
            head[_DETAIL],
            entry[_MANIFEST],
            entry[_KEY],
            step.own[_LEAF_AFTER],
            codec.keccak(output),
            head[_POSITIONS],
            entry[_FEE],
        )
    )


def compute_path(step: Step) -> int:
    """Return the node at a depth on the way to the cell in the state before the call.

    Rule: FRAME-19
    """
    if is_shut(step, Frame.ENTRY):
        return DEAD
    return find_node(step, ("cell_after", _ROOT_BEFORE), _WAY)


def compute_end(step: Step) -> int:
    """Return what the way meets below its last node, and what stands there after the call.

    Rule: FRAME-74
    """
    if is_shut(step, Frame.ENTRY):
        return DEAD
    if step.lane == _MET:
        path = step.read("path", _PATH_LEAVES - 1)
        if path is None:
            return step.filler
        return descend(step, path[WORDS - 1], KEY_BITS - 1, _WAY)[0]
    if step.lane == _PUT:
        after = step.read("cell_after")
        return step.filler if after is None else after[_LEAF_AFTER] or step.own[_MET]
    return step.filler


def compute_depth(step: Step) -> int:
    """Return how many nodes the way has up to the end of each leaf of *path*; then its new length.

    Rule: FRAME-75
    """
    if is_shut(step, Frame.ENTRY):
        return DEAD
    if step.lane == _NEW_DEPTH:
        return _find_new_depth(step)
    if step.lane > _NEW_DEPTH:
        return step.filler
    path = step.read("path", step.lane)
    if path is None:
        return step.filler
    so_far = step.own[step.lane - 1] if step.lane else 0
    last = path[WORDS - 1]
    if len(ask(step, last)) == NODE_BYTES:
        return so_far + WORDS
    return so_far + next(at for at in range(WORDS) if path[at] == last)


def _find_new_depth(step: Step) -> int:
    """Return one more than the bits that the cell's key shares with another's that was met.

    Rule: FRAME-75
    """
    end = step.read("path_end")
    if end is None:
        return step.filler
    depth = step.own[_NEW_DEPTH - 1]
    if not end[_MET] or end[_PUT] == end[_MET]:
        return depth
    entry = _read_entry(step)
    if entry is None:
        return step.filler
    apart = (pick(ask(step, end[_MET]), _LEAF_KEY) ^ entry[_KEY]) % _END_WORD
    return KEY_BITS - apart.bit_length() + 1 if apart else depth


def compute_sibling(step: Step) -> int:
    """Return what stands beside the way at a depth, after the call.

    Rule: FRAME-76
    """
    if is_shut(step, Frame.ENTRY):
        return DEAD
    path = step.read("path", step.leaf)
    if path is None:
        return step.filler
    node = path[step.lane]
    if not node:
        return 0
    data, depth = ask(step, node), step.leaf * WORDS + step.lane
    if len(data) == NODE_BYTES:
        entry = _read_entry(step)
        return step.filler if entry is None else pick(data, 1 - get_bit(entry[_KEY], depth))
    depths = step.read("depth")
    if depths is None:
        return step.filler
    return node if depth + 1 == depths[_NEW_DEPTH] else 0


def compute_up(step: Step) -> int:
    """Return the node at a depth on the way to the cell after the call, from depth 256 to 0.

    Rule: FRAME-77
    """
    if is_shut(step, Frame.ENTRY):
        return DEAD
    depth = KEY_BITS - step.leaf * WORDS - step.lane
    if depth < 0:
        return step.filler
    depths = step.read("depth")
    if depths is None:
        return step.filler
    if depth == KEY_BITS or depth >= depths[_NEW_DEPTH]:
        end = step.read("path_end")
        return step.filler if end is None else end[_PUT]
    if step.lane:
        below = step.own[step.lane - 1]
    else:
        leaf = step.read("new_path", step.leaf - 1)
        if leaf is None:
            return step.filler
        below = leaf[WORDS - 1]
    siblings = step.read("sibling", depth // WORDS)
    if siblings is None:
        return step.filler
    entry = _read_entry(step)
    if entry is None:
        return step.filler
    beside = siblings[depth % WORDS]
    if get_bit(entry[_KEY], depth):
        return _hash_node(beside, below)
    return _hash_node(below, beside)


def compute_head(step: Step) -> int:
    """Return the batch's receipts so far.

    Rule: FRAME-78
    """
    if is_shut(step, Frame.ENTRY):
        return DEAD
    return step.filler if step.lane else step.address.call + 1


def compute_word(step: Step) -> int:
    """Return a running root, a node of the receipts tree's frontier, or what the receipt says.

    Rule: FRAME-78
    """
    if is_shut(step, Frame.ENTRY):
        return DEAD
    lane = step.lane
    if lane == _STATE_ROOT:
        up = step.read("new_path", _PATH_LEAVES)
        return step.filler if up is None else up[0]
    if lane == _OUTBOX_ROOT:
        return find_root_before(step, 1)
    if lane < _RECEIPT_LEAF:
        return _find_receipts(step, lane - _FRONTIER)
    if lane > _RECEIPT_LEAF + 2:
        return step.filler
    after = step.read("cell_after")
    if after is None:
        return step.filler
    return after[(_RECEIPT, _LEAF_AFTER, _VERSION_AFTER)[lane - _RECEIPT_LEAF]]


def _find_receipts(step: Step, level: int) -> int:
    """Return the receipts' root after the call (-1), or a node of their tree's frontier.

    Rule: FRAME-79
    """
    call = step.address.call
    full = (call ^ call + 1).bit_length() - 1
    if 0 <= level < full:
        return 0
    receipt = 0
    if level in (-1, full):
        after = step.read("cell_after")
        if after is None:
            return step.filler
        receipt = after[_RECEIPT]
    if not call or (level == full == 0):
        return _fold_receipts(receipt, 0, None, full, level) if level in (-1, full) else 0
    before = read_roots_before(step)
    if before is None:
        return step.filler
    if level > full:
        return before[_FRONTIER + level]
    return _fold_receipts(receipt, call, before, full, level)


def _fold_receipts(receipt: int, call: int, before: Lanes | None, full: int, level: int) -> int:
    """Return the receipt with the full subtrees on its left: up to the root, or to `full` levels.

    Rule: FRAME-79
    """
    node = to_hash(receipt)
    for height in range(RECEIPTS_HEIGHT if level < 0 else full):
        if call >> height & 1 and before is not None:
            node = merkle.compute_keccak_node(to_hash(before[_FRONTIER + height]), node)
        else:
            node = merkle.compute_keccak_node(node, merkle.keccak_tree().empty[height])
    return to_word(node)


def compute_last_word(step: Step) -> int:
    """Return a root after the batch's last call.

    Rule: FRAME-85
    """
    if step.lane > _RECEIPTS_ROOT:
        return step.filler
    batch = step.reads.read_preimage(step.reads.get_context().batch_hash)
    last = get_record((pick(batch, _COUNT) - 1) % 256, Frame.ROOTS)
    roots = step.reads.read_outer(last, 1, ChunkType.BYTES32)
    return step.filler if roots is None else roots[step.lane]


#: Op -> step.
OPS: Mapping[int, Op] = MappingProxyType(
    {
        **dict(
            enumerate(
                (
                    compute_field_part,
                    compute_field,
                    compute_cell,
                    compute_path,
                    compute_end,
                    compute_depth,
                    compute_sibling,
                    compute_up,
                    compute_head,
                    compute_word,
                ),
                144,
            )
        ),
        160: compute_last_word,
    }
)
