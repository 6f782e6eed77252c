"""What a call's output holds and computes: every lane is its step's, and the record the trace's."""

from __future__ import annotations

import random
from collections import Counter

from oyez.protocol import trace, trace_records
from tests import output_calls
from tests.output_calls import HEIGHT, OPS

#: Of batches that hold all of these examples together.
SEEDS = (2, 19, 40)
EXAMPLES = {
    *("NONE", "BAD_INPUT", "CONTEXT_OVERFLOW", "OUT_OF_TOKENS", "COMPUTE", "GUARD"),
    *("absent cell", "stored cell", "migrated cell", "guard"),
    *("empty string", "empty array", "negative integer", "text that is not ASCII"),
    *(f"WRITES {kind}" for kind in ("STRING", "ENUM", "BOOLEAN", "INTEGER")),
    *(f"WRITES array of {kind}" for kind in ("STRING", "ENUM", "BOOLEAN", "INTEGER")),
    *(f"COMPUTE {kind}" for kind in ("ENUM", "BOOLEAN", "INTEGER")),
}


def test_every_lane_from_the_scalars_on_is_that_of_its_step() -> None:
    """Rule: FRAME-52, FRAME-53, FRAME-54, FRAME-55, FRAME-56, FRAME-57, FRAME-58, FRAME-59
    Rule: FRAME-60, FRAME-61, FRAME-62, FRAME-63, FRAME-64, FRAME-65, FRAME-66, FRAME-67, FRAME-68
    Rule: FRAME-69, EXPR-1, EXPR-2, EXPR-3, EXPR-4, EXPR-5, EXPR-6
    """
    seen: Counter[str] = Counter()
    lanes: Counter[str] = Counter()
    for seed in SEEDS:
        for call in output_calls.run_calls(random.Random(seed), 10):
            seen.update(output_calls.describe(call))
            lanes += output_calls.check_call(call)
            first = (1 << HEIGHT) - 16
            record = [call.leaves.get_chunk(leaf) for leaf in range(first, 1 << HEIGHT)]
            assert record[3:] == [trace.PAD_CHUNK] * 13
            assert record[:3] == trace_records.build_epilogue_chunks(call.records.ending)[0]
    assert set(seen) >= EXAMPLES
    assert len(lanes) == len(OPS)
    assert min(lanes.values()) > 300
