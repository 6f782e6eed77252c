"""The records of oyez/chain/duel_states.py and the wrapper's calls against the game itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from oyez.chain import contracts, duel_states
from oyez.chain.client import connect
from oyez.chain.deployment import Deployment
from oyez.chain.duel_states import Champion, Choice, Content, Descent, Duel, Leaf, Phase
from oyez.chain.game import Game, MovePay
from oyez.protocol.types import Claim
from oyez.testing import toy
from tests.contracts.duelling import (
    HONEST,
    LIAR,
    Arena,
    Bout,
    Play,
    Side,
    make_arena,
    make_side,
    meet,
)
from tests.contracts.harness import SEQUENCER, encode_call
from tests.contracts.on_chain import NodeArena
from tests.devnet import Anvil

#: A number that the toy never comes to, in the chunk that is part of a record.
FALSE = (4_080, 9, 40_000)


def descent_of(words: tuple[Any, ...]) -> Descent:
    return Descent(*words)


def duel_of(play: Play) -> Duel:
    a, b, state = play.state
    return Duel(a, b, Descent(*state))


def content_of(side: Side) -> Content:
    parent, attempt, batch, batch_hash, roots = side.content
    return Content(parent, attempt, batch, batch_hash, Claim(*roots))


@pytest.fixture
def fight() -> tuple[Play, Bout]:
    return meet_in(make_arena(HONEST, LIAR), record=2)


def test_hashes_are_those_that_the_game_keeps(fight: tuple[Play, Bout]) -> None:
    play, bout = fight
    game, duel = play.game, duel_of(play)
    assert duel.key == play.key
    assert game.duel(play.key) == duel.hash
    assert duel_states.compute_movers(play.movers) == duel.descent.movers
    champions = [Champion(c.staker, c.inner.tree.root, c.committed_at) for c in bout.champions]
    for side, champion in enumerate(champions):
        key, kept = game.champion(play.key, side, champion.staker)
        assert key == duel_states.compute_champion_key(duel.key, side, champion.staker)
        assert kept == champion.hash
    first = duel_states.begin_bout(duel, champions[0], champions[1], 3)
    assert (first.phase, first.turn, first.level, first.record) == (Phase.DESCENT, 1, 3, 2)
    play.arena.pass_time(11)
    play.inner(bout)
    after = descent_of(bout.state)
    assert game.bout(*bout.keys) == after.hash
    # nobody could read the first state; the first move's clock shows it
    assert after.get_rem(0) == first.get_rem(0)
    assert after.get_rem(1) == first.get_rem(1) - (after.last - first.last)
    assert (after.turn, after.level, after.waiting) != (first.turn, first.level, first.moving)


def test_a_bout_of_one_second_gives_the_turn_to_the_greater_address() -> None:
    duel = Duel(b"a" * 32, b"b" * 32, Descent(b"1" * 32, b"2" * 32, word(), b"", b""))
    for low, high, turn in ((b"\x01", b"\x02", 1), (b"\x02", b"\x01", 0)):
        a, b = (Champion(who * 20, who * 32, 170) for who in (low, high))
        first = duel_states.begin_bout(duel, a, b, 3)
        assert first.turn == turn
        assert first.moving == (a, b)[turn].inner_root
        assert first.get_deadline() == 170 + (500, 400)[turn] - 20


def word() -> int:
    return duel_states.pack_word(
        phase=Phase.COMMIT, turn=1, level=0, last=150, rem=(500, 400), index=9
    )


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    with Anvil() as made:
        yield made


def test_the_wrapper_sends_what_the_game_takes(fight: tuple[Play, Bout], node: Anvil) -> None:
    """Each transaction's bytes are those of the harness, which encodes by the compiler's ABI."""
    play, bout = fight
    addresses = {"DuelGame": play.game.address, "MovePay": play.arena.pay.address}
    place = Deployment(node.rpc, node.chain_id, 0, addresses)
    chain = connect(node.rpc, node.chain_id)
    game, pay = Game(chain, place), MovePay(chain, place)
    duel, state = duel_of(play), Descent(b"w" * 32, b"m" * 32, word(), b"h" * 32, b"l" * 32)
    a, b = (Champion(c.staker, c.inner.tree.root, c.committed_at) for c in bout.champions)
    older, newer = (content_of(side) for side in play.sides)
    wide = tuple(bytes([i]) * 32 for i in range(16))
    choice = Choice(3, b"c" * 32, b"d" * 32, wide[:4], wide[4:8])
    leaf, other = Leaf(1, bytes(1_024)), Leaf(0, bytes(1_024))
    ka, kb = bout.keys
    who = bytes(range(20))
    built = {
        "open_duel": (game.build_open(older, newer), (older, newer)),
        "start": (game.build_start(duel, wide), (duel, wide)),
        "advance": (game.build_advance(duel, choice, wide), (duel, choice, wide)),
        "last": (game.build_last(duel, choice), (duel, choice)),
        "defeat": (game.build_defeat(duel, 1), (duel, 1)),
        "commit": (game.build_commit(duel, 1, wide[:8], wide), (duel, 1, wide[:8], wide)),
        "expel": (game.build_expel(duel, 0, who), (duel, 0, who)),
        "release": (game.build_release(duel, 1, who), (duel, 1, who)),
        "inner": (game.build_inner(duel, a, b, choice, wide), (duel, a, b, choice, wide)),
        "advance_bout": (
            game.build_advance_bout(ka, kb, state, choice, wide),
            (ka, kb, state, choice, wide),
        ),
        "leaf": (game.build_leaf(ka, kb, state, choice, leaf), (ka, kb, state, choice, leaf)),
        "resolve": (
            game.build_resolve(duel, older, a, b, state, (leaf, other), 7, b"proof"),
            (duel, older, a, b, state, leaf, other, 7, b"proof"),
        ),
        "timeout_bout": (game.build_timeout_bout(duel, a, b, state), (duel, a, b, state)),
    }
    paid = {
        "pay_duel": (pay.build_pay_duel(duel, 1, [who]), (duel, 1, [who])),
        "pay_bout": (
            pay.build_pay_bout(ka, (who, who), state, 1, [who]),
            (ka, [who, who], state, 1, [who]),
        ),
        "withdraw": (pay.build_withdraw(who), (who,)),
    }
    for wrapper, calls in ((game, built), (pay, paid)):
        for name, (transaction, arguments) in calls.items():
            entry = contracts.find_abi(wrapper.name, "function", name)
            plain = [getattr(argument, "words", argument) for argument in arguments]
            assert transaction.to == wrapper.address
            assert transaction.data == encode_call(entry, *plain), name


def test_what_stands_is_read_at_a_block(node: Anvil) -> None:
    """The wrapper's views, on a node."""
    play, bout = meet_on(node)
    addresses = {"DuelGame": play.game.address, "MovePay": play.arena.pay.address}
    place = Deployment(node.rpc, node.chain_id, 0, addresses)
    chain = connect(node.rpc, node.chain_id)
    game, pay = Game(chain, place), MovePay(chain, place)
    settings = game.fetch_settings()
    assert (settings.outer_levels, settings.inner_levels) == (6, 3)
    assert (settings.rollup, settings.pay) == (play.arena.rollup.address, pay.address)
    duel = duel_of(play)
    assert game.fetch_duel(duel.key) == duel.hash
    assert game.fetch_alive(duel.key) == (1, 1)
    keys = []
    for side, champion in enumerate(bout.champions):
        record = Champion(champion.staker, champion.inner.tree.root, champion.committed_at)
        key, kept = game.fetch_champion(duel.key, side, record.staker)
        assert kept == record.hash
        keys.append(key)
    assert game.fetch_bout(keys[0], keys[1]) == bytes(32)
    before = chain.fetch_block("latest").number
    play.inner(bout)
    assert game.fetch_bout(keys[0], keys[1]) == descent_of(bout.state).hash
    assert game.fetch_bout(keys[0], keys[1], at=before) == bytes(32)
    assert pay.fetch_credit(HONEST) == 0
    assert not pay.fetch_is_paid(duel.key)
    assert pay.fetch_drawn(LIAR) == 0


def meet_on(node: Anvil) -> tuple[Play, Bout]:
    """Each time over another batch hash; every one makes a first record."""
    arena = NodeArena(node)
    arena.staked(SEQUENCER, HONEST, LIAR)
    return meet_in(arena, record=0)


def meet_in(arena: Arena, record: int) -> tuple[Play, Bout]:
    """A lie of the sequencer's in this record."""
    truth = make_side(toy.run(arena.batch_hash, 6))
    lie = make_side(toy.run(arena.batch_hash, 6, (record, *FALSE)))
    return meet(arena, truth, lie, liar_first=True)
