"""The model of the Rollup with duels on it, made by hand: states and events as the game would."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from oyez.chain.contracts import Stake
from oyez.chain.duel_states import Descent, Duel, Fall, Leaf, Phase, pack_word
from oyez.chain.events import Place, StakeChanged
from oyez.chain.game_events import (
    ChampionOut,
    ChampionReleased,
    Committed,
    DuelOpened,
    LeafRevealed,
    MovesPaid,
    RecordFound,
    Resolved,
    Revealed,
)
from oyez.dispute import duel_moves as moves
from oyez.dispute.duels import Bout, Contest, Duels, Standing
from oyez.dispute.rules import decide
from oyez.dispute.view import GameView, View
from oyez.protocol import codec
from oyez.protocol.types import ZERO_HASH, Address, Hash32
from tests.unit.dispute.board import GENESIS, SEQUENCER, Board, T, who

ME, LIAR, OTHER, THIRD = who(7), who(8), who(9), who(10)
LATENCY = 15
PLACE = Place(1, ZERO_HASH, 0, ZERO_HASH)
SIXTEEN = tuple(codec.sha256(bytes([i])) for i in range(16))
QUARTER = 25 * 10**16


def chain(movers: Hash32, mover: Address) -> Hash32:
    return codec.keccak(movers + codec.encode_word(mover))


@dataclass
class DuelBoard(Board):
    """A board with a game; nodes of trees are made up, clocks and champions are true."""

    duels: Duels = field(default_factory=lambda: Duels(3))
    credit: int = 0
    machine: bool = True

    def view(self, me: Address, **how: Any) -> View:
        plain = super().view(me, **how)
        values = {name: getattr(plain, name) for name in View.__dataclass_fields__}
        values["game"] = GameView(self.duels.copy(), self.machine, self.credit, QUARTER)
        return View(**values)

    def stake(self, staker: Address) -> Stake:
        found = super().stake(staker)
        locks = sum(
            1
            for contest in self.duels.list_all()
            for fighter in contest.fighters.values()
            if fighter.staker == staker and fighter.is_alive
        )
        return Stake(found.status, found.proposals, locks, found.requested_at, found.tip)

    def add(self, event: Any) -> None:
        self.duels.add(event, lambda _: self.now)

    def find(self, one: Hash32, other: Hash32) -> Contest:
        found = self.duels.find(one, other)
        assert found is not None
        return found

    def open(self, one: Hash32, other: Hash32, opener: Address) -> Contest:
        older, newer = sorted(
            (self.all[one], self.all[other]), key=lambda made: (made.created_at, made.id)
        )
        start = self.starts[older.parent]
        rem = (T - (older.created_at - start), T - (newer.created_at - start))
        word = pack_word(phase=Phase.START, turn=1, level=6, last=newer.created_at, rem=rem)
        roots = self.own(older.batch, older.content), self.own(newer.batch, newer.content)
        state = Descent(
            roots[0].claim.trace_root, roots[1].claim.trace_root, word, chain(ZERO_HASH, opener),
            ZERO_HASH,
        )  # fmt: skip
        self.add(DuelOpened(Duel(older.id, newer.id, state), opener, PLACE))
        return self.find(one, other)

    def tick(self, state: Descent, mover: Address, phase: Phase, level: int, index: int) -> Descent:
        elapsed, rem = self.now - state.last, [state.get_rem(0), state.get_rem(1)]
        assert elapsed < rem[state.turn], "time is up"
        rem[state.turn] -= elapsed
        word = pack_word(
            record=state.record, phase=phase, turn=1 - state.turn, level=level, last=self.now,
            rem=(rem[0], rem[1]), index=index,
        )  # fmt: skip
        mark = codec.sha256(b"%d" % self.now)
        return Descent(state.moving, mark, word, chain(state.movers, mover), ZERO_HASH)

    def reveal(self, contest: Contest, mover: Address) -> Contest:
        """The next move of the outer tree."""
        state = contest.state
        if state.phase is Phase.DESCENT and state.level == 1:
            found = self.tick(state, mover, Phase.COMMIT, 0, 5)
            self.add(RecordFound(contest.duel.key, mover, found, PLACE))
        else:
            level = state.level - (state.phase is Phase.DESCENT)
            after = self.tick(state, mover, Phase.DESCENT, level, 0)
            self.add(Revealed(contest.duel.key, mover, after, SIXTEEN, PLACE))
        return self.find(*contest.duel.ids)

    def reach_record(self, one: Hash32, other: Hash32, mover: Address) -> Contest:
        contest = self.open(one, other, mover)
        while contest.state.phase is not Phase.COMMIT:
            contest = self.reveal(contest, mover)
        return contest

    def commit(self, contest: Contest, side: int, staker: Address) -> Contest:
        root = codec.sha256(b"%d" % side + staker)
        self.add(Committed(contest.duel.key, side, staker, root, SIXTEEN, PLACE))
        return self.find(*contest.duel.ids)

    def bout(self, contest: Contest, first: Address, second: Address) -> Bout:
        contest = self.find(*contest.duel.ids)
        fighters = contest.get_fighter(0, first), contest.get_fighter(1, second)
        assert fighters[0] is not None
        assert fighters[1] is not None
        return self.duels.get_bout(fighters[0], fighters[1])

    def fight(self, bout: Bout, mover: Address) -> Bout:
        """The next move of a bout."""
        state = bout.state
        if state.phase is Phase.LEAF or state.level == 1:
            phase = Phase.RESOLVABLE if state.phase is Phase.LEAF else Phase.LEAF
            after = self.tick(state, mover, phase, 0, 9)
            leaf = Leaf(1, bytes([state.turn]) * 1_024)
            self.add(LeafRevealed(bout.key, mover, leaf, after, PLACE))
        else:
            after = self.tick(state, mover, Phase.DESCENT, state.level - 1, 1)
            self.add(Revealed(bout.key, mover, after, SIXTEEN, PLACE))
        return self.duels.get_bout(*bout.fighters)

    def resolve(self, bout: Bout, resolver: Address) -> Bout:
        state = bout.state
        word = state.word + (1 << 184)
        after = Descent(
            state.waiting, state.moving, word, chain(state.movers, resolver), state.leaves
        )
        self.add(Resolved(bout.key, resolver, 0, 1, after, PLACE))
        return self.duels.get_bout(*bout.fighters)

    def put_out(self, contest: Contest, side: int, staker: Address, how: Fall) -> None:
        self.add(ChampionOut(contest.duel.key, side, staker, how, PLACE))
        if not self.stakers[staker].slashed:
            self.slash(staker)

    def release(self, contest: Contest, side: int, staker: Address) -> None:
        self.add(ChampionReleased(contest.duel.key, side, staker, PLACE))

    def slash(self, staker: Address) -> None:
        super().slash(staker)
        self.add(StakeChanged("StakeSlashed", staker, PLACE))

    def pay(self, key: Hash32, loser: Address, amount: int) -> None:
        self.add(MovesPaid(key, loser, amount, PLACE))


def standing(board: DuelBoard, contest: Contest, side: int, staker: Address) -> Standing:
    fighter = board.find(*contest.duel.ids).get_fighter(side, staker)
    assert fighter is not None
    return fighter.standing


def make_board() -> DuelBoard:
    """Three closed batches, and stakes for everybody."""
    made = DuelBoard()
    for staker in (SEQUENCER, ME, LIAR, OTHER, THIRD):
        made.deposit(staker)
    for _ in range(3):
        made.close_batch()
    return made


def fork(board: DuelBoard, *, lie_first: bool, proposer: Address = OTHER) -> tuple[Hash32, Hash32]:
    """A true and a false child of genesis: (truth, lie), seven seconds apart."""
    if lie_first:
        lie = board.propose(SEQUENCER, GENESIS, content=1)
        board.now += 7
        return board.propose(proposer, GENESIS), lie
    truth = board.propose(SEQUENCER, GENESIS)
    board.now += 7
    return truth, board.propose(LIAR, GENESIS, content=1)


def of(board: DuelBoard, me: Address, kind: type[Any]) -> list[Any]:
    return [move for move in decide(board.view(me)).moves if isinstance(move, kind)]


def duel_moves(board: DuelBoard, me: Address = ME) -> list[str]:
    return [m.kind for m in decide(board.view(me)).moves if isinstance(m, moves.DuelMove)]


def why(board: DuelBoard, me: Address = ME) -> list[str]:
    return [b.why for b in decide(board.view(me)).blocked if isinstance(b.move, moves.DuelMove)]


def meet(board: DuelBoard, *rivals: Address) -> Contest:
    """ME champions the newer truth, then rivals the older lie."""
    contest = board.reach_record(*fork(board, lie_first=True, proposer=OTHER), THIRD)
    contest = board.commit(contest, 1, ME)
    for rival in rivals:
        board.now += 3
        contest = board.commit(contest, 0, rival)
    return contest
