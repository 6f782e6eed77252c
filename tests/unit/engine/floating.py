"""The same network in float64, from the gguf package's own weights: a witness of quality."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def forward(path: Path, tokens: Sequence[int]) -> Floats:
    """Return the logits after each token, [tokens, vocabulary]."""
    reader = gguf.GGUFReader(path)
    weights = {t.name: gguf.dequantize(t.data, t.tensor_type) for t in reader.tensors}

    def number(key: str) -> float:
        return float(reader.fields["llama." + key].contents())

    layers, heads = int(number("block_count")), int(number("attention.head_count"))
    kv_heads, size = int(number("attention.head_count_kv")), int(number("rope.dimension_count"))
    count = len(tokens)
    scale = number("rope.scaling.factor") if "llama.rope.scaling.factor" in reader.fields else 1.0
    turns = number("rope.freq_base") ** (-np.arange(0, size, 2) / size) / scale
    turns = turns / weights.get("rope_freqs.weight", np.ones(size // 2)).astype(np.float64)
    angles = np.outer(np.arange(count), turns)
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    future = np.triu(np.full((count, count), -1e30), 1)

    def norm(x: Floats, name: str) -> Floats:
        mean = (x * x).mean(axis=1, keepdims=True)
        return x / np.sqrt(mean + number("attention.layer_norm_rms_epsilon")) * weights[name]

    def rotate(x: Floats) -> Floats:
        turned = x.copy()
        turned[..., 0::2] = x[..., 0::2] * cos - x[..., 1::2] * sin
        turned[..., 1::2] = x[..., 0::2] * sin + x[..., 1::2] * cos
        return turned

    x = weights["token_embd.weight"][list(tokens)].astype(np.float64)
    for layer in range(layers):
        part = {
            name.split(".")[2]: w.astype(np.float64)
            for name, w in weights.items()
            if name.startswith(f"blk.{layer}.")
        }
        h = norm(x, f"blk.{layer}.attn_norm.weight")
        q = rotate((h @ part["attn_q"].T).reshape(count, heads, size))
        k = rotate((h @ part["attn_k"].T).reshape(count, kv_heads, size))
        v = (h @ part["attn_v"].T).reshape(count, kv_heads, size)
        k, v = (np.repeat(a, heads // kv_heads, axis=1) for a in (k, v))
        s = np.einsum("ihd,jhd->hij", q, k) / np.sqrt(size) + future
        p = np.exp(s - s.max(axis=2, keepdims=True))
        p /= p.sum(axis=2, keepdims=True)
        x = x + np.einsum("hij,jhd->ihd", p, v).reshape(count, -1) @ part["attn_output"].T
        h = norm(x, f"blk.{layer}.ffn_norm.weight")
        g = h @ part["ffn_gate"].T
        x = x + (g / (1 + np.exp(-g)) * (h @ part["ffn_up"].T)) @ part["ffn_down"].T
    head = weights.get("output.weight", weights["token_embd.weight"]).astype(np.float64)
    return norm(x, "output_norm.weight") @ head.T


def divergence(expected: Floats, actual: Floats) -> Floats:
    """Return the Kullback-Leibler divergence a row, in nats."""

    def log_softmax(a: Floats) -> Floats:
        a = a - a.max(axis=1, keepdims=True)
        return a - np.log(np.exp(a).sum(axis=1, keepdims=True))

    p, q = log_softmax(expected), log_softmax(actual)
    return (np.exp(p) * (p - q)).sum(axis=1)
