"""Typed calls to DuelGame and MovePay: states go in whole, since the chain keeps their hashes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oyez.chain.client import At
from oyez.chain.contracts import Contract, Transaction
from oyez.chain.duel_states import Champion, Choice, Content, Descent, Duel, Leaf
from oyez.protocol.types import Address, Hash32


@dataclass(frozen=True, slots=True)
class GameSettings:
    """DuelGame's immutables; levels are 16-ary."""

    rollup: Address
    steps: Address
    pay: Address
    outer_levels: int
    inner_levels: int


class Game(Contract):
    """Duels between siblings and bouts between champions."""

    name = "DuelGame"

    def fetch_settings(self, at: At = "latest") -> GameSettings:
        """Return links and heights."""
        return GameSettings(*self.read("settings", at=at))

    def fetch_duel(self, key: Hash32, at: At = "latest") -> Hash32:
        """Return the hash of a duel's state, zero where there is none."""
        return Hash32(self.read("duel", key, at=at))

    def fetch_alive(self, key: Hash32, at: At = "latest") -> tuple[int, int]:
        """Return how many champions of each side are alive."""
        older, newer = self.read("alive", key, at=at)
        return older, newer

    def fetch_champion(
        self, key: Hash32, side: int, staker: Address, at: At = "latest"
    ) -> tuple[Hash32, Hash32]:
        """Return a champion's key, and what it holds: zero, OUT, RELEASED or `Champion.hash`."""
        slot, kept = self.read("champion", key, side, staker, at=at)
        return Hash32(slot), Hash32(kept)

    def fetch_bout(self, ka: Hash32, kb: Hash32, at: At = "latest") -> Hash32:
        """Return the hash of a bout's state, zero while nobody has moved."""
        return Hash32(self.read("bout", ka, kb, at=at))

    # The outer tree

    def build_open(self, older: Content, newer: Content) -> Transaction:
        """Return the transaction that begins a duel."""
        return self.build("open_duel", older.words, newer.words)

    def build_start(self, duel: Duel, children: Sequence[Hash32]) -> Transaction:
        """Return the transaction that shows the newer root's 16 children."""
        return self.build("start", duel.words, list(children))

    def build_advance(self, duel: Duel, choice: Choice, children: Sequence[Hash32]) -> Transaction:
        """Return the transaction that goes to a child and shows its 16 children."""
        return self.build("advance", duel.words, choice.words, list(children))

    def build_last(self, duel: Duel, choice: Choice) -> Transaction:
        """Return the transaction that chooses the first record that differs."""
        return self.build("last", duel.words, choice.words)

    def build_defeat(self, duel: Duel, side: int) -> Transaction:
        """Return the transaction that strikes a side's assertion."""
        return self.build("defeat", duel.words, side)

    # Champions

    def build_commit(
        self, duel: Duel, side: int, siblings: Sequence[Hash32], children: Sequence[Hash32]
    ) -> Transaction:
        """Return the transaction that puts the sender's stake behind an inner tree."""
        return self.build("commit", duel.words, side, list(siblings), list(children))

    def build_expel(self, duel: Duel, side: int, staker: Address) -> Transaction:
        """Return the transaction that puts out a champion without a stake or an assertion."""
        return self.build("expel", duel.words, side, staker)

    def build_release(self, duel: Duel, side: int, staker: Address) -> Transaction:
        """Return the transaction that gives a champion of a moot duel its lock back."""
        return self.build("release", duel.words, side, staker)

    # Bouts

    def build_inner(
        self, duel: Duel, a: Champion, b: Champion, choice: Choice, children: Sequence[Hash32]
    ) -> Transaction:
        """Return the transaction that makes a bout's first move."""
        parts = (a.words, b.words, choice.words, list(children))
        return self.build("inner", duel.words, *parts)

    def build_advance_bout(
        self, ka: Hash32, kb: Hash32, state: Descent, choice: Choice, children: Sequence[Hash32]
    ) -> Transaction:
        """Return the transaction that makes a bout's later move."""
        return self.build("advance_bout", ka, kb, state.words, choice.words, list(children))

    def build_leaf(
        self, ka: Hash32, kb: Hash32, state: Descent, choice: Choice, leaf: Leaf
    ) -> Transaction:
        """Return the transaction that shows the own leaf."""
        return self.build("leaf", ka, kb, state.words, choice.words, leaf.words)

    def build_resolve(
        self,
        duel: Duel,
        content: Content,
        a: Champion,
        b: Champion,
        state: Descent,
        leaves: tuple[Leaf, Leaf],
        lane: int,
        proof: bytes,
    ) -> Transaction:
        """Return the transaction that recomputes the first lane that differs."""
        first, second = leaves
        champions = (a.words, b.words, state.words)
        shown = (first.words, second.words, lane, proof)
        return self.build("resolve", duel.words, content.words, *champions, *shown)

    def build_timeout_bout(
        self, duel: Duel, a: Champion, b: Champion, state: Descent
    ) -> Transaction:
        """Return the transaction that puts out the champion whose time is up."""
        return self.build("timeout_bout", duel.words, a.words, b.words, state.words)


class MovePay(Contract):
    """Pay for moves against losers."""

    name = "MovePay"

    def fetch_credit(self, owner: Address, at: At = "latest") -> int:
        """Return the wei that an owner may withdraw."""
        return int(self.read("credit", owner, at=at))

    def fetch_is_paid(self, key: Hash32, at: At = "latest") -> bool:
        """Return whether a duel's or bout's moves are paid."""
        return bool(self.read("paid", key, at=at))

    def fetch_drawn(self, staker: Address, at: At = "latest") -> int:
        """Return the wei paid so far for moves against a slashed staker."""
        return int(self.read("drawn", staker, at=at))

    def build_pay_duel(self, duel: Duel, loser: int, movers: Sequence[Address]) -> Transaction:
        """Return the transaction that credits who opened and moved against a defeated side."""
        return self.build("pay_duel", duel.words, loser, list(movers))

    def build_pay_bout(
        self,
        duel_key: Hash32,
        champions: tuple[Address, Address],
        state: Descent,
        loser: int,
        movers: Sequence[Address],
    ) -> Transaction:
        """Return the transaction that credits who moved against a champion that is out."""
        both = list(champions)
        return self.build("pay_bout", duel_key, both, state.words, loser, list(movers))

    def build_withdraw(self, to: Address) -> Transaction:
        """Return the transaction that pays the sender's whole credit out."""
        return self.build("withdraw", to)
