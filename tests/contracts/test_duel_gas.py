"""Gas of every move of a duel over full heights, from receipts: budgets and a golden file.

Storage that a move creates is in its number; whoever moves holds ether and has sent before.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from oyez.testing import toy
from tests.contracts.duelling import HONEST, LIAR, Bout, Play, Side, make_side, post
from tests.contracts.harness import SEQUENCER, STRANGER, actor
from tests.contracts.on_chain import NodeArena
from tests.devnet import Anvil
from tests.snapshots import check_snapshot

#: A lie in the last lane but one of the record's own chunk: the dearest leaves to show.
CHANGE = (5, 4_081, 510, -1)
BUDGETS = {
    "open_duel": 95_000,
    "start": 65_000,
    "advance": 75_000,
    "last": 75_000,
    "commit, first of a fork": 125_000,
    "inner": 105_000,
    "advance_bout": 80_000,
    "leaf, first": 95_000,
    "leaf, second": 85_000,
    "timeout_bout": 125_000,
    "defeat": 90_000,
    "release": 60_000,
}


@pytest.fixture
def arena() -> Iterator[NodeArena]:
    with Anvil() as node:
        yield NodeArena(node)


def post_pair(arena: NodeArena) -> tuple[Side, Side]:
    """A lie, then the truth; they differ in record 5."""
    arena.staked(SEQUENCER, HONEST, LIAR)
    batch = arena.batch_hash
    machine = toy.Machine([toy.run_record(int.from_bytes(batch, "big") % 10**6)] * 5)
    lie, truth = (
        make_side(toy.Machine([*machine.records, toy.run_record(1, change)]))
        for change in (CHANGE[1:], None)
    )
    arena.pass_time(100)
    post(arena, lie, SEQUENCER)
    arena.pass_time(5)
    post(arena, truth, HONEST)
    return lie, truth


def test_gas_of_a_whole_duel(arena: NodeArena) -> None:
    gas: dict[str, int] = {}

    def see(name: str) -> None:
        gas[name] = max(gas.get(name, 0), arena.gas)

    lie, truth = post_pair(arena)
    play = Play(arena, lie, truth)
    play.open()
    see("open_duel")
    play.start()
    see("start")
    for _ in range(5):
        play.advance()
        see("advance")
    play.last()
    see("last")
    assert play.record == 5
    a = play.commit(0, LIAR)
    see("commit, first of a fork")
    b = play.commit(1, HONEST)
    see("commit, first of a fork")
    bout = Bout((a, b))
    play.inner(bout)
    see("inner")
    play.inner(bout)
    see("advance_bout")
    play.leaf(bout)
    see("leaf, first")
    play.leaf(bout)
    see("leaf, second")
    play.resolve(bout)
    see("resolve, over the toy's step")
    arena.pass_time(arena.settings.challenge_window)
    play.game.defeat(play.state, 0)
    see("defeat")
    play.game.release(play.state, 1, HONEST)
    see("release")
    arena.pay.pay_duel(play.state, 0, play.movers)
    see("pay_duel")
    movers = (a.staker, b.staker)
    arena.pay.pay_bout(play.key, movers, bout.state, 0, bout.movers)
    see("pay_bout")
    arena.pay.withdraw(actor("purse"), sender=STRANGER)
    see("withdraw")
    check_budgets("duel_gas", gas)


def test_gas_of_champions_that_go_out(arena: NodeArena) -> None:
    """By time, and with their assertion; no slash makes a slot."""
    gas: dict[str, int] = {}
    lie, truth = post_pair(arena)
    arena.staked(STRANGER)
    play = Play(arena, lie, truth)
    play.descend()
    first = play.commit(0, LIAR)
    arena.pass_time(2)
    bout = Bout((first, play.commit(1, HONEST)))
    play.commit(0, STRANGER)
    arena.pass_time(arena.settings.challenge_window)
    late = Bout(bout.champions)
    a, b = late.champions
    play.game.timeout_bout(play.state, a.words, b.words, late.state)
    assert arena.event("ChampionOut")["staker"] == HONEST
    gas["timeout_bout"] = arena.gas
    play.game.defeat(play.state, 1)
    gas["defeat, by the last champion's end"] = arena.gas
    play.game.release(play.state, 0, STRANGER)
    play.game.collect()
    gas["collect"] = arena.gas
    check_budgets("duel_gas_out", gas)


def check_budgets(name: str, gas: dict[str, int]) -> None:
    over = {kind: used for kind, used in gas.items() if used > BUDGETS.get(kind, used)}
    assert over == {}
    # ids and roots follow the block times: a zero byte in calldata is 12 gas
    check_snapshot(name, gas, tolerance=0.01)
