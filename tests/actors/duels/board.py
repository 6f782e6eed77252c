"""What everyone sees: forks, stakes, duels, champions and bouts, from the chain's events alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from eth_utils.crypto import keccak

from tests.actors.duels.records import (
    DEFEATED,
    FINAL,
    LIVE,
    PENDING,
    SLASHED,
    VOID,
    Assertion,
    Batch,
    Bout,
    Champion,
    Descent,
    Duel,
    Seen,
    Stake,
    begin_bout,
)

FATES = {"AssertionFinalized": FINAL, "AssertionDefeated": DEFEATED, "AssertionVoided": VOID}
ENDS = {"ChampionOut": "out", "ChampionReleased": "released"}


class Board:
    """The chain as a spectator knows it at a time."""

    def __init__(self, genesis: bytes) -> None:
        self.now = 0
        self.history: list[Seen] = []
        self.genesis = self.head = genesis
        self.batches: dict[int, Batch] = {}
        self.assertions: dict[bytes, Assertion] = {}
        self.stakes: dict[bytes, Stake] = {}
        self.duels: dict[bytes, Duel] = {}
        self.bouts: dict[bytes, Bout] = {}
        self.lanes: list[int] = []
        self.slashed: list[bytes] = []
        self.paid: set[bytes] = set()
        self.finals: list[tuple[bytes, int]] = []

    # --- questions ---

    def status(self, assertion_id: bytes) -> int:
        if assertion_id == self.head:
            return FINAL
        found = self.assertions.get(assertion_id)
        return 0 if found is None else found.status

    def living(self, parent: bytes) -> list[Assertion]:
        """Children of a parent that were not defeated, oldest first."""
        return [
            a
            for a in self.assertions.values()
            if a.parent == parent and a.status in (PENDING, FINAL)
        ]

    def batch_after(self, parent: bytes) -> Batch | None:
        """The batch that a child of this assertion is about, once it is closed."""
        found = self.assertions.get(parent)
        return self.batches.get(found.batch + 1 if found else 1)

    def stake(self, staker: bytes) -> Stake | None:
        return self.stakes.get(staker)

    def is_live(self, staker: bytes) -> bool:
        found = self.stakes.get(staker)
        return found is not None and found.status == LIVE

    def proposals(self, staker: bytes) -> int:
        """How many pending proposals bind a stake."""
        return sum(a.proposer == staker and a.status == PENDING for a in self.assertions.values())

    def is_moot(self, duel: Duel) -> bool:
        return any(self.status(i) != PENDING for i in duel.ids)

    def duels_of(self, assertion_id: bytes) -> Iterator[tuple[Duel, int]]:
        """Every duel of an assertion with its side."""
        for duel in self.duels.values():
            if assertion_id in duel.ids:
                yield duel, duel.ids.index(assertion_id)

    def find_duel(self, one: bytes, other: bytes) -> Duel | None:
        return self.duels.get(keccak(one + other)) or self.duels.get(keccak(other + one))

    # --- events ---

    def apply(self, seen: Seen) -> None:
        """Take one event, in the chain's order."""
        self.history.append(seen)
        args, name = seen.args, seen.name
        if name in FATES:
            self._end(args["assertion_id"], FATES[name], seen.time)
        elif name in ENDS:
            champion = self.duels[args["duel"]].champions[args["side"], args["staker"]]
            champion.state = ENDS[name]
        else:
            handler = getattr(self, f"_on_{name}", None)
            if handler is not None:
                handler(args, seen.time)

    def _end(self, assertion_id: bytes, status: int, time: int) -> None:
        self.assertions[assertion_id].status = status
        if status == FINAL:
            self.head = assertion_id
            self.finals.append((assertion_id, time))

    def _on_BatchClosed(self, args: dict[str, Any], time: int) -> None:
        number = args["batch"]
        self.batches[number] = Batch(number, args["batch_hash"], args["opened_at"])

    def _on_AssertionProposed(self, args: dict[str, Any], time: int) -> None:
        roots = ("trace_root", "state_root", "outbox_root", "receipts_root")
        self.assertions[args["assertion_id"]] = Assertion(
            id=args["assertion_id"],
            parent=args["parent"],
            batch=args["batch"],
            proposer=args["proposer"],
            created_at=time,
            attempt=args["attempt"],
            batch_hash=self.batches[args["batch"]].hash,
            claim=tuple(args[root] for root in roots),
        )
        self.stakes[args["proposer"]].tip = args["assertion_id"]

    def _on_StakeDeposited(self, args: dict[str, Any], time: int) -> None:
        self.stakes[args["staker"]] = Stake()

    def _on_StakeSlashed(self, args: dict[str, Any], time: int) -> None:
        self.stakes[args["staker"]].status = SLASHED
        self.slashed.append(args["staker"])

    def _on_StakeWithdrawn(self, args: dict[str, Any], time: int) -> None:
        del self.stakes[args["staker"]]

    def _on_WithdrawalRequested(self, args: dict[str, Any], time: int) -> None:
        self.stakes[args["staker"]].requested_at = time

    def _on_WithdrawalCancelled(self, args: dict[str, Any], time: int) -> None:
        self.stakes[args["staker"]].requested_at = 0

    def _on_TipMoved(self, args: dict[str, Any], time: int) -> None:
        self.stakes[args["staker"]].tip = args["tip"]

    def _on_DuelOpened(self, args: dict[str, Any], time: int) -> None:
        a, b, state = args["state"]
        duel = Duel(args["duel"], (a, b), Descent(state), movers=[args["opener"]])
        self.duels[duel.key] = duel

    def _on_Revealed(self, args: dict[str, Any], time: int) -> None:
        game = self.duels.get(args["game"]) or self.bouts[args["game"]]
        game.descent = Descent(args["state"], args["children"])
        game.movers.append(args["mover"])
        if isinstance(game, Bout):
            game.has_begun = True

    def _on_RecordFound(self, args: dict[str, Any], time: int) -> None:
        duel = self.duels[args["duel"]]
        duel.descent = Descent(args["state"])
        duel.movers.append(args["mover"])

    def _on_Committed(self, args: dict[str, Any], time: int) -> None:
        duel = self.duels[args["duel"]]
        made = Champion(
            duel, args["side"], args["staker"], args["inner_root"], time, args["children"]
        )
        duel.champions[made.side, made.staker] = made
        for other in duel.champions.values():
            if other.side != made.side:
                pair = (other, made) if made.side else (made, other)
                bout = Bout(pair, begin_bout(duel, pair))
                self.bouts[bout.key] = duel.bouts[bout.key] = bout

    def _on_LeafRevealed(self, args: dict[str, Any], time: int) -> None:
        bout = self.bouts[args["bout"]]
        bout.descent = replace(bout.descent, state=args["state"])
        bout.leaves.append((args["type"], args["raw"]))
        bout.movers.append(args["mover"])

    def _on_Resolved(self, args: dict[str, Any], time: int) -> None:
        bout = self.bouts[args["bout"]]
        bout.descent = Descent(args["state"])
        bout.movers.append(args["resolver"])
        self.lanes.append(args["lane"])

    def _on_MovesPaid(self, args: dict[str, Any], time: int) -> None:
        self.paid.add(args["game"])
