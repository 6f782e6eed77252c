"""Damaged proofs that nobody may accept, and every kind of tree against its slow twin."""

from __future__ import annotations

from scripts.soak.part import Block, Part, Result
from tests.tree_fuzz import count_damaged, count_plain
from tests.tree_shapes import count_shapes


def run(block: Block) -> Result:
    """Damage so many proofs of every kind in every way, in Python and on chain; compare trees."""
    rng = block.rng()
    counts = count_damaged(rng, block.items) + count_plain(rng, block.items)
    for _ in range(max(1, block.items // 10)):
        counts += count_shapes(rng)
    return Result(counts)


PART = Part("trees", "proofs damaged in 7 ways, none accepted; trees equal slow ones", run, 50, 100)
