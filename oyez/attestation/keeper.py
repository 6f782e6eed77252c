"""A service that keeps the chain's collateral fresh: without it attestation stops, and says so.

Anyone may run it, with any funded key. It decides from the chain alone and sends each part under a
key made of its content, so that a crash, a second keeper or a restart from nothing harms nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from oyez.attestation.collateral import Collateral, parse_collateral
from oyez.attestation.keeping import DAY, Submission, plan
from oyez.attestation.sources import CollateralSource
from oyez.chain.client import Chain, Mined, Reverted
from oyez.chain.sender import Sender
from oyez.chain.tdx import TdxCollateral
from oyez.protocol.errors import Invalid
from oyez.service import Log

#: How long before its end a part is renewed, of the 30 days that Intel's documents last.
MARGIN = 10 * DAY
#: How often the source is asked, in seconds of the chain's clock.
ASK_SECONDS = 3_600
#: In place of that: it is asked once.
NEVER = 1 << 40


@dataclass(frozen=True, slots=True)
class Parts:
    """What a keeper works with."""

    chain: Chain
    kept: TdxCollateral
    source: CollateralSource
    sender: Sender
    log: Log
    margin: int = MARGIN  # seconds
    ask_every: int = ASK_SECONDS


@dataclass(slots=True)
class Outcome:
    """What became of what the source gave when it was asked last.

    Attributes:
        kept: parts that the chain took, and in what transaction.
        refused: parts that it still lacks, and why it does not take them.
        unusable: why texts of the source are no collateral.
    """

    kept: list[tuple[Submission, Mined]] = field(default_factory=list)
    refused: list[tuple[Submission, str]] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)


class Keeper:
    """Asks the source, and sends what the chain lacks: one part a step.

    Rule: ENCLAVE-11
    """

    def __init__(self, parts: Parts) -> None:
        """Begin with nothing known."""
        self._parts = parts
        self.outcome = Outcome()
        self._given: list[Collateral] = []
        self._refused: dict[str, str] = {}  # key of a part => the contract's reason
        self._taken: set[str] = set()
        self._told: set[tuple[str, str]] = set()
        self._next_ask = 0

    def step(self) -> bool:
        """Send the next part that the chain lacks; False when there is none.

        Raises:
            Temporary: source or chain do not answer.
        """
        parts = self._parts
        now = parts.chain.fetch_block().timestamp
        if now >= self._next_ask:
            self._ask(now)
            self._next_ask = now + parts.ask_every
        refused: dict[str, Submission] = {}
        for given in self._given:
            for submission in plan(given, parts.kept, parts.margin, now):
                if submission.key in self._refused:
                    refused[submission.key] = submission
                elif submission.key not in self._taken:
                    self._send(submission)
                    return True
        if self._given:
            self.outcome.refused = [(one, self._refused[key]) for key, one in refused.items()]
        self._given = []  # nothing is lacking: rest until the source is asked again
        return False

    def rewind(self) -> None:
        """Ask again: what the chain no longer has is lacking."""
        self._next_ask = 0

    def _ask(self, now: int) -> None:
        """Take what the source has, as far as it can be read; the contract judges the rest."""
        parts = self._parts
        self._given, self._refused, self._taken, self._told = [], {}, set(), set()
        self.outcome = Outcome()
        for text in parts.source.fetch(now):
            try:
                given = parse_collateral(text)
            except Invalid as error:
                parts.log("unusable", reason=error)
                self.outcome.unusable.append(str(error))
                continue
            self._given.append(given)
            parts.log("found", fmspc=given.tcb_info.fmspc, until=given.tcb_info.until)

    def _send(self, submission: Submission) -> None:
        """Send one part; what is refused waits until another is taken or the source is asked."""
        parts = self._parts
        try:
            mined = parts.sender.send(submission.key, submission.transaction)
        except Reverted as error:
            self._refused[submission.key] = error.reason
            if (submission.key, error.reason) not in self._told:
                self._told.add((submission.key, error.reason))
                parts.log("refused", what=submission.what, reason=error.reason)
            return
        self._refused.clear()
        self._taken.add(submission.key)
        self.outcome.kept.append((submission, mined))
        parts.log(
            "kept", what=submission.what, why=submission.why, block=mined.block, gas=mined.gas_used
        )
