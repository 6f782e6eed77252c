"""Honest agents against liars over the toy machine, on the embedded EVM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oyez.chain import contracts
from oyez.chain.duel_states import Phase
from oyez.chain.flight import Flight
from oyez.chain.keys import Key
from oyez.derivation.history import SkippedLog
from oyez.protocol.errors import Rewind, Temporary
from oyez.protocol.types import Status
from oyez.testing import toy
from tests.contracts.duelling import Play, Side, make_side, post
from tests.contracts.harness import SEQUENCER
from tests.duel_node import DuelNode
from tests.embedded import Embedded, EmbeddedChain

T = 600
#: A lie in the middle of a record's leaves.
CHANGE = (2, 3, 1_000, 5)
ONE, TWO, LIAR, SECOND, THIRD = (Key(bytes([n]) * 32) for n in range(7, 12))


class Field:
    """An arena with a chain, the truth of batch 1, and as many nodes and liars as asked for."""

    def __init__(
        self, home: Path, arena: Embedded | None = None, more: tuple[Key, ...] = ()
    ) -> None:
        self.home = home
        self.arena = Embedded() if arena is None else arena
        self.chain = EmbeddedChain(self.arena)
        keys = (ONE, TWO, LIAR, SECOND, THIRD, *more)
        for key in keys:
            self.arena.fund(key.address, 10**22)
        self.arena.staked(SEQUENCER, *(key.address for key in keys))
        self.truth = self.run(None)
        self.arena.pass_time(100)
        self.count = 0

    def run(self, change: tuple[int, int, int, int] | None, salt: object = 0) -> Side:
        return make_side(toy.run(self.arena.batch_hash, 6, change), salt)

    def node(self, key: Key, side: Side, **how: Any) -> DuelNode:
        """An agent whose own results are a side's: honest where that is the truth."""
        self.count += 1
        home = self.home / str(self.count)
        return DuelNode(self.chain, self.arena, key, {1: side}, home, **how)

    def status(self, side: Side) -> Status:
        return Status(int(self.arena.rollup.status(side.assertion_id)))

    def pass_window(self, *nodes: DuelNode) -> None:
        """Let every clock run out; what is due then is done."""
        for _ in range(3):
            self.arena.pass_time(T)
            settle(*nodes)

    def check_won(self, node: DuelNode, *liars: bytes) -> None:
        """The truth is final, the honest stake free, each liar's gone, all ledgers solvent."""
        rollup = self.arena.rollup
        truth = node.deriver.tree.head_id
        assert node.deriver.tree.head == 1
        claim = node.deriver.tree.get(truth)
        assert claim is not None
        assert claim.claim == self.truth.proposal.claim
        stake = rollup.stake(node.address)
        assert (stake.status, stake.proposals, stake.championships) == (1, 0, 0)
        for liar in liars:
            assert rollup.stake(liar).status == 2
        self.arena.check_solvent()


def settle(*nodes: DuelNode) -> None:
    """Each node makes a move in turn until none has one."""
    for _ in range(300):
        if not any([act(node) for node in nodes]):
            return
    raise AssertionError("they never come to rest")


def act(node: DuelNode) -> bool:
    """Whether a step came to something; what a node cannot tell now is asked again."""
    try:
        return bool(node.step())
    except Rewind:
        node.rewind()
        return True
    except Temporary:
        return True


@pytest.fixture
def field(tmp_path: Path) -> Field:
    return Field(tmp_path)


def test_a_silent_liar_loses_to_one_honest_stake(field: Field) -> None:
    """Rule: CHAL-29, CHAL-30, CHAL-35, CHAL-38"""
    lie = post(field.arena, field.run(CHANGE), SEQUENCER)
    node = field.node(ONE, field.truth)
    node.run()
    assert node.moves == ["propose", "open_duel", "start"]
    field.pass_window(node)
    assert field.status(lie) is Status.DEFEATED
    assert node.moves[3:] == ["defeat", "finalize", "pay_duel", "withdraw_pay"]
    field.check_won(node, SEQUENCER)


@pytest.mark.parametrize("lie_first", [True, False])
def test_two_agents_play_a_duel_over_full_heights(field: Field, lie_first: bool) -> None:
    """24 outer and 12 inner levels in 12 clocked moves, INNER 1 counted with the second commit.

    Rule: CHAL-31, CHAL-32, CHAL-41, CHAL-44
    """
    lie = field.run(CHANGE)
    first, second = (lie, field.truth) if lie_first else (field.truth, lie)
    post(field.arena, first, SEQUENCER)
    good, bad = field.node(ONE, field.truth), field.node(LIAR, lie)
    if not lie_first:
        post(field.arena, second, LIAR.address)
    settle(good, bad)
    moves = [*good.moves, *bad.moves]
    clocked = [
        move
        for move in moves
        if move in ("start", "advance", "last", "commit", "inner", "advance_bout", "leaf")
    ]
    assert sorted(clocked) == sorted(
        ["start", *["advance"] * 5, "last", *["commit"] * 2, "inner", "advance_bout", *["leaf"] * 2]
    )
    assert len(clocked) - clocked.count("inner") == 12
    assert good.moves.count("resolve") + bad.moves.count("resolve") == 1
    field.pass_window(good)
    field.check_won(good, LIAR.address)
    assert good.log.named("unfounded") == []


@pytest.mark.parametrize(
    "change",
    [(0, 0, 0, 5), (0, 0, 255, 5), (3, 0, 0, 5), (1, 1, 511, 5), (2, 2, 37, 5), (1, 4, 31, 2**200),
     (2, 3, 0, 5), (3, 7, 9, -(2**31)), (2, 4_080, 0, 17), (1, 4_081, 510, -1), (5, 4_080, 255, 0)],
)  # fmt: skip
def test_a_lie_in_any_lane_dies(field: Field, change: tuple[int, int, int, int]) -> None:
    """Whatever the lane's type and place, by what the node itself finds. Rule: CHAL-41"""
    lie = field.run(change)
    post(field.arena, lie, SEQUENCER)
    good, bad = field.node(ONE, field.truth), field.node(LIAR, lie)
    settle(good, bad)
    field.pass_window(good)
    field.check_won(good, LIAR.address, SEQUENCER)


def test_a_lie_in_the_last_record_needs_no_machine_to_be_walked(field: Field) -> None:
    """A right trace with another state root: the last record differs, and nobody has a machine.

    Rule: CHAL-31
    """
    lie = post(field.arena, field.run(None, salt="other"), SEQUENCER)
    node = field.node(ONE, field.truth, machine=False)
    liar = field.node(LIAR, lie, machine=False)
    settle(node, liar)
    (blocked,) = node.agent.blocked
    assert blocked.move.kind == "commit"
    assert blocked.why.startswith("this node has no machine that makes inner traces")
    assert [facts["move"] for facts in node.log.named("blocked")] == ["commit"]
    contest = node.deriver.duels.list_all()[0]  # type: ignore[union-attr]  # a game is there
    assert contest.state.phase is Phase.COMMIT
    assert contest.state.index == (1 << toy.OUTER_HEIGHT) - 1
    # nobody champions the lie: it falls all the same
    field.pass_window(node)
    assert Status.DEFEATED is field.status(lie)


@pytest.mark.parametrize("depth", range(16))
def test_a_liar_that_stops_at_any_depth_loses(field: Field, depth: int) -> None:
    """After so many moves it is silent for ever. Rule: CHAL-33, CHAL-35"""
    lie = field.run(CHANGE)
    post(field.arena, lie, SEQUENCER)
    good, bad = field.node(ONE, field.truth), field.node(LIAR, lie)
    for _ in range(40):
        active = bool(good.step())
        if len(bad.moves) < depth:
            active = bool(bad.step()) or active
        if not active:
            break
    field.pass_window(good)
    field.check_won(good, SEQUENCER)
    championed = "commit" in bad.moves
    assert field.arena.rollup.stake(LIAR.address).status == (2 if championed else 1)


@pytest.mark.parametrize("order", ["before", "after"])
def test_a_garbage_champion_for_the_truth_changes_nothing(field: Field, order: str) -> None:
    """It front-runs the own commit and takes nobody with it. Rule: CHAL-31, CHAL-32"""
    lie = post(field.arena, field.run(CHANGE), SEQUENCER)
    good, bad = field.node(ONE, field.truth), field.node(LIAR, lie)
    walk_to_record(good, bad)
    duel = play_of(field, good)
    garbage = toy.Inner({**field.truth.machine.inner(2).raw, 0: toy.encode(1, [1] * 256)})
    if order == "after":
        good.step()
    duel.commit(1, THIRD.address, garbage)
    settle(good, bad)
    field.pass_window(good)
    field.check_won(good, LIAR.address, SEQUENCER)
    assert good.moves.count("commit") == 1
    contest = good.deriver.duels.list_all()[0]  # type: ignore[union-attr]  # a game is there
    fighter = contest.get_fighter(1, THIRD.address)
    assert fighter is not None


def test_a_lying_champion_of_the_lie_dies_beside_the_others(field: Field) -> None:
    """Three champions of one lie, with three inner trees: three bouts, each lost. Rule: CHAL-32"""
    lie = post(field.arena, field.run(CHANGE), SEQUENCER)
    good, bad = field.node(ONE, field.truth), field.node(LIAR, lie)
    walk_to_record(good, bad)
    duel = play_of(field, good)
    inner = lie.machine.inner(2)
    for number, key in enumerate((SECOND, THIRD)):
        other = toy.Inner({**inner.raw, number: toy.encode((1, 2)[number], [number] * 200)})
        duel.commit(0, key.address, other)
    settle(good, bad)
    assert good.moves.count("resolve") + bad.moves.count("resolve") == 1
    field.pass_window(good)
    field.check_won(good, LIAR.address, SECOND.address, THIRD.address, SEQUENCER)


def test_several_liars_at_once(field: Field) -> None:
    """Rule: CHAL-28, CHAL-29"""
    changes = (CHANGE, (0, 0, 9, 1), (5, 4_081, 3, 2))
    lies = [field.run(change) for change in changes]
    post(field.arena, lies[0], SEQUENCER)
    post(field.arena, lies[1], LIAR.address)
    good = field.node(ONE, field.truth)
    bad = [field.node(key, lie) for key, lie in zip((SECOND, LIAR, THIRD), lies, strict=True)]
    settle(good)
    post(field.arena, lies[2], THIRD.address)
    settle(good, *bad)
    field.pass_window(good)
    assert [field.status(lie) for lie in lies] == [Status.DEFEATED] * 3
    field.check_won(good, SEQUENCER, LIAR.address, THIRD.address)


def test_two_honest_agents_race_and_both_win(field: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first acts between the second's decision and its transaction, always. Rule: CHAL-43"""
    lie = post(field.arena, field.run(CHANGE), SEQUENCER)
    first, second = field.node(ONE, field.truth), field.node(TWO, field.truth)
    bad = field.node(LIAR, lie)
    resume = Flight.resume

    def overtaken(flight: Flight, key: str) -> bool:
        if flight._signer is second.sender._signer:
            first.run()
        return resume(flight, key)

    monkeypatch.setattr(Flight, "resume", overtaken)
    settle(second, bad)
    told = [facts["move"] for facts in second.log.named("overtaken")]
    assert told == ["advance", "advance", "last"]
    assert second.moves == ["commit", "inner", "leaf", "resolve"][: len(second.moves)]
    field.pass_window(first, second)
    for node in (first, second):
        field.check_won(node, LIAR.address, SEQUENCER)
        assert node.moves.count("commit") == 1


@pytest.mark.parametrize("machine", [True, False])
def test_an_own_lie_is_not_defended(field: Field, machine: bool) -> None:
    """The sequencer that lied is honest now: it plays against its own assertion. Rule: CHAL-28"""
    lie = field.run(CHANGE)
    post(field.arena, field.truth, SEQUENCER)
    post(field.arena, lie, ONE.address)
    node = field.node(ONE, field.truth, machine=machine)
    node.run()
    assert node.moves == ["open_duel"]  # the lie is the newer and on turn
    field.pass_window(node)
    assert field.status(lie) is Status.DEFEATED
    assert field.arena.rollup.stake(ONE.address).status == 2


@pytest.mark.parametrize("event", ["DuelOpened", "Revealed", "Committed", "ChampionOut"])
def test_a_hidden_log_is_noticed_before_a_clock_runs_out(field: Field, event: str) -> None:
    """Rule: CHAL-42"""
    topic = "0x" + contracts.compute_topic("DuelGame", event).hex()
    lie = post(field.arena, field.run(CHANGE), SEQUENCER)
    good, bad = field.node(ONE, field.truth), field.node(LIAR, lie)
    seen, before = 0, len(field.arena.history.logs)
    for _ in range(40):
        active = bool(bad.step())
        # also the good one's own
        hidden = [log for log in field.arena.history.logs[before:] if log["topics"][0] == topic]
        if hidden:
            field.chain.lost = lambda log, gone=hidden: log in gone  # type: ignore[misc]  # a default
            with pytest.raises(SkippedLog):
                good.step()
            field.chain.lost = lambda log: False
            seen += 1
        before = len(field.arena.history.logs)
        active = bool(good.step()) or active
        if not active:
            break
    assert seen
    field.pass_window(good)
    field.check_won(good, LIAR.address)


@pytest.mark.parametrize(
    ("event", "place"),
    [("Revealed", -1), ("Committed", 31), ("Committed", -1), ("LeafRevealed", -1)],
    ids=["children", "inner_root", "inner_children", "leaf"],
)
def test_an_altered_log_is_noticed_before_it_makes_a_move(
    field: Field, event: str, place: int
) -> None:
    """What no slot holds is hashed into what one holds: children, inner roots, leaves.

    Rule: CHAL-42
    """
    topic = "0x" + contracts.compute_topic("DuelGame", event).hex()
    lie = post(field.arena, field.run(CHANGE), SEQUENCER)
    good, bad = field.node(ONE, field.truth), field.node(LIAR, lie)
    honest, seen = field.chain._eth_getLogs, 0

    def alter(query: dict[str, Any]) -> list[dict[str, Any]]:
        found = honest(query)
        for i, log in enumerate(found):
            if log in marked:
                data = bytearray.fromhex(log["data"][2:])
                data[place] ^= 1
                found[i] = {**log, "data": "0x" + data.hex()}
        return found

    for _ in range(40):
        before = len(field.arena.history.logs)
        active = bool(bad.step())
        marked = [log for log in field.arena.history.logs[before:] if log["topics"][0] == topic]
        if marked:
            field.chain._eth_getLogs = alter  # type: ignore[method-assign]  # a node that alters
            with pytest.raises(SkippedLog):
                good.step()
            field.chain._eth_getLogs = honest  # type: ignore[method-assign]  # as above
            seen += 1
        active = bool(good.step()) or active
        if not active:
            break
    assert seen
    field.pass_window(good)
    field.check_won(good, LIAR.address)


def walk_to_record(*nodes: DuelNode) -> None:
    """Play until the record is found; nobody has committed."""
    for _ in range(40):
        for node in nodes:
            contests = node.deriver.duels.list_all()  # type: ignore[union-attr]  # a game is there
            if contests and contests[0].state.phase is Phase.COMMIT:
                return
            node.step()
            node.seen = node._read() or node.seen
            contests = node.deriver.duels.list_all()  # type: ignore[union-attr]  # as above
            if contests and contests[0].state.phase is Phase.COMMIT:
                for other in nodes:
                    other.seen = other._read() or other.seen
                return
    raise AssertionError("no record was found")


def play_of(field: Field, node: DuelNode) -> Play:
    """The running duel as the harness plays it, for liars' moves by hand."""
    assert node.deriver.duels is not None
    (contest,) = node.deriver.duels.list_all()
    lie = node.deriver.tree.get(contest.duel.a)
    assert lie is not None
    sides = (field.run(CHANGE), field.truth)
    duel = Play(field.arena, *sides)
    duel.key, duel.state = contest.duel.key, contest.duel.words
    return duel
