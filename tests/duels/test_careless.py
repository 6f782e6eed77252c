"""Adversaries bite: an honest party that leaves one rule of duel.md out loses to one of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.actors.duels import catalog, judge
from tests.actors.duels import records as rec
from tests.actors.duels.board import Board
from tests.actors.duels.honest import Honest
from tests.actors.duels.moves import Act
from tests.actors.duels.party import Party, is_true, make_truth
from tests.actors.duels.solver import Terms
from tests.actors.duels.stage import T
from tests.contracts.duelling import Side

LIMIT = 4 * T


class ComparesStates(Honest):
    """In peace it looks at the state root alone."""

    def find_branch(self, board: Board) -> list[bytes]:
        for child in board.living(board.head):
            truth = make_truth(board.batches[child.batch])
            if child.claim[1:] == truth.proposal.words[1:]:
                return [board.head, child.id]
        return [board.head]


class NeverStepsDown(Honest):
    def propose(self, board: Board, branch: list[bytes]) -> list[Act]:
        return [act for act in super().propose(board, branch) if act.name != "step_down"]


class TrustsOthersChampions(Honest):
    def stand(
        self, board: Board, duel: rec.Duel, mine: int, truth: rec.Assertion, side: Side
    ) -> Iterator[Act]:
        if all(side != mine or who == self.address for side, who in duel.champions):
            yield from super().stand(board, duel, mine, truth, side)


class ProposesOrChampions(Honest):
    """A stake behind a champion is not put behind a proposal."""

    def propose(self, board: Board, branch: list[bytes]) -> list[Act]:
        held = [c for d in board.duels.values() for s in (0, 1) for c in d.alive(s)]
        if any(c.staker == self.address for c in held):
            return []
        return super().propose(board, branch)


class Omits(Honest):
    """Never does one thing."""

    name = ""

    def decide(self, board: Board) -> list[Act]:
        return [act for act in super().decide(board) if act.name != self.name]


class NeverExpels(Omits):
    name = "expel"


class NeverResolves(Omits):
    name = "resolve"


class NeverTimesOut(Omits):
    name = "timeout_bout"


class NeverChampions(Omits):
    name = "commit"


class SaysAllOnce(Honest):
    """Remembers what it did, and does nothing twice."""

    def decide(self, board: Board) -> list[Act]:
        self.done: set[str] = getattr(self, "done", set())
        acts = [act for act in super().decide(board) if repr(act) not in self.done]
        self.done |= {repr(act) for act in acts}
        return acts


class Dawdles(Honest):
    """Posts the truth when half of the window is gone, as if no clock ran."""

    def propose(self, board: Board, branch: list[bytes]) -> list[Act]:
        lies = board.living(branch[-1])
        if lies and board.now < lies[0].created_at + T - 30:
            return []
        return super().propose(board, branch)


CARELESS = [
    (ComparesStates, "RightStateWrongTrace", "false final"),
    (NeverStepsDown, "TipLocker", "false final"),
    (TrustsOthersChampions, "GarbageChampion", "false final"),
    (ProposesOrChampions, "OverlappingForks", "false final"),
    (NeverExpels, "Stallers", "liar unslashed"),
    (NeverResolves, "WrongAtRecord", "stuck"),
    (NeverTimesOut, "UnknownLeaf", "stuck"),
    (NeverChampions, "ConstantTree", "false final"),
    (SaysAllOnce, "Reorger", "false final"),
    (Dawdles, "LastSecond", "false final"),
]


def find_outcome(careless: type[Honest], name: str) -> str:
    def make(address: bytes, terms: Terms, is_sequencer: bool) -> Party:
        return careless(address, is_sequencer=is_sequencer, window=terms.window)

    stage = catalog.set_stage([name], make_honest=make)
    batches = stage.adversaries[0].batches
    for _ in range(batches - 1):
        stage.close_batch()
    is_over = True
    try:
        stage.play(batches, LIMIT)
    except AssertionError:
        is_over = False
    board = stage.board
    if any(not is_true(board, board.assertions[i]) for i, _ in board.finals):
        return "false final"
    if not is_over:
        return "stuck"
    liars, _ = judge.find_liars(board)
    return "fine" if liars <= set(board.slashed) else "liar unslashed"


@pytest.mark.parametrize(("careless", "name", "expected"), CARELESS)
def test_a_careless_party_loses(careless: type[Honest], name: str, expected: str) -> None:
    """Audit 1 C2, Audit 1 C6, Audit 2 K1, Audit 3 S1, Audit 3 S3: each attack does its harm."""
    assert find_outcome(Honest, name) == "fine"
    assert find_outcome(careless, name) == expected


@pytest.mark.parametrize("start", [0, 1, 5, 17, 30, 60])
@pytest.mark.parametrize("name", ["LastSecond", "GarbageChampion"])
def test_censorship_for_all_but_the_response_window_is_survived(start: int, name: str) -> None:
    """Invariant 23, Audit 3 S6: T - D in one piece, from whichever block on."""
    stage = catalog.set_stage([name])
    catalog.play(stage, range(start, start + catalog.CENSORABLE))


def test_censorship_for_the_whole_window_loses() -> None:
    """Invariant 23: what nobody may answer for T is final; that is stated."""
    stage = catalog.set_stage(["LastSecond"])
    stage.censored = set(range(T // 5 + 2))
    stage.play(1)
    ((final, _),) = stage.board.finals
    assert not is_true(stage.board, stage.board.assertions[final])


@pytest.mark.parametrize("make_honest", catalog.HONEST_PARTIES.values())
def test_a_withdrawal_is_cancelled_when_a_lie_appears(
    make_honest: catalog.MakeHonest,
) -> None:
    """Audit 3 S7"""
    stage = catalog.set_stage(["LastSecond"], make_honest=make_honest)
    (address,) = stage.honest.stakes
    assert stage.perform(Act(address, "rollup", "request_withdrawal"))
    catalog.play(stage)
    assert stage.report.done[address, "cancel_withdrawal"] == 1
