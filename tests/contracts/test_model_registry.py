"""ModelRegistry: the list, its shapes, and who may add to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_utils.crypto import keccak

from oyez.chain.deploy import ListedModel
from oyez.protocol.codec import compute_shape_hash, compute_shape_words
from oyez.protocol.types import Address, EngineKind, ModelShape
from tests.contracts.harness import (
    CURATOR,
    ROOT,
    SHAPE,
    START,
    STRANGER,
    World,
    reverts,
    settings,
)

LLAMA = replace(SHAPE, layers=16, width=2_048, kv_heads=8, vocabulary=128_256, position_cost=7)


def words(shape: ModelShape = SHAPE, root: bytes = ROOT, engine: int = 1) -> tuple[Any, ...]:
    return root, engine, compute_shape_words(shape)


@pytest.fixture
def curated() -> World:
    return World(settings(curator=CURATOR, model_delay=600))


def test_the_constructor_lists_models_at_once() -> None:
    world = World(settings(models=(ListedModel(ROOT, SHAPE), ListedModel(ROOT, LLAMA))))

    assert world.models.model_count() == 2
    assert world.models.models(0) == (ROOT, 1, compute_shape_hash(SHAPE), START)
    assert world.models.models(1) == (ROOT, 1, compute_shape_hash(LLAMA), START)
    assert tuple(world.models.shape(0).values()) == compute_shape_words(SHAPE)
    assert tuple(world.models.shape(1).values()) == compute_shape_words(LLAMA)
    with reverts("models: no such model"):
        world.models.models(2)
    with reverts("models: no such shape"):
        world.models.shape(2)


def test_without_a_curator_the_list_is_closed(world: World) -> None:
    """Audit 2 M6: nobody adds a model."""
    assert world.models.curator() == bytes(20)
    with reverts("models: curator only"):
        world.models.announce(words(), sender=STRANGER)


def test_a_curator_adds_after_the_delay(curated: World) -> None:
    """Rule: REGISTRY-2"""
    index = curated.models.announce(words(LLAMA), sender=CURATOR)

    assert index == 1
    assert curated.models.delay() == 600
    assert curated.models.models(1) == (ROOT, 1, compute_shape_hash(LLAMA), START + 600)
    assert curated.event("ModelAnnounced") == {
        "index": 1,
        "root": ROOT,
        "engine": EngineKind.EXACT,
        "shape_hash": compute_shape_hash(LLAMA),
        "effective_at": START + 600,
    }
    with reverts("models: curator only"):
        curated.models.announce(words(), sender=STRANGER)


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("unknown formats", {"formats": 0}),
        ("unknown formats", {"formats": 2}),
        ("layers not 1 to 31", {"layers": 0}),
        ("layers not 1 to 31", {"layers": 32}),
        ("zero width", {"width": 0}),
        ("zero width", {"feed_forward": 0}),
        ("zero heads", {"heads": 0}),
        ("zero heads", {"kv_heads": 0}),
        ("zero heads", {"head_size": 0}),
        ("vocabulary size", {"vocabulary": 0}),
        ("vocabulary size", {"vocabulary": 2**23}),
        ("context not 1 to 2046", {"context": 0}),
        ("context not 1 to 2046", {"context": 2_047}),
        ("position cost", {"position_cost": 0}),
        ("position cost", {"position_cost": 2**16}),
        ("tree above 64 levels", {"model_height": 65}),
        ("record above 16 chunks", {"width": 15 * 256 + 1}),
        ("record above 16 chunks", {"width": 13 * 256, "kv_heads": 13}),
        ("missing bytes unsorted", {"missing": b"\xbf"}),
        ("missing bytes unsorted", {"missing": b"\xc1\xc0"}),
        ("missing bytes unsorted", {"missing": b"\xc1\xc1"}),
        ("missing bytes unsorted", {"missing": b"\xc1\0\xc2"}),
    ],
)
def test_a_shape_that_nothing_can_hold_is_refused(
    curated: World, reason: str, changes: dict[str, Any]
) -> None:
    """Rule: REGISTRY-1"""
    with reverts(f"models: {reason}"):
        curated.models.announce(words(replace(SHAPE, **changes)), sender=CURATOR)


@pytest.mark.parametrize(
    "changes",
    [
        {"layers": 31, "context": 2_046, "vocabulary": 2**23 - 1, "position_cost": 2**16 - 1},
        {"width": 15 * 256},
        {"width": 12 * 256, "kv_heads": 16},
        {"missing": bytes(range(0xC0, 0xE0))},
        {"missing": b""},
        {"missing": b"\xff"},
        {"layers": 1, "context": 1, "vocabulary": 1, "model_height": 0},
    ],
)
def test_shapes_at_the_bounds_are_listed(curated: World, changes: dict[str, Any]) -> None:
    shape = replace(SHAPE, **changes)
    index = curated.models.announce(words(shape), sender=CURATOR)

    assert tuple(curated.models.shape(index).values()) == compute_shape_words(shape)
    assert curated.models.models(index)[2] == compute_shape_hash(shape)


def test_engines_and_roots(curated: World) -> None:
    assert curated.models.announce(words(engine=2), sender=CURATOR) == 1
    for engine in (0, 3):
        with reverts("models: unknown engine"):
            curated.models.announce(words(engine=engine), sender=CURATOR)
    with reverts("models: no root"):
        curated.models.announce(words(root=bytes(32)), sender=CURATOR)


def test_a_delay_beyond_the_clock_is_refused() -> None:
    world = World(settings(curator=CURATOR, model_delay=2**40))
    with reverts("models: delay too long"):
        world.models.announce(words(), sender=CURATOR)


def test_nobody_can_call_a_shapes_code(world: World) -> None:
    """The stored code begins with STOP: calling it does nothing and destroys nothing."""
    word = int(world.evm.storage("0x" + world.models.address.hex(), slot_of(world, "words")))
    pointer = Address((word >> 48).to_bytes(20, "big"))
    before = world.code(pointer)

    assert before[0] == 0
    assert before[1:] == b"".join(
        w if isinstance(w, bytes) else w.to_bytes(32, "big") for w in compute_shape_words(SHAPE)
    )
    output = world.call(pointer, b"", sender=STRANGER, value=0, view=False)
    assert output == b""
    assert world.code(pointer) == before


def slot_of(world: World, name: str) -> int:
    """Storage slot of models' `name[0]` (count 0, roots 1, shape_hashes 2, words 3)."""
    base = {"roots": 1, "shape_hashes": 2, "words": 3}[name]
    return int.from_bytes(keccak(base.to_bytes(32, "big") + bytes(32)), "big")
