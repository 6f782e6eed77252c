"""Random worlds for steps of ENTRY, ROOTS and the last record, judged in Python and on chain."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode, encode

from oyez.chain import deploy
from oyez.dispute import step_proof
from oyez.dispute.step_proof import Read, RecordedReads, Source
from oyez.protocol import codec, trace
from oyez.protocol import step as steps
from oyez.protocol.constants import OUTER_HEIGHT, RECORD_HEIGHT
from oyez.protocol.inner import DEAD
from oyez.protocol.inner_frame import Frame, find_frame, get_record, layout_frame
from oyez.protocol.manifest import encode_manifest
from oyez.protocol.step import Address, ChunkLanes, Context, StepModel
from oyez.protocol.trace import PAD_CHUNK, PAD_INT32, Chunk, ChunkType
from oyez.protocol.types import Hash32, ModelShape
from tests import given_models
from tests.contracts import harness
from tests.contracts.harness import Contract, Reverted
from tests.contracts.harness import World as Chain
from tests.damage import WAYS, damage_part, flip
from tests.frame_calls import OPS
from tests.frame_digests import Digests, Unknown
from tests.manifests import random_manifest
from tests.output_calls import build_model
from tests.steps import Rows, SparseTree, World, random_int32

#: Contract -> the ops that it makes.
CONTRACTS = {
    "StepVerifierEntry": tuple(range(64, 73)),
    "StepVerifierCell": (144, 145, 146),
    "StepVerifierRoots": (*range(147, 154), 160),
}
#: Ops, and the lanes that a disagreement is looked for in.
LANES = {
    64: (0, 0, 1, 255),
    65: (*range(13), 0, 0, 8, 9, 12, 12, 13, 31),
    66: (0, 0, 1, 7, 1_023),
    67: (0, 0, 1, 2, 255),
    68: (0, 0, 1, 31),
    69: (0, 0, 1, 2, *[3] * 8, 4),
    70: (0, 1, 9, *[10] * 12, 11, 11, 12, 31),
    71: (0, 0, 1, 7, 1_023),
    72: (0, 0, 1, 1_023),
    144: (0, 0, 1, 2, 3, 7, 10, 31),
    145: (0, 0, 1, 5, 15, 16, 30, 31),
    146: (0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 31),
    147: (0, 0, 1, 31),
    148: (0, 0, 1, 2, 31),
    149: (0, 0, 1, 7, 8, 8, 8, 8, 9, 255),
    150: (0, 0, 1, 31),
    151: (0, 0, 0, 1, 31),
    152: (0, 0, 1, 255),
    153: (*range(14), 2, 2, 14, 31),
    160: (0, 0, 1, 2, 3, 31),
}
GATED = frozenset(LANES) - {64, 160}


@dataclass(frozen=True)
class Bench:
    """The verifiers, what they know of a model, and manifests that are published on their chain."""

    chain: Chain
    verifiers: dict[int, Contract]
    model: StepModel
    manifests: dict[Hash32, bytes]


@functools.cache
def bench() -> Bench:
    draw = random.Random(1)
    drafts = (dataclasses.replace(random_manifest(draw), model=0) for _ in range(24))
    return build_bench(harness.SHAPE, [encode_manifest(draft) for draft in drafts])


def build_bench(shape: ModelShape, published: Sequence[bytes]) -> Bench:
    """Deploy a registry that lists one model of a shape, these manifests, and the verifiers."""
    listed = deploy.ListedModel(harness.ROOT, shape)
    chain = Chain(harness.settings(models=(listed,)))
    model = build_model(shape)
    given = given_models.deploy_model(chain, model)
    verifiers: dict[int, Contract] = {}
    for name, ops in CONTRACTS.items():
        contract = chain.deploy(f"contracts/{name}.vy", given.address)
        verifiers |= dict.fromkeys(ops, contract)
    for data in published:
        chain.actions.publish(data, sender=harness.AUTHOR)
    return Bench(chain, verifiers, model, {codec.keccak(data): data for data in published})


class Chunks:
    """Makes chunks as these steps may meet them: mostly plausible, sometimes anything."""

    def __init__(self, draw: random.Random, frame: Frame) -> None:
        self.draw = draw
        self.digests = Digests(draw)
        self.frame = frame
        count = draw.choice((1, 2, 7, 256, 0, draw.getrandbits(256)))
        batch = [self.digests.pick() for _ in range(7)]
        batch[3] = count
        if draw.random() < 0.9:
            batch[6] = self.digests.grow(8)
        self.context = Context(
            Hash32(self.digests.add(self.make_parent()).to_bytes(32, "big")),
            Hash32(self.digests.add(self.digests.join(*batch)).to_bytes(32, "big")),
        )

    def make_parent(self) -> bytes:
        size = self.draw.choice((3, 3, 11, 11, 11, 8, 9, 12, 0))
        return self.digests.join(*(self.digests.pick() for _ in range(size)))

    def make_inner(self, leaf: int) -> Chunk:
        region = layout_frame(self.frame, bench().model.inner_height).find(leaf)
        assert region is not None
        if self.draw.random() < 0.08:
            return PAD_CHUNK
        return self.make(region.name, region.type)

    def make_outer(self, record: int, chunk: int) -> Chunk:
        frame = find_frame(record)
        if self.draw.random() < 0.08:
            return PAD_CHUNK
        match frame, chunk:
            case Frame.ENTRY, 1:
                return self.make_words()
            case Frame.OUTPUT, 0:
                code = self.draw.choice((1, 1, 1, 2, 0, -1, PAD_INT32))
                size = self.draw.choice((0, 1, 32, 1_024, 1_025, -1, PAD_INT32, 77))
                return trace.encode_int32([code, 0, -5, 7, 9, size])
            case Frame.OUTPUT, 2:
                return trace.encode_bytes(self.draw.randbytes(1_024))
            case Frame.ENTRY, 0:
                return random_int32(self.draw)
            case _:
                return trace.encode_words([self.digests.pick() for _ in range(32)])

    def make(self, name: str, kind: ChunkType) -> Chunk:
        """Return a leaf of a region."""
        if kind is ChunkType.BYTES:
            text = self.draw.choice(("ab", "€", "ä", "😀", "\x7f", "\u07ff")) * 1_024
            data = bytearray(text.encode()[:1_024])
            for _ in range(self.draw.choice((0, 3, 300))):
                data[self.draw.randrange(1_024)] = self.draw.choice(
                    (0x80, 0xE0, 0xED, 0xF4, 65, 0xF1)
                )
            return trace.encode_bytes(bytes(data))
        if name == "depth":
            depth = self.draw.choice(
                (0, 1, 5, 31, 32, 33, 255, 256, 257, -1, self.draw.randrange(256))
            )
            return trace.encode_int32([*range(8), depth, *[PAD_INT32] * 247])
        if name == "scan":
            if self.draw.random() < 0.1:
                return random_int32(self.draw, low=PAD_INT32)
            return trace.encode_int32([self.make_state() for _ in range(256)])
        if kind is ChunkType.INT32:
            return random_int32(self.draw, low=PAD_INT32)
        if name == "words":
            return self.make_words()
        if name == "path":
            words = [self.digests.pick() for _ in range(31)] + [self.digests.meet()]
            at = self.draw.choice((0, 1, 13, 31, 32))
            return trace.encode_words(words[:at] + words[-1:] * (32 - at))
        if name == "field_part":
            words = [self.digests.pick() for _ in range(32)]
            at = self.draw.choice((0, 2, 8, 20, 32))
            return trace.encode_words(words[:at])
        if name == "path_end":
            met = self.digests.meet()
            put = self.draw.choice((met, self.digests.pick(), self.digests.pick()))
            return trace.encode_words([met, put])
        return trace.encode_words([self.digests.pick() for _ in range(32)])

    def make_words(self) -> Chunk:
        """Return the words of an entry, of its region or of its record."""
        words = [self.digests.pick() for _ in range(32)]
        if self.draw.random() < 0.9:
            known = [int.from_bytes(key, "big") for key in bench().manifests]
            words[7] = self.draw.choice((*known, self.draw.getrandbits(256)))
        if self.draw.random() < 0.8:
            words[9] = self.digests.key()
        if self.draw.random() < 0.2:
            words[11] = 2**256 - 1 if self.frame is Frame.ROOTS else words[11]
        return trace.encode_words(words)

    def make_state(self) -> int:
        """Return a state of the scan."""
        need = self.draw.choice((0, 0, 1, 2, 3))
        seen = self.draw.choice((0, 1, 1, 2, 3))
        bad = self.draw.choice((0, 0, 0, 1, 5, self.draw.randrange(1_026)))
        return need | seen << 2 | self.draw.choice((0, 0, 1, 2, 3, 4, 5, 15)) << 4 | bad << 8


@dataclass(frozen=True)
class Case:
    """A step, what Python says of it, and its proof."""

    bench: Bench
    op: int
    step: tuple[Any, ...]
    raw: bytes
    value: int
    read: Read
    proof: bytes

    def ask(self, **changes: Any) -> int:
        """Return what the verifier says."""
        case = dataclasses.replace(self, **changes)
        return int(self.bench.verifiers[self.op].recompute(case.step, case.raw, case.proof))

    def encode(self) -> bytes:
        """Return the call that asks the verifier."""
        contract = self.bench.verifiers[self.op]
        (entry,) = [
            e for e in self.bench.chain.abis[contract.address] if e.get("name") == "recompute"
        ]
        return harness.encode_call(entry, self.step, self.raw, self.proof)


def draw_case(draw: random.Random, op: int) -> Case:
    """Draw a step of an op in a world of its own."""
    model = bench().model
    frame = max(frame for frame in Frame if frame <= op)
    layout = layout_frame(frame, model.inner_height)
    region = next(region for region in layout.regions if region.op == op)
    call = draw.choice((0, 0, 1, 2, 3, 6, 7, 127, 128, 255, draw.randrange(256)))
    leaf = region.start + draw.choice((0, draw.randrange(region.leaves), region.leaves - 1))
    lane = draw.choice(LANES[op])
    while True:
        chunks = Chunks(draw, frame)
        own = chunks.make(region.name, region.type)
        if op == 65 and draw.random() < 0.9:
            own = chunks.make_words()
        world = World(
            chunks.make_inner,
            chunks.make_outer,
            lambda *_: b"",
            manifests=bench().manifests,
            preimages=chunks.digests.known,
            context=chunks.context,
        )
        with contextlib.suppress(Unknown):
            return build_case(draw, Address(get_record(call, frame), leaf, lane), own.data, world)


def build_case(
    draw: random.Random, address: Address, raw: bytes, source: Source, at: Bench | None = None
) -> Case:
    """Let Python take a step, and build trees around what it read."""
    chain = at or bench()
    model = chain.model
    layout = model.get_layout(address.record)
    region = None if layout is None else layout.find(address.leaf)
    assert region is not None
    reads = RecordedReads(source)
    own = ChunkLanes(Chunk(region.type, raw))
    value = steps.recompute(OPS, model, address, own, reads)
    chunks = reads.read.chunks
    inner, outer = (
        SparseTree(
            height,
            {i: trace.compute_chunk_leaf(chunk) for o, i, chunk in chunks if o == is_outer},
            draw.getrandbits(32),
        )
        for is_outer, height in (
            (False, model.inner_height),
            (True, OUTER_HEIGHT + RECORD_HEIGHT),
        )
    )
    rows = Rows(1, {}, 0, lambda *_: 0)
    proof = step_proof.encode_proof(reads.read, inner, outer, rows, is_frame=True)
    context = source.get_context()
    step = (outer.root, inner.root, *address, region.op, context.parent, 1, context.batch_hash)
    return Case(chain, region.op, step, raw, value, reads.read, proof)


def damage(draw: random.Random, case: Case) -> bytes:
    """Return a proof that opens something else than the step reads, or brings other preimages."""
    leaves, rows, hint, preimages = decode(step_proof.FRAME_TYPES, case.proof)
    opened: list[list[Any]] = [[data, list(siblings)] for data, siblings in leaves]
    brought = list(preimages)
    ways = ["row", "another preimage"]
    ways += ["opening"] * len(WAYS) if opened else []
    ways += ["bits of a preimage", "no preimage", "cut preimage"] if brought else []
    way = draw.choice(ways)
    at = draw.randrange(len(brought)) if brought else 0
    match way:
        case "row":
            rows = ((b"row", ()),)
        case "another preimage":
            brought.append(draw.choice((b"", draw.randbytes(64))))
        case "bits of a preimage" if brought[at]:
            brought[at] = flip(draw, brought[at])
        case "cut preimage" if brought[at]:
            brought[at] = brought[at][:-1]
        case "no preimage" | "bits of a preimage" | "cut preimage":
            brought.pop(at)
        case _:
            damage_part(draw, opened)
    return encode(step_proof.FRAME_TYPES, (opened, rows, hint, brought))


def count_cases(draw: random.Random, op: int, cases: int) -> Counter[str]:
    """Judge so many steps of an op on both sides; damage each proof."""
    counts: Counter[str] = Counter()
    for _ in range(cases):
        case = draw_case(draw, op)
        assert case.ask() == case.value, case
        refuse(case, damage(draw, case))
        counts[f"op {op}: proofs refused"] += 1
        counts[f"op {op}: lanes"] += 1
        read = f"{len(case.read.chunks)} opened, {len(case.read.preimages)} asked"
        counts[f"op {op}: {read}: {describe(case.value)}"] += 1
    return counts


def describe(value: int) -> str:
    """Name what a step answered, as far as its paths differ by it."""
    return {DEAD: "dead", PAD_INT32: "filler", 0: "0"}.get(value, "alive")


def refuse(case: Case, proof: bytes) -> str:
    """Return why the verifier takes no answer from a proof."""
    try:
        answer = case.ask(proof=proof)
    except Reverted as refusal:
        return refusal.reason
    raise AssertionError(f"a damaged proof gave {answer}: {case}")
