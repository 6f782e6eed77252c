"""Steps of ENTRY: a call's inbox entry, seed and cell key, its input's bytes, its cell's leaf."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from oyez.protocol import codec
from oyez.protocol.constants import ENTRIES_HEIGHT, KEY_BITS, MAX_INPUT_BYTES
from oyez.protocol.inner import DEAD
from oyez.protocol.step import Op, Step
from oyez.protocol.step_frame import (
    ask,
    descend,
    find_node,
    find_root_before,
    is_shut,
    pick,
    to_word,
)
from oyez.protocol.step_machine import open_manifest
from oyez.protocol.trace import INT32_LANES, WORDS
from oyez.protocol.types import CellKind, SeedRule

#: Words of a batch's hash and of an entry's (BATCH-1, BATCH-2), the tag being word 0.
_COUNT, _PREVRANDAO, _ENTRIES_ROOT = 3, 5, 6
_KIND, _CALL_ID, _CELL_HASH = 1, 2, 9
#: Words of a cell's leaf (STATE-4).
_LEAF_KEY, _LEAF_VERSION = 1, 4
#: Lanes of `words`.
ENTRY, CALL_ID, CALLER, ACTION, MANIFEST = 0, 1, 3, 6, 7
SEED, KEY, CELL, INPUT, ROOT_BEFORE = 8, 9, 10, 11, 12
#: Lanes of the record's first chunk, words of its second from the first that is no copy on.
_HEAD_KIND, _HEAD_CELL, _HEAD_INPUT, _HEAD_BAD = 0, 1, 2, 3
_CELL_LEAF, _VERSION = 10, 11
#: A state of the scan: need 2 | seen 2 | bounds 4 | lowest bad offset, and one more, 11.
_SEEN_AT, _BOUNDS_AT, _BAD_AT = 2, 4, 8
_NO_BOUNDS = (0x80, 0xBF)
#: Second bytes that a lead byte allows, where not all of 80 to bf; by number.
_BOUNDS = (_NO_BOUNDS, (0xA0, 0xBF), (0x80, 0x9F), (0x90, 0xBF), (0x80, 0x8F))
_BOUNDS_OF = {0xE0: 1, 0xED: 2, 0xF0: 3, 0xF4: 4}


def compute_alive(step: Step) -> int:
    """Return 1 if the batch has this call.

    Rule: FRAME-10
    """
    if step.lane:
        return step.filler
    batch = step.reads.read_preimage(step.reads.get_context().batch_hash)
    return 1 if step.address.call < pick(batch, _COUNT) else DEAD


def compute_word(step: Step) -> int:
    """Return a word of the entry, of what follows from it, or of what the call begins with.

    Rule: FRAME-11
    """
    if is_shut(step, None):
        return DEAD
    own, lane = step.own, step.lane
    match lane:
        case 0:
            return _find_entry(step)
        case 8:
            return _find_seed(step)
        case 9:
            return _find_key(step)
        case 10 | 11:
            return pick(ask(step, own[ENTRY]), lane - CELL + _CELL_HASH)
        case 12:
            return find_root_before(step, 0)
        case _ if lane > ROOT_BEFORE:
            return step.filler
        case _:
            return pick(ask(step, own[ENTRY]), lane - CALL_ID + _CALL_ID)


def _find_entry(step: Step) -> int:
    """Return the entry's leaf, down from the root that the batch's hash names.

    Rule: FRAME-11
    """
    batch = step.reads.read_preimage(step.reads.get_context().batch_hash)
    node = pick(batch, _ENTRIES_ROOT)
    for level in range(ENTRIES_HEIGHT - 1, -1, -1):
        node = pick(ask(step, node), step.address.call >> level & 1)
    return node


def _find_seed(step: Step) -> int:
    """Return the call's seed; 0 where nobody published the manifest.

    Rule: FRAME-12
    """
    published = open_manifest(step, step.own[MANIFEST])
    if published is None:
        return step.filler
    if published.manifest.seed_rule is SeedRule.CONSTANT:
        return to_word(published.manifest.seed)
    batch = step.reads.read_preimage(step.reads.get_context().batch_hash)
    return to_word(codec.H("SEED", pick(batch, _PREVRANDAO), step.own[CALL_ID]))


def _find_key(step: Step) -> int:
    """Return the key of the cell that the call meets; 0 where nobody published the manifest.

    Rule: FRAME-12
    """
    published = open_manifest(step, step.own[MANIFEST])
    if published is None:
        return step.filler
    k = 0
    match published.manifest.cell_kind:
        case CellKind.PER_CALLER:
            k = step.own[CALLER]
        case CellKind.NAMED:
            k = pick(ask(step, step.own[ENTRY]), _CELL_HASH)
    return to_word(codec.H("CELL_KEY", step.own[ACTION], k))


def compute_input(step: Step) -> int:
    """Return a byte of the input.

    Rule: FRAME-13
    """
    return DEAD if is_shut(step, None) else _find_byte(step, INPUT)


def _find_byte(step: Step, word: int) -> int:
    """Return a byte of the text whose hash is a word, 0 past its end."""
    words = step.read("words")
    if words is None:
        return step.filler
    data = ask(step, words[word])
    return data[step.lane] if step.lane < len(data) else 0


def compute_scan(step: Step) -> int:
    """Return where the scan of the input stands after a byte: a sequence begun, the first fault.

    Rule: FRAME-14
    """
    if is_shut(step, None):
        return DEAD
    at = step.leaf * INT32_LANES + step.lane
    state = 0
    if step.lane:
        state = step.own[step.lane - 1]
    elif step.leaf:
        leaf = step.read("scan", step.leaf - 1)
        if leaf is None:
            return step.filler
        state = leaf[INT32_LANES - 1]
    text = step.read("input")
    if text is None:
        return step.filler
    return scan_byte(state, at, text[at], step.model.shape.missing)


def scan_byte(state: int, at: int, byte: int, missing: bytes) -> int:
    """Return the scan's state after byte `at`.

    Args:
        state: before it, any number.
        at: its offset.
        byte: 0 to 255.
        missing: bytes that the model has no token for.

    Rule: FRAME-14
    """
    need, seen = state & 3, state >> _SEEN_AT & 3
    bounds, bad = state >> _BOUNDS_AT & 15, state >> _BAD_AT & 0x7FF
    if bad and not need:
        return state
    fault = at if byte < 0x20 or byte == 0x7F or byte in missing else MAX_INPUT_BYTES
    if need:
        low, high = _BOUNDS[bounds] if bounds < len(_BOUNDS) else _NO_BOUNDS
        if low <= byte <= high:
            need, seen = need - 1, seen + 1
        else:
            need, fault = 0, max(at - seen, 0)
    elif byte >= 0x80:
        need, seen = (0xC2 <= byte <= 0xF4) + (0xE0 <= byte <= 0xF4) + (0xF0 <= byte <= 0xF4), 1
        if not need:
            fault = at
    bounds = _BOUNDS_OF.get(byte, 0) if need and seen == 1 else 0
    if not need:
        seen = 0
    if fault < MAX_INPUT_BYTES:
        bad = min(bad or MAX_INPUT_BYTES + 1, fault + 1)
    return need | seen << _SEEN_AT | bounds << _BOUNDS_AT | bad << _BAD_AT


def find_fault(state: int, length: int) -> int:
    """Return the lowest bad offset of a text that ends after `length` bytes; -1 if it is good.

    Args:
        state: the scan's after the last byte, any number.
        length: from 1 on.

    Rule: FRAME-15
    """
    if state & 3:
        return max(length - (state >> _SEEN_AT & 3), 0)
    return (state >> _BAD_AT & 0x7FF) - 1


def compute_path(step: Step) -> int:
    """Return the node at a depth on the way to the cell in the state before the call.

    Rule: FRAME-19
    """
    if is_shut(step, None):
        return DEAD
    return find_node(step, ("words", ROOT_BEFORE), (None, KEY))


def compute_head(step: Step) -> int:
    """Return a lane of the record's first chunk: kind, bytes of cell and input, what is bad.

    Rule: FRAME-15
    """
    if is_shut(step, None):
        return DEAD
    if step.lane > _HEAD_BAD:
        return step.filler
    words = step.read("words")
    if words is None:
        return step.filler
    match step.lane:
        case 0:
            return pick(ask(step, words[ENTRY]), _KIND)
        case 1:
            return len(ask(step, words[CELL]))
        case 2:
            return len(ask(step, words[INPUT]))
    length = min(len(ask(step, words[INPUT])), MAX_INPUT_BYTES)
    if not length:
        return -1
    scan = step.read("scan", (length - 1) // INT32_LANES)
    if scan is None:
        return step.filler
    return find_fault(scan[(length - 1) % INT32_LANES], length)


def compute_record_word(step: Step) -> int:
    """Return a word of the record's second chunk: copies, the cell's leaf and version.

    Rule: FRAME-16
    """
    if is_shut(step, None):
        return DEAD
    if step.lane > _VERSION:
        return step.filler
    if step.lane == _VERSION:
        return pick(ask(step, step.own[_CELL_LEAF]), _LEAF_VERSION)
    if step.lane < _CELL_LEAF:
        words = step.read("words")
        return step.filler if words is None else words[step.lane]
    path = step.read("path", KEY_BITS // WORDS - 1)
    if path is None:
        return step.filler
    found, data = descend(step, path[WORDS - 1], KEY_BITS - 1, (None, KEY))
    if not found:
        return 0
    if data is None:
        data = ask(step, found)
    words = step.read("words")
    return found if words is not None and pick(data, _LEAF_KEY) == words[KEY] else 0


def compute_cell_byte(step: Step) -> int:
    """Return a byte of the cell's name.

    Rule: FRAME-13
    """
    return DEAD if is_shut(step, None) else _find_byte(step, CELL)


def compute_input_byte(step: Step) -> int:
    """Return a byte of the input, for the record.

    Rule: FRAME-13
    """
    if is_shut(step, None):
        return DEAD
    text = step.read("input")
    return step.filler if text is None else text[step.lane]


#: Op -> step.
OPS: Mapping[int, Op] = MappingProxyType(
    dict(
        enumerate(
            (
                compute_alive,
                compute_word,
                compute_input,
                compute_scan,
                compute_path,
                compute_head,
                compute_record_word,
                compute_cell_byte,
                compute_input_byte,
            ),
            64,
        )
    )
)
