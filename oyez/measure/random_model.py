"""Writes model files of any size with weights of noise: what costs time is shape, not sense.

The token table is a real model's, so that every engine loads the file. One layer's noise serves
all layers: they lie at different places of the file all the same.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from oyez.engines.exact.gguf import BLOCK_LAYOUT, BlockType
from oyez.engines.exact.shape import EMBEDDING, NORMS, OUTPUT_NORM, Shape, name_part
from oyez.engines.exact.tokens import TokenizerMetadata

_ALIGNMENT = 32
#: GGUF's codes of value types.
_UINT32, _INT32, _FLOAT32, _TEXT, _LIST = 4, 5, 6, 8, 9
_MAGIC, _VERSION = b"GGUF", 3


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    kind: BlockType
    rows: int
    columns: int

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        weights, block = BLOCK_LAYOUT[self.kind]
        return self.rows * self.columns // weights * block


def write_random_model(path: Path, shape: Shape, tokenizer: TokenizerMetadata, seed: int) -> None:
    """Write a file: Q4_1 matrices, a tied embedding in Q8_0.

    Args:
        path: where to.
        shape: without a head of its own and without rotation factors; columns in blocks of 32.
        tokenizer: with as many tokens as the shape says.
        seed: of the noise.
    """
    tensors = list(_list_tensors(shape))
    entries = list(_encode_metadata(shape, tokenizer))
    with path.open("wb") as file:
        file.write(_MAGIC + struct.pack("<IQQ", _VERSION, len(tensors), len(entries)))
        file.writelines(entries)
        offset = 0
        for tensor in tensors:
            sizes = (tensor.columns,) if tensor.rows == 1 else (tensor.columns, tensor.rows)
            file.write(_text(tensor.name) + struct.pack("<I", len(sizes)))
            file.write(struct.pack(f"<{len(sizes)}QIQ", *sizes, tensor.kind, offset))
            offset += _round_up(tensor.size)
        _pad(file)
        rng = np.random.default_rng(seed)
        made: dict[str, bytes] = {}
        for tensor in tensors:
            part = tensor.name.rpartition(".")[0].rpartition(".")[2]
            if part not in made:
                made[part] = _build_noise(rng, tensor)
            file.write(made[part])
            _pad(file)


def _list_tensors(shape: Shape) -> Iterator[_Tensor]:
    """Yield the tensors in the file's order."""
    for name, rows, columns in shape.list_matrices():
        yield _Tensor(name, BlockType.Q8_0 if name == EMBEDDING else BlockType.Q4_1, rows, columns)
    for layer in range(shape.layers):
        for part in NORMS:
            yield _Tensor(name_part(layer, part), BlockType.F32, 1, shape.width)
    yield _Tensor(OUTPUT_NORM, BlockType.F32, 1, shape.width)


def _build_noise(rng: np.random.Generator, tensor: _Tensor) -> bytes:
    """Return a tensor's bytes: weights of about 1 / sqrt(columns), norms of one."""
    if tensor.kind is BlockType.F32:
        return np.ones(tensor.columns, "<f4").tobytes()
    _, size = BLOCK_LAYOUT[tensor.kind]
    blocks = rng.integers(0, 256, (tensor.size // size, size), dtype=np.uint8)
    levels = 256.0 if tensor.kind is BlockType.Q8_0 else 16.0
    scale = np.float16(3.5 / levels / tensor.columns**0.5)
    blocks[:, :2] = np.frombuffer(scale.tobytes(), np.uint8)
    if tensor.kind is BlockType.Q4_1:
        least = np.float16(-7.5 * float(scale))
        blocks[:, 2:4] = np.frombuffer(least.tobytes(), np.uint8)
    return blocks.tobytes()


def _encode_metadata(shape: Shape, tokenizer: TokenizerMetadata) -> Iterator[bytes]:
    """Yield the file's entries."""
    yield _entry("general.architecture", _TEXT, _text("llama"))
    numbers = {
        "block_count": shape.layers,
        "context_length": shape.context,
        "embedding_length": shape.width,
        "feed_forward_length": shape.feed_forward,
        "attention.head_count": shape.heads,
        "attention.head_count_kv": shape.kv_heads,
        "rope.dimension_count": shape.head_size,
        "vocab_size": shape.vocabulary,
    }
    for name, number in numbers.items():
        yield _entry(f"llama.{name}", _UINT32, struct.pack("<I", number))
    epsilon, base = float(shape.epsilon), float(shape.rope_base)
    yield _entry("llama.attention.layer_norm_rms_epsilon", _FLOAT32, struct.pack("<f", epsilon))
    yield _entry("llama.rope.freq_base", _FLOAT32, struct.pack("<f", base))
    yield _entry("tokenizer.ggml.model", _TEXT, _text(tokenizer.model))
    yield _entry("tokenizer.ggml.pre", _TEXT, _text(tokenizer.pre))
    yield _texts("tokenizer.ggml.tokens", tokenizer.tokens)
    types = struct.pack(
        f"<IQ{len(tokenizer.types)}i", _INT32, len(tokenizer.types), *tokenizer.types
    )
    yield _entry("tokenizer.ggml.token_type", _LIST, types)
    yield _texts("tokenizer.ggml.merges", tokenizer.merges)


def _entry(name: str, kind: int, value: bytes) -> bytes:
    return _text(name) + struct.pack("<I", kind) + value


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _texts(name: str, texts: tuple[str, ...]) -> bytes:
    head = struct.pack("<IQ", _TEXT, len(texts))
    return _entry(name, _LIST, head + b"".join(map(_text, texts)))


def _round_up(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _pad(file: BinaryIO) -> None:
    file.write(bytes(-file.tell() % _ALIGNMENT))
