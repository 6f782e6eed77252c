"""Steps of a state's record: the stored cell, the values the call met, their JSON byte by byte.

A *place* is 64 i + t: item t of array field i; a scalar field has place 64 i alone. An empty array
has it too, for the text before it. Each place owns a span of the JSON: what stands before its
scalar, then the scalar; so a byte follows from its place, that one's end, and the scalar's length.
"""

from __future__ import annotations

from collections.abc import Mapping

from oyez.protocol import codec, schema
from oyez.protocol.constants import MAX_FIELDS, MAX_ITEMS, MAX_STRING_BYTES
from oyez.protocol.inner import DEAD
from oyez.protocol.inner_frame import PLACES, Frame
from oyez.protocol.step import Lanes, Op, Step
from oyez.protocol.step_frame import (
    NODE_BYTES,
    ask,
    is_shut,
    pick,
    read_record,
    to_hash,
    to_word,
)
from oyez.protocol.step_machine import open_manifest
from oyez.protocol.trace import INT32_LANES, WORDS, ChunkType
from oyez.protocol.types import Field, FieldType

#: Second chunk of the entry's record, and words of it.
_WORDS = 1
_MANIFEST, _CELL_LEAF = 7, 10
#: Bytes of a word; words of a cell's and of a field's leaf: tag, then as named.
_WORD = 32
_LEAF_WORDS = 5
_CELL_MANIFEST, _CELL_FIELDS, _CELL_VERSION = 2, 3, 4
_FIELD_NAME, _FIELD_TYPE, _FIELD_WORD = 2, 3, 4
#: Lane of `cell` that is the fields' root.
_FIELDS = 1
#: First leaf of the fields' tree, as a node in heap order.
_FIRST_LEAF = MAX_FIELDS
_MOST = (1 << 31) - 1
#: Owners of a JSON's last bytes: the closing brace, and the bracket before it.
BRACE, BRACKET = -1, -2


def _read_fields(step: Step) -> tuple[Field, ...]:
    """Read the fields of the entry's manifest; none if nobody published it.

    Rule: FRAME-20
    """
    words = read_record(step, Frame.ENTRY, _WORDS, ChunkType.BYTES32)
    found = None if words is None else open_manifest(step, words[_MANIFEST])
    return () if found is None else found.manifest.fields


def _read_leaf(step: Step, name: str, word: int, at: int) -> int:
    """Read a word of the leaf, of a cell or a field, that a word is the hash of; 0 of none."""
    data = ask(step, word)
    is_leaf = len(data) == _LEAF_WORDS * _WORD and data[:_WORD] == codec.tag(name)
    return pick(data, at) if is_leaf else 0


def compute_cell(step: Step) -> int:
    """Return the stored cell's manifest hash, fields' root or version; all 0 where it is absent.

    Rule: FRAME-21
    """
    if is_shut(step, Frame.ENTRY):
        return DEAD
    if step.lane > _CELL_VERSION - _CELL_MANIFEST:
        return step.filler
    words = read_record(step, Frame.ENTRY, _WORDS, ChunkType.BYTES32)
    if words is None:
        return step.filler
    return _read_leaf(step, "CELL", words[_CELL_LEAF], _CELL_MANIFEST + step.lane)


def compute_node(step: Step) -> int:
    """Return a node of the stored cell's fields, in heap order.

    Rule: FRAME-22
    """
    if is_shut(step, Frame.ENTRY):
        return DEAD
    node = WORDS * step.leaf + step.lane
    if node == 0:
        return 0
    if node == 1:
        cell = step.read("cell")
        return step.filler if cell is None else cell[_FIELDS]
    above = step.own if node < _FIRST_LEAF else step.read("node")
    if above is None:
        return step.filler
    data = ask(step, above[node >> 1])
    return pick(data, node & 1) if len(data) == NODE_BYTES else 0


def compute_stored_name(step: Step) -> int:
    """Return the hash of a stored field's name.

    Rule: FRAME-23
    """
    return _compute_stored(step, _FIELD_NAME)


def compute_stored_type(step: Step) -> int:
    """Return a stored field's type hash.

    Rule: FRAME-23
    """
    return _compute_stored(step, _FIELD_TYPE)


def compute_stored(step: Step) -> int:
    """Return a stored field's value word.

    Rule: FRAME-23
    """
    return _compute_stored(step, _FIELD_WORD)


def _compute_stored(step: Step, at: int) -> int:
    if is_shut(step, Frame.ENTRY):
        return DEAD
    leaves = step.read("node", 1)
    if leaves is None:
        return step.filler
    return _read_leaf(step, "FIELD", leaves[step.lane], at)


def compute_value(step: Step) -> int:
    """Return the word of a value that the call met: stored, migrated or initial.

    Rule: FRAME-24
    """
    if is_shut(step, Frame.ENTRY):
        return DEAD
    fields = _read_fields(step)
    if step.lane >= len(fields):
        return step.filler
    field = fields[step.lane]
    names = step.read("stored_name")
    types = None if names is None else step.read("stored_type")
    if names is None or types is None:
        return step.filler
    wanted = to_word(codec.keccak(field.name)), to_word(schema.compute_type_hash(field))
    for place in range(MAX_FIELDS):
        if (names[place], types[place]) == wanted:
            words = step.read("stored")
            return step.filler if words is None else words[place]
    return to_word(schema.compute_value_word(field, field.initial))


def compute_item(step: Step) -> int:
    """Return an item's word of an array, or a scalar's own.

    Rule: FRAME-25
    """
    if is_shut(step, Frame.ENTRY):
        return DEAD
    index, item = divmod(WORDS * step.leaf + step.lane, MAX_ITEMS)
    fields = _read_fields(step)
    if index >= len(fields):
        return step.filler
    is_array = fields[index].type is FieldType.ARRAY
    values = step.read("value") if is_array or item == 0 else None
    if values is None:
        return step.filler
    if not is_array:
        return values[index]
    items = _read_items(step, values[index])
    return pick(items, item) if item < len(items) // _WORD else step.filler


def _read_items(step: Step, word: int) -> bytes:
    """Read an array's joined words: nothing if it is no run of at most 64 words."""
    data = step.reads.read_preimage(to_hash(word))
    return b"" if len(data) % _WORD or len(data) > MAX_ITEMS * _WORD else data


def compute_count(step: Step) -> int:
    """Return how many items a field has; 1 of a scalar.

    Rule: FRAME-26
    """
    if is_shut(step, Frame.ENTRY):
        return DEAD
    if step.lane >= MAX_FIELDS:
        return step.filler
    fields = _read_fields(step)
    if step.lane >= len(fields):
        return step.filler
    if fields[step.lane].type is not FieldType.ARRAY:
        return 1
    values = step.read("value")
    return step.filler if values is None else len(_read_items(step, values[step.lane])) // _WORD


def compute_length(step: Step) -> int:
    """Return how many bytes of JSON a scalar takes, quotes included.

    Rule: FRAME-27
    """
    if is_shut(step, Frame.ENTRY):
        return DEAD
    index, item = divmod(INT32_LANES * step.leaf + step.lane, MAX_ITEMS)
    counts = step.read("count")
    if counts is None or not _is_place(counts, index, item):
        return step.filler
    if counts[index] == 0:
        return 0
    text = _read_text(step, index, item)
    return step.filler if text is None else len(text)


def _is_place(counts: Lanes, index: int, item: int) -> bool:
    """Say whether a field has a place for an item; an empty array has one."""
    count = counts[index]
    return count >= 0 and item < max(count, 1)


def _read_text(step: Step, index: int, item: int) -> bytes | None:
    """Read a scalar's JSON: its field, its word, and what a string's or option's word is of.

    Rule: FRAME-27
    """
    fields = _read_fields(step)
    if index >= len(fields):
        return None
    leaf, lane = divmod(MAX_ITEMS * index + item, WORDS)
    words = step.read("item", leaf)
    if words is None:
        return None
    word = words[lane]
    match fields[index].base:
        case FieldType.BOOLEAN:
            return b"true" if word else b"false"
        case FieldType.INTEGER:
            return b"%d" % word
        case _:
            data = step.reads.read_preimage(to_hash(word))
            return b'"' + (data if len(data) <= MAX_STRING_BYTES else b"") + b'"'


def compute_end(step: Step) -> int:
    """Return the offset in the JSON after a place's scalar.

    Rule: FRAME-28
    """
    if is_shut(step, Frame.ENTRY):
        return DEAD
    place = INT32_LANES * step.leaf + step.lane
    index, item = divmod(place, MAX_ITEMS)
    before = _read_before(step, "end") if place else 0
    counts = None if before is None else step.read("count")
    if before is None or counts is None:
        return step.filler
    before = max(0, before)
    if not _is_place(counts, index, item):
        return before
    head = _read_head(step, index, item)
    lengths = None if head is None else step.read("length", step.leaf)
    if head is None or lengths is None:
        return step.filler
    return min(before + len(head) + max(0, lengths[step.lane]), _MOST)


def _read_before(step: Step, name: str) -> int | None:
    """Read the lane before this one of the same region, which has one."""
    if step.lane:
        return step.own[step.lane - 1]
    leaf = step.read(name, step.leaf - 1)
    return None if leaf is None else leaf[INT32_LANES - 1]


def _read_head(step: Step, index: int, item: int) -> bytes | None:
    """Read what stands in a span before its scalar; None where there is no such field."""
    if item:
        return b", "
    fields = _read_fields(step)
    if index >= len(fields):
        return None
    field = fields[index]
    closing = b"]" if index and fields[index - 1].type is FieldType.ARRAY else b""
    opening = b"[" if field.type is FieldType.ARRAY else b""
    return b'%s%s"%s": %s' % (closing, b", " if index else b"{", field.name, opening)


def compute_owner(step: Step) -> int:
    """Return the place whose span holds a byte of the JSON.

    Rule: FRAME-29
    """
    if is_shut(step, Frame.ENTRY):
        return DEAD
    byte = INT32_LANES * step.leaf + step.lane
    if byte == 0:
        return step.filler if step.read("count") is None else 0
    place = _read_before(step, "owner")
    if place == BRACKET:
        return BRACE
    if place is None or not 0 <= place < PLACES:
        return step.filler
    ends = step.read("end", place // INT32_LANES)
    if ends is None or ends[place % INT32_LANES] > byte:
        return step.filler if ends is None else place
    counts = step.read("count")
    if counts is None:
        return step.filler
    index, item = divmod(place, MAX_ITEMS)
    if item + 1 < min(counts[index], MAX_ITEMS):
        return place + 1
    if index + 1 < MAX_FIELDS and counts[index + 1] >= 0:
        return MAX_ITEMS * (index + 1)
    fields = _read_fields(step)
    if index >= len(fields):
        return step.filler
    return BRACKET if fields[index].type is FieldType.ARRAY else BRACE


def compute_head(step: Step) -> int:
    """Return a lane of the record's first chunk: fields, bytes of the JSON.

    Rule: FRAME-30
    """
    if is_shut(step, Frame.ENTRY):
        return DEAD
    if step.lane > 1:
        return step.filler
    fields = _read_fields(step)
    if not fields:
        return step.filler
    if step.lane == 0:
        return len(fields)
    ends = step.read("end", PLACES // INT32_LANES - 1)
    if ends is None:
        return step.filler
    closing = 2 if fields[-1].type is FieldType.ARRAY else 1
    return min(max(0, ends[INT32_LANES - 1]) + closing, _MOST)


def compute_values(step: Step) -> int:
    """Return a word of the record's second chunk: a value's.

    Rule: FRAME-31
    """
    if is_shut(step, Frame.ENTRY):
        return DEAD
    values = step.read("value")
    return step.filler if values is None else values[step.lane]


def compute_json(step: Step) -> int:
    """Return a byte of the state's JSON.

    Rule: FRAME-32
    """
    if is_shut(step, Frame.ENTRY):
        return DEAD
    leaf, lane = divmod(WORDS * _WORD * step.leaf + step.lane, INT32_LANES)
    owners = step.read("owner", leaf)
    place = None if owners is None else owners[lane]
    if place in (BRACE, BRACKET):
        return ord("}" if place == BRACE else "]")
    if place is None or not 0 <= place < PLACES:
        return step.filler
    text, at = _read_span(step, place, INT32_LANES * leaf + lane)
    return text[at] if text is not None and 0 <= at < len(text) else step.filler


def _read_span(step: Step, place: int, byte: int) -> tuple[bytes | None, int]:
    """Read the part of a place's span that a byte of the JSON lies in, and where in it."""
    leaf, lane = divmod(place, INT32_LANES)
    ends = step.read("end", leaf)
    lengths = None if ends is None else step.read("length", leaf)
    if ends is None or lengths is None or ends[lane] <= byte:
        return None, 0
    index, item = divmod(place, MAX_ITEMS)
    length = max(0, lengths[lane])
    first = ends[lane] - length
    if byte >= first:
        return _read_text(step, index, item), byte - first
    head = _read_head(step, index, item)
    return head, 0 if head is None else byte - (first - len(head))


OPS: Mapping[int, Op] = {
    80: compute_cell,
    81: compute_node,
    82: compute_stored_name,
    83: compute_stored_type,
    84: compute_stored,
    85: compute_value,
    86: compute_item,
    87: compute_count,
    88: compute_length,
    89: compute_end,
    90: compute_owner,
    91: compute_head,
    92: compute_values,
    93: compute_json,
}
