"""Steps that multiply rows of the model's matrices, and the rotation of what they give.

What each reads, and in which order, is INNER-12's. Twin of contracts/StepVerifierRows.vy and
contracts/StepVerifierParts.vy.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from oyez.protocol import inner, row_bytes, row_leaves
from oyez.protocol.inner import DEAD, PART_COLUMNS, SAMPLER_OPS, keys, queries
from oyez.protocol.step import Lanes, LayerFormats, Op, Step
from oyez.protocol.step_integers import SAT16, SAT32, WORD_LIMIT, clip, shift_right
from oyez.protocol.trace import INT16_LANES, INT32_LANES, WORDS, ChunkType
from oyez.protocol.types import ModelShape

#: Tensors of the model's tree, and a layer's matrices in it (MODEL-10).
CONFIG, EMBEDDING, FIRST_MATRIX = 0, 3, 4
ATTN_Q, ATTN_K, ATTN_V, ATTN_OUTPUT, FFN_GATE, FFN_UP, FFN_DOWN = range(7)
MATRICES = 7
#: Fractional bits of weights; of the residual; of q, k, gate, up and logits; of gated lanes.
SCALE_BITS, RESIDUAL, LANE, GATED = 24, 14, 16, 32
#: Of cosines and sines.
ROPE_BITS = 14
#: What a mixed lane has more than a value.
MIXED_GAIN = 8
#: Bits that a compressed activation keeps.
KEPT_BITS = 14
#: What a product is cut to before it is added to the residual.
WIDE = 1 << 40


class Weights(NamedTuple):
    """A row of a matrix: tensor, row, its type."""

    tensor: int
    row: int
    kind: int


def find_rope_row(shape: ModelShape, position: int) -> int:
    """Return the config row of the rotation at a position from 1 on."""
    norms = (2 * shape.layers + 1) * _ceil(shape.width, INT16_LANES)
    return 1 + shape.layers + norms + position - 1


def _ceil(lanes: int, size: int) -> int:
    return -(-lanes // size)


def _formats(step: Step) -> LayerFormats:
    return step.model.layers[step.address.slot]


def _weights(step: Step, matrix: int, row: int) -> Weights:
    """Return a row of one of the layer's matrices."""
    tensor = FIRST_MATRIX + MATRICES * step.address.slot + matrix
    return Weights(tensor, row, _formats(step).types[matrix])


def _head_weights(step: Step, row: int) -> Weights:
    """Return a row of the output matrix, which may be the embedding."""
    model = step.model
    tensor = EMBEDDING if model.tied else FIRST_MATRIX + MATRICES * model.shape.layers
    return Weights(tensor, row, model.head_type)


def _read_run(step: Step, name: str, count: int, first: int = 0) -> list[int] | None:
    """Read so many lanes of a region of int16 from leaf `first` on; None at the first dead leaf."""
    lanes: list[int] = []
    for leaf in range(first, first + _ceil(count, INT16_LANES)):
        found = step.read(name, leaf)
        if found is None:
            return None
        lanes += [found[i] for i in range(min(INT16_LANES, count - len(lanes)))]
    return lanes


def _read_input(step: Step, leaf: int) -> Lanes | None:
    """Read a leaf of the layer's input: of the embedding, or of the layer's below."""
    if step.address.slot == 0:
        return step.read("embedding", leaf)
    return step.reads.read_outer(step.address.record - 1, leaf, ChunkType.INT32)


def _multiply(step: Step, weights: Weights, lanes: list[int]) -> int:
    data = step.reads.read_row(weights.tensor, weights.row)
    return row_bytes.multiply_row(weights.kind, data, lanes)


def _multiply_normed(
    step: Step, norm: str, normed: str, exponent: int, weights: Weights, q: int, limit: int
) -> int:
    """Return the lane in Qq that a row gives with a normed vector.

    Rule: INNER-12, INNER-13
    """
    root = step.read(norm)
    if root is None:
        return DEAD
    width = step.model.shape.width
    lanes = _read_run(step, normed, width)
    if lanes is None:
        return DEAD
    product = _multiply(step, weights, lanes)
    at = 2 * _ceil(width, INT32_LANES)
    y = exponent + max(0, root[at]).bit_length() + 7 - root[at + 1]
    return shift_right(product, SCALE_BITS + y - q, limit)


def _add(lane: int, product: int, y: int) -> int:
    """Return a residual lane plus a product with an activation of format y.

    Rule: INNER-15
    """
    added = lane + shift_right(product, SCALE_BITS + y - RESIDUAL, WIDE)
    return clip(added, -SAT32, SAT32)


def _count_shift(bits: Lanes, leaves: int) -> int:
    """Return how far lanes were shifted to the right, from the bit lengths of their leaves."""
    return max(0, max(bits[leaf] for leaf in range(leaves)) - KEPT_BITS)


def _rotate(step: Step, lane: int, q: int) -> int:
    """Return the rotation in Qq of the pair that a lane of the heads belongs to.

    Rule: INNER-14
    """
    shape, even = step.model.shape, lane & ~1
    heads = step.read("heads", even // INT32_LANES)
    if heads is None or step.address.position > shape.context:
        return DEAD
    a, b = heads[even % INT32_LANES], heads[even % INT32_LANES + 1]
    row = step.reads.read_row(CONFIG, find_rope_row(shape, step.address.position))
    pair = even % shape.head_size // 2
    cosine, sine = (
        int.from_bytes(row[2 * at : 2 * at + 2], "big", signed=True)
        for at in (pair, shape.head_size // 2 + pair)
    )
    turned = a * sine + b * cosine if lane & 1 else a * cosine - b * sine
    return shift_right(turned, ROPE_BITS + LANE - q, SAT16)


def embedding(step: Step) -> int:
    """Return a lane of the token's row.

    Rule: INNER-14
    """
    shape, lane = step.model.shape, INT32_LANES * step.leaf + step.lane
    if step.address.slot != 0:
        return DEAD
    if lane >= shape.width:
        return step.filler
    token = step.read("token")
    if token is None or not 0 <= token[0] < shape.vocabulary:
        return DEAD
    row = step.reads.read_row(EMBEDDING, token[0])
    weight = row_bytes.decode_weight(step.model.embedding_type, row, lane)
    return shift_right(weight, SCALE_BITS - RESIDUAL, SAT32)


def heads(step: Step) -> int:
    """Return a lane of q or k before its rotation."""
    shape, lane = step.model.shape, INT32_LANES * step.leaf + step.lane
    first = queries(shape)
    if lane >= first + keys(shape):
        return step.filler
    matrix, row = (ATTN_Q, lane) if lane < first else (ATTN_K, lane - first)
    exponent, weights = _formats(step).attn_norm, _weights(step, matrix, row)
    return _multiply_normed(step, "norm", "normed", exponent, weights, LANE, SAT32)


def query(step: Step) -> int:
    """Return a lane of q after its rotation."""
    lane = INT16_LANES * step.leaf + step.lane
    if lane >= queries(step.model.shape):
        return step.filler
    return _rotate(step, lane, _formats(step).q)


def key_value(step: Step) -> int:
    """Return a lane of k after its rotation, or of v."""
    shape, lane = step.model.shape, INT16_LANES * step.leaf + step.lane
    formats, width = _formats(step), keys(shape)
    if lane >= 2 * width:
        return step.filler
    if lane < width:
        return _rotate(step, queries(shape) + lane, formats.k)
    weights = _weights(step, ATTN_V, lane - width)
    exponent, q = formats.attn_norm, formats.v
    return _multiply_normed(step, "norm", "normed", exponent, weights, q, SAT16)


def attention_part(step: Step) -> int:
    """Return the product of a part of a row with its part of the attention's lanes.

    Rule: INNER-16
    """
    shape = step.model.shape
    parts = inner.count_attention_parts(shape)
    return _multiply_part(step, "attention", ATTN_OUTPUT, queries(shape), parts)


def middle(step: Step) -> int:
    """Return a lane of the residual after the attention.

    Rule: INNER-15
    """
    shape, lane = step.model.shape, INT32_LANES * step.leaf + step.lane
    if lane >= shape.width:
        return step.filler
    bits = step.read("mixed_bits")
    if bits is None:
        return DEAD
    residual = _read_input(step, step.leaf)
    if residual is None:
        return DEAD
    if parts := inner.count_attention_parts(shape):
        product = _read_parts(step, "attention_part", lane, parts)
    else:
        product = _multiply_all(step, "attention", ATTN_OUTPUT, lane, queries(shape))
    if product is None:
        return DEAD
    shifted = _count_shift(bits, _ceil(queries(shape), INT32_LANES))
    return _add(residual[step.lane], product, _formats(step).v + MIXED_GAIN - shifted)


def _feed(step: Step, matrix: int) -> int:
    lane = INT32_LANES * step.leaf + step.lane
    if lane >= step.model.shape.feed_forward:
        return step.filler
    exponent, weights = _formats(step).ffn_norm, _weights(step, matrix, lane)
    return _multiply_normed(step, "ffn_norm", "ffn_normed", exponent, weights, LANE, SAT32)


def gate(step: Step) -> int:
    """Return a lane of the gate."""
    return _feed(step, FFN_GATE)


def up(step: Step) -> int:
    """Return a lane of what the gate multiplies."""
    return _feed(step, FFN_UP)


def down_part(step: Step) -> int:
    """Return the product of a part of a row with its part of the gated lanes.

    Rule: INNER-16
    """
    shape = step.model.shape
    parts = inner.count_down_parts(shape)
    return _multiply_part(step, "gated", FFN_DOWN, shape.feed_forward, parts)


def _multiply_part(step: Step, name: str, matrix: int, width: int, parts: int) -> int:
    """Return the product of a part of a row of `width` columns with its part of a region.

    Rule: INNER-9, INNER-16
    """
    row, part = divmod(WORDS * step.leaf + step.lane, parts)
    first = PART_COLUMNS * part
    columns = min(PART_COLUMNS, width - first)
    if row >= step.model.shape.width or columns <= 0:
        return 0
    lanes = _read_run(step, name, columns, first // INT16_LANES)
    if lanes is None:
        return DEAD
    weights = _weights(step, matrix, row)
    size = row_bytes.count_bytes(weights.kind, PART_COLUMNS)
    if width > row_leaves.WHOLE_WEIGHTS:
        data = step.reads.read_part(weights.tensor, weights.row, part, size)
    else:
        whole = step.reads.read_row(weights.tensor, weights.row)
        data = whole[size * part : size * (part + 1)]
    return row_bytes.multiply_row(weights.kind, data, lanes)


def output(step: Step) -> int:
    """Return a lane of the layer's output.

    Rule: INNER-15, INNER-16
    """
    shape, lane = step.model.shape, INT32_LANES * step.leaf + step.lane
    if lane >= shape.width:
        return step.filler
    bits = step.read("gated_bits")
    if bits is None:
        return DEAD
    residual = step.read("middle", step.leaf)
    if residual is None:
        return DEAD
    if parts := inner.count_down_parts(shape):
        product = _read_parts(step, "down_part", lane, parts)
    else:
        product = _multiply_all(step, "gated", FFN_DOWN, lane, shape.feed_forward)
    if product is None:
        return DEAD
    shifted = _count_shift(bits, _ceil(shape.feed_forward, INT32_LANES))
    return _add(residual[step.lane], product, GATED - shifted)


def _multiply_all(step: Step, name: str, matrix: int, row: int, columns: int) -> int | None:
    """Return the product of a whole row with a region; None if a leaf of it is dead."""
    lanes = _read_run(step, name, columns)
    return None if lanes is None else _multiply(step, _weights(step, matrix, row), lanes)


def _read_parts(step: Step, name: str, row: int, parts: int) -> int | None:
    """Return the sum of a row's parts; None if their leaf is dead."""
    leaf, word = divmod(row * parts, WORDS)
    found = step.read(name, leaf)
    if found is None:
        return None
    return sum(clip(found[word + k], -WORD_LIMIT, WORD_LIMIT) for k in range(parts))


def logits(step: Step) -> int:
    """Return a token's logit."""
    token = INT32_LANES * step.leaf + step.lane
    if token >= step.model.shape.vocabulary:
        return step.filler
    exponent, weights = step.model.output_exponent, _head_weights(step, token)
    return _multiply_normed(step, "norm", "normed", exponent, weights, LANE, SAT32)


#: By number.
OPS: Mapping[int, Op] = MappingProxyType(
    {
        1: embedding,
        4: heads,
        5: query,
        6: key_value,
        16: attention_part,
        17: middle,
        20: gate,
        21: up,
        25: down_part,
        26: output,
        SAMPLER_OPS + 10: logits,
    }
)
