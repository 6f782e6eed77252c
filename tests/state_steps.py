"""Random worlds for the steps of a state's record, each judged in Python and on chain."""

from __future__ import annotations

import dataclasses
import functools
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode, encode

from oyez.dispute import step_proof
from oyez.dispute.step_proof import FRAME_TYPES, Read, RecordedReads
from oyez.engines.exact.inner_leaves import LANES
from oyez.protocol import codec, step_state, trace
from oyez.protocol import step as steps
from oyez.protocol.constants import MAX_FIELDS, OUTER_HEIGHT, RECORD_HEIGHT
from oyez.protocol.inner import DEAD, Region
from oyez.protocol.inner_frame import Frame, get_record
from oyez.protocol.manifest import parse_manifest
from oyez.protocol.step import Address, ChunkLanes
from oyez.protocol.trace import PAD_CHUNK, PAD_INT32, Chunk, ChunkType
from oyez.protocol.types import Hash32
from tests import machine_fuzz as fuzz
from tests import state_worlds, versions
from tests.contracts import harness
from tests.contracts.harness import Contract, Reverted
from tests.contracts.test_step_rows_gas import BASE, RESOLVE_BYTES, RESOLVE_GAS, price
from tests.damage import damage_part, flip
from tests.manifests import LIMITS
from tests.state_worlds import Met, give, layout, meet
from tests.steps import SparseTree, World

VERIFIERS = {**dict.fromkeys((*range(80, 88), 91, 92), "State"), 88: "Json", 89: "Json"}
VERIFIERS |= {90: "Json", 93: "Json"}
#: Lanes that no trace of anybody honest holds where they stand.
NUMBERS = (0, 1, -1, -2, -3, 63, 64, 65, 512, 2_047, 2_048, 2**31 - 1, PAD_INT32, PAD_INT32 + 1)
WORDS = (0, 0, 1, -1, 10**76, -(10**77) // 2, 2**255 - 1, DEAD)


@functools.cache
def verifier(name: str) -> Contract:
    return fuzz.contract(f"contracts/StepVerifier{name}.vy")


def list_texts() -> list[bytes]:
    """Return what digests may be of, none of it what a state's record means by them."""
    draw = random.Random(9)
    sizes = (0, 1, 31, 32, 33, 63, 64, 65, 96, 160, 161, 511, 512, 513, 1_024, 2_016, 2_047, 2_048)
    texts = [draw.randbytes(size) for size in sizes]
    for name in ("CELL", "FIELD", "ENTRY"):
        texts += [codec.tag(name) + draw.randbytes(32 * words) for words in (3, 4, 4, 5)]
    return [*texts, codec.tag("FIELD") + bytes(128), bytes(64), bytes(2_048), b"a", "é".encode()]


TEXTS = {codec.keccak(text): text for text in list_texts()}


@functools.cache
def pool(seed: int = 1) -> list[Met]:
    """States under published manifests: of each one absent, one stored, one migrated."""
    draw = random.Random(seed)
    found = []
    wide = (state_worlds.wide_action(draw) for _ in range(8))
    crowded = state_worlds.crowded_action(draw)
    for data in (*fuzz.awkward(), crowded, *wide, *(fuzz.random_case(draw) for _ in range(6))):
        fuzz.publish(data)
        action = parse_manifest(data, LIMITS)
        older = dataclasses.replace(
            action,
            fields=versions.change_fields(draw, action.fields)[:MAX_FIELDS],
            hash=Hash32(draw.randbytes(32)),
        )
        found += [
            give(action, None),
            give(action, state_worlds.random_values(draw, action.fields)),
            give(action, state_worlds.random_values(draw, older.fields), older),
        ]
    return [meet(given) for given in found]


class Chunks:
    """Serves the chunks of a state that was met, some of them spoilt."""

    def __init__(self, draw: random.Random, met: Met, spoilt: float) -> None:
        self.draw = draw
        self.met = met
        self.spoilt = spoilt
        self.known = [*met.preimages, *TEXTS, *TEXTS]

    def make_inner(self, leaf: int) -> Chunk:
        return self.spoil(self.met.leaves.get_chunk(leaf), get_region(leaf).type)

    def make_outer(self, record: int, chunk: int) -> Chunk:
        made = self.met.get_outer(record, chunk)
        if chunk == 0:
            return PAD_CHUNK if self.draw.random() < 0.05 else made
        return self.spoil(made, ChunkType.BYTES32, (7, 10, 10))

    def spoil(self, chunk: Chunk, kind: ChunkType, places: tuple[int, ...] = ()) -> Chunk:
        draw = self.draw
        if draw.random() > self.spoilt:
            return chunk
        if draw.random() < 0.1:
            return PAD_CHUNK
        count = LANES[kind]
        if chunk is PAD_CHUNK or chunk.type is ChunkType.PAD:
            values = [PAD_INT32 if kind is ChunkType.INT32 else 0] * count
        else:
            lanes = ChunkLanes(chunk)
            values = [lanes[lane] for lane in range(count)]
        number, share = self.draw_number(kind), draw.choice((0.02, 0.3, 1))
        for lane in places or range(count):
            if places or draw.random() < share:
                values[lane] = number if draw.random() < 0.3 else self.draw_number(kind)
        match kind:
            case ChunkType.INT32:
                return trace.encode_int32(values)
            case ChunkType.BYTES32:
                return trace.encode_words(values)
            case _:
                return trace.encode_bytes(bytes(values))

    def draw_number(self, kind: ChunkType) -> int:
        draw = self.draw
        match kind:
            case ChunkType.INT32:
                near = draw.choice((*NUMBERS, draw.randrange(4_096), draw.getrandbits(31)))
                return near if draw.random() < 0.9 else -near // 2
            case ChunkType.BYTES32:
                if draw.random() < 0.2:
                    return draw.choice(WORDS)
                return int.from_bytes(draw.choice(self.known), "big", signed=True)
            case _:
                return draw.randrange(256)


def get_region(leaf: int) -> Region:
    region = layout().find(leaf)
    assert region is not None
    return region


@dataclass(frozen=True)
class Case:
    """A step, what Python says of it, and its proof."""

    step: tuple[Any, ...]
    raw: bytes
    value: int
    read: Read
    proof: bytes

    @property
    def op(self) -> int:
        return int(self.step[5])

    def ask(self, **changes: Any) -> int:
        """Return what the verifier says."""
        case = dataclasses.replace(self, **changes)
        asked = verifier(VERIFIERS[self.op])
        return int(asked.recompute(case.step, case.raw, case.proof, gas=10_000_000))


def draw_case(draw: random.Random, op: int) -> Case:
    """Draw a step of an op on a state that was met, mostly spoilt."""
    while True:
        met = draw.choice(pool())
        chunks = Chunks(draw, met, draw.choice((0.0, 0.15, 0.5)))
        region = next(region for region in layout().regions if region.op == op)
        leaf, lane = draw_place(draw, region, met)
        record = get_record(draw.choice((0, 1, 255)), Frame.STATE)
        address = Address(record, region.start + leaf, lane)
        world = met.open_world()
        world = dataclasses.replace(
            world,
            make_inner=chunks.make_inner,
            make_outer=chunks.make_outer,
            preimages=world.preimages | TEXTS,
            manifests={given.manifest.hash: data for given, data in list_manifests()},
        )
        own = chunks.make_inner(address.leaf)
        raw = bytes(1_024) if own.type is ChunkType.PAD else own.data
        try:
            return build_case(draw, address, raw, world)
        except KeyError:
            continue  # nobody knows what it asks for, so nobody proves it


@functools.cache
def list_manifests() -> list[tuple[Any, bytes]]:
    return [(met.given, data) for met in pool() for data in met.manifests.values()]


def draw_place(draw: random.Random, region: Region, met: Met) -> tuple[int, int]:
    """Draw a leaf and a lane, mostly such as have a value."""
    lanes = LANES[region.type]
    fields = len(met.given.manifest.fields)
    arrays = [i for i, field in enumerate(met.given.manifest.fields) if field.items]
    index = draw.choice(arrays) if arrays and draw.random() < 0.5 else draw.randrange(fields)
    kind = draw.random()
    if kind < 0.1:
        return draw.randrange(region.leaves), draw.choice((0, draw.randrange(lanes)))
    match region.name:
        case "item" | "length" | "end":
            place = 64 * index + draw.choice((0, 0, 0, 1, 2, 3, 63))
            return divmod(draw.choice((place, place, 32 * (place // 32))), lanes)
        case "owner" | "state_json":
            head = met.leaves.get_chunk((1 << state_worlds.HEIGHT) - 16)
            length = ChunkLanes(head)[1]
            near = draw.choice((0, 1, lanes - 1, lanes, length - 1, length - 2, length))
            byte = draw.choice((near, *[draw.randrange(length)] * 3))
            return divmod(max(0, min(byte, region.leaves * lanes - 1)), lanes)
        case "count" | "value" | "state_values":
            return 0, draw.choice((0, index, index, min(fields, 31)))
        case "cell" | "state_head":
            return 0, draw.choice((0, 0, 1, 1, 2, 3))
        case _:
            return draw.randrange(region.leaves), draw.randrange(min(lanes, fields + 2))


def build_case(draw: random.Random, address: Address, raw: bytes, world: World) -> Case:
    """Let Python take a step, and build trees around what it read."""
    region = get_region(address.leaf)
    reads = RecordedReads(world)
    own = ChunkLanes(Chunk(region.type, raw))
    value = steps.recompute(step_state.OPS, fuzz.MODEL, address, own, reads)
    inner, outer = (
        SparseTree(
            height,
            {i: trace.compute_chunk_leaf(c) for o, i, c in reads.read.chunks if o == is_outer},
            draw.getrandbits(32),
        )
        for is_outer, height in (
            (False, state_worlds.HEIGHT),
            (True, OUTER_HEIGHT + RECORD_HEIGHT),
        )
    )
    rows = SparseTree(1, {}, 0)
    proof = step_proof.encode_proof(reads.read, inner, outer, rows, is_frame=True)  # type: ignore[arg-type]  # no row is read
    step = (outer.root, inner.root, *address, region.op, bytes(32), 1, bytes(32))
    return Case(step, raw, value, reads.read, proof)


def damage(draw: random.Random, case: Case) -> bytes | None:
    """Return a proof that brings something else than the step reads; None if it draws the same."""
    leaves, rows, hint, preimages = decode(FRAME_TYPES, case.proof)
    opened = [[data, list(siblings)] for data, siblings in leaves]
    brought = [[data, list(siblings)] for data, siblings in rows]
    known = list(preimages)
    way = draw.choice(("leaf", "leaf", "preimage", "row"))
    if way == "row":
        brought.append([draw.randbytes(9), []])
    elif way == "preimage":
        damage_preimages(draw, known)
    elif opened:
        damage_part(draw, opened)
    else:
        opened.append([bytes(1_024), [bytes(32)] * 12])
    proof = encode(FRAME_TYPES, (opened, brought, hint, known))
    return None if proof == case.proof else proof


def damage_preimages(draw: random.Random, known: list[bytes]) -> None:
    if not known:
        known.append(draw.choice((b"", b"a", bytes(64))))
        return
    match draw.choice(("bit", "missing", "cut", "more", "extra")):
        case "bit" if known[0]:
            known[0] = flip(draw, known[0])
        case "cut" if known[0]:
            known[0] = known[0][:-1]
        case "more" if len(known[0]) < 2_048:
            known[0] += b"\0"
        case "extra":
            known.append(known[0])
        case _:
            known.clear()


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
        read = f"{len(case.read.chunks)} opened, {len(case.read.preimages)} known"
        counts[f"op {op}: {read}: {describe(case)}"] += 1
    return counts


def describe(case: Case) -> str:
    """Name what a step answered, as far as its paths differ by it."""
    kind = get_region(case.step[3]).type
    if case.value == DEAD:
        return "dead"
    return "filler" if case.value == steps.FILLER[kind] else "alive"


def refuse(case: Case, proof: bytes) -> str:
    """Return why the verifier takes no answer from a proof."""
    try:
        answer = case.ask(proof=proof)
    except Reverted as refusal:
        return refusal.reason
    raise AssertionError(f"a damaged proof gave {answer}: {case}")


def find_gas(case: Case) -> tuple[int, int]:
    """Return what a step costs: the verifier's execution, and a whole resolution."""
    assert case.ask() == case.value
    asked = verifier(VERIFIERS[case.op])
    chain = fuzz.world()
    (entry,) = [e for e in chain.abis[asked.address] if e.get("name") == "recompute"]
    data = harness.encode_call(entry, case.step, case.raw, case.proof)
    alone = chain.gas - BASE - price(data, 16, 4)
    usual = BASE + 16 * RESOLVE_BYTES + price(case.proof, 16, 4) + RESOLVE_GAS + alone
    return alone, max(usual, BASE + 40 * RESOLVE_BYTES + price(case.proof, 40, 10))
