"""Steps of tokens, norms and SwiGLU: what stands between a record's matrices.

The twin of contracts/StepVerifierLayer.vy, which opens exactly what is read here, in this order.
A step reads nothing after a dead leaf, and answers DEAD; of words only a leaf's first one can.

Rule: INNER-22
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from oyez.protocol.constants import LAST_SLOT
from oyez.protocol.inner import DEAD
from oyez.protocol.step import Lanes, Op, Step
from oyez.protocol.step_integers import (
    SAT16,
    SAT32,
    WORD_LIMIT,
    clip,
    compute_exponential,
    invert_root,
    shift_right,
)
from oyez.protocol.trace import INT16_LANES, INT32_LANES, ChunkType, compute_outer_index
from oyez.protocol.types import ModelShape

#: The model tree's tensor of config rows.
CONFIG = 0
#: A prompt's record, and the lanes of its first chunk: tokens, whether the model ran.
_PROMPT_SLOT = 2
_PROMPT_TOKENS, _RAN = 0, 1
#: Kinds of a sampler's next token that name one: forced, sampled, chosen.
_TOKEN_KINDS = range(1, 4)
#: Modes of a sampler that asks for logits: CHOICE, FREE.
_LOGIT_MODES = (4, 5)
#: Bits that a matrix takes of its input's lanes.
INPUT_BITS = 14
#: ENGINE-17: where a gate saturates the sigmoid, log2(e) in Q16, one in Q30.
_GATE_LIMIT, _LOG2E, _ONE = 1 << 21, 94_548, 1 << 30
_WIDE = 1 << 40

#: Reads a chunk of what a norm is over.
Source = Callable[[Step, int], Lanes | None]


def copy_token(step: Step) -> int:
    """Return the token of a position: of the prompt, or as the sampler before it says.

    Rule: INNER-23
    """
    if step.lane or step.address.slot:
        return step.filler
    call, position = step.address.call, step.address.position
    prompt = compute_outer_index(call, 0, _PROMPT_SLOT)
    head = step.reads.read_outer(prompt, 0, ChunkType.INT32)
    if head is None or head[_RAN] != 1:
        return DEAD
    at = position - 1
    if at < head[_PROMPT_TOKENS]:
        tokens = step.reads.read_outer(prompt, 1 + at // INT32_LANES, ChunkType.INT32)
        return DEAD if tokens is None else tokens[at % INT32_LANES]
    sampler = step.reads.read_outer(compute_outer_index(call, at, LAST_SLOT), 0, ChunkType.INT32)
    if sampler is None or sampler[0] not in _TOKEN_KINDS:
        return DEAD
    return sampler[1]


def read_input(step: Step, chunk: int) -> Lanes | None:
    """Read a chunk of the record's input.

    It is the embedding's, the layer's before, or, of a sampler, the last layer's.

    Rule: INNER-24
    """
    slot = step.address.slot
    if slot == 0:
        return step.read("embedding", chunk)
    before = step.model.shape.layers - 1 if slot == LAST_SLOT else slot - 1
    record = compute_outer_index(step.address.call, step.address.position, before)
    return step.reads.read_outer(record, chunk, ChunkType.INT32)


def _read_middle(step: Step, chunk: int) -> Lanes | None:
    return step.read("middle", chunk)


def count_chunks(shape: ModelShape) -> int:
    """Return the chunks of a vector as wide as the model."""
    return -(-shape.width // INT32_LANES)


def read_norm_row(step: Step, norm: int, part: int) -> Callable[[int], int]:
    """Read 512 of a norm's weights: norms 2l and 2l + 1 of layer l, then the output's."""
    shape = step.model.shape
    rows = -(-shape.width // INT16_LANES)
    data = step.reads.read_row(CONFIG, 1 + shape.layers + norm * rows + part)
    return lambda lane: int.from_bytes(data[2 * lane : 2 * lane + 2], "big", signed=True)


def _bound(word: int) -> int:
    return clip(word, 0, WORD_LIMIT)


def get_root(words: Lanes, chunks: int) -> int:
    """Return r of a norm leaf, which is at least 1 whatever stands there."""
    return max(1, _bound(words[2 * chunks]))


def compute_norm(step: Step, read: Source, norm: int) -> int:
    """Return a word of a norm leaf: sums of squares, largest products, the root, the shift.

    Rule: INNER-25
    """
    width, chunks, word = step.model.shape.width, count_chunks(step.model.shape), step.lane
    own = step.own
    if word < 2 * chunks:
        chunk = word % chunks
        x = read(step, chunk)
        if x is None:
            return step.filler
        lanes = range(min(INT32_LANES, width - INT32_LANES * chunk))
        if word < chunks:
            return sum(x[lane] ** 2 for lane in lanes)
        weight = read_norm_row(step, norm, chunk >> 1)
        first = INT32_LANES * (chunk & 1)
        return max(abs(x[lane] * weight(first + lane)) for lane in lanes)
    if word == 2 * chunks:
        total = sum(_bound(own[i]) for i in range(chunks))
        return math.isqrt((total << 16) // width + step.model.epsilon)
    if word == 2 * chunks + 1:
        peak = max(_bound(own[i]) for i in range(chunks, 2 * chunks))
        peak *= invert_root(get_root(own, chunks))
        return peak.bit_length() - INPUT_BITS if peak else 0
    return step.filler


def compute_normed(step: Step, x: Lanes, words: Lanes, norm: int) -> int:
    """Return a lane of a norm from its input's chunk and its norm leaf.

    Rule: INNER-26
    """
    lane, chunks = step.leaf * INT16_LANES + step.lane, count_chunks(step.model.shape)
    weight = read_norm_row(step, norm, step.leaf)(step.lane)
    product = x[lane % INT32_LANES] * weight * invert_root(get_root(words, chunks))
    return shift_right(product, words[2 * chunks + 1], SAT16)


def _norm_of_layer(read: Source, after: int) -> Op:
    return lambda step: compute_norm(step, read, 2 * step.address.slot + after)


def _normed_of_layer(read: Source, leaf: str, after: int) -> Op:
    def compute(step: Step) -> int:
        lane = step.leaf * INT16_LANES + step.lane
        if lane >= step.model.shape.width:
            return step.filler
        x = read(step, lane // INT32_LANES)
        words = None if x is None else step.read(leaf)
        if x is None or words is None:
            return DEAD
        return compute_normed(step, x, words, 2 * step.address.slot + after)

    return compute


def _norm_of_sampler(step: Step) -> int:
    """Return a word of the final norm, which only a sampler that asks for logits has.

    Rule: INNER-27
    """
    if step.lane == 0:
        mode = step.read("mode")
        if mode is None or mode[0] not in _LOGIT_MODES:
            return DEAD
    return compute_norm(step, read_input, 2 * step.model.shape.layers)


def _normed_of_sampler(step: Step) -> int:
    """Return a lane of the final norm: its leaf is read before its input.

    Rule: INNER-27
    """
    lane = step.leaf * INT16_LANES + step.lane
    if lane >= step.model.shape.width:
        return step.filler
    words = step.read("norm")
    x = None if words is None else read_input(step, lane // INT32_LANES)
    if x is None or words is None:
        return DEAD
    return compute_normed(step, x, words, 2 * step.model.shape.layers)


def compute_swish(step: Step) -> int:
    """Return a gate's lane times its sigmoid, Q16.

    Rule: INNER-28
    """
    lane = step.leaf * INT32_LANES + step.lane
    if lane >= step.model.shape.feed_forward:
        return step.filler
    gate = step.read("gate", step.leaf)
    if gate is None:
        return DEAD
    g = gate[step.lane]
    e = compute_exponential(shift_right(min(abs(g), _GATE_LIMIT) * _LOG2E, 16, _WIDE))
    sigmoid = ((_ONE if g >= 0 else e) << 16) // (_ONE + e)
    return shift_right(g * sigmoid, 16, SAT32)


def measure_gated(step: Step) -> int:
    """Return the bit length of the largest product of a leaf of swish and its leaf of up.

    Rule: INNER-29
    """
    left = step.model.shape.feed_forward - INT32_LANES * step.lane
    if left <= 0:
        return step.filler
    swish = step.read("swish", step.lane)
    up = None if swish is None else step.read("up", step.lane)
    if swish is None or up is None:
        return DEAD
    peak = max(abs(swish[lane] * up[lane]) for lane in range(min(INT32_LANES, left)))
    return peak.bit_length()


def cut_to_input(value: int, bits: Lanes, lanes: int) -> int:
    """Return a lane cut to 14 bits by the shift that its vector's bit lengths ask for.

    Args:
        value: of the lane.
        bits: the vector's leaf of bit lengths, one for 256 lanes.
        lanes: of the vector.

    Rule: INNER-30
    """
    most = max(bits[at] for at in range(-(-lanes // INT32_LANES)))
    return shift_right(value, max(0, most - INPUT_BITS), SAT16)


def cut_gated(step: Step) -> int:
    """Return a lane of the last matrix's input.

    Rule: INNER-30
    """
    lane = step.leaf * INT16_LANES + step.lane
    if lane >= step.model.shape.feed_forward:
        return step.filler
    leaf, at = divmod(lane, INT32_LANES)
    swish = step.read("swish", leaf)
    up = None if swish is None else step.read("up", leaf)
    bits = None if up is None else step.read("gated_bits")
    if swish is None or up is None or bits is None:
        return DEAD
    return cut_to_input(swish[at] * up[at], bits, step.model.shape.feed_forward)


def copy_key_value(step: Step) -> int:
    """Return a lane of the record's keys and values.

    Rule: INNER-31
    """
    lanes = step.read("key_value", step.leaf)
    return DEAD if lanes is None else lanes[step.lane]


OPS: Mapping[int, Op] = MappingProxyType(
    {
        0: copy_token,
        2: _norm_of_layer(read_input, 0),
        3: _normed_of_layer(read_input, "norm", 0),
        18: _norm_of_layer(_read_middle, 1),
        19: _normed_of_layer(_read_middle, "ffn_norm", 1),
        22: compute_swish,
        23: measure_gated,
        24: cut_gated,
        27: copy_key_value,
        40: _norm_of_sampler,
        41: _normed_of_sampler,
    }
)
