"""Steps of rows on made-up models and leaves: a few rows of each matrix, any shape and row types.

A `Setup` is a model with its two verifiers; its rows are fixed, since their root is. A `Case` is
one lane: leaves are made up where they are read, about half of them as only a liar could hold.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from eth_abi.abi import decode, encode

from oyez.dispute import step_proof
from oyez.dispute.step_proof import RecordedReads
from oyez.engines.exact.inner_leaves import LANES
from oyez.protocol import inner, step, step_rows, trace
from oyez.protocol.constants import (
    LAST_SLOT,
    MAX_POSITIONS,
    OUTER_HEIGHT,
    RECORD_HEIGHT,
)
from oyez.protocol.inner import DEAD, Region
from oyez.protocol.row_bytes import ROW_FORMATS, count_bytes
from oyez.protocol.step import Address, ChunkLanes, LayerFormats, StepModel
from oyez.protocol.step_integers import SAT16, SAT32
from oyez.protocol.step_rows import CONFIG, EMBEDDING, FIRST_MATRIX, MATRICES
from oyez.protocol.trace import Chunk, ChunkType
from oyez.protocol.types import Hash32
from tests import given_models
from tests.contracts import harness
from tests.contracts.harness import Contract, Reverted
from tests.drawn_rows import draw_lanes, draw_row
from tests.layer_steps import flip, list_damages
from tests.steps import Rows, SparseTree, World, hash_row, pad

ROPE_TYPE = 259
#: Ops of parts.
PARTS = (16, 25)
#: Regions of rows; more where products are cut into parts.
NAMES = (*("embedding", "heads", "query", "key_value", "middle", "gate", "up", "output", "logits"),)
ROWS = "contracts/StepVerifierRows.vy"
WIDE_ROWS = "contracts/StepVerifierParts.vy"


@dataclass(frozen=True)
class Plan:
    """A model's shape, and the row types of its embedding, seven matrices and head."""

    width: int = 64
    heads: int = 4
    kv_heads: int = 2
    head_size: int = 16
    feed_forward: int = 96
    embedding: int = 8
    matrices: tuple[int, ...] = (3,) * MATRICES
    head: int | None = None
    layers: int = 2
    vocabulary: int = 700
    context: int = 90


@dataclass(frozen=True)
class Setup:
    """A model, its rows and its verifiers."""

    model: StepModel
    rows: Mapping[tuple[int, int], bytes]
    tree: Rows
    world: harness.World
    narrow: Contract
    wide: Contract

    def get_contract(self, op: int) -> Contract:
        return self.wide if op in PARTS else self.narrow

    def list_rows(self, tensor: int) -> list[int]:
        return [row for known, row in self.rows if known == tensor]


def list_names(plan: Plan) -> tuple[str, ...]:
    """Return the regions of rows that a model has."""
    attended = ["attention_part"] * (plan.heads * plan.head_size > 1_024)
    return (*NAMES, *attended, *["down_part"] * (plan.feed_forward > 2_048))


def build_model(draw: random.Random, plan: Plan) -> StepModel:
    """Return the model without its root."""
    shape = replace(
        harness.SHAPE,
        layers=plan.layers,
        width=plan.width,
        feed_forward=plan.feed_forward,
        heads=plan.heads,
        kv_heads=plan.kv_heads,
        head_size=plan.head_size,
        vocabulary=plan.vocabulary,
        context=plan.context,
    )
    layers = tuple(
        LayerFormats(
            q=draw.randrange(16),
            k=draw.randrange(16),
            v=draw.randrange(16),
            attn_norm=draw.randrange(25),
            ffn_norm=draw.randrange(25),
            types=plan.matrices,
        )
        for _ in range(plan.layers)
    )
    return StepModel(
        root=Hash32(bytes(32)),
        shape=shape,
        records=300,
        tied=plan.head is None,
        embedding_type=plan.embedding,
        head_type=plan.embedding if plan.head is None else plan.head,
        epsilon=1,
        score_scale=1,
        output_exponent=draw.randrange(25),
        layers=layers,
        inner_height=12,
    )


def list_matrices(model: StepModel) -> Iterator[tuple[int, int, int, int]]:
    """Yield tensor, rows, row type and columns of every matrix."""
    shape = model.shape
    queries, keys = inner.queries(shape), inner.keys(shape)
    yield EMBEDDING, shape.vocabulary, model.embedding_type, shape.width
    for layer, formats in enumerate(model.layers):
        sizes = (queries, keys, keys, shape.width, *[shape.feed_forward] * 2, shape.width)
        widths = (*[shape.width] * 3, queries, shape.width, shape.width, shape.feed_forward)
        for matrix in range(MATRICES):
            tensor = FIRST_MATRIX + MATRICES * layer + matrix
            yield tensor, sizes[matrix], formats.types[matrix], widths[matrix]
    if not model.tied:
        tensor = FIRST_MATRIX + MATRICES * shape.layers
        yield tensor, shape.vocabulary, model.head_type, shape.width


def build_setup(seed: int | str, plan: Plan) -> Setup:
    """Make up three rows of each matrix and three positions; deploy the verifiers."""
    draw = random.Random(f"setup {seed}")
    model = build_model(draw, plan)
    rows, types = {}, {}
    for tensor, count, kind, columns in list_matrices(model):
        for row in {0, count - 1, draw.randrange(count)}:
            rows[tensor, row] = draw_row(draw, kind, columns, top=draw.choice((12, 15, 31)))
            types[tensor, row] = kind
            assert len(rows[tensor, row]) == count_bytes(kind, columns)
    for position in {1, plan.context, draw.randint(1, plan.context)}:
        row = step_rows.find_rope_row(model.shape, position)
        rows[CONFIG, row] = draw.randbytes(2 * plan.head_size)
        types[CONFIG, row] = ROPE_TYPE

    def find_leaf(tensor: int, row: int) -> int:
        return given_models.find_leaf(model, tensor, row)

    leaves = {find_leaf(*at): hash_row(*at, types[at], data) for at, data in rows.items()}
    tree = Rows(model.shape.model_height, leaves, draw.getrandbits(32), find_leaf)
    model = replace(model, root=tree.root)
    world = harness.World()
    address = given_models.deploy_model(world, model).address
    narrow, wide = world.deploy(ROWS, address), world.deploy(WIDE_ROWS, address)
    return Setup(model, rows, tree, world, narrow, wide)


@dataclass
class Case:
    """One lane: where it stands, what is there, what its step reads and answers."""

    setup: Setup
    region: Region
    address: Address
    source: World
    reads: RecordedReads
    answer: int
    raw: bytes
    trees: tuple[SparseTree, SparseTree] = field(init=False)

    def __post_init__(self) -> None:
        found: dict[bool, dict[int, bytes]] = {False: {}, True: {}}
        for outer, index, chunk in self.reads.read.chunks:
            found[outer][index] = trace.compute_chunk_leaf(chunk)
        seed = self.address.record ^ self.address.leaf << 40
        self.trees = (
            SparseTree(self.setup.model.inner_height, found[False], seed),
            SparseTree(OUTER_HEIGHT + RECORD_HEIGHT, found[True], seed + 1),
        )

    def encode_proof(self) -> bytes:
        return step_proof.encode_proof(self.reads.read, *self.trees, self.setup.tree)

    def recompute(
        self,
        proof: bytes | None = None,
        roots: Sequence[Hash32] | None = None,
        lane: int | None = None,
    ) -> int:
        """Ask the verifier; roots of the inner and the outer tree."""
        inner_root, outer_root = roots or [tree.root for tree in self.trees]
        at = self.address if lane is None else self.address._replace(lane=lane)
        where = (outer_root, inner_root, *at, self.region.op, bytes(32), 1, bytes(32))
        contract = self.setup.get_contract(self.region.op)
        given = self.encode_proof() if proof is None else proof
        answer: int = contract.recompute(where, self.raw, given)
        return answer


def count_lanes(setup: Setup, name: str) -> int:
    """Return how many lanes of a region have a value."""
    shape = setup.model.shape
    queries, keys = inner.queries(shape), inner.keys(shape)
    return {
        "heads": queries + keys,
        "query": queries,
        "key_value": 2 * keys,
        "gate": shape.feed_forward,
        "up": shape.feed_forward,
        "attention_part": shape.width * inner.count_attention_parts(shape),
        "down_part": shape.width * inner.count_down_parts(shape),
        "logits": shape.vocabulary,
    }.get(name, shape.width)


def draw_lane(draw: random.Random, setup: Setup, region: Region, slot: int) -> int:
    """Return a lane of a region, counted from its first, whose row is known.

    Sometimes it is the first that has no value, or the last of all.
    """
    shape = setup.model.shape
    queries, keys = inner.queries(shape), inner.keys(shape)
    tensor = FIRST_MATRIX + MATRICES * slot

    def pick(matrix: int) -> int:
        return draw.choice(setup.list_rows(tensor + matrix))

    count, last = count_lanes(setup, region.name), LANES[region.type] * region.leaves - 1
    if draw.random() < 0.06:
        return draw.choice((min(count, last), last))
    match region.name:
        case "heads":
            is_query = draw.random() < 0.5
            return pick(step_rows.ATTN_Q) if is_query else queries + pick(step_rows.ATTN_K)
        case "key_value":
            is_key = draw.random() < 0.5
            return draw.randrange(keys) if is_key else keys + pick(step_rows.ATTN_V)
        case "middle":
            return pick(step_rows.ATTN_OUTPUT)
        case "gate":
            return pick(step_rows.FFN_GATE)
        case "up":
            return pick(step_rows.FFN_UP)
        case "output":
            return pick(step_rows.FFN_DOWN)
        case "attention_part":
            parts = inner.count_attention_parts(shape)
            return pick(step_rows.ATTN_OUTPUT) * parts + draw.randrange(parts)
        case "down_part":
            parts = inner.count_down_parts(shape)
            return pick(step_rows.FFN_DOWN) * parts + draw.randrange(parts)
        case "logits":
            head = EMBEDDING if setup.model.tied else FIRST_MATRIX + MATRICES * shape.layers
            return draw.choice(setup.list_rows(head))
        case _:
            return draw.randrange(count)


def draw_position(draw: random.Random, setup: Setup) -> int:
    """Return a position whose rotation is known, sometimes one past the context."""
    first, past = step_rows.find_rope_row(setup.model.shape, 0), setup.model.shape.context + 1
    if draw.random() < 0.05 and past <= MAX_POSITIONS:
        return draw.choice((past, draw.randint(past, MAX_POSITIONS)))
    return draw.choice(setup.list_rows(CONFIG)) - first


def draw_case(
    draw: random.Random,
    setup: Setup,
    name: str,
    wild: float = 0.5,
    *,
    lane: int | None = None,
    position: int | None = None,
) -> Case:
    """Return a lane of a region by its name, or a given one; a share of `wild` reads anything."""
    model, shape = setup.model, setup.model.shape
    slot = LAST_SLOT if name == "logits" else draw.randrange(shape.layers)
    if name == "embedding" and draw.random() < 0.9:
        slot = 0
    position = position or draw_position(draw, setup)
    record = trace.compute_outer_index(draw.randrange(256), position, slot)
    layout = model.get_layout(record)
    assert layout is not None
    region = layout.get(name)
    size = LANES[region.type]
    if lane is None:
        lane = draw_lane(draw, setup, region, slot)
    address = Address(record, region.start + lane // size, lane % size)
    is_wild = draw.random() < wild
    # which of its openings is dead, if it gets there
    reading, dead = itertools.count(), draw.randrange(6) if draw.random() < 0.25 else None

    def make_inner(leaf: int) -> Chunk:
        found = layout.find(leaf)
        assert found is not None
        return pad() if next(reading) == dead else make_chunk(draw, setup, found, is_wild)

    def make_outer(_record: int, _chunk: int) -> Chunk:
        return pad() if next(reading) == dead else make_int32(draw, draw.randint(8, 31), is_wild)

    source = World(make_inner, make_outer, lambda *at: setup.rows[at])
    reads = RecordedReads(source)
    raw = draw.randbytes(1_024)
    own = ChunkLanes(Chunk(region.type, raw))
    answer = step.recompute(step_rows.OPS, model, address, own, reads)
    return Case(setup, region, address, source, reads, answer, raw)


def make_int32(draw: random.Random, bits: int, wild: bool = True) -> Chunk:
    """Return lanes of so many bits; if wild, the type's ends are often among them."""
    most = (1 << bits) - 1
    lanes = [draw.randint(-most, most) for _ in range(256)]
    if wild and draw.random() < 0.3:
        lanes = [draw.choice((lane, -(1 << 31), (1 << 31) - 1, 0)) for lane in lanes]
    return trace.encode_int32(lanes)


def make_chunk(draw: random.Random, setup: Setup, region: Region, wild: bool) -> Chunk:
    """Return a chunk of a region that a step of rows reads."""
    make: Mapping[str, Callable[[], Chunk]] = {
        "token": lambda: make_token(draw, setup),
        "norm": lambda: make_norm(draw, setup, wild),
        "ffn_norm": lambda: make_norm(draw, setup, wild),
        "mixed_bits": lambda: make_bits(draw, wild),
        "gated_bits": lambda: make_bits(draw, wild),
        "attention_part": lambda: make_parts(draw, wild),
        "down_part": lambda: make_parts(draw, wild),
    }
    if region.name in make:
        return make[region.name]()
    if region.type is ChunkType.INT32:
        return make_int32(draw, draw.randint(8, 31), wild)
    lanes = draw_lanes(draw, 512)
    if not wild:
        lanes = [max(-16_384, min(16_384, lane)) for lane in lanes]
    return trace.encode_int16(lanes)


def make_token(draw: random.Random, setup: Setup) -> Chunk:
    bad = (-1, setup.model.shape.vocabulary, -(1 << 31), (1 << 31) - 1)
    is_bad = draw.random() < 0.1
    return trace.encode_int32([draw.choice(bad if is_bad else setup.list_rows(EMBEDDING))])


def make_norm(draw: random.Random, setup: Setup, wild: bool) -> Chunk:
    """Return words whose root and shift are an honest vector's, or any."""
    at = 2 * -(-setup.model.shape.width // 256)
    words = [draw.getrandbits(62) for _ in range(32)]
    words[at], words[at + 1] = draw.getrandbits(draw.randint(16, 39)) | 1, draw.randrange(32)
    if wild:
        for word in (at, at + 1):
            if draw.random() < 0.5:
                bits = draw.choice((1, 8, 20, 64, 255, 256))
                words[word] = draw.choice((draw.getrandbits(bits), -draw.getrandbits(bits - 1)))
    return trace.encode_words([word % (1 << 256) for word in words])


def make_bits(draw: random.Random, wild: bool) -> Chunk:
    if wild and draw.random() < 0.5:
        return make_int32(draw, draw.choice((5, 8, 31)))
    return trace.encode_int32([draw.randrange(draw.randint(1, 30)) for _ in range(256)])


def make_parts(draw: random.Random, wild: bool) -> Chunk:
    bits = draw.choice((64, 80, 256)) if wild else 61
    words = [draw.getrandbits(bits) - (1 << bits - 1) for _ in range(32)]
    return trace.encode_words([word % (1 << 256) for word in words])


def check_refused(draw: random.Random, case: Case) -> str:
    """Damage a case's proof, or its address, in one way; assert that it is refused."""
    leaves, rows, hint = decode(step_proof.PROOF_TYPES, case.encode_proof())
    ways = list_damages(draw, [*leaves], [*rows])
    opened = {outer for outer, _, _ in case.reads.read.chunks}
    ways |= {
        f"another {name} root": None for name in ("inner", "outer") if (name == "outer") in opened
    }
    if rows and case.reads.read.rows[0][0] not in (CONFIG, EMBEDDING):
        ways["another lane"] = None
    way = draw.choice(sorted(ways))
    given = ways[way] or (leaves, rows)
    roots = [tree.root for tree in case.trees]
    for place, name in enumerate(("inner", "outer")):
        if way == f"another {name} root":
            roots[place] = Hash32(flip(draw, roots[place]))
    lane = case.address.lane ^ (way == "another lane")
    try:
        proof = encode(step_proof.PROOF_TYPES, (*given, hint))
        answer = case.recompute(proof, roots=roots, lane=lane)
    except Reverted:
        return way
    raise AssertionError(f"{way}: {case.region.name} at {case.address} answers {answer}")


def classify(answer: int) -> str:
    """Say what kind of number a lane is."""
    if answer == DEAD:
        return "dead"
    if answer in (trace.PAD_INT16, trace.PAD_INT32):
        return "filler"
    if answer == 0:
        return "zero"
    return "at a limit" if abs(answer) in (SAT16, SAT32) else "numbers"


def draw_plan(draw: random.Random, in_parts: bool) -> Plan:
    """Return any shape that steps are provable for, each matrix in a row type that fits it."""
    unit = draw.choice((4, 32, 32, 256))
    head_size = draw.choice((32, 64, 128, 256) if unit > 4 else (4, 20, 64))
    group = max(1, unit // head_size)
    heads = group * draw.randint(1, min(32, 2_048 // head_size) // group)
    kv_heads = draw.randint(1, min(heads, max(1, 512 // head_size)))
    width = unit * draw.randint(1, min(2_048 // unit, draw.choice((4, 40, 512))))
    low, high = (2_049, draw.choice((9_000, 32_768))) if in_parts else (1, 2_048)
    feed_forward = unit * draw.randint(-(-low // unit), high // unit)
    queries = heads * head_size

    def pick(columns: int) -> int:
        fits = [kind for kind, made in ROW_FORMATS.items() if columns % made.weights == 0]
        return draw.choice(fits)

    return Plan(
        width,
        heads,
        kv_heads,
        head_size,
        feed_forward,
        pick(width),
        tuple(pick(columns) for columns in (*[width] * 3, queries, width, width, feed_forward)),
        pick(width) if draw.random() < 0.5 else None,
        layers=draw.randint(1, 4),
        vocabulary=draw.randint(3, 3_000),
        context=draw.choice((MAX_POSITIONS, draw.randint(1, MAX_POSITIONS))),
    )
