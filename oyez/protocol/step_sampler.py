"""Steps of a sampler's frame: what came before it, what comes next, its record.

The record of position p is made of the record of p - 1, of the prologue, and of what the steps of
other files work out in between: forced bytes, options, scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

from oyez.protocol import codec
from oyez.protocol.constants import MAX_OUTPUT_BYTES, POSITION_BITS, SLOT_BITS
from oyez.protocol.inner import DEAD, MAX_CHOICES, OPTION_LANES, WALK_WORDS
from oyez.protocol.machine_words import ALIVE, BYTE, unpack_word
from oyez.protocol.step import Lanes, Op, Step
from oyez.protocol.step_machine import TOKEN_HEADER, TOKENS, Mode
from oyez.protocol.step_scores import NO_TOKEN, unpack_token
from oyez.protocol.step_vocabulary import read_mode
from oyez.protocol.trace import INT32_LANES, WORDS, ChunkType
from oyez.protocol.trace_records import Next
from oyez.protocol.types import Hash32

#: Chunks of a sampler's record.
_ENDING, _STATE, _QUEUE = 0, 1, 2
#: Lanes of its first chunk; `next` has the first two of them.
_KIND, _TOKEN, _COUNT, _BYTES = 0, 1, 2, 3
#: Lanes of `before`.
_SOURCE, _COUNT_SO_FAR = 0, 1
#: Words of the second chunk and of `context`.
_PACKED, _MAGNITUDE, _MANIFEST = 0, 1, 2
#: Slots of the prologue: entry and prompt. Words of the entry, lanes of the prompt's first chunk.
_ENTRY, _PROMPT = 0, 2
_CALL_MANIFEST, _CALL_SEED = 7, 8
_PROMPT_TOKENS, _RAN = 0, 1
#: Tokens that an option has lanes for; tokens of a run in one leaf.
_OPTION_TOKENS = OPTION_LANES // 2
_RUN_TOKENS = INT32_LANES // 2
_LAST_RECORD = (1 << 24) - 1
#: Kinds of a sampler after which there is a token.
_FOLLOWED = (Next.FORCED, Next.SAMPLED, Next.CHOSEN)


class Source(IntEnum):
    """What a sampler goes on from."""

    PROMPT = 0
    START = 1
    OUTPUT = 2


def compute_before(step: Step) -> int:
    """Return the source, and the output's tokens and bytes so far.

    Rule: INNER-60
    """
    match step.lane:
        case 0:
            return _find_source(step)
        case 1 | 2:
            if step.own[_SOURCE] == Source.OUTPUT:
                before = _read_before(step, _ENDING, ChunkType.INT32)
                return DEAD if before is None else before[step.lane - _COUNT_SO_FAR + _COUNT]
            return 0 if step.own[_SOURCE] == Source.START else step.filler
        case _:
            return step.filler


def _find_source(step: Step) -> int:
    prompt = _read_prologue(step, _PROMPT, 0, ChunkType.INT32)
    if prompt is None or prompt[_RAN] != 1:
        return DEAD
    position, count = step.address.position, prompt[_PROMPT_TOKENS]
    if position == count:
        return Source.START
    if position == 0:
        return DEAD
    if position < count:
        return Source.PROMPT
    before = _read_before(step, _ENDING, ChunkType.INT32)
    return DEAD if before is None or before[_KIND] not in _FOLLOWED else Source.OUTPUT


def compute_context(step: Step) -> int:
    """Return the machine before this position, the manifest's hash, and the key of the noise.

    Rule: INNER-61
    """
    match step.lane:
        case 0 | 1:
            before = step.read("before")
            if before is None or before[_SOURCE] == Source.PROMPT:
                return DEAD
            if before[_SOURCE] == Source.START:
                return ALIVE if step.lane == 0 else 0
            words = _read_before(step, _STATE, ChunkType.BYTES32)
            return DEAD if words is None else words[step.lane]
        case 2:
            words = _read_prologue(step, _ENTRY, 1, ChunkType.BYTES32)
            return DEAD if words is None else words[_CALL_MANIFEST]
        case 3:
            if not _read_terms(step, step.own[_MANIFEST]).temperature:
                return 0
            words = _read_prologue(step, _ENTRY, 1, ChunkType.BYTES32)
            if words is None:
                return DEAD
            key = codec.H("NOISE", words[_CALL_SEED], step.address.position)
            return int.from_bytes(key, "big", signed=True)
        case _:
            return step.filler


def compute_next(step: Step) -> int:
    """Return where the next token comes from, and the token.

    Rule: INNER-62
    """
    if step.lane > _TOKEN:
        return step.filler
    mode = read_mode(step)
    match mode:
        case None:
            return DEAD
        case Mode.PROMPT | Mode.END:
            kind = Next.PROMPT if mode is Mode.PROMPT else Next.END
            return step.filler if step.lane else kind
        case Mode.QUEUE | Mode.RUN if step.lane == 0:
            return Next.FORCED
        case Mode.QUEUE:
            queue = _read_before(step, _QUEUE, ChunkType.INT32)
            return DEAD if queue is None else queue[0]
        case Mode.RUN:
            tokens = step.read("run_tokens")
            return DEAD if tokens is None else tokens[0]
        case Mode.CHOICE:
            candidates = step.read("candidates")
            if candidates is None:
                return DEAD
            left = _list_left(candidates)
            if len(left) == 1:
                return candidates[2 * left[0]] if step.lane else Next.FORCED
            return _find_top(step) if step.lane else Next.CHOSEN
        case _:
            return _find_top(step)


def _find_top(step: Step) -> int:
    """Return the kind or the token of the highest score."""
    words = step.read("top")
    if words is None:
        return DEAD
    best = max(words[word] for word in range(WORDS))
    if best == NO_TOKEN:
        return step.filler if step.lane else Next.END
    return unpack_token(best) if step.lane else Next.SAMPLED


def _list_left(candidates: Lanes) -> list[int]:
    """Return the options that are left."""
    return [option for option in range(MAX_CHOICES) if candidates[2 * option] >= 0]


def compute_ending(step: Step) -> int:
    """Return a lane of the record's first chunk: kind, token, tokens and bytes with it.

    Rule: INNER-63
    """
    if step.lane > _BYTES:
        return step.filler
    coming = step.read("next")
    if coming is None:
        return DEAD
    kind = coming[_KIND]
    if step.lane <= _TOKEN:
        return coming[step.lane]
    if kind == Next.PROMPT:
        return step.filler
    before = step.read("before")
    if before is None:
        return DEAD
    so_far = before[step.lane - _COUNT + _COUNT_SO_FAR]
    if kind == Next.END:
        return so_far
    return so_far + (1 if step.lane == _COUNT else _read_length(step, coming[_TOKEN]))


def compute_state(step: Step) -> int:
    """Return a word of the record's second chunk: the machine after the next token.

    Rule: INNER-64
    """
    if step.lane > _MAGNITUDE:
        return step.filler
    coming = step.read("next")
    if coming is None or coming[_KIND] == Next.PROMPT:
        return DEAD
    if coming[_KIND] == Next.END:
        context = step.read("context")
        return DEAD if context is None else context[step.lane]
    length = _read_length(step, coming[_TOKEN])
    if not length:
        return DEAD
    leaf, word = divmod((length - 1) * WALK_WORDS, WORDS)
    walk = step.read("walk", leaf)
    if walk is None:
        return DEAD
    return walk[word + step.lane] & ~BYTE if step.lane == 0 else walk[word + step.lane]


def compute_queue(step: Step) -> int:
    """Return a token that follows the next one in the same run, or in the last option.

    Rule: INNER-65
    """
    coming = step.read("next")
    if coming is None or coming[_KIND] != Next.FORCED:
        return DEAD
    place = step.leaf * INT32_LANES + step.lane
    mode = read_mode(step)
    if place + 1 >= MAX_OUTPUT_BYTES:
        return step.filler
    match mode:
        case Mode.QUEUE:
            chunk, lane = divmod(place + 1, INT32_LANES)
            queue = _read_before(step, _QUEUE + chunk, ChunkType.INT32)
            found = None if queue is None else queue[lane]
        case Mode.RUN if _has_room(step, place):
            leaf, number = divmod(place + 1, _RUN_TOKENS)
            tokens = step.read("run_tokens", leaf)
            found = None if tokens is None else tokens[2 * number]
        case Mode.CHOICE:
            found = _find_option_token(step, place)
        case _:
            found = None
    return step.filler if found is None or found < 0 else found


def _has_room(step: Step, place: int) -> bool:
    """Say whether the output's limit allows a token at this place of the queue."""
    before = step.read("before")
    context = None if before is None else step.read("context")
    if before is None or context is None:
        return False
    limit = _read_terms(step, context[_MANIFEST]).output_tokens
    return before[_COUNT_SO_FAR] + 2 + place <= limit


def _find_option_token(step: Step, place: int) -> int | None:
    """Return a token of the one option left, counted from the one after the next."""
    if not _has_room(step, place):
        return None
    candidates = step.read("candidates")
    left = [] if candidates is None else _list_left(candidates)
    if not left:
        return None
    leaf, base = divmod(left[0] * OPTION_LANES, INT32_LANES)
    options = step.read("options", leaf)
    context = step.read("context")
    if options is None or context is None:
        return None
    length = unpack_word(context[_PACKED]).length
    passed = 0
    while passed < _OPTION_TOKENS and 0 <= options[base + 2 * passed + 1] <= length:
        passed += 1
    number = passed + 1 + place
    return options[base + 2 * number] if number < _OPTION_TOKENS else None


def _read_length(step: Step, token: int) -> int:
    """Read how many bytes a token has; 0 of what is none."""
    if not 0 <= token < step.model.shape.vocabulary:
        return 0
    return int.from_bytes(step.reads.read_row(TOKENS, token)[1:TOKEN_HEADER], "big")


class Terms(NamedTuple):
    """What a manifest's header says of sampling: all 0 where nobody published it."""

    output_tokens: int
    temperature: int


def _read_terms(step: Step, word: int) -> Terms:
    """Read the header of the published manifest whose hash is this word."""
    data = step.reads.read_manifest(Hash32((word % (1 << 256)).to_bytes(32, "big")))
    return Terms(int.from_bytes(data[16:18], "big"), int.from_bytes(data[9:13], "big"))


def _read_before(step: Step, chunk: int, kind: ChunkType) -> Lanes | None:
    """Read a chunk of the sampler in the position before."""
    record = (step.address.record - (1 << SLOT_BITS)) & _LAST_RECORD
    return step.reads.read_outer(record, chunk, kind)


def _read_prologue(step: Step, slot: int, chunk: int, kind: ChunkType) -> Lanes | None:
    """Read a chunk of a record of the call's prologue."""
    record = step.address.call << (POSITION_BITS + SLOT_BITS) | slot
    return step.reads.read_outer(record, chunk, kind)


OPS: Mapping[int, Op] = {
    32: compute_before,
    33: compute_context,
    48: compute_next,
    50: compute_ending,
    51: compute_state,
    52: compute_queue,
}
