"""The network in float64, from the file's exact weights: what the engines' scores are held against.

Plain and slow (about 100 tokens a second); nothing of the integer engine's arithmetic is in it.
Weights are exact: integers of 2**-24 below 2**53. To judge `oyez engine run --logits-out`:

    (reference,) = float_reference.compute_logits(open_gguf(path), [tokens])
    agreement = (reference.argmax(axis=1) == numpy.load("logits.npy").argmax(axis=1)).mean()
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from oyez.engines.exact import row_formats, shape
from oyez.engines.exact.gguf import GgufFile
from oyez.engines.exact.shape import Shape

Floats = NDArray[np.float64]

#: Rows that are decoded at once.
_ROWS = 4_096


def compute_logits(file: GgufFile, texts: Sequence[Sequence[int]]) -> Iterator[Floats]:
    """Yield the logits after each token of each text, [tokens, vocabulary].

    Args:
        file: a llama model that the integer engine can run.
        texts: token ids, at least one a text; texts do not see each other.

    Raises:
        Invalid: what the integer engine refuses too.
    """
    sizes = shape.read_shape(file)
    embedding = _read_matrix(file, shape.EMBEDDING)
    streams = [embedding[list(text)] for text in texts]
    turns = [_compute_turns(file, sizes, len(text)) for text in texts]
    for layer in range(sizes.layers):
        parts = {name: _read_matrix(file, shape.name_part(layer, name)) for name in shape.MATRICES}
        norms = {name: _read_vector(file, shape.name_part(layer, name)) for name in shape.NORMS}
        for stream, turn in zip(streams, turns, strict=True):
            h = _normalise(stream, norms["attn_norm"], sizes)
            stream += _attend(h, parts, turn, sizes) @ parts["attn_output"].T
            h = _normalise(stream, norms["ffn_norm"], sizes)
            gate = h @ parts["ffn_gate"].T
            gate /= 1 + np.exp(-gate)
            stream += (gate * (h @ parts["ffn_up"].T)) @ parts["ffn_down"].T
    head = embedding if sizes.tied else _read_matrix(file, shape.HEAD)
    last = _read_vector(file, shape.OUTPUT_NORM)
    for stream in streams:
        yield _normalise(stream, last, sizes) @ head.T


def _attend(
    h: Floats, parts: dict[str, Floats], turns: tuple[Floats, Floats], sizes: Shape
) -> Floats:
    """Return what the heads gather for each position, [tokens, heads * head_size]."""
    count = len(h)
    q, k, v = (
        (h @ parts[name].T).reshape(count, -1, sizes.head_size)
        for name in ("attn_q", "attn_k", "attn_v")
    )
    q, k = _rotate(q, turns), _rotate(k, turns)
    k, v = (np.repeat(part, sizes.heads // sizes.kv_heads, axis=1) for part in (k, v))
    future = np.triu(np.full((count, count), -np.inf), 1)
    gathered = np.empty((count, sizes.heads, sizes.head_size))
    for head in range(sizes.heads):
        scores = q[:, head] @ k[:, head].T / np.sqrt(sizes.head_size) + future
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        gathered[:, head] = weights @ v[:, head]
    return gathered.reshape(count, -1)


def _normalise(x: Floats, weights: Floats, sizes: Shape) -> Floats:
    """Return x over its root mean square, times the norm's weights."""
    mean = (x * x).mean(axis=1, keepdims=True)
    result: Floats = x / np.sqrt(mean + float(sizes.epsilon)) * weights
    return result


def _compute_turns(file: GgufFile, sizes: Shape, count: int) -> tuple[Floats, Floats]:
    """Return cosines and sines by position and pair of lanes, [tokens, 1, head_size / 2]."""
    pairs = np.arange(sizes.head_size // 2)
    turns = float(sizes.rope_base) ** (-2 * pairs / sizes.head_size) / float(sizes.rope_scale)
    if sizes.rope_factors:
        turns = turns / _read_vector(file, shape.ROPE_FACTORS)
    angles = np.outer(np.arange(count), turns)[:, None]
    return np.cos(angles), np.sin(angles)


def _rotate(x: Floats, turns: tuple[Floats, Floats]) -> Floats:
    """Turn each pair of neighbouring lanes, [tokens, heads, head_size]."""
    cosines, sines = turns
    turned = np.empty_like(x)
    turned[..., 0::2] = x[..., 0::2] * cosines - x[..., 1::2] * sines
    turned[..., 1::2] = x[..., 0::2] * sines + x[..., 1::2] * cosines
    return turned


def _read_matrix(file: GgufFile, name: str) -> Floats:
    """Return a matrix's weights, exactly."""
    return np.concatenate(list(_iterate_rows(file, name)))


def _iterate_rows(file: GgufFile, name: str) -> Iterator[Floats]:
    tensor = shape.get_tensor(file, name)
    count = tensor.rows * tensor.row_bytes
    data = np.frombuffer(file.data, np.uint8, count, tensor.offset).reshape(tensor.rows, -1)
    for at in range(0, tensor.rows, _ROWS):
        groups = row_formats.decode_rows(name, tensor.type, data[at : at + _ROWS])
        whole = groups.scales[:, :, None] * groups.quants + groups.minima[:, :, None]
        yield np.ldexp(whole.reshape(len(whole), -1).astype(np.float64), -24)


def _read_vector(file: GgufFile, name: str) -> Floats:
    """Return a vector of binary32 numbers, exactly."""
    tensor = shape.get_tensor(file, name)
    data = np.frombuffer(file.data, np.uint8, tensor.rows * tensor.row_bytes, tensor.offset)
    return data.view("<f4").astype(np.float64)
