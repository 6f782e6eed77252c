"""A fork full of siblings and duels beside a dead chain, and the gas of every call in it."""

from __future__ import annotations

from typing import Any

from oyez.testing import toy
from tests.contracts.duelling import (
    HONEST,
    LIAR,
    Arena,
    Bout,
    Play,
    Side,
    make_side,
    post,
)
from tests.contracts.harness import CALLER, ETHER, SEQUENCER, STRANGER, actor
from tests.contracts.proposals import close_batch_of, make_proposal

T = 600
CHANGE = (2, 2, 37, 5)


class Metered(Arena):
    """`spent` is the last transaction's gas, views left out."""

    spent = 0

    def call(self, *arguments: Any, **options: Any) -> bytes:
        output = super().call(*arguments, **options)
        if not options["view"]:
            self.spent = self.gas
        return output


class Crowd:
    """Plays one duel whole among so many others, and notes what each call spends."""

    def __init__(self, siblings: int, depth: int) -> None:
        self.arena = Metered(max_batch_seconds=0, min_batch_seconds=0, sequencer_grace=10**6)
        self.arena.staked(SEQUENCER, HONEST, LIAR, STRANGER, CALLER)
        self.arena.fund(CALLER, 10**6 * ETHER)
        self.gas: dict[str, int] = {}
        self.siblings, self.depth = siblings, depth

    def see(self, name: str) -> None:
        self.gas[name] = self.arena.spent

    def noise(self, who: bytes, salt: object, parent: bytes | None = None) -> Side:
        """A lie that nobody can play for; whoever posts it gets a stake first."""
        proposal = make_proposal(salt=salt)
        side = Side(toy.Machine([]), toy.Tree(4, {}), proposal)
        return post(self.arena, side, who, parent)

    def newcomer(self, name: str) -> bytes:
        who = actor(name)
        self.arena.fund(who, 4 * ETHER)
        self.arena.staked(who)
        return who

    def run(self) -> dict[str, int]:
        arena = self.arena
        for _ in range(self.depth + 1):
            close_batch_of(arena, arena.action)
            arena.pass_time(1)  # the inbox lets so much in a second
        truth, lie = (make_side(toy.run(arena.batch_hash, 4, change)) for change in (None, CHANGE))
        post(arena, truth, SEQUENCER)
        arena.pass_time(1)
        others = [self.noise(self.newcomer(f"crowd {i}"), i) for i in range(self.siblings + 2)]
        plays = [Play(arena, truth, other) for other in others]
        for play in plays:
            play.open()
        self.see("open_duel")
        builder = self.newcomer("builder")
        chain = [others[0]]
        for i in range(self.depth + 1):
            chain.append(self.noise(builder, ("deep", i), chain[-1].assertion_id))
        arena.pass_time(T - 10)
        self.newcomer("late")
        self.see("deposit_stake")
        post(arena, lie, LIAR)
        self.see("propose")
        play = Play(arena, truth, lie)
        play.open()
        play.start()
        self.see("start")
        self.fight(play, actor(f"crowd {self.siblings}"))
        arena.pass_time(9)
        for other in plays:
            arena.game.defeat(other.state, 1)
        self.see("defeat")
        arena.pay.pay_duel(plays[-1].state, 1, plays[-1].movers)
        self.see("pay_duel")
        for side in chain[1:]:
            arena.rollup.mark_void(side.assertion_id)
        self.see("mark_void")
        self.end_bouts(play, actor(f"crowd {self.siblings}"))
        arena.game.defeat(play.state, 1)
        arena.game.release(play.state, 0, HONEST)
        self.see("release")
        arena.rollup.finalize(truth.assertion_id)
        self.see("finalize")
        arena.rollup.request_withdrawal(sender=HONEST)
        self.see("request_withdrawal")
        arena.rollup.cancel_withdrawal(sender=HONEST)
        self.see("cancel_withdrawal")
        arena.rollup.request_withdrawal(sender=HONEST)
        arena.pass_time(arena.settings.response_window)
        arena.rollup.withdraw_stake(HONEST, sender=HONEST)
        self.see("withdraw_stake")
        arena.check_solvent()
        return self.gas

    def fight(self, play: Play, doomed: bytes) -> None:
        """From the first reveal to one bout's end; two more hostile champions stall."""
        steps: list[tuple[str, Any]] = [("advance", play.advance)] * 5 + [("last", play.last)]
        for name, step in steps:
            step()
            self.see(name)
        mine = play.commit(0, HONEST)
        hostile = [play.commit(1, who) for who in (LIAR, doomed, CALLER)]
        self.see("commit")
        bout = Bout((mine, hostile[0]))
        for name, move in (
            ("inner", play.inner),
            ("advance_bout", play.inner),
            ("leaf, first", play.leaf),
            ("leaf, second", play.leaf),
            ("resolve", play.resolve),
        ):
            move(bout)
            self.see(name)
        pair = mine.staker, hostile[0].staker
        self.arena.pay.pay_bout(play.key, pair, bout.state, 1, bout.movers)
        self.see("pay_bout")
        self.silent = Bout((mine, hostile[2]))
        if play.bout_turn(self.silent) == 0:
            play.inner(self.silent)

    def end_bouts(self, play: Play, doomed: bytes) -> None:
        """One champion's own assertion fell; the other is late."""
        play.game.expel(play.state, 1, doomed)
        self.see("expel")
        self.arena.pass_time(20)
        a, b = (champion.words for champion in self.silent.champions)
        play.game.timeout_bout(play.state, a, b, self.silent.state)
        self.see("timeout_bout")
