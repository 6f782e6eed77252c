"""Transactions that wait for one that is nowhere: a re-org or a full pool took it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import pytest
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from oyez.chain.client import RpcError
from oyez.chain.sender import MemoryJournal, Sender
from oyez.protocol.errors import Temporary
from oyez.protocol.types import Address
from tests.unit.chain.test_sender import KEY, PAY, MemoryChain, build_sender


def parse(raw: bytes) -> dict[str, Any]:
    found: dict[str, Any] = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    return found


@dataclass
class PoolChain(MemoryChain):
    """A chain with a pool, of which transactions are mined by nonce and without a gap."""

    pool: dict[int, bytes] = field(default_factory=dict)

    def fetch_nonce(self, _address: Address, at: Any = "pending") -> int:
        nonce = self.nonce
        while at == "pending" and nonce in self.pool:
            nonce += 1
        return nonce

    def send_raw(self, raw: bytes) -> None:
        sent = parse(raw)
        if sent["nonce"] < self.nonce:
            raise RpcError("eth_sendRawTransaction", -32000, "nonce too low")
        if sent["maxFeePerGas"] >= self.base_fee:
            self.pool[sent["nonce"]] = raw
        self.settle()

    def settle(self) -> None:
        while self.mines and self.nonce in self.pool:
            if parse(self.pool[self.nonce])["maxFeePerGas"] < self.base_fee:
                break
            raw = self.pool.pop(self.nonce)
            self.broadcast.append(raw)
            self.mine(raw)


def test_what_waits_for_a_transaction_that_is_nowhere_is_not_stuck() -> None:
    """Rule: SEQ-20."""
    journal, chain = MemoryJournal(), PoolChain(mines=False)
    for key in ("one", "two", "three"):
        with pytest.raises(Temporary, match="not mined yet"):
            build_sender(chain, journal).send(key, PAY)
    kept = journal.get_signed("three")
    assert kept is not None
    assert kept.nonce == 2
    del chain.pool[0], chain.pool[1]  # the pool lost them, and nobody wants them any more
    chain.mines = True
    assert build_sender(chain, journal).send("three", PAY).hash == kept.hash
    sent = [parse(raw) for raw in chain.broadcast]
    assert [tx["nonce"] for tx in sent] == [0, 1, 2]
    for filler in sent[:2]:
        assert (bytes(filler["to"]), filler["value"], bytes(filler["data"])) == (
            KEY.address,
            0,
            b"",
        )
    # what was wanted all the same is signed anew, once
    with pytest.raises(Temporary, match="nonce 0 went to another"):
        build_sender(chain, journal).send("one", PAY)
    assert build_sender(chain, journal).send("one", PAY).succeeded
    assert chain.nonce == 4


def test_a_transaction_in_the_nodes_pool_is_waited_for_and_not_replaced() -> None:
    """Rule: SEQ-20."""
    journal, chain = MemoryJournal(), PoolChain(mines=False)
    for key in ("one", "two"):
        with pytest.raises(Temporary, match="not mined yet"):
            build_sender(chain, journal).send(key, PAY)
    first = chain.pool[0]
    with pytest.raises(Temporary, match="not mined yet"):
        build_sender(chain, journal).send("two", PAY)
    assert chain.pool[0] == first
    chain.mines = True
    assert build_sender(chain, journal).send("two", PAY).succeeded
    assert chain.broadcast[0] == first


@pytest.mark.parametrize("lags", [False, True])
def test_a_service_that_is_told_to_stop_waits_no_longer_and_forgets_nothing(lags: bool) -> None:
    """Also where the nonce is used and the receipt is late. Rule: SEQ-17."""
    journal, chain, stop = MemoryJournal(), PoolChain(mines=False), threading.Event()
    stop.set()
    looks: list[str] = []
    chain.find_mined = lambda digest: looks.append("look")  # type: ignore[method-assign]  # a node without receipts
    chain.mines = lags
    sender = Sender(chain, KEY, journal, pause=stop.wait)  # type: ignore[arg-type] # the seam's twin
    for _ in range(2):
        with pytest.raises(Temporary, match="stopped"):
            sender.send("one", PAY)
    assert journal.get_signed("one") is not None
    assert len(looks) <= 6


def test_a_filler_that_became_too_cheap_is_raised_too() -> None:
    """Rule: SEQ-20."""
    journal, chain = MemoryJournal(), PoolChain(mines=False)
    for key in ("one", "two"):
        with pytest.raises(Temporary, match="not mined yet"):
            build_sender(chain, journal).send(key, PAY)
    del chain.pool[0]
    with pytest.raises(Temporary, match="not mined yet"):
        build_sender(chain, journal).send("two", PAY)
    assert len(chain.pool) == 2
    chain.base_fee, chain.mines = 50 * 10**9, True
    assert build_sender(chain, journal, patience=40).send("two", PAY).succeeded
    assert [parse(raw)["nonce"] for raw in chain.broadcast] == [0, 1]
