"""A responder with its real sender over a pool whose blocks come as told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from oyez.chain.client import Mined, Reverted, RpcError
from oyez.chain.contracts import Stake, Transaction
from oyez.chain.journal import SqlJournal
from oyez.chain.sender import Sender
from oyez.dispute.moves import Decision, Finalize, MarkVoid, Move
from oyez.dispute.responder import Done, Responder
from oyez.protocol.codec import keccak
from oyez.protocol.types import Address, BatchNumber, Hash32, Status
from tests.services import Lines
from tests.unit.chain.test_nonce_gap import PoolChain, parse
from tests.unit.chain.test_sender import KEY, TO, ZERO
from tests.unit.dispute.board import Board

BLOCK = Hash32(b"\x0b" * 32)
#: Wei that a move costs at most: 120,000 gas at two base fees and a tip of one.
COST = 120_000 * 3 * 10**9


@dataclass
class Chain(PoolChain):
    """A pool whose blocks come as told; some transactions are refused, some fail when mined."""

    mines: bool = False
    refusals: dict[bytes, str] = field(default_factory=dict)
    failures: set[bytes] = field(default_factory=set)
    room: int = 1_000
    unwanted: set[bytes] = field(default_factory=set)

    def estimate_gas(self, _sender: Address, _to: Any, data: bytes, _value: int) -> int:
        if data in self.refusals:
            raise Reverted(self.refusals[data])
        return 100_000

    def call(self, _to: Any, data: bytes, *_arguments: Any, **_options: Any) -> bytes:
        raise Reverted("rollup: not pending")

    def send_raw(self, raw: bytes) -> None:
        if raw in self.pool.values():
            raise RpcError("eth_sendRawTransaction", -32000, "already known")
        if bytes(parse(raw)["data"]) in self.unwanted:
            raise RpcError("eth_sendRawTransaction", -32000, "the pool is full")
        super().send_raw(raw)

    def mine(self, raw: bytes) -> None:
        digest = keccak(raw)
        succeeded = bytes(parse(raw)["data"]) not in self.failures
        self.mined[digest] = Mined(digest, 2, ZERO, succeeded, 21_000, 1, (), None)
        self.nonce += 1

    def pass_block(self, _seconds: float) -> None:
        """A block, with as many of the pool as it has room for."""
        before = self.nonce
        self.mines = True
        while self.nonce < before + self.room and self.nonce in self.pool:
            if parse(self.pool[self.nonce])["maxFeePerGas"] < self.base_fee:
                break
            raw = self.pool.pop(self.nonce)
            self.broadcast.append(raw)
            self.mine(raw)
        self.mines = False

    def list_sent(self) -> list[bytes]:
        """What was mined or waits, by nonce."""
        return [bytes(parse(raw)["data"]) for raw in (*self.broadcast, *self.list_pool())]

    def list_pool(self) -> list[bytes]:
        return [raw for _, raw in sorted(self.pool.items())]


class Rollup:
    """Stands for the Rollup: statuses by the board; what a move calls is its key."""

    def __init__(self, board: Board, chain: Chain) -> None:
        self.board = board
        self.chain = chain

    def fetch_status(self, assertion_id: Hash32, at: Hash32) -> Status:
        assert at == BLOCK
        return self.board._status(assertion_id)

    def fetch_stake(self, staker: Address, at: Hash32) -> Stake:
        assert at == BLOCK
        return self.board.stake(staker)

    def build_finalize(self, assertion_id: Hash32) -> Transaction:
        return Transaction(TO, Finalize(BatchNumber(1), assertion_id).key.encode(), 0)

    def build_mark_void(self, assertion_id: Hash32) -> Transaction:
        return Transaction(TO, MarkVoid(BatchNumber(2), assertion_id).key.encode(), 0)


def build(
    board: Board,
    journal: SqlJournal,
    chain: Chain | None = None,
    pause: Callable[[float], object] | None = None,
) -> tuple[Responder, Chain, Lines]:
    """A responder with a real sender; each wait is a block unless told otherwise."""
    chain, log = chain or Chain(), Lines()
    stand_in: Any = chain
    sender = Sender(stand_in, KEY, journal, pause=pause or chain.pass_block, patience=1)
    rollup: Any = Rollup(board, chain)
    return Responder(rollup, sender, journal, lambda _: pytest.fail("no proposal"), log), chain, log


def decide(board: Board, voids: int = 2) -> Decision:
    """Move the head, and void so many."""
    found = [MarkVoid(BatchNumber(2), Hash32(bytes([n]) * 32)) for n in range(1, voids + 1)]
    return Decision((Finalize(BatchNumber(1), next(iter(board.all))), *found), ())


def data(*moves: Move) -> list[bytes]:
    return [move.key.encode() for move in moves]


def keys(done: tuple[Done, ...]) -> list[str]:
    return [item.move.key for item in done]
