"""MovePay: who is paid for moves, how often, and never more than a quarter of a stake."""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak

from oyez.testing import toy
from tests.contracts.duelling import (
    HONEST,
    LIAR,
    Arena,
    Bout,
    Play,
    make_arena,
    make_side,
    meet,
    post,
)
from tests.contracts.harness import CALLER, ETHER, GRAVE, SEQUENCER, STRANGER, actor, reverts

T = 600
CHANGE = (2, 2, 37, 5)
PAY = 8 * 10**15
QUARTER = ETHER // 4
WORKER, HELPER, OPENER = actor("worker"), actor("helper"), actor("opener")


def make_duel(arena: Arena) -> tuple[Play, Bout]:
    """The sequencer's lie against HONEST's truth, every move of it HELPER's, resolved."""
    lie, truth = (make_side(toy.run(arena.batch_hash, 6, change)) for change in (CHANGE, None))
    play, bout = meet(arena, truth, lie, liar_first=True)
    play.fight(bout, HELPER)
    play.resolve(bout, WORKER)
    return play, bout


@pytest.fixture
def arena() -> Arena:
    return make_arena(HONEST, LIAR, CALLER)


def champions_of(bout: Bout) -> tuple[bytes, bytes]:
    return bout.champions[0].staker, bout.champions[1].staker


def test_movers_against_a_beaten_champion_are_paid_once(arena: Arena) -> None:
    """Two of four moves were against the loser, and the resolution. Rule: DUEL-19"""
    play, bout = make_duel(arena)
    loser, pair = 0, champions_of(bout)
    assert pair == (LIAR, HONEST)
    with reverts("pay: not out"):
        arena.pay.pay_bout(play.key, pair, bout.state, 1, bout.movers)
    with reverts("pay: no such loser"):
        arena.pay.pay_bout(play.key, pair, bout.state, 2, bout.movers)
    with reverts("pay: others moved"):
        arena.pay.pay_bout(play.key, pair, bout.state, loser, [WORKER] * 5)
    with reverts("pay: nobody moved"):
        arena.pay.pay_bout(play.key, pair, bout.state, loser, [])
    with reverts("pay: another bout"):
        arena.pay.pay_bout(play.key, pair[::-1], bout.state, loser, bout.movers)
    arena.pay.pay_bout(play.key, pair, bout.state, loser, bout.movers)
    assert arena.pay.credit(HELPER) == 2 * PAY
    assert arena.pay.credit(WORKER) == PAY
    assert arena.pay.credit(HONEST) == 0
    with reverts("pay: paid already"):
        arena.pay.pay_bout(play.key, pair, bout.state, loser, bout.movers)
    arena.check_solvent()


def test_pay_is_pulled_to_any_address(arena: Arena) -> None:
    """Invariant 32. The quarter comes from the rollup when it is first needed."""
    play, bout = make_duel(arena)
    arena.pay.pay_bout(play.key, champions_of(bout), bout.state, 0, bout.movers)
    assert arena.rollup.credit(arena.game.address) == QUARTER
    purse = actor("purse")
    arena.pay.withdraw(purse, sender=HELPER)
    assert arena.balance(purse) == 2 * PAY
    assert arena.balance(arena.pay.address) == QUARTER - 2 * PAY
    with reverts("pay: no credit"):
        arena.pay.withdraw(purse, sender=HELPER)
    arena.pay.withdraw(purse, sender=WORKER)
    assert arena.balance(purse) == 3 * PAY
    arena.check_solvent()


def test_a_refusing_receiver_blocks_nobody(arena: Arena) -> None:
    """Invariant 32."""
    play, bout = make_duel(arena)
    arena.pay.pay_bout(play.key, champions_of(bout), bout.state, 0, bout.movers)
    with pytest.raises(Exception, match="no reason"):
        arena.pay.withdraw(arena.toy.address, sender=HELPER)
    assert arena.pay.credit(HELPER) == 2 * PAY
    arena.pay.withdraw(HELPER, sender=HELPER)


def test_only_the_rollup_pays_in(arena: Arena) -> None:
    with reverts("pay: from the rollup only"):
        arena.call(arena.pay.address, b"", sender=CALLER, value=1, view=False)


def test_opener_and_outer_movers_are_paid_after_the_defeat(arena: Arena) -> None:
    """Rule: DUEL-18"""
    lie, truth = (make_side(toy.run(arena.batch_hash, 6, change)) for change in (CHANGE, None))
    arena.pass_time(100)
    post(arena, lie, SEQUENCER)
    arena.pass_time(5)
    post(arena, truth, HONEST)
    play = Play(arena, lie, truth)
    play.open(OPENER)
    play.start(WORKER)
    play.advance(HELPER)
    play.advance(WORKER)
    with reverts("pay: not defeated"):
        arena.pay.pay_duel(play.state, 0, play.movers)
    arena.pass_time(T)
    arena.game.defeat(play.state, 0)
    with reverts("pay: not defeated"):
        arena.pay.pay_duel(play.state, 1, play.movers)
    with reverts("pay: no such side"):
        arena.pay.pay_duel(play.state, 2, play.movers)
    with reverts("pay: others moved"):
        arena.pay.pay_duel(play.state, 0, play.movers[:-1])
    with reverts("pay: another state"):
        arena.pay.pay_duel((play.state[0], bytes(32), play.state[2]), 0, play.movers)
    arena.pay.pay_duel(play.state, 0, play.movers)
    assert arena.pay.credit(OPENER) == PAY
    assert arena.pay.credit(WORKER) == 2 * PAY
    assert arena.pay.credit(HELPER) == 0
    with reverts("pay: paid already"):
        arena.pay.pay_duel(play.state, 0, play.movers)
    arena.check_solvent()


def test_one_stake_pays_a_quarter_at_most(arena: Arena) -> None:
    """Invariant 29: whoever plays both sides gets a quarter of the lost stake back and no more."""
    arena.staked(*(actor(f"knight {i}") for i in range(40)))
    lie, truth = (make_side(toy.run(arena.batch_hash, 6, change)) for change in (CHANGE, None))
    arena.pass_time(100)
    post(arena, lie, SEQUENCER)
    arena.pass_time(1)
    post(arena, truth, HONEST)
    grave = arena.balance(GRAVE)
    play = Play(arena, lie, truth)
    play.descend()
    loser = play.commit(0, LIAR)
    bouts = []
    for i in range(16):
        bout = Bout((loser, play.commit(1, actor(f"knight {i}"))))
        play.fight(bout, WORKER)
        bouts.append(bout)
    play.resolve(bouts[0], WORKER)
    for bout in bouts:
        arena.pay.pay_bout(play.key, champions_of(bout), bout.state, 0, bout.movers)
        arena.check_solvent()
    assert arena.pay.credit(WORKER) == QUARTER
    assert arena.pay.drawn(LIAR) == QUARTER
    arena.rollup.burn()
    assert arena.balance(GRAVE) - grave == ETHER - QUARTER
    arena.pay.withdraw(WORKER, sender=WORKER)
    assert arena.balance(arena.pay.address) == 0


def test_a_fallen_champions_bouts_are_paid_from_its_own_quarter(arena: Arena) -> None:
    """It fell with its assertion; who moved against it draws on its quarter. Rule: DUEL-19"""
    sides = [make_side(toy.run(arena.batch_hash, 6, c)) for c in (CHANGE, None, (2, 2, 37, 6))]
    arena.staked(STRANGER)
    arena.pass_time(100)
    post(arena, sides[0], SEQUENCER)
    post(arena, sides[1], HONEST)
    arena.pass_time(500)
    post(arena, sides[2], LIAR)
    play = Play(arena, sides[0], sides[2])
    play.descend()
    bout = Bout((play.commit(0, CALLER), play.commit(1, STRANGER)))
    first = play.bout_turn(bout)
    play.inner(bout, WORKER)
    play.inner(bout, HELPER)
    beat = Play(arena, sides[1], sides[2])
    beat.open()
    arena.pass_time(100)
    arena.game.defeat(beat.state, 1)
    with reverts("pay: not out"):
        arena.pay.pay_bout(play.key, champions_of(bout), bout.state, 1, bout.movers)
    play.game.expel(play.state, 1, STRANGER)
    arena.pay.pay_bout(play.key, champions_of(bout), bout.state, 1, bout.movers)
    paid = (arena.pay.credit(WORKER), arena.pay.credit(HELPER))
    assert paid == ((PAY, 0) if first == 0 else (0, PAY))
    arena.check_solvent()


def test_an_opener_alone_is_paid(arena: Arena) -> None:
    """Nobody moved, the newer side is late: its opener is paid once. Rule: DUEL-18"""
    lie, truth = (make_side(toy.run(arena.batch_hash, 6, change)) for change in (CHANGE, None))
    arena.pass_time(100)
    post(arena, truth, SEQUENCER)
    arena.pass_time(5)
    post(arena, lie, HONEST)
    play = Play(arena, truth, lie)
    play.open(OPENER)
    arena.pass_time(T)
    arena.game.defeat(play.state, 1)
    arena.pay.pay_duel(play.state, 1, play.movers)
    assert arena.event("MovesPaid") == {"game": play.key, "loser": HONEST, "amount": PAY}
    assert arena.pay.credit(OPENER) == arena.pay.total_credits() == PAY


@pytest.mark.parametrize("loser", [0, 1])
def test_each_outer_move_is_paid_to_who_made_it_against_the_loser(arena: Arena, loser: int) -> None:
    """Side 1 makes the first, third, ... move; the opening is counted once. Rule: DUEL-18"""
    lie, truth = (make_side(toy.run(arena.batch_hash, 6, change)) for change in (CHANGE, None))
    older, newer = (lie, truth) if loser == 0 else (truth, lie)
    arena.pass_time(100)
    post(arena, older, SEQUENCER)
    arena.pass_time(5)
    post(arena, newer, HONEST)
    play = Play(arena, older, newer)
    play.open(OPENER)
    moves = [play.start, *[play.advance] * 4]
    for number in range(4 + (loser == 0)):
        moves[number](actor(f"mover {number}"))
    assert play.turn == loser
    arena.pass_time(T)
    arena.game.defeat(play.state, loser)
    arena.pay.pay_duel(play.state, loser, play.movers)
    credits = [arena.pay.credit(actor(f"mover {number}")) for number in range(5)]
    assert credits == ([PAY, 0, PAY, 0, PAY] if loser == 0 else [0, PAY, 0, PAY, 0])
    assert arena.pay.credit(OPENER) == PAY


def test_pay_and_withdrawal_are_logged(arena: Arena) -> None:
    """A bout is named by its key; what a log says is what the ledgers hold. Rule: DUEL-19"""
    play, bout = make_duel(arena)
    arena.pay.pay_bout(play.key, champions_of(bout), bout.state, 0, bout.movers)
    key = keccak(b"".join(bout.keys))
    assert arena.event("MovesPaid") == {"game": key, "loser": LIAR, "amount": 3 * PAY}
    assert arena.pay.paid(key)
    assert arena.pay.drawn(LIAR) == arena.pay.total_credits() == 3 * PAY
    purse = actor("purse")
    arena.pay.withdraw(purse, sender=HELPER)
    (own,) = [event for event in arena.logs if event.address == arena.pay.address]
    assert own.name == "CreditWithdrawn"
    assert own.args == {"owner": HELPER, "to": purse, "amount": 2 * PAY}
    assert arena.pay.total_credits() == PAY


@pytest.mark.parametrize("done", [1, 2, 3])
def test_each_move_of_a_bout_is_paid_to_who_made_it_against_the_loser(
    arena: Arena, done: int
) -> None:
    """The champion on turn runs out of time; the last move was against it. Rule: DUEL-19"""
    lie, truth = (make_side(toy.run(arena.batch_hash, 6, change)) for change in (CHANGE, None))
    play, bout = meet(arena, truth, lie, liar_first=True)
    movers = [actor(f"mover {number}") for number in range(done)]
    for move, sender in zip((play.inner, play.inner, play.leaf)[:done], movers, strict=True):
        move(bout, sender)
    loser = play.bout_turn(bout)
    arena.pass_time(T)
    a, b = bout.champions
    play.game.timeout_bout(play.state, a.words, b.words, bout.state)
    arena.pay.pay_bout(play.key, champions_of(bout), bout.state, loser, bout.movers)
    against = [PAY * ((done - number) % 2) for number in range(done)]
    assert [arena.pay.credit(who) for who in movers] == against


def test_the_last_wei_of_a_quarter_is_paid() -> None:
    """What is left of it is less than a move's pay: one wei. Nothing more is fetched for it.

    Rule: DUEL-19
    """
    arena = make_arena(HONEST, LIAR, CALLER, stake=4 * (2 * PAY + 1))
    lie, truth = (make_side(toy.run(arena.batch_hash, 6, change)) for change in (CHANGE, None))
    play, bout = meet(arena, truth, lie, liar_first=True)
    for move, sender in zip(
        (play.inner, play.inner, play.leaf, play.leaf), (HELPER, STRANGER, OPENER, STRANGER),
        strict=True,
    ):  # fmt: skip
        move(bout, sender)
    play.resolve(bout, WORKER)
    arena.pay.pay_bout(play.key, champions_of(bout), bout.state, 0, bout.movers)
    assert [arena.pay.credit(who) for who in (WORKER, HELPER, OPENER)] == [PAY, PAY, 1]
    purse = actor("purse")
    for who, held in ((WORKER, PAY), (HELPER, 2 * PAY), (OPENER, 2 * PAY + 1)):
        arena.pay.withdraw(purse, sender=who)
        assert arena.balance(purse) == held
    assert arena.balance(arena.pay.address) == arena.rollup.credit(arena.game.address) == 0


def test_outer_moves_draw_on_the_same_quarter() -> None:
    """One duel's moves are worth more than a small stake's quarter holds. Rule: DUEL-19"""
    arena = make_arena(HONEST, LIAR, stake=4 * (2 * PAY + 1))
    lie, truth = (make_side(toy.run(arena.batch_hash, 6, change)) for change in (CHANGE, None))
    arena.pass_time(100)
    post(arena, lie, SEQUENCER)
    arena.pass_time(5)
    post(arena, truth, HONEST)
    play = Play(arena, lie, truth)
    play.open(OPENER)
    movers = [actor(f"mover {number}") for number in range(5)]
    for move, sender in zip([play.start, *[play.advance] * 4], movers, strict=True):
        move(sender)
    arena.pass_time(T)
    arena.game.defeat(play.state, 0)
    arena.pay.pay_duel(play.state, 0, play.movers)
    assert [arena.pay.credit(who) for who in (OPENER, *movers)] == [PAY, PAY, 0, 1, 0, 0]
    assert arena.pay.drawn(SEQUENCER) == arena.pay.total_credits() == 2 * PAY + 1
    arena.check_solvent()
