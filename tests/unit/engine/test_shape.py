"""Which llama models run, and that every other file is refused by name, whatever its bytes."""

from __future__ import annotations

import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from oyez.engines.exact import shape, spec, tables
from oyez.engines.exact.backend import Reference
from oyez.engines.exact.gguf import open_gguf, parse_gguf
from oyez.engines.exact.kernels import Kernels
from oyez.engines.exact.library import Library
from oyez.engines.exact.weights import load_model
from oyez.protocol.errors import Invalid
from tests.unit.engine import floating, tiny
from tests.unit.engine.tiny import TYPES

SMALL = tiny.Shape(layers=1, vocabulary=280, mix=(TYPES.Q5_0, TYPES.F16, TYPES.Q4_0))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return tiny.write_model(tmp_path_factory.mktemp("shape") / "m.gguf", SMALL).read_bytes()


def parse(data: bytes) -> object:
    return load_model(parse_gguf(memoryview(data)))


@pytest.mark.parametrize("seed", range(100, 116))
def test_models_of_any_shape_run_alike_and_near_float64(
    tmp_path: Path, library: Library, seed: int
) -> None:
    """Head sizes 32 to 128, GQA ratios 1 to 8, mixed formats, rows that fill no tile, factors."""
    # Rule: MODEL-6
    # Rule: MODEL-21
    sizes = tiny.build_random_shape(seed)
    path = tiny.write_model(tmp_path / "m.gguf", sizes)
    model = load_model(open_gguf(path))
    tokens = np.random.default_rng(seed).integers(0, model.vocabulary, 21).tolist()
    reference = Reference(model)
    residuals, lanes = reference.run(reference.new_cache(), tokens)
    logits = np.stack([spec.compute_logits(model, x.astype(np.int64)) for x in residuals[:, -1]])
    for kernel in library.paths:
        backend = Kernels(library, model, kernel)
        cache = backend.new_cache()
        parts = [backend.run(cache, tokens[:14]), *(backend.run(cache, [t]) for t in tokens[14:])]
        assert (np.concatenate([x for x, _ in parts]) == residuals).all(), sizes
        assert (np.concatenate([kv for _, kv in parts]) == lanes).all(), sizes
        assert (backend.logits(np.ascontiguousarray(residuals[-1, -1])) == logits[-1]).all()
    expected = floating.forward(path, tokens)
    assert floating.divergence(expected, logits / 65_536).max() < 1e-4, sizes


@pytest.mark.parametrize("head_size", range(32, 129, 8))
@pytest.mark.parametrize("ratio", [1, 3])
def test_every_head_size_runs_alike(
    tmp_path: Path, library: Library, head_size: int, ratio: int
) -> None:
    # Rule: MODEL-7
    sizes = tiny.Shape(layers=1, heads=4 * ratio, kv_heads=4, head_size=head_size)
    model = load_model(open_gguf(tiny.write_model(tmp_path / "m.gguf", sizes)))
    tokens = list(range(20))
    reference = Reference(model)
    expected, _ = reference.run(reference.new_cache(), tokens)
    for kernel in library.paths:
        backend = Kernels(library, model, kernel)
        assert (backend.run(backend.new_cache(), tokens)[0] == expected).all()


@pytest.mark.parametrize(
    ("extra", "scale"),
    [
        ({"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 2.5}, 2.5),
        ({"llama.rope.scaling.factor": 4.0}, 4),
        ({"llama.rope.scale_linear": 4.0}, 4),
        ({"llama.rope.scaling.type": "none", "llama.rope.scaling.factor": 4.0}, 1),
        ({"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 0.0}, 1),
        ({"llama.rope.scaling.type": "linear"}, 1),
        ({}, 1),
    ],
)
def test_linear_scaling(tmp_path: Path, extra: dict[str, tiny.Extra], scale: float) -> None:
    # Rule: MODEL-20
    path = tiny.write_model(tmp_path / "m.gguf", SMALL, extra)
    assert shape.read_shape(open_gguf(path)).rope_scale == scale
    if scale == 2.5:
        model = load_model(open_gguf(path))
        tokens = [3, 270, 12, 99, 3, 3, 41, 8] * 4
        residuals, _ = Reference(model).run(Reference(model).new_cache(), tokens)
        logits = [spec.compute_logits(model, x.astype(np.int64)) for x in residuals[:, -1]]
        expected = floating.forward(path, tokens)
        assert floating.divergence(expected, np.stack(logits) / 65_536).max() < 1e-4


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"llama.rope.scaling.type": "yarn"}, "rope scaling 'yarn' is not supported"),
        ({"llama.rope.scaling.type": "longrope"}, "rope scaling 'longrope'"),
        ({"llama.rope.scaling.factor": 0.5}, r"scaling\.factor is 0\.5"),
        ({"llama.rope.scaling.factor": float("nan")}, r"scaling\.factor is nan"),
    ],
)
def test_other_scaling_is_refused_by_name(
    tmp_path: Path, extra: dict[str, tiny.Extra], message: str
) -> None:
    # Rule: MODEL-20
    with pytest.raises(Invalid, match=message):
        parse(tiny.write_model(tmp_path / "m.gguf", SMALL, extra).read_bytes())


@pytest.mark.parametrize("factor", [0.5, 70_000.0, float("nan"), float("inf"), -1.0])
def test_factors_outside_their_range_are_refused(tmp_path: Path, factor: float) -> None:
    # Rule: MODEL-21
    sizes = replace(SMALL, rope_factors=(1.0,) * 7 + (factor,))
    with pytest.raises(Invalid, match="factor outside 1 to 65536"):
        parse(tiny.write_model(tmp_path / "m.gguf", sizes).read_bytes())


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"llama.expert_count": 8}, "expert_count is 8"),
        ({"llama.attention.causal": False}, "causal is False"),
        ({"llama.attention.clamp_kqv": 8.0}, r"clamp_kqv is 8\.0"),
        ({"llama.attention.scale": 0.1}, r"attention\.scale"),
        ({"llama.logit_scale": 0.5}, "logit_scale"),
        ({"llama.embedding_scale": 12.0}, "embedding_scale"),
        ({"llama.residual_scale": 0.2}, "residual_scale"),
        ({"llama.final_logit_softcapping": 30.0}, "softcapping"),
        ({"llama.rope.scaling.attn_factor": 1.2}, "attn_factor"),
        ({"llama.attention.sliding_window": 63}, "sliding_window is 63, shorter"),
        ({"split.count": 2}, r"split\.count is 2"),
        ({"general.quantization_version": 1}, "quantization_version is 1"),
        ({"general.type": "adapter"}, "holds a 'adapter', not a model"),
    ],
)
def test_variants_are_refused_by_name(
    tmp_path: Path, extra: dict[str, tiny.Extra], message: str
) -> None:
    # Rule: MODEL-19
    with pytest.raises(Invalid, match=message):
        parse(tiny.write_model(tmp_path / "m.gguf", SMALL, extra).read_bytes())


def test_vocabulary_that_disagrees_is_refused(tmp_path: Path) -> None:
    # Rule: MODEL-7
    path = tiny.write_model(tmp_path / "m.gguf", SMALL, {"llama.vocab_size": 280})
    parse(path.read_bytes())
    path = tiny.write_model(tmp_path / "m.gguf", SMALL, {"llama.vocab_size": 281})
    with pytest.raises(Invalid, match=r"vocab_size is 281 and token_embd\.weight has 280 rows"):
        parse(path.read_bytes())


def test_neutral_variants_run(tmp_path: Path) -> None:
    # Rule: MODEL-19
    extra: dict[str, tiny.Extra] = {
        "llama.expert_count": 0,
        "llama.attention.causal": True,
        "llama.attention.sliding_window": 64,
        "general.quantization_version": 2,
        "general.type": "model",
        "split.count": 1,
        "llama.logit_scale": 1.0,
    }
    parse(tiny.write_model(tmp_path / "m.gguf", SMALL, extra).read_bytes())


def test_other_architecture_is_refused_by_name(small: bytes) -> None:
    # Rule: MODEL-6
    with pytest.raises(Invalid, match="architecture is 'gemma'; this engine runs the llama"):
        parse(small.replace(b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0gemma", 1))
    with pytest.raises(Invalid, match="architecture is absent"):
        parse(small.replace(b"general.architecture", b"general.architectura", 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heads": 3, "kv_heads": 2, "head_size": 32}, "3 heads cannot share 2 key-value heads"),
        ({"heads": 2, "kv_heads": 3, "head_size": 32}, "head_count_kv is 3, not an integer from 1"),
        ({"head_size": 18, "heads": 16}, "heads of 18 lanes are not supported"),
        ({"head_size": 260, "heads": 8}, "key_length is 260, not an integer from 2 to 256"),
        ({"value_size": 32}, r"value_length is 32 and the heads have 16 lanes"),
    ],
)
def test_shape_that_does_not_fit_is_refused_by_name(
    tmp_path: Path, change: dict[str, int], message: str
) -> None:
    # Rule: MODEL-7
    path = tiny.write_model(tmp_path / "m.gguf", replace(tiny.Shape(), **change))  # type: ignore[arg-type] # all are integers
    with pytest.raises(Invalid, match=message):
        parse(path.read_bytes())


@pytest.mark.parametrize(
    "change",
    [{"heads": 512, "head_size": 132}, {"vocabulary": (1 << 20) + 1}],
)
def test_sizes_beyond_every_bound_are_refused(small: bytes, change: dict[str, int]) -> None:
    # Rule: MODEL-7
    sizes = shape.read_shape(parse_gguf(memoryview(small)))
    shape._check_sizes(sizes)
    shape._check_sizes(replace(sizes, heads=512, head_size=128, vocabulary=1 << 20))
    with pytest.raises(Invalid, match="are more than 65536 lanes or 1048576 tokens"):
        shape._check_sizes(replace(sizes, **change))  # type: ignore[arg-type] # all are integers


def test_factors_and_linear_scale_multiply(tmp_path: Path) -> None:
    # Rule: MODEL-21
    sizes = replace(SMALL, rope_factors=tuple(1.5 + i for i in range(8)))
    extra = {"llama.rope.scaling.factor": 3.0}
    file = open_gguf(tiny.write_model(tmp_path / "m.gguf", sizes, extra))
    model = load_model(file)
    divisors = [Fraction(1.5 + i) * 3 for i in range(8)]
    cosines, sines = tables.compute_rope_tables(Fraction(10_000), 16, 64, divisors)
    assert (model.cosines == cosines).all()
    assert (model.sines == sines).all()


def test_shapes_are_checked_before_weights_are_read(small: bytes) -> None:
    """A wrong last tensor is named though the first one's scales are not numbers."""
    damaged = bytearray(small)
    embedding = parse_gguf(memoryview(small)).tensors["token_embd.weight"]
    damaged[embedding.offset : embedding.offset + embedding.row_bytes] = b"\xff" * 68
    with pytest.raises(Invalid, match="infinite or undefined"):
        parse(bytes(damaged))
    with pytest.raises(Invalid, match=r"no tensor blk\.0\.ffn_norm"):
        parse(bytes(damaged).replace(b"blk.0.ffn_norm.weight", b"blk.0.ffn_nord.weight"))


def test_tensors_without_a_place_are_refused_by_name(tmp_path: Path) -> None:
    """Two layers in the file, one in its metadata; the second has no place."""
    # Rule: MODEL-7
    data = tiny.write_model(tmp_path / "m.gguf", replace(SMALL, layers=2)).read_bytes()
    two, one = (b"llama.block_count" + struct.pack("<II", 4, count) for count in (2, 1))
    assert data.count(two) == 1
    with pytest.raises(Invalid, match=r"tensor 'blk\.1\.attn_k\.weight' has no place"):
        parse(data.replace(two, one))


def test_disagreeing_tensor_shape_is_refused(small: bytes) -> None:
    head = struct.pack("<Q", 19) + b"blk.0.attn_k.weight"
    at = small.index(head) + len(head) + 4 + 8
    damaged = bytearray(small)
    struct.pack_into("<Q", damaged, at, 16)
    with pytest.raises(Invalid, match="the metadata asks for"):
        parse(bytes(damaged))


def test_absent_and_unknown_tensors_are_refused(small: bytes) -> None:
    with pytest.raises(Invalid, match=r"no tensor blk\.0\.attn_k"):
        parse(small.replace(b"blk.0.attn_k.weight", b"blk.0.attn_x.weight"))
    with pytest.raises(Invalid, match="twice"):
        parse(small.replace(b"blk.0.attn_k.weight", b"blk.0.attn_q.weight"))
