"""What is asked of the game at one block stays bounded, and still nothing is hidden for long."""

from __future__ import annotations

from typing import Any

import pytest

from oyez.chain.duel_states import compute_pair_key
from oyez.derivation.follow import Checkpoint
from oyez.derivation.history import SkippedLog
from oyez.dispute import rules
from oyez.dispute.duel_check import MOST_READ, verify_duels
from oyez.protocol.types import ZERO_HASH, Hash32
from tests.unit.dispute.board import GENESIS, SEQUENCER, who
from tests.unit.dispute.duel_board import ME, DuelBoard, make_board

RIVALS = 150
BLOCKS = -(-RIVALS // MOST_READ)


class Slots:
    """Stands for the game: empty slots, but for those that are told."""

    def __init__(self) -> None:
        self.read: list[Hash32] = []
        self.kept: dict[Hash32, Hash32] = {}

    def fetch_duel(self, key: Hash32, at: Hash32) -> Hash32:
        self.read.append(key)
        return self.kept.get(key, ZERO_HASH)


@pytest.fixture
def board() -> DuelBoard:
    made = make_board()
    made.propose(SEQUENCER, GENESIS)
    made.now += 7
    for number in range(RIVALS):
        staker = who(100 + number)
        made.deposit(staker)
        made.propose(staker, GENESIS, content=1 + number)
    return made


def check(board: DuelBoard, slots: Any, number: int) -> None:
    view = board.view(ME)
    block = Checkpoint(number, Hash32(b"\x0b" * 32))
    verify_duels(slots, view, rules.find_branch(view), block)


def follow(board: DuelBoard, slots: Any) -> None:
    for number in range(17, 17 + BLOCKS):
        check(board, slots, number)


def test_thousands_of_rivals_cost_no_more_requests_a_block(board: DuelBoard) -> None:
    """Rule: CHAL-42"""
    slots, count = Slots(), 0
    for number in range(17, 17 + BLOCKS):
        check(board, slots, number)
        assert len(slots.read) - count == MOST_READ
        count = len(slots.read)
    assert len(set(slots.read)) == RIVALS


@pytest.mark.parametrize("which", [0, MOST_READ, RIVALS - 1])
def test_what_is_hidden_among_them_is_noticed_in_its_turn(board: DuelBoard, which: int) -> None:
    """Rule: CHAL-42"""
    slots = Slots()
    truth, *lies = board.all
    slots.kept[compute_pair_key(truth, lies[which])] = Hash32(b"\x01" * 32)
    with pytest.raises(SkippedLog, match="another duel"):
        follow(board, slots)
