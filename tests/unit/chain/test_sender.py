from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from oyez.chain.client import Block, Mined, Reverted, RpcError
from oyez.chain.contracts import Transaction
from oyez.chain.delivery import Delivery
from oyez.chain.keys import Key
from oyez.chain.sender import MemoryJournal, Sender
from oyez.chain.signing import (
    MAX_TRANSACTION_BYTES,
    InsufficientBalance,
    TransactionTooLarge,
    format_ether,
)
from oyez.protocol.codec import keccak
from oyez.protocol.errors import Temporary
from oyez.protocol.types import Address, Hash32

KEY = Key(b"\x07" * 32)
TO = Address(b"\x0c" * 20)
ZERO = Hash32(bytes(32))
PAY = Transaction(TO, b"\x01\x02", 5)


@dataclass
class MemoryChain:
    """A chain that mines what is broadcast when it is told to."""

    chain_id: int = 31_337
    balance: int = 10**18
    mines: bool = True
    refuses: str | None = None
    fails: bool = False
    base_fee: int = 10**9
    tip: int = 10**9
    nonce: int = 0
    mined: dict[bytes, Mined] = field(default_factory=dict)
    broadcast: list[bytes] = field(default_factory=list)

    def fetch_balance(self, _address: Address) -> int:
        return self.balance

    def estimate_gas(self, _sender: Address, _to: Any, _data: bytes, _value: int) -> int:
        if self.refuses:
            raise Reverted(self.refuses)
        return 100_000

    def fetch_tip(self) -> int:
        return self.tip

    def fetch_block(self, _at: Any) -> Block:
        return Block(1, ZERO, ZERO, 0, self.base_fee)

    def fetch_nonce(self, _address: Address, _at: Any = "pending") -> int:
        return self.nonce

    def call(self, *_arguments: Any, **_options: Any) -> bytes:
        raise Reverted("inbox: too late")

    def find_mined(self, digest: Hash32) -> Mined | None:
        return self.mined.get(digest)

    def send_raw(self, raw: bytes) -> None:
        if raw in self.broadcast:
            raise RpcError("eth_sendRawTransaction", -32000, "already known")
        nonce = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()["nonce"]
        if nonce < self.nonce:
            raise RpcError("eth_sendRawTransaction", -32000, "nonce too low")
        self.broadcast.append(raw)
        if self.mines:
            self.mine(raw)

    def mine(self, raw: bytes) -> None:
        digest = keccak(raw)
        self.mined[digest] = Mined(digest, 2, ZERO, not self.fails, 21_000, 1, (), None)
        self.nonce += 1


def build_sender(chain: MemoryChain, journal: Any = None, patience: float = 1) -> Sender:
    return Sender(
        chain,  # type: ignore[arg-type] # the seam's twin
        KEY,
        journal if journal is not None else MemoryJournal(),
        pause=lambda _: None,
        patience=patience,
    )


def test_a_transaction_is_signed_with_nonce_fees_and_margin() -> None:
    chain = MemoryChain(nonce=3)
    mined = build_sender(chain).send("pay", PAY)
    sent = TypedTransaction.from_bytes(HexBytes(chain.broadcast[0])).as_dict()
    assert mined.succeeded
    assert (sent["nonce"], sent["value"], sent["gas"]) == (3, 5, 120_000)
    assert (sent["maxFeePerGas"], sent["maxPriorityFeePerGas"]) == (3 * 10**9, 10**9)
    assert Account.recover_transaction(chain.broadcast[0])[2:].lower() == KEY.address.hex()


def test_the_same_intention_is_never_sent_twice() -> None:
    chain = MemoryChain()
    sender = build_sender(chain)
    assert sender.send("pay", PAY) == sender.send("pay", PAY)
    assert len(chain.broadcast) == 1
    sender.send("pay again", PAY)
    assert len(chain.broadcast) == 2


@pytest.mark.parametrize("lost", ["signed", "broadcast"])
def test_after_a_crash_the_same_bytes_go_out_again(lost: str) -> None:
    """Rule: SEQ-6."""
    journal = MemoryJournal()
    chain = MemoryChain(mines=False)
    with pytest.raises(Temporary, match="not mined yet"):
        build_sender(chain, journal).send("pay", PAY)
    if lost == "signed":
        chain.broadcast.clear()
    (first,) = {journal.get_signed("pay")}
    assert first is not None
    chain.mines = True
    if lost == "broadcast":
        chain.mine(first.raw)
    # By now the node would give another nonce and refuse the call: neither is asked.
    chain.refuses = "inbox: changed"
    mined = build_sender(chain, journal).send("pay", PAY)
    assert mined.hash == first.hash
    assert chain.broadcast == [first.raw]
    assert chain.nonce == 1


def test_a_receipt_that_comes_after_its_nonce_is_waited_for() -> None:
    class Lagging(MemoryChain):
        looks = 0

        def find_mined(self, digest: Hash32) -> Mined | None:
            found = super().find_mined(digest)
            if found is not None:
                self.looks += 1
            return found if self.looks > 5 else None

    chain = Lagging()
    mined = build_sender(chain).send("pay", PAY)
    assert mined.succeeded
    assert (chain.looks, chain.nonce, len(chain.broadcast)) == (6, 1, 1)


def test_a_nonce_that_went_to_another_is_decided_again() -> None:
    journal = MemoryJournal()
    chain = MemoryChain(mines=False)
    sender = build_sender(chain, journal)
    with pytest.raises(Temporary):
        sender.send("pay", PAY)
    chain.nonce = 1
    with pytest.raises(Temporary, match="nonce 0 went to another"):
        sender.send("pay", PAY)
    assert journal.get_signed("pay") is None
    chain.mines = True
    assert sender.send("pay", PAY).succeeded


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_fee_that_became_too_low_is_raised_and_any_version_counts(which: int) -> None:
    """Rule: SEQ-6."""
    journal = MemoryJournal()
    chain = MemoryChain(mines=False)
    with pytest.raises(Temporary, match="not mined yet"):
        build_sender(chain, journal).send("pay", PAY)
    for factor in (5, 50):
        chain.base_fee = factor * 10**9
        with pytest.raises(Temporary, match="not mined yet"):
            build_sender(chain, journal, patience=30).send("pay", PAY)
    sent = [TypedTransaction.from_bytes(HexBytes(raw)).as_dict() for raw in chain.broadcast]
    same = ("nonce", "to", "value", "data", "gas", "chainId")
    assert len(sent) == 3
    assert [[tx[name] for name in same] for tx in sent] == [[sent[0][n] for n in same]] * 3
    assert sent[1]["maxFeePerGas"] >= 5 * 10**9
    assert sent[2]["maxPriorityFeePerGas"] * 8 > sent[1]["maxPriorityFeePerGas"] * 9
    chain.mine(chain.broadcast[which])
    assert build_sender(chain, journal).send("pay", PAY).hash == keccak(chain.broadcast[which])
    assert len(chain.broadcast) == 3


def test_a_tip_that_became_too_low_is_raised() -> None:
    """Rule: SEQ-6."""
    journal, chain = MemoryJournal(), MemoryChain(mines=False)
    with pytest.raises(Temporary, match="not mined yet"):
        build_sender(chain, journal).send("pay", PAY)
    chain.tip = 3 * 10**9
    for _ in range(2):
        with pytest.raises(Temporary, match="not mined yet"):
            build_sender(chain, journal, patience=30).send("pay", PAY)
    sent = [TypedTransaction.from_bytes(HexBytes(raw)).as_dict() for raw in chain.broadcast]
    assert [tx["maxPriorityFeePerGas"] for tx in sent] == [10**9, 3 * 10**9]
    assert [tx["maxFeePerGas"] for tx in sent] == [3 * 10**9, 5 * 10**9]


def test_a_fee_is_raised_however_short_each_look_is() -> None:
    """A challenger looks five seconds a block: whoever fills blocks must not outprice it for good.

    Rule: SEQ-6.
    """
    journal, chain = MemoryJournal(), MemoryChain(mines=False)
    with pytest.raises(Temporary, match="not mined yet"):
        build_sender(chain, journal, patience=5).send("pay", PAY)
    assert len(chain.broadcast) == 1
    chain.base_fee = 50 * 10**9
    for _ in range(2):
        with pytest.raises(Temporary, match="not mined yet"):
            build_sender(chain, journal, patience=5).send("pay", PAY)
    sent = [TypedTransaction.from_bytes(HexBytes(raw)).as_dict() for raw in chain.broadcast]
    assert [tx["nonce"] for tx in sent] == [0, 0]
    assert sent[1]["maxFeePerGas"] >= 50 * 10**9


def test_what_the_node_refuses_for_its_fee_goes_out_at_a_higher_one() -> None:
    class Dear(MemoryChain):
        def send_raw(self, raw: bytes) -> None:
            if TypedTransaction.from_bytes(HexBytes(raw)).as_dict()["maxFeePerGas"] < self.base_fee:
                raise RpcError("eth_sendRawTransaction", -32000, "max fee below base fee")
            super().send_raw(raw)

    journal = MemoryJournal()
    with pytest.raises(Temporary, match="not mined yet"):
        build_sender(MemoryChain(mines=False), journal).send("pay", PAY)
    chain = Dear(base_fee=50 * 10**9)
    assert build_sender(chain, journal).send("pay", PAY).succeeded
    assert (chain.nonce, len(chain.broadcast)) == (1, 1)
    # what it refuses for another reason stays an error
    chain = Dear(base_fee=50 * 10**9)
    chain.base_fee = 10**12
    signed = journal.get_signed("pay")
    assert signed is not None
    with pytest.raises(RpcError, match="base fee"):
        Delivery(chain, KEY.address, pause=lambda _: None).deliver(signed)  # type: ignore[arg-type] # the seam's twin


def test_a_fee_that_is_high_enough_stays() -> None:
    chain = MemoryChain(mines=False)
    with pytest.raises(Temporary, match="not mined yet"):
        build_sender(chain, patience=70).send("pay", PAY)
    assert len(chain.broadcast) == 1


def test_a_refusal_is_found_before_anything_is_sent() -> None:
    chain = MemoryChain(refuses="rollup: no stake")
    with pytest.raises(Reverted, match="rollup: no stake"):
        build_sender(chain).send("pay", PAY)
    assert chain.broadcast == []


def test_a_mined_refusal_says_why_and_is_forgotten() -> None:
    journal = MemoryJournal()
    chain = MemoryChain(fails=True)
    with pytest.raises(Reverted, match="inbox: too late"):
        build_sender(chain, journal).send("pay", PAY)
    assert journal.get_signed("pay") is None


@pytest.mark.parametrize(("balance", "needed"), [(4, "5"), (5, "360000000000005")])
def test_a_balance_too_small_names_the_fix(balance: int, needed: str) -> None:
    chain = MemoryChain(balance=balance)
    with pytest.raises(InsufficientBalance) as caught:
        build_sender(chain).send("pay", PAY)
    text = str(caught.value)
    assert f"0x{KEY.address.hex()} holds {format_ether(balance)} ETH" in text
    assert format_ether(int(needed)) in text
    assert "send it at least" in text
    assert chain.broadcast == []


@pytest.mark.parametrize(
    ("wei", "text"), [(0, "0"), (1, "0.000000000000000001"), (10**18, "1"), (15 * 10**17, "1.5")]
)
def test_ether_is_written_plainly(wei: int, text: str) -> None:
    assert format_ether(wei) == text


def test_a_transaction_above_128_kb_is_refused_before_it_is_sent() -> None:
    """By its signed bytes, to the byte. Rule: SDK-9"""

    def send(size: int) -> MemoryChain:
        chain = MemoryChain(balance=10**20)
        build_sender(chain).send("large", Transaction(TO, b"\x01" * size, 0))
        return chain

    around = len(send(100_000).broadcast[0]) - 100_000
    largest = MAX_TRANSACTION_BYTES - around
    assert len(send(largest).broadcast[0]) == 131_072
    for size, said in ((largest + 1, "131,073 bytes"), (200_000, "200,000 bytes")):
        chain, journal = MemoryChain(balance=10**20), MemoryJournal()
        with pytest.raises(TransactionTooLarge, match=f"{said}.*131,072 at most"):
            build_sender(chain, journal).send("large", Transaction(TO, b"\x01" * size, 0))
        assert chain.broadcast == []
        assert journal.get_signed("large") is None
