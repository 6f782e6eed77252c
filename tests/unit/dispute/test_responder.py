"""One move at a time: what the chain refuses, what cannot be paid, what the journal drops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oyez.chain.client import Mined, Reverted
from oyez.chain.contracts import Stake
from oyez.chain.duel_states import Champion
from oyez.chain.journal import SqlJournal, open_database
from oyez.chain.sender import InsufficientBalance, Signed
from oyez.derivation.history import SkippedLog
from oyez.dispute.duel_moves import Expel
from oyez.dispute.duels import Fighter
from oyez.dispute.moves import Decision, Finalize, MarkVoid
from oyez.dispute.responder import Responder
from oyez.protocol.errors import Temporary
from oyez.protocol.types import Address, BatchNumber, Hash32, Status
from tests.services import Lines
from tests.unit.dispute.board import GENESIS, SEQUENCER, Board

BLOCK = Hash32(b"\x0b" * 32)


def mined(digest: bytes) -> Mined:
    return Mined(Hash32(digest), 7, BLOCK, True, 1, 1, (), None)


class Chain:
    """Stands for the Rollup and its chain: statuses by the board, receipts by a list."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.receipts: set[bytes] = set()
        self.chain = self

    def fetch_status(self, assertion_id: Hash32, at: Hash32) -> Status:
        assert at == BLOCK
        return self.board._status(assertion_id)

    def fetch_stake(self, staker: Address, at: Hash32) -> Stake:
        assert at == BLOCK
        return self.board.stake(staker)

    def find_mined(self, digest: bytes) -> Mined | None:
        return mined(digest) if digest in self.receipts else None

    def build_finalize(self, assertion_id: Hash32) -> Any:
        return "finalize", assertion_id

    def build_mark_void(self, assertion_id: Hash32) -> Any:
        return "mark_void", assertion_id


class Way:
    """Stands for the Sender: each send ends as told."""

    def __init__(self, *ends: Exception | None) -> None:
        self.ends = list(ends)
        self.sent: list[tuple[str, Any]] = []

    def send(self, key: str, transaction: Any) -> Mined:
        self.sent.append((key, transaction))
        end = self.ends.pop(0)
        if end is not None:
            raise end
        return mined(b"\x01" * 32)


@pytest.fixture
def board() -> Board:
    made = Board()
    made.deposit(SEQUENCER)
    made.close_batch()
    made.close_batch()
    made.propose(SEQUENCER, made.propose(SEQUENCER, GENESIS))
    return made


@pytest.fixture
def journal(tmp_path: Path) -> SqlJournal:
    return SqlJournal(open_database(tmp_path / "journal.db"))


def build(board: Board, way: Any, journal: SqlJournal) -> tuple[Responder, Chain, Lines]:
    chain, log = Chain(board), Lines()
    stand_in: Any = chain
    return Responder(stand_in, way, journal, lambda _: pytest.fail("no proposal"), log), chain, log


def decide(board: Board) -> Decision:
    first, second = board.all
    return Decision((Finalize(BatchNumber(1), first), MarkVoid(BatchNumber(2), second)), ())


def test_what_the_chain_refuses_does_not_hold_up_the_next_move(
    board: Board, journal: SqlJournal
) -> None:
    """Rule: CHAL-19."""
    decision = decide(board)
    way = Way(Reverted("rollup: not pending"), None)
    responder, _, log = build(board, way, journal)
    done = responder.perform(decision, board.tree, BLOCK)
    assert done is not None
    assert done.move == decision.moves[1]
    assert [key for key, _ in way.sent] == [move.key for move in decision.moves]
    assert [facts["reason"] for facts in log.named("refused")] == ["rollup: not pending"]


def test_one_move_is_made_at_a_time(board: Board, journal: SqlJournal) -> None:
    """Rule: CHAL-19."""
    way = Way(None)
    responder, _, _ = build(board, way, journal)
    done = responder.perform(decide(board), board.tree, BLOCK)
    assert done is not None
    assert done.move == decide(board).moves[0]
    assert len(way.sent) == 1


def test_an_empty_purse_is_waited_for_and_ends_nothing(board: Board, journal: SqlJournal) -> None:
    """Rule: CHAL-19."""
    way = Way(*(InsufficientBalance(SEQUENCER, 0, 10**18) for _ in range(2)))
    responder, _, _ = build(board, way, journal)
    with pytest.raises(Temporary, match=r"cannot finalize for batch 1: .* send it at least 1 ETH"):
        responder.perform(decide(board), board.tree, BLOCK)


def test_a_move_that_is_too_dear_does_not_hold_up_a_cheaper_one(
    board: Board, journal: SqlJournal
) -> None:
    """Rule: CHAL-19."""
    decision = decide(board)
    responder, _, _ = build(board, Way(InsufficientBalance(SEQUENCER, 0, 10**18), None), journal)
    done = responder.perform(decision, board.tree, BLOCK)
    assert done is not None
    assert done.move == decision.moves[1]
    ends = (InsufficientBalance(SEQUENCER, 0, 10**18), Reverted("rollup: nothing to void"))
    responder, _, log = build(board, Way(*ends), journal)
    with pytest.raises(Temporary, match="cannot finalize for batch 1"):
        responder.perform(decision, board.tree, BLOCK)
    assert len(log.named("refused")) == 1


def test_nothing_is_sent_on_another_status_than_the_logs_told(
    board: Board, journal: SqlJournal
) -> None:
    """Rule: CHAL-19."""
    way = Way()
    responder, _, _ = build(board, way, journal)
    told = board.tree.copy()
    board.defeat(next(iter(board.all)))
    with pytest.raises(SkippedLog, match="is DEFEATED on the chain and PENDING by the node's logs"):
        responder.perform(decide(board), told, BLOCK)
    assert way.sent == []


def test_nobody_is_expelled_for_a_slash_that_the_chain_does_not_know(
    board: Board, journal: SqlJournal
) -> None:
    """Else its bout would run out while each block refuses the expulsion. Rule: CHAL-19."""
    champion = Champion(SEQUENCER, BLOCK, 5)
    contest: Any = None
    truth = next(iter(board.all))
    move = Expel(BatchNumber(1), truth, contest, Fighter(0, champion, BLOCK, ()))
    way = Way()
    responder, _, _ = build(board, way, journal)
    with pytest.raises(SkippedLog, match="was slashed by the node's logs and was not on the chain"):
        responder.perform(Decision((move,), ()), board.tree, BLOCK)
    assert way.sent == []


def test_only_moves_that_are_neither_wanted_nor_mined_are_dropped(
    board: Board, journal: SqlJournal
) -> None:
    """Rule: CHAL-20."""
    decision = decide(board)
    wanted = decision.moves[0].key
    keys = [wanted, "propose 0xaa", "propose 0xbb", "finalize 0xcc", "close 3"]
    for number, key in enumerate(keys):
        replaced = (Hash32(bytes([99]) * 32),) if key == "finalize 0xcc" else ()
        journal.put_signed(key, Signed(number, b"raw", Hash32(bytes([number]) * 32), replaced))
    responder, chain, log = build(board, Way(), journal)
    # Mined as it is, and mined at a lower fee: both stand on the chain.
    chain.receipts = {bytes([2]) * 32, bytes([99]) * 32}
    responder.forget_stale(decision)
    assert sorted(journal.list_signed()) == sorted(k for k in keys if k != "propose 0xaa")
    assert log.named("dropped") == [{"intention": "propose 0xaa", "nonce": 1}]
    assert journal.list_sent()[Hash32(bytes([1]) * 32)] == "propose 0xaa"
