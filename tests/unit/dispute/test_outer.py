"""The outer tree of an own result, node by node, against the claim that was proposed."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Sequence

import pytest

from oyez.derivation.history import Batch
from oyez.dispute import outer
from oyez.dispute.outer import OuterTraces, OuterTree
from oyez.dispute.traces import list_children, list_siblings
from oyez.protocol import codec, merkle, trace
from oyez.protocol.state import State
from oyez.protocol.transition import Execution
from oyez.protocol.types import ZERO_HASH, Claim, Entry, Hash32, Manifest
from tests.unit.protocol.actions import build_header
from tests.unit.protocol.test_batch import ACTION, ENGINE, MANIFESTS, apply, execute_all


class Kept:
    """One batch's executions, as a service keeps them."""

    def __init__(self, count: int) -> None:
        self.executions = execute_all(State.empty(), count)
        self.result = apply(self.executions)
        entries = [execution.entry for execution in self.executions]
        self.batch = Batch(build_header(entries, prevrandao=7), ZERO_HASH, tuple(entries))
        self.opened = 0

    def fetch_claim(self, number: int) -> Claim:
        assert number == 1
        return self.result.claim

    def fetch_executed(self, number: int) -> tuple[State, Batch, Sequence[Execution]]:
        assert number == 1
        return State.empty(), self.batch, self.executions

    def collect(self, entries: Sequence[Entry]) -> dict[Hash32, Manifest]:
        return dict(MANIFESTS)

    def fetch_manifest(self, manifest_hash: Hash32) -> Manifest:
        return MANIFESTS[manifest_hash]

    def open(self, prefix: Sequence[int]) -> object:
        self.opened += 1
        return ENGINE.open(prefix)

    def __getattr__(self, name: str) -> object:
        return getattr(ENGINE, name)


def make(count: int) -> tuple[Kept, OuterTree]:
    kept = Kept(count)
    return kept, OuterTraces(kept, kept).open_outer(1)


@pytest.mark.parametrize("count", [1, 4, 256])
def test_roots_are_those_of_the_claim(count: int) -> None:
    """Rule: CHAL-45"""
    kept, tree = make(count)
    claim, result = kept.result.claim, kept.result
    assert tree.get_node(24, 0) == claim.trace_root
    for call, root in enumerate(result.call_roots):
        assert tree.get_node(16, call) == root
    last = (1 << 24) - 1
    assert list_siblings(tree, 0, last) == result.last_record_proof
    expected = trace.build_last_record(claim.state_root, claim.outbox_root, claim.receipts_root)
    assert tree.get_node(0, last) == expected
    assert kept.opened == 0  # no call ran again so far


@pytest.mark.parametrize("count", [4, 256])
def test_every_way_down_folds(count: int) -> None:
    """All 16 children of every node on the way to a record fold to it. Rule: CHAL-45"""
    kept, tree = make(count)
    positions = len(kept.executions[3].position_roots)
    assert positions > 5
    for call in (0, 3, count - 1, 255):
        for position in (0, 1, 5, positions, positions + 1, 2_046, 2_047):
            for slot in (0, 1, 2, 3, 17, 31):
                check_path(tree, trace.compute_outer_index(call, position, slot))


def check_path(tree: OuterTree, index: int) -> None:
    for level in range(24, 0, -4):
        children = list_children(tree, level, index >> level)
        assert merkle.compute_root(children, 4, trace.record_tree()) == tree.get_node(
            level, index >> level
        )
    record = tree.get_node(0, index)
    siblings = list_siblings(tree, 0, index)
    assert merkle.fold_proof(record, index, siblings, trace.record_tree()) == tree.get_node(24, 0)


def test_a_duelled_call_runs_again_once() -> None:
    """Rule: CHAL-45"""
    kept, tree = make(4)
    call = 3
    assert kept.executions[call].position_roots
    for position in (1, 2, 3):
        for slot in range(32):
            tree.get_node(0, trace.compute_outer_index(call, position, slot))
    assert kept.opened == 1
    session = ENGINE.open(ACTION.prefix)
    prompt = kept.executions[call].prompt
    assert prompt is not None
    session.extend(prompt[len(ACTION.prefix) :])
    layers = session.layer_roots(1)
    first = trace.compute_outer_index(call, 2, 0)
    assert [tree.get_node(0, first + slot) for slot in range(len(layers))] == list(layers)
    assert tree.get_node(0, first + len(layers)) == trace.record_tree().empty[0]


def test_a_tree_is_kept_until_the_result_is_another() -> None:
    kept = Kept(4)
    traces = OuterTraces(kept, kept)
    first = traces.open_outer(1)
    assert traces.open_outer(1) is first
    kept.executions = execute_all(State.empty(), 2)
    kept.result = apply(kept.executions)
    entries = [execution.entry for execution in kept.executions]
    kept.batch = Batch(build_header(entries, prevrandao=7), ZERO_HASH, tuple(entries))
    again = traces.open_outer(1)
    assert again is not first
    assert again.get_node(24, 0) == kept.result.claim.trace_root
    assert codec.sha256(b"") != again.get_node(24, 0)


class Several:
    """Some batches' results, each of its own executions; counts what is derived again."""

    def __init__(self, count: int) -> None:
        self.all = [Kept(1 + number) for number in range(count)]
        self.derived: list[int] = []

    def fetch_claim(self, number: int) -> Claim:
        return self.all[number].result.claim

    def fetch_executed(self, number: int) -> tuple[State, Batch, Sequence[Execution]]:
        self.derived.append(number)
        return self.all[number].fetch_executed(1)

    def __getattr__(self, name: str) -> object:
        return getattr(self.all[0], name)


def open_all(traces: OuterTraces, *numbers: int) -> list[OuterTree]:
    """Ask for trees as duels do: down to the root's children."""
    found = [traces.open_outer(number) for number in numbers]
    for tree in found:
        list_children(tree, 24, 0)
    return found


def test_duels_on_many_batches_in_turn_make_each_tree_once() -> None:
    """Rule: CHAL-48"""
    results = Several(12)
    traces = OuterTraces(results, results)  # type: ignore[arg-type]  # both at once, as the service has
    first = open_all(traces, *range(12))
    for _ in range(3):
        assert open_all(traces, *range(12)) == first
    assert results.derived == list(range(12))


def test_trees_that_memory_has_no_room_for_go_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last is kept however large it is. Rule: CHAL-48"""
    results = Several(4)
    traces = OuterTraces(results, results)  # type: ignore[arg-type]  # as above
    sizes = [tree.estimate_bytes() for tree in open_all(traces, 0, 1, 2, 3)]
    assert sizes == sorted(sizes)
    monkeypatch.setattr(outer, "MOST_BYTES", sum(sizes[1:]))
    open_all(traces, 0)  # now the one asked for last: 1 goes
    assert results.derived == [0, 1, 2, 3]
    open_all(traces, 0, 2, 3)
    assert results.derived == [0, 1, 2, 3]
    open_all(traces, 1)
    assert results.derived == [0, 1, 2, 3, 1]
    monkeypatch.setattr(outer, "MOST_BYTES", 1)
    open_all(traces, 3, 3)
    open_all(traces, 0, 3)
    assert results.derived == [0, 1, 2, 3, 1, 0, 3]


def test_a_tree_is_about_as_large_as_it_says() -> None:
    """No larger, and half as large: position roots, which executions hold, count. Rule: CHAL-48"""
    kept = Kept(32)
    traces = OuterTraces(kept, kept)
    gc.collect()
    tracemalloc.start()
    try:
        tree = traces.open_outer(1)
        tree.get_node(24, 0)
        for call in range(0, 32, 4):
            tree.get_node(0, trace.compute_outer_index(call, 1, 0))
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < tree.estimate_bytes() < 2 * held
