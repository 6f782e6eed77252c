"""Too little gas: what the game asks of others is done whole, or the game has done nothing.

On a node, whose slots are cold: 1/64 of what a call asks for then pays for what follows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from oyez.testing import toy
from tests.contracts.duelling import HONEST, LIAR, Bout, Play, make_side, meet
from tests.contracts.harness import SEQUENCER, Reverted
from tests.contracts.on_chain import NodeArena
from tests.devnet import Anvil


@pytest.fixture
def node() -> Iterator[Anvil]:
    with Anvil() as made:
        yield made


@pytest.fixture
def fought(node: Anvil) -> tuple[Play, Bout]:
    """A lie of the sequencer's, its champion's bout up to the resolution."""
    arena = NodeArena(node)
    arena.staked(SEQUENCER, HONEST, LIAR)
    truth = make_side(toy.run(arena.batch_hash, 6))
    lie = make_side(toy.run(arena.batch_hash, 6, (0, 4_080, 9, 40_000)))
    play, bout = meet(arena, truth, lie, liar_first=True)
    play.fight(bout)
    return play, bout


def test_a_resolution_with_too_little_gas_decides_nothing(
    fought: tuple[Play, Bout], node: Anvil
) -> None:
    """Invariant 39: a call that runs out of its 63/64 reverts all, no other result is recorded."""
    play, bout = fought
    arena = play.arena
    a, b = (champion.words for champion in bout.champions)
    proof = play.open_inputs(bout, 0)
    content, before = play.sides[0].content, arena.game.bout(*bout.keys)

    def resolve(gas: int) -> None:
        play.game.resolve(play.state, content, a, b, bout.state, *bout.leaves, 9, proof, gas=gas)
        assert arena.rollup.stake(LIAR).status == 2
        assert arena.rollup.stake(HONEST).status == 1

    def check_nothing() -> None:
        assert arena.game.bout(*bout.keys) == before
        assert arena.game.alive(play.key) == (1, 1)

    assert 100_000 < find_least_gas(node, resolve, check_nothing) < 300_000


def test_a_defeat_with_too_little_gas_defeats_nobody(
    fought: tuple[Play, Bout], node: Anvil
) -> None:
    """Invariant 39: what the rollup could not do the game has not done."""
    play, bout = fought
    arena, lie = play.arena, play.sides[0]
    play.resolve(bout)
    arena.pass_time(arena.settings.challenge_window)

    def defeat(gas: int) -> None:
        play.game.defeat(play.state, 0, gas=gas)
        assert arena.rollup.status(lie.assertion_id) == 3
        assert arena.rollup.stake(SEQUENCER).status == 2

    def check_nothing() -> None:
        assert arena.rollup.status(lie.assertion_id) == 1
        assert arena.rollup.stake(SEQUENCER).status == 1

    assert 50_000 < find_least_gas(node, defeat, check_nothing) < 120_000


def find_least_gas(node: Anvil, act: Callable[[int], None], check: Callable[[], None]) -> int:
    """The least gas with which an act does not fail: it does all of it, and with less nothing."""
    short, enough = 25_000, 400_000
    while enough - short > 1:
        gas, mark = (short + enough) // 2, node.snapshot()
        try:
            act(gas)
            enough = gas
        except Reverted:
            check()
            short = gas
        node.restore(mark)
    act(enough)
    return enough
