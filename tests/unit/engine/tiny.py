"""Writes whole tiny models as GGUF files, with the `gguf` package, from a seed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from oyez.engines.exact.tokens import build_byte_alphabet

TYPES = gguf.GGMLQuantizationType


@dataclass(frozen=True)
class Shape:
    """A tiny model; `scale` and `ffn_scale` are typical sizes of d in a block."""

    seed: int = 1
    layers: int = 2
    width: int = 64
    feed_forward: int = 96
    heads: int = 4
    kv_heads: int = 2
    head_size: int = 16
    value_size: int = 0
    vocabulary: int = 300
    context: int = 64
    tied: bool = True
    scale: float = 0.02
    ffn_scale: float = 0.02
    embedding_scale: float = 0.01
    matrices: TYPES = TYPES.Q4_1
    head: TYPES = TYPES.Q8_0
    #: formats of the layers' matrices in turn, in place of `matrices`
    mix: tuple[TYPES, ...] = ()
    #: divisors of the rotation's angles, a tensor of the file; () for none
    rope_factors: tuple[float, ...] = ()
    #: bytes of tokens after the single ones and the control token, in place of pairs of letters
    pieces: tuple[bytes, ...] = ()


#: Where a block's scale and minimum stand, the size of d against a weight's, and m in d's.
PLACES: dict[TYPES, tuple[int, int | None, float, float]] = {
    TYPES.Q4_0: (0, None, 1.0, 0.0),
    TYPES.Q4_1: (0, 2, 1.0, -7.5),
    TYPES.Q5_0: (0, None, 0.5, 0.0),
    TYPES.Q5_1: (0, 2, 0.5, -15.5),
    TYPES.Q8_0: (0, None, 1.0, 0.0),
    TYPES.Q4_K: (0, 2, 1 / 32, 7.5),
    TYPES.Q5_K: (0, 2, 1 / 64, 15.5),
    TYPES.Q6_K: (208, None, 1 / 256, 0.0),
}


def build_rows(
    rng: np.random.Generator, kind: TYPES, rows: int, columns: int, scale: float
) -> NDArray[np.uint8]:
    if kind is TYPES.F16:
        weights = rng.normal(0, 5 * scale, (rows, columns)).astype(np.float16)
        return weights.view(np.uint8)
    weights_in, size = gguf.GGML_QUANT_SIZES[kind]
    place, second, ratio, centre = PLACES[kind]
    count = rows * columns // weights_in
    data = rng.integers(0, 256, (count, size), dtype=np.uint8)
    d = rng.uniform(0.2, 1.0, count) * scale * ratio * rng.choice([-1, 1], count)
    data[:, place : place + 2] = d.astype(np.float16)[:, None].view(np.uint8)
    if second is not None:
        m = (centre * d + rng.normal(0, scale * ratio / 4, count)).astype(np.float16)
        data[:, second : second + 2] = m[:, None].view(np.uint8)
    return data.reshape(rows, -1)


def build_tokens(count: int, pieces: tuple[bytes, ...] = ()) -> tuple[list[str], list[int]]:
    """All bytes, then a control token, then the pieces, then pairs of letters."""
    alphabet = build_byte_alphabet()
    tokens = [*alphabet, "<|end|>"]
    tokens += ["".join(alphabet[byte] for byte in piece) for piece in pieces]
    types = [1] * 256 + [3] + [1] * len(pieces)
    letters = "abcdefghijklmnopqrstuvwxyz"
    pairs = (a + b for a in letters for b in letters)
    for _ in range(count - len(tokens)):
        tokens.append(next(pairs))
        types.append(1)
    return tokens[:count], types[:count]


Extra = int | float | str | bool


def write_model(path: Path, shape: Shape, extra: Mapping[str, Extra] | None = None) -> Path:
    """Write a model file; the gguf package is the independent writer."""
    rng = np.random.default_rng(shape.seed)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(shape.layers)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_size)
    writer.add_value_length(shape.value_size or shape.head_size)
    writer.add_rope_dimension_count(shape.head_size)
    writer.add_rope_freq_base(10_000.0)
    for key, value in (extra or {}).items():
        add: dict[type, Callable[[str, Any], None]] = {
            bool: writer.add_bool,
            int: writer.add_uint32,
            float: writer.add_float32,
        }
        add.get(type(value), writer.add_string)(key, value)
    writer.add_layer_norm_rms_eps(1e-5)
    tokens, types = build_tokens(shape.vocabulary, shape.pieces)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(["a b", "c d"])

    mix = itertools.cycle(shape.mix or (shape.matrices,))

    def matrix(
        name: str, kind: TYPES | None, rows: int, columns: int, scale: float = shape.scale
    ) -> None:
        kind = next(mix) if kind is None else kind
        data = build_rows(rng, kind, rows, columns, scale)
        writer.add_tensor(name, data, raw_dtype=kind)

    def norm(name: str) -> None:
        writer.add_tensor(name, rng.uniform(0.1, 1.7, shape.width).astype(np.float32))

    queries, keys = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    matrix("token_embd.weight", shape.head, shape.vocabulary, shape.width, shape.embedding_scale)
    norm("output_norm.weight")
    if shape.rope_factors:
        writer.add_tensor("rope_freqs.weight", np.array(shape.rope_factors, np.float32))
    if not shape.tied:
        matrix("output.weight", shape.matrices, shape.vocabulary, shape.width)
    for layer in range(shape.layers):
        prefix = f"blk.{layer}."
        norm(prefix + "attn_norm.weight")
        norm(prefix + "ffn_norm.weight")
        matrix(prefix + "attn_q.weight", None, queries, shape.width)
        matrix(prefix + "attn_k.weight", None, keys, shape.width)
        matrix(prefix + "attn_v.weight", None, keys, shape.width)
        matrix(prefix + "attn_output.weight", None, shape.width, queries)
        matrix(
            prefix + "ffn_gate.weight",
            None,
            shape.feed_forward,
            shape.width,
            shape.ffn_scale,
        )
        matrix(
            prefix + "ffn_up.weight",
            None,
            shape.feed_forward,
            shape.width,
            shape.ffn_scale,
        )
        matrix(
            prefix + "ffn_down.weight",
            None,
            shape.width,
            shape.feed_forward,
            shape.ffn_scale,
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


K_MIX = (TYPES.Q4_K, TYPES.Q5_K, TYPES.Q6_K)
OLD_MIX = (TYPES.Q4_0, TYPES.Q5_0, TYPES.F16, TYPES.Q5_1, TYPES.Q8_0)

#: Shapes that differ in what the kernels branch on: rows not a multiple of 16, head sizes 64
#: and others, every row format, an untied head, sums that need int64, long rows.
SHAPES = {
    "plain": Shape(),
    "wide heads": Shape(seed=2, layers=1, width=128, heads=2, kv_heads=1, head_size=64, tied=False),
    "8-bit matrices": Shape(
        seed=3, width=32, heads=2, kv_heads=1, head_size=32, matrices=TYPES.Q8_0, vocabulary=307
    ),
    "large sums": Shape(seed=4, layers=1, ffn_scale=1000.0, feed_forward=160),
    "wide gates": Shape(seed=5, ffn_scale=0.6, feed_forward=160, context=320),
    "old formats": Shape(
        seed=6, layers=3, mix=OLD_MIX, head=TYPES.Q5_1, matrices=TYPES.F16, tied=False
    ),
    "K formats": Shape(
        seed=7,
        layers=1,
        width=256,
        feed_forward=256,
        heads=4,
        kv_heads=1,
        head_size=64,
        mix=K_MIX,
        head=TYPES.Q6_K,
    ),
    "K sums in int64": Shape(
        seed=8,
        layers=1,
        width=256,
        feed_forward=512,
        heads=2,
        kv_heads=2,
        head_size=128,
        mix=K_MIX,
        head=TYPES.Q4_K,
        ffn_scale=700.0,
    ),
    "half floats": Shape(
        seed=9,
        width=44,
        feed_forward=52,
        heads=3,
        kv_heads=1,
        head_size=20,
        matrices=TYPES.F16,
        head=TYPES.F16,
        vocabulary=301,
    ),
    "sums below 2**53": Shape(seed=10, layers=1, ffn_scale=9.0, feed_forward=160),
    "subnormal scales": Shape(seed=11, scale=2e-7, ffn_scale=2e-7, embedding_scale=1e-6),
    "saturated residual": Shape(
        seed=12, scale=0.5, ffn_scale=3.0, embedding_scale=500.0, mix=OLD_MIX, head=TYPES.Q5_0
    ),
    "all zero": Shape(seed=13, layers=1, scale=0.0, ffn_scale=0.0, embedding_scale=0.0),
    "one huge channel": Shape(
        seed=14, layers=1, matrices=TYPES.F16, head=TYPES.F16, embedding_scale=3000.0, width=33
    ),
}


def build_random_shape(seed: int) -> Shape:
    """A shape that no test names: any head size, GQA ratio, rows and formats."""
    rng = np.random.default_rng(seed)
    kv_heads, ratio = int(rng.integers(1, 4)), int(rng.choice([1, 2, 3, 4, 7, 8]))
    head_size = int(rng.choice(np.arange(32, 132, 4)))
    formats = (TYPES.Q4_0, TYPES.Q4_1, TYPES.Q5_0, TYPES.Q5_1, TYPES.Q8_0, *K_MIX)
    mix = tuple(formats[i] for i in rng.integers(0, len(formats), 7))
    heads = kv_heads * ratio
    if any(kind in K_MIX for kind in mix):
        # columns of all matrices in whole blocks of 256
        kv_heads, heads, head_size = 2, int(rng.choice([2, 4, 8])), int(rng.choice([64, 128]))
        heads = max(heads, 256 // head_size)
        width, feed_forward = 256, 256 * int(rng.integers(1, 3))
    else:
        width, feed_forward = 32 * int(rng.integers(1, 6)), 32 * int(rng.integers(1, 9))
        while heads * head_size % 32:
            head_size += 4
    factors = tuple(rng.uniform(1, 32, head_size // 2).astype(np.float32).tolist())
    return Shape(
        seed=seed,
        layers=int(rng.integers(1, 4)),
        width=width,
        feed_forward=feed_forward,
        heads=heads,
        kv_heads=kv_heads,
        head_size=head_size,
        vocabulary=int(rng.integers(260, 400)),
        scale=0.16 / width**0.5,
        ffn_scale=0.16 / feed_forward**0.5,
        tied=bool(rng.integers(0, 2)),
        mix=mix,
        matrices=mix[0],
        head=TYPES.F16 if seed % 2 else TYPES.Q8_0,
        rope_factors=factors if seed % 3 == 0 else (),
    )
