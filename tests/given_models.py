"""Models of any shape for steps: no file, no registry, a StepModel on chain that says the same."""

from __future__ import annotations

from typing import Any

from oyez.protocol import inner
from oyez.protocol.step import StepModel
from oyez.protocol.types import Address
from tests.contracts.harness import Contract, World

MAX_LAYERS = 31


def list_settings(model: StepModel, actions: Address) -> tuple[Any, ...]:
    """Return IStepModel.Settings."""
    shape = model.shape
    packed = [
        sum(
            value << (8 * at)
            for at, value in enumerate(
                (layer.q, layer.k, layer.v, layer.attn_norm, layer.ffn_norm, *layer.types)
            )
        )
        for layer in model.layers
    ]
    return (
        model.root,
        actions,
        shape.layers,
        shape.width,
        shape.feed_forward,
        shape.heads,
        shape.kv_heads,
        shape.head_size,
        shape.vocabulary,
        shape.context,
        shape.model_height,
        shape.missing.ljust(32, b"\0"),
        model.records,
        int(model.tied),
        model.embedding_type,
        model.head_type,
        model.epsilon,
        model.score_scale,
        model.output_exponent,
        model.inner_height,
        packed + [0] * (MAX_LAYERS - len(packed)),
        [r.start for r in inner.layout_layer(shape, model.inner_height).regions],
        [r.start for r in inner.layout_sampler(shape, model.inner_height).regions],
    )


def deploy_model(world: World, model: StepModel) -> Contract:
    """Deploy contracts/mocks/GivenModel.vy; manifests are those of the world's registry, if any."""
    actions = world.actions.address if hasattr(world, "actions") else Address(bytes(20))
    return world.deploy("contracts/mocks/GivenModel.vy", list_settings(model, actions))


def find_leaf(model: StepModel, tensor: int, row: int) -> int:
    """Return a row's leaf in the model tree. Twin of step_model.vy's."""
    shape = model.shape
    at = 1 + shape.layers + (2 * shape.layers + 1) * -(-shape.width // 512) + shape.context
    queries, keys = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    layer = (queries, keys, keys, shape.width, shape.feed_forward, shape.feed_forward, shape.width)
    sizes = [at, model.records, shape.vocabulary, shape.vocabulary, *layer * shape.layers]
    return sum(sizes[:tensor]) + row
