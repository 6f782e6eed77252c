"""What the verifiers know of the model: proven under the registered root, laid out as in Python."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from typing import Any

import pytest

from oyez.chain import deploy
from oyez.engines.exact import tables
from oyez.engines.exact.engine import ExactEngine
from oyez.engines.exact.loading import load_engine
from oyez.engines.exact.step_rows import (
    ConfigProof,
    ModelRows,
    build_levels,
    build_step_model,
    prove_config,
)
from oyez.protocol import inner, row_leaves
from oyez.protocol.types import Hash32, ModelShape
from tests.contracts import harness
from tests.contracts.harness import CURATOR, Contract, World, reverts

PATH = "contracts/StepModel.vy"
PARTS = (
    "layers",
    "width",
    "feed_forward",
    "heads",
    "kv_heads",
    "head_size",
    "vocabulary",
    "context",
)
FOLDER = deploy.ROOT / "tests" / "vectors" / "models"


@functools.cache
def tiny(name: str) -> tuple[ExactEngine, ModelRows]:
    engine = load_engine(FOLDER / f"{name}.gguf", sha256=None)
    return engine, ModelRows(engine)


def world_of(engine: ExactEngine, **changes: Any) -> World:
    model = deploy.ListedModel(engine.model_root, engine.shape)
    return World(harness.settings(**({"models": (model,)} | changes)))


def arguments(world: World, proof: ConfigProof, height: int = 12) -> tuple[Any, ...]:
    return (
        world.models.address,
        world.actions.address,
        height,
        proof.formats,
        proof.layers,
        proof.beside,
        proof.siblings,
    )


def create(world: World, proof: ConfigProof, height: int = 12) -> Contract:
    return world.deploy(PATH, *arguments(world, proof, height))


@pytest.mark.parametrize("name", ["mixed", "halves", "super"])
def test_the_model_is_what_its_config_rows_say(name: str) -> None:
    """Rule: INNER-10, INNER-5, INNER-6"""
    engine, rows = tiny(name)
    world = world_of(engine)
    model = build_step_model(engine)

    stated = create(world, prove_config(rows, engine.shape.layers)).settings()

    assert stated.root == model.root
    assert stated.actions == world.actions.address
    shape = engine.shape
    for part in ("layers", "width", "feed_forward", "heads", "kv_heads", "head_size"):
        assert stated[part] == getattr(shape, part)
    for part in ("records", "embedding_type", "head_type", "epsilon", "score_scale"):
        assert stated[part] == getattr(model, part)
    assert stated.tied == model.tied
    assert stated.output_exponent == model.output_exponent
    assert stated.missing == shape.missing.ljust(32, b"\0")
    for packed, layer in zip(stated.formats, model.layers, strict=False):
        row = (layer.q, layer.k, layer.v, layer.attn_norm, layer.ffn_norm, *layer.types)
        assert packed == sum(value << (8 * at) for at, value in enumerate(row))
    assert list(stated.layer_starts) == [r.start for r in inner.layout_layer(shape).regions]
    assert list(stated.sampler_starts) == [r.start for r in inner.layout_sampler(shape).regions]


def test_a_row_of_another_model_is_refused() -> None:
    """Rule: INNER-10"""
    engine, rows = tiny("mixed")
    good = prove_config(rows, engine.shape.layers)
    world = world_of(engine)

    def refuse(reason: str, **changes: Any) -> None:
        with reverts(reason):
            create(world, dataclasses.replace(good, **changes))

    first = bytearray(good.layers[0])
    first[31] ^= 1
    refuse("model: not under the root", layers=(bytes(first), *good.layers[1:]))
    refuse("model: not under the root", siblings=(*good.siblings[:-1], bytes(32)))
    refuse("model: another height", siblings=good.siblings[:-1])
    refuse("model: a row a layer", layers=good.layers[1:])
    refuse("model: a row of formats", formats=good.formats[:-32])
    refuse("model: a row of a layer", layers=(good.layers[0][:-32], *good.layers[1:]))
    refuse("model: wrong leaves beside", beside=(*good.beside, bytes(32)))
    refuse("model: wrong leaves beside", beside=(bytes(32),) * 32)
    with pytest.raises(harness.Reverted, match=r"^no reason"):  # more than the argument holds
        create(world, dataclasses.replace(good, beside=(Hash32(bytes(32)),) * 33))
    for scale, reason in (
        ((1 << 20) - 1, "model: not under the root"),
        (1 << 20, "model: no score scale"),
        (1 << 250, "model: no score scale"),
    ):
        scaled = good.formats[: 32 * 14] + scale.to_bytes(32) + good.formats[32 * 15 :]
        refuse(reason, formats=scaled)
    for word, reason in (
        (0, "model: row and shape differ"),
        (2, "model: row and shape differ"),
        (8, "model: row and shape differ"),
        (15, "model: another log2(e)"),
        (17, "model: another exponential"),
        (13, "model: not under the root"),
    ):
        formats = bytearray(good.formats)
        formats[32 * word + 31] ^= 1
        refuse(reason, formats=bytes(formats))


def test_a_registry_that_lists_others_or_may_is_refused() -> None:
    """Rule: INNER-10"""
    engine, rows = tiny("mixed")
    proof = prove_config(rows, engine.shape.layers)
    listed = deploy.ListedModel(engine.model_root, engine.shape)

    with reverts("model: one model a deployment"):
        create(world_of(engine, models=(listed, listed)), proof)
    with reverts("model: the registry is open"):
        create(world_of(engine, curator=CURATOR, model_delay=600), proof)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"width": 2_304}, "model: too wide for a step"),
        ({"heads": 40, "head_size": 4}, "model: too many heads"),
        ({"feed_forward": 32_800}, "model: too far fed forward"),
        ({"vocabulary": 262_145}, "model: too many tokens"),
        ({"kv_heads": 6, "head_size": 256, "heads": 6}, "model: too many leaves"),
    ],
)
def test_shapes_too_large_for_a_step_are_refused(changes: dict[str, Any], reason: str) -> None:
    """Rule: INNER-3, INNER-4"""
    shape = dataclasses.replace(harness.SHAPE, **changes)
    root, proof = fabricate(shape)
    world = World(harness.settings(models=(deploy.ListedModel(root, shape),)))

    with reverts(reason):
        create(world, proof)


@pytest.mark.parametrize(
    ("layers", "width", "feed_forward", "heads", "kv_heads", "vocabulary"),
    [
        (31, 960, 2_560, 15, 5, 49_152),
        (16, 2_048, 8_192, 32, 8, 128_256),
        (1, 4, 4_097, 1, 1, 300),
        (1, 100, 2_048, 17, 1, 300),
        (2, 70, 32_768, 16, 1, 300),
    ],
)
def test_larger_shapes_are_laid_out_as_in_python(
    layers: int, width: int, feed_forward: int, heads: int, kv_heads: int, vocabulary: int
) -> None:
    """Rule: INNER-4, INNER-5, INNER-6"""
    shape = dataclasses.replace(
        harness.SHAPE,
        layers=layers,
        width=width,
        feed_forward=feed_forward,
        heads=heads,
        kv_heads=kv_heads,
        vocabulary=vocabulary,
    )
    root, proof = fabricate(shape)
    world = World(harness.settings(models=(deploy.ListedModel(root, shape),)))

    stated = create(world, proof).settings()

    assert list(stated.layer_starts) == [r.start for r in inner.layout_layer(shape).regions]
    assert list(stated.sampler_starts) == [r.start for r in inner.layout_sampler(shape).regions]


def test_a_trace_too_small_for_a_sampler_is_refused() -> None:
    """Rule: INNER-4"""
    small: dict[str, Any] = {
        "width": 4,
        "feed_forward": 4,
        "heads": 1,
        "kv_heads": 1,
        "head_size": 4,
    }
    shape = dataclasses.replace(harness.SHAPE, **small)
    root, proof = fabricate(shape)
    world = World(harness.settings(models=(deploy.ListedModel(root, shape),)))

    with reverts("model: too many sampler leaves"):
        create(world, proof, 8)


def test_a_format_over_a_byte_is_refused() -> None:
    """Rule: INNER-10"""
    root, proof = fabricate(harness.SHAPE, layer_word=256)
    world = World(harness.settings(models=(deploy.ListedModel(root, harness.SHAPE),)))

    with reverts("model: a format over a byte"):
        create(world, proof)


def test_a_format_may_fill_its_byte() -> None:
    """Rule: INNER-10"""
    root, proof = fabricate(harness.SHAPE, layer_word=255)
    world = World(harness.settings(models=(deploy.ListedModel(root, harness.SHAPE),)))

    stated = create(world, proof).settings()

    assert list(stated.formats) == [2**96 - 1] * 30 + [0]


def fabricate(shape: ModelShape, layer_word: int = 3) -> tuple[Hash32, ConfigProof]:
    """Config rows of any shape, under a root of their own."""

    def encode(*words: int) -> bytes:
        return b"".join(word.to_bytes(32, "big", signed=True) for word in words)

    stated = [getattr(shape, part) for part in PARTS]
    formats = encode(1, *stated, 7, 1, 8, 8, 1, 1, 94_548, *tables.EXP_COEFFICIENTS, 1)
    layers = tuple(encode(*[layer_word] * 12) for _ in range(shape.layers))
    leaves = [row_leaves.compute_row_leaf(0, 0, 256, formats)]
    leaves += [row_leaves.compute_row_leaf(0, 1 + i, 257, row) for i, row in enumerate(layers)]
    beside = [bytes(32)] * ((1 << (len(leaves) - 1).bit_length()) - len(leaves))
    levels = build_levels([*leaves, *beside], (len(leaves) + len(beside)).bit_length() - 1)
    node, siblings = levels[-1][0], (Hash32(bytes(32)),) * (shape.model_height - len(levels) + 1)
    for sibling in siblings:
        node = hashlib.sha256(node + sibling).digest()
    return Hash32(node), ConfigProof(formats, layers, tuple(map(Hash32, beside)), siblings)
