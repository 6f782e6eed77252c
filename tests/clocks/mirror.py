"""The model and the contracts side by side: each call is made on both, and both must agree.

`Mirror` is a `Chain`, so that every schedule that runs on the model runs on the contracts, in an
EVM in process, over toy machines. A refusal must be the one that the model names; what is done is
then read back from the contracts: statuses, clocks, champions, stakes, credits.
"""

from __future__ import annotations

import copy
import functools
import itertools
from collections.abc import Callable
from typing import Any

from oyez.protocol.types import Address
from oyez.testing import toy
from tests.clocks import contents
from tests.clocks.game import ALIVE, BOUT_MOVES, OUT, OUTER_MOVES, Chain, Duel
from tests.clocks.rollup import ANYONE, FINAL, Nonsense, Refused
from tests.contracts import duelling
from tests.contracts.duelling import Arena, Bout, Play, Side, make_side
from tests.contracts.harness import ETHER, SEQUENCER, Reverted, actor
from tests.contracts.proposals import ZERO, Proposal, close_batch_of, id_of, make_proposal

RECORDS = 4
OUT_SLOT, RELEASED_SLOT = (1).to_bytes(32, "big"), (2).to_bytes(32, "big")
UNIT = ETHER // 1_000


class Mirror(Chain):
    """A chain whose every step is also taken by the contracts."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.arena = self.build()
        self.began = self.arena.now
        self.batches = 1
        self.sides: dict[int, Side] = {}
        self.claims: dict[tuple[int, int], Side] = {}
        self.plays: dict[tuple[int, int], Play] = {}
        self.fights: dict[tuple[tuple[int, int], str, str], Bout] = {}
        self.calls = 0
        self.funded: set[Address] = set()

    def build(self) -> Arena:
        """Contracts with a first batch that is long enough to lie about."""
        for wait in itertools.count():
            arena = Arena(
                wait,
                challenge_window=self.T,
                response_window=self.D,
                sequencer_grace=self.G,
                max_batch_seconds=0,
                min_batch_seconds=0,
            )
            if can_be_lied_about(bytes(arena.inbox.batch(1).batch_hash)):
                return arena
        raise AssertionError

    # --- time and names ---

    def wait_until(self, now: int) -> None:
        """Batches close at their seconds."""
        while self.batches < len(self.closed_at) and self.closed_at[self.batches + 1] <= now:
            self.pass_to(self.closed_at[self.batches + 1])
            self.close()
            self.batches += 1
        self.pass_to(now)
        super().wait_until(now)

    def close(self) -> None:
        """Close a batch in a block whose hash makes the machine run long enough."""
        while True:
            checkpoint = self.arena.evm.snapshot()
            n = close_batch_of(self.arena, self.arena.action)
            if can_be_lied_about(bytes(self.arena.inbox.batch(n).batch_hash)):
                return
            self.arena.evm.revert(checkpoint)
            self.arena.pass_time(0)

    def pass_to(self, now: int) -> None:
        seconds = self.began + now - self.arena.now
        assert seconds >= 0
        if seconds:
            self.arena.pass_time(seconds)

    def name(self, who: str) -> Address:
        found = SEQUENCER if who == self.sequencer else actor(who)
        if found not in self.funded:
            self.arena.fund(found, 1_000 * ETHER)
            self.funded.add(found)
        return found

    def id(self, number: int) -> bytes:
        return self.sides[number].assertion_id if number else self.arena.genesis

    def precedes(self, one: int, other: int) -> bool:
        return self.id(one) < self.id(other)

    def outranks(self, one: str, other: str) -> bool:
        return self.name(one) > self.name(other)

    def claim(self, batch: int, content: int) -> Side:
        """A content as a claim about a batch, without an id."""
        key = batch, content
        if key not in self.claims:
            if content == contents.NOISE:
                made = Side(toy.Machine([]), toy.Tree(4, {}), make_proposal(salt=key))
            else:
                lie = contents.find_lie(content)
                change = None if lie is None else (lie[0], *contents.LIE_AT, lie[1])
                batch_hash = bytes(self.arena.inbox.batch(batch).batch_hash)
                made = make_side(toy.run(batch_hash, RECORDS, change), salt=key)
                if content == contents.SAME_TRACE:
                    made.proposal = self.forge(batch, made.proposal)
            self.claims[key] = made
        return self.claims[key]

    def forge(self, batch: int, other: Proposal) -> Proposal:
        """Another state root under the truth's trace root."""
        truth = self.claim(batch, contents.TRUTH).proposal
        claim = truth.claim.__class__(
            *(truth.claim.trace_root, other.claim.state_root),
            *(truth.claim.outbox_root, truth.claim.receipts_root),
        )
        return Proposal(claim, truth.proof)

    # --- one call on both ---

    def both(self, name: str, send: Callable[[], object] | None, *arguments: Any) -> Any:
        """Make a call; both must do it, or refuse it with the same words."""
        why: str | None = None
        answer: Any = None
        try:
            answer = getattr(Chain, name)(self, *arguments)
        except Nonsense:
            raise
        except Refused as refusal:
            why = refusal.reason
        if send is None:
            raise AssertionError(f"{name}: the model does what no call can do: {why}")
        self.calls += 1
        told: str | None = None
        try:
            send()
        except Reverted as refusal:
            told = refusal.reason
        assert told == why, f"{name}{arguments}: the contracts: {told}; the model: {why}"
        if why is not None:
            raise Refused(why)
        return answer

    # --- stakes ---

    def deposit_stake(self, who: str) -> None:
        rollup, sender = self.arena.rollup, self.name(who)
        stake = self.arena.settings.stake
        self.both("deposit_stake", lambda: rollup.deposit_stake(sender=sender, value=stake), who)

    def request_withdrawal(self, who: str) -> None:
        rollup, sender = self.arena.rollup, self.name(who)
        self.both("request_withdrawal", lambda: rollup.request_withdrawal(sender=sender), who)

    def cancel_withdrawal(self, who: str) -> None:
        rollup, sender = self.arena.rollup, self.name(who)
        self.both("cancel_withdrawal", lambda: rollup.cancel_withdrawal(sender=sender), who)

    def withdraw_stake(self, who: str) -> None:
        rollup, sender = self.arena.rollup, self.name(who)
        self.both("withdraw_stake", lambda: rollup.withdraw_stake(sender, sender=sender), who)

    def step_down(self, who: str, path: list[int]) -> None:
        ids = [self.id(number) for number in path]
        rollup, sender = self.arena.rollup, self.name(who)
        self.both("step_down", lambda: rollup.step_down(ids, sender=sender), who, path)

    # --- assertions ---

    def propose(self, who: str, parent: int, attempt: int, content: int) -> int:
        n = self.assertions[parent].batch + 1
        closed = n <= self.batches
        claim = self.claim(n, content) if closed else self.claim(1, content)
        batch_hash = bytes(self.arena.inbox.batch(n).batch_hash) if closed else ZERO
        rollup, sender = self.arena.rollup, self.name(who)
        words = (self.id(parent), attempt, batch_hash, claim.proposal.words, claim.proposal.proof)
        made: int = self.both(
            "propose",
            lambda: rollup.propose(*words, b"", sender=sender),
            *(who, parent, attempt, content),
        )
        side = Side(claim.machine, claim.tree, claim.proposal)
        side.assertion_id = id_of(self.arena, self.id(parent), n, claim.proposal, attempt)
        side.content = (self.id(parent), attempt, n, batch_hash, claim.proposal.words)
        self.sides[made] = side
        stored = rollup.assertion(side.assertion_id)
        assert stored.allowance == self.assertions[made].allowance
        assert stored.proposer == sender
        return made

    def finalize(self, id: int) -> None:
        self.both("finalize", lambda: self.arena.rollup.finalize(self.id(id)), id)

    def mark_void(self, id: int) -> None:
        self.both("mark_void", lambda: self.arena.rollup.mark_void(self.id(id)), id)

    # --- the outer tree ---

    def open_duel(self, a: int, b: int, by: str = ANYONE) -> Duel:
        play = Play(self.arena, self.sides[a], self.sides[b])
        duel: Duel = self.both("open_duel", lambda: play.open(self.name(by)), a, b, by)
        self.plays[a, b] = play
        return duel

    def outer(self, duel: Duel, by: str = ANYONE) -> None:
        play = self.plays[duel.sides]
        last = OUTER_MOVES - 1
        steps = {0: play.start, last: play.last}
        sender, found = self.name(by), duel.is_found

        def send() -> None:
            if found:
                children = (ZERO,) * 16
                play.game.advance(play.state, duelling.NO_MOVE, children, sender=sender)
            else:
                steps.get(moves, play.advance)(sender)

        moves = duel.moves
        self.both("outer", send, duel, by)
        word = play.word
        assert [word >> 96 & 0xFFFFFFFF, word >> 64 & 0xFFFFFFFF] == duel.rem
        assert word >> 128 & (2**40 - 1) == self.began + duel.last
        if duel.is_found:
            contents_of = (self.assertions[id].content for id in duel.sides)
            assert play.record == contents.find_record(*contents_of)

    def defeat(self, duel: Duel, side: int, by: str = ANYONE) -> None:
        play, sender = self.plays[duel.sides], self.name(by)
        self.both(
            "defeat", lambda: play.game.defeat(play.state, side, sender=sender), duel, side, by
        )

    # --- champions ---

    def inner(self, duel: Duel, side: int, garbage: int) -> toy.Inner | None:
        """A side's own inner tree, or one with a garbage leaf under the same record."""
        if not garbage or not duel.is_found:
            return None
        play = self.plays[duel.sides]
        own = play.sides[side].machine.inner(play.record)
        leaf, lane = contents.GARBAGE_AT
        kind = toy.type_at(leaf)
        values = [toy.read_lane(kind, own.raw[leaf], i) for i in range(toy.LANES[kind])]
        values[lane] = -garbage
        return toy.Inner({**own.raw, leaf: toy.encode(kind, values)})

    def commit(self, duel: Duel, side: int, who: str, garbage: int = 0) -> None:
        play, sender = self.plays[duel.sides], self.name(who)
        inner = self.inner(duel, side, garbage) if duel.is_found else toy.Inner()
        self.both("commit", lambda: play.commit(side, sender, inner), *(duel, side, who, garbage))
        assert self.arena.game.alive(play.key) == tuple(duel.alive)

    def fighter(self, duel: Duel, side: int, who: str) -> duelling.Champion:
        """A champion as the contracts know it."""
        play, found = self.plays[duel.sides], duel.champions[side, who]
        inner = self.inner(duel, side, found.garbage)
        if inner is None:
            inner = play.sides[side].machine.inner(play.record)
        key, _ = self.arena.game.champion(play.key, side, self.name(who))
        at = self.began + found.committed_at
        return duelling.Champion(self.name(who), side, inner, key, at)

    def expel(self, duel: Duel, side: int, who: str, by: str = ANYONE) -> None:
        play, words = self.plays[duel.sides], (side, self.name(who))
        sender = self.name(by)
        self.both(
            "expel",
            lambda: play.game.expel(play.state, *words, sender=sender),
            *(duel, side, who, by),
        )

    def release(self, duel: Duel, side: int, who: str, by: str = ANYONE) -> None:
        play, words = self.plays[duel.sides], (side, self.name(who))
        sender = self.name(by)
        self.both(
            "release",
            lambda: play.game.release(play.state, *words, sender=sender),
            *(duel, side, who, by),
        )

    # --- bouts ---

    def fight(self, duel: Duel, x: str, y: str) -> Bout:
        if (0, x) not in duel.champions or (1, y) not in duel.champions:
            raise Nonsense("no such champions")
        key = duel.sides, x, y
        if key not in self.fights:
            self.fights[key] = Bout((self.fighter(duel, 0, x), self.fighter(duel, 1, y)))
        return self.fights[key]

    def bout_move(self, duel: Duel, x: str, y: str, by: str = ANYONE) -> None:
        play, bout, sender = self.plays[duel.sides], self.fight(duel, x, y), self.name(by)
        moves = duel.bouts[x, y].moves if (x, y) in duel.bouts else 0

        def send() -> None:
            if moves == BOUT_MOVES:
                shown = (1, bytes(1_024))
                play.game.leaf(*bout.keys, bout.state, duelling.NO_MOVE, shown, sender=sender)
            else:
                (play.inner if moves < 2 else play.leaf)(bout, sender)

        self.both("bout_move", send, duel, x, y, by)
        word, model = int(bout.state[2]), duel.bouts[x, y]
        assert [word >> 96 & 0xFFFFFFFF, word >> 64 & 0xFFFFFFFF] == model.rem
        assert word >> 176 & 1 == model.turn

    def timeout_bout(self, duel: Duel, x: str, y: str, by: str = ANYONE) -> None:
        play, bout, sender = self.plays[duel.sides], self.fight(duel, x, y), self.name(by)
        a, b = bout.champions
        words = play.state, a.words, b.words, bout.state
        self.both(
            "timeout_bout",
            lambda: play.game.timeout_bout(*words, sender=sender),
            *(duel, x, y, by),
        )

    def resolve(self, duel: Duel, x: str, y: str, by: str = ANYONE) -> None:
        play, bout, sender = self.plays[duel.sides], self.fight(duel, x, y), self.name(by)
        ready = len(bout.leaves) == 2

        def send() -> None:
            if ready:
                # a party opens inputs under its own trees
                play.resolve(bout, sender, under=self.calls & 1)
                return
            a, b = bout.champions
            leaves = ((1, bytes(1_024)),) * 2
            content = play.sides[0].content
            play.game.resolve(
                *(play.state, content, a.words, b.words, bout.state, *leaves, 0, b""),
                sender=sender,
            )

        self.both("resolve", send, duel, x, y, by)

    # --- pay ---

    def pay_duel(self, duel: Duel, loser: int) -> None:
        play = self.plays[duel.sides]
        self.both(
            "pay_duel",
            lambda: self.arena.pay.pay_duel(play.state, loser, play.movers),
            *(duel, loser),
        )

    def pay_bout(self, duel: Duel, x: str, y: str, loser: int) -> None:
        play, bout = self.plays[duel.sides], self.fight(duel, x, y)
        pair = self.name(x), self.name(y)
        self.both(
            "pay_bout",
            lambda: self.arena.pay.pay_bout(play.key, pair, bout.state, loser, bout.movers),
            *(duel, x, y, loser),
        )

    # --- re-orgs ---

    def mark(self) -> tuple[Any, dict[str, Any]]:
        """What `undo` goes back to."""
        kept = {name: value for name, value in vars(self).items() if name != "arena"}
        clock = self.arena.now, self.arena.block, self.arena.prevrandao
        shared: list[object] = [self.arena, self.arena.game]
        for side in self.claims.values():
            shared += [side.tree, side.machine, side.proposal]
        copied = copy.deepcopy(kept, {id(part): part for part in shared})
        return (self.arena.evm.snapshot(), clock), copied

    def undo(self, mark: tuple[Any, dict[str, Any]]) -> None:
        """Blocks are undone; objects found before no longer belong to this chain."""
        (checkpoint, clock), kept = mark
        self.arena.evm.revert(checkpoint)
        vars(self).update(kept)
        self.arena.now, self.arena.block, self.arena.prevrandao = clock
        self.arena.pass_time(0)

    # --- all that stands ---

    def check(self) -> None:
        """Everything that both keep is the same."""
        arena, rollup = self.arena, self.arena.rollup
        for number, node in list(self.assertions.items())[1:]:
            stored = rollup.assertion(self.id(number))
            assert (stored.status, stored.batch) == (node.status, node.batch)
            if node.status != FINAL:
                assert stored.created_at == self.began + node.created_at
        assert rollup.head() == len(self.finals) - 1
        assert rollup.final_id(rollup.head()) == self.id(self.finals[-1])
        for who, stake in self.stakes.items():
            asked = 0 if stake.requested_at is None else self.began + stake.requested_at
            assert rollup.stake(self.name(who)) == {
                "status": stake.status,
                "proposals": stake.proposals,
                "championships": stake.championships,
                "requested_at": asked,
                "tip": ZERO if stake.tip is None else self.id(stake.tip),
            }, who
        for key, duel in self.duels.items():
            play = self.plays[key]
            assert arena.game.alive(play.key) == tuple(duel.alive)
            for (side, who), champion in duel.champions.items():
                _, kept = arena.game.champion(play.key, side, self.name(who))
                assert (kept == OUT_SLOT) == (champion.status == OUT)
                assert (kept not in (OUT_SLOT, RELEASED_SLOT)) == (champion.status == ALIVE)
        for who, units in self.credit.items():
            assert arena.pay.credit(self.name(who)) == units * UNIT
        for who, units in self.drawn.items():
            assert arena.pay.drawn(self.name(who)) == units * UNIT
        live = sum(stake.status == 1 for stake in self.stakes.values())
        assert rollup.total_stakes() == live * ETHER
        arena.check_solvent()


@functools.cache
def can_be_lied_about(batch_hash: bytes) -> bool:
    """Whether the machine runs through all records, and each lie reaches its record's root."""
    truth = toy.run(batch_hash, RECORDS)
    if len(truth.records) < RECORDS:
        return False
    for record, value in contents.LIES.values():
        lie = toy.run(batch_hash, RECORDS, (record, *contents.LIE_AT, value))
        if lie.records[record].record_root == truth.records[record].record_root:
            return False
    return True
