"""What a step reads is opened at the addresses it computes, each path hooked onto the first."""

from __future__ import annotations

import dataclasses
import functools
import random
from collections.abc import Callable
from typing import Any

import pytest
from eth_abi.abi import decode

from oyez.chain import step_contracts
from oyez.dispute import step_proof
from oyez.dispute.step_proof import RecordedReads
from oyez.engines.exact.step_rows import ModelRows, build_step_model, prove_config
from oyez.protocol import step as steps
from oyez.protocol import trace
from oyez.protocol.step import Address
from oyez.protocol.trace import Chunk, ChunkType
from tests import given_models
from tests import steps as worlds
from tests.contracts.harness import Contract, Reverted, reverts
from tests.contracts.harness import World as Chain
from tests.contracts.test_step_model import create, tiny, world_of
from tests.damage import flip
from tests.steps import SparseTree, World

RECORD = 3 << 16 | 700 << 5 | 2
VERIFIERS = [f"contracts/{name}.vy" for name in step_contracts.VERIFIERS]
KINDS = (ChunkType.INT32, ChunkType.INT16, ChunkType.INT16_REVERSED, ChunkType.BYTES32)


@functools.cache
def opened() -> tuple[Contract, ModelRows]:
    engine, rows = tiny("mixed")
    world = world_of(engine)
    model = create(world, prove_config(rows, engine.shape.layers))
    return world.deploy("tests/contracts/OpeningsHarness.vy", model.address), rows


def test_a_verifier_names_its_model() -> None:
    """Rule: INNER-72"""
    engine, rows = tiny("mixed")
    world = world_of(engine)
    proof = prove_config(rows, engine.shape.layers)
    for model in (create(world, proof), create(world, proof)):
        for path in ("tests/contracts/OpeningsHarness.vy", *VERIFIERS):
            assert world.deploy(path, model.address).model() == model.address


@dataclasses.dataclass(frozen=True)
class Case:
    """A proof of some openings, as the harness takes it."""

    step: tuple[Any, ...]
    leaves: list[Any]
    at: list[int]
    types: list[int]

    def check(self, **changes: Any) -> None:
        case = dataclasses.replace(self, **changes)
        opened()[0].check(case.step, case.leaves, case.at, case.types)


def make_case(seed: int, count: int = 6) -> Case:
    """Random inner leaves and outer chunks, near each other and far apart, some of them PAD."""
    draw = random.Random(seed)
    engine, _ = tiny("mixed")
    model = build_step_model(engine)
    reads = RecordedReads(
        World(lambda _: make_chunk(draw), lambda _record, _chunk: make_chunk(draw), lambda *_: b"")
    )
    near = draw.randrange(4_000)
    for _ in range(count):
        leaf = draw.choice((near + draw.randrange(8), draw.randrange(4_096)))
        record = RECORD - draw.choice((1, 2, 32, 1 << 12))
        chunk = draw.randrange(16)
        with_type(reads, leaf, (record, chunk) if draw.random() < 0.4 else None)
    proven = worlds.prove(reads.read, model, lambda *_: 0, lambda *_: 0, seed)
    leaves, _, _ = decode(step_proof.PROOF_TYPES, proven.proof)
    step = (
        proven.outer_root,
        proven.inner_root,
        RECORD,
        4_095,
        0,
        0,
        bytes(32),
        1,
        bytes(32),
    )
    at = [index | outer << 64 for outer, index, _ in reads.read.chunks]
    types = [int(chunk.type) or 1 for _, _, chunk in reads.read.chunks]
    return Case(step, list(leaves), at, types)


def make_chunk(draw: random.Random) -> Chunk:
    if draw.random() < 0.25:
        return trace.PAD_CHUNK
    return Chunk(draw.choice(KINDS), draw.randbytes(1_024))


def with_type(reads: RecordedReads, leaf: int, outer: tuple[int, int] | None) -> None:
    """Read without minding the type, as a step never does."""
    for kind in KINDS:
        try:
            if outer is None:
                reads.read_inner(leaf, kind)
            else:
                reads.read_outer(*outer, kind)
        except ValueError:
            continue
        return


@pytest.mark.parametrize("seed", range(30))
def test_what_was_read_is_opened(seed: int) -> None:
    """Rule: INNER-7, INNER-8"""
    make_case(seed).check()


@pytest.mark.parametrize("seed", range(40))
def test_one_bit_elsewhere_opens_nothing(seed: int) -> None:
    """Rule: INNER-7, INNER-8"""
    draw, case = random.Random(seed), make_case(seed)
    k = draw.randrange(len(case.leaves))
    data, siblings = case.leaves[k]
    changed = [data, list(siblings)]
    which = draw.randrange(4)
    if which == 0 and data:
        changed[0] = flip(draw, data)
    elif which == 1 and siblings:
        i = draw.randrange(len(siblings))
        changed[1][i] = flip(draw, siblings[i])
    elif which == 2:
        at = list(case.at)
        at[k] ^= 1 << draw.randrange(12)
        refuse(lambda: case.check(at=at))
        return
    elif data:
        types = list(case.types)
        types[k] = types[k] % 5 + 1
        refuse(lambda: case.check(types=types))
        return
    else:
        changed[0] = bytes(1_024)
    leaves = [*case.leaves[:k], tuple(changed), *case.leaves[k + 1 :]]
    if changed == [data, list(siblings)]:
        leaves = leaves[:-1]
    refuse(lambda: case.check(leaves=leaves))


def refuse(act: Callable[[], None]) -> None:
    with pytest.raises(Reverted, match=r"^step: "):
        act()


def test_each_wrong_opening_has_its_reason() -> None:
    """Invariant 3: what is opened stands where the step wants it.

    Rule: INNER-8
    """
    chunk = Chunk(ChunkType.INT32, bytes(range(256)) * 4)
    leaf = trace.compute_chunk_leaf(chunk)
    tree = SparseTree(12, {8: leaf, 9: leaf, 40: leaf}, 1)
    outer = SparseTree(28, {1 << 20: leaf}, 2)
    step = (outer.root, tree.root, RECORD, 4_095, 0, 0, bytes(32), 1, bytes(32))

    def open_at(source: SparseTree, index: int, levels: int) -> tuple[bytes, list[bytes]]:
        return chunk.data, [source.get_node(n, index >> n ^ 1) for n in range(levels)]

    whole, hooked = open_at(tree, 8, 12), open_at(tree, 40, 5)
    far = open_at(outer, 1 << 20, 28)
    case = Case(step, [whole, hooked, far], [8, 40, 1 << 64 | 1 << 20], [1, 1, 1])
    case.check()

    with reverts("step: wrong openings"):
        case.check(leaves=[whole, hooked])
    with reverts("step: wrong openings"):
        case.check(leaves=[whole, hooked, far, far])
    with reverts("step: inner height"):
        case.check(leaves=[open_at(tree, 8, 11), hooked, far])
    with reverts("step: outer height"):
        case.check(leaves=[whole, hooked, open_at(outer, 1 << 20, 27)])
    with reverts("step: hook at another level"):
        case.check(leaves=[whole, open_at(tree, 40, 12), far])
    with reverts("step: opened twice"):
        case.check(at=[8, 8, case.at[2]])
    with reverts("step: not beside the first"):
        case.check(leaves=[whole, (bytes(1_024), hooked[1]), far])
    with reverts("step: not under the inner root"):
        case.check(leaves=[(bytes(1_024), whole[1]), hooked, far])
    with reverts("step: not under the outer root"):
        case.check(leaves=[whole, hooked, (bytes(1_024), far[1])])
    with reverts("step: a chunk is 1,024 bytes"):
        case.check(leaves=[(chunk.data[:-1], whole[1]), hooked, far])
    with reverts("step: not under the inner root"):  # what is alive cannot be given as PAD
        case.check(leaves=[(b"", whole[1]), hooked, far])


def test_rows_stand_where_the_tree_has_them() -> None:
    """Rule: INNER-9, MODEL-10"""
    harness, rows = opened()
    engine, _ = tiny("mixed")
    layers = engine.shape.layers

    for tensor in range(5 + 7 * layers - (1 if engine.model.tied else 0)):
        for row in (0, 1, 2):
            assert harness.row_leaf(tensor, row) == rows.find_leaf(tensor, row)
    norms = -(-engine.shape.width // 512)
    first = 1 + layers + (2 * layers + 1) * norms
    assert harness.places(2 * layers, 0, 1) == (first - norms, first)
    assert harness.places(1, 0, 9) == (1 + layers + norms, first + 8)


@pytest.mark.parametrize("width", [1, 511, 512, 513, 1_024, 1_025, 2_048])
def test_rows_of_models_of_any_width_stand_there_too(width: int) -> None:
    """Rule: MODEL-10"""
    plain = build_step_model(tiny("mixed")[0])
    sizes = {"layers": 3, "heads": 7, "kv_heads": 5, "head_size": 3, "feed_forward": 11}
    shape = dataclasses.replace(plain.shape, width=width, vocabulary=301, context=77, **sizes)
    model = dataclasses.replace(plain, shape=shape, records=290, layers=plain.layers[:1] * 3)
    chain = Chain()
    given = given_models.deploy_model(chain, model)
    harness = chain.deploy("tests/contracts/OpeningsHarness.vy", given.address)
    for tensor in range(4 + 7 * shape.layers):
        assert harness.row_leaf(tensor, 2) == given_models.find_leaf(model, tensor, 2)
    norms = -(-width // 512)
    first = 1 + shape.layers + (2 * shape.layers + 1) * norms
    assert harness.places(2, 1, 9) == (1 + shape.layers + 2 * norms + 1, first + 8)


@pytest.mark.parametrize("seed", range(12))
def test_rows_are_opened_under_the_root_and_beside_the_first(seed: int) -> None:
    """Rule: INNER-9"""
    draw = random.Random(seed)
    harness, rows = opened()
    numbers = draw.sample(range(40), 3)
    kinds = [261] * 3
    given = []
    for number in numbers:
        at = rows.find_leaf(2, number)
        first = rows.find_leaf(2, numbers[0])
        levels = rows.height if number == numbers[0] else (at ^ first).bit_length() - 1
        siblings = [rows.get_node(level, at >> level ^ 1) for level in range(levels)]
        given.append((rows.get_row(2, number), siblings))
    harness.check_rows(given, 2, numbers, kinds)

    with reverts("step: not under the model root"):
        harness.check_rows([(flip(draw, given[0][0]), given[0][1])], 2, numbers, kinds)
    with reverts("step: row not beside the first"):
        harness.check_rows([given[0], (b"", given[1][1])], 2, numbers, kinds)
    with reverts("step: not under the model root"):
        harness.check_rows(given, 2, numbers, [260, 261, 261])
    with reverts("step: row opened twice"):
        harness.check_rows([given[0], given[0]], 2, [numbers[0]] * 2, kinds)
    with reverts("step: model height"):
        harness.check_rows([(given[0][0], given[0][1][1:])], 2, numbers, kinds)
    with reverts("step: row hooks elsewhere"):
        harness.check_rows([given[0], (given[1][0], given[0][1])], 2, numbers, kinds)


def test_the_highest_bit_is_found() -> None:
    """Rule: INNER-8"""
    harness, _ = opened()
    for bit in range(40):
        assert harness.top_bit(1 << bit) == harness.top_bit((2 << bit) - 1) == bit


def test_records_lie_in_a_tree_of_their_own() -> None:
    """Rule: INNER-8"""
    assert opened()[0].address_of(RECORD, 3) == 1 << 64 | RECORD << 4 | 3


def test_a_step_is_looked_up_by_the_leaf_it_makes() -> None:
    """Rule: INNER-2"""
    engine, _ = tiny("mixed")
    model = build_step_model(engine)
    layout = model.get_layout(RECORD - 2)
    assert layout is not None
    region = layout.get("score")
    seen: list[steps.Step] = []

    def op(step: steps.Step) -> int:
        seen.append(step)
        return 5

    reads = RecordedReads(
        World(lambda _: trace.PAD_CHUNK, lambda *_: trace.PAD_CHUNK, lambda *_: b"")
    )
    own = steps.ChunkLanes(trace.encode_int32([1, 2]))
    at = Address(RECORD - 2, region.start + 1, 7)

    assert steps.recompute({region.op: op}, model, at, own, reads) == 5
    assert (seen[0].leaf, seen[0].lane, seen[0].filler) == (1, 7, -(1 << 31))
    nowhere = Address(RECORD - 2, 4_000, 0)
    assert steps.recompute({}, model, nowhere, own, reads) == -(1 << 255)


def test_a_trace_of_more_than_sixteen_levels_has_no_verifier() -> None:
    """Rule: INNER-4"""
    engine, rows = tiny("mixed")
    world = world_of(engine)
    deep = create(world, prove_config(rows, engine.shape.layers), 20)

    with reverts("step: too deep a trace"):
        world.deploy("tests/contracts/OpeningsHarness.vy", deep.address)
