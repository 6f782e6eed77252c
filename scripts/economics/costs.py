"""What transactions and replays cost, as this repository measured them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from oyez.protocol import constants as c

ROOT = Path(__file__).resolve().parents[2]
WEI_PER_GWEI = 10**9
#: Gas of a transaction and of its calldata's bytes, none of them zero, at the floor of EIP-7623.
FLOOR_BASE, FLOOR_BYTE = 21_000, 40
#: Bytes of a batch data row beside the output.
ROW_BYTES = 42


@dataclass(frozen=True, slots=True)
class Gas:
    """Whole transactions from receipts (tests/snapshots/gas.json), in gas."""

    submit: int
    closing: int
    close_batch: int
    propose: int
    data_byte: int
    finalize: int

    def proposing(self, data_bytes: int) -> int:
        """Gas of a proposal with that much batch data, none of it zero, and of its finality."""
        plain = self.propose + self.data_byte * data_bytes
        return max(plain, FLOOR_BASE + FLOOR_BYTE * data_bytes) + self.finalize


@dataclass(frozen=True, slots=True)
class Verifier:
    """The reference verifier: one core, positions a second, from docs/measurements/verifier.json.

    Attributes:
        decoding: tokens that the model chooses one by one; calls of one cell wait for each other,
            so a second core does not help.
        prefilling: tokens known beforehand.
    """

    decoding: float
    prefilling: float

    @property
    def slowest(self) -> float:
        """Positions a second of the call that suits it least."""
        return min(self.decoding, self.prefilling)


#: Seconds that a call of one position takes to replay beside the model: a measured 4 ms.
CALL_SECONDS = 0.004


def load_gas() -> Gas:
    """Read the gas snapshot."""
    found = json.loads((ROOT / "tests/snapshots/gas.json").read_text(encoding="utf-8"))
    return Gas(
        submit=found["submit, 512 bytes, exact fee, mean"],
        closing=found["submit, extra of closing a batch of 255"],
        close_batch=found["close_batch, 1 entry"],
        propose=found["propose, no data"],
        data_byte=found["propose, a byte of data"],
        finalize=found["finalize"],
    )


def load_verifier() -> Verifier:
    """Read the rates of one thread, measured beside llama.cpp; `make bench` measures two."""
    found = json.loads((ROOT / "docs/measurements/verifier.json").read_text(encoding="utf-8"))
    return Verifier(found["decode"]["oyez"]["median"], found["prefill"]["oyez"]["median"])


def break_even_gwei(income: int, gas: int) -> float:
    """Return the gas price in gwei above which `gas` costs more than `income` wei."""
    return income / gas / WEI_PER_GWEI if gas else float("inf")


#: What one entry pays its proposer at least, in wei.
BASE_FEE = c.BASE_FEE_WEI
