"""Random lanes over text and scores, compared and counted; proofs of them, damaged."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

from oyez.protocol.inner import DEAD
from oyez.protocol.step_scores import NO_TOKEN
from oyez.protocol.trace import PAD_INT32
from tests import score_cases, token_cases
from tests.step_damage import WAYS, refuse
from tests.vocabulary_steps import Case, Setup, compare

#: What makes a lane of a kind: the kind's name and a seed.
KINDS: dict[str, Callable[[Setup, str, int], Case]] = {
    **dict.fromkeys(token_cases.KINDS, token_cases.make_case),
    **dict.fromkeys(score_cases.KINDS, score_cases.make_case),
}
#: Ways to damage what only some kinds have.
OF_ROWS = ("row", "row sibling", "hint")


def count_answers(kind: str, world: Setup, first: int, count: int) -> Counter[str]:
    """Compare so many lanes of a kind, and count what they came to."""
    seen: Counter[str] = Counter()
    for seed in range(first, first + count):
        found = compare(KINDS[kind](world, kind, seed))
        if found == DEAD:
            seen["dead"] += 1
        else:
            seen["filler" if found in (PAD_INT32, NO_TOKEN) else "value"] += 1
    return seen


def count_refused(draw: random.Random, world: Setup, way: str, first: int, most: int) -> int:
    """Damage proofs of all kinds in one way until so many are refused; none is accepted."""
    refused = 0
    for seed in range(first, first + most):
        for kind, make in KINDS.items():
            case = make(world, kind, seed)
            case.recompute()
            if refused < most and (way not in OF_ROWS or case.reads.read.rows):
                refused += refuse(draw, case.prove(), way)
    return refused


__all__ = ["KINDS", "WAYS", "count_answers", "count_refused"]
