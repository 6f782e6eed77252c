"""Both registries at the edge of their bounds, and with odd numbers: what mutants moved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from oyez.chain.deploy import ListedModel
from oyez.protocol.codec import compute_shape_words
from tests.contracts.harness import (
    AUTHOR,
    CURATOR,
    ROOT,
    SHAPE,
    START,
    World,
    reverts,
    settings,
)
from tests.contracts.manifests import BALLOT
from tests.contracts.test_model_registry import words

LAST_SECOND = 2**40 - 1
SLOW = BALLOT.change(delay=100)


def test_terms_are_exact_to_the_last_bit() -> None:
    """Context, cost, input and kind are odd; positions and output once odd and once even."""
    shape = replace(SHAPE, context=1_001, position_cost=7)
    world = World(settings(models=(ListedModel(ROOT, shape),)))
    draft = BALLOT.change(max_input=513, output_tokens=65, cell_kind=3)
    for more in (0, 1):
        name = b"m" * (4 + more)
        odd = replace(draft, rows=(replace(draft.rows[0], name=name), *draft.rows[1:]))
        odd = odd.change(fixed=odd.need(65) + more)
        found = world.actions.terms(world.actions.publish(odd.encode(), sender=AUTHOR))
        assert (found.fixed_positions, found.context) == (odd.need(65) + more, 1_001)
        assert (found.position_cost, found.max_input) == (7, 513)
        assert (found.output_bytes, found.cell_kind) == (odd.output_bytes(), 3)


@pytest.mark.parametrize("more", [0, 1])
def test_an_announcement_changes_no_term_before_its_time(world: World, more: int) -> None:
    draft = SLOW.change(fixed=SLOW.need(64) + more, max_input=511 + more)
    action_id = world.actions.publish(draft.encode(), sender=AUTHOR)
    before = world.actions.terms(action_id)
    world.actions.announce_upgrade(action_id, BALLOT.encode(), sender=AUTHOR)

    assert world.actions.terms(action_id) == before
    assert before.fixed_positions == SLOW.need(64) + more


def test_a_replaced_announcement_leaves_nothing_of_its_time(world: World) -> None:
    action_id = world.actions.publish(SLOW.encode(), sender=AUTHOR)
    for second in (1, 2, 3, 4):
        world.pass_time(1)
        later = SLOW.change(max_input=second)
        world.actions.announce_upgrade(action_id, later.encode(), sender=AUTHOR)
        assert world.actions.pending_upgrade(action_id)[1] == START + second + 100


def test_an_upgrade_may_wait_until_the_clocks_last_second(world: World) -> None:
    last = BALLOT.change(delay=LAST_SECOND - START)
    beyond = BALLOT.change(delay=LAST_SECOND - START + 1)
    action_id = world.actions.publish(last.encode(), sender=AUTHOR)
    world.actions.announce_upgrade(action_id, SLOW.encode(), sender=AUTHOR)
    assert world.actions.pending_upgrade(action_id)[1] == LAST_SECOND

    other = world.actions.publish(beyond.encode(), sender=AUTHOR)
    with reverts("actions: delay beyond the clock"):
        world.actions.announce_upgrade(other, SLOW.encode(), sender=AUTHOR)


def test_a_header_alone_meets_the_gate(world: World) -> None:
    with reverts("actions: no header"):
        world.actions.publish(BALLOT.encode()[:63], sender=AUTHOR)
    with reverts("gate: cut short before options"):
        world.actions.publish(BALLOT.encode()[:64], sender=AUTHOR)


@pytest.mark.parametrize(
    "changes",
    [
        {"model_height": 64},
        {"width": 1, "feed_forward": 1, "heads": 1, "kv_heads": 1, "head_size": 1},
        {"width": 14 * 256 + 1},
        {"width": 15 * 256, "kv_heads": 8, "head_size": 32},
        {"width": 256, "kv_heads": 15, "head_size": 256},
    ],
)
def test_the_last_shapes_that_fit_are_listed(changes: dict[str, Any]) -> None:
    shape = replace(SHAPE, **changes)
    world = World(settings(models=(ListedModel(ROOT, shape),)))
    assert tuple(world.models.shape(0).values()) == compute_shape_words(shape)


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 15 * 256, "kv_heads": 9, "head_size": 32},
        {"width": 257, "kv_heads": 15, "head_size": 256},
    ],
)
def test_the_first_shapes_that_do_not_fit_are_refused(changes: dict[str, Any]) -> None:
    with reverts("models: record above 16 chunks"):
        World(settings(models=(ListedModel(ROOT, replace(SHAPE, **changes)),)))


def test_the_last_of_32_missing_bytes_is_held_to_the_order_too() -> None:
    unsorted = bytes(range(0xC0, 0xDF)) + b"\xc0"
    assert len(unsorted) == 32
    with reverts("models: missing bytes unsorted"):
        World(settings(models=(ListedModel(ROOT, replace(SHAPE, missing=unsorted)),)))


def test_a_model_takes_effect_at_an_odd_second_and_at_the_last() -> None:
    for delay in (600, 601, LAST_SECOND - START):
        world = World(settings(curator=CURATOR, model_delay=delay))
        world.models.announce(words(), sender=CURATOR)
        assert world.models.models(1)[3] == START + delay
    world = World(settings(curator=CURATOR, model_delay=LAST_SECOND - START + 1))
    with reverts("models: delay too long"):
        world.models.announce(words(), sender=CURATOR)
