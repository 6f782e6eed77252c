"""5,000 manifests of a grammar and every bound, judged by the parser and by the contract.

OYEZ_SEED sets the seed; `make soak PART=manifests` judges 100,000.
"""

from __future__ import annotations

import os
import random

import pytest

from tests.contracts.manifests import Draft, enum, string
from tests.manifest_bounds import PAST_ABI, Bound, list_bounds
from tests.manifest_fuzz import compare, count_manifests

SEED = int(os.environ.get("OYEZ_SEED", "1"))


def test_five_thousand_manifests_are_judged_alike(capsys: pytest.CaptureFixture[str]) -> None:
    """Rules: MANIFEST-1 to MANIFEST-26: at least a fifth is accepted, of changed ones too."""
    counts = count_manifests(random.Random(SEED), 5_000)
    with capsys.disabled():
        print(f"\nseed {SEED}: {dict(counts.most_common(8))}")
    changed = counts["one field changed, accepted"] + counts["one field changed, refused"]
    assert counts["manifests"] == 5_000
    assert counts["accepted"] * 5 >= counts["manifests"]
    assert counts["one field changed, accepted"] * 5 >= changed
    assert sum(name.startswith("changed, ") for name in counts) >= 38
    assert sum(name.startswith("refused, MANIFEST-") for name in counts) >= 20


@pytest.mark.parametrize("bound", list_bounds(), ids=lambda bound: bound[0].replace(" ", "-"))
def test_each_bound_is_the_last_that_is_accepted(bound: Bound) -> None:
    _, at, past = bound
    for draft in at:
        assert compare(draft.encode()) == (None, None), draft
    for draft in past:
        rule, reason = compare(draft.encode())
        assert rule is not None, draft
        assert reason is not None
        assert reason.startswith("gate: ") or reason == PAST_ABI


def test_without_a_name_the_description_is_what_begins_inside_a_character() -> None:
    fields = (enum(b"mood", b"a"), string(b"s\xc3", 9))
    draft = Draft(rows=fields, title=b"", story=b"\xa9")

    assert compare(draft.encode())[1] == "gate: story inside a character"
