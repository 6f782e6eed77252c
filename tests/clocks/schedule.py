"""Runs one schedule: hostile moves, honest moves and censored seconds, and says what broke."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from tests.clocks.game import Chain
from tests.clocks.honest import Honest
from tests.clocks.rollup import DEFEATED, SLASHED

#: latencies in which a fork that was disputed is final, beyond T and what was censored
LATENCIES = 8


class Hostile(Protocol):
    """Whoever else sends: liars, the sequencer, bystanders."""

    def act(self) -> None:
        """Do what one does in this second."""


@dataclass
class Outcome:
    """What a schedule led to.

    `broken` names each property that failed; `excess` is the worst delay of a head beyond T and
    the censored seconds, in seconds (here a latency).
    """

    chain: Chain
    honest: Honest
    broken: list[str] = field(default_factory=list)
    excess: int = 0

    def show(self) -> str:
        return "\n".join(" ".join(map(str, line)) for line in self.chain.log)


def play(
    chain: Chain,
    honest: Honest,
    hostile: Hostile,
    censored: Iterable[int] = (),
    *,
    honest_first: bool = False,
    limit: int = 9,
) -> Outcome:
    """Play until every batch is final, or `limit` windows are over."""
    silent = set(censored)
    outcome = Outcome(chain, honest)
    batches = len(chain.closed_at)
    if not chain.is_live(honest.name):
        chain.deposit_stake(honest.name)
    for now in range(limit * chain.T):
        chain.wait_until(now)
        if honest_first:
            honest.act(now not in silent)
            hostile.act()
        else:
            hostile.act()
            honest.act(now not in silent)
        check_safety(outcome)
        if outcome.broken or len(chain.finals) == batches + 1:
            break
    check_liveness(outcome, batches)
    measure(outcome, silent)
    return outcome


def check_safety(outcome: Outcome) -> None:
    """No lie is FINAL, the honest stake stands."""
    chain = outcome.chain
    if not all(chain.assertions[id].is_true for id in chain.finals):
        outcome.broken.append("a lie is FINAL")
    if not chain.is_live(outcome.honest.name):
        outcome.broken.append("the honest stake is gone")


def check_liveness(outcome: Outcome, batches: int) -> None:
    """Every head is reached, no true id died, the honest stake is free, every liar was slashed."""
    chain, honest = outcome.chain, outcome.honest
    if any(n.is_true and n.status == DEFEATED for n in chain.assertions.values()):
        outcome.broken.append("a true id died")
    if outcome.broken:
        return
    if len(chain.finals) != batches + 1:
        outcome.broken.append("the head stands still")
        return
    for _ in range(3):
        chain.wait_until(chain.now + 1)
        honest.act(True)
    stake = chain.stake_of(honest.name)
    if stake.proposals or stake.championships:
        outcome.broken.append("the honest stake is not free")
    for node in chain.assertions.values():
        on_truth = node.id and chain.assertions[node.parent].is_true
        if on_truth and not node.is_true and chain.stake_of(node.proposer).status != SLASHED:
            outcome.broken.append("a liar kept its stake")


def measure(outcome: Outcome, silent: set[int]) -> None:
    """How much later than T and the censored seconds each head came."""
    chain = outcome.chain
    cut = sum(second <= chain.now for second in silent)
    for n in range(1, len(chain.finals)):
        parent = chain.assertions[chain.finals[n - 1]]
        born = max(chain.closed_at[n] + chain.G, parent.created_at)
        due = max(chain.final_at[n - 1], born + chain.T + cut)
        outcome.excess = max(outcome.excess, chain.final_at[n] - due)
    if not outcome.broken and outcome.excess > LATENCIES:
        outcome.broken.append(f"{outcome.excess} latencies late")
