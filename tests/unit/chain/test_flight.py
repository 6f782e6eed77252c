"""Transactions on their way together: stuck ones, lost ones, those that a crash cut off."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from oyez.chain.client import Mined, Reverted, RpcError
from oyez.chain.contracts import Transaction
from oyez.chain.delivery import NonceTaken
from oyez.chain.flight import Flight
from oyez.chain.sender import MemoryJournal, Sender
from oyez.chain.signing import compute_cost
from oyez.protocol.errors import Temporary
from oyez.protocol.types import Address
from tests.unit.chain.test_nonce_gap import PoolChain, parse
from tests.unit.chain.test_sender import PAY, TO, build_sender


def begin(sender: Sender, *names: str) -> Flight:
    """One flight with a transaction for each name."""
    flight = sender.open_flight()
    for name in names:
        if not flight.resume(name):
            flight.begin(name, Transaction(TO, name.encode(), 5))
    return flight


def list_mined(chain: PoolChain) -> list[bytes]:
    return [bytes(parse(raw)["data"]) for raw in chain.broadcast]


@dataclass
class PriceyChain(PoolChain):
    """Takes what offers too little, and keeps it until it offers more: as nodes do."""

    def send_raw(self, raw: bytes) -> None:
        sent = parse(raw)
        before = self.pool.get(sent["nonce"])
        if sent["nonce"] < self.nonce:
            raise RpcError("eth_sendRawTransaction", -32000, "nonce too low")
        if before == raw:
            raise RpcError("eth_sendRawTransaction", -32000, "already known")
        if before is not None and parse(before)["maxFeePerGas"] * 11 > sent["maxFeePerGas"] * 10:
            raise RpcError("eth_sendRawTransaction", -32000, "replacement transaction underpriced")
        self.pool[sent["nonce"]] = raw
        self.settle()


def make_stuck(journal: MemoryJournal) -> PriceyChain:
    """One, two and three wait; two offers less than the others, and less than blocks now cost."""
    chain = PriceyChain(mines=False, base_fee=50 * 10**9)
    begin(build_sender(chain, journal), "one")
    chain.base_fee = 10**9
    begin(build_sender(chain, journal), "two")
    chain.base_fee = 50 * 10**9
    begin(build_sender(chain, journal), "three")
    chain.mines = True
    chain.settle()
    assert list_mined(chain) == [b"one"]
    assert sorted(chain.pool) == [1, 2]
    return chain


@pytest.mark.parametrize("is_new", [True, False])
def test_a_stuck_one_in_the_middle_is_raised_and_those_behind_are_mined(is_new: bool) -> None:
    """At the next look, by the process that sent it or another. Rule: SEQ-6, SEQ-32."""
    journal = MemoryJournal()
    chain = make_stuck(journal)
    sender = build_sender(chain, journal)
    if not is_new:
        chain.mines = False
        begin(sender, "one", "two", "three")
        chain.base_fee, chain.mines = 500 * 10**9, True
    flight = begin(sender, "one", "two", "three")
    assert [flight.finish(name).succeeded for name in ("one", "two", "three")] == [True] * 3
    assert list_mined(chain) == [b"one", b"two", b"three"]
    assert [parse(raw)["nonce"] for raw in chain.broadcast] == [0, 1, 2]
    kept = journal.get_signed("two")
    assert kept is not None
    assert len(kept.replaced) == 1 if is_new else kept.replaced


def test_a_stuck_one_that_nobody_waits_for_is_raised_for_those_behind() -> None:
    """Its own sender knows it still. Rule: SEQ-32."""
    journal = MemoryJournal()
    chain = PriceyChain(mines=False)
    sender = build_sender(chain, journal)
    begin(sender, "one", "two")
    chain.base_fee, chain.mines = 50 * 10**9, True
    assert sender.send("three", Transaction(TO, b"three", 0)).succeeded
    assert list_mined(chain) == [b"one", b"two", b"three"]


def test_prices_that_rise_while_one_waits_raise_all() -> None:
    """Rule: SEQ-6."""

    class Rising(PriceyChain):
        looks = 0

        def find_mined(self, digest: Any) -> Mined | None:
            self.looks += 1
            if self.looks == 3:
                self.base_fee = 50 * 10**9
                self.mines = True
            return super().find_mined(digest)

    chain = Rising(mines=False)
    flight = begin(build_sender(chain, patience=40), "one", "two", "three")
    assert flight.finish("one").succeeded
    assert list_mined(chain) == [b"one", b"two", b"three"]
    assert {parse(raw)["maxFeePerGas"] > 50 * 10**9 for raw in chain.broadcast} == {True}


def test_a_nonce_is_taken_once_also_where_the_node_does_not_count_its_pool() -> None:
    """Rule: SEQ-32."""

    class Forgetful(PoolChain):
        def fetch_nonce(self, _address: Address, _at: Any = "pending") -> int:
            return self.nonce

    chain = Forgetful(mines=False)
    sender = build_sender(chain)
    begin(sender, "one", "two")
    begin(sender, "three")
    assert sorted(chain.pool) == [0, 1, 2]


def test_what_the_pool_lost_of_ours_goes_out_again_and_not_an_empty_one() -> None:
    """Rule: SEQ-6, SEQ-20."""
    journal, chain = MemoryJournal(), PoolChain(mines=False)
    sender = build_sender(chain, journal)
    begin(sender, "one", "two", "three")
    lost = chain.pool.pop(1)
    chain.mines = True
    flight = begin(sender, "three", "four")  # nobody asks for two any more
    assert flight.finish("three").succeeded
    assert chain.broadcast[1] == lost
    assert list_mined(chain) == [b"one", b"two", b"three", b"four"]


def test_a_gap_in_the_middle_is_filled_with_one_empty_transaction() -> None:
    """The lost one was dropped from the journal. Rule: SEQ-20."""
    journal, chain = MemoryJournal(), PoolChain(mines=False)
    begin(build_sender(chain, journal), "one", "two", "three", "four")
    del chain.pool[1]
    journal.drop_signed("two")
    chain.mines = True
    sender = build_sender(chain, journal)
    flight = begin(sender, "one", "three", "four", "five")
    for name in ("one", "three", "four", "five"):
        assert flight.finish(name).succeeded
    assert list_mined(chain) == [b"one", b"", b"three", b"four", b"five"]
    assert parse(chain.broadcast[1])["nonce"] == 1
    assert sender.open_flight().settle() == {}
    assert journal.get_signed("fill 1") is None


def test_what_waits_behind_a_gap_and_nobody_knows_is_left_alone() -> None:
    """Once the gap is filled the node mines it. Rule: SEQ-20."""
    journal, chain = MemoryJournal(), PriceyChain(mines=False)
    begin(build_sender(chain, journal), "one", "two", "three")
    del chain.pool[0]
    journal.drop_signed("one")
    journal.drop_signed("two")
    flight = begin(build_sender(chain, journal, patience=0.1), "three")
    with pytest.raises(Temporary, match="not mined yet"):
        flight.finish("three")
    assert [bytes(parse(chain.pool[nonce])["data"]) for nonce in range(3)] == [
        b"",
        b"two",
        b"three",
    ]


def test_a_round_costs_one_broadcast_each_and_one_more() -> None:
    """The first is sent again while it is waited for. Rule: SEQ-32."""

    class Counting(PoolChain):
        sends = 0

        def send_raw(self, raw: bytes) -> None:
            self.sends += 1
            super().send_raw(raw)

    chain = Counting(mines=False)
    names = ("one", "two", "three", "four")
    flight = begin(build_sender(chain, patience=0.1), *names)
    with pytest.raises(Temporary, match="not mined yet"):
        flight.finish("one")
    # one look: its patience ends with all of them sent again
    assert chain.sends == 4 + 4 + 1


def test_a_gap_is_filled_also_where_those_behind_it_take_the_whole_purse() -> None:
    """Rule: SEQ-20."""
    journal, chain = MemoryJournal(), PoolChain(mines=False)
    begin(build_sender(chain, journal), "one", "two")
    del chain.pool[0]
    journal.drop_signed("one")
    kept = journal.get_signed("two")
    assert kept is not None
    chain.balance = compute_cost(kept)
    chain.mines = True
    assert build_sender(chain, journal).send("two", PAY).succeeded


def test_what_an_earlier_flight_left_is_told_once() -> None:
    """Mined, failed, or its nonce another's. Rule: SEQ-32."""
    journal, chain = MemoryJournal(), PoolChain(mines=False)
    sender = build_sender(chain, journal)
    begin(sender, "one", "two", "three")
    chain.fails = True
    chain.mine(chain.pool.pop(0))
    chain.fails = False
    chain.mine(chain.pool.pop(1))
    chain.nonce += 1  # another of the account
    found = sender.open_flight().settle()
    assert isinstance(found.pop("one"), Reverted)
    assert isinstance(found.pop("two"), Mined)
    assert found == {}
    assert sender.open_flight().settle() == {}
    assert journal.get_signed("one") is None
    with pytest.raises(NonceTaken):
        sender.send("three", PAY)


def test_one_that_nobody_wants_is_kept_where_the_pool_may_have_it() -> None:
    """By a process that did not send it, and raised for those behind. Rule: SEQ-32, CHAL-20."""
    journal = MemoryJournal()
    chain = PriceyChain(mines=False)
    begin(build_sender(chain, journal), "one", "two")
    sender = build_sender(chain, journal)
    for name in ("one", "two"):
        kept = journal.get_signed(name)
        assert kept is not None
        assert not sender.open_flight().drop(name, kept)
    chain.base_fee, chain.mines = 50 * 10**9, True
    assert sender.send("three", PAY).succeeded
    assert list_mined(chain)[:2] == [b"one", b"two"]
    # what the pool has not is forgotten
    assert kept is not None
    assert sender.open_flight().drop("two", replace(kept, nonce=3))
    assert journal.get_signed("two") is None


def test_a_later_one_whose_nonce_is_anothers_is_forgotten() -> None:
    """Rule: SEQ-6."""
    journal, chain = MemoryJournal(), PoolChain(mines=False)
    flight = begin(build_sender(chain, journal), "one", "two")
    chain.mine(chain.pool.pop(0))
    chain.nonce += 1
    assert flight.finish("one").succeeded
    with pytest.raises(NonceTaken):
        flight.look("two")
    assert journal.get_signed("two") is None
    assert flight.waiting == 0


def test_a_reset_forgets_what_is_on_its_way_and_keeps_the_journal() -> None:
    journal, chain = MemoryJournal(), PoolChain(mines=False)
    sender = build_sender(chain, journal)
    begin(sender, "one", "two")
    assert sender.open_flight().waiting == 2
    sender.reset()
    assert sender.open_flight().waiting == 0
    chain.mines = True
    chain.settle()
    assert sender.send("one", PAY).succeeded
    assert chain.nonce == 2


def test_one_that_is_not_mined_is_no_failure_of_those_before() -> None:
    journal, chain = MemoryJournal(), PoolChain(mines=False)
    sender = build_sender(chain, journal, patience=1)
    flight = begin(sender, "one", "two")
    chain.mine(chain.pool.pop(0))
    assert flight.finish("one").succeeded
    assert flight.look("two") is None
    with pytest.raises(Temporary, match="not mined yet"):
        flight.finish("two")
    assert sender.open_flight().waiting == 1
    chain.mine(chain.pool.pop(1))
    assert flight.look("two") is not None
