"""Cases of single ops: extreme lanes, every shift, rows of every format; answers by spec.py."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oyez.engines.exact import blocks, spec, tables
from oyez.engines.exact.blocks import FLOAT_BOUND, INTEGER_BOUND, MAX_ACTIVATION
from oyez.engines.exact.gguf import BLOCK_LAYOUT
from oyez.engines.exact.spec import SAT16, SAT32, WIDE, Int64
from tests.kernel_driver.rows import KINDS, TOP, build_matrix
from tests.kernel_driver.wire import EVERY_PATH, PORTABLE_ALONE, Array, OpCase

HEAD_SIZES = tuple(range(4, 257, 4))
TILE_ROWS, GROUP, MOST_KEYS = 16, 32, 400
PATTERNS = ("random", "small", "largest", "smallest", "zeros", "one huge", "alternating")


class Op(IntEnum):
    """Numbers of the ops in driver.c."""

    SUM_SQUARES = 0
    WEIGH = 1
    LARGEST = 2
    SPLIT = 3
    ROUND_TILE = 4
    ADD_TILE = 5
    ROTATE = 6
    GATE = 7
    SCALE_SCORES = 8
    WEIGH_KEYS = 9
    DIVIDE = 10
    SCORE_KEYS = 11
    MIX_VALUES = 12
    TILES = 13
    EMBED = 14


def draw_lanes(rng: np.random.Generator, size: int | tuple[int, ...], most: int) -> Int64:
    """Return lanes of at most `most` in one of seven patterns."""
    pattern = rng.choice(PATTERNS)
    lanes = rng.integers(-most, most + 1, size)
    if pattern == "small":
        lanes = rng.integers(-3, 4, size)
    elif pattern == "largest":
        lanes[...] = most
    elif pattern == "smallest":
        lanes[...] = -most
    elif pattern == "zeros":
        lanes[...] = 0
    elif pattern == "one huge":
        lanes[...] = 0
        lanes.reshape(-1)[rng.integers(lanes.size)] = rng.choice([-most, most])
    elif pattern == "alternating":
        lanes[...] = most
        lanes.reshape(-1)[::2] = -most
    return lanes


def build_op_cases(rng: np.random.Generator) -> Iterator[OpCase]:
    """Yield one case of each op, and one of the tile product and of the embedding a format."""
    yield from _build_norm_cases(rng)
    yield _build_split(rng)
    yield from _build_rounding_cases(rng)
    yield _build_rotation(rng)
    yield _build_gate(rng)
    yield from _build_attention_cases(rng)
    for kind in KINDS:
        yield _build_tiles(rng, int(rng.integers(1, 41)), kind)
        yield _build_embedding(rng, kind)


def _case(label: str, op: Op, numbers: tuple[int, ...], arrays: list[Array], **more: Any) -> OpCase:
    """Return a case whose label names its numbers. Any: the other fields of OpCase."""
    return OpCase(f"{label} {numbers}", op, numbers, tuple(arrays), **more)


def _build_norm_cases(rng: np.random.Generator) -> Iterator[OpCase]:
    count = int(rng.integers(1, 200))
    x = draw_lanes(rng, count, SAT32)
    squares = sum(int(lane) ** 2 for lane in x)
    yield _case(
        "sum of squares", Op.SUM_SQUARES, (count,), [x.astype("<i4")], outputs={}, result=squares
    )
    weights = draw_lanes(rng, count, SAT16)
    inverse = int(rng.choice([1 << 16, (1 << 15) + 1, rng.integers((1 << 15) + 1, 1 << 16)]))
    t = x * weights * inverse
    arrays = [x.astype("<i4"), weights.astype("<i4"), np.zeros(count, "<i8")]
    yield _case("weigh", Op.WEIGH, (count, inverse), arrays, outputs={2: t})
    largest = int(np.abs(t).max())
    yield _case("largest", Op.LARGEST, (count,), [t], outputs={}, result=largest)


def _build_split(rng: np.random.Generator) -> OpCase:
    count, bits = GROUP * int(rng.integers(1, 9)), int(rng.integers(1, 63))
    t = draw_lanes(rng, count, (1 << bits) - 1)
    least = int(np.abs(t).max()).bit_length() - 14
    shift = int(rng.choice([least, max(least, 0)])) if t.any() else 0
    y = spec.rounding_shift(t, shift, SAT16)
    high = (y + 128) >> 8
    arrays: list[Array] = [t, np.zeros(count, "<i2"), np.zeros(count, "i1"), np.zeros(count, "i1")]
    arrays += [np.zeros(count // GROUP, "<f8"), np.zeros(count // 16, "<f8")]
    outputs = {
        1: y.astype("<i2"),
        2: high.astype("i1"),
        3: (y - 256 * high).astype("i1"),
        4: y.reshape(-1, GROUP).sum(axis=1).astype("<f8"),
        5: y.reshape(-1, 16).sum(axis=1).astype("<f8"),
    }
    return _case("split", Op.SPLIT, (count, shift), arrays, outputs=outputs)


def _build_rounding_cases(rng: np.random.Generator) -> Iterator[OpCase]:
    sums = draw_lanes(rng, TILE_ROWS, (1 << int(rng.integers(1, 63))) - 1)
    shift, limit = int(rng.integers(-90, 110)), int(rng.choice([SAT16, SAT32]))
    rounded = spec.rounding_shift(sums, shift, limit).astype("<i4")
    zeros = np.zeros(TILE_ROWS, "<i4")
    yield _case("round", Op.ROUND_TILE, (shift, limit), [sums, zeros], outputs={1: rounded})
    x = draw_lanes(rng, TILE_ROWS, SAT32)
    total = np.clip(x + spec.rounding_shift(sums, shift, WIDE), -SAT32, SAT32)
    arrays: list[Array] = [sums, x.astype("<i4")]
    yield _case("add", Op.ADD_TILE, (shift,), arrays, outputs={1: total.astype("<i4")})


def _build_rotation(rng: np.random.Generator) -> OpCase:
    pairs, out_format = int(rng.integers(1, 129)), int(rng.integers(0, 16))
    x, turns = draw_lanes(rng, 2 * pairs, SAT32), draw_lanes(rng, (2, pairs), 1 << 14)
    rotated = spec.rotate(x.reshape(1, 1, -1), turns[:1], turns[1:], out_format)
    arrays: list[Array] = [x.astype("<i4"), *turns.astype("<i2"), np.zeros(2 * pairs, "<i2")]
    outputs = {3: rotated.astype("<i2")}
    return _case("rotate", Op.ROTATE, (pairs, out_format), arrays, outputs=outputs)


def _build_gate(rng: np.random.Generator) -> OpCase:
    count, most = int(rng.integers(1, 70)), int(rng.choice([1 << 22, SAT32]))
    g, u = draw_lanes(rng, count, most), draw_lanes(rng, count, SAT32)
    arrays: list[Array] = [g.astype("<i4"), u.astype("<i4"), np.zeros(count, "<i8")]
    numbers = (count, *tables.EXP_COEFFICIENTS)
    return _case("gate", Op.GATE, numbers, arrays, outputs={2: spec.gated(g, u)})


def _build_attention_cases(rng: np.random.Generator) -> Iterator[OpCase]:
    """Scores of a query, their scaling, the keys' weights, the mixture and its division."""
    size, count = int(rng.choice(HEAD_SIZES)), int(rng.integers(1, MOST_KEYS))
    q, keys = draw_lanes(rng, size, SAT16), draw_lanes(rng, (-(-count // 16) * 16, size), SAT16)
    scores = keys @ q
    stored = keys.reshape(-1, 16, size // 2, 2).transpose(0, 2, 1, 3).astype("<i2")
    yield _case(
        "score",
        Op.SCORE_KEYS,
        (count, size),
        [q.astype("<i2"), np.ascontiguousarray(stored), np.zeros(len(keys), "<i8")],
        outputs={2: scores},
        head_size=size,
    )
    scores, scale = scores[:count], tables.compute_score_scale(size)
    shift = int(rng.integers(2, 33))
    z = spec.rounding_shift(scores * scale, shift, SAT32)
    numbers = (count, scale, shift)
    largest = int(z.max())
    yield _case("scale", Op.SCALE_SCORES, numbers, [scores.copy()], outputs={0: z}, result=largest)
    if rng.integers(2):  # close to one another, so that many keys count
        z = largest - rng.integers(0, 1 << 20, count)
        largest = int(z.max())
    p = spec.rounding_shift(spec.exponential(largest - z), 14, SAT32)
    weighing = (count, *tables.EXP_COEFFICIENTS, largest)
    arrays: list[Array] = [z, np.zeros(count, "<i4")]
    outputs: dict[int, Array] = {1: p.astype("<i4")}
    total = int(p.sum())
    yield _case("weigh keys", Op.WEIGH_KEYS, weighing, arrays, outputs=outputs, result=total)
    yield from _build_mixture(rng, p, size)


def _build_mixture(rng: np.random.Generator, p: Int64, size: int) -> Iterator[OpCase]:
    """The sum of the values under weights p, and its division by their sum."""
    count = len(p)
    values = draw_lanes(rng, (-(-count // 2) * 2, size), SAT16)
    sums = p @ values[:count]
    pairs = values.reshape(-1, 2, size).transpose(0, 2, 1).astype("<i2")
    weights = np.append(p, 0).astype("<i4")  # the kernels may read one weight more, which is 0
    yield _case(
        "mix",
        Op.MIX_VALUES,
        (count, size),
        [weights, np.ascontiguousarray(pairs), np.zeros(size, "<i8")],
        outputs={2: sums},
        head_size=size,
    )
    total = int(p.sum())
    quotients = np.sign(sums) * (((np.abs(sums) << 8) + total // 2) // total)
    arrays: list[Array] = [sums, np.zeros(size, "<i8")]
    yield _case("divide", Op.DIVIDE, (size, total), arrays, outputs={1: quotients})


def _draw_columns(rng: np.random.Generator, weights: int) -> int:
    """Return columns that are whole blocks, and for F16 no multiple of anything."""
    return weights * int(rng.integers(1, 100 if weights == 1 else 14 if weights == 32 else 4))


def _build_tiles(rng: np.random.Generator, rows: int, kind: Any) -> OpCase:
    """All tiles of a matrix. Any: a BlockType."""
    columns = _draw_columns(rng, BLOCK_LAYOUT[kind][0])
    tokens = int(rng.choice([1, 2, 3, 4, 5, 7, 8, 11, 127, 128]))
    limit = int(rng.choice([FLOAT_BOUND, FLOAT_BOUND, INTEGER_BOUND]))
    exponent = None if rng.integers(2) else int(rng.integers(0, TOP + 1))
    matrix = build_matrix(rng, kind, rows, columns, exponent=exponent, limit=limit)
    padded = -(-columns // GROUP) * GROUP
    y = np.zeros((tokens, padded), np.int64)
    y[:, :columns] = draw_lanes(rng, (tokens, columns), MAX_ACTIVATION)
    sums = np.zeros((-(-rows // TILE_ROWS) * TILE_ROWS, tokens), np.int64)
    sums[:rows] = blocks.decode_weights(matrix, matrix.data) @ y[:, :columns].T
    out = sums.reshape(-1, TILE_ROWS, tokens).transpose(0, 2, 1)
    high = (y + 128) >> 8
    arrays: list[Array] = [
        matrix.data,
        y.astype("<i2"),
        high.astype("i1"),
        (y - 256 * high).astype("i1"),
        _sum_groups(y, GROUP),
        _sum_groups(y, 16),
        np.zeros(out.shape, "<i8"),
    ]
    return _case(
        f"tiles of {kind.name}, bound 2**{matrix.bound.bit_length()},",
        Op.TILES,
        (int(kind), rows, columns, tokens),
        arrays,
        outputs={6: np.ascontiguousarray(out)},
        mask=EVERY_PATH if matrix.bound < FLOAT_BOUND else PORTABLE_ALONE,
    )


def _sum_groups(y: Int64, size: int) -> NDArray[np.float64]:
    sums: NDArray[np.float64] = y.reshape(-1, size).sum(axis=1).astype(np.float64)
    return sums


def _build_embedding(rng: np.random.Generator, kind: Any) -> OpCase:
    """Rows as residual lanes. Any: a BlockType."""
    rows, columns = int(rng.integers(1, 6)), _draw_columns(rng, BLOCK_LAYOUT[kind][0])
    exponent = None if rng.integers(2) else int(rng.integers(0, TOP + 1))
    matrix = build_matrix(rng, kind, rows, columns, exponent=exponent)
    weights = blocks.decode_weights(matrix, matrix.data)
    x = spec.rounding_shift(weights, spec.SCALE_BITS - spec.RESIDUAL_FORMAT, SAT32).astype("<i4")
    arrays: list[Array] = [matrix.data, np.zeros(x.shape, "<i4")]
    numbers = (int(kind), columns, rows)
    return _case(f"embed {kind.name}", Op.EMBED, numbers, arrays, outputs={1: x})
