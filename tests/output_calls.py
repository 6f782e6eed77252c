"""Random calls of a scripted engine, and the inner trace of what each put out and computed."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from oyez.dispute.frame.compute import build_output
from oyez.engines.exact.inner_leaves import LANES, InnerLeaves
from oyez.protocol import (
    cells,
    codec,
    masks,
    schema,
    step_compute,
    step_scalars,
    trace_records,
    transition,
)
from oyez.protocol import step as steps
from oyez.protocol.assertions import compute_empty_outbox_root
from oyez.protocol.execution import Execution
from oyez.protocol.inner import DEAD
from oyez.protocol.inner_frame import Frame, find_frame, get_record, layout_frame
from oyez.protocol.manifest import encode_manifest
from oyez.protocol.state import State
from oyez.protocol.step import Address, ChunkLanes, Lanes, StepModel
from oyez.protocol.trace import PAD_CHUNK, Chunk, ChunkType
from oyez.protocol.transition import CallRecords
from oyez.protocol.types import (
    ZERO_HASH,
    Cell,
    Code,
    FieldType,
    Hash32,
    Manifest,
    ModelShape,
    Outcome,
    Value,
)
from oyez.protocol.vocabulary import Vocabulary
from oyez.testing.scripted import Mode, ScriptedEngine, build_vocabulary
from tests.call_fuzz import CALLERS, World, close_batch, random_action, random_entry, random_upgrade
from tests.unit.protocol.actions import build_entry, build_header

HEIGHT = 12
OPS = {**step_scalars.OPS, **step_compute.OPS}


def build_model(shape: ModelShape) -> StepModel:
    """Return what steps around the tokens know of a model: its shape."""
    return StepModel(
        root=ZERO_HASH,
        shape=shape,
        records=1,
        tied=True,
        embedding_type=8,
        head_type=8,
        epsilon=1,
        score_scale=1,
        output_exponent=0,
        layers=(),
        inner_height=HEIGHT,
    )


@dataclass
class Call:
    """One call, its place in its batch, and the leaves of its output's record."""

    index: int
    manifest: Manifest
    vocabulary: Vocabulary
    records: CallRecords
    leaves: InnerLeaves

    def get_outer(self, record: int, chunk: int) -> Chunk:
        """Return a chunk of the call's prologue."""
        frame = find_frame(record)
        assert frame in (Frame.ENTRY, Frame.STATE, Frame.PROMPT)
        assert get_record(self.index, frame) == record
        chunks = trace_records.build_prologue_chunks(self.records.contents)[record & 31]
        return chunks[chunk] if chunk < len(chunks) else PAD_CHUNK


def run_calls(rng: random.Random, count: int) -> list[Call]:
    """Run a batch of random calls of a few actions and of their later versions."""
    world = World(
        ScriptedEngine(rng.choice(list(Mode)), seed=rng.getrandbits(16), context=640),
        masks.allowed_tokens,
    )
    first = [random_action(rng, world) for _ in range(max(1, count // 4))]
    versions = [[a, random_upgrade(rng, world, a), random_upgrade(rng, world, a)] for a in first]
    manifests = {m.hash: m for chain in versions for m in chain}
    entries = []
    for index in range(count):
        chain = rng.choice(versions)
        action_id = codec.compute_action_id(CALLERS[1], chain[0].hash)
        entry = random_entry(rng, index, rng.choice(chain), action_id)
        entries.append(dataclasses.replace(entry, input=entry.input[: rng.choice((9, 1_024))]))
    header = close_batch(rng, 1, entries)
    cells: dict[Hash32, Cell | None] = {}
    executions = []
    for entry in entries:
        manifest = manifests[entry.manifest_hash]
        key = codec.compute_cell_key(entry.action_id, manifest.cell_kind, entry.caller, entry.cell)
        cell = cells.get(key)
        execution = transition.execute_call(
            entry=entry,
            manifest=manifest,
            cell=cell,
            engine=world.engine,
            allowed=world.allowed,
            previous=manifests[cell.manifest_hash] if cell is not None else None,
            seed=transition.find_noise_seed(manifest, entry.call_id, header),
        )
        cells[key] = execution.cell_after
        executions.append(execution)
    records = transition.list_call_records(
        state=State.empty(),
        header=header,
        executions=executions,
        manifests=manifests,
        outbox_root=compute_empty_outbox_root(),
    )
    return [
        build_call(index, manifests[entry.manifest_hash], world.engine.vocabulary, found)
        for index, (entry, found) in enumerate(zip(entries, records, strict=True))
    ]


def build_call(
    index: int, manifest: Manifest, vocabulary: Vocabulary, records: CallRecords
) -> Call:
    """Make the output's inner trace of a call."""
    layout = layout_frame(Frame.OUTPUT, HEIGHT)
    contents, ending = records.contents, records.ending
    tokens = records.execution.tokens
    leaves = build_output(layout, manifest, vocabulary, tokens, contents, ending)
    return Call(index, manifest, vocabulary, records, leaves)


class CallReads:
    """What the steps of an output's record read, each chunk decoded once."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._known: dict[tuple[int, int], Lanes | None] = {}

    def read_inner(self, leaf: int, kind: ChunkType) -> Lanes | None:
        if (-1, leaf) not in self._known:
            self._known[-1, leaf] = decode(self._call.leaves.get_chunk(leaf), kind)
        return self._known[-1, leaf]

    def read_outer(self, record: int, chunk: int, kind: ChunkType) -> Lanes | None:
        if (record, chunk) not in self._known:
            self._known[record, chunk] = decode(self._call.get_outer(record, chunk), kind)
        return self._known[record, chunk]

    def read_manifest(self, manifest_hash: Hash32) -> bytes:
        assert manifest_hash == self._call.manifest.hash
        return encode_manifest(self._call.manifest)

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"these steps never ask to {name}")


def decode(chunk: Chunk, kind: ChunkType) -> Lanes | None:
    """Return a chunk's lanes; None if it is PAD."""
    if chunk.type is ChunkType.PAD:
        return None
    assert chunk.type is kind
    found = ChunkLanes(chunk)
    return [found[lane] for lane in range(LANES[kind])]


def check_call(call: Call) -> Counter[str]:
    """Hold every lane of a call's output to its step; count them by op."""
    shape = ScriptedEngine(context=640).shape
    model = build_model(shape)
    reads = CallReads(call)
    counts: Counter[str] = Counter()
    record = get_record(call.index, Frame.OUTPUT)
    for region in call.leaves.layout.regions:
        if region.op not in OPS:
            continue
        for leaf in range(region.start, region.start + region.leaves):
            own = reads.read_inner(leaf, region.type)
            for lane in range(1 if own is None else LANES[region.type]):
                address = Address(record, leaf, lane)
                # a leaf's later lanes are not to be read
                before = (own or [])[:lane]  # type: ignore[index]  # a list, as `decode` made it
                value = steps.recompute(OPS, model, address, before, reads)  # type: ignore[arg-type]  # no more is asked
                expected = DEAD if own is None else own[lane]
                assert value == expected, (region.name, leaf - region.start, lane, value, expected)
                counts[region.name] += 1
    return counts


def describe(call: Call) -> Iterator[str]:
    """Say what a call is an example of."""
    execution = call.records.execution
    yield execution.code.name
    before = execution.cell_before
    if before is None:
        yield "absent cell"
    else:
        yield "stored cell" if before.manifest_hash == call.manifest.hash else "migrated cell"
    if not execution.output:
        return
    if any(byte >= 0x80 for byte in execution.output):
        yield "text that is not ASCII"
    if b'""' in execution.output:
        yield "empty string"
    if b"[]" in execution.output:
        yield "empty array"
    if b": -" in execution.output:
        yield "negative integer"
    for field in call.manifest.fields:
        kind = "array of " if field.type is FieldType.ARRAY else ""
        yield f"{field.role.name} {kind}{field.base.name}"
    if any(e.target is None for e in call.manifest.expressions):
        yield "guard"


def write_call(manifest: Manifest, values: dict[int, Value], **changes: Any) -> Call:
    """Return a call that put out these values; `changes` are its entry's."""
    vocabulary = build_vocabulary()
    entry = build_entry(manifest, **changes)
    output = schema.format_output(manifest.fields, values)
    tokens = tuple(vocabulary.greedy(output))
    met = schema.initial_values(manifest.fields)
    after, code, detail = cells.apply_output(
        manifest=manifest, entry=entry, cell=None, values=met, output=output
    )
    execution = Execution(
        entry=entry,
        manifest_hash=manifest.hash,
        outcome=Outcome.ACCEPTED if code is Code.NONE else Outcome.REJECTED,
        code=code,
        detail=detail,
        prompt=(),
        tokens=tokens,
        output=output,
        cell_key=cells.compute_key(entry, manifest),
        cell_before=None,
        cell_after=after,
        first_sampler=ZERO_HASH,
        position_roots=(ZERO_HASH,) * len(tokens),
        seed=None,
    )
    (records,) = transition.list_call_records(
        state=State.empty(),
        header=build_header([entry]),
        executions=[execution],
        manifests={manifest.hash: manifest},
        outbox_root=compute_empty_outbox_root(),
    )
    return build_call(0, manifest, vocabulary, records)
