"""What a file of `packed_files` holds: a text that describes a loaded model, and its arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from oyez.engines.exact import shape
from oyez.engines.exact.blocks import Matrix
from oyez.engines.exact.gguf import BLOCK_LAYOUT, BlockType, GgufFile
from oyez.engines.exact.tokens import TokenizerMetadata, TokenType
from oyez.engines.exact.weights import Layer, Model, Norm
from oyez.protocol.vocabulary import Vocabulary

#: Arrays begin at multiples of it, as the kernels want it.
ALIGNMENT = 64

_Item = TypeVar("_Item", bound=np.generic)

#: A matrix's name => its rows in the kernels' tiles.
Tiles = Mapping[str, NDArray[np.uint8]]

#: A model's own numbers.
_NUMBERS = (
    *("width", "feed_forward", "heads", "kv_heads", "head_size", "vocabulary", "context"),
    *("epsilon", "score_scale", "tied"),
)
#: A layer's matrices by their attributes, in the order of `Layer.matrices`.
_MATRICES = ("q", "k", "v", "output", "gate", "up", "down")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading makes of a model file; without `tiles` the kernels pack the rows."""

    model: Model
    tokenizer: TokenizerMetadata
    vocabulary: Vocabulary
    tiles: Tiles | None = None


class Writing:
    """Describes a loaded model and collects its arrays.

    Attributes:
        parts: the arrays' bytes, and zeros between them.
    """

    def __init__(self) -> None:
        """Start with no array."""
        self.parts: list[memoryview | bytes] = []
        self._size = 0

    def describe(self, loaded: Loaded, file: GgufFile, tiles: Tiles) -> dict[str, Any]:  # Any: JSON
        """Return a file's text; the arrays are in `parts` then."""
        model, tokenizer, table = loaded.model, loaded.tokenizer, loaded.vocabulary.tokens
        matrices = {matrix.name: matrix for layer in model.layers for matrix in layer.matrices}
        matrices |= {matrix.name: matrix for matrix in (model.embedding, model.head)}
        return {
            "numbers": {name: getattr(model, name) for name in _NUMBERS},
            "matrices": {
                name: (m.type, m.rows, m.columns, file.tensors[name].offset, m.bound)
                for name, m in matrices.items()
            },
            "norms": [self._put_norm(norm) for norm in _list_norms(model)],
            "formats": [(layer.q_format, layer.k_format, layer.v_format) for layer in model.layers],
            "tables": [self._put(model.cosines), self._put(model.sines)],
            "tiles": {name: self._put(array) for name, array in tiles.items()},
            "size": self._size,
            "tokenizer": (
                *(tokenizer.tokens, tokenizer.types, tokenizer.merges),
                *(tokenizer.model, tokenizer.pre),
            ),
            # Latin-1 has a character for each byte.
            "vocabulary": [data and data.decode("latin-1") for data in table],
        }

    def _put_norm(self, norm: Norm) -> tuple[int, tuple[int, list[int]]]:
        return norm.exponent, self._put(norm.weights)

    def _put(self, array: NDArray[np.generic]) -> tuple[int, list[int]]:
        """Append an array; return its place: first byte and shape."""
        at, shape = self._size, list(array.shape)
        padding = -array.nbytes % ALIGNMENT
        self.parts += [array.reshape(-1).view(np.uint8).data, bytes(padding)]
        self._size += array.nbytes + padding
        return at, shape


class Reading:
    """Makes a loaded model of a text and its arrays, both believed."""

    def __init__(self, text: dict[str, Any], arrays: memoryview, data: memoryview) -> None:
        """Take a file's text (Any: JSON) and its arrays, and the model file's bytes."""
        self._text = text
        self._arrays = arrays
        self._data = data

    def read(self) -> Loaded:
        """Return the loaded model; its arrays are views."""
        text = self._text
        matrices = {name: self._read_matrix(name, *rest) for name, rest in text["matrices"].items()}
        norms = [Norm(self._get(place, np.int32), exponent) for exponent, place in text["norms"]]
        layers = []
        for index, (q_format, k_format, v_format) in enumerate(text["formats"]):
            parts = [matrices[shape.name_part(index, part)] for part in shape.MATRICES]
            attn_norm, ffn_norm = norms[2 * index : 2 * index + 2]
            layers.append(
                Layer(
                    attn_norm=attn_norm,
                    ffn_norm=ffn_norm,
                    **dict(zip(_MATRICES, parts, strict=True)),
                    q_format=q_format,
                    k_format=k_format,
                    v_format=v_format,
                )
            )
        embedding = matrices[shape.EMBEDDING]
        cosines, sines = (self._get(place, np.int16) for place in text["tables"])
        model = Model(
            **text["numbers"],
            embedding=embedding,
            layers=tuple(layers),
            output_norm=norms[-1],
            head=matrices.get(shape.HEAD, embedding),
            cosines=cosines,
            sines=sines,
        )
        tokens, types, merges, family, pre = text["tokenizer"]
        kinds = {kind.value: kind for kind in TokenType}
        return Loaded(
            model,
            TokenizerMetadata(
                tuple(tokens), tuple(map(kinds.__getitem__, types)), tuple(merges), family, pre
            ),
            Vocabulary([data and data.encode("latin-1") for data in text["vocabulary"]]),
            {name: self._get(place, np.uint8) for name, place in text["tiles"].items()},
        )

    def _read_matrix(
        self, name: str, kind: int, rows: int, columns: int, at: int, bound: int
    ) -> Matrix:
        type_ = BlockType(kind)
        weights, size = BLOCK_LAYOUT[type_]
        row_bytes = columns // weights * size
        data = np.frombuffer(self._data, np.uint8, rows * row_bytes, at)
        return Matrix(name, type_, rows, columns, data.reshape(rows, row_bytes), bound)

    def _get(self, place: tuple[int, list[int]], kind: type[_Item]) -> NDArray[_Item]:
        """Return the array at a place."""
        at, lengths = place
        return np.frombuffer(self._arrays, kind, math.prod(lengths), at).reshape(lengths)


def _list_norms(model: Model) -> Iterator[Norm]:
    """Yield all norms, the output's last."""
    for layer in model.layers:
        yield layer.attn_norm
        yield layer.ffn_norm
    yield model.output_norm
