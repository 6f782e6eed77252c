"""When to close, what to propose, what to finalize: pure functions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oyez.protocol.errors import Fatal
from oyez.protocol.types import Hash32
from sequencer.batcher import Policy, decide_close
from sequencer.proposer import Finalize, Propose, decide, verify_head
from sequencer.rows import Contradiction, KnownAssertion
from tests.unit.protocol.actions import build_entry
from tests.unit.sequencer.build import ACTION, Story

STORY = Story(3)
T = 600


@given(
    blocks=st.lists(st.integers(1, 20), max_size=4).map(sorted),
    block=st.integers(1, 22),
    time=st.integers(0, 30),
    wait=st.integers(0, 10),
)
def test_a_batch_closes_late_enough_and_never_in_its_last_calls_block(
    blocks: list[int], block: int, time: int, wait: int
) -> None:
    """Rule: SEQ-9."""
    entries = [
        (build_entry(ACTION, index, timestamp=10 + index), at) for index, at in enumerate(blocks)
    ]
    closes = decide_close(entries, block=block, time=time, policy=Policy(wait))
    assert closes == (bool(blocks) and block > blocks[-1] and time >= 10 + wait)


def pending(*numbers: int, created_at: int = 1_000) -> list[KnownAssertion]:
    return [
        KnownAssertion(STORY.built[n - 1].assertion_id, STORY.built[n - 1].batch, created_at)
        for n in numbers
    ]


def test_what_is_built_is_proposed_in_order_without_waiting() -> None:
    """Rule: SEQ-10."""
    for count in range(3):
        known = pending(*range(1, count + 1))
        action = decide(STORY.built, known, time=1_000, challenge_window=T)
        assert action == Propose(STORY.built[count])
    assert decide(STORY.built, pending(1, 2, 3), time=1_000, challenge_window=T) is None
    assert decide([], [], time=1_000, challenge_window=T) is None


@pytest.mark.parametrize(("time", "is_due"), [(1_599, False), (1_600, True), (9_999, True)])
def test_the_oldest_is_finalized_when_its_window_is_over(time: int, is_due: bool) -> None:
    """Rule: SEQ-10."""
    first = STORY.built[0]
    action = decide(STORY.built, pending(1, 2, 3), time=time, challenge_window=T)
    assert action == (Finalize(first.batch, first.assertion_id) if is_due else None)
    # It comes before proposing more, and a later one never comes before it.
    action = decide(STORY.built, pending(1), time=time, challenge_window=T)
    assert isinstance(action, Finalize) == is_due
    assert decide(STORY.built, pending(2), time=time, challenge_window=T) == Propose(first)


def test_a_rivals_assertion_is_not_ours() -> None:
    rival = KnownAssertion(Hash32(b"\x01" * 32), STORY.built[0].batch, 0)
    action = decide(STORY.built, [rival], time=9_999, challenge_window=T)
    assert action == Propose(STORY.built[0])


def test_another_final_history_stops() -> None:
    """Rule: SEQ-13."""
    verify_head(None)
    with pytest.raises(Fatal, match="batch 2 became final as 0x0101"):
        verify_head(Contradiction(STORY.built[1].batch, Hash32(b"\x01" * 32), Hash32(b"\2" * 32)))
