"""Each op against Python's integers, whole models against float64."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oyez.engines.exact import blocks, row_formats, spec, weights
from oyez.engines.exact.gguf import BlockType, open_gguf
from oyez.engines.exact.tokens import build_vocabulary, parse_tokenizer_metadata
from oyez.engines.exact.weights import Model
from oyez.protocol.errors import Invalid
from tests.unit.engine import floating, ggml_layout

int32s = st.integers(-spec.SAT32, spec.SAT32)
wide = st.integers(-(2**62) + 1, 2**62 - 1)


def rsh(a: int, s: int) -> int:
    return math.floor(Fraction(a) / Fraction(2) ** s + Fraction(1, 2)) if s > 0 else a * 2**-s


def sat(a: int, limit: int) -> int:
    return max(-limit, min(limit, a))


def array(*values: int) -> spec.Int64:
    return np.array(values, np.int64)


@example(2**62 - 1, 63, spec.SAT32)
@example(2**62 - 1, 62, spec.SAT32)
@example(-(2**62) + 1, 62, spec.SAT32)
@example(1, -15, spec.SAT16)
@example(1, -63, spec.WIDE)
@given(wide, st.integers(-200, 200), st.sampled_from([spec.SAT16, spec.SAT32, spec.WIDE]))
def test_rounding_shift_is_total(a: int, s: int, limit: int) -> None:
    # Rule: ENGINE-1
    assert spec.rounding_shift(array(a), s, limit)[0] == sat(rsh(a, s), limit)


@given(st.lists(int32s, min_size=32, max_size=32), st.integers(1, 2**44))
def test_root_and_reciprocal(lanes: list[int], epsilon: int) -> None:
    # Rule: ENGINE-5
    # Rule: ENGINE-6
    r = spec.root_mean_square(array(*lanes)[None, :], epsilon)[0]
    n = sum(lane**2 for lane in lanes) * 2**16 // 32 + epsilon
    assert r * r <= n < (r + 1) ** 2
    assert 0 < r < 2**39 + 2**22
    inverse = spec.reciprocal(r)
    assert 2**15 <= inverse <= 2**16
    assert inverse * r <= 2 ** (r.bit_length() + 15) < (inverse + 1) * r


@pytest.mark.parametrize("name", ["plain", "wide heads"])
@given(seed=st.integers(0, 2**32), size=st.integers(0, 31))
@settings(max_examples=30, deadline=None)
def test_normalise(tiny_models: dict[str, Model], name: str, seed: int, size: int) -> None:
    # Rule: ENGINE-7
    model = tiny_models[name]
    x = np.random.default_rng(seed).integers(-(2**size) + 1, 2**size, model.width)
    x[0] = 2**size - 1
    norm = model.output_norm
    y = spec.normalise(model, x[None, :], norm)
    r = spec.root_mean_square(x[None, :], model.epsilon)[0]
    t = [int(a) * int(w) * spec.reciprocal(r) for a, w in zip(x, norm.weights, strict=True)]
    largest = max(map(abs, t))
    shift = largest.bit_length() - 14 if largest else 0
    assert largest < 2**62
    assert y.lanes[0].tolist() == [rsh(a, shift) for a in t]
    assert np.abs(y.lanes).max() <= blocks.MAX_ACTIVATION
    assert y.format[0] == norm.exponent + r.bit_length() + 7 - shift


def test_zero_vector_normalises_to_zero(tiny_models: dict[str, Model]) -> None:
    model = tiny_models["plain"]
    y = spec.normalise(model, np.zeros((1, model.width), np.int64), model.output_norm)
    assert not y.lanes.any()
    for limit in (spec.SAT16, spec.SAT32):
        assert not spec.multiply(model.layers[0].q, y, spec.LANE_FORMAT, limit).any()


LANES = [(name, index) for name in ("plain", "large sums", "K sums in int64") for index in range(7)]
LANES += [
    (name, index) for name in ("old formats", "K formats", "half floats") for index in range(5)
]


@pytest.mark.parametrize(("name", "index"), LANES)
@given(seed=st.integers(0, 2**32), exponent=st.integers(-60, 90), size=st.sampled_from([0, 7, 14]))
@settings(max_examples=4, deadline=None)
def test_matrix_lane_rounds_once(
    tiny_models: dict[str, Model], name: str, index: int, seed: int, exponent: int, size: int
) -> None:
    # Rule: ENGINE-8
    matrix = tiny_models[name].layers[0].matrices[index]
    rng = np.random.default_rng(seed)
    y = rng.integers(-(1 << size), (1 << size) + 1, matrix.columns)
    actual = spec.multiply(matrix, spec.Activation(y[None, :], array(exponent)), 16, spec.SAT32)
    for row in range(3):
        exact = ggml_layout.decode(matrix.type.name, matrix.data[row].tobytes())
        total = sum(w * int(lane) for w, lane in zip(exact, y, strict=True)) * 2**24
        assert total.denominator == 1
        assert abs(total) <= matrix.bound
        assert actual[0, row] == sat(rsh(int(total), 24 + exponent - 16), spec.SAT32)


def test_large_sums_take_the_integer_path(tiny_models: dict[str, Model]) -> None:
    # Rule: ENGINE-3
    for name in ("large sums", "K sums in int64"):
        assert tiny_models[name].bound >= blocks.FLOAT_BOUND
    assert tiny_models["plain"].bound < blocks.FLOAT_BOUND
    assert blocks.FLOAT_BOUND // 2 < tiny_models["sums below 2**53"].bound < blocks.FLOAT_BOUND
    worst = np.zeros((1, 20 * 3), np.uint8)
    worst.reshape(3, 20)[:, :2] = np.array([0x7800], "<u2").view(np.uint8)
    bound = blocks.compute_row_bound("w", BlockType.Q4_1, worst[:, :20])
    assert bound == 2**15 * 2**24 * 15 * 32 * 2**14
    with pytest.raises(Invalid, match="62 bits"):
        blocks.compute_row_bound("w", BlockType.Q4_1, worst)


def test_half_precision_table_is_exact() -> None:
    bits = np.arange(1 << 16, dtype=np.uint16)
    bits = bits[(bits & 0x7C00) != 0x7C00]
    real = bits.view(np.float16).astype(np.float64) * 2.0**24
    assert (row_formats.build_half_table()[bits] == real).all()


def test_embedding(tiny_models: dict[str, Model]) -> None:
    # Rule: ENGINE-4
    for model in tiny_models.values():
        e = model.embedding
        x = spec.embed(model, [7, 299])
        rows = [ggml_layout.decode(e.type.name, e.data[token].tobytes()) for token in (7, 299)]
        assert x.tolist() == [[rsh(int(w * 2**24), 10) for w in row] for row in rows]


def test_formats_cannot_saturate(tiny_models: dict[str, Model], real_model: Model) -> None:
    """The Q of q, k, v is the largest that a worst-case input cannot saturate."""
    # Rule: ENGINE-9
    for model in (*tiny_models.values(), real_model):
        for layer in model.layers[:: max(1, len(model.layers) // 4)]:
            scale = layer.attn_norm.weights / 2.0**layer.attn_norm.exponent
            for matrix, actual, pairs in (
                (layer.q, layer.q_format, True),
                (layer.k, layer.k_format, True),
                (layer.v, layer.v_format, False),
            ):
                real = blocks.decode_weights(matrix, matrix.data) / 2.0**24 * scale
                squares = (real**2).sum(axis=1)
                longest = (squares[0::2] + squares[1::2]).max() if pairs else squares.max()
                worst = max(1.002 * math.sqrt(matrix.columns * longest), 2.0**-40)
                assert actual == min(15, math.floor(math.log2(32_767 / worst)))


def test_formats_of_the_real_model(real_model: Model) -> None:
    formats = [(layer.q_format, layer.k_format, layer.v_format) for layer in real_model.layers]
    assert formats[0] == (9, 9, 13)
    assert formats[17] == (8, 7, 9)
    assert formats[29] == (8, 8, 8)
    assert math.log2(real_model.bound) < 50.8
    assert real_model.epsilon == 175_921_856


def test_huge_key_weights_are_refused(tiny_models: dict[str, Model]) -> None:
    layer = tiny_models["large sums"].layers[0]
    with pytest.raises(Invalid, match="leave 16 bits"):
        weights.compute_format(layer.gate, layer.ffn_norm, pairs=True)


def test_norm_weights(tiny_models: dict[str, Model], real_model: Model) -> None:
    # Rule: MODEL-8
    for model in (*tiny_models.values(), real_model):
        for layer in model.layers:
            largest = int(np.abs(layer.attn_norm.weights).max())
            assert 1 << 14 <= largest <= 32_767
    assert weights.SAT_NORM == 32_767


@given(st.integers(0, 2**33))
def test_exponential_is_near_and_total(z: int) -> None:
    # Rule: ENGINE-14
    actual = int(spec.exponential(array(z))[0])
    real = 2.0 ** (30 - z / 65_536)
    assert 0 <= actual <= 1 << 30
    assert abs(actual - real) <= max(real * 1.3e-4, 1.0) + 1
    assert actual == 0 if z >= 31 << 16 else True


@given(st.lists(int32s, min_size=1, max_size=20), st.integers(0, 2**32))
def test_attention_output(scores: list[int], seed: int) -> None:
    # Rule: ENGINE-15
    values = np.random.default_rng(seed).integers(-32_767, 32_768, (len(scores), 8))
    values[:, 0] = 32_767
    actual = spec.attend(array(*scores), values)
    top = max(scores)
    p = [rsh(int(spec.exponential(array(top - s))[0]), 14) for s in scores]
    den = sum(p)
    assert den > 0
    for lane in range(8):
        total = sum(a * int(v) for a, v in zip(p, values[:, lane], strict=True))
        magnitude = (abs(total) * 256 + den // 2) // den
        assert actual[lane] == (magnitude if total >= 0 else -magnitude)
        assert magnitude <= 32_767 * 256


@given(st.lists(st.integers(-(2**62) + 1, 2**62 - 1), min_size=1, max_size=8))
def test_compression_never_enlarges(lanes: list[int]) -> None:
    # Rule: ENGINE-16
    y = spec.compress(array(*lanes)[None, :], 32)
    shift = max(0, max(map(abs, lanes)).bit_length() - 14)
    assert y.lanes[0].tolist() == [rsh(lane, shift) for lane in lanes]
    assert np.abs(y.lanes).max() <= blocks.MAX_ACTIVATION
    assert y.format[0] == 32 - shift


@given(int32s, int32s)
def test_gate(g: int, u: int) -> None:
    # Rule: ENGINE-17
    e = int(spec.exponential(array(rsh(min(abs(g), 2**21) * 94_548, 16)))[0])
    numerator = 2**30 if g >= 0 else e
    sigmoid = numerator * 2**16 // (2**30 + e)
    expected = sat(rsh(g * sigmoid, 16), spec.SAT32) * u
    assert spec.gated(array(g), array(u))[0] == expected
    assert abs(expected) < 2**62


@given(st.integers(0, 2**32), st.integers(0, 15))
def test_rotation(seed: int, out_format: int) -> None:
    # Rule: ENGINE-11
    rng = np.random.default_rng(seed)
    lanes = rng.integers(-spec.SAT32, spec.SAT32 + 1, (1, 1, 4))
    cos, sin = rng.integers(-16_384, 16_385, (2, 1, 2))
    actual = spec.rotate(lanes, cos, sin, out_format)[0, 0]
    a, b, c, s = int(lanes[0, 0, 2]), int(lanes[0, 0, 3]), int(cos[0, 1]), int(sin[0, 1])
    assert actual[2] == sat(rsh(a * c - b * s, 30 - out_format), spec.SAT16)
    assert actual[3] == sat(rsh(a * s + b * c, 30 - out_format), spec.SAT16)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_score(tiny_models: dict[str, Model], seed: int) -> None:
    # Rule: ENGINE-13
    model = tiny_models["plain"]
    q, k = np.random.default_rng(seed).integers(-32_767, 32_768, (2, model.head_size))
    layer = model.layers[0]
    product = sum(int(a) * int(b) for a, b in zip(q, k, strict=True)) * model.score_scale
    shift = 2 + layer.q_format + layer.k_format
    assert spec.score(q, k[None, :], model, layer)[0] == sat(rsh(product, shift), spec.SAT32)


def test_residual_saturates(tiny_models: dict[str, Model]) -> None:
    # Rule: ENGINE-18
    matrix = tiny_models["large sums"].layers[0].down
    y = spec.Activation(np.full((1, matrix.columns), 16_384), array(-20))
    start = np.full((1, matrix.rows), spec.SAT32, np.int64)
    moved = spec.add_residual(start, matrix, y)
    assert set(np.unique(moved)) <= {-spec.SAT32, spec.SAT32}


@pytest.mark.parametrize(
    "name",
    ["plain", "wide heads", "8-bit matrices", "old formats", "K formats", "half floats"],
)
def test_tiny_model_is_near_float64(
    tiny_paths: dict[str, Path], tiny_models: dict[str, Model], name: str
) -> None:
    tokens = [5, 299, 5, 0, 77, 120, 256, 9]
    model = tiny_models[name]
    past = np.zeros((0, len(model.layers), 2 * model.kv_heads * model.head_size), np.int64)
    residuals, _ = spec.run(model, tokens, past)
    actual = np.stack([spec.compute_logits(model, x) for x in residuals[:, -1]]) / 65_536
    expected = floating.forward(tiny_paths[name], tokens)
    assert floating.divergence(expected, actual).max() < 1e-4


def test_real_model_is_near_float64(model_path: Path, real_model: Model) -> None:
    # Rule: ENGINE-19
    vocabulary = build_vocabulary(parse_tokenizer_metadata(open_gguf(model_path)))
    tokens = vocabulary.greedy(b"The city lies on the river and has")
    residuals, _ = spec.run(real_model, tokens, np.zeros((0, 30, 384), np.int64))
    actual = np.stack([spec.compute_logits(real_model, x) for x in residuals[-4:, -1]]) / 65_536
    expected = floating.forward(model_path, tokens)[-4:]
    assert floating.divergence(expected, actual).max() < 3e-4
    assert (expected.argmax(axis=1) == actual.argmax(axis=1)).all()
