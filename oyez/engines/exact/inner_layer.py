"""Makes the inner trace of a layer's record: every number between its input and its output.

Written from docs/spec/engine.md with the arithmetic of `spec`, apart from the steps in
`oyez.protocol.step`, which it is checked against.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oyez.engines.exact import blocks, spec
from oyez.engines.exact.blocks import Matrix
from oyez.engines.exact.inner_leaves import FILLERS, InnerLeaves, Int64
from oyez.engines.exact.spec import LANE_FORMAT, RESIDUAL_FORMAT, SAT16, SAT32, SCALE_BITS, WIDE
from oyez.engines.exact.tables import LOG2E_Q16
from oyez.engines.exact.weights import Layer, Model, Norm
from oyez.protocol import inner
from oyez.protocol.inner import PART_COLUMNS, POSITIONS, Layout
from oyez.protocol.trace import INT16_LANES, INT32_LANES

SCORE_BLOCKS = POSITIONS // INT32_LANES
VALUE_BLOCKS = POSITIONS // INT16_LANES
#: Weights that are decoded at once.
_WEIGHTS = 1 << 22
#: Of lanes [runs, count], one a run.
Reduce = Callable[[Int64], Int64]


def _largest(lanes: Int64) -> Int64:
    found: Int64 = lanes.max(axis=1)
    return found


def _sum(lanes: Int64) -> Int64:
    found: Int64 = lanes.sum(axis=1)
    return found


@dataclass(frozen=True, slots=True)
class LayerInput:
    """What a layer's record follows from, beside the model.

    Attributes:
        token: of the position, where the layer is the first; its embedding is the input.
        x: int64 [width], the layer before's output; not looked at with a token.
        past: int16 [positions before, 2 * kv_heads * head_size]: this layer's k, then v.
    """

    token: int | None
    x: NDArray[np.int32] | None
    past: NDArray[np.int16]

    @property
    def position(self) -> int:
        """The record's position."""
        return len(self.past) + 1


class LayerTrace:
    """Makes one layer's inner trace, region after region, in order.

    Rule: INNER-70
    """

    def __init__(self, model: Model, layout: Layout, layer: int) -> None:
        """Take the model, `layout_layer` of its shape, and the layer's number."""
        self._model = model
        self._layer: Layer = model.layers[layer]
        self.leaves = InnerLeaves(layout)

    def alter(self, name: str, lanes: Int64) -> Int64:
        """Return a region's lanes as they are written and as what follows reads them."""
        return lanes

    def alter_words(self, name: str, words: list[int]) -> list[int]:
        """Return the first words of a region likewise; asked again whenever there are more."""
        return words

    def keep(self, name: str, lanes: Int64) -> Int64:
        """Write a region's lanes [count]; return them for what follows from them."""
        lanes = self.alter(name, lanes)
        self.leaves.put(name, lanes)
        return lanes

    def keep_blocks(self, name: str, lanes: Int64, blocks: int) -> Int64:
        """Write lanes [runs, count], `blocks` leaves a run, those after its lanes PAD."""
        lanes = self.alter(name, lanes)
        self.leaves.put_blocks(name, lanes, blocks)
        return lanes

    def keep_sparse(self, name: str, lanes: Int64, each: int) -> Int64:
        """Write lanes [runs, count], `each` lanes a run, those without a value filler."""
        filler = FILLERS[self.leaves.layout.get(name).type]
        filled = np.full((len(lanes), each), filler, np.int64)
        filled[:, : lanes.shape[1]] = lanes
        return self.keep(name, filled.reshape(-1)).reshape(filled.shape)[:, : lanes.shape[1]]

    def build(self, given: LayerInput) -> InnerLeaves:
        """Return all leaves.

        Raises:
            ValueError: neither token nor lanes are given, or the position is beyond the context.
        """
        layer, context = self._layer, self._model.context
        if given.position > context:
            raise ValueError(f"position {given.position} is beyond the context of {context}")
        x = self._begin(given)
        y, y_format = self._normalise("norm", "normed", x, layer.attn_norm)
        query, lanes = self._project(given, y, y_format)
        mixed = self._attend(query, lanes)
        middle = self._add_attention(x, mixed)
        y, y_format = self._normalise("ffn_norm", "ffn_normed", middle, layer.ffn_norm)
        x = self._feed_forward(middle, y, y_format)
        self.keep("output", x)
        self.keep("record_key_value", lanes[-1])
        return self.leaves

    def _begin(self, given: LayerInput) -> Int64:
        """Return the input: the token's embedding, or the layer before's output.

        Rule: ENGINE-4
        """
        if given.token is None:
            if given.x is None:
                raise ValueError("a layer's input is a token or lanes")
            return given.x.astype(np.int64)
        token = int(self.keep("token", np.array([given.token]))[0])
        return self.keep("embedding", spec.embed(self._model, [token])[0])

    def _normalise(self, norm: str, normed: str, x: Int64, weights: Norm) -> tuple[Int64, int]:
        """Return the normed lanes and their format.

        Rule: ENGINE-5, ENGINE-6, ENGINE-7
        """
        chunks = range(0, len(x), INT32_LANES)
        products = x * weights.weights
        words = [sum(int(lane) ** 2 for lane in x[at : at + INT32_LANES]) for at in chunks]
        words += [int(np.abs(products[at : at + INT32_LANES]).max()) for at in chunks]
        words = self.alter_words(norm, words)
        total, largest = sum(words[: len(chunks)]), max(words[len(chunks) :])
        root = math.isqrt((total << 16) // len(x) + self._model.epsilon)
        words = self.alter_words(norm, [*words, root])
        r, inverse = words[-1], spec.reciprocal(words[-1])
        shift = (largest * inverse).bit_length() - 14 if largest else 0
        words = self.alter_words(norm, [*words, shift])
        shift = words[-1]
        self.leaves.put_words(norm, words)
        lanes = spec.rounding_shift(products * inverse, shift, SAT16)
        exponent = weights.exponent + r.bit_length() + 7 - shift
        return self.keep(normed, lanes), exponent

    def _project(self, given: LayerInput, y: Int64, y_format: int) -> tuple[Int64, Int64]:
        """Return the query lanes, and all positions' key and value lanes, the own ones last.

        Rule: ENGINE-8, ENGINE-11
        """
        layer, size = self._layer, self._model.head_size
        queries = layer.q.rows
        rows = [_product(matrix, y, y_format, LANE_FORMAT, SAT32) for matrix in (layer.q, layer.k)]
        heads = self.keep("heads", np.concatenate(rows))
        row = given.position - 1
        cos = self._model.cosines[row : row + 1].astype(np.int64)
        sin = self._model.sines[row : row + 1].astype(np.int64)
        turned = heads.reshape(1, -1, size)
        q = spec.rotate(turned[:, : queries // size], cos, sin, layer.q_format)
        k = spec.rotate(turned[:, queries // size :], cos, sin, layer.k_format)
        query = self.keep("query", q.reshape(-1))
        v = _product(layer.v, y, y_format, layer.v_format, SAT16)
        own = self.keep("key_value", np.concatenate([k.reshape(-1), v]))
        return query, np.concatenate([given.past.astype(np.int64), own[None]])

    def _attend(self, query: Int64, lanes: Int64) -> Int64:
        """Return the heads' lanes before their shift.

        Rule: ENGINE-13, ENGINE-14, ENGINE-15
        """
        model, layer = self._model, self._layer
        count, size = len(lanes), model.head_size
        groups = [head * model.kv_heads // model.heads for head in range(model.heads)]
        keys, values = lanes.reshape(count, 2, model.kv_heads, size).transpose(1, 2, 0, 3)
        q = query.reshape(model.heads, size)
        scores = np.stack([spec.score(q[h], keys[g], model, layer) for h, g in enumerate(groups)])
        scores = self.keep_blocks("score", scores, SCORE_BLOCKS)
        peaks = self._keep_by_block("maximum", scores, _largest)
        distance = peaks.max(axis=1)[:, None] - scores
        weights = spec.rounding_shift(spec.exponential(np.maximum(distance, 0)), 14, SAT32)
        weights = self.keep_blocks("weight", weights, SCORE_BLOCKS)
        totals = self._keep_by_block("total", weights, _sum).sum(axis=1)
        flat = values.transpose(0, 2, 1).reshape(-1, count)
        flat = self.keep_blocks("value", flat, VALUE_BLOCKS)
        values = flat.reshape(model.kv_heads, size, count)
        sums = np.zeros((model.heads, size, VALUE_BLOCKS), np.int64)
        for block, at in enumerate(range(0, count, INT16_LANES)):
            cut = slice(at, at + INT16_LANES)
            for head, group in enumerate(groups):
                sums[head, :, block] = values[group, :, cut] @ weights[head, cut]
        weighted = self.keep("part", sums.reshape(-1)).reshape(sums.shape).sum(axis=2)
        den = totals[:, None]
        magnitudes = ((np.abs(weighted) << 8) + den // 2) // den
        mixed: Int64 = np.clip(np.sign(weighted) * magnitudes, -SAT32, SAT32)
        return self.keep("mixed", mixed.reshape(-1))

    def _keep_by_block(self, name: str, lanes: Int64, reduce: Reduce) -> Int64:
        """Write one number a block of 256 lanes of each head; return those that are there."""
        starts = range(0, lanes.shape[1], INT32_LANES)
        blocks = [reduce(lanes[:, at : at + INT32_LANES]) for at in starts]
        return self.keep_sparse(name, np.stack(blocks, axis=1), SCORE_BLOCKS)

    def _cut(self, bits: str, lanes: Int64) -> tuple[Int64, int]:
        """Return lanes cut to 14 bits by one shift, and that shift.

        Rule: ENGINE-16
        """
        chunks = range(0, len(lanes), INT32_LANES)
        peaks = [int(np.abs(lanes[at : at + INT32_LANES]).max()) for at in chunks]
        lengths = self.keep(bits, np.array([peak.bit_length() for peak in peaks]))
        shift = max(0, int(lengths.max()) - 14)
        return spec.rounding_shift(lanes, shift, SAT16), shift

    def _add_attention(self, x: Int64, mixed: Int64) -> Int64:
        """Return the residual after attention.

        Rule: ENGINE-18
        """
        lanes, shift = self._cut("mixed_bits", mixed)
        attention = self.keep("attention", lanes)
        total = self._multiply_last(
            "attention_part", self._layer.output, attention, inner.MAX_ATTENDED
        )
        moved = SCALE_BITS + self._layer.v_format + 8 - shift - RESIDUAL_FORMAT
        product = spec.rounding_shift(total, moved, WIDE)
        return self.keep("middle", np.clip(x + product, -SAT32, SAT32))

    def _feed_forward(self, x: Int64, y: Int64, y_format: int) -> Int64:
        """Return the layer's output.

        Rule: ENGINE-17, ENGINE-18
        """
        layer = self._layer
        gate = self.keep("gate", _product(layer.gate, y, y_format, LANE_FORMAT, SAT32))
        up = self.keep("up", _product(layer.up, y, y_format, LANE_FORMAT, SAT32))
        distance = np.minimum(np.abs(gate), 1 << 21) * LOG2E_Q16
        e = spec.exponential(spec.rounding_shift(distance, 16, WIDE))
        sigmoid = (np.where(gate >= 0, 1 << 30, e) << 16) // ((1 << 30) + e)
        swish = self.keep("swish", spec.rounding_shift(gate * sigmoid, 16, SAT32))
        lanes, shift = self._cut("gated_bits", swish * up)
        gated = self.keep("gated", lanes)
        total = self._multiply_last("down_part", layer.down, gated, inner.MAX_DIRECT)
        moved = SCALE_BITS + 2 * LANE_FORMAT - shift - RESIDUAL_FORMAT
        return np.clip(x + spec.rounding_shift(total, moved, WIDE), -SAT32, SAT32)

    def _multiply_last(self, name: str, matrix: Matrix, y: Int64, most: int) -> Int64:
        """Return the exact sums that the residual takes, their parts written where they are cut.

        Rule: INNER-4
        """
        each = inner.count_parts(matrix.columns, most)
        if not each:
            return multiply_exactly(matrix, y, slice(None))
        cuts = (slice(at, at + PART_COLUMNS) for at in range(0, matrix.columns, PART_COLUMNS))
        sums = np.stack([multiply_exactly(matrix, y, cut) for cut in cuts], axis=1)
        parts: Int64 = self.keep_sparse(name, sums, each).sum(axis=1)
        return parts


def _product(matrix: Matrix, y: Int64, y_format: int, out_format: int, limit: int) -> Int64:
    """Return a matrix's lanes [rows].

    Rule: ENGINE-8
    """
    sums = multiply_exactly(matrix, y, slice(None))
    return spec.rounding_shift(sums, SCALE_BITS + y_format - out_format, limit)


def multiply_exactly(matrix: Matrix, y: Int64, columns: slice) -> Int64:
    """Return the exact sums of each row's weights in some columns times `y` there."""
    some = max(1, _WEIGHTS // matrix.columns)
    exact = np.float64 if matrix.bound < blocks.FLOAT_BOUND else np.int64
    sums: Int64 = np.concatenate(
        [
            blocks.decode_weights(matrix, matrix.data[at : at + some])[:, columns].astype(exact)
            @ y[columns].astype(exact)
            for at in range(0, matrix.rows, some)
        ]
    ).astype(np.int64)
    return sums
