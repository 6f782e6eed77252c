"""The arithmetic, one function an op, in plain NumPy integers: the oracle of the kernels.

Every op is stated over the integers. Matrix sums run through float64 only where the loader has
proved that no partial sum reaches 2**53, so that they are exact in any order; else in int64.
Lanes: x is the residual (Q14, int32); y a normed vector (15 bits and a power of two a token).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oyez.engines.exact import blocks, tables
from oyez.engines.exact.blocks import Matrix
from oyez.engines.exact.weights import Layer, Model, Norm

Int64 = NDArray[np.int64]

SCALE_BITS = 24
RESIDUAL_FORMAT = 14
LANE_FORMAT = 16
LOGIT_FORMAT = 16
SAT16 = (1 << 15) - 1
SAT32 = (1 << 31) - 1
#: Far outside int32: what a product is clamped to before the residual is added.
WIDE = 1 << 40


@dataclass(frozen=True, slots=True)
class Activation:
    """A matrix input: lanes int64 [tokens, columns] of at most 2**14; real = lanes / 2**format.

    `format` is int64 [tokens].
    """

    lanes: Int64
    format: Int64


def rounding_shift(value: Int64, shift: Int64 | int, limit: int) -> Int64:
    """Return sat(floor((value + 2**(shift-1)) / 2**shift)); shift <= 0 multiplies.

    Rule: ENGINE-1

    Total: from 63 on the result is 0 (|value| < 2**62), and a left shift saturates before it
    can overflow.
    """
    s = np.broadcast_to(np.asarray(shift, np.int64), value.shape)
    right = np.clip(s, 1, 62)
    down = np.where(s >= 63, 0, (value + (np.int64(1) << (right - 1))) >> right)
    left = np.clip(-s, 0, 62)
    overflows = np.abs(value) > (np.int64(limit) >> left)
    up = np.where(overflows, np.sign(value) * limit, np.where(overflows, 0, value) << left)
    return np.clip(np.where(s > 0, down, up), -limit, limit)


def bit_lengths(values: Int64) -> Int64:
    """Return the bit length of each of a few non-negative integers."""
    return np.array([int(value).bit_length() for value in values], np.int64)


def embed(model: Model, tokens: Sequence[int]) -> Int64:
    """Return the residual lanes of tokens, Q14 int32 [tokens, width].

    Rule: ENGINE-4
    """
    rows = model.embedding.data[np.asarray(tokens)]
    weights = blocks.decode_weights(model.embedding, rows)
    return rounding_shift(weights, SCALE_BITS - RESIDUAL_FORMAT, SAT32)


def root_mean_square(x: Int64, epsilon: int) -> list[int]:
    """Return r = isqrt(floor(2**16 * sum x**2 / width) + epsilon) a token: Q22, below 2**39.

    Rule: ENGINE-5
    """
    width = x.shape[1]
    squares = [sum(int(lane) ** 2 for lane in row) for row in x]
    return [math.isqrt((total << 16) // width + epsilon) for total in squares]


def reciprocal(r: int) -> int:
    """Return R = floor(2**(k+15) / r), k the bit length of r; in (2**15, 2**16].

    Rule: ENGINE-6
    """
    return (1 << (r.bit_length() + 15)) // r


def normalise(model: Model, x: Int64, norm: Norm) -> Activation:
    """Return the normed and weighted residual.

    Rule: ENGINE-7

    t = x w R is below 2**62; sh brings the largest to 14 bits.
    """
    roots = root_mean_square(x, model.epsilon)
    inverse = np.array([reciprocal(r) for r in roots], np.int64)
    t = x * norm.weights.astype(np.int64) * inverse[:, None]
    largest = np.abs(t).max(axis=1)
    shift: Int64 = np.where(largest == 0, 0, bit_lengths(largest) - 14)
    exponent = norm.exponent + np.array([r.bit_length() for r in roots], np.int64) + 7
    return Activation(rounding_shift(t, shift[:, None], SAT16), exponent - shift)


def compress(lanes: Int64, lane_format: int) -> Activation:
    """Return lanes cut to 14 bits by one shift a token, never enlarged.

    Rule: ENGINE-16
    """
    shift = np.maximum(bit_lengths(np.abs(lanes).max(axis=1)) - 14, 0)
    return Activation(rounding_shift(lanes, shift[:, None], SAT16), lane_format - shift)


def multiply(matrix: Matrix, y: Activation, out_format: int, limit: int) -> Int64:
    """Return a matrix's lanes, [tokens, rows]: the exact sum, then the only rounding.

    Rule: ENGINE-8
    """
    return multiply_rows(matrix, matrix.data, y, out_format, limit)


def multiply_rows(
    matrix: Matrix, data: NDArray[np.uint8], y: Activation, out_format: int, limit: int
) -> Int64:
    """Return the lanes of some of a matrix's rows, given as the file's bytes."""
    weights = blocks.decode_weights(matrix, data)
    if matrix.bound < blocks.FLOAT_BOUND:
        exact = (y.lanes.astype(np.float64) @ weights.T.astype(np.float64)).astype(np.int64)
    else:
        exact = y.lanes @ weights.T
    shift = SCALE_BITS + y.format - out_format
    return rounding_shift(exact, shift[:, None], limit)


def rotate(lanes: Int64, cosines: Int64, sines: Int64, out_format: int) -> Int64:
    """Return lanes rotated pair by pair, [tokens, heads, head size] in Q16 to sat16 in Q.

    Rule: ENGINE-11

    Cosines and sines are [tokens, head size / 2] in Q14: the rows of the tokens' positions.
    """
    even, odd = lanes[..., 0::2], lanes[..., 1::2]
    cos, sin = cosines[:, None, :], sines[:, None, :]
    shift = tables.ROPE_BITS + LANE_FORMAT - out_format
    first: Int64 = even * cos - odd * sin
    second: Int64 = np.add(even * sin, odd * cos)
    rotated = np.empty_like(lanes)
    rotated[..., 0::2] = rounding_shift(first, shift, SAT16)
    rotated[..., 1::2] = rounding_shift(second, shift, SAT16)
    return rotated


def exponential(z: Int64) -> Int64:
    """Return 2**-z in Q30 for z >= 0 in Q16: a pinned cubic, 0 from z = 31 on.

    Rule: ENGINE-14
    """
    c0, c1, c2, c3 = tables.EXP_COEFFICIENTS
    fraction = z & 0xFFFF
    result = c2 + ((fraction * c3) >> 16)
    result = c1 + ((fraction * result) >> 16)
    result = c0 + ((fraction * result) >> 16)
    whole = z >> 16
    return np.where(whole >= 31, 0, result >> np.minimum(whole, 31))


def score(q: Int64, keys: Int64, model: Model, layer: Layer) -> Int64:
    """Return one head's scores against its keys: base-2 logarithms, Q16, sat32.

    Rule: ENGINE-13

    |q . k| <= 2**38 and the scale is below 2**19, so the product fits int64.
    """
    shift = 18 + layer.q_format + layer.k_format - LANE_FORMAT
    return rounding_shift((keys @ q) * model.score_scale, shift, SAT32)


def attend(scores: Int64, values: Int64) -> Int64:
    """Return one head's output before its shift: format v + 8, below 2**24.

    Rule: ENGINE-15

    Args:
        scores: [keys].
        values: [keys, head size], int16.
    """
    p = rounding_shift(exponential(scores.max() - scores), 14, SAT32)
    total, weighted = int(p.sum()), p @ values
    magnitudes: Int64 = ((np.abs(weighted) << 8) + total // 2) // total
    signed: Int64 = np.sign(weighted) * magnitudes
    return signed


def gated(g: Int64, u: Int64) -> Int64:
    """Return g * sigmoid(g) * u in Q32, below 2**62.

    Rule: ENGINE-17
    """
    clamped = np.minimum(np.abs(g), 1 << 21)
    e = exponential(rounding_shift(clamped * tables.LOG2E_Q16, 16, WIDE))
    numerator = np.where(g >= 0, np.int64(1) << 30, e)
    sigmoid: Int64 = (numerator << 16) // ((1 << 30) + e)
    return rounding_shift(g * sigmoid, 16, SAT32) * u


def add_residual(x: Int64, matrix: Matrix, y: Activation) -> Int64:
    """Return the residual plus a product, sat32.

    Rule: ENGINE-18
    """
    return np.clip(x + multiply(matrix, y, RESIDUAL_FORMAT, WIDE), -SAT32, SAT32)


def run_layer(model: Model, layer: Layer, x: Int64, past: Int64) -> tuple[Int64, Int64]:
    """Run one layer over a block of tokens.

    x is the residual [tokens, width]; past holds the key and value lanes [earlier tokens,
    2 * kv_heads * head_size]. Returns the layer's residual, and these tokens' key and value lanes.
    """
    count, start = len(x), len(past)
    keys_width = model.kv_heads * model.head_size
    cosines = model.cosines[start : start + count].astype(np.int64)
    sines = model.sines[start : start + count].astype(np.int64)
    y = normalise(model, x, layer.attn_norm)

    def heads(matrix: Matrix, limit: int, out_format: int) -> Int64:
        return multiply(matrix, y, out_format, limit).reshape(count, -1, model.head_size)

    q = rotate(heads(layer.q, SAT32, LANE_FORMAT), cosines, sines, layer.q_format)
    k = rotate(heads(layer.k, SAT32, LANE_FORMAT), cosines, sines, layer.k_format)
    v = heads(layer.v, SAT16, layer.v_format)
    fresh = np.concatenate([k.reshape(count, keys_width), v.reshape(count, keys_width)], axis=1)
    lanes = np.concatenate([past, fresh])
    every_key = lanes[:, :keys_width].reshape(-1, model.kv_heads, model.head_size)
    every_value = lanes[:, keys_width:].reshape(-1, model.kv_heads, model.head_size)
    mixed = np.empty((count, model.heads, model.head_size), np.int64)
    for token in range(count):
        seen = start + token + 1
        for head in range(model.heads):
            shared = head * model.kv_heads // model.heads
            scores = score(q[token, head], every_key[:seen, shared], model, layer)
            mixed[token, head] = attend(scores, every_value[:seen, shared])
    o = compress(mixed.reshape(count, -1), layer.v_format + 8)
    x = add_residual(x, layer.output, o)
    y = normalise(model, x, layer.ffn_norm)
    g = multiply(layer.gate, y, LANE_FORMAT, SAT32)
    u = multiply(layer.up, y, LANE_FORMAT, SAT32)
    return add_residual(x, layer.down, compress(gated(g, u), 2 * LANE_FORMAT)), fresh


def run(model: Model, tokens: Sequence[int], past: Int64) -> tuple[Int64, Int64]:
    """Run the model over a block of tokens.

    past holds the key and value lanes [earlier tokens, layers, 2 * kv_heads * head_size].
    Returns every layer's residual lanes [tokens, layers, width], and these tokens' key and value
    lanes.
    """
    x = embed(model, tokens)
    residuals, lanes = [], []
    for index, layer in enumerate(model.layers):
        x, fresh = run_layer(model, layer, x, past[:, index])
        residuals.append(x)
        lanes.append(fresh)
    return np.stack(residuals, axis=1), np.stack(lanes, axis=1)


def compute_logits(model: Model, x: Int64, tokens: Sequence[int] | None = None) -> Int64:
    """Return the logits after residual lanes x [width] (or [tokens, width]): Q16, sat32.

    Rule: ENGINE-19

    `tokens` None gives those of the whole vocabulary.
    """
    y = normalise(model, np.atleast_2d(x), model.output_norm)
    data = model.head.data if tokens is None else model.head.data[np.asarray(tokens)]
    logits: Int64 = multiply_rows(model.head, data, y, LOGIT_FORMAT, SAT32)
    return logits if x.ndim == 2 else logits[0]
