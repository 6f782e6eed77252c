"""Computes the model root: a SHA-256 tree over everything the arithmetic reads.

Leaves in order: config rows (formats, layers, norm weights, rotation tables), the vocabulary by
bytes and by id, then the file's own rows of token_embd, each layer's q k v o gate up down, and
output when it is not tied. `docs/spec/model.md` has every record's layout.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator
from enum import IntEnum

import numpy as np

from oyez.engines.exact import tables
from oyez.engines.exact.blocks import Matrix
from oyez.engines.exact.tokens import TokenType
from oyez.engines.exact.weights import Model, Norm
from oyez.protocol.errors import Invalid
from oyez.protocol.row_leaves import compute_row_leaf, count_part_bytes
from oyez.protocol.types import Hash32
from oyez.protocol.vocabulary import Vocabulary

#: Version of the numeric formats: ModelShape.formats.
FORMATS = 1
#: The tree is at least this high, so that small models share one height.
MIN_HEIGHT = 20
#: Norm weights a config row holds.
NORM_LANES = 512
#: Weights read for one position at cost 1: the 135M model's, to the nearest power of two.
COST_UNIT = 1 << 27
#: Leaves between two reports of progress.
REPORT_LEAVES = 1 << 13


class RowType(IntEnum):
    """Types of the rows that are not the file's; those of the file have GGML's codes, below 256."""

    FORMATS = 256
    LAYER = 257
    NORM = 258
    ROPE = 259
    VOCABULARY = 260
    TOKEN = 261


class TensorNumber(IntEnum):
    """The first numbers of a leaf's header; layer l's matrices are LAYERS + 7 l + 0 to 6."""

    CONFIG = 0
    VOCABULARY = 1
    TOKENS = 2
    EMBEDDING = 3
    LAYERS = 4


def compute_model_root(
    model: Model,
    vocabulary: Vocabulary,
    types: tuple[TokenType, ...],
    report: Callable[[int, int], None] = lambda done, of: None,
) -> Hash32:
    """Return the root of a model's tree; about a second for 135M parameters.

    Rule: MODEL-12

    `report` gets the leaves hashed so far and their number, now and then and at the end.

    Raises:
        Invalid: the token table and the embedding differ in size.
    """
    if vocabulary.size != model.vocabulary:
        raise Invalid(
            "MODEL-12",
            f"{vocabulary.size} tokens for {model.vocabulary} embedding rows; use another file",
        )
    leaves, count = [], count_leaves(model, vocabulary)
    for leaf in iterate_leaves(model, vocabulary, types):
        leaves.append(leaf)
        if len(leaves) % REPORT_LEAVES == 0:
            report(len(leaves), count)
    report(count, count)
    return fold_leaves(leaves, compute_height(len(leaves)))


def count_leaves(model: Model, vocabulary: Vocabulary) -> int:
    """Return the number of leaves that are not empty."""
    norms = (2 * len(model.layers) + 1) * -(-model.width // NORM_LANES)
    config = 1 + len(model.layers) + norms + model.context
    matrices = [model.embedding, *(m for layer in model.layers for m in layer.matrices)]
    rows = sum(matrix.rows for matrix in matrices) + (0 if model.tied else model.head.rows)
    return config + len(set(vocabulary.tokens) - {None}) + vocabulary.size + rows


def compute_height(leaves: int) -> int:
    """Return the tree's height: 20, or as many levels as the leaves need.

    Rule: MODEL-13
    """
    return max(MIN_HEIGHT, (leaves - 1).bit_length())


def compute_position_cost(model: Model) -> int:
    """Return the integer cost of a position: weights read, in units of 2**27, half up, at least 1.

    Rule: MODEL-14
    """
    matrices = [model.head, *(m for layer in model.layers for m in layer.matrices)]
    weights = sum(matrix.rows * matrix.columns for matrix in matrices)
    return max(1, (weights + COST_UNIT // 2) // COST_UNIT)


def fold_leaves(leaves: list[bytes], height: int) -> Hash32:
    """Return the root of a perfect tree; absent leaves are sha256 of 32 zero bytes."""
    sha256 = hashlib.sha256
    empty, level = sha256(bytes(32)).digest(), leaves
    for _ in range(height):
        if len(level) % 2:
            level.append(empty)
        level = [
            sha256(left + right).digest()
            for left, right in zip(level[0::2], level[1::2], strict=True)
        ]
        empty = sha256(empty + empty).digest()
    return Hash32(level[0])


def iterate_leaves(
    model: Model, vocabulary: Vocabulary, types: tuple[TokenType, ...]
) -> Iterator[bytes]:
    """Yield the leaves in order.

    Rule: MODEL-10, MODEL-24
    """
    records = list(iterate_vocabulary(vocabulary))
    for row, (kind, data) in enumerate(iterate_config(model, len(records))):
        yield compute_row_leaf(TensorNumber.CONFIG, row, kind, data)
    for row, data in enumerate(records):
        yield compute_row_leaf(TensorNumber.VOCABULARY, row, RowType.VOCABULARY, data)
    for row, data in enumerate(iterate_tokens(vocabulary, types)):
        yield compute_row_leaf(TensorNumber.TOKENS, row, RowType.TOKEN, data)
    yield from _iterate_rows(TensorNumber.EMBEDDING, model.embedding)
    number: int = TensorNumber.LAYERS
    for layer in model.layers:
        for matrix in layer.matrices:
            yield from _iterate_rows(number, matrix)
            number += 1
    if not model.tied:
        yield from _iterate_rows(number, model.head)


def _iterate_rows(number: int, matrix: Matrix) -> Iterator[bytes]:
    """Yield the leaves of a matrix: the file's own rows."""
    sha256, size = hashlib.sha256, matrix.data.shape[1]
    data = np.ascontiguousarray(matrix.data).data.cast("B")
    if count_part_bytes(matrix.type, size):
        for row in range(matrix.rows):
            cut = data[row * size : (row + 1) * size]
            yield compute_row_leaf(number, row, matrix.type, cut)
        return
    head, tail = struct.pack(">Q", number), struct.pack(">2Q", matrix.type, 0)
    for row in range(matrix.rows):
        header = head + row.to_bytes(8, "big") + tail
        yield sha256(header + data[row * size : (row + 1) * size]).digest()


def iterate_config(model: Model, vocabulary_records: int) -> Iterator[tuple[int, bytes]]:
    """Yield the config rows with their types.

    Rule: MODEL-11
    """
    yield (
        RowType.FORMATS,
        _encode_words(
            FORMATS,
            len(model.layers),
            model.width,
            model.feed_forward,
            model.heads,
            model.kv_heads,
            model.head_size,
            model.vocabulary,
            model.context,
            vocabulary_records,
            int(model.tied),
            model.embedding.type,
            model.head.type,
            model.epsilon,
            model.score_scale,
            tables.LOG2E_Q16,
            *tables.EXP_COEFFICIENTS,
            model.output_norm.exponent,
        ),
    )
    for layer in model.layers:
        yield (
            RowType.LAYER,
            _encode_words(
                layer.q_format,
                layer.k_format,
                layer.v_format,
                layer.attn_norm.exponent,
                layer.ffn_norm.exponent,
                *(matrix.type for matrix in layer.matrices),
            ),
        )
    for layer in model.layers:
        yield from _iterate_norm(layer.attn_norm)
        yield from _iterate_norm(layer.ffn_norm)
    yield from _iterate_norm(model.output_norm)
    turns = np.concatenate([model.cosines, model.sines], axis=1).astype(">i2")
    for row in turns:
        yield RowType.ROPE, row.tobytes()


def _iterate_norm(norm: Norm) -> Iterator[tuple[int, bytes]]:
    """Yield a norm's weights as big-endian int16, 512 a row."""
    for begin in range(0, len(norm.weights), NORM_LANES):
        yield RowType.NORM, norm.weights[begin : begin + NORM_LANES].astype(">i2").tobytes()


def _encode_words(*values: int) -> bytes:
    """Return 32-byte big-endian words, two's complement."""
    return b"".join(value.to_bytes(32, "big", signed=True) for value in values)


def iterate_vocabulary(vocabulary: Vocabulary) -> Iterator[bytes]:
    """Yield the table sorted by bytes: what one greedy step is checked with.

    Rule: MODEL-15

    A record is length (2) ‖ bytes ‖ count (2) ‖ count times (length (2) ‖ id (4)): the tokens
    that are prefixes of these bytes, shortest first, themselves last; of equal bytes the lowest
    id. If the bytes at hand are at or after this record and before the next one, their longest
    match is the longest of these prefixes that they begin with.
    """
    ids = vocabulary.ids_by_bytes
    for data in sorted(ids):
        prefixes = [
            struct.pack(">HI", length, ids[data[:length]][0])
            for length in range(1, len(data) + 1)
            if data[:length] in ids
        ]
        parts = (struct.pack(">H", len(data)), data, struct.pack(">H", len(prefixes)), *prefixes)
        yield b"".join(parts)


def iterate_tokens(vocabulary: Vocabulary, types: tuple[TokenType, ...]) -> Iterator[bytes]:
    """Yield the table by id: what a sampled token spells.

    Rule: MODEL-16

    A record is type (1, GGUF's code) ‖ length (2) ‖ bytes; length 0 means never sampled.
    """
    for data, kind in zip(vocabulary.tokens, types, strict=True):
        yield struct.pack(">BH", kind, len(data or b"")) + (data or b"")
