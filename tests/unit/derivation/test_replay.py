from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oyez.derivation import manifests, records, replay
from oyez.derivation.history import Batch
from oyez.derivation.manifests import ManifestSource, fetch_manifest_bytes
from oyez.protocol import codec
from oyez.protocol.errors import Fatal, Invalid, Temporary
from oyez.protocol.manifest import encode_manifest
from oyez.protocol.state import State
from oyez.protocol.transition import Execution
from oyez.protocol.types import (
    ZERO_ADDRESS,
    Address,
    Cell,
    CellKind,
    Code,
    Entry,
    Hash32,
    Manifest,
    Outcome,
    Value,
)
from oyez.testing.scripted import ScriptedEngine
from tests.unit.protocol.actions import build_action, build_entry, build_header

SHARED = build_action()
NAMED = build_action(cell_kind=CellKind.NAMED)
MANIFESTS = {SHARED.hash: SHARED, NAMED.hash: NAMED}
ENGINE = ScriptedEngine(seed=5)
POINTER = Address(b"\x0d" * 20)

CALLS = st.lists(
    st.tuples(
        st.sampled_from([SHARED, NAMED]),
        st.sampled_from([b"one", b"two"]),
        st.sampled_from([b"fine", b"a\nb", b"\xff", b'"}', b""]),
    ),
    min_size=1,
    max_size=7,
)


def build_entries(calls: list[tuple[Manifest, bytes, bytes]]) -> list[Entry]:
    return [
        build_entry(action, index, cell=cell if action is NAMED else b"", input=text)
        for index, (action, cell, text) in enumerate(calls)
    ]


def build_batches(entries: list[Entry], cut: int) -> list[Batch]:
    batches = []
    for number, part in enumerate([p for p in (entries[:cut], entries[cut:]) if p], 1):
        header = build_header(part, number)
        batches.append(Batch(header, codec.compute_batch_hash(header), tuple(part)))
    return batches


@settings(max_examples=25, deadline=None)
@given(calls=CALLS, cut=st.integers(0, 7))
def test_a_batch_is_the_same_however_it_is_derived(
    calls: list[tuple[Manifest, bytes, bytes]], cut: int
) -> None:
    """Rule: DERIVE-8, SEQ-7."""
    entries = build_entries(calls)
    batches = build_batches(entries, cut)
    results = list(replay.derive_all(batches, lambda _: MANIFESTS, ENGINE))
    executions = replay.execute_all(State.empty(), entries, MANIFESTS, ENGINE)
    known = {execution.entry.call_id: execution for execution in executions}

    class Silent:
        """Runs nothing: all that is needed is known."""

        shape, vocabulary, model_root = ENGINE.shape, ENGINE.vocabulary, ENGINE.model_root

    state = State.empty()
    for batch, result in zip(batches, results, strict=True):
        again = replay.derive(state, batch, MANIFESTS, Silent(), known)  # type: ignore[arg-type]  # an engine that must not run
        assert (again.claim, again.batch_data) == (result.claim, result.batch_data)
        state = again.state
    assert replay.fold_state(State.empty(), executions, MANIFESTS).root == results[-1].state.root


@settings(max_examples=25, deadline=None)
@given(calls=CALLS)
def test_a_cells_replay_is_what_all_calls_together_gave_it(
    calls: list[tuple[Manifest, bytes, bytes]],
) -> None:
    """Rule: DERIVE-9."""
    entries = build_entries(calls)
    executions = replay.execute_all(State.empty(), entries, MANIFESTS, ENGINE)
    for execution in executions:
        call_id = execution.entry.call_id
        replayed = replay.replay_cell(entries, call_id, MANIFESTS.__getitem__, ENGINE)
        assert replayed.last == execution
        same = [e for e in executions[: call_id + 1] if e.cell_key == execution.cell_key]
        assert list(replayed.executions) == same
        assert replayed.tokens_run == sum(e.positions for e in same)


@pytest.mark.parametrize("call_id", [-1, 2])
def test_a_call_that_is_not_in_the_inbox_is_refused(call_id: int) -> None:
    """Rule: DERIVE-9."""
    entries = build_entries([(SHARED, b"", b"x")] * 2)
    with pytest.raises(Invalid, match="it holds 2"):
        replay.replay_cell(entries, call_id, MANIFESTS.__getitem__, ENGINE)


SCALARS = st.one_of(st.binary(max_size=9), st.booleans(), st.integers(-(2**255), 2**255))
VALUES: st.SearchStrategy[Value] = st.one_of(SCALARS, st.lists(SCALARS, max_size=3).map(tuple))
WORDS = st.binary(min_size=32, max_size=32).map(Hash32)
CELLS = st.none() | st.builds(
    Cell, WORDS, st.integers(1, 2**40), st.lists(VALUES, max_size=4).map(tuple)
)
IDS = st.lists(st.integers(0, 2**24), max_size=5).map(tuple)
EXECUTIONS = st.builds(
    Execution,
    entry=st.just(build_entry(SHARED)),
    manifest_hash=WORDS,
    outcome=st.sampled_from(Outcome),
    code=st.sampled_from(Code),
    detail=st.integers(0, 2**32 - 1),
    prompt=st.none() | IDS,
    tokens=IDS,
    output=st.binary(max_size=20),
    cell_key=WORDS,
    cell_before=CELLS,
    cell_after=CELLS,
    first_sampler=WORDS,
    position_roots=st.lists(WORDS, max_size=4).map(tuple),
    seed=st.none() | WORDS,
)


@given(execution=EXECUTIONS)
def test_a_stored_execution_is_read_back_exactly(execution: Execution) -> None:
    """Rule: SEQ-4."""
    record = records.encode_execution(execution)
    found = records.decode_execution(execution.entry, record)
    assert found == execution
    before = [type(v) for v in execution.cell_before.values] if execution.cell_before else []
    after = [type(v) for v in found.cell_before.values] if found.cell_before else []
    assert before == after


@given(execution=EXECUTIONS, data=st.data())
def test_a_damaged_record_is_fatal_or_read(execution: Execution, data: st.DataObject) -> None:
    record = bytearray(records.encode_execution(execution))
    at = data.draw(st.integers(0, len(record) - 1))
    record[at] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(0, len(record)))
    for damaged in (bytes(record), bytes(record[:cut])):
        try:
            records.decode_execution(execution.entry, damaged)
        except Fatal as error:
            assert "empty home" in str(error)  # noqa: PT017  # decoding may also succeed


class Registry:
    """Stands for ActionRegistry and its chain: one manifest at one pointer."""

    def __init__(self, code: bytes, pointer: Address = POINTER) -> None:
        self.code = code
        self.pointer = pointer
        self.chain = self

    def fetch_pointer(self, _hash: Hash32, _at: object) -> Address:
        return self.pointer

    def fetch_code(self, address: Address, _at: object) -> bytes:
        assert address == self.pointer
        return self.code


def test_a_manifest_is_code_without_its_stop_byte() -> None:
    """Rule: DERIVE-6."""
    data = encode_manifest(SHARED)

    def fetch(registry: Registry) -> bytes:
        return fetch_manifest_bytes(registry, SHARED.hash)  # type: ignore[arg-type]  # the seam's twin

    assert fetch(Registry(b"\0" + data)) == data
    for code in (b"", b"\0", data, b"\x01" + data, b"\0" + data + b"\0", b"\0" + data[:-1]):
        with pytest.raises(Invalid, match="use another RPC"):
            fetch(Registry(code))
    with pytest.raises(Temporary, match="is it synced"):
        fetch(Registry(b"\0" + data, ZERO_ADDRESS))


def test_an_engine_that_is_not_the_listed_model_is_fatal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule: DERIVE-7."""
    shape_hash = codec.compute_shape_hash(ENGINE.shape)
    listed: dict[str, Any] = {}

    class Models:
        def __init__(self, _chain: object, _deployment: object) -> None: ...

        def fetch_model(self, _index: int, _at: object) -> Any:
            return manifests_record(**listed)

    def manifests_record(root: Hash32, shape: Hash32) -> Any:
        return type("Record", (), {"root": root, "shape_hash": shape})

    monkeypatch.setattr(manifests, "ModelRegistry", Models)
    monkeypatch.setattr(manifests, "ActionRegistry", lambda *_: Registry(b""))

    def fetch() -> Any:
        return ManifestSource(None, None, ENGINE).fetch_model(0)  # type: ignore[arg-type]  # nothing is asked of a chain

    listed |= {"root": ENGINE.model_root, "shape": shape_hash}
    assert fetch() == ENGINE.shape
    listed["root"] = Hash32(b"\x01" * 32)
    with pytest.raises(Fatal, match="use the GGUF file that the deployment names"):
        fetch()
    listed |= {
        "root": ENGINE.model_root,
        "shape": codec.compute_shape_hash(replace(ENGINE.shape, layers=3)),
    }
    with pytest.raises(Fatal, match="another version of oyez"):
        fetch()
