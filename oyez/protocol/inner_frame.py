"""Inner traces of the records around a call's tokens: prologue, epilogue, a batch's last record.

No layout here follows from the model's shape: all are constants. docs/spec/frame.md says what the
lanes are.
"""

from __future__ import annotations

import functools
from enum import IntEnum

from oyez.protocol import inner
from oyez.protocol.constants import (
    CHUNKS_PER_RECORD,
    KEY_BITS,
    LAST_POSITION,
    MAX_EXPRESSION_OPS,
    MAX_EXPRESSIONS,
    MAX_FIELDS,
    MAX_INPUT_BYTES,
    MAX_ITEMS,
    MAX_OUTPUT_BYTES,
    MAX_STATE_BYTES,
    OUTER_HEIGHT,
)
from oyez.protocol.inner import POSITIONS, WALK_WORDS, Layout, Region
from oyez.protocol.trace import INT32_LANES, WORDS, ChunkType, compute_outer_index

#: A batch's very last record.
LAST_RECORD = (1 << OUTER_HEIGHT) - 1
#: Bytes of a chunk of text.
TEXT = 32 * WORDS
#: Places of scalars in a state: each field has as many as an array may have items.
PLACES = MAX_FIELDS * MAX_ITEMS


class Frame(IntEnum):
    """The kinds of records around the tokens, each by the number of its first op."""

    ENTRY = 64
    STATE = 80
    PROMPT = 96
    OUTPUT = 112
    ROOTS = 144
    LAST = 160


#: Kind -> (position, slot).
PLACE = {
    Frame.ENTRY: (0, 0),
    Frame.STATE: (0, 1),
    Frame.PROMPT: (0, 2),
    Frame.OUTPUT: (LAST_POSITION, 0),
    Frame.ROOTS: (LAST_POSITION, 1),
}
_KIND = {place: kind for kind, place in PLACE.items()}

#: name, type, leaves, kinds of the lanes in the order in which they first stand there.
_Plan = tuple[str, ChunkType, int, tuple[str, ...]]
_I, _W, _T = ChunkType.INT32, ChunkType.BYTES32, ChunkType.BYTES
_PATH_LEAVES = KEY_BITS // WORDS
_TEXT_LEAVES = MAX_STATE_BYTES // TEXT

#: Kind -> (regions, chunks of the record).
_PLANS: dict[Frame, tuple[tuple[_Plan, ...], tuple[_Plan, ...]]] = {
    Frame.ENTRY: (
        (
            ("alive", _I, 1, ("alive",)),
            ("words", _W, 1, ("entry word",)),
            ("input", _T, 1, ("input byte",)),
            ("scan", _I, MAX_INPUT_BYTES // INT32_LANES, ("scan",)),
            ("path", _W, _PATH_LEAVES, ("state path",)),
        ),
        (
            ("entry_head", _I, 1, ("entry head",)),
            ("entry_words", _W, 1, ("entry record word",)),
            ("entry_cell", _T, 1, ("cell name byte",)),
            ("entry_input", _T, 1, ("entry input byte",)),
        ),
    ),
    Frame.STATE: (
        (
            ("cell", _W, 1, ("stored cell",)),
            ("node", _W, 2, ("field path",)),
            ("stored_name", _W, 1, ("stored name",)),
            ("stored_type", _W, 1, ("stored type",)),
            ("stored", _W, 1, ("stored value",)),
            ("value", _W, 1, ("met value",)),
            ("item", _W, PLACES // WORDS, ("item",)),
            ("count", _I, 1, ("item count",)),
            ("length", _I, PLACES // INT32_LANES, ("item length",)),
            ("end", _I, PLACES // INT32_LANES, ("item end",)),
            ("owner", _I, MAX_STATE_BYTES // INT32_LANES, ("byte owner",)),
        ),
        (
            ("state_head", _I, 1, ("state head",)),
            ("state_values", _W, 1, ("state record value",)),
            ("state_json", _T, _TEXT_LEAVES, ("state byte",)),
        ),
    ),
    Frame.PROMPT: (
        (("cursor", _I, 2 * POSITIONS // INT32_LANES, ("prompt token", "prompt cursor")),),
        (
            ("prompt_head", _I, 1, ("prompt head",)),
            ("prompt_tokens", _I, POSITIONS // INT32_LANES, ("prompt record token",)),
        ),
    ),
    Frame.OUTPUT: (
        (
            ("ends", _I, MAX_OUTPUT_BYTES // INT32_LANES + 1, ("output end",)),
            ("output_owner", _I, MAX_OUTPUT_BYTES // INT32_LANES, ("output owner",)),
            ("text", _T, 1, ("output byte",)),
            (
                "parse",
                _W,
                MAX_OUTPUT_BYTES * WALK_WORDS // WORDS,
                ("parsed byte", "parsed magnitude"),
            ),
            ("latest", _I, MAX_OUTPUT_BYTES // INT32_LANES, ("latest end",)),
            ("chain", _I, 2 * MAX_OUTPUT_BYTES // INT32_LANES, ("scalar end", "scalar place")),
            ("scalar", _W, MAX_OUTPUT_BYTES // WORDS, ("scalar",)),
            (
                "place",
                _I,
                1,
                ("field place", "field items", "output ending", "option spelling"),
            ),
            ("written", _W, 1, ("written value",)),
            ("op", _W, MAX_EXPRESSIONS * MAX_EXPRESSION_OPS // WORDS, ("operation",)),
            ("fail", _I, MAX_EXPRESSIONS * MAX_EXPRESSION_OPS // INT32_LANES, ("failure",)),
            ("verdict", _I, 1, ("failed expression", "failed guard")),
            ("merged", _W, 1, ("merged value",)),
        ),
        (
            ("output_head", _I, 1, ("output head",)),
            ("output_values", _W, 1, ("value after",)),
            ("output_text", _T, 1, ("output record byte",)),
        ),
    ),
    Frame.ROOTS: (
        (
            ("field_part", _W, 2, ("field name", "field type")),
            ("field", _W, 2, ("field node",)),
            ("cell_after", _W, 1, ("cell after",)),
            ("path", _W, _PATH_LEAVES, ("path before",)),
            ("path_end", _W, 1, ("path end",)),
            ("depth", _I, 1, ("path depth",)),
            ("sibling", _W, _PATH_LEAVES, ("path sibling",)),
            ("new_path", _W, _PATH_LEAVES + 1, ("new node",)),
        ),
        (
            ("roots_head", _I, 1, ("roots head",)),
            ("roots_words", _W, 1, ("roots word",)),
        ),
    ),
    Frame.LAST: ((), (("last_words", _W, 1, ("last word",)),)),
}


def find_frame(record: int) -> Frame | None:
    """Return the kind of a record around the tokens; None of any other.

    Rule: FRAME-1
    """
    if record == LAST_RECORD:
        return Frame.LAST
    return _KIND.get((inner.get_position(record), inner.get_slot(record)))


def get_record(call: int, frame: Frame) -> int:
    """Return the index of a call's record in the outer trace; LAST is the batch's one."""
    if frame is Frame.LAST:
        return LAST_RECORD
    return compute_outer_index(call, *PLACE[frame])


@functools.cache
def layout_frame(frame: Frame, height: int) -> Layout:
    """Return where the lanes of such a record stand.

    Rule: FRAME-2
    """
    plans, record = _PLANS[frame]
    regions, at, op = [], 0, int(frame)
    for name, kind, leaves, kinds in plans:
        regions.append(Region(name, op, kind, leaves, at, kinds))
        at, op = at + leaves, op + 1
    at = (1 << height) - CHUNKS_PER_RECORD
    for name, kind, leaves, kinds in record:
        regions.append(Region(name, op, kind, leaves, at, kinds))
        at, op = at + leaves, op + 1
    return Layout(tuple(regions), height)
