"""Batches of random calls of a scripted engine, as facts, and what their frame's steps read."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from oyez.dispute.frame.entry import add_batch, build_entry
from oyez.dispute.frame.facts import CallFacts, Preimages, RootsBefore
from oyez.dispute.frame.roots import build_last, build_roots
from oyez.dispute.frame.state import build_state
from oyez.engines.exact.inner_leaves import LANES, InnerLeaves
from oyez.protocol import assertions, codec, masks, step_entry, step_roots, step_state, transition
from oyez.protocol import step as steps
from oyez.protocol.constants import RECEIPTS_HEIGHT
from oyez.protocol.inner import DEAD
from oyez.protocol.inner_frame import Frame, find_frame, layout_frame
from oyez.protocol.manifest import encode_manifest
from oyez.protocol.merkle import Frontier
from oyez.protocol.state import State
from oyez.protocol.step import Address, ChunkLanes, Context, Lanes
from oyez.protocol.trace import PAD_CHUNK, Chunk, ChunkType
from oyez.protocol.trace_records import build_epilogue_chunks, build_prologue_chunks
from oyez.protocol.types import Address as Account
from oyez.protocol.types import Cell, Code, Hash32
from oyez.testing.scripted import Mode, ScriptedEngine
from tests.call_fuzz import World, close_batch, random_action, random_entry, random_upgrade
from tests.output_calls import HEIGHT, build_model

OPS = {**step_entry.OPS, **step_state.OPS, **step_roots.OPS}
CONTEXT = 640
BUILDERS: dict[Frame, Callable[..., InnerLeaves]] = {
    Frame.ENTRY: build_entry,
    Frame.STATE: build_state,
    Frame.ROOTS: build_roots,
    Frame.LAST: build_last,
}


@dataclass(frozen=True)
class FrameBatch:
    """A batch of calls of which everything is known.

    `parent` is what the id of the assertion before is the hash of.
    """

    parent: bytes
    calls: Sequence[CallFacts]
    manifests: Mapping[Hash32, bytes]

    @property
    def context(self) -> Context:
        header = self.calls[0].header
        return Context(codec.keccak(self.parent), codec.compute_batch_hash(header))

    def get_outer(self, record: int, chunk: int) -> Chunk:
        """Return a chunk of a record around some call's tokens."""
        frame, call = find_frame(record), record >> 16
        if call >= len(self.calls):
            return PAD_CHUNK
        facts = self.calls[call]
        if frame in (Frame.ENTRY, Frame.STATE, Frame.PROMPT):
            chunks = build_prologue_chunks(facts.prologue)[record & 31]
        else:
            assert frame in (Frame.OUTPUT, Frame.ROOTS)
            chunks = build_epilogue_chunks(facts.epilogue)[record & 31]
        return chunks[chunk] if chunk < len(chunks) else PAD_CHUNK

    def build(self, index: int, frame: Frame, preimages: Preimages) -> InnerLeaves:
        """Make the inner trace of one of a call's records; LAST is the batch's.

        Of a call that is not there it is PAD alone.
        """
        preimages.add(self.parent)
        if frame is not Frame.LAST and index >= len(self.calls):
            add_batch(self.calls[0].header, self.calls[0].entries, preimages)
            return InnerLeaves(layout_frame(frame, HEIGHT))
        facts = self.calls[-1 if frame is Frame.LAST else index]
        return BUILDERS[frame](layout_frame(frame, HEIGHT), facts, preimages)


def run_batch(
    rng: random.Random, count: int, *, cells: int = 12, deep: bool = False, number: int = 2
) -> FrameBatch:
    """Run a batch of random calls of a few actions and of their later versions.

    Args:
        rng: of everything.
        count: of calls.
        cells: that are stored before, of no call.
        deep: some cells of calls have a neighbour whose key shares 200 bits and more.
        number: the batch's; of batch 1 the assertion before is the first one.
    """
    engine = ScriptedEngine(rng.choice(list(Mode)), seed=rng.getrandbits(16), context=CONTEXT)
    world = World(engine, masks.allowed_tokens)
    first = [random_action(rng, world) for _ in range(max(1, count // 4))]
    versions = [[a, random_upgrade(rng, world, a), random_upgrade(rng, world, a)] for a in first]
    manifests = {m.hash: m for chain in versions for m in chain}
    entries = []
    for index in range(count):
        chain = rng.choice(versions)
        action_id = codec.compute_action_id(Account(b"\x01" * 20), chain[0].hash)
        entry = random_entry(rng, index, rng.choice(chain), action_id)
        entries.append(dataclasses.replace(entry, input=entry.input[: rng.choice((9, 1_024))]))
    header = close_batch(rng, number, entries)
    state = State.empty()
    stored: dict[Hash32, Cell | None] = {}
    executions = []
    keys = []
    for entry in entries:
        manifest = manifests[entry.manifest_hash]
        key = codec.compute_cell_key(entry.action_id, manifest.cell_kind, entry.caller, entry.cell)
        keys.append(key)
        cell = stored.get(key)
        execution = transition.execute_call(
            entry=entry,
            manifest=manifest,
            cell=cell,
            engine=world.engine,
            allowed=world.allowed,
            previous=manifests[cell.manifest_hash] if cell is not None else None,
            seed=transition.find_noise_seed(manifest, entry.call_id, header),
        )
        stored[key] = execution.cell_after
        executions.append(execution)
    outbox = assertions.compute_empty_outbox_root()
    parent = codec.encode_hashed("ASSERTION", 31_337, b"\x07" * 20)
    if number > 1:
        near = [flip(key, rng.choice((60, 200, 254, 255))) for key in keys[::2]] if deep else []
        draft = next(iter(manifests.values()))
        cell = Cell(draft.hash, 3, tuple(field.initial for field in draft.fields))
        for key in [*(Hash32(rng.randbytes(32)) for _ in range(cells)), *near]:
            state = state.with_cell(key, cell, draft.fields)
        outbox = Hash32(rng.randbytes(32))
        before, batch_hash, trace_root, receipts = (rng.randbytes(32) for _ in range(4))
        words = (before, 0, number - 1, batch_hash, trace_root, state.root, outbox, receipts)
        parent = codec.encode_hashed("ASSERTION", 31_337, b"\x07" * 20, *words)
    records = transition.list_call_records(
        state=state,
        header=header,
        executions=executions,
        manifests=manifests,
        outbox_root=outbox,
    )
    roots = RootsBefore(state.root, outbox, Frontier.empty(RECEIPTS_HEIGHT))
    calls = []
    for index, found in enumerate(records):
        cell = found.execution.cell_before
        calls.append(
            CallFacts(
                header=header,
                entries=entries,
                index=index,
                manifest=manifests[found.contents.entry.manifest_hash],
                previous=manifests[cell.manifest_hash] if cell is not None else None,
                prologue=found.contents,
                epilogue=found.ending,
                execution=found.execution,
                before=found.before,
                after=found.after,
                roots=roots,
                vocabulary=engine.vocabulary,
            )
        )
        ending = found.ending
        roots = RootsBefore(ending.state_root, ending.outbox_root, ending.receipts)
    return FrameBatch(parent, calls, {m.hash: encode_manifest(m) for m in manifests.values()})


def meet_neighbour(rng: random.Random, depth: int, is_stored: bool) -> FrameBatch:
    """Run one accepted call whose cell has a neighbour that shares so many bits of its key.

    Args:
        rng: of the action and the call.
        depth: bits that the two keys share.
        is_stored: the cell is there before, too.
    """
    while True:
        batch = run_batch(rng, 1, cells=0)
        facts = batch.calls[0]
        if facts.execution.code is Code.NONE:
            break
    key, manifest = facts.prologue.cell_key, facts.manifest
    cell = Cell(manifest.hash, 3, tuple(field.initial for field in manifest.fields))
    before = State.empty().with_cell(flip(key, depth), cell, manifest.fields)
    if is_stored:
        before = before.with_cell(key, cell, manifest.fields)
    execution = transition.execute_call(
        entry=facts.prologue.entry,
        manifest=manifest,
        cell=cell if is_stored else None,
        engine=ScriptedEngine(context=CONTEXT),
        seed=transition.find_noise_seed(manifest, facts.prologue.entry.call_id, facts.header),
    )
    (found,) = transition.list_call_records(
        state=before,
        header=facts.header,
        executions=[execution],
        manifests={manifest.hash: manifest},
        outbox_root=facts.roots.outbox,
    )
    parent = batch.parent[: 8 * 32] + before.root + batch.parent[9 * 32 :]
    call = dataclasses.replace(
        facts,
        previous=manifest if is_stored else None,
        prologue=found.contents,
        epilogue=found.ending,
        execution=execution,
        before=found.before,
        after=found.after,
        roots=dataclasses.replace(facts.roots, state=before.root),
    )
    return FrameBatch(parent, [call], batch.manifests)


def flip(key: Hash32, depth: int) -> Hash32:
    """Return the key that differs in one bit, counted from the highest."""
    return Hash32((int.from_bytes(key, "big") ^ 1 << (255 - depth)).to_bytes(32, "big"))


class FrameSource:
    """What a step of one record reads, as `step_proof.Source` has it."""

    def __init__(self, batch: FrameBatch, leaves: InnerLeaves, preimages: Preimages) -> None:
        self._batch = batch
        self._leaves = leaves
        self._preimages = preimages

    def get_inner(self, leaf: int) -> Chunk:
        return self._leaves.get_chunk(leaf)

    def get_outer(self, record: int, chunk: int) -> Chunk:
        return self._batch.get_outer(record, chunk)

    def get_row(self, tensor: int, row: int) -> bytes:
        raise AssertionError("no row of the model is read here")

    def get_manifest(self, manifest_hash: Hash32) -> bytes:
        return self._batch.manifests[manifest_hash]

    def find_vocabulary(self, rest: bytes) -> int:
        raise AssertionError("no text is cut into tokens here")

    def get_preimage(self, digest: Hash32) -> bytes:
        return self._preimages.get(digest)

    def get_context(self) -> Context:
        return self._batch.context


class QuickReads:
    """Reads of a source, each chunk decoded once."""

    def __init__(self, source: FrameSource) -> None:
        self._source = source
        self._known: dict[tuple[int, int], Lanes | None] = {}

    def read_inner(self, leaf: int, kind: ChunkType) -> Lanes | None:
        if (-1, leaf) not in self._known:
            self._known[-1, leaf] = decode(self._source.get_inner(leaf), kind)
        return self._known[-1, leaf]

    def read_outer(self, record: int, chunk: int, kind: ChunkType) -> Lanes | None:
        if (record, chunk) not in self._known:
            self._known[record, chunk] = decode(self._source.get_outer(record, chunk), kind)
        return self._known[record, chunk]

    def read_row(self, tensor: int, row: int) -> bytes:
        return self._source.get_row(tensor, row)

    def read_part(self, tensor: int, row: int, part: int, size: int) -> bytes:
        raise AssertionError("no row of the model is read here")

    def read_manifest(self, manifest_hash: Hash32) -> bytes:
        return self._source.get_manifest(manifest_hash)

    def find_vocabulary(self, rest: bytes) -> int:
        return self._source.find_vocabulary(rest)

    def read_preimage(self, digest: Hash32) -> bytes:
        return self._source.get_preimage(digest)

    def get_context(self) -> Context:
        return self._source.get_context()


def decode(chunk: Chunk, kind: ChunkType) -> list[int] | None:
    """Return a chunk's lanes; None if it is PAD."""
    if chunk.type is ChunkType.PAD:
        return None
    assert chunk.type is kind
    found = ChunkLanes(chunk)
    return [found[lane] for lane in range(LANES[kind])]


def check_record(batch: FrameBatch, record: int, ops: Mapping[int, steps.Op] = OPS) -> Counter[str]:
    """Hold every lane of a record's inner trace to its step; count them by region."""
    frame = find_frame(record)
    assert frame is not None
    preimages = Preimages()
    leaves = batch.build(record >> 16, frame, preimages)
    reads = QuickReads(FrameSource(batch, leaves, preimages))
    model = build_model(ScriptedEngine(context=CONTEXT).shape)
    counts: Counter[str] = Counter()
    for region in leaves.layout.regions:
        for leaf in range(region.start, region.start + region.leaves):
            own = decode(leaves.get_chunk(leaf), region.type)
            for lane in range(1 if own is None else LANES[region.type]):
                address = Address(record, leaf, lane)
                # a leaf's later lanes are not to be read
                value = steps.recompute(ops, model, address, (own or [])[:lane], reads)
                expected = DEAD if own is None else own[lane]
                assert value == expected, (region.name, leaf - region.start, lane, value, expected)
                counts[region.name] += 1
    return counts


def describe(facts: CallFacts) -> Iterator[str]:
    """Say what a call is an example of."""
    execution, before = facts.execution, facts.before.find_path(facts.prologue.cell_key)
    yield execution.code.name
    key = facts.prologue.cell_key
    if execution.cell_before is not None:
        is_same = execution.cell_before.manifest_hash == facts.manifest.hash
        yield "stored cell" if is_same else "migrated cell"
    elif before.met is None:
        yield f"absent cell, nothing met: {execution.code is Code.NONE}"
    else:
        yield f"absent cell, another met: {execution.code is Code.NONE}"
    if len(before.branches) > 60 or len(facts.after.find_path(key).branches) > 60:
        yield "deep"
    if any(byte >= 0x80 for byte in facts.prologue.entry.input):
        yield "text that is not ASCII"
    if not facts.prologue.entry.input:
        yield "empty input"
    yield f"cell {facts.manifest.cell_kind.name}"
    yield f"seed {facts.manifest.seed_rule.name}"


def list_examples(batches: Iterable[FrameBatch]) -> Counter[str]:
    """Count what the calls are examples of."""
    return Counter(said for batch in batches for facts in batch.calls for said in describe(facts))
