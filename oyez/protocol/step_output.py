"""Steps that read a call's output off its samplers, and walk the byte machine along it.

The rest of the record, from the scalars of that walk to what the call stores, is made in
`oyez.protocol.step_compute`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from oyez.protocol.constants import LAST_POSITION, LAST_SLOT
from oyez.protocol.inner import DEAD, WALK_WORDS
from oyez.protocol.inner_frame import Frame
from oyez.protocol.machine_words import ALIVE
from oyez.protocol.step import Lanes, Op, Step
from oyez.protocol.step_frame import read_record
from oyez.protocol.step_machine import (
    TOKEN_HEADER,
    TOKENS,
    WALK_BYTES,
    open_manifest,
    pack_after,
    read_state,
)
from oyez.protocol.trace import INT32_LANES, PAD_INT32, WORDS, ChunkType, compute_outer_index

#: Output tokens that `ends` has lanes for; one more than bytes would do.
_MOST_TOKENS = 5 * INT32_LANES
#: Lanes of a prompt's head, and of a sampler's.
_TOKENS, _RAN = 0, 1
_KIND, _TOKEN, _BYTES = 0, 1, 3
#: Kinds of a sampler after which there is a token.
_FOLLOWED = range(1, 4)
#: Word of the entry's record.
_MANIFEST = 7


def compute_end(step: Step) -> int:
    """Return the bytes of output after a token; after the last one -1 - n, n being the tokens.

    Rule: FRAME-46
    """
    prompt = _read_prompt(step)
    if prompt is None:
        return step.filler
    number = step.leaf * INT32_LANES + step.lane
    before = _read_before(step, "ends") if number else 0
    if before is None:
        return step.filler
    if before < 0:
        return before
    sampler = _read_sampler(step, prompt, number) if prompt[_RAN] == 1 else None
    if sampler is None or sampler[_KIND] not in _FOLLOWED:
        return -1 - number
    return sampler[_BYTES]


def _read_before(step: Step, name: str) -> int | None:
    """Return the lane before this one, of the leaf before too; None of a dead leaf.

    Rule: FRAME-45
    """
    if step.lane:
        return step.own[step.lane - 1]
    before = step.read(name, step.leaf - 1)
    return None if before is None else before[INT32_LANES - 1]


def compute_owner(step: Step) -> int:
    """Return the output token that holds a byte.

    Rule: FRAME-47
    """
    byte = step.leaf * INT32_LANES + step.lane
    tries: tuple[int, ...] = (0,)
    if byte == 0:
        if _read_prompt(step) is None:
            return DEAD
    else:
        before = _read_before(step, "output_owner")
        if before is None:
            return DEAD
        if before < 0:
            return PAD_INT32
        tries = (before, before + 1)
    for token in tries:
        if _read_end(step, token) > byte:
            return token
    return PAD_INT32


def _read_end(step: Step, token: int) -> int:
    """Return the bytes of output after a token; below 0 where there is none."""
    if token >= _MOST_TOKENS:
        return PAD_INT32
    leaf, lane = divmod(token, INT32_LANES)
    ends = step.read("ends", leaf)
    return PAD_INT32 if ends is None else ends[lane]


def compute_text(step: Step) -> int:
    """Return a byte of the output, 0 past its end.

    Rule: FRAME-48
    """
    prompt = _read_prompt(step)
    if prompt is None:
        return step.filler
    leaf, lane = divmod(step.lane, INT32_LANES)
    owner = step.read("output_owner", leaf)
    if owner is None or not 0 <= owner[lane] < _MOST_TOKENS:
        return 0
    left = _read_end(step, owner[lane]) - step.lane
    if left <= 0:
        return 0
    sampler = _read_sampler(step, prompt, owner[lane])
    if sampler is None or not 0 <= sampler[_TOKEN] < step.model.shape.vocabulary:
        return 0
    data = step.reads.read_row(TOKENS, sampler[_TOKEN])[TOKEN_HEADER:]
    return data[-left] if left <= len(data) else 0


def compute_parse(step: Step) -> int:
    """Return the byte machine's state after a byte of the output, or its magnitude.

    Rule: FRAME-49, FRAME-50, DECODE-1
    """
    before = _read_state(step)
    if before is None:
        return step.filler
    word, magnitude = before
    text = step.read("text") if word else None
    byte = 0 if text is None else text[step.leaf * WALK_BYTES + step.lane // WALK_WORDS]
    if not byte:
        return 0
    words = read_record(step, Frame.ENTRY, 1, ChunkType.BYTES32)
    published = None if words is None else open_manifest(step, words[_MANIFEST])
    if published is None:
        return 0
    state = read_state(published, word, magnitude)
    after = None if state is None else published.machine.step(state, byte)
    return pack_after(after, byte)[step.lane % WALK_WORDS]


def _read_state(step: Step) -> tuple[int, int] | None:
    """Return word and magnitude before a byte; None where the leaf is dead.

    Rule: FRAME-45
    """
    if step.lane >= WALK_WORDS:
        at = step.lane - step.lane % WALK_WORDS
        return step.own[at - 2], step.own[at - 1]
    if step.leaf:
        before = step.read("parse", step.leaf - 1)
        return None if before is None else (before[WORDS - 2], before[WORDS - 1])
    if step.lane == 0 and _read_prompt(step) is None:
        return None
    return ALIVE, 0


def _read_prompt(step: Step) -> Lanes | None:
    """Read the head of the call's prompt.

    Rule: FRAME-45
    """
    return read_record(step, Frame.PROMPT, 0, ChunkType.INT32)


def _read_sampler(step: Step, prompt: Lanes, number: int) -> Lanes | None:
    """Read the head of the sampler that chose output token `number`.

    Rule: TRANSITION-8
    """
    position = prompt[_TOKENS] + number
    if prompt[_TOKENS] < 0 or position >= LAST_POSITION:
        return None
    record = compute_outer_index(step.address.call, position, LAST_SLOT)
    return step.reads.read_outer(record, 0, ChunkType.INT32)


OPS: Mapping[int, Op] = MappingProxyType(
    {112: compute_end, 113: compute_owner, 114: compute_text, 115: compute_parse}
)
