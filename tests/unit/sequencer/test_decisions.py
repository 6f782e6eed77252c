"""When to close, and what a decision about forks is made from."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oyez.protocol.errors import Fatal
from oyez.protocol.types import Hash32
from sequencer.batcher import Policy, decide_close
from sequencer.proposer import gather, verify_head
from sequencer.rows import Contradiction
from sequencer.store import open_store
from tests.unit.protocol.actions import build_entry
from tests.unit.sequencer.build import ACTION, GENESIS, SEQUENCER, Story, checkpoint

STORY = Story(3)


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


def test_the_sequencer_decides_like_any_honest_client(tmp_path: Path) -> None:
    """Rule: SEQ-10."""
    store = open_store(tmp_path / "sequencer.db")
    for index, stage in enumerate(["final", "proposed", "built"]):
        STORY.write(store, index, stage)
    facts = gather(store, GENESIS, checkpoint(99))

    assert (facts.block, facts.time, facts.is_complete) == (checkpoint(99), 1_023, True)
    tree = facts.tree
    first, second, _ = STORY.built
    assert (tree.head, tree.head_id, facts.head_is_true) == (1, first.assertion_id, True)
    (node,) = tree.list_of(SEQUENCER)
    assert (node.assertion_id, node.created_at) == (second.assertion_id, 1_015)
    assert list(facts.own) == [2, 3]
    for number, own in facts.own.items():
        batch = STORY.batches[number - 1]
        assert (own.batch_hash, own.opened_at) == (batch.batch_hash, batch.header.opened_at)
        assert own.claim == STORY.built[number - 1].claim
    store.close()


def test_a_head_that_is_not_built_yet_is_no_ground_to_build_on(tmp_path: Path) -> None:
    """Rule: SEQ-10."""
    store = open_store(tmp_path / "sequencer.db")
    STORY.write(store, 0, "closed")
    STORY._window(store, 0, "proposed", 5)
    STORY._window(store, 0, "final", 6)
    facts = gather(store, GENESIS, checkpoint(9))
    assert (facts.tree.head, facts.head_is_true, facts.is_complete) == (1, False, False)
    store.close()


def test_another_final_history_stops() -> None:
    """Rule: SEQ-13."""
    verify_head(None)
    with pytest.raises(Fatal, match="batch 2 became final as 0x0101"):
        verify_head(Contradiction(STORY.built[1].batch, Hash32(b"\x01" * 32), Hash32(b"\2" * 32)))
