"""Calls of any kind on an engine of traps: what the steps of their prompts and outputs read."""

from __future__ import annotations

import dataclasses
import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property

from oyez.dispute.frame.output import put_output
from oyez.dispute.frame.prompt import build_prompt
from oyez.engines import base
from oyez.engines.exact import model_tree
from oyez.engines.exact.inner_leaves import LANES, InnerLeaves
from oyez.protocol import (
    cells,
    codec,
    step,
    step_output,
    step_prompt,
    trace,
    trace_records,
    transition,
)
from oyez.protocol.assertions import compute_empty_outbox_root
from oyez.protocol.constants import LAST_SLOT
from oyez.protocol.decoding import Decoded
from oyez.protocol.execution import begin_call
from oyez.protocol.inner import DEAD, Region
from oyez.protocol.inner_frame import Frame, get_record, layout_frame
from oyez.protocol.manifest import encode_manifest
from oyez.protocol.state import State
from oyez.protocol.step import Address, Context, Lanes, LayerFormats, StepModel
from oyez.protocol.trace import PAD_CHUNK, Chunk, ChunkType
from oyez.protocol.trace_records import Prologue
from oyez.protocol.transition import CallRecords
from oyez.protocol.types import Cell, Entry, Hash32, Manifest, SegmentKind
from oyez.testing.scripted import Mode, ScriptedEngine
from tests import call_fuzz
from tests.output_calls import decode

HEIGHT = 12
OPS = {**step_prompt.OPS, **step_output.OPS}
#: Whose regions are held here: all of a prompt's record, of an output's the first.
REGIONS = (
    *("cursor", "prompt_head", "prompt_tokens"),
    *("ends", "output_owner", "text", "parse"),
)


def build_model(engine: ScriptedEngine) -> StepModel:
    """Return what verifiers would know of a model with this vocabulary."""
    return StepModel(
        root=engine.model_root,
        shape=engine.shape,
        records=len(engine.vocabulary.ids_by_bytes),
        tied=True,
        embedding_type=8,
        head_type=8,
        epsilon=1,
        score_scale=1,
        output_exponent=1,
        layers=(LayerFormats(1, 1, 1, 1, 1, (8,) * 7),) * engine.shape.layers,
        inner_height=HEIGHT,
    )


@dataclasses.dataclass
class Call:
    """One call that ran, or was refused, and what the steps of its prompt and output read."""

    engine: ScriptedEngine
    index: int
    manifest: Manifest
    records: CallRecords
    decoded: Decoded | None

    @property
    def contents(self) -> Prologue:
        return self.records.contents

    @cached_property
    def leaves(self) -> dict[Frame, InnerLeaves]:
        """Both records' inner traces, as a node makes them."""
        vocabulary = self.engine.vocabulary
        layout = layout_frame(Frame.PROMPT, HEIGHT)
        prompt = build_prompt(layout, self.contents, self.manifest, vocabulary)
        output = InnerLeaves(layout_frame(Frame.OUTPUT, HEIGHT))
        put_output(output, self.manifest, vocabulary, self.records.execution.tokens)
        return {Frame.PROMPT: prompt, Frame.OUTPUT: output}

    @cached_property
    def outer(self) -> dict[int, Sequence[Chunk]]:
        """The chunks of the call's records, but for the layers'."""
        prologue = trace_records.build_prologue_chunks(self.contents)
        chunks: dict[int, Sequence[Chunk]] = {
            get_record(self.index, frame): prologue[slot]
            for slot, frame in enumerate((Frame.ENTRY, Frame.STATE, Frame.PROMPT))
        }
        if self.decoded is not None and self.contents.prompt is not None:
            made = trace_records.build_sampler_chunks(self.decoded.steps)
            for at, sampler in enumerate(made, len(self.contents.prompt)):
                chunks[trace.compute_outer_index(self.index, at, LAST_SLOT)] = sampler
        return chunks


class CallReads:
    """What a record's steps read: the call's own chunks, each decoded once."""

    def __init__(self, call: Call, frame: Frame) -> None:
        self._call = call
        self._leaves = call.leaves[frame]
        self._known: dict[tuple[int, int], Lanes | None] = {}
        vocabulary = call.engine.vocabulary
        self._sorted = sorted(vocabulary.ids_by_bytes)
        self._records = list(model_tree.iterate_vocabulary(vocabulary))
        self._manifest = encode_manifest(call.manifest)

    def read_inner(self, leaf: int, kind: ChunkType) -> Lanes | None:
        if (-1, leaf) not in self._known:
            self._known[-1, leaf] = decode(self._leaves.get_chunk(leaf), kind)
        return self._known[-1, leaf]

    def read_outer(self, record: int, chunk: int, kind: ChunkType) -> Lanes | None:
        if (record, chunk) not in self._known:
            chunks = self._call.outer.get(record, ())
            found = chunks[chunk] if chunk < len(chunks) else PAD_CHUNK
            self._known[record, chunk] = decode(found, kind)
        return self._known[record, chunk]

    def read_row(self, tensor: int, row: int) -> bytes:
        if tensor == 1:
            return self._records[row]
        data = self._call.engine.vocabulary.tokens[row] or b""
        return b"\x01" + len(data).to_bytes(2, "big") + data

    def read_part(self, tensor: int, row: int, part: int, size: int) -> bytes:
        raise AssertionError("no step here reads part of a row")

    def read_manifest(self, manifest_hash: Hash32) -> bytes:
        assert manifest_hash == self._call.manifest.hash
        return self._manifest

    def find_vocabulary(self, rest: bytes) -> int:
        return bisect_right(self._sorted, rest) - 1

    def read_preimage(self, digest: Hash32) -> bytes:
        raise AssertionError("no step here asks for a preimage")

    def get_context(self) -> Context:
        raise AssertionError("no step here asks for its batch")


class Before:
    """The lanes of a leaf before one of them."""

    def __init__(self, lanes: Lanes | None, end: int) -> None:
        self._lanes = lanes
        self._end = end

    def __getitem__(self, lane: int) -> int:
        assert self._lanes is not None
        assert 0 <= lane < self._end
        return self._lanes[lane]


def check_call(call: Call, every: int = 1, first: int = 0) -> Counter[str]:
    """Hold lanes of a call's prompt and output to their steps: one in `every`, all first ones.

    Returns:
        How many were held, by region.
    """
    held: Counter[str] = Counter()
    for frame, leaves in call.leaves.items():
        reads = CallReads(call, frame)
        for region in leaves.layout.regions:
            if region.name in REGIONS:
                held[region.name] += _check_region(call, frame, region, reads, every, first)
    return held


def _check_region(
    call: Call, frame: Frame, region: Region, reads: CallReads, every: int, first: int
) -> int:
    held = 0
    record = get_record(call.index, frame)
    for leaf in range(region.start, region.start + region.leaves):
        own = reads.read_inner(leaf, region.type)
        lanes = LANES[region.type] if own is not None else 1
        for lane in sorted({0, *range(first, lanes, every)}):
            at = Address(record, leaf, lane)
            value = step.recompute(OPS, build_model(call.engine), at, Before(own, lane), reads)
            expected = DEAD if own is None else own[lane]
            assert value == expected, (region.name, leaf - region.start, lane)
            held += 1
    return held


def draw_calls(seed: int, size: int, context: int = 640) -> list[Call]:
    """Run one batch of calls of random actions, several of them on the same cells."""
    rng = random.Random(seed)
    engine = ScriptedEngine(rng.choice(list(Mode)), seed=seed, context=context)
    world = call_fuzz.World(engine, lambda *_: ())
    versions = []
    for _ in range(2):
        action = call_fuzz.random_action(rng, world)
        versions.append([action, call_fuzz.random_upgrade(rng, world, action)])
    entries = []
    for at in range(size):
        chain = rng.choice(versions)
        action_id = codec.compute_action_id(call_fuzz.CALLERS[1], chain[0].hash)
        entries.append(call_fuzz.random_entry(rng, at, rng.choice(chain), action_id))
    return run_calls(
        rng, engine, {action.hash: action for chain in versions for action in chain}, entries
    )


def run_calls(
    rng: random.Random,
    engine: ScriptedEngine,
    manifests: Mapping[Hash32, Manifest],
    entries: list[Entry],
) -> list[Call]:
    """Run a batch's calls one after another; a cell's next manifest migrates it."""
    header = call_fuzz.close_batch(rng, 1, entries)
    stored: dict[Hash32, Cell | None] = {}
    executions, decoded = [], []
    for entry in entries:
        manifest = manifests[entry.manifest_hash]
        key = cells.compute_key(entry, manifest)
        cell = stored.get(key)
        begun = begin_call(
            entry=entry,
            manifest=manifest,
            cell=cell,
            engine=engine,
            previous=manifests[cell.manifest_hash] if cell is not None else None,
            seed=transition.find_noise_seed(manifest, entry.call_id, header),
        )
        made = None
        if not isinstance(begun, transition.Execution):
            session = engine.open(begun.prefix)
            made = base.drive(begun.steps(), session)
            begun = begun.finish(session, made)
        stored[key] = begun.cell_after
        executions.append(begun)
        decoded.append(made)
    records = transition.list_call_records(
        state=State.empty(),
        header=header,
        executions=executions,
        manifests=manifests,
        outbox_root=compute_empty_outbox_root(),
    )
    return [
        Call(engine, index, manifests[found.contents.entry.manifest_hash], found, made)
        for index, (found, made) in enumerate(zip(records, decoded, strict=True))
    ]


def describe(call: Call) -> list[str]:
    """Say what a call is an example of."""
    execution, entry = call.records.execution, call.contents.entry
    kinds = [segment.kind for segment in call.manifest.segments]
    before = execution.cell_before
    stored = "absent" if before is None else "stored"
    if before is not None and before.manifest_hash != call.manifest.hash:
        stored = "migrated"
    found = [execution.code.name, f"{stored} cell"]
    if call.contents.prompt is not None:
        found += [f"slot {kind.name}" for kind in kinds]
        found += ["empty prompt"] * (not call.contents.prompt)
        found += ["empty input shown"] * (SegmentKind.INPUT in kinds and not entry.input)
        found += ["other than ASCII shown"] * (
            SegmentKind.INPUT in kinds and max(entry.input, default=0) > 127
        )
    found += ["other than ASCII put out"] * (max(execution.output, default=0) > 127)
    found += ["an array put out"] * (b": [" in execution.output)
    found += ["a negative number put out"] * (b": -" in execution.output)
    return found


def list_spans(call: Call) -> list[tuple[int, int]]:
    """Return from where to where in its slot's text each token of a slot goes."""
    cursor = call.leaves[Frame.PROMPT].layout.get("cursor")
    spans, before = [], 0
    for leaf in range(cursor.start, cursor.start + cursor.leaves):
        lanes = decode(call.leaves[Frame.PROMPT].get_chunk(leaf), ChunkType.INT32)
        assert lanes is not None
        for at in range(0, 256, 2):
            if lanes[at] >= 0:
                data = call.engine.vocabulary.tokens[lanes[at]] or b""
                spans.append((before & 0xFFFF, (before & 0xFFFF) + len(data)))
                before = lanes[at + 1]
    return spans
