"""Steps of a prompt's record: token after token of the manifest's segments, slots read greedily.

A *cursor* says where the prompt stands: segment << 16 | offset, in tokens of a literal, in bytes of
a slot's text. Below 0 the prompt has ended: -1 - n, n being its tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from oyez.protocol.constants import MAX_INPUT_BYTES, MAX_STATE_BYTES, MAX_TOKEN_BYTES
from oyez.protocol.inner import DEAD
from oyez.protocol.inner_frame import TEXT, Frame
from oyez.protocol.step import Lanes, Op, Step
from oyez.protocol.step_frame import read_record
from oyez.protocol.step_machine import open_manifest
from oyez.protocol.step_vocabulary import find_match
from oyez.protocol.trace import INT32_LANES, PAD_INT32, ChunkType
from oyez.protocol.types import SegmentKind

#: Tokens whose lanes stand in one leaf of `cursor`, and its last leaf.
CURSOR_TOKENS = INT32_LANES // 2
_LAST_CURSOR = 15
_OFFSET_BITS = 16
_OFFSET = (1 << _OFFSET_BITS) - 1
#: An entry's record: chunks, a lane of its head, words.
_HEAD, _WORDS, _INPUT = 0, 1, 3
_BAD = 3
_TIMESTAMP, _CALLER, _VALUE, _MANIFEST = 2, 3, 4, 7
#: A state's record: the first chunk of its JSON.
_JSON = 2
#: Lanes of a prompt's head.
_TOKENS, _RAN = 0, 1


def compute_cursor(step: Step) -> int:
    """Return a token of the prompt, or where the prompt stands after it (odd lanes).

    Rule: FRAME-35, FRAME-36, FRAME-37, TRANSITION-2
    """
    cursor = _find_cursor(step)
    if cursor is None:
        return step.filler
    if cursor < 0:
        return cursor if step.lane & 1 else PAD_INT32
    words = read_record(step, Frame.ENTRY, _WORDS, ChunkType.BYTES32)
    published = None if words is None else open_manifest(step, words[_MANIFEST])
    if words is None or published is None:
        return PAD_INT32
    segments = published.manifest.segments
    segment, offset = cursor >> _OFFSET_BITS, cursor & _OFFSET
    while segment < len(segments):
        kind = segments[segment].kind
        if kind is SegmentKind.LITERAL:
            rest = segments[segment].tokens[offset:]
            if rest:
                return _answer(step, rest[0], segment, offset + 1, len(rest) == 1)
        else:
            text = _read_text(step, kind, words, offset)
            if text:
                return _cut(step, text, segment, offset)
        segment, offset = segment + 1, 0
    number = step.leaf * CURSOR_TOKENS + step.lane // 2
    return -1 - number if step.lane & 1 else PAD_INT32


def _find_cursor(step: Step) -> int | None:
    """Return where the prompt stands before this lane's token; None if there is no prompt.

    Rule: FRAME-36
    """
    if step.lane >= 2:
        return step.own[(step.lane | 1) - 2]
    if step.leaf:
        before = step.read("cursor", step.leaf - 1)
        return None if before is None else before[INT32_LANES - 1]
    if step.lane == 0:
        head = read_record(step, Frame.ENTRY, _HEAD, ChunkType.INT32)
        return 0 if head is not None and head[_BAD] == -1 else None
    return 0


def _answer(step: Step, token: int, segment: int, offset: int, is_last: bool) -> int:
    """Return the token, or where the prompt stands after it: past a segment's end the next one."""
    if not step.lane & 1:
        return token
    return (segment + 1) << _OFFSET_BITS if is_last else segment << _OFFSET_BITS | offset


def _cut(step: Step, text: bytes, segment: int, offset: int) -> int:
    """Return the greedy token that a slot's text begins with here, or where it ends.

    Rule: FRAME-39, INNER-56
    """
    match = find_match(step, text[:MAX_TOKEN_BYTES])
    if match is None:
        return PAD_INT32
    return _answer(step, match.token, segment, offset + match.length, match.length == len(text))


def _read_text(step: Step, kind: SegmentKind, words: Lanes, offset: int) -> bytes:
    """Return a slot's text from an offset on: one byte more than a token has, if it has as many.

    Rule: FRAME-38
    """
    most = MAX_TOKEN_BYTES + 1
    if kind is SegmentKind.STATE:
        frame, first, chunks = Frame.STATE, _JSON, MAX_STATE_BYTES // TEXT
    elif kind is SegmentKind.INPUT:
        frame, first, chunks = Frame.ENTRY, _INPUT, MAX_INPUT_BYTES // TEXT
    else:
        return _format(kind, words)[offset:]
    data = b""
    while len(data) < most:
        chunk, at = divmod(offset + len(data), TEXT)
        if chunk >= chunks:
            break
        lanes = read_record(step, frame, first + chunk, ChunkType.BYTES)
        if lanes is None:
            break
        piece = bytes(lanes[b] for b in range(at, min(TEXT, at + most - len(data))))
        data += piece.partition(b"\0")[0]
        if 0 in piece:
            break
    return data


def _format(kind: SegmentKind, words: Lanes) -> bytes:
    """Return the text of a slot that is a number.

    Rule: TRANSITION-1
    """
    if kind is SegmentKind.CALLER:
        return b"0x%040x" % (words[_CALLER] % (1 << 160))
    number = words[_VALUE if kind is SegmentKind.VALUE else _TIMESTAMP]
    return b"%d" % (number % (1 << 256))


def compute_head(step: Step) -> int:
    """Return the prompt's tokens if the model runs, and whether it does.

    Rule: FRAME-40, TRANSITION-6
    """
    if step.lane == _RAN:
        return int(step.own[_TOKENS] >= 0)
    if step.lane:
        return step.filler
    if read_record(step, Frame.ENTRY, _HEAD, ChunkType.INT32) is None:
        return DEAD
    last = step.read("cursor", _LAST_CURSOR)
    end = 0 if last is None else last[INT32_LANES - 1]
    if end >= 0:
        return PAD_INT32
    words = read_record(step, Frame.ENTRY, _WORDS, ChunkType.BYTES32)
    published = None if words is None else open_manifest(step, words[_MANIFEST])
    if published is None:
        return PAD_INT32
    most = step.model.shape.context - published.manifest.output_tokens
    return -1 - end if -1 - end <= most else PAD_INT32


def compute_token(step: Step) -> int:
    """Return a token of the prompt, in a chunk that has any.

    Rule: FRAME-41
    """
    if step.lane == 0:
        head = step.read("prompt_head")
        if head is None or head[_RAN] != 1:
            return DEAD
    leaf, place = divmod(step.leaf * INT32_LANES + step.lane, CURSOR_TOKENS)
    cursor = step.read("cursor", leaf)
    token = PAD_INT32 if cursor is None else cursor[2 * place]
    return step.filler if token < 0 else token


OPS: Mapping[int, Op] = MappingProxyType({96: compute_cursor, 97: compute_head, 98: compute_token})
