"""ENTRY, ROOTS, last record on chain: real calls, proofs refused by name, what a step costs."""

from __future__ import annotations

import functools
import random

import pytest
from eth_abi.abi import decode, encode

from oyez.chain import deploy
from oyez.dispute.frame.facts import Preimages
from oyez.dispute.step_proof import FRAME_TYPES
from oyez.engines.exact.inner_leaves import LANES
from oyez.protocol import codec, trace
from oyez.protocol.inner import DEAD
from oyez.protocol.inner_frame import Frame, get_record, layout_frame
from oyez.protocol.manifest import encode_manifest
from oyez.protocol.step import Address
from oyez.protocol.trace import PAD_CHUNK, Chunk
from oyez.protocol.types import Field, FieldType, Role
from oyez.testing.scripted import ScriptedEngine
from tests import frame_calls, frame_steps
from tests.contracts import harness
from tests.contracts.harness import reverts
from tests.contracts.test_step_rows_gas import BASE, RESOLVE_BYTES, RESOLVE_GAS, price
from tests.dear_fields import LONG, stand_behind
from tests.frame_calls import FrameBatch, FrameSource
from tests.frame_steps import Bench, Case
from tests.manifest_cases import with_fields
from tests.steps import World

#: Of a whole resolution, and of its calldata.
MOST_GAS, MOST_BYTES = 440_000, 16_384
#: By op: the dearest of many drawn lanes, all of whose leaves are full, at any depth.
BUDGETS = {
    64: 250_000,
    65: 310_000,
    66: 305_000,
    67: 325_000,
    68: 325_000,
    69: 315_000,
    70: 315_000,
    71: 315_000,
    72: 300_000,
    144: 330_000,
    145: 365_000,
    146: 385_000,
    147: 350_000,
    148: 350_000,
    149: 340_000,
    150: 360_000,
    151: 415_000,
    152: 290_000,
    153: 330_000,
    160: 295_000,
}


def measure(case: Case) -> int:
    """Return what a resolution by this step costs as a transaction."""
    assert case.ask() == case.value
    assert len(case.proof) + RESOLVE_BYTES < MOST_BYTES
    alone = frame_steps.bench().chain.gas - BASE - price(case.encode(), 16, 4)
    usual = BASE + 16 * RESOLVE_BYTES + price(case.proof, 16, 4) + RESOLVE_GAS + alone
    return max(usual, BASE + 40 * RESOLVE_BYTES + price(case.proof, 40, 10))


@pytest.mark.parametrize("op", BUDGETS)
def test_a_step_stays_within_its_budget(op: int) -> None:
    """Invariant 44: with all leaves full, at any depth.

    Rule: FRAME-81
    """
    draw = random.Random(op)
    most = max(measure(frame_steps.draw_case(draw, op)) for _ in range(60))
    assert BUDGETS[op] - 60_000 < most < BUDGETS[op] <= MOST_GAS


@pytest.mark.parametrize("name", frame_steps.CONTRACTS)
def test_code_is_below_24_000_bytes(name: str) -> None:
    assert len(deploy.compile_contract(f"contracts/{name}.vy").runtime) < 24_000


LAST = Field(b"~", FieldType.ENUM, Role.WRITES, LONG[0], options=tuple(LONG), biases=(0,) * 64)


def test_the_dearest_field_stays_within_the_budget() -> None:
    """Rule: FRAME-71"""
    fields = stand_behind(LAST, Role.KEPT)
    data = encode_manifest(with_fields(fields, model=0))
    frame_steps.bench().chain.actions.publish(data, sender=harness.AUTHOR)
    manifests = {codec.keccak(data): data}
    words = [2**255 + n for n in range(7)] + [codec.keccak(data)] + [2**255 - n for n in range(24)]
    full = trace.encode_words(words)

    def give(record: int, chunk: int) -> Chunk:
        return trace.encode_int32([-1] * 256) if chunk == 0 else full

    world = World(lambda _: full, give, lambda *_: b"", manifests=manifests)
    address = Address(get_record(255, Frame.ROOTS), 1, 31)
    case = frame_steps.build_case(random.Random(1), address, full.data, world)
    assert case.value not in (0, DEAD)
    assert 340_000 < measure(case) < 400_000


def find_case(op: int, chunks: int, preimages: int) -> Case:
    """Return a case of an op that reads so much."""
    draw = random.Random(op)
    while True:
        case = frame_steps.draw_case(draw, op)
        if (len(case.read.chunks), len(case.read.preimages)) == (chunks, preimages):
            return case


@pytest.mark.parametrize(
    ("op", "chunks", "preimages"),
    [(65, 1, 9), (66, 2, 1), (68, 3, 1), (70, 2, 2), (145, 3, 0), (148, 3, 1), (151, 5, 0)],
)
def test_nothing_else_is_brought(op: int, chunks: int, preimages: int) -> None:
    """Invariant 3, Invariant 6, Audit 1 C4: all that is brought is bound to the roots and digests.

    Rule: FRAME-3, INNER-8
    """
    case = find_case(op, chunks, preimages)
    leaves, rows, hint, brought = decode(FRAME_TYPES, case.proof)

    def refuse(reason: str, *parts: object) -> None:
        given = [*parts, *(leaves, rows, hint, brought)[len(parts) :]]
        with reverts(reason):
            case.ask(proof=encode(FRAME_TYPES, given))

    assert case.ask() == case.value
    refuse("step: wrong openings", leaves[:-1])
    refuse("step: no row is read here", leaves, ((b"", ()),))
    (data, siblings), *others = leaves
    root = "inner" if case.read.chunks[0][0] is False else "outer"
    beside = (*siblings[:-1], bytes(32))
    refuse(f"step: not under the {root} root", ((data, beside), *others))
    refuse("step: wrong preimages", leaves, rows, hint, (*brought, b""))
    if preimages:
        wrong = (*brought[:-1], brought[-1] + b"\0")
        refuse("step: not the preimage", leaves, rows, hint, wrong)
        refuse("step: not the preimage", leaves, rows, hint, brought[:-1])


#: What another leaf in a leaf's place leads to: another height, other wants, another digest.
SWAPPED = {
    *("step: inner height", "step: outer height"),
    *("step: wrong openings", "step: not the preimage"),
}


def test_leaves_and_preimages_stand_in_order() -> None:
    """Rule: FRAME-3, INNER-8"""
    for op, chunks, preimages in ((65, 1, 9), (70, 2, 2), (151, 3, 0), (145, 2, 0)):
        case = find_case(op, chunks, preimages)
        leaves, rows, hint, brought = decode(FRAME_TYPES, case.proof)
        if chunks > 1:
            proof = encode(FRAME_TYPES, (leaves[::-1], rows, hint, brought))
            assert frame_steps.refuse(case, proof) in SWAPPED
        if preimages > 1:
            with reverts("step: not the preimage"):
                case.ask(proof=encode(FRAME_TYPES, (leaves, rows, hint, brought[::-1])))


def ask_both(
    frame: Frame, leaf: int, lane: int, raw: Chunk, inner: dict[int, Chunk], *of: bytes
) -> int:
    """Return what both sides say of a lane, given leaves of its trace and preimages."""
    known = {codec.keccak(data): data for data in of}
    world = World(inner.__getitem__, lambda *_: PAD_CHUNK, lambda *_: b"", preimages=known)
    address = Address(get_record(1, frame), leaf, lane)
    case = frame_steps.build_case(random.Random(lane), address, raw.data, world)
    assert case.ask() == case.value
    return case.value


def test_characters_go_on_within_their_bounds() -> None:
    """Audit 1 H7: bytes without a token are bad, too.

    Rule: FRAME-14
    """
    good = {0: (0x80, 0xBF), 1: (0xA0, 0xBF), 2: (0x80, 0x9F), 3: (0x90, 0xBF), 4: (0x80, 0x8F)}
    for bounds, (low, high) in good.items():
        for byte in (0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0):
            raw = trace.encode_int32([2 | 1 << 2 | bounds << 4])
            after = ask_both(Frame.ENTRY, 3, 1, raw, {2: trace.encode_bytes(bytes([0, byte]))})
            assert after == (1 | 2 << 2 if low <= byte <= high else 1 << 8), (bounds, byte)
    needs = {0x7E: 0, 0xC2: 1, 0xDF: 1, 0xE0: 2, 0xED: 2, 0xEF: 2, 0xF0: 3, 0xF3: 3, 0xF4: 3}
    for byte in (*needs, 0x80, 0xBF, 0xC1, 0xF5, 0xFF, 0x1F):
        raw = trace.encode_int32([0])
        after = ask_both(Frame.ENTRY, 3, 1, raw, {2: trace.encode_bytes(bytes([0, byte]))})
        assert (after & 3, after >> 8) == (needs.get(byte, 0), 0 if byte in needs else 2), byte
    # it begins a character, but the model has no token for it
    assert 0xF1 in harness.SHAPE.missing
    raw = trace.encode_int32([0])
    after = ask_both(Frame.ENTRY, 3, 1, raw, {2: trace.encode_bytes(b"\0\xf1")})
    assert (after & 3, after >> 8) == (3, 2)


@pytest.mark.parametrize("length", [1, 255, 256, 257, 512, 1_023, 1_024])
def test_the_last_bytes_scan_says_what_is_bad(length: int) -> None:
    """Invariant 44: the longest input, too.

    Rule: FRAME-15
    """
    text = b"a" * length
    words = trace.encode_words([0] * 11 + [codec.keccak(text)])
    leaf = 3 + (length - 1) // 256
    scan = trace.encode_int32([(9 << 8) if at == (length - 1) % 256 else 5 for at in range(256)])
    head = (1 << 12) - 16
    assert ask_both(Frame.ENTRY, head, 3, words, {1: words, leaf: scan}, text) == 8


@pytest.mark.parametrize(("size", "found"), [(64, 0), (95, 0), (96, 7), (97, 7), (352, 7)])
def test_a_word_that_is_cut_short_is_none(size: int, found: int) -> None:
    """Invariant 13: no preimage makes a step fail.

    Rule: FRAME-17
    """
    data = (bytes(95) + b"\x07" + bytes(256))[:size]
    data = data if size != 95 else b"\x07" * 95
    raw = trace.encode_words([codec.keccak(data)])
    assert ask_both(Frame.ENTRY, 1, 1, raw, {}, data) == found


def test_a_way_without_a_node_has_no_depth() -> None:
    """Rule: FRAME-75"""
    raw, path = trace.encode_int32([3, 5]), trace.encode_words([0] * 32)
    assert ask_both(Frame.ROOTS, 14, 2, raw, {7: path}) == 5


@pytest.mark.parametrize("bit", [0, 1, 63, 64, 65, 127, 128, 129, 191, 192, 193, 254, 255])
@pytest.mark.parametrize("rest", ["the same", "any", "all others"])
def test_a_new_way_goes_down_to_the_first_bit_that_differs(bit: int, rest: str) -> None:
    """Whatever the keys' later bits are.

    Rule: FRAME-75
    """
    layout = layout_frame(Frame.ROOTS, 12)
    key = random.Random(bit).getrandbits(256)
    later = {"the same": 0, "any": random.Random(-bit).getrandbits(bit), "all others": -1}[rest]
    apart = 1 << bit | later % (1 << bit)
    leaf = codec.tag("CELL") + (key ^ apart).to_bytes(32) + bytes(3 * 32)
    met = int.from_bytes(codec.keccak(leaf))
    entry = trace.encode_words([0] * 9 + [key])
    world = World(
        {layout.get("path_end").start: trace.encode_words([met, met ^ 1])}.__getitem__,
        lambda *at: entry if at == (get_record(1, Frame.ENTRY), 1) else PAD_CHUNK,
        lambda *_: b"",
        preimages={codec.keccak(leaf): leaf},
    )
    address = Address(get_record(1, Frame.ROOTS), layout.get("depth").start, 8)
    case = frame_steps.build_case(random.Random(bit), address, bytes(1_024), world)
    assert case.ask() == case.value == 256 - bit


@functools.cache
def real() -> tuple[FrameBatch, Bench]:
    """A batch of calls whose manifests are published on a chain that lists their model."""
    batch = frame_calls.run_batch(random.Random(3), 8, deep=True)
    shape = ScriptedEngine(context=frame_calls.CONTEXT).shape
    return batch, frame_steps.build_bench(shape, list(batch.manifests.values()))


@pytest.mark.parametrize("frame", [Frame.ENTRY, Frame.ROOTS, Frame.LAST])
def test_lanes_of_real_calls_are_recomputed(frame: Frame) -> None:
    """Audit 1 C4: the siblings of a way are computed, not given.

    Rule: FRAME-80, FRAME-12, FRAME-14, FRAME-71, FRAME-72, FRAME-85
    """
    draw = random.Random(frame)
    batch, bench = real()
    for index in range(1 if frame is Frame.LAST else len(batch.calls)):
        preimages = Preimages()
        leaves = batch.build(index, frame, preimages)
        source = FrameSource(batch, leaves, preimages)
        for region in leaves.layout.regions:
            for lane in (0, 0, 1, 2, 3, draw.randrange(LANES[region.type])):
                leaf = region.start + draw.randrange(region.leaves)
                held = leaves.get_chunk(leaf)
                address = Address(get_record(index, frame), leaf, lane)
                case = frame_steps.build_case(draw, address, held.data, source, bench)
                lanes = frame_calls.decode(held, region.type)
                if lane == 0 or lanes is not None:
                    assert case.ask() == (DEAD if lanes is None else lanes[lane]), address
