"""The machine of a service: inner traces end in the outer records, openings fold to the roots."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import decode

from oyez.chain.deployment import Deployment
from oyez.dispute import machine as machines
from oyez.dispute.call_traces import ChunkTree
from oyez.dispute.machine import RealMachine
from oyez.dispute.own_machine import open_machine
from oyez.dispute.step_proof import PROOF_TYPES
from oyez.dispute.traces import list_siblings
from oyez.dispute.witness import UnfoundedMove
from oyez.protocol import codec, inner, merkle, trace
from oyez.protocol.constants import LAST_POSITION, LAST_SLOT, RECORD_HEIGHT
from oyez.protocol.inner import DEAD
from oyez.protocol.inner_frame import Frame, get_record, layout_frame
from oyez.protocol.step import Step
from oyez.protocol.trace import Chunk, ChunkType
from oyez.protocol.types import Address, Hash32
from oyez.testing.scripted import ScriptedEngine
from tests.contracts.test_step_model import tiny
from tests.real_calls import PARENT, RealBatch, build_short_action, check_record

at = trace.compute_outer_index
#: The node of an inner tree over its record.
RECORD = (1 << (12 - RECORD_HEIGHT)) - 1


@functools.cache
def batch() -> RealBatch:
    engine = tiny("mixed")[0]
    return RealBatch(engine, build_short_action(engine), [b"hi there", b"\n", b"x"])


def prompt_length(call: int) -> int:
    prompt = batch().executions[call].prompt
    assert prompt is not None
    return len(prompt)


def test_an_inner_trace_ends_in_the_outer_record() -> None:
    """Rule: INNER-74, INNER-70"""
    real = batch()
    outer = real.traces.open_outer(1)
    for call in (0, 2):
        last = real.executions[call].positions
        for position in (1, prompt_length(call), last):
            for slot in range(real.engine.shape.layers):
                record = at(call, position, slot)
                tree = real.machine.open_inner(1, record)
                assert tree.get_node(RECORD_HEIGHT, RECORD) == outer.get_node(0, record)
                assert outer.get_node(0, record) != trace.record_tree().empty[0]


def test_where_no_token_stands_all_is_pad() -> None:
    """Rule: INNER-74, INNER-73"""
    machine, last = batch().machine, batch().executions[0].positions
    for record in (
        at(0, last + 1, 0),
        at(0, last + 1, LAST_SLOT),
        at(0, 0, LAST_SLOT),  # the prompt is not empty
        at(0, 1, 30),
        at(0, 0, 3),
        at(0, LAST_POSITION, LAST_SLOT),
        at(1, 1, 0),  # refused before the model ran
        at(1, 2, LAST_SLOT),
        at(3, 1, 0),
        at(255, 7, 1),
    ):
        tree = machine.open_inner(1, record)
        assert tree.get_node(12, 0) == trace.pad_tree().empty[12]


AROUND = [
    *(
        (call, position, slot)
        for call in range(4)
        for position, slots in ((0, 3), (LAST_POSITION, 2))
        for slot in range(slots)
    ),
    (255, LAST_POSITION, LAST_SLOT),
    (255, 0, 0),
]


@pytest.mark.parametrize("place", AROUND)
def test_a_record_around_the_tokens_ends_its_inner_trace(place: tuple[int, int, int]) -> None:
    """Rule: INNER-74"""
    real, record = batch(), at(*place)
    tree = real.machine.open_inner(1, record)

    assert tree.get_node(RECORD_HEIGHT, RECORD) == real.traces.open_outer(1).get_node(0, record)
    first = (1 << tree.height) - 16
    lives = place[0] < 3 or place[2] == LAST_SLOT
    assert (tree.get_leaf(first).type != 0) == lives
    assert tree.get_leaf(first - 1).type == 0


@pytest.mark.parametrize("place", AROUND)
def test_the_lanes_around_the_tokens_follow_from_their_steps(place: tuple[int, int, int]) -> None:
    """Rule: INNER-75"""
    assert check_record(batch().machine, at(*place), stride=5) > 0


def no_id(assertion_id: Hash32) -> bytes:
    raise AssertionError("no step of a layer asks for an assertion's id")


@pytest.mark.parametrize("call", [0, 1])
def test_every_chunk_has_its_path(call: int) -> None:
    """Rule: INNER-75"""
    real = batch()
    traces = real.machine.open_call(1, call)
    tree = ChunkTree(traces.outer, traces.get_chunks)
    source = traces.read(at(call, 1, 0))
    positions = (0, 1, 2, real.executions[call].positions, LAST_POSITION - 1)
    for position in positions:
        for slot in (0, 1, 2, 5, LAST_SLOT):
            record = at(call, position, slot)
            for chunk in (0, 1, 2, 15):
                leaf = trace.compute_chunk_leaf(source.get_outer(record, chunk))
                index = record << RECORD_HEIGHT | chunk
                siblings = list_siblings(tree, 0, index)
                folded = merkle.fold_proof(leaf, index, siblings, trace.pad_tree())
                assert folded == real.result.claim.trace_root, (position, slot, chunk)


def test_a_record_of_another_call_is_not_read() -> None:
    """Rule: INNER-74"""
    traces = batch().machine.open_call(1, 0)
    with pytest.raises(ValueError, match="belongs to another call than 0"):
        traces.get_chunks(at(2, 1, 0))
    with pytest.raises(UnfoundedMove, match="is not the call's"):
        traces.get_manifest(trace.Hash32(bytes(32)))
    assert traces.get_manifest(batch().action.hash)[0] == 1


def test_what_this_node_never_met_is_no_move() -> None:
    """Rule: FRAME-4"""
    traces = batch().machine.open_call(1, 0)
    record = get_record(0, Frame.ENTRY)
    known = codec.encode_batch(traces.given.header)
    source = traces.read(record)
    assert source.get_preimage(codec.keccak(known)) == known
    with pytest.raises(UnfoundedMove, match="nothing is known whose hash is 0x0101"):
        source.get_preimage(Hash32(b"\1" * 32))


def copy_input(step: Step) -> int:
    """Reads a leaf, an earlier record and a row, and answers the output's lane."""
    lanes = step.read("output")
    step.reads.read_outer(step.address.record - 1, 0, ChunkType.INT32)
    step.reads.read_outer(at(step.address.call, 0, 0), 0, ChunkType.INT32)
    step.reads.read_row(3, 5)
    assert step.reads.find_vocabulary(b"a") == ROWS.sorted_bytes.index(b"a")
    return DEAD if lanes is None else lanes[step.lane] + (step.lane == 9)


ROWS = tiny("mixed")[1]


def test_a_step_is_proven_by_what_it_reads() -> None:
    """Rule: INNER-75, INNER-8"""
    real = batch()
    machine = RealMachine(real.engine, real, real.traces, no_id, ops={26: copy_input})
    record = at(0, 3, 1)
    tree = machine.open_inner(1, record)
    leaf = machine.model.get_layout(record).get("output").start  # type: ignore[union-attr]  # a layer

    proof = machine.prove_step(1, record, leaf, 2, PARENT)

    leaves, rows, hint = decode(PROOF_TYPES, proof)
    own = trace.compute_chunk_leaf(Chunk(ChunkType.INT32, leaves[0][0]))
    assert merkle.fold_proof(own, leaf, leaves[0][1], trace.pad_tree()) == tree.get_node(12, 0)
    outer = trace.compute_chunk_leaf(Chunk(ChunkType.INT32, leaves[1][0]))
    chunk = (record - 1) << RECORD_HEIGHT
    folded = merkle.fold_proof(outer, chunk, leaves[1][1], trace.pad_tree())
    assert folded == real.result.claim.trace_root
    assert len(leaves[2][1]) == (at(0, 0, 0) << RECORD_HEIGHT ^ chunk).bit_length() - 1
    assert rows[0][0] == ROWS.get_row(3, 5)
    assert hint == ROWS.sorted_bytes.index(b"a")
    with pytest.raises(UnfoundedMove, match="gives another number than this node's"):
        machine.prove_step(1, record, leaf, 9, PARENT)


def test_a_later_lane_of_a_dead_leaf_is_no_move() -> None:
    """Rule: INNER-75, CHAL-41"""
    machine, record = batch().machine, get_record(9, Frame.ENTRY)
    scan = layout_frame(Frame.ENTRY, machine.model.inner_height).get("scan").start

    assert machine.prove_step(1, record, scan, 0, PARENT)
    with pytest.raises(UnfoundedMove, match=f"leaf {scan} of record {record} is PAD"):
        machine.prove_step(1, record, scan, 5, PARENT)


def test_a_slot_without_steps_needs_no_opening() -> None:
    """Rule: INNER-73"""
    proof = batch().machine.prove_step(1, at(0, 1, 30), 5, 0, PARENT)
    assert decode(PROOF_TYPES, proof) == ((), (), 0)


def test_a_call_runs_again_once_while_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule: INNER-74"""
    real = batch()
    machine = RealMachine(real.engine, real, real.traces, no_id)
    ran: list[int] = []
    backend_run = real.engine.backend.run

    def count(cache: object, tokens: object) -> object:
        ran.append(1)
        return backend_run(cache, tokens)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(real.engine.backend, "run", count)
    first = machine.open_inner(1, at(0, 2, 0))
    once = len(ran)
    assert machine.open_inner(1, at(0, 2, 0)) is first
    machine.open_inner(1, at(0, 3, 1))
    assert len(ran) == once > 0
    machine.open_inner(1, at(2, 1, 0))
    both = len(ran)
    machine.open_inner(1, at(0, 2, 0))
    machine.open_inner(1, at(2, 1, 0))
    assert len(ran) == both == 2 * once
    room = machine.open_call(1, 0).size + machine.open_call(1, 2).size
    monkeypatch.setattr(machines, "KEPT_BYTES", room)
    machine.open_call(1, 0)
    machine.open_call(1, 2)
    assert len(ran) == both
    monkeypatch.setattr(machines, "KEPT_BYTES", room - 1)
    machine.open_call(1, 0)  # the other one was used longer ago
    machine.open_call(1, 0)
    assert len(ran) == both
    machine.open_inner(1, at(2, 1, 0))
    assert len(ran) == both + once
    first = machine.open_inner(1, at(0, 2, 0))
    for position in range(1, 9):
        machine.open_inner(1, at(0, position, 0))
    assert machine.open_inner(1, at(0, 2, 0)) is not first


def test_a_machine_is_opened_where_steps_are_verified() -> None:
    """Rule: INNER-76"""
    real = batch()
    nowhere: Any = None
    game = {"DuelGame": Address(bytes(20))}
    plain = Deployment("http://nowhere", 1, 0, game)
    assert open_machine(nowhere, plain, real.engine, real, real.traces) is None
    steps = replace(plain, contracts={**game, "StepTable": Address(bytes(20))})
    assert open_machine(nowhere, steps, ScriptedEngine(seed=3), real, real.traces) is None


def test_layouts_are_those_of_the_model() -> None:
    machine = batch().machine
    assert machine.model.get_layout(at(0, 1, 0)) == inner.layout_layer(batch().engine.shape)
