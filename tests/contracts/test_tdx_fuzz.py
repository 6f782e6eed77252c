"""No flipped bit or other damage of a real quote is accepted; altered ones as in Python."""

from __future__ import annotations

import random

from tests import tdx_fuzz


def test_flipped_damaged_and_altered_quotes_on_chain() -> None:
    """Rule: ATTEST-1, ATTEST-12, ATTEST-16"""
    counts = tdx_fuzz.count_all(random.Random(21), 200, 880, 120)

    assert sum(n for name, n in counts.items() if name.startswith("flipped bit refused")) == 200
    assert sum(n for name, n in counts.items() if name.startswith("altered")) == 120
    assert counts.total() == 1_200
    for kind in ("splice", "field", "length", "scalar", "leaf", "bytes", "move"):
        assert counts[f"{kind} refused"] >= 50, kind
    both = [name for name in counts if name.endswith("accepted by both")]
    assert len(both) >= 3
    assert sum(counts[name] for name in both) >= 20
