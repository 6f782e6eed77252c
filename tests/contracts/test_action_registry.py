"""ActionRegistry: publishing, terms, and upgrades by their author alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from eth_utils.crypto import keccak

from oyez.chain.deploy import ListedModel
from oyez.protocol.codec import compute_action_id
from oyez.protocol.types import EngineKind, Hash32
from tests.contracts.harness import (
    AUTHOR,
    CURATOR,
    DEPLOYER,
    ROOT,
    SHAPE,
    START,
    STRANGER,
    Reverted,
    World,
    reverts,
    settings,
)
from tests.contracts.manifests import BALLOT, IMMUTABLE
from tests.contracts.test_model_registry import LLAMA, words

MANIFEST = BALLOT.encode()
HASH = Hash32(keccak(MANIFEST))
SLOW = BALLOT.change(delay=100)
NEXT = BALLOT.change(delay=100, max_input=200, cell_kind=2, output_tokens=9)


def test_publish_stores_the_bytes_and_answers_their_terms(world: World) -> None:
    """Rule: REGISTRY-4"""
    action_id = world.actions.publish(MANIFEST, sender=AUTHOR)

    assert action_id == compute_action_id(AUTHOR, HASH)
    pointer = world.actions.manifest_pointer(HASH)
    assert world.code(pointer) == b"\0" + MANIFEST
    assert world.event("ActionPublished") == {
        "action_id": action_id,
        "author": AUTHOR,
        "manifest_hash": HASH,
        "pointer": pointer,
    }
    assert world.actions.author(action_id) == AUTHOR
    assert world.actions.terms(action_id) == {
        "manifest_hash": HASH,
        "fixed_positions": BALLOT.need(64),
        "context": SHAPE.context,
        "position_cost": SHAPE.position_cost,
        "max_input": 512,
        "output_bytes": BALLOT.output_bytes(),
        "cell_kind": 1,
    }
    assert world.actions.pending_upgrade(action_id) == (bytes(32), 0)


def test_one_manifest_two_authors_one_copy(world: World) -> None:
    first = world.actions.publish(MANIFEST, sender=AUTHOR)
    pointer = world.actions.manifest_pointer(HASH)
    second = world.actions.publish(MANIFEST, sender=STRANGER)

    assert first != second
    assert world.actions.manifest_pointer(HASH) == pointer
    assert world.event("ActionPublished")["pointer"] == pointer
    with reverts("actions: already published"):
        world.actions.publish(MANIFEST, sender=AUTHOR)


def test_an_unknown_action_has_no_terms(world: World) -> None:
    """Rule: REGISTRY-5"""
    with reverts("actions: unknown action"):
        world.actions.terms(bytes(32))


@pytest.mark.parametrize(
    "damage",
    [
        lambda m: m + b"\0",
        lambda m: m[:-1],
        lambda m: b"\2" + m[1:],
        lambda m: m[:64] + b"\xff" * (len(m) - 64),
        lambda m: m[:63],
        lambda m: b"",
        lambda m: b"\1" + bytes(12_287),
    ],
)
def test_bytes_past_the_compiler_meet_the_gate(
    world: World, damage: Callable[[bytes], bytes]
) -> None:
    """Audit 1 C7: bytes that no compiler made."""
    with pytest.raises(Reverted, match=r"^(gate|actions): "):
        world.actions.publish(damage(MANIFEST), sender=AUTHOR)
    assert world.actions.manifest_pointer(keccak(damage(MANIFEST))) == bytes(20)


def test_no_header_no_model() -> None:
    """Audit 1 C1: only a listed model can be called."""
    world = World(settings(curator=CURATOR, model_delay=600))
    with reverts("actions: no header"):
        world.actions.publish(MANIFEST[:63])
    with reverts("models: no such model"):
        world.actions.publish(BALLOT.change(model=1).encode())
    with reverts("models: no such model"):
        world.actions.publish(BALLOT.change(model=65_535).encode())


def test_a_model_serves_from_its_time_on() -> None:
    world = World(settings(curator=CURATOR, model_delay=600))
    world.models.announce(words(LLAMA), sender=CURATOR)
    manifest = BALLOT.change(model=1).encode()

    world.pass_time(599)
    with reverts("actions: model not in effect"):
        world.actions.publish(manifest)
    world.pass_time(1)
    action_id = world.actions.publish(manifest)

    assert world.actions.terms(action_id).position_cost == 7


def test_an_attested_model_serves_no_exact_action() -> None:
    attested = ListedModel(ROOT, SHAPE, EngineKind.ATTESTED)
    world = World(settings(models=(attested,)))
    with reverts("actions: model not exact"):
        world.actions.publish(MANIFEST)


def test_the_models_own_vocabulary_bounds_the_literals() -> None:
    world = World(settings(models=(ListedModel(ROOT, replace(SHAPE, vocabulary=300)),)))
    with reverts("gate: token id not in vocabulary"):
        world.actions.publish(MANIFEST)


def test_an_upgrade_takes_effect_after_its_delay(world: World) -> None:
    """Rule: REGISTRY-6"""
    action_id = world.actions.publish(SLOW.encode(), sender=AUTHOR)
    world.pass_time(7)
    world.actions.announce_upgrade(action_id, NEXT.encode(), sender=AUTHOR)

    later = Hash32(keccak(NEXT.encode()))
    assert world.event("UpgradeAnnounced") == {
        "action_id": action_id,
        "manifest_hash": later,
        "pointer": world.actions.manifest_pointer(later),
        "effective_at": START + 107,
    }
    assert world.actions.pending_upgrade(action_id) == (later, START + 107)
    world.pass_time(99)
    assert world.actions.terms(action_id).manifest_hash == keccak(SLOW.encode())
    assert world.actions.terms(action_id).max_input == 512
    world.pass_time(1)
    assert world.actions.terms(action_id) == {
        "manifest_hash": later,
        "fixed_positions": NEXT.need(9),
        "context": SHAPE.context,
        "position_cost": 1,
        "max_input": 200,
        "output_bytes": NEXT.output_bytes(),
        "cell_kind": 2,
    }
    assert world.actions.pending_upgrade(action_id) == (bytes(32), 0)


def test_a_second_announcement_replaces_the_first(world: World) -> None:
    action_id = world.actions.publish(SLOW.encode(), sender=AUTHOR)
    world.actions.announce_upgrade(action_id, NEXT.encode(), sender=AUTHOR)
    world.pass_time(60)
    third = NEXT.change(max_input=300).encode()
    world.actions.announce_upgrade(action_id, third, sender=AUTHOR)

    world.pass_time(99)
    assert world.actions.terms(action_id).manifest_hash == keccak(SLOW.encode())
    world.pass_time(1)
    assert world.actions.terms(action_id).manifest_hash == keccak(third)


def test_an_upgrade_in_effect_rules_the_next_one(world: World) -> None:
    """Its own delay counts from then on; an immutable one ends all upgrades."""
    action_id = world.actions.publish(SLOW.encode(), sender=AUTHOR)
    quick = BALLOT.change(delay=0, max_input=1).encode()
    world.actions.announce_upgrade(action_id, quick, sender=AUTHOR)
    world.pass_time(100)
    world.actions.announce_upgrade(action_id, MANIFEST, sender=AUTHOR)

    assert world.actions.terms(action_id).manifest_hash == HASH
    with reverts("actions: immutable"):
        world.actions.announce_upgrade(action_id, quick, sender=AUTHOR)


def test_a_third_manifest_waits_behind_the_second_ones_terms(world: World) -> None:
    action_id = world.actions.publish(SLOW.encode(), sender=AUTHOR)
    world.actions.announce_upgrade(action_id, NEXT.encode(), sender=AUTHOR)
    world.pass_time(100)
    world.actions.announce_upgrade(action_id, MANIFEST, sender=AUTHOR)
    world.pass_time(99)
    assert world.actions.terms(action_id).manifest_hash == keccak(NEXT.encode())
    assert world.actions.terms(action_id).max_input == 200
    assert world.actions.terms(action_id).cell_kind == 2
    world.pass_time(1)
    assert world.actions.terms(action_id).manifest_hash == HASH
    assert world.actions.terms(action_id).max_input == 512


def test_only_the_author_upgrades(world: World) -> None:
    action_id = world.actions.publish(SLOW.encode(), sender=AUTHOR)
    for sender in (STRANGER, DEPLOYER):
        with reverts("actions: author only"):
            world.actions.announce_upgrade(action_id, NEXT.encode(), sender=sender)
    with reverts("actions: author only"):
        world.actions.announce_upgrade(bytes(32), NEXT.encode(), sender=AUTHOR)


def test_immutable_means_immutable_and_delays_stay_on_the_clock(world: World) -> None:
    action_id = world.actions.publish(MANIFEST, sender=AUTHOR)
    with reverts("actions: immutable"):
        world.actions.announce_upgrade(action_id, NEXT.encode(), sender=AUTHOR)
    forever = BALLOT.change(delay=IMMUTABLE - 1).encode()
    other = world.actions.publish(forever, sender=AUTHOR)
    with reverts("actions: delay beyond the clock"):
        world.actions.announce_upgrade(other, NEXT.encode(), sender=AUTHOR)


def test_an_upgrade_meets_the_same_gate(world: World) -> None:
    action_id = world.actions.publish(SLOW.encode(), sender=AUTHOR)
    with reverts("gate: effects not built yet"):
        world.actions.announce_upgrade(action_id, SLOW.change(effects=1).encode(), sender=AUTHOR)
    assert world.actions.pending_upgrade(action_id) == (bytes(32), 0)


def test_links_need_code(world: World) -> None:
    with reverts("actions: gate has no code"):
        world.deploy("contracts/ActionRegistry.vy", STRANGER, world.models.address)
    with reverts("actions: models has no code"):
        world.deploy("contracts/ActionRegistry.vy", world.gate.address, STRANGER)
    assert world.actions.gate() == world.gate.address
    assert world.actions.models() == world.models.address
