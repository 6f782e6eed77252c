"""Flipped and damaged TDX quotes on chain: none accepted; altered and signed ones as in Python."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from scripts.mutate.named import run_named
from scripts.soak.part import Block, Part, Result
from tests import tdx_fuzz, tdx_readers
from tests.contracts.tdx_mutants import MUTANTS

ROOT = Path(__file__).resolve().parents[2]


def run(block: Block) -> Result:
    """Judge so many quotes on chain, and as many inputs of each reader.

    Of the items a sixth are flipped bits, the rest structured damage; one in five of those is
    signed again and judged in Python too.

    Raises:
        AssertionError: a damaged quote was accepted, or a judgement or reading differs.
    """
    flips = block.items // 6
    altered = (block.items - flips) // 5
    rng = block.rng()
    counts: Counter[str] = Counter()
    counts += tdx_fuzz.count_all(rng, flips, block.items - flips - altered, altered)
    for reader in tdx_readers.list_readers():
        counts += tdx_readers.fuzz(rng, reader, block.items)
    return Result(counts)


def run_mutants(block: Block) -> Result:
    """Run the named mutants of what judges quotes.

    Raises:
        AssertionError: a test does not notice its mutant, or fails without it.
    """
    outcome = run_named(ROOT, MUTANTS, lambda line: print(f"soak: {line}", flush=True))
    assert not outcome.wrong, outcome.wrong
    assert not outcome.survived, outcome.survived
    return Result(Counter({"named mutants killed": len(outcome.killed)}))


PART = Part("tdx", "damaged quotes, certificates, lists and documents on chain", run, 20, 600)
MUTATED = Part(
    "tdx_mutants",
    "each check of a quote dropped and noticed",
    run_mutants,
    1,
    len(MUTANTS),
)
