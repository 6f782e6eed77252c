"""Steps of the byte machine: what a sampler does next, forced runs, the mask, the chosen token.

The states that these steps read may be any words of a prefix that nobody honest made. What is no
state of the manifest's machine is stuck: no byte is allowed, none is forced, nothing is sampled.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import NamedTuple

from oyez.protocol import machine_words
from oyez.protocol.constants import MAX_TOKEN_BYTES, SLOT_BITS
from oyez.protocol.errors import Invalid
from oyez.protocol.inner import DEAD, MASK_TOKENS, WALK_WORDS
from oyez.protocol.machine import FREE_PHASES, SAMPLED_PHASES, Machine, MachineState, Phase
from oyez.protocol.machine_fields import WrittenField
from oyez.protocol.machine_words import ALIVE, STUCK, unpack_word
from oyez.protocol.manifest import parse_manifest
from oyez.protocol.manifest_layout import ModelLimits
from oyez.protocol.step import Op, Step
from oyez.protocol.trace import INT32_LANES, WORDS, ChunkType
from oyez.protocol.types import FieldType, Hash32, Manifest
from oyez.protocol.vocabulary import Vocabulary

#: The tensor of tokens by id (MODEL-16), and the bytes of a row before the token's own.
TOKENS = 2
TOKEN_HEADER = 3
#: Bytes whose states stand in one leaf of a run or walk.
WALK_BYTES = WORDS // WALK_WORDS
#: Lanes of `before` and `next`, words of `context`, chunk of a queue.
_SOURCE, _TOKENS_SO_FAR = 0, 1
_KIND, _TOKEN = 0, 1
_STATE, _MAGNITUDE, _MANIFEST = 0, 1, 2
_QUEUE_CHUNK = 2
#: Sources of `before`: a prompt's own position, and an output token before this one.
_PROMPT, _OUTPUT = 0, 2
_MAX_MAGNITUDE = (1 << 255) - 1


class Mode(IntEnum):
    """What a sampler does at its position."""

    PROMPT = 0
    QUEUE = 1
    END = 2
    RUN = 3
    CHOICE = 4
    FREE = 5


class Published(NamedTuple):
    """A published manifest, and the byte machine of its written fields."""

    manifest: Manifest
    machine: Machine
    written: tuple[WrittenField, ...]


def open_manifest(step: Step, word: int) -> Published | None:
    """Return the published manifest of this hash, a word; None if nobody published one.

    Rule: INNER-41
    """
    data = step.reads.read_manifest(Hash32((word % (1 << 256)).to_bytes(32, "big")))
    shape = step.model.shape
    return _lay_out(data, ModelLimits(shape.vocabulary, shape.context, shape.missing))


@functools.lru_cache(maxsize=64)
def _lay_out(data: bytes, limits: ModelLimits) -> Published | None:
    if not data:
        return None
    manifest = parse_manifest(data, limits)
    machine = Machine(manifest.fields, limits.missing)
    written = tuple(WrittenField(manifest.fields[i], not n) for n, i in enumerate(machine.written))
    return Published(manifest, machine, written)


def verify_tokens(vocabulary: Vocabulary) -> None:
    """Check that no token is longer than a step of the mask can walk.

    Raises:
        Invalid: INNER-47, with the token.

    Rule: INNER-47
    """
    for token, data in enumerate(vocabulary.tokens):
        if data is not None and len(data) > MAX_TOKEN_BYTES:
            raise Invalid(
                "INNER-47",
                f"token {token} has {len(data)} bytes: steps are provable up to {MAX_TOKEN_BYTES}",
            )


def read_state(published: Published, word: int, magnitude: int) -> MachineState | None:
    """Return the state that a word and a magnitude are; None if the machine is stuck.

    Args:
        published: the manifest.
        word: any, signed or not; its byte and what stands above its parts say nothing.
        magnitude: any, signed.

    Rule: INNER-40
    """
    parts = unpack_word(word)
    if not parts.alive or parts.phase > max(Phase) or parts.field >= len(published.written):
        return None
    state = MachineState(
        Phase(parts.phase),
        parts.field,
        length=parts.length,
        need=parts.need,
        low=parts.low,
        high=parts.high,
        negative=parts.negative == 1,
        value=magnitude,
        items=parts.items,
    )
    if parts.negative > 1 or not _hold_state(published.written, state):
        return None
    return state


def _hold_state(written: tuple[WrittenField, ...], state: MachineState) -> bool:
    """Say whether the machine may stand so: what its phase does not use is 0, the rest in bounds.

    Rule: INNER-40
    """
    phase, number, items = state.phase, state.field, state.items
    w = written[number]
    used = MachineState(phase, number)
    if phase in (Phase.PREFIX, Phase.STRING, Phase.CHOICE, Phase.INTEGER):
        if items >= max(w.most_items, 1):
            return False
        used = used._replace(length=state.length, items=items)
    match phase:
        case Phase.PREFIX:
            fits = state.length < len(w.gap if items else w.prefix)
        case Phase.STRING:
            used = used._replace(need=state.need, low=state.low, high=state.high)
            fits = w.field.base is FieldType.STRING
            fits = fits and state.need <= 3 and state.length + state.need <= w.field.limit
            fits = fits and (state.need > 0 or state.low == state.high == 0)
        case Phase.CHOICE:
            used = used._replace(value=state.value)
            choices = w.choices if items else w.first_choices
            fits = 0 <= state.value < len(choices) and state.length < len(choices[state.value])
        case Phase.INTEGER:
            used = used._replace(negative=state.negative, value=state.value)
            fits = w.field.base is FieldType.INTEGER and 0 <= state.value <= _MAX_MAGNITUDE
        case Phase.FIRST:
            fits = w.most_items > 0 and w.field.base is not FieldType.BOOLEAN
        case Phase.NEXT:
            used = used._replace(items=items)
            fits = 1 <= items <= w.most_items
        case _:
            fits = number == len(written) - 1
    return fits and state == used


def pack_after(state: MachineState | None, byte: int) -> tuple[int, int]:
    """Return the word of a state after a byte, and its magnitude; of a stuck machine too."""
    if state is None:
        return ALIVE | byte << 72 | STUCK << 64, 0
    return machine_words.pack_state(state, byte), state.value


def force(machine: Machine, state: MachineState | None) -> tuple[int, MachineState] | None:
    """Return the byte that is forced and the state after it; None if there is none.

    In a CHOICE no byte is, even where all texts go on alike.

    Rule: DECODE-7
    """
    if state is None or state.phase in (Phase.CHOICE, Phase.END):
        return None
    allowed = machine.allowed_bytes(state)
    return next(iter(allowed.items())) if len(allowed) == 1 else None


def may_sample(machine: Machine, state: MachineState, data: bytes) -> bool:
    """Say whether a token of these bytes may be sampled where the machine samples.

    Rule: DECODE-8
    """
    after: MachineState | None = state
    for offset, byte in enumerate(data):
        if after is None or (offset and after.phase not in FREE_PHASES):
            return False
        after = machine.step(after, byte)
    return bool(data) and after is not None


def compute_mode(step: Step) -> int:
    """Return what this position does.

    Rule: INNER-42
    """
    if step.lane:
        return step.filler
    before = step.read("before")
    if before is None:
        return DEAD
    if before[_SOURCE] == _PROMPT:
        return Mode.PROMPT
    if before[_SOURCE] == _OUTPUT and step.address.position:
        record = step.address.record - (1 << SLOT_BITS)
        if step.reads.read_outer(record, _QUEUE_CHUNK, ChunkType.INT32) is not None:
            return Mode.QUEUE
    context = step.read("context")
    if context is None:
        return DEAD
    published = open_manifest(step, context[_MANIFEST])
    if published is None:
        return DEAD
    state = read_state(published, context[_STATE], context[_MAGNITUDE])
    if state is None or state.phase is Phase.END:
        return Mode.END
    if before[_TOKENS_SO_FAR] == published.manifest.output_tokens:
        return Mode.END
    if state.phase is Phase.CHOICE:
        return Mode.CHOICE
    return Mode.RUN if force(published.machine, state) is not None else Mode.FREE


def _read_state(step: Step) -> tuple[Published, MachineState | None] | int:
    """Return the machine and its state before a byte of a walk, or the lane where there is none."""
    before = _read_before(step)
    if before is None:
        return step.filler
    context = step.read("context")
    if context is None:
        return DEAD
    published = open_manifest(step, context[_MANIFEST])
    if published is None:
        return DEAD
    word, magnitude = before or (context[_STATE], context[_MAGNITUDE])
    return published, read_state(published, word, magnitude)


def compute_run(step: Step) -> int:
    """Return the state after a byte of the forced run, or its magnitude.

    Rule: INNER-43
    """
    if step.leaf == step.lane == 0:
        mode = step.read("mode")
        if mode is None or mode[0] != Mode.RUN:
            return DEAD
    found = _read_state(step)
    if isinstance(found, int):
        return found
    published, state = found
    forced = force(published.machine, state)
    if forced is None:
        return step.filler
    byte, after = forced
    return pack_after(after, byte)[step.lane % WALK_WORDS]


def _read_before(step: Step) -> tuple[int, int] | tuple[()] | None:
    """Return the word and magnitude before a byte of a run or walk.

    None if the run has ended before it; () before the first byte, where they are the context's.
    """
    if step.lane >= WALK_WORDS:
        at = step.lane - step.lane % WALK_WORDS - WALK_WORDS
        word, magnitude = step.own[at], step.own[at + 1]
    elif step.leaf:
        previous = step.read(step.region.name, step.leaf - 1)
        if previous is None:
            return None
        word, magnitude = previous[WORDS - 2], previous[WORDS - 1]
    else:
        return ()
    return (word, magnitude) if word else None


def compute_run_text(step: Step) -> int:
    """Return a byte of the forced run's text, 0 after its end.

    Rule: INNER-44
    """
    if step.lane == 0:
        mode = step.read("mode")
        if mode is None or mode[0] != Mode.RUN:
            return DEAD
    run = step.read("run", step.lane // WALK_BYTES)
    return 0 if run is None else unpack_word(run[step.lane % WALK_BYTES * WALK_WORDS]).byte


def compute_mask(step: Step) -> int:
    """Return which of eight tokens may be sampled, a bit each.

    Rule: INNER-45
    """
    first = (step.leaf * INT32_LANES + step.lane) * MASK_TOKENS
    tokens = step.model.shape.vocabulary
    if first >= tokens:
        return step.filler
    if step.lane == 0:
        mode = step.read("mode")
        if mode is None or mode[0] != Mode.FREE:
            return DEAD
    context = step.read("context")
    if context is None:
        return DEAD
    published = open_manifest(step, context[_MANIFEST])
    if published is None:
        return DEAD
    state = read_state(published, context[_STATE], context[_MAGNITUDE])
    if state is None or state.phase not in SAMPLED_PHASES:
        return 0
    bits = 0
    for token in range(first, min(first + MASK_TOKENS, tokens)):
        data = step.reads.read_row(TOKENS, token)[TOKEN_HEADER:]
        bits |= may_sample(published.machine, state, data) << (token - first)
    return bits


def compute_walk(step: Step) -> int:
    """Return the state after a byte of the next token, or its magnitude.

    Rule: INNER-46
    """
    following = step.read("next")
    if following is None or not 1 <= following[_KIND] <= 3:
        return step.filler
    token = following[_TOKEN]
    if not 0 <= token < step.model.shape.vocabulary:
        return step.filler
    data = step.reads.read_row(TOKENS, token)[TOKEN_HEADER:]
    at = step.leaf * WALK_BYTES + step.lane // WALK_WORDS
    if at >= len(data):
        return step.filler
    found = _read_state(step)
    if isinstance(found, int):
        return found
    published, state = found
    after = None if state is None else published.machine.step(state, data[at])
    return pack_after(after, data[at])[step.lane % WALK_WORDS]


OPS: Mapping[int, Op] = MappingProxyType(
    {
        34: compute_mode,
        35: compute_run,
        36: compute_run_text,
        43: compute_mask,
        49: compute_walk,
    }
)
