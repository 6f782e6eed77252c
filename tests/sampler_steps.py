"""Random worlds for the steps of a sampler's frame, each judged in Python and on chain."""

from __future__ import annotations

import dataclasses
import functools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode, encode

from oyez.dispute import step_proof
from oyez.dispute.step_proof import Read, RecordedReads, RowTree
from oyez.engines.exact.step_rows import build_step_model
from oyez.protocol import codec, step_sampler, trace
from oyez.protocol import step as steps
from oyez.protocol.constants import OUTER_HEIGHT, RECORD_HEIGHT
from oyez.protocol.inner import DEAD, Layout
from oyez.protocol.manifest import encode_manifest
from oyez.protocol.step import Address, ChunkLanes, StepModel
from oyez.protocol.trace import PAD_CHUNK, PAD_INT32, Chunk, ChunkType
from oyez.protocol.types import Hash32
from tests import given_models
from tests.contracts import harness
from tests.contracts.harness import Contract, Reverted
from tests.contracts.harness import World as Chain
from tests.contracts.test_step_model import tiny
from tests.damage import damage_part
from tests.manifests import random_manifest
from tests.steps import SparseTree, World, random_int32, random_words

LIMIT = 40
SLOT = 31
NO_TOKEN = -(1 << 120)
#: Ops, and the lanes that a disagreement is looked for in.
LANES = {
    32: (0, 0, 0, 1, 2, 3, 255),
    33: (0, 0, 1, 2, 3, 3, 4, 31),
    48: (0, 1, 1, 2, 255),
    50: (0, 1, 2, 3, 3, 4, 255),
    51: (0, 1, 2, 31),
    52: (0, 0, 1, 2, 5, 127, 254, 255),
}


@dataclass(frozen=True)
class Bench:
    """The verifier, its model with real rows, and manifests that are published on its chain."""

    chain: Chain
    verifier: Contract
    model: StepModel
    layout: Layout
    rows: RowTree
    get_row: Callable[[int, int], bytes]
    manifests: dict[Hash32, bytes]


@functools.cache
def bench() -> Bench:
    engine, rows = tiny("mixed")
    model = build_step_model(engine)
    chain = Chain(harness.settings())
    given = given_models.deploy_model(chain, model)
    verifier = chain.deploy("contracts/StepVerifierSampler.vy", given.address)
    manifests = {}
    draw = random.Random(1)
    for temperature, tokens in ((0, LIMIT), (0, 1), (52_429, LIMIT), (2**32 - 1, 900)):
        manifest = dataclasses.replace(
            random_manifest(draw),
            model=0,
            temperature=temperature,
            output_tokens=tokens,
            fixed_positions=2_046,
        )
        data = encode_manifest(dataclasses.replace(manifest, segments=()))
        chain.actions.publish(data, sender=harness.AUTHOR)
        manifests[codec.keccak(data)] = data
    layout = model.get_layout(SLOT)
    assert layout is not None
    return Bench(chain, verifier, model, layout, rows, rows.get_row, manifests)


class Chunks:
    """Makes chunks as a sampler's steps may meet them: mostly plausible, sometimes anything."""

    def __init__(self, draw: random.Random, position: int) -> None:
        self.draw = draw
        self.position = position

    def make_inner(self, leaf: int) -> Chunk:
        region = bench().layout.find(leaf)
        assert region is not None
        if self.draw.random() < 0.06:
            return PAD_CHUNK
        if self.draw.random() < 0.06:
            if region.type is ChunkType.INT32:
                return random_int32(self.draw, low=PAD_INT32)
            return random_words(self.draw, 256)
        made: Chunk = getattr(self, "make_" + region.name)()
        assert made.type is region.type
        return made

    def make_outer(self, record: int, chunk: int) -> Chunk:
        if self.draw.random() < 0.06:
            return PAD_CHUNK
        if record & 31 in (0, 2):
            return self.make_prologue(chunk)
        if chunk == 1:
            return trace.encode_words([self.word(), self.draw.getrandbits(9)])
        if chunk:
            return trace.encode_int32([self.token() for _ in range(self.draw.choice((3, 256)))])
        kind = self.draw.choice((1, 1, 2, 3, 0, 4, 5, -1, PAD_INT32))
        return trace.encode_int32([kind, self.token(), self.number(), self.number()])

    def make_prologue(self, chunk: int) -> Chunk:
        if chunk == 0:
            near = self.draw.choice((-1, 0, 0, 1, 7))
            count = self.draw.choice((self.position + near, self.position + near, 0, -1, PAD_INT32))
            return trace.encode_int32([count, self.draw.choice((1, 1, 1, 1, 0, 2))])
        words = [self.draw.getrandbits(256) for _ in range(12)]
        words[7] = self.manifest()
        return trace.encode_words(words)

    def make_before(self) -> Chunk:
        source = self.draw.choice((0, 1, 2, 2, 2, 3, PAD_INT32))
        return trace.encode_int32([source, self.number(), self.number()])

    def make_context(self) -> Chunk:
        words = [self.word(), self.draw.getrandbits(9), self.manifest()]
        return trace.encode_words([*words, self.draw.getrandbits(256)])

    def make_mode(self) -> Chunk:
        return trace.encode_int32([self.draw.choice((0, 1, 1, 2, 3, 3, 4, 4, 4, 5, 5, 6, -1))])

    def make_run_tokens(self) -> Chunk:
        count = self.draw.choice((0, 3, 128, 128))
        return trace.encode_int32([self.token() for _ in range(2 * count)])

    def make_options(self) -> Chunk:
        lanes = []
        for _ in range(2):
            end, option = 0, []
            for _ in range(self.draw.choice((1, 2, 5, 64))):
                end += self.draw.choice((1, 1, 3))
                option += [self.token(), end]
            lanes += option + [PAD_INT32] * (128 - len(option))
        return trace.encode_int32(lanes)

    def make_candidates(self) -> Chunk:
        lanes = [-1, 0] * self.draw.choice((2, 3, 65))
        for _ in range(self.draw.choice((0, 1, 1, 1, 2, 3))):
            option = self.draw.randrange(len(lanes) // 2)
            lanes[2 * option] = self.draw.randrange(300)
        return trace.encode_int32(lanes)

    def make_top(self) -> Chunk:
        words = [NO_TOKEN] * 32
        for _ in range(self.draw.choice((0, 1, 3))):
            score = self.draw.randint(-(2**53), 2**53)
            words[self.draw.randrange(32)] = (score << 24) + self.draw.getrandbits(24)
        return trace.encode_words(words)

    def make_next(self) -> Chunk:
        kinds = (0, 1, 1, 1, 1, 1, 1, 1, 2, 3, 4, 5, -1)
        return trace.encode_int32([self.draw.choice(kinds), self.token()])

    def make_walk(self) -> Chunk:
        return random_words(self.draw, self.draw.choice((81, 256)))

    def token(self) -> int:
        return self.draw.choice((*[self.draw.randrange(259)] * 6, 258, 259, -1, PAD_INT32))

    def number(self) -> int:
        near = self.draw.randrange(6)
        return self.draw.choice((near, LIMIT - 1 - near, LIMIT - 1, 0, 2**31 - 1, PAD_INT32))

    def word(self) -> int:
        length = self.draw.choice((0, 0, 1, 2, 4, self.draw.getrandbits(16)))
        return self.draw.getrandbits(81) & ~(0xFFFF << 40) | length << 40

    def manifest(self) -> int:
        known = [int.from_bytes(key, "big") for key in bench().manifests]
        return self.draw.choice((*known, self.draw.getrandbits(256)))


@dataclass(frozen=True)
class Case:
    """A step, what Python says of it, and its proof."""

    step: tuple[Any, ...]
    raw: bytes
    value: int
    read: Read
    proof: bytes
    verifier: Contract

    def ask(self, **changes: Any) -> int:
        """Return what the verifier says."""
        case = dataclasses.replace(self, **changes)
        return int(self.verifier.recompute(case.step, case.raw, case.proof))


def draw_case(
    draw: random.Random, op: int, twist: Callable[[Chunk], Chunk] = lambda chunk: chunk
) -> Case:
    """Draw a step of an op in a world of its own, whose chunks are twisted first."""
    b = bench()
    region = b.layout.regions[op - 32]
    position = draw.choice((0, 1, 2, 5, 300, 2_046))
    record = draw.choice((0, 1, 255)) << 16 | position << 5 | SLOT
    lane = draw.choice((*LANES[op], draw.randrange(trace.WORDS)))
    leaf = region.start + draw.choice((0, 0, draw.randrange(region.leaves)))
    address = Address(record, leaf, lane)
    chunks = Chunks(draw, position)
    own = chunks.make_inner(address.leaf) if op in (32, 33) else random_int32(draw)
    if own is PAD_CHUNK:
        own = Chunk(region.type, bytes(1_024))
    world = World(
        lambda leaf: twist(chunks.make_inner(leaf)),
        lambda record, chunk: twist(chunks.make_outer(record, chunk)),
        b.get_row,
        manifests=b.manifests,
    )
    return build_case(draw, address, twist(own).data, world)


def build_case(
    draw: random.Random, address: Address, raw: bytes, world: World, other: Bench | None = None
) -> Case:
    """Let Python take a step, and build trees around what it read; the rows are the model's."""
    b = other or bench()
    region = b.layout.find(address.leaf)
    assert region is not None
    reads = RecordedReads(world)
    own = ChunkLanes(Chunk(region.type, raw))
    value = steps.recompute(step_sampler.OPS, b.model, address, own, reads)
    chunks = reads.read.chunks
    inner, outer = (
        SparseTree(
            height,
            {i: trace.compute_chunk_leaf(chunk) for o, i, chunk in chunks if o == is_outer},
            draw.getrandbits(32),
        )
        for is_outer, height in (
            (False, b.model.inner_height),
            (True, OUTER_HEIGHT + RECORD_HEIGHT),
        )
    )
    proof = step_proof.encode_proof(reads.read, inner, outer, b.rows)
    step = (outer.root, inner.root, *address, region.op, bytes(32), 1, bytes(32))
    return Case(step, raw, value, reads.read, proof, b.verifier)


def damage(draw: random.Random, case: Case) -> bytes | None:
    """Return a proof that opens something else than the step reads; None if it reads nothing."""
    leaves, rows, hint = decode(step_proof.PROOF_TYPES, case.proof)
    lists = [[[data, list(siblings)] for data, siblings in part] for part in (leaves, rows)]
    full = [part for part in lists if part]
    if not full:
        lists[draw.randrange(2)].append([bytes(1_024), [bytes(32)] * 12])
    else:
        damage_part(draw, draw.choice(full))
    proof = encode(step_proof.PROOF_TYPES, (*lists, hint))
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
        counts[f"op {op}: {len(case.read.chunks)} opened: {describe(case.value)}"] += 1
    return counts


def describe(value: int) -> str:
    """Name what a step answered, as far as its paths differ by it."""
    return {DEAD: "dead", PAD_INT32: "filler"}.get(value, "alive")


def refuse(case: Case, proof: bytes) -> str:
    """Return why the verifier takes no answer from a proof."""
    try:
        answer = case.ask(proof=proof)
    except Reverted as refusal:
        return refusal.reason
    raise AssertionError(f"a damaged proof gave {answer}: {case}")


def find_gas(draw: random.Random, op: int, cases: int) -> int:
    """Return the most gas of so many steps of an op, each a transaction of its own."""
    b = bench()
    most = 0
    for _ in range(cases):
        case = draw_case(draw, op)
        case.ask()
        (entry,) = [e for e in b.chain.abis[b.verifier.address] if e.get("name") == "recompute"]
        data = harness.encode_call(entry, case.step, case.raw, case.proof)
        words = sum(4 if byte else 1 for byte in data)
        most = max(most, b.chain.gas, 21_000 + 10 * words)
    return most
