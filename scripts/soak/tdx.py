"""Flipped and damaged TDX quotes on chain: none accepted; altered and signed ones as in Python."""

from __future__ import annotations

from collections import Counter

from scripts.soak.part import Block, Part, Result
from tests import tdx_fuzz, tdx_readers


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


PART = Part("tdx", "damaged quotes, certificates, lists and documents on chain", run, 20, 600)
