"""Random worlds for the steps of norms, attention and SwiGLU, judged in Python and on chain.

Contents are any bytes of a chunk's type, honest sizes and extremes mixed. Shapes are made up: heads
that lie in two leaves, widths that end within a word, one lane of everything.
"""

from __future__ import annotations

import dataclasses
import functools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from eth_abi.abi import decode, encode

from oyez.dispute import step_proof
from oyez.dispute.step_proof import Read, RecordedReads
from oyez.protocol import step as steps
from oyez.protocol import step_attention, step_layer, trace
from oyez.protocol.constants import LAST_SLOT, OUTER_HEIGHT, RECORD_HEIGHT
from oyez.protocol.inner import DEAD, Region
from oyez.protocol.step import Address, ChunkLanes, LayerFormats, StepModel
from oyez.protocol.trace import Chunk, ChunkType
from oyez.protocol.types import Hash32, ModelShape
from tests import given_models
from tests import steps as worlds
from tests.contracts import harness
from tests.contracts.harness import Contract, Reverted
from tests.steps import Rows, SparseTree, World

LAYER_OPS = tuple(step_layer.OPS)
ATTENTION_OPS = tuple(step_attention.OPS)
ALL = {**step_layer.OPS, **step_attention.OPS}
NORM_TYPE = 258
SIZE = {
    ChunkType.INT32: 256,
    ChunkType.INT16: 512,
    ChunkType.INT16_REVERSED: 512,
    ChunkType.BYTES32: 32,
}
LAST_POSITION = 2_046
#: Openings as the ABI has them: data and siblings.
Given = Sequence[tuple[bytes, Sequence[bytes]]]
Damaged = tuple[Given, Given] | None


def make_shape(width: int, far: int, heads: int, kv_heads: int, size: int) -> ModelShape:
    return dataclasses.replace(
        harness.SHAPE,
        layers=3,
        width=width,
        feed_forward=far,
        heads=heads,
        kv_heads=kv_heads,
        head_size=size,
        vocabulary=300,
    )


SHAPES = {
    "135M": harness.SHAPE,
    "straddling": make_shape(1_020, 1_001, 12, 12, 68),
    "wide": make_shape(2_048, 8_192, 8, 2, 256),
    "odd": make_shape(516, 4_099, 10, 3, 36),
    "one": make_shape(4, 1, 1, 1, 4),
}


@dataclass(frozen=True)
class Place:
    """A model of some shape with random norms, its tree, and the verifiers on chain."""

    model: StepModel
    rows: Rows
    weights: dict[int, bytes]
    layer: Contract
    attention: Contract

    def verifier(self, op: int) -> Contract:
        return self.layer if op in step_layer.OPS else self.attention


@functools.cache
def place(name: str) -> Place:
    shape, draw = SHAPES[name], random.Random(name)

    def draw_formats() -> LayerFormats:
        q, k, v, attn_norm, ffn_norm = (draw.randrange(16) for _ in range(5))
        return LayerFormats(q, k, v, attn_norm, ffn_norm, types=(2,) * 7)

    formats = tuple(draw_formats() for _ in range(shape.layers))
    model = StepModel(
        root=Hash32(bytes(32)),
        shape=shape,
        records=290,
        tied=True,
        embedding_type=2,
        head_type=2,
        epsilon=176_000_000,
        score_scale=47_274,
        output_exponent=3,
        layers=formats,
        inner_height=12,
    )
    weights: dict[int, bytes] = {}
    for norm in range(2 * shape.layers + 1):
        for part in range(-(-shape.width // 512)):
            row = 1 + shape.layers + norm * -(-shape.width // 512) + part
            count = min(512, shape.width - 512 * part)
            lanes = [
                draw.choice((-32_768, 32_767, 0, 1, -1, draw.randrange(-32_768, 32_768)))
                for _ in range(count)
            ]
            weights[row] = b"".join(lane.to_bytes(2, "big", signed=True) for lane in lanes)
    leaves = {row: worlds.hash_row(0, row, NORM_TYPE, data) for row, data in weights.items()}
    rows = Rows(shape.model_height, leaves, 1, functools.partial(given_models.find_leaf, model))
    model = dataclasses.replace(model, root=rows.root)
    world = harness.World()
    given = given_models.deploy_model(world, model)
    return Place(
        model,
        rows,
        weights,
        world.deploy("contracts/StepVerifierLayer.vy", given.address),
        world.deploy("contracts/StepVerifierAttention.vy", given.address),
    )


@dataclass(frozen=True)
class Case:
    """One step: where it stands, what it reads, what Python says."""

    place: Place
    op: int
    address: Address
    raw: bytes
    read: Read
    answer: int

    def prove(self) -> tuple[Hash32, Hash32, bytes]:
        """Return the outer and the inner root, and the proof."""
        known: dict[bool, dict[int, bytes]] = {False: {}, True: {}}
        for outer, index, chunk in self.read.chunks:
            known[outer][index] = trace.compute_chunk_leaf(chunk)
        inner_tree = SparseTree(12, known[False], 2)
        outer_tree = SparseTree(OUTER_HEIGHT + RECORD_HEIGHT, known[True], 3)
        proof = step_proof.encode_proof(self.read, inner_tree, outer_tree, self.place.rows)
        return outer_tree.root, inner_tree.root, proof

    def ask(self, outer: Hash32, inner: Hash32, proof: bytes) -> int:
        """Ask the verifier."""
        step = (outer, inner, *self.address, self.op, bytes(32), 1, bytes(32))
        answer: int = self.place.verifier(self.op).recompute(step, self.raw, proof)
        return answer


def make_case(
    name: str,
    op: int,
    draw: random.Random,
    at: tuple[int, int, int] | None = None,
    fixed: Mapping[str, Chunk | Sequence[Chunk]] = MappingProxyType({}),
    slot: int | None = None,
) -> Case:
    """Draw a lane of an op, and what it reads.

    `at` gives the position, the leaf in the region and the lane; then all that is read lives.
    `fixed` gives leaves by their region's name, the op's own included, and "outer" chunks: one for
    all of them, or as many as there are.
    """
    here = place(name)
    model = here.model
    if slot is None:
        slot = 31 if op >= 32 else draw.choice((0, 0, 1, model.shape.layers - 1))
    position = at[0] if at else draw_position(draw, 0 if op >= 32 else 1)
    record = trace.compute_outer_index(draw.choice((0, 255, draw.randrange(256))), position, slot)
    layout = model.get_layout(record)
    assert layout is not None
    (region,) = (region for region in layout.regions if region.op == op)
    leaf = draw.choice((0, region.leaves - 1, draw.randrange(region.leaves)))
    lane = draw_lane(draw, here, region, position)
    if at:
        _, leaf, lane = at
    address = Address(record, region.start + leaf, lane)
    raw = make_chunk(draw, region.type, 0.2)
    if region.name in fixed:
        raw = pick(fixed[region.name], leaf)
    dead = 0.0 if at else draw.choice((0.0, 0.0, 0.0, 0.3))
    types = {region.start + i: region for region in layout.regions for i in range(region.leaves)}

    def inner_chunk(at: int) -> Chunk:
        if draw.random() < dead:
            return trace.PAD_CHUNK
        if types[at].name in fixed:
            return pick(fixed[types[at].name], at - types[at].start)
        chunk = make_chunk(draw, types[at].type, 0.2)
        return set_first(draw, types[at], chunk, -(-model.shape.width // 256))

    def outer_chunk(at: int, chunk: int) -> Chunk:
        if draw.random() < dead:
            return trace.PAD_CHUNK
        if "outer" in fixed:
            return pick(fixed["outer"], chunk)
        if op == 0:
            return make_told(draw, position, at, chunk)
        keys = op in (7, 11)
        return make_chunk(draw, ChunkType.INT16_REVERSED if keys else ChunkType.INT32, 0.2)

    world = World(inner_chunk, outer_chunk, lambda _, row: here.weights[row])
    reads = RecordedReads(world)
    own = ChunkLanes(Chunk(region.type, raw.data))
    answer = steps.recompute(ALL, model, address, own, reads)
    return Case(here, op, address, raw.data, reads.read, answer)


def draw_position(draw: random.Random, first: int) -> int:
    edges = [first, 1, 2, LAST_POSITION]
    edges += [256 * block + by for block in range(1, 8) for by in (-1, 0, 1)]
    return draw.choice((draw.choice(edges), draw.randrange(first, LAST_POSITION + 1)))


def draw_lane(draw: random.Random, here: Place, region: Region, position: int) -> int:
    """Lanes at a region's and a position's edges are drawn more often."""
    size = SIZE[region.type]
    chunks = -(-here.model.shape.width // 256)
    lanes = [0, 1, size - 1, draw.randrange(size)]
    if region.op == 0:
        lanes = [0, 0, 0, 1]
    elif region.name in ("norm", "ffn_norm"):
        lanes = [*range(2 * chunks + 3)]
    elif region.op in (7, 9, 11):
        lanes += [(position + by) % size for by in (-2, -1, 0)]
    elif region.op in (8, 10):
        lanes += [draw.randrange(8 * here.model.shape.heads), 8 * here.model.shape.heads]
        lanes += [position // 256, (position - 1) // 256]
    elif region.op in (14, 22):
        count = here.model.shape.feed_forward if region.op == 22 else 576
        lanes += [draw.randrange(-(-count // 256)), -(-count // 256), count // 256]
    else:
        counts = {3: here.model.shape.width, 23: here.model.shape.feed_forward}
        lanes += [(counts.get(region.op, position) + by) % size for by in (-1, 0)]
    return min(size - 1, draw.choice(lanes))


def make_chunk(draw: random.Random, kind: ChunkType, edges: float) -> Chunk:
    """Return any bytes of a type: random bits, honest sizes or extremes."""
    if kind is ChunkType.BYTES32:
        return trace.encode_words([make_word(draw) for _ in range(trace.WORDS)])
    width = 32 if kind is ChunkType.INT32 else 16
    style = draw.randrange(4)
    least, most = -(1 << (width - 1)), (1 << (width - 1)) - 1
    if style == 0:
        return Chunk(kind, draw.randbytes(1_024))
    if style == 1:
        value = draw.choice((least, least + 1, most, 0, -1))
        lanes = [
            value if draw.random() > 0.02 else draw.randint(least, most) for _ in range(SIZE[kind])
        ]
    else:
        size = 1 << draw.randrange(1, width - 1)
        lanes = [
            draw.choice((least, least + 1, -size, most, 0))
            if draw.random() < edges / style
            else draw.randint(-size, size)
            for _ in range(SIZE[kind])
        ]
    encode: dict[ChunkType, Callable[[list[int]], Chunk]] = {
        ChunkType.INT32: trace.encode_int32,
        ChunkType.INT16: trace.encode_int16,
        ChunkType.INT16_REVERSED: trace.encode_int16_reversed,
    }
    return encode[kind](lanes)


def make_word(draw: random.Random) -> int:
    """Return a word of any sign and size, in two's complement."""
    bits = draw.choice((0, 1, 6, 20, 40, 59, 60, 61, 70, 71, 72, 73, 100, 200, 254, 255))
    value = draw.choice((1 << bits, draw.getrandbits(bits + 1), (1 << bits) - 1))
    sign = draw.choice((1, 1, -1))
    return max(-(1 << 255), min((1 << 255) - 1, sign * value)) % (1 << 256)


def set_first(draw: random.Random, region: Region, chunk: Chunk, chunks: int) -> Chunk:
    """Make what steers a step mostly such that something comes of it."""
    if draw.random() < 0.2:
        return chunk
    lanes = [ChunkLanes(chunk)[lane] for lane in range(SIZE[chunk.type])]
    base = draw.randrange(-3, 50)
    if region.name == "mode":
        return trace.encode_int32([draw.randrange(-1, 8), *lanes[1:]])
    if region.name in ("mixed_bits", "gated_bits"):
        return trace.encode_int32([base + draw.randrange(-3, 4) for _ in lanes])
    if region.name in ("norm", "ffn_norm"):
        words = [draw.getrandbits(46) for _ in lanes]
        words[2 * chunks + 1] = base % (1 << 256)
        return trace.encode_words(words)
    if region.name == "part":
        words = [draw.randrange(-(1 << base + 4), 1 << base + 4) for _ in lanes]
        return trace.encode_words([word % (1 << 256) for word in words])
    if region.name in ("score", "maximum") and draw.random() < 0.7:
        low, near = draw.randrange(-(2**31), 2**31 - 2**22), 1 << draw.randrange(8, 22)
        return trace.encode_int32([low + draw.randrange(near) for _ in lanes])
    if region.name in ("total", "weight"):
        rare = 0.5 if region.name == "total" else draw.choice((0.0, 0.0, 0.01))
        hole = draw.choice((-(2**31), -(2**31), -(2**31) + 1))
        return trace.encode_int32(
            [hole if draw.random() < rare else draw.randrange(1 << 17) for _ in lanes]
        )
    return chunk


def pick(given: Chunk | Sequence[Chunk], at: int) -> Chunk:
    return given if isinstance(given, Chunk) else given[at]


def make_told(draw: random.Random, position: int, record: int, chunk: int) -> Chunk:
    """Return a chunk that may be a prompt's or a sampler's."""
    lanes = [draw.randrange(49_152) for _ in range(256)]
    if record & LAST_SLOT == LAST_SLOT:
        lanes[0] = draw.choice((1, 2, 3, *range(-1, 6)))
    elif chunk == 0:
        near = (position - 1, position, position + 1, draw.randrange(2_047), -(2**31))
        lanes[:2] = draw.choice(near), draw.choice((1,) * 8 + (0, 2))
    return trace.encode_int32(lanes)


def check_agreement(name: str, op: int, draw: random.Random) -> Case:
    """Assert that Python and the verifier agree about a random lane."""
    case = make_case(name, op, draw)
    found = case.ask(*case.prove())
    assert found == case.answer, (name, op, case.address, found, case.answer)
    return case


def describe(answer: int) -> str:
    """Name what kind of number a lane is."""
    if answer == DEAD:
        return "dead"
    if answer in (-(2**31), -(2**15)):
        return "filler"
    if answer == 0:
        return "zero"
    return "saturated" if abs(answer) in (32_767, 2**31 - 1) else "number"


def check_refused(case: Case, draw: random.Random) -> str:
    """Damage a proof in one way; assert that it is refused. Returns the way."""
    outer, inner, proof = case.prove()
    leaves, rows, hint = decode(step_proof.PROOF_TYPES, proof)
    ways = list_damages(draw, [*leaves], [*rows])
    ways["another inner root"] = None
    ways["another outer root"] = None
    if all(is_outer for is_outer, _, _ in case.read.chunks):
        del ways["another inner root"]
    if not any(is_outer for is_outer, _, _ in case.read.chunks):
        del ways["another outer root"]
    way = draw.choice(sorted(ways))
    damaged = ways[way] or (leaves, rows)
    proof = encode(step_proof.PROOF_TYPES, (*damaged, hint))
    roots = [
        flip(draw, root) if way == f"another {name} root" else root
        for name, root in (("outer", outer), ("inner", inner))
    ]
    try:
        answer = case.ask(Hash32(roots[0]), Hash32(roots[1]), proof)
    except Reverted:
        return way
    raise AssertionError(f"{way}: {case.op} at {case.address} answers {answer}")


def list_damages(draw: random.Random, leaves: Given, rows: Given) -> dict[str, Damaged]:
    """Return every way to damage these openings, with leaves and rows after it."""
    extra = (draw.randbytes(1_024), [draw.randbytes(32) for _ in range(draw.randrange(12))])
    found: dict[str, Damaged] = {
        "an opening too many": ([*leaves, extra], rows),
        "a row too many": (leaves, [*rows, (b"", [])]),
    }
    if leaves:
        k = draw.randrange(len(leaves))
        data, siblings = leaves[k]

        def put(data: bytes, siblings: Sequence[bytes]) -> Given:
            return [*leaves[:k], (data, siblings), *leaves[k + 1 :]]

        found["an opening too few"] = leaves[:-1], rows
        found["the first opening gone"] = leaves[1:], rows
        found["a sibling more"] = put(data, [*siblings, bytes(32)]), rows
        found["the last opening twice"] = [*leaves, leaves[-1]], rows
        if siblings:
            found["a sibling less"] = put(data, siblings[:-1]), rows
            i = draw.randrange(len(siblings))
            changed = [*siblings[:i], flip(draw, siblings[i]), *siblings[i + 1 :]]
            found["another sibling"] = put(data, changed), rows
        if data:
            found["another leaf"] = put(flip(draw, data), siblings), rows
            found["dead for living"] = put(b"", siblings), rows
            found["dead for living, and the end"] = put(b"", siblings)[: k + 1], []
            found["a leaf too short"] = put(data[:-1], siblings), rows
        else:
            found["living for dead"] = put(bytes(1_024), siblings), rows
    if len(leaves) > 1:
        found["in another order"] = leaves[::-1], rows
    if rows:
        found["no row"] = leaves, []
        found["another row"] = leaves, [(flip(draw, rows[0][0]), rows[0][1])]
        found["another path of the row"] = leaves, [(rows[0][0], [*rows[0][1][:-1], bytes(32)])]
    return found


def flip(draw: random.Random, data: bytes) -> bytes:
    """Return bytes of which one bit is another."""
    at = draw.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]
