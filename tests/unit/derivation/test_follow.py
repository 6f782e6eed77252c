from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oyez.chain.deployment import Deployment
from oyez.derivation import follow
from oyez.derivation.follow import Checkpoint, fetch_window, find_common
from oyez.protocol.errors import Rewind, Temporary
from oyez.protocol.types import Address
from tests.unit.chain.test_events import QUEUED, build_log
from tests.unit.derivation.memory_chain import MemoryChain

INBOX, ROLLUP = Address(b"\x0a" * 20), Address(b"\x0b" * 20)
PLACE = Deployment("memory", 31_337, 2, {"Inbox": INBOX, "Rollup": ROLLUP})


def read(chain: MemoryChain, after: Checkpoint | None, **options: Any) -> follow.Window | None:
    return fetch_window(chain, PLACE, after, **options)  # type: ignore[arg-type] # the seam's twin


def queue(chain: MemoryChain, call_id: int, block: int, address: Address = INBOX) -> None:
    log = build_log("CallQueued", QUEUED | {"call_id": call_id})
    chain.logs.append(dataclasses.replace(log, block=block, address=address))


@given(steps=st.lists(st.integers(1, 5), max_size=8), window=st.integers(1, 7))
def test_every_event_is_read_once_and_in_order(steps: list[int], window: int) -> None:
    """Rule: DERIVE-1."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(follow, "WINDOW_BLOCKS", window)
        chain = MemoryChain()
        chain.grow(1)
        seen: list[int] = []
        after = None
        for step in steps:
            for block in range(len(chain.branches), len(chain.branches) + step):
                if block >= PLACE.deployment_block:
                    queue(chain, block, block)
            chain.grow(step)
            while (found := read(chain, after)) is not None:
                seen += [event.entry.call_id for event in found.events]  # type: ignore[union-attr]  # calls alone are queued here
                after = found.last
                assert found.time == 1_000 + after.number
                assert found.is_newest == (after.number == len(chain.branches) - 1)
        assert seen == list(range(PLACE.deployment_block, len(chain.branches)))


def test_a_changed_checkpoint_is_a_rewind() -> None:
    """Rule: DERIVE-1."""
    chain = MemoryChain()
    chain.grow(6)
    found = read(chain, None)
    assert found is not None
    chain.reorg(4)
    with pytest.raises(Rewind, match="block 5"):
        read(chain, found.last)
    chain.branches = chain.branches[:5]
    with pytest.raises(Rewind):
        read(chain, found.last)


def test_a_chain_that_changes_while_it_is_read_is_read_again() -> None:
    """Rule: DERIVE-1."""
    chain = MemoryChain()
    chain.grow(4)
    chain.on_logs = lambda: chain.reorg(3)
    with pytest.raises(Temporary, match="changed at block 3"):
        read(chain, None)

    chain = MemoryChain()
    chain.grow(4)
    first = read(chain, None)
    assert first is not None
    chain.grow(2)
    chain.on_logs = lambda: chain.reorg(3)
    with pytest.raises(Rewind):
        read(chain, first.last)


def test_a_window_ends_where_it_is_told() -> None:
    chain = MemoryChain()
    chain.grow(9)
    found = read(chain, None, until=5)
    assert found is not None
    assert found.last.number == 5
    assert read(chain, found.last, until=5) is None
    short = MemoryChain()
    short.grow(1)
    assert read(short, None) is None


def test_another_contracts_event_is_ignored() -> None:
    chain = MemoryChain()
    chain.grow(4)
    queue(chain, 0, 3, Address(b"\x0f" * 20))
    found = read(chain, None)
    assert found is not None
    assert found.events == ()


@given(length=st.integers(1, 12), fork=st.integers(0, 12))
def test_the_newest_kept_checkpoint_is_common(length: int, fork: int) -> None:
    """Rule: DERIVE-2."""
    chain = MemoryChain()
    chain.grow(length)
    known = [Checkpoint(n, chain.fetch_block(n).hash) for n in reversed(range(length))]
    chain.reorg(min(fork, length))
    common = find_common(chain, known)  # type: ignore[arg-type] # the seam's twin
    assert (None if common is None else common.number) == (min(fork, length) - 1 if fork else None)
