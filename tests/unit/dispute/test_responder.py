"""Moves sent together: what the chain refuses, what cannot be paid, what the journal drops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oyez.chain.client import Mined, RpcError
from oyez.chain.delivery import Signed
from oyez.chain.duel_states import Champion
from oyez.chain.flight import MOST_WAITING
from oyez.chain.journal import SqlJournal, open_database
from oyez.derivation.history import SkippedLog
from oyez.dispute.duel_moves import Expel
from oyez.dispute.duels import Fighter
from oyez.dispute.moves import Decision, Finalize, MarkVoid
from oyez.protocol.errors import Temporary
from oyez.protocol.types import Address, BatchNumber, Hash32
from tests.unit.chain.test_nonce_gap import parse
from tests.unit.dispute.board import GENESIS, SEQUENCER, Board
from tests.unit.dispute.pool import BLOCK, COST, Chain, build, data, decide, keys


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


def test_what_the_chain_refuses_does_not_hold_up_the_others(
    board: Board, journal: SqlJournal
) -> None:
    """One in the middle, found before it is sent. Rule: CHAL-19."""
    decision = decide(board)
    first, refused, last = decision.moves
    responder, chain, log = build(board, journal)
    chain.refusals[refused.key.encode()] = "rollup: not pending"
    done = responder.perform(decision, board.tree, BLOCK)
    assert keys(done) == [first.key, last.key]
    assert chain.list_sent() == data(first, last)
    assert [facts["reason"] for facts in log.named("refused")] == ["rollup: not pending"]


def test_moves_that_know_nothing_of_each_other_are_mined_in_one_block(
    board: Board, journal: SqlJournal
) -> None:
    """Rule: CHAL-47, SEQ-32."""
    decision = decide(board, 5)
    pools: list[list[bytes]] = []
    responder, chain, _ = build(board, journal)

    def note(seconds: float) -> None:
        pools.append(chain.list_pool())
        chain.pass_block(seconds)

    responder, chain, _ = build(board, journal, chain, note)
    done = responder.perform(decision, board.tree, BLOCK)
    assert keys(done) == [move.key for move in decision.moves]
    assert [len(pool) for pool in pools] == [6]
    assert [parse(raw)["nonce"] for raw in pools[0]] == list(range(6))


def test_one_that_fails_when_it_is_mined_takes_no_other_with_it(
    board: Board, journal: SqlJournal
) -> None:
    """A front-run between two of ours. Rule: CHAL-19, CHAL-47."""
    decision = decide(board)
    first, overtaken, last = decision.moves
    responder, chain, log = build(board, journal)
    chain.failures.add(overtaken.key.encode())
    done = responder.perform(decision, board.tree, BLOCK)
    assert keys(done) == [first.key, last.key]
    assert chain.list_sent() == data(*decision.moves)
    assert journal.get_signed(overtaken.key) is None
    assert [facts["reason"] for facts in log.named("refused")] == ["rollup: not pending"]
    chain.failures.add(first.key.encode())
    chain.failures.add(last.key.encode())
    responder, chain, log = build(board, SqlJournal(open_database(Path(":memory:"))), chain)
    assert responder.perform(decision, board.tree, BLOCK) == ()
    assert len(log.named("refused")) == 3


def test_so_many_are_on_their_way_and_no_more(board: Board, journal: SqlJournal) -> None:
    """Rule: SEQ-32."""
    decision = decide(board, 20)
    responder, chain, _ = build(board, journal)
    done = responder.perform(decision, board.tree, BLOCK)
    assert MOST_WAITING == len(done) == 16
    assert keys(done) == [move.key for move in decision.moves[:16]]
    # what waits from before counts
    chain.room = 10
    more = Decision(decide(board, 50).moves[16:], ())
    assert len(responder.perform(more, board.tree, BLOCK)) == 10
    assert len(chain.pool) == 6
    rest = Decision(more.moves[16:], ())
    chain.room = 0
    with pytest.raises(Temporary, match="not mined yet"):
        responder.perform(rest, board.tree, BLOCK)
    assert len(chain.pool) == 16
    # those that are there already are waited for
    chain.room = 1_000
    assert keys(responder.perform(rest, board.tree, BLOCK)) == [m.key for m in rest.moves[:10]]


def test_what_a_block_has_no_room_for_stays_on_its_way_and_is_told(
    board: Board, journal: SqlJournal
) -> None:
    """The step ends with the first block; the next looks again, and signs nothing anew.

    Rule: CHAL-47, SEQ-32.
    """
    decision = decide(board, 4)
    responder, chain, log = build(board, journal)
    chain.room = 2
    assert keys(responder.perform(decision, board.tree, BLOCK)) == [
        m.key for m in decision.moves[:2]
    ]
    waiting = chain.list_pool()
    assert len(waiting) == 3
    chain.pass_block(0)  # before the next decision, which asks for the last one alone
    last = Decision(decision.moves[4:], ())
    assert keys(responder.perform(last, board.tree, BLOCK)) == [m.key for m in decision.moves[2:]]
    assert chain.broadcast[2:] == waiting
    assert chain.nonce == 5
    # one that fails meanwhile is told, too
    chain.room, more = 1, Decision(decide(board, 8).moves[5:], ())
    chain.failures.add(more.moves[1].key.encode())
    assert len(responder.perform(more, board.tree, BLOCK)) == 1
    chain.pass_block(0)
    assert responder.perform(Decision((), ()), board.tree, BLOCK) == ()
    assert [facts["assertion"] for facts in log.named("refused")] == [more.moves[1].assertion_id]
    assert journal.get_signed(more.moves[1].key) is None


def test_what_was_mined_since_is_told_once(board: Board, journal: SqlJournal) -> None:
    """Also where the decision, of the block before, asks for it still. Rule: CHAL-47."""
    decision = decide(board)
    responder, chain, _ = build(board, journal)
    chain.room = 0
    with pytest.raises(Temporary, match="not mined yet"):
        responder.perform(decision, board.tree, BLOCK)
    chain.room = 1_000
    chain.pass_block(0)
    done = responder.perform(decision, board.tree, BLOCK)
    assert keys(done) == [move.key for move in decision.moves]


def test_a_nonce_that_went_to_another_holds_up_no_other(board: Board, journal: SqlJournal) -> None:
    """Rule: CHAL-47, SEQ-32."""
    decision = decide(board)
    first, *others = decision.moves
    responder, chain, _ = build(board, journal)
    chain.room = 0
    with pytest.raises(Temporary, match="not mined yet"):
        responder.perform(decision, board.tree, BLOCK)
    del chain.pool[0]
    chain.nonce, chain.room = 1, 1_000
    responder, chain, log = build(board, journal, chain)
    done = responder.perform(decision, board.tree, BLOCK)
    assert keys(done) == [move.key for move in others]
    assert "nonce 0 went to another" in str(log.named("put_off")[0]["reason"])
    assert keys(responder.perform(Decision((first,), ()), board.tree, BLOCK)) == [first.key]


def test_a_lost_log_ends_the_round_whatever_was_sent(board: Board, journal: SqlJournal) -> None:
    """Rule: CHAL-19."""
    final, fine, _ = decide(board).moves
    responder, chain, _ = build(board, journal)
    told = board.tree.copy()
    board.defeat(next(iter(board.all)))
    with pytest.raises(SkippedLog):
        responder.perform(Decision((fine, final), ()), told, BLOCK)
    assert chain.list_sent() == data(fine)


def test_the_lowest_nonce_is_waited_for_first(board: Board, journal: SqlJournal) -> None:
    """Whatever is more urgent now: a round is one block. Rule: CHAL-47."""
    _, first, second = decide(board).moves
    responder, chain, _ = build(board, journal)
    chain.room = 0
    with pytest.raises(Temporary, match="not mined yet"):
        responder.perform(Decision((first, second), ()), board.tree, BLOCK)
    chain.room = 1
    done = responder.perform(Decision((second, first), ()), board.tree, BLOCK)
    assert keys(done) == [first.key]
    assert len(chain.pool) == 1


def test_a_reset_sends_nothing_of_another_history(board: Board, journal: SqlJournal) -> None:
    """Rule: CHAL-20."""
    decision = decide(board)
    responder, chain, _ = build(board, journal)
    chain.room = 0
    with pytest.raises(Temporary, match="not mined yet"):
        responder.perform(Decision(decision.moves[1:], ()), board.tree, BLOCK)
    chain.pool.clear()
    chain.room = 1_000
    responder.reset()
    responder.perform(Decision(decision.moves[:1], ()), board.tree, BLOCK)
    assert chain.list_sent() == data(decision.moves[0])


def test_what_the_node_refuses_takes_no_nonce_and_holds_up_no_other(
    board: Board, journal: SqlJournal
) -> None:
    """Rule: CHAL-47, SEQ-32."""
    decision = decide(board, 3)
    first, refused, *rest = decision.moves
    responder, chain, log = build(board, journal)
    chain.unwanted.add(refused.key.encode())
    done = responder.perform(decision, board.tree, BLOCK)
    assert keys(done) == [move.key for move in (first, *rest)]
    assert [parse(raw)["nonce"] for raw in chain.broadcast] == [0, 1, 2]
    assert "the pool is full" in str(log.named("put_off")[0]["reason"])
    assert journal.get_signed(refused.key) is None
    chain.unwanted.clear()
    done = responder.perform(Decision((refused,), ()), board.tree, BLOCK)
    assert keys(done) == [refused.key]
    assert chain.nonce == 4


def test_what_was_signed_and_is_refused_now_ends_the_round(
    board: Board, journal: SqlJournal
) -> None:
    """Others would wait behind its nonce; it is kept. Rule: SEQ-6."""
    decision = decide(board, 2)
    first, *_ = decision.moves
    responder, chain, _ = build(board, journal, pause=lambda _: True)
    with pytest.raises(Temporary, match="stopped"):
        responder.perform(Decision((first,), ()), board.tree, BLOCK)
    chain.pool.clear()
    chain.unwanted.add(first.key.encode())
    responder, chain, _ = build(board, journal, chain)
    with pytest.raises(RpcError, match="the pool is full"):
        responder.perform(decision, board.tree, BLOCK)
    assert chain.list_sent() == []
    assert list(journal.list_signed()) == [first.key]
    chain.unwanted.clear()
    assert len(responder.perform(decision, board.tree, BLOCK)) == 3


def test_a_full_way_of_moves_that_nobody_wants_any_more_is_raised(
    board: Board, journal: SqlJournal
) -> None:
    """Else nothing could be sent until blocks are cheap again. Rule: SEQ-32."""
    old = Decision(decide(board, 16).moves[1:], ())
    new = Decision(decide(board, 18).moves[17:], ())
    responder, chain, _ = build(board, journal)
    chain.room = 0
    with pytest.raises(Temporary, match="not mined yet"):
        responder.perform(old, board.tree, BLOCK)
    chain.base_fee, chain.room = 50 * 10**9, 1_000
    chain.pass_block(0)
    assert len(chain.pool) == 16
    assert responder.perform(new, board.tree, BLOCK) == ()
    chain.pass_block(0)
    assert chain.nonce == 16
    done = responder.perform(new, board.tree, BLOCK)
    assert keys(done) == [move.key for move in (*old.moves, *new.moves)]


def test_an_empty_purse_is_waited_for_and_ends_nothing(board: Board, journal: SqlJournal) -> None:
    """Rule: CHAL-19."""
    responder, _, _ = build(board, journal, Chain(balance=COST - 10**14))
    with pytest.raises(Temporary, match=r"cannot finalize for batch 1: .* at least 0.0001 ETH"):
        responder.perform(decide(board), board.tree, BLOCK)


@pytest.mark.parametrize("paid", [1, 2, 3])
def test_a_purse_for_some_pays_those_and_counts_what_is_on_its_way(
    board: Board, journal: SqlJournal, paid: int
) -> None:
    """Rule: SEQ-32."""
    decision = decide(board)
    responder, _, log = build(board, journal, Chain(balance=paid * COST))
    done = responder.perform(decision, board.tree, BLOCK)
    assert keys(done) == [move.key for move in decision.moves[:paid]]
    assert len(log.named("put_off")) == (paid < 3)
    if paid == 1:
        (said,) = log.named("put_off")
        assert "cannot mark_void for batch 2" in str(said["reason"])
        assert "(of it 0.00036 ETH for others on their way)" in str(said["reason"])


def test_a_move_that_is_too_dear_does_not_hold_up_a_cheaper_one(
    board: Board, journal: SqlJournal
) -> None:
    """Rule: CHAL-19."""
    decision = decide(board, 1)
    dear, cheap = decision.moves

    class Uneven(Chain):
        def estimate_gas(self, sender: Address, to: Any, data: bytes, value: int) -> int:
            found = super().estimate_gas(sender, to, data, value)
            return found * 10 if data == dear.key.encode() else found

    responder, _, _ = build(board, journal, Uneven(balance=2 * COST))
    assert keys(responder.perform(decision, board.tree, BLOCK)) == [cheap.key]
    chain = Uneven(balance=2 * COST, refusals={cheap.key.encode(): "rollup: nothing to void"})
    responder, _, log = build(board, SqlJournal(open_database(Path(":memory:"))), chain)
    with pytest.raises(Temporary, match="cannot finalize for batch 1"):
        responder.perform(decision, board.tree, BLOCK)
    assert len(log.named("refused")) == 1


def test_what_waits_for_its_ancestor_is_not_tried(board: Board, journal: SqlJournal) -> None:
    """The Rollup voids a child once its parent is void. Rule: CHAL-47."""
    first, second = board.all
    moves = (MarkVoid(BatchNumber(1), first), MarkVoid(BatchNumber(2), second))
    responder, chain, _ = build(board, journal)
    assert keys(responder.perform(Decision(moves, ()), board.tree, BLOCK)) == [moves[0].key]
    assert chain.list_sent() == data(moves[0])


def test_two_moves_of_one_scope_go_one_after_the_other(board: Board, journal: SqlJournal) -> None:
    """Rule: CHAL-47."""
    moves = [Finalize(BatchNumber(n), i) for n, i in enumerate(board.all, 1)]
    responder, chain, _ = build(board, journal)
    assert len(responder.perform(Decision(tuple(moves), ()), board.tree, BLOCK)) == 1
    assert chain.list_sent() == data(moves[0])
    # one that is refused leaves its place
    chain = Chain(refusals={moves[0].key.encode(): "rollup: fork open"})
    responder, chain, _ = build(board, SqlJournal(open_database(Path(":memory:"))), chain)
    responder.perform(Decision(tuple(moves), ()), board.tree, BLOCK)
    assert chain.list_sent() == data(moves[1])


def test_what_is_journalled_goes_first_under_its_own_nonce(
    board: Board, journal: SqlJournal
) -> None:
    """A crash before the broadcast; meanwhile something more urgent is wanted. Rule: CHAL-47."""
    decision = decide(board)
    urgent, *signed = decision.moves
    responder, chain, _ = build(board, journal, pause=lambda _: True)
    with pytest.raises(Temporary, match="stopped"):
        responder.perform(Decision(tuple(signed), ()), board.tree, BLOCK)
    before = [journal.get_signed(move.key) for move in signed]
    chain.pool.clear()
    responder, chain, _ = build(board, journal, chain)
    done = responder.perform(decision, board.tree, BLOCK)
    assert keys(done) == [*(move.key for move in signed), urgent.key]
    assert chain.broadcast[:2] == [kept.raw for kept in before if kept is not None]


def test_nothing_is_sent_on_another_status_than_the_logs_told(
    board: Board, journal: SqlJournal
) -> None:
    """Rule: CHAL-19."""
    responder, chain, _ = build(board, journal)
    told = board.tree.copy()
    board.defeat(next(iter(board.all)))
    with pytest.raises(SkippedLog, match="is DEFEATED on the chain and PENDING by the node's logs"):
        responder.perform(decide(board), told, BLOCK)
    assert chain.list_sent() == []


def test_nobody_is_expelled_for_a_slash_that_the_chain_does_not_know(
    board: Board, journal: SqlJournal
) -> None:
    """Else its bout would run out while each block refuses the expulsion. Rule: CHAL-19."""
    champion = Champion(SEQUENCER, BLOCK, 5)
    contest: Any = None
    truth = next(iter(board.all))
    move = Expel(BatchNumber(1), truth, contest, Fighter(0, champion, BLOCK, ()))
    responder, chain, _ = build(board, journal)
    with pytest.raises(SkippedLog, match="was slashed by the node's logs and was not on the chain"):
        responder.perform(Decision((move,), ()), board.tree, BLOCK)
    assert chain.list_sent() == []


def test_only_moves_that_are_neither_wanted_nor_mined_are_dropped(
    board: Board, journal: SqlJournal
) -> None:
    """Nor may be mined yet: a node that has one may keep it for ever. Rule: CHAL-20."""
    decision = decide(board)
    wanted = decision.moves[0].key
    names = [wanted, "propose 0xaa", "propose 0xbb", "finalize 0xcc", "close 3", "advance 0xdd"]
    names.append("start 0xee")
    for number, key in enumerate(names):
        replaced = (Hash32(bytes([99]) * 32),) if key == "finalize 0xcc" else ()
        journal.put_signed(key, Signed(number, b"raw", Hash32(bytes([number]) * 32), replaced))
    responder, chain, log = build(board, journal)
    # Mined as it is, and mined at a lower fee: both stand on the chain.
    for number in (2, 99):
        digest = Hash32(bytes([number]) * 32)
        chain.mined[digest] = Mined(digest, 7, BLOCK, True, 1, 1, (), None)
    chain.nonce, chain.pool[5] = 5, b"raw"
    responder.forget_stale(decision)
    dropped = {"propose 0xaa": 1, "start 0xee": 6}
    assert sorted(journal.list_signed()) == sorted(k for k in names if k not in dropped)
    said = log.named("dropped")
    assert {facts["intention"]: facts["nonce"] for facts in said} == dropped
    assert journal.list_sent()[Hash32(bytes([1]) * 32)] == "propose 0xaa"
