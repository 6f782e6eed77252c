"""How game and pay are wired: once, at construction, and never again."""

from __future__ import annotations

import pytest

from oyez.chain.deploy import compute_create_address
from tests.contracts.duelling import Arena, make_arena
from tests.contracts.harness import DEPLOYER, World, reverts
from tests.contracts.harness import settings as make_settings


@pytest.fixture
def arena() -> Arena:
    return make_arena()


def test_links_are_checked(arena: Arena) -> None:
    """Rule: DUEL-20"""
    toy, pay = arena.toy.address, arena.pay.address
    with reverts("duel: rollup names another"):
        arena.deploy("contracts/DuelGame.vy", arena.rollup.address, toy, pay, 12)
    with reverts("pay: game names another"):
        arena.deploy("contracts/MovePay.vy", arena.game.address)
    links = arena.game.settings()
    assert links.rollup == arena.rollup.address
    assert links.pay == pay
    assert (links.outer_levels, links.inner_levels) == (6, 3)


@pytest.mark.parametrize(
    ("steps", "pay", "inner", "reason"),
    [
        (True, True, 0, "duel: bad inner height"),
        (True, True, 4, "duel: bad inner height"),
        (True, True, 13, "duel: bad inner height"),
        (True, True, 32, "duel: bad inner height"),
        (True, True, 8, "duel: steps of another height"),
        (True, True, 16, "duel: steps of another height"),
        (False, True, 12, "duel: no step table"),
        (True, False, 12, "duel: nobody pays moves"),
    ],
)
def test_settings_are_checked(steps: bool, pay: bool, inner: int, reason: str) -> None:
    """Rule: DUEL-20"""
    world = World(make_settings(game=compute_create_address(DEPLOYER, 6)))
    toy = world.deploy("contracts/mocks/ToyMachine.vy").address
    with reverts(reason):
        world.deploy(
            "contracts/DuelGame.vy",
            world.rollup.address,
            toy if steps else DEPLOYER,
            DEPLOYER if pay else bytes(20),
            inner,
        )
