"""Steps that find the scalars of an output: where each ends, what it is, the written fields' words.

The record's lanes before these say what state the byte machine is in after each byte of the output.
A scalar ends with its closing quote, its last letter, or the byte after an integer. The scalars
form a chain from the output's end backwards; so the fields are counted from the last one down.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from oyez.protocol import codec
from oyez.protocol.constants import MAX_FIELDS, MAX_ITEMS, MAX_OUTPUT_BYTES
from oyez.protocol.inner import DEAD, WALK_WORDS
from oyez.protocol.inner_frame import Frame, get_record
from oyez.protocol.machine import Phase
from oyez.protocol.machine_words import unpack_word
from oyez.protocol.manifest_layout import HEADER_BYTES
from oyez.protocol.step import Lanes, Op, Step
from oyez.protocol.step_machine import WALK_BYTES, Published, open_manifest
from oyez.protocol.trace import INT32_LANES, WORDS, ChunkType
from oyez.protocol.types import FieldType, Hash32, Role

#: Word of the entry's record that names the manifest.
MANIFEST = 7
#: Lanes of `place` after those of the fields: the output's tokens and bytes, the phase at its end,
#: the field that stands there, an index in the manifest, and where the fields' options are spelt.
COUNT, BYTES, PHASE, UNENDED, SPELT = range(2 * MAX_FIELDS, 2 * MAX_FIELDS + 5)
#: Scalars whose places stand in one leaf of the chain.
_LINKS = INT32_LANES // 2
_MOST_SCALARS = MAX_OUTPUT_BYTES
_LAST_ENDS = MAX_OUTPUT_BYTES // INT32_LANES
_MOST_TOKENS = INT32_LANES * (_LAST_ENDS + 1)
_LAST_LATEST = MAX_OUTPUT_BYTES // INT32_LANES - 1
_QUOTE = 0x22
#: Of a manifest.
CONSTANT_BYTES = 32
_ITEMS = 0xFF
_FIELD_AT = 8


def read_prompt(step: Step) -> Lanes | None:
    """Read the head of the call's prompt."""
    return step.reads.read_outer(get_record(step.address.call, Frame.PROMPT), 0, ChunkType.INT32)


def read_entry(step: Step) -> Lanes | None:
    """Read the words of the call's entry."""
    return step.reads.read_outer(get_record(step.address.call, Frame.ENTRY), 1, ChunkType.BYTES32)


def read_manifest(step: Step) -> Published | None:
    """Read the call's manifest; None if nobody published it."""
    words = read_entry(step)
    return None if words is None else open_manifest(step, words[MANIFEST])


def compute_latest(step: Step) -> int:
    """Return the last offset up to this one at which a scalar ended, -1 if there is none.

    Rule: FRAME-52
    """
    at = step.leaf * INT32_LANES + step.lane
    if at == 0:
        return DEAD if read_prompt(step) is None else -1
    if step.lane:
        before = step.own[step.lane - 1]
    else:
        previous = step.read("latest", step.leaf - 1)
        if previous is None:
            return DEAD
        before = previous[INT32_LANES - 1]
    ended = unpack_word(_read_parse(step, at - 1)[0])
    after = unpack_word(_read_parse(step, at)[0])
    inside = ended.phase in (Phase.STRING, Phase.INTEGER)
    # a choice that nothing was chosen of yet ends with the bracket of its array
    inside |= ended.phase == Phase.CHOICE and ended.length > 0
    return at if inside and after.alive and after.phase != ended.phase else before


def _read_parse(step: Step, at: int) -> tuple[int, int]:
    """Return word and magnitude after a byte of the output; 0 where there are none."""
    leaf, byte = divmod(at, WALK_BYTES)
    words = step.read("parse", leaf)
    if words is None:
        return 0, 0
    return words[byte * WALK_WORDS], words[byte * WALK_WORDS + 1]


def compute_chain(step: Step) -> int:
    """Return where the k-th scalar from the output's end ended, or its written field and item.

    Rule: FRAME-53
    """
    if step.lane & 1:
        end = step.own[step.lane - 1]
        if not 1 <= end < MAX_OUTPUT_BYTES:
            return step.filler
        parts = unpack_word(_read_parse(step, end - 1)[0])
        return parts.field << _FIELD_AT | parts.items
    before = _find_link_before(step)
    if before is None or not 1 <= before <= MAX_OUTPUT_BYTES:
        return step.filler
    leaf, lane = divmod(before - 1, INT32_LANES)
    latest = step.read("latest", leaf)
    if latest is None or not 0 <= latest[lane] < MAX_OUTPUT_BYTES:
        return step.filler
    return latest[lane]


def _find_link_before(step: Step) -> int | None:
    """Return where the scalar after this one ended; of the last one, the most bytes there are."""
    if step.lane:
        return step.own[step.lane - 2]
    if not step.leaf:
        return MAX_OUTPUT_BYTES
    previous = step.read("chain", step.leaf - 1)
    return None if previous is None else previous[INT32_LANES - 2]


def compute_scalar(step: Step) -> int:
    """Return the word of the k-th scalar from the output's end.

    Rule: FRAME-54
    """
    leaf, link = divmod(step.leaf * WORDS + step.lane, _LINKS)
    chain = step.read("chain", leaf)
    if chain is None or not 1 <= chain[2 * link] < MAX_OUTPUT_BYTES:
        return step.filler
    end = chain[2 * link]
    word, magnitude = _read_parse(step, end - 1)
    parts = unpack_word(word)
    if parts.phase == Phase.INTEGER:
        return to_word(-magnitude if parts.negative == 1 else magnitude)
    if parts.phase not in (Phase.STRING, Phase.CHOICE):
        return step.filler
    text = step.read("text")
    if text is None:
        return step.filler
    if parts.phase == Phase.CHOICE and text[end] != _QUOTE:
        return magnitude
    first = max(0, end - parts.length)
    return to_word(codec.keccak(bytes(text[at] for at in range(first, end))))


def to_word(value: int | bytes) -> int:
    """Return a word as the signed integer that its lane is; an integer's lowest 256 bits."""
    number = int.from_bytes(value, "big") if isinstance(value, bytes) else value
    return (number + (1 << 255)) % (1 << 256) - (1 << 255)


def compute_place(step: Step) -> int:
    """Return where a written field's items begin in the chain, how many there are, and the end.

    Rule: FRAME-55, FRAME-56
    """
    lane = step.lane
    if lane == 0:
        return DEAD if read_prompt(step) is None else 0
    if lane < COUNT:
        if not lane & 1:
            return step.own[lane - 2] + step.own[lane - 1]
        return _count_items(step, MAX_FIELDS - 1 - (lane >> 1), step.own[lane - 1])
    match lane:
        case 64:
            ends = step.read("ends", _LAST_ENDS)
            return step.filler if ends is None else -1 - ends[INT32_LANES - 1]
        case 65:
            return _read_bytes(step, step.own[COUNT])
        case 66 | 67:
            return _read_ending(step, step.own[BYTES])
        case _ if lane < SPELT + MAX_FIELDS:
            return _find_spelling(step, lane - SPELT)
        case _:
            return step.filler


def _count_items(step: Step, field: int, first: int) -> int:
    """Return the items of a written field whose last one has this place in the chain."""
    if not 0 <= first < _MOST_SCALARS:
        return 0
    leaf, link = divmod(first, _LINKS)
    chain = step.read("chain", leaf)
    if chain is None or chain[2 * link + 1] >> _FIELD_AT != field:
        return 0
    return (chain[2 * link + 1] & _ITEMS) + 1


def _read_bytes(step: Step, count: int) -> int:
    """Return the output's bytes, those after its last token."""
    if not 1 <= count <= _MOST_TOKENS:
        return 0
    leaf, lane = divmod(count - 1, INT32_LANES)
    ends = step.read("ends", leaf)
    return step.filler if ends is None else ends[lane]


def _read_ending(step: Step, length: int) -> int:
    """Return the phase after the output's last byte, or the field that has not ended there."""
    word = _read_parse(step, length - 1)[0] if 1 <= length <= MAX_OUTPUT_BYTES else 0
    parts = unpack_word(word)
    if step.lane == PHASE:
        return parts.phase
    published = read_manifest(step)
    if published is None or parts.field >= len(published.written):
        return step.filler
    return published.machine.written[parts.field]


def _find_spelling(step: Step, index: int) -> int:
    """Return where in the manifest a field's options begin: behind its name."""
    published = read_manifest(step)
    fields = () if published is None else published.manifest.fields
    if published is None or index >= len(fields):
        return step.filler
    if index == 0:
        at = HEADER_BYTES + CONSTANT_BYTES * len(published.manifest.constants)
    else:
        before = fields[index - 1]
        at = step.own[step.lane - 1] + sum(map(len, before.options))
        if before.type is FieldType.STRING and isinstance(before.initial, bytes):
            at += len(before.initial)
    return at + len(fields[index].name)


def compute_written(step: Step) -> int:
    """Return the value word of a field that the model writes; dead if the output is not whole.

    Rule: FRAME-57
    """
    place = step.read("place")
    if place is None or (step.lane == 0 and place[PHASE] != Phase.END):
        return step.filler
    published = read_manifest(step)
    fields = () if published is None else published.manifest.fields
    if published is None or step.lane >= len(fields) or fields[step.lane].role is not Role.WRITES:
        return 0
    number = MAX_FIELDS - 1 - published.machine.written.index(step.lane)
    first, items = place[2 * number], place[2 * number + 1]
    if fields[step.lane].type is not FieldType.ARRAY:
        items = min(items, 1)
    if not 0 <= items <= MAX_ITEMS or not 0 <= first <= _MOST_SCALARS - items:
        return 0
    # the leaves are read from the array's last item on, which comes first in the chain
    words = [_read_scalar(step, first + item) for item in range(items)]
    if fields[step.lane].type is not FieldType.ARRAY:
        return words[0] if words else 0
    joined = b"".join(Hash32(codec.encode_word(word)) for word in reversed(words))
    return to_word(codec.keccak(joined))


def _read_scalar(step: Step, number: int) -> int:
    """Return the word of a scalar of the chain; 0 where there is none."""
    leaf, word = divmod(number, WORDS)
    scalars = step.read("scalar", leaf)
    return 0 if scalars is None else scalars[word]


OPS: Mapping[int, Op] = MappingProxyType(
    {
        116: compute_latest,
        117: compute_chain,
        118: compute_scalar,
        119: compute_place,
        120: compute_written,
    }
)
