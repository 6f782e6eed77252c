"""Attackers on the inbox, block by block against the model of it; what an hour costs and reaches.

Each stands first in every block, which is the most that money buys; priority fees are not counted.
The first hour warms up, the second is counted.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from oyez.protocol import constants as c
from scripts.economics import costs
from scripts.economics.inbox import Batch, Inbox, Refused, Rules

BLOCK_SECONDS = 12
HOUR = 3_600
HEAVY = c.MAX_FIXED_POSITIONS
#: An action of one position that declares the longest output, but can write one token.
HOLLOW_WORK, HOLLOW_BYTES = 1, c.MAX_OUTPUT_BYTES
#: The densest output there can be: a model that was led to write tokens of 64 dashes alone. Fields
#: with one option, which need no leading, reach 917 bytes in 86 positions.
DENSE_WORK, DENSE_BYTES = 32, c.MAX_OUTPUT_BYTES
#: Eleven integers of 77 digits that must all be written: nothing is forced but names.
DECODED_WORK, DECODED_BYTES = 930, 970


@dataclass(frozen=True, slots=True)
class Deployment:
    """Periods in seconds, beside the inbox's own rules."""

    rules: Rules
    grace: int
    response: int


PRODUCTION = Deployment(
    Rules(burst=c.MAX_BATCH_WORK, leak=c.LEAK_PER_SECOND, max_seconds=600, min_seconds=60),
    grace=3_600,
    response=86_400,
)


@dataclass(frozen=True, slots=True)
class Result:
    """One hour of one attacker; money in wei.

    Attributes:
        lost: base fees and prices that somebody else earns.
        burned: surge.
        gas: of his transactions; of his proposals too where he is the sequencer.
        income, proposing: what the proposer of the hour's batches earns, and the gas he needs.
        measure: what was reached, in words and numbers.
    """

    attacker: str
    goal: str
    reached: str
    lost: int
    burned: int
    gas: int
    income: int
    proposing: int
    measure: str

    def cost(self, gwei: float) -> int:
        """What the hour costs the attacker at a gas price, in wei."""
        return self.lost + self.burned + round(self.gas * gwei * costs.WEI_PER_GWEI)

    def profit(self, gwei: float) -> int:
        """What the proposer of the hour's batches keeps, in wei; below 0 it loses money."""
        return self.income - round(self.proposing * gwei * costs.WEI_PER_GWEI)


class Run:
    """Two hours of blocks; everything sent and refused in the second."""

    def __init__(self, deployment: Deployment, seed: int) -> None:
        """Begin with an empty inbox at an arbitrary time."""
        self.deployment = deployment
        self.gas_of = costs.load_gas()
        self.inbox = Inbox(deployment.rules)
        self.random = random.Random(seed)
        self.now = self.block = 0
        self.counting = False
        self.sent: list[int] = []  # surge of each counted call of the attacker
        self.work = self.gas = self.tried = self.refused = 0
        self.closed: list[Batch] = []

    def play(self, attack: Callable[[Run], None]) -> None:
        """Let the attacker act in each block, and count the second hour."""
        for _ in range(2 * HOUR // BLOCK_SECONDS):
            self.now += BLOCK_SECONDS
            self.block += 1
            self.counting = self.now > HOUR
            attack(self)

    def submit(self, work: int, output_bytes: int) -> bool:
        """The attacker submits, for exactly the quote."""
        before = len(self.inbox.batches)
        try:
            fee = self.inbox.quote(work, self.now)
            self.inbox.submit("attacker", work, output_bytes, fee, self.now, self.block)
        except Refused:
            return False
        closing = len(self.inbox.batches) > before
        self.note_closing(before)
        if self.counting:
            self.sent.append(fee - c.BASE_FEE_WEI - c.PRICE_WEI_PER_WORK * work)
            self.work += work
            self.gas += self.gas_of.submit + closing * self.gas_of.closing
        return True

    def try_victim(self) -> None:
        """Somebody with an ordinary call comes after the attacker in the same block."""
        before = len(self.inbox.batches)
        work = self.random.randint(50, 600)
        refused = False
        try:
            fee = self.inbox.quote(work, self.now)
            self.inbox.submit("victim", work, 60, fee, self.now, self.block)
        except Refused:
            refused = True
        self.note_closing(before)
        self.tried += self.counting
        self.refused += self.counting and refused

    def try_close(self) -> bool:
        """Anyone tries to close."""
        before = len(self.inbox.batches)
        try:
            self.inbox.close_batch(self.now, self.block)
        except Refused:
            return False
        self.note_closing(before)
        return True

    def note_closing(self, before: int) -> None:
        """Keep the batches that were closed in the counted hour."""
        if self.counting:
            self.closed += self.inbox.batches[before - 1 : -1]

    @property
    def escrowed(self) -> int:
        """Base fees and quiet prices of the attacker's counted calls, in wei."""
        return c.BASE_FEE_WEI * len(self.sent) + c.PRICE_WEI_PER_WORK * self.work

    def proposing(self, row_bytes: int) -> int:
        """Gas of proposing and finalizing the hour's batches, rows of that many bytes."""
        return sum(self.gas_of.proposing(row_bytes * len(b.entries)) for b in self.closed)

    def result(
        self,
        attacker: str,
        goal: str,
        reached: str,
        measure: str,
        *,
        output_bytes: int = 20,
        sequencer: bool = False,
    ) -> Result:
        """Sum up; a sequencer gets what is escrowed back at finality, and proposes himself."""
        proposing = self.proposing(costs.ROW_BYTES + output_bytes)
        return Result(
            attacker=attacker,
            goal=goal,
            reached=reached,
            lost=0 if sequencer else self.escrowed,
            burned=sum(self.sent),
            gas=self.gas + sequencer * proposing,
            income=sum(batch.escrowed for batch in self.closed),
            proposing=proposing,
            measure=measure,
        )


def starve(how: str, deployment: Deployment, seed: int, *, sequencer: bool = False) -> Result:
    """Keep others out: `how` is "work", "outputs" or "entries", what each block is filled with."""
    work, output_bytes, count = {
        "work": (HEAVY, 20, c.MAX_BATCH_ENTRIES),
        "outputs": (HOLLOW_WORK, HOLLOW_BYTES, c.MAX_BATCH_OUTPUT_BYTES // HOLLOW_BYTES),
        "entries": (HOLLOW_WORK, 20, c.MAX_BATCH_ENTRIES),
    }[how]
    run = Run(deployment, seed)

    def attack(run: Run) -> None:
        for _ in range(count):
            if not run.submit(work, output_bytes):
                break
        run.try_victim()

    run.play(attack)
    share = run.refused / run.tried
    return run.result(
        "sequencer" if sequencer else "flooder",
        f"{'shut' if sequencer else 'starve'} by {how}",
        "yes" if share >= 0.99 else "no",
        f"{share:.1%} of others refused, {len(run.sent)} calls",
        sequencer=sequencer,
    )


def outrun(deployment: Deployment, seed: int, *, tiny: bool = False) -> Result:
    """Have more admitted than the reference verifier replays, so that a false root is not seen."""
    verifier = costs.load_verifier()
    work, output_bytes = (HOLLOW_WORK, 20) if tiny else (DECODED_WORK, DECODED_BYTES)
    run = Run(deployment, seed)

    def attack(run: Run) -> None:
        for _ in range(c.MAX_BATCH_ENTRIES):
            if not run.submit(work, output_bytes):
                break

    run.play(attack)
    busy = run.work / verifier.slowest + len(run.sent) * costs.CALL_SECONDS
    batch = max(
        b.work / verifier.slowest + len(b.entries) * costs.CALL_SECONDS for b in run.inbox.batches
    )
    return run.result(
        "flooder",
        "outrun verifiers by " + ("tiny calls" if tiny else "long outputs"),
        "no" if busy < HOUR and batch < deployment.response / 4 else "yes",
        f"{busy / HOUR:.0%} of one core; a batch takes {batch:.0f} s of D/4 = "
        f"{deployment.response // 4:,} s",
        output_bytes=output_bytes,
    )


def force_bytes(deployment: Deployment, seed: int) -> Result:
    """Make the proposer post the most bytes for the fees it earns."""
    run = Run(deployment, seed)

    def attack(run: Run) -> None:
        for _ in range(c.MAX_BATCH_ENTRIES):
            if not run.submit(DENSE_WORK, DENSE_BYTES):
                break

    run.play(attack)
    rows = sum(len(batch.entries) for batch in run.closed)
    posted = rows * (costs.ROW_BYTES + DENSE_BYTES)
    return priced(run, "flooder", "force batch data on proposers", DENSE_BYTES, f"{posted:,} bytes")


def thin(deployment: Deployment, seed: int) -> Result:
    """Make the proposer post batches of one call."""
    run = Run(deployment, seed)

    def attack(run: Run) -> None:
        if not run.inbox.batches[-1].entries:
            run.submit(HOLLOW_WORK, 20)
        elif run.try_close() and run.counting:
            run.gas += run.gas_of.close_batch

    run.play(attack)
    return priced(run, "flooder", "force batches of one call", 20, f"{len(run.closed)} batches")


def priced(run: Run, attacker: str, goal: str, output_bytes: int, measure: str) -> Result:
    """Sum up an attack on the proposer's purse: it is reached above some gas price."""
    found = run.result(attacker, goal, "", measure, output_bytes=output_bytes)
    limit = costs.break_even_gwei(found.income, found.proposing)
    return run.result(attacker, goal, f"above {limit:.1f} gwei", measure, output_bytes=output_bytes)


def delay(deployment: Deployment, seed: int) -> Result:
    """One cheap call before the closer in every block, to keep the batch open."""
    run = Run(deployment, seed)

    def attack(run: Run) -> None:
        run.submit(HOLLOW_WORK, 20)
        run.try_close()

    run.play(attack)
    ages = [
        batch.closed_at - batch.opened_at for batch in run.closed if batch.closed_at is not None
    ]
    latest = max(ages)
    longest = deployment.rules.max_seconds + BLOCK_SECONDS
    left = deployment.rules.max_seconds + deployment.grace - latest
    return run.result(
        "flooder",
        "keep batches open",
        "no" if latest <= longest else "yes",
        f"closed at {latest} s at the latest; {left} s left to the sequencer",
    )


def run_all(seed: int, deployment: Deployment = PRODUCTION) -> list[Result]:
    """Run every attacker."""
    return [
        *(starve(how, deployment, seed) for how in ("work", "outputs", "entries")),
        *(starve(how, deployment, seed, sequencer=True) for how in ("work", "outputs")),
        outrun(deployment, seed),
        outrun(deployment, seed, tiny=True),
        force_bytes(deployment, seed),
        thin(deployment, seed),
        delay(deployment, seed),
    ]
