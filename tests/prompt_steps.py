"""Random worlds for the steps of prompts and outputs, each judged in Python and on chain."""

from __future__ import annotations

import bisect
import dataclasses
import functools
import random
from collections import Counter
from typing import Any

from eth_abi.abi import decode, encode

from oyez.chain import deploy
from oyez.dispute import step_proof
from oyez.dispute.step_proof import FRAME_TYPES, Read, RecordedReads
from oyez.engines.exact import model_tree
from oyez.protocol import step, step_output, step_prompt, trace
from oyez.protocol.constants import MAX_TOKEN_BYTES, OUTER_HEIGHT, RECORD_HEIGHT
from oyez.protocol.inner import DEAD, Region
from oyez.protocol.inner_frame import Frame, get_record, layout_frame
from oyez.protocol.manifest import ModelLimits, encode_manifest, parse_manifest
from oyez.protocol.step import Address, ChunkLanes, StepModel
from oyez.protocol.trace import PAD_CHUNK, PAD_INT32, Chunk
from oyez.protocol.types import Hash32, Manifest
from oyez.protocol.vocabulary import Vocabulary
from oyez.testing import scripted
from oyez.testing.scripted import ScriptedEngine
from tests import call_fuzz, given_models, machine_steps, prompt_worlds
from tests import machine_fuzz as fuzz
from tests.contracts import harness
from tests.contracts.harness import Contract, Reverted
from tests.contracts.test_step_rows_gas import BASE, RESOLVE_BYTES, RESOLVE_GAS, price
from tests.damage import damage_part
from tests.prompt_calls import build_model
from tests.prompt_worlds import PARSE
from tests.steps import Rows, SparseTree, World, hash_row

OPS = {**step_prompt.OPS, **step_output.OPS}
#: Op -> who recomputes it.
CONTRACTS = {
    **dict.fromkeys((96, 97, 98), "Prompt"),
    **dict.fromkeys((112, 113, 114), "Output"),
    PARSE: "Parse",
}
RECORD_TYPE, TOKEN_TYPE = 260, 261
CONTEXT = 700
#: Two tokens as long as they may be, all whose beginnings are tokens too: the longest records.
DEEPEST = ("é" * (MAX_TOKEN_BYTES // 2)).encode()
NEXT_DEEPEST = DEEPEST[:-1] + b"\xaa"


@functools.cache
def build_vocabulary() -> Vocabulary:
    """Return the engine of traps' vocabulary, with long tokens."""
    long = [DEEPEST[:end] for end in range(1, MAX_TOKEN_BYTES + 1)]
    text = b'{"name": "the longest of all names", "other": [1, 2, 3], "and so on": "' * 2
    return Vocabulary(
        [*scripted.build_vocabulary().tokens, *long, NEXT_DEEPEST, text[:120], text[:33]]
    )


@dataclasses.dataclass(frozen=True)
class Bench:
    """Verifiers of a model with these rows, and manifests that are published on their chain."""

    model: StepModel
    tree: Rows
    rows: dict[tuple[int, int], bytes]
    sorted: list[bytes]
    chain: harness.World
    manifests: dict[Hash32, bytes]
    parsed: list[Manifest]
    verifiers: dict[str, Contract]
    engine: ScriptedEngine | None = None


@functools.cache
def bench() -> Bench:
    """The verifiers of prompts and outputs."""
    vocabulary = build_vocabulary()
    engine = ScriptedEngine(context=CONTEXT)
    engine.vocabulary = vocabulary
    engine.shape = dataclasses.replace(
        harness.SHAPE,
        layers=1,
        vocabulary=vocabulary.size,
        context=CONTEXT,
        missing=vocabulary.missing,
    )
    model = build_model(engine)
    rows = {(1, n): row for n, row in enumerate(model_tree.iterate_vocabulary(vocabulary))}
    for token, data in enumerate(vocabulary.tokens):
        rows[2, token] = b"\x01" + len(data or b"").to_bytes(2, "big") + (data or b"")
    find = functools.partial(given_models.find_leaf, model)
    leaves = {
        find(*at): hash_row(*at, RECORD_TYPE if at[0] == 1 else TOKEN_TYPE, row)
        for at, row in rows.items()
    }
    tree = Rows(model.shape.model_height, leaves, 1, find)
    model = dataclasses.replace(model, root=tree.root)
    listed = deploy.ListedModel(model.root, model.shape)
    chain = harness.World(harness.settings(models=(listed,)))
    draw = random.Random(3)
    world = call_fuzz.World(engine, lambda *_: (), most_tokens=300)
    parsed = [call_fuzz.random_action(draw, world) for _ in range(24)]
    manifests = {}
    for manifest in parsed:
        data = encode_manifest(manifest)
        chain.actions.publish(data, sender=harness.AUTHOR)
        manifests[manifest.hash] = data
    given = given_models.deploy_model(chain, model)
    verifiers = {
        name: chain.deploy(f"contracts/StepVerifier{name}.vy", given.address)
        for name in ("Prompt", "Output", "Parse")
    }
    order = sorted(vocabulary.ids_by_bytes)
    return Bench(model, tree, rows, order, chain, manifests, parsed, verifiers, engine)


def publish(manifest: Manifest) -> Manifest:
    """Publish a manifest on the bench's chain."""
    given = bench()
    data = encode_manifest(manifest)
    shape = given.model.shape
    parsed = parse_manifest(data, ModelLimits(shape.vocabulary, shape.context, shape.missing))
    if parsed.hash not in given.manifests:
        given.chain.actions.publish(data, sender=harness.AUTHOR)
        given.manifests[parsed.hash] = data
    return parsed


@functools.cache
def parse_bench() -> Bench:
    """The verifier of outputs' parses, over manifests at the bounds and random ones."""
    walks = machine_steps.walks()
    model = machine_steps.pool().model
    verifier = machine_steps.verifier("Parse")
    manifests = {walked.published.manifest.hash: walked.data for walked in walks}
    parsed = [walked.published.manifest for walked in walks]
    tree = machine_steps.pool().tree
    return Bench(model, tree, {}, [], fuzz.world(), manifests, parsed, {"Parse": verifier})


@dataclasses.dataclass(frozen=True)
class Case:
    """A step, what Python says of it, and its proof."""

    bench: Bench = dataclasses.field(repr=False)
    verifier: Contract
    step: tuple[Any, ...]
    raw: bytes
    value: int
    read: Read
    proof: bytes

    def ask(self, **changes: Any) -> int:
        """Return what the verifier says."""
        case = dataclasses.replace(self, **changes)
        return int(case.verifier.recompute(case.step, case.raw, case.proof))

    def find_gas(self) -> int:
        """Return the gas of a transaction that asks the step and nothing else."""
        self.ask()
        abi = self.bench.chain.abis[self.verifier.address]
        (entry,) = [e for e in abi if e.get("name") == "recompute"]
        data = harness.encode_call(entry, self.step, self.raw, self.proof)
        return max(self.bench.chain.gas, 21_000 + 10 * sum(4 if byte else 1 for byte in data))

    def find_whole(self) -> int:
        """Return what a whole resolution by the step costs."""
        self.ask()
        abi = self.bench.chain.abis[self.verifier.address]
        (entry,) = [e for e in abi if e.get("name") == "recompute"]
        data = harness.encode_call(entry, self.step, self.raw, self.proof)
        alone = self.bench.chain.gas - BASE - price(data, 16, 4)
        usual = BASE + 16 * RESOLVE_BYTES + price(self.proof, 16, 4) + RESOLVE_GAS + alone
        return max(usual, BASE + 40 * RESOLVE_BYTES + price(self.proof, 40, 10))


def find_region(op: int) -> Region:
    """Return an op's region."""
    layout = layout_frame(find_frame(op), 12)
    (region,) = [region for region in layout.regions if region.op == op]
    return region


def find_frame(op: int) -> Frame:
    return Frame.PROMPT if op < Frame.OUTPUT else Frame.OUTPUT


def draw_case(draw: random.Random, op: int) -> Case:
    """Draw a step of an op in a world of its own."""
    given = parse_bench() if op == PARSE else bench()
    region = find_region(op)
    call = draw.choice((0, 1, 255))
    leaf, lane = prompt_worlds.draw_place(draw, region)
    chunks = prompt_worlds.Chunks(draw, given, call, op, leaf, lane)
    address = Address(get_record(call, find_frame(op)), region.start + leaf, lane)
    world = World(
        chunks.make_inner,
        chunks.make_outer,
        lambda tensor, row: given.rows[tensor, row],
        given.manifests,
        lambda rest: bisect.bisect_right(given.sorted, rest) - 1,
    )
    return build_case(given, address, chunks.make_own(), world, draw.getrandbits(32))


def build_case(given: Bench, address: Address, own: Chunk, world: World, seed: int = 1) -> Case:
    """Let Python take a step, and build trees around what it read; the rows are the model's."""
    layout = given.model.get_layout(address.record)
    assert layout is not None
    region = layout.find(address.leaf)
    assert region is not None
    reads = RecordedReads(world)
    value = step.recompute(OPS, given.model, address, ChunkLanes(own), reads)
    chunks = reads.read.chunks
    inner, outer = (
        SparseTree(
            height,
            {i: trace.compute_chunk_leaf(chunk) for o, i, chunk in chunks if o == is_outer},
            seed + is_outer,
        )
        for is_outer, height in (
            (False, given.model.inner_height),
            (True, OUTER_HEIGHT + RECORD_HEIGHT),
        )
    )
    proof = step_proof.encode_proof(reads.read, inner, outer, given.tree, is_frame=True)
    stated = (outer.root, inner.root, *address, region.op, bytes(32), 1, bytes(32))
    verifier = given.verifiers[CONTRACTS[region.op]]
    return Case(given, verifier, stated, own.data, value, reads.read, proof)


def ask(
    op: int,
    leaf: int,
    lane: int,
    *,
    inner: dict[tuple[str, int], Chunk] | None = None,
    outer: dict[tuple[int, int, int], Chunk] | None = None,
    own: Chunk | None = None,
) -> Case:
    """Return a step of call 1 over chunks that are given; others are PAD.

    Args:
        inner: by region and leaf there.
        outer: by position, slot and chunk.
        own: the lane's leaf; zeros if it is not given.
    """
    given = parse_bench() if op == PARSE else bench()
    frame = find_frame(op)
    layout = layout_frame(frame, 12)
    leaves = {layout.get(name).start + at: chunk for (name, at), chunk in (inner or {}).items()}
    chunks = {
        (trace.compute_outer_index(1, position, slot), chunk): found
        for (position, slot, chunk), found in (outer or {}).items()
    }
    world = World(
        lambda leaf: leaves.get(leaf, PAD_CHUNK),
        lambda record, chunk: chunks.get((record, chunk), PAD_CHUNK),
        lambda tensor, row: given.rows[tensor, row],
        given.manifests,
        lambda rest: bisect.bisect_right(given.sorted, rest) - 1,
    )
    region = find_region(op)
    address = Address(get_record(1, frame), region.start + leaf, lane)
    return build_case(given, address, own or Chunk(region.type, bytes(1_024)), world)


def damage(draw: random.Random, case: Case) -> bytes | None:
    """Return a proof that opens something else than the step reads; None if it is the same."""
    *parts, hint, preimages = decode(FRAME_TYPES, case.proof)
    lists = [[[data, list(siblings)] for data, siblings in part] for part in parts]
    full = [part for part in lists if part]
    if not full or draw.random() < 0.05:
        kind = draw.randrange(3)
        if kind == 2:
            preimages = (draw.randbytes(draw.choice((0, 32))),)
        else:
            lists[kind].append([bytes(1_024), [bytes(32)] * 12])
    else:
        damage_part(draw, draw.choice(full))
    proof = encode(FRAME_TYPES, (*lists, hint, preimages))
    return None if proof == case.proof else proof


def count_cases(draw: random.Random, op: int, cases: int) -> Counter[str]:
    """Judge so many steps of an op on both sides; damage each proof."""
    counts: Counter[str] = Counter()
    for _ in range(cases):
        case = draw_case(draw, op)
        assert case.ask() == case.value, case
        proof = damage(draw, case)
        if proof is not None:
            refuse(case, proof)
            counts[f"op {op}: proofs refused"] += 1
        counts[f"op {op}: lanes"] += 1
        counts[f"op {op}: {describe(case)}"] += 1
    return counts


def describe(case: Case) -> str:
    """Name what a step read and answered, as far as its paths differ by it."""
    kinds = {DEAD: "dead", PAD_INT32: "filler", 0: "zero"}
    kind = kinds.get(case.value, "below 0" if case.value < 0 else "alive")
    return f"{len(case.read.chunks)} leaves, {len(case.read.rows)} rows: {kind}"


def refuse(case: Case, proof: bytes) -> str:
    """Return why the verifier takes no answer from a proof."""
    try:
        answer = case.ask(proof=proof)
    except Reverted as refusal:
        return refusal.reason
    raise AssertionError(f"a damaged proof gave {answer}: {case}")
