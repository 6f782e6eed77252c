"""The model's tree with all its nodes, rows by tensor and number, what steps know of it."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass

from oyez.engines.exact import model_tree
from oyez.engines.exact.engine import ExactEngine
from oyez.engines.exact.model_tree import TensorNumber
from oyez.engines.exact.weights import Layer, Model
from oyez.protocol import inner, step_machine
from oyez.protocol.constants import INNER_HEIGHT
from oyez.protocol.step import LayerFormats, StepModel
from oyez.protocol.types import Hash32

#: Matrices of a layer, in the tree's order.
MATRICES = 7


class ModelRows:
    """Every row of a model by tensor and number, and the tree over them.

    The tree is built at first use, 0.5 to 1 s and 20 MB for 135M parameters.
    """

    def __init__(self, engine: ExactEngine) -> None:
        """Take a loaded model."""
        self._model = engine.model
        self._vocabulary = engine.vocabulary
        self._types = engine.tokenizer.types
        self.height = engine.shape.model_height

    @functools.cached_property
    def vocabulary_records(self) -> list[bytes]:
        """The sorted vocabulary's records."""
        return list(model_tree.iterate_vocabulary(self._vocabulary))

    @functools.cached_property
    def sorted_bytes(self) -> list[bytes]:
        """The bytes that the records are sorted by."""
        return sorted(self._vocabulary.ids_by_bytes)

    @functools.cached_property
    def _config(self) -> list[bytes]:
        records = len(self.sorted_bytes)
        return [data for _, data in model_tree.iterate_config(self._model, records)]

    @functools.cached_property
    def _tokens(self) -> list[bytes]:
        return list(model_tree.iterate_tokens(self._vocabulary, self._types))

    @functools.cached_property
    def _starts(self) -> list[int]:
        """First leaf of each tensor."""
        starts = [0]
        sizes = [len(self._config), len(self.sorted_bytes), self._vocabulary.size]
        sizes.append(self._model.embedding.rows)
        sizes += [matrix.rows for layer in self._model.layers for matrix in layer.matrices]
        for size in sizes:
            starts.append(starts[-1] + size)
        return starts

    def find_leaf(self, tensor: int, row: int) -> int:
        """Return a row's leaf index."""
        return self._starts[tensor] + row

    def get_row(self, tensor: int, row: int) -> bytes:
        """Return a row's bytes, without its header."""
        match tensor:
            case TensorNumber.CONFIG:
                return self._config[row]
            case TensorNumber.VOCABULARY:
                return self.vocabulary_records[row]
            case TensorNumber.TOKENS:
                return self._tokens[row]
            case TensorNumber.EMBEDDING:
                return bytes(self._model.embedding.data[row])
        layer, matrix = divmod(tensor - TensorNumber.LAYERS, MATRICES)
        if layer == len(self._model.layers):
            return bytes(self._model.head.data[row])
        return bytes(self._model.layers[layer].matrices[matrix].data[row])

    @functools.cached_property
    def _levels(self) -> list[list[bytes]]:
        leaves = list(model_tree.iterate_leaves(self._model, self._vocabulary, self._types))
        return build_levels(leaves, self.height)

    def get_node(self, level: int, index: int) -> Hash32:
        """Return a node, levels counted from the leaves."""
        nodes = self._levels[level]
        return Hash32(nodes[index] if index < len(nodes) else _empty(level))


def build_levels(leaves: list[bytes], height: int) -> list[list[bytes]]:
    """Return every level's nodes, those that hold nothing left out."""
    sha256, levels = hashlib.sha256, [leaves]
    for level in range(height):
        below = levels[-1]
        if len(below) % 2:
            below = [*below, _empty(level)]
        levels.append(
            [
                sha256(left + right).digest()
                for left, right in zip(below[0::2], below[1::2], strict=True)
            ]
        )
    return levels


@functools.cache
def _empty(level: int) -> bytes:
    """Return the root of an empty subtree."""
    if level == 0:
        return hashlib.sha256(bytes(32)).digest()
    below = _empty(level - 1)
    return hashlib.sha256(below + below).digest()


def build_step_model(engine: ExactEngine, inner_height: int = INNER_HEIGHT) -> StepModel:
    """Return what steps know of a loaded model without opening it.

    Raises:
        Invalid: INNER-47 a token is longer than a step can walk.
    """
    step_machine.verify_tokens(engine.vocabulary)
    model: Model = engine.model
    return StepModel(
        root=engine.model_root,
        shape=engine.shape,
        records=len(engine.vocabulary.ids_by_bytes),
        tied=model.tied,
        embedding_type=int(model.embedding.type),
        head_type=int(model.head.type),
        epsilon=model.epsilon,
        score_scale=model.score_scale,
        output_exponent=model.output_norm.exponent,
        layers=tuple(_describe(layer) for layer in model.layers),
        inner_height=inner_height,
    )


def _describe(layer: Layer) -> LayerFormats:
    return LayerFormats(
        q=layer.q_format,
        k=layer.k_format,
        v=layer.v_format,
        attn_norm=layer.attn_norm.exponent,
        ffn_norm=layer.ffn_norm.exponent,
        types=tuple(int(matrix.type) for matrix in layer.matrices),
    )


@dataclass(frozen=True, slots=True)
class ConfigProof:
    """What StepModel's constructor takes to prove the config rows under the root."""

    formats: bytes
    layers: tuple[bytes, ...]
    beside: tuple[Hash32, ...]
    siblings: tuple[Hash32, ...]


def prove_config(rows: ModelRows, layers: int) -> ConfigProof:
    """Return the rows of formats and layers, and the nodes beside them.

    Rule: INNER-10
    """
    count = 1 + layers
    levels = (count - 1).bit_length()
    return ConfigProof(
        formats=rows.get_row(TensorNumber.CONFIG, 0),
        layers=tuple(rows.get_row(TensorNumber.CONFIG, 1 + layer) for layer in range(layers)),
        beside=tuple(rows.get_node(0, index) for index in range(count, 1 << levels)),
        siblings=tuple(rows.get_node(level, 1) for level in range(levels, rows.height)),
    )


def prove_engine(engine: ExactEngine, inner_height: int = INNER_HEIGHT) -> ConfigProof:
    """Return what a deployment with a game takes of a model.

    Raises:
        Invalid: INNER-3 or INNER-4, no step is provable of a model of this shape.
    """
    inner.layout_layer(engine.shape, inner_height)
    inner.layout_sampler(engine.shape, inner_height)
    return prove_config(ModelRows(engine), engine.shape.layers)
