"""What the verifiers of layers refuse, each with its reason, and what their lanes cost."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from eth_abi.abi import decode, encode

from oyez.chain import deploy
from oyez.dispute import step_proof
from oyez.protocol import trace
from oyez.protocol.inner import DEAD
from oyez.protocol.trace import Chunk
from tests import layer_steps
from tests.contracts.harness import encode_call, reverts
from tests.layer_steps import Case

#: Op, leaf in its region and lane of each kind, at position 2,000 where there are most terms.
KINDS = {
    "token": (0, 0, 0),
    "square": (2, 0, 0),
    "peak": (2, 0, 3),
    "root": (2, 0, 6),
    "shift": (2, 0, 7),
    "normed": (3, 0, 300),
    "ffn square": (18, 0, 1),
    "ffn peak": (18, 0, 4),
    "ffn root": (18, 0, 6),
    "ffn shift": (18, 0, 7),
    "ffn normed": (19, 1, 60),
    "swish": (22, 2, 77),
    "gated bits": (23, 0, 3),
    "gated": (24, 1, 99),
    "kv copy": (27, 0, 17),
    "final square": (40, 0, 0),
    "final peak": (40, 0, 4),
    "final root": (40, 0, 6),
    "final shift": (40, 0, 7),
    "final normed": (41, 0, 17),
    "score": (7, 8 * 5 + 6, 100),
    "maximum": (8, 0, 8 * 5 + 6),
    "exponential": (9, 8 * 5 + 6, 99),
    "block sum": (10, 0, 8 * 5 + 6),
    "value copy": (11, 4 * 70 + 2, 0),
    "partial sum": (12, 30, 2),
    "quotient": (13, 1, 88),
    "attention bits": (14, 0, 1),
    "attention": (15, 0, 300),
}
POSITION = 2_000
#: Of a resolution: bytes of its calldata besides the proof, execution outside the verifier.
RESOLVE_BYTES, RESOLVE_GAS = 3_300, 110_000
MOST_GAS = 400_000


def measure(op: int, leaf: int, lane: int, draws: int = 12) -> tuple[int, int]:
    """Return the most that a kind's lane costs: alone, and as a whole resolution."""
    draw, alone, whole = random.Random(op), 0, 0
    for _ in range(draws):
        case = layer_steps.make_case("135M", op, draw, (POSITION, leaf, lane))
        verifier = case.place.verifier(op)
        outer, inner, proof = case.prove()
        step = (outer, inner, *case.address, op, bytes(32), 1, bytes(32))
        assert verifier.recompute(step, case.raw, proof) == case.answer
        entries = verifier.world.abis[verifier.address]
        (entry,) = (entry for entry in entries if entry.get("name") == "recompute")
        data = encode_call(entry, step, case.raw, proof)
        gas = verifier.world.gas - 21_000 - price(data, 16, 4)
        usual = 21_000 + 16 * RESOLVE_BYTES + price(proof, 16, 4) + RESOLVE_GAS + gas
        floor = 21_000 + 40 * RESOLVE_BYTES + price(proof, 40, 10)
        alone, whole = max(alone, gas), max(whole, usual, floor)
    return alone, whole


def price(data: bytes, full: int, zero: int) -> int:
    return sum(full if byte else zero for byte in data)


@pytest.mark.parametrize("kind", KINDS)
def test_each_lane_is_resolved_in_one_transaction(kind: str) -> None:
    """SmolLM2-135M's shape, all that is read alive: below 400,000 gas with the game's own part."""
    alone, whole = measure(*KINDS[kind])
    print(f"{kind}: {alone:,} alone, {whole:,} resolved")
    assert whole < MOST_GAS


@pytest.mark.parametrize("name", ["Layer", "Attention"])
def test_a_verifier_is_well_below_the_size_of_a_contract(name: str) -> None:
    assert len(deploy.compile_contract(f"contracts/StepVerifier{name}.vy").runtime) < 20_000


def find(op: int, lane: int, dead: bool = False) -> Case:
    """Draw until a step of an op is at a lane, with or without dead inputs."""
    draw = random.Random(op)
    while True:
        case = layer_steps.make_case("odd", op, draw)
        kinds = [chunk.type for _, _, chunk in case.read.chunks]
        if case.address.lane == lane and kinds and (0 in kinds) == dead:
            return case


def ask(case: Case, op: int | None = None, rows: list[Any] | None = None) -> int:
    outer, inner, proof = case.prove()
    leaves, given, hint = decode(step_proof.PROOF_TYPES, proof)
    proof = encode(step_proof.PROOF_TYPES, (leaves, given if rows is None else rows, hint))
    step = (outer, inner, *case.address, case.op if op is None else op, bytes(32), 1, bytes(32))
    answer: int = case.place.verifier(case.op).recompute(step, case.raw, proof)
    return answer


def answer(op: int, lane: int, position: int = 300, leaf: int = 0, **fixed: Chunk) -> int:
    """Return a lane of given leaves, the same in Python and on chain."""
    return answer_of("odd", op, lane, position, leaf, **fixed)


def answer_of(
    shape: str,
    op: int,
    lane: int,
    position: int = 300,
    leaf: int = 0,
    **fixed: Chunk | Sequence[Chunk],
) -> int:
    slot = {0: 0, 40: 31, 41: 31}.get(op, 1)
    at = (position, leaf, lane)
    case = layer_steps.make_case(shape, op, random.Random(op), at, fixed, slot)
    assert ask(case) == case.answer
    return case.answer


def words(*some: int) -> Chunk:
    return trace.encode_words([word % (1 << 256) for word in some])


def test_words_that_no_trace_holds_are_cut() -> None:
    """Rule: INNER-25, INNER-26, INNER-38"""
    least, most = -(1 << 255), (1 << 255) - 1
    # three chunks: words 0 to 2 are sums of squares, 3 to 5 products, 6 the root, 7 the shift
    limit = answer(2, 6, norm=words(1 << 72, -1, least))
    assert answer(2, 6, norm=words(most, 0, 0)) == limit
    assert answer(2, 6, norm=words((1 << 72) + (1 << 71), 0, -5)) == limit
    assert answer(2, 6, norm=words(1 << 71, 0, 0)) < limit
    assert answer(2, 6, norm=words(-1, least, 0)) == math.isqrt(176_000_000)
    for root in (0, -1, least, 1):
        assert answer(2, 7, norm=words(0, 0, 0, 1, 0, 0, root)) == 17 - 14
    assert answer(2, 7, norm=words(0, 0, 0, least, -1, 0, 5)) == 0
    assert answer(2, 7, norm=words(0, 0, 0, 1, most, 0, 1)) == 73 + 16 - 14
    assert answer(2, 7, norm=words(0, 0, 0, 1 << 71, 0, 0, most)) == 72 + 16 - 14
    for shift in (255, most):
        assert answer(19, 9, ffn_norm=words(*[1] * 7, shift)) == 0
    found = answer(19, 0, middle=trace.encode_int32([5]), ffn_norm=words(*[1] * 7, least))
    assert abs(found) == 32_767

    lanes = trace.encode_int32([1 << 30] * 8)
    cut = [answer(13, 0, total=lanes, part=words(p, q)) for p, q in ((most, least), (1 << 61, 3))]
    assert cut == [0, answer(13, 0, total=lanes, part=words(1 << 60, 3))]
    assert answer(13, 0, total=lanes, part=words((1 << 60) + 1, -(1 << 61))) == 0
    for parts in ((most, least), (least, 1 << 60), (-(1 << 60), most)):
        assert answer(13, 0, total=trace.encode_int32([1]), part=words(*parts)) == 0
    for totals in ([0] * 8, [-5, 3, -(2**31)], [-(2**31)] * 8):
        assert answer(13, 0, total=trace.encode_int32(totals), part=words(3, 0, -1)) == 2 << 8
    assert answer(13, 0, total=trace.encode_int32([-3, 10]), part=words(0, -70)) == -(70 * 256 // 7)


def test_lanes_that_no_arithmetic_gives_are_numbers_too() -> None:
    """Rule: INNER-28, INNER-29, INNER-34, INNER-35, INNER-37, INNER-39"""
    least = trace.encode_int32([-(2**31)] * 256)
    half = trace.encode_int16([-(2**15)] * 512)
    assert answer(22, 0, gate=least) == 0
    assert answer(22, 0, gate=trace.encode_int32([0])) == 0
    assert answer(23, 0, swish=least, up=least) == 63
    assert answer(8, 0, score=least) == -(2**31)
    assert answer(10, 0, weight=least) == -(2**31) + 1
    assert answer(10, 0, weight=trace.encode_int32([2**31 - 1] * 256)) == 2**31 - 1
    assert answer(9, 0, score=trace.encode_int32([7]), maximum=least) == 65_532
    assert answer(12, 0, position=512, weight=least, value=half) == 512 << 46
    assert answer(12, 1, position=513, weight=least, value=half) == 1 << 46
    assert answer(14, 0, mixed=least) == 32
    assert answer(15, 0, mixed=least, mixed_bits=least) == -32_767
    assert answer(15, 0, mixed=least, mixed_bits=trace.encode_int32([2**31 - 1] * 2)) == 0


def test_a_vectors_own_lanes_count_and_no_others() -> None:
    """Rule: INNER-30, INNER-34, INNER-39"""
    large, half = (trace.encode_int32([1 << bits] * 256) for bits in (30, 15))

    def lanes(own: list[int], beyond: int) -> Chunk:
        return trace.encode_int32([*own, *[beyond] * 256][:256])

    def compare(op: int, leaf: int, lane: int, name: str, own: list[int], **more: Chunk) -> int:
        low, high = (
            answer(op, lane, 300, leaf, **{name: lanes(own, beyond)}, **more)
            for beyond in (-(2**31), 2**31 - 1)
        )
        assert low == high
        return low

    # 4,099 gated lanes have 17 blocks, 360 lanes of attention two
    for op, lane, name, count in ((24, 0, "gated_bits", 17), (15, 0, "mixed_bits", 2)):
        given = {"mixed": large} if op == 15 else {"swish": half, "up": half}
        flat = compare(op, 0, lane, name, [30] * count, **given)
        found = set()
        for last in range(count):
            own = [30] * count
            own[last] = 33
            found.add(compare(op, 0, lane, name, own, **given))
        assert len(found) == 1
        assert flat not in found
    # of positions up to 300 a head's second block has 44; attention's second leaf has 104 lanes
    for op, leaf, lane, name, count in ((8, 0, 1, "score", 44), (14, 0, 1, "mixed", 104)):
        for last in (0, 7, 8, count - 2, count - 1):
            own = [-5] * count
            own[last] = 9
            assert compare(op, leaf, lane, name, own) == (9 if op == 8 else 4)
    assert compare(10, 0, 1, "weight", [*range(44)]) == sum(range(44))


@pytest.mark.parametrize("shape", layer_steps.SHAPES)
def test_each_head_scores_its_own_lanes(shape: str) -> None:
    """Rule: INNER-33

    In whatever leaves they lie, of an earlier position's and of its own.
    """
    heads, found, numbers = layer_steps.SHAPES[shape].heads, set(), random.Random(shape)

    def draw(encode: Callable[[list[int]], Chunk], leaves: int) -> list[Chunk]:
        return [encode([numbers.randrange(-60, 60) for _ in range(512)]) for _ in range(leaves)]

    keys = draw(trace.encode_int16_reversed, 16)
    given = {"query": draw(trace.encode_int16, 4), "key_value": keys, "outer": keys[::-1]}
    for head in range(heads):
        for lane in (0, 299 - 256):
            found.add(answer_of(shape, 7, lane, 300, 8 * head + (lane > 0), **given))
    assert len(found) >= min(heads, 3)


def test_no_block_begins_past_the_lanes() -> None:
    """Rule: INNER-30, INNER-39

    Of 2,048 lanes of attention and 8,192 fed forward, whole leaves of 256.
    """
    for op, blocks in ((14, 8), (23, 32)):
        assert answer_of("wide", op, blocks - 1) >= 0
        assert answer_of("wide", op, blocks) == -(2**31)


def test_only_three_kinds_of_a_sampler_name_a_token() -> None:
    """Rule: INNER-23"""
    for kind in range(-1, 6):
        # one chunk for both that are read: the prompt's head says tokens and ran, too
        told = trace.encode_int32([kind, 1])
        assert answer(0, 0, outer=told) == (1 if kind in (1, 2, 3) else DEAD)
    assert answer(0, 0, outer=trace.encode_int32([300, 1])) == -(2**31)
    for ran in (-1, 0, 2):
        assert answer(0, 0, outer=trace.encode_int32([1, ran])) == DEAD
    assert answer(0, 0, outer=trace.PAD_CHUNK) == DEAD


def test_only_two_modes_ask_for_logits() -> None:
    """Rule: INNER-27"""
    for mode in range(-1, 8):
        found = answer(40, 0, mode=trace.encode_int32([mode]), outer=trace.encode_int32([2] * 256))
        assert found == (1_024 if mode in (4, 5) else DEAD)
    assert answer(40, 0, mode=trace.PAD_CHUNK) == DEAD


def test_each_wrong_row_has_its_reason() -> None:
    """Rule: INNER-22, INNER-25"""
    row: list[Any] = [(b"", [])]
    squares, peaks, scores = find(2, 1), find(2, 3), find(7, 0)

    assert [ask(case) for case in (squares, peaks, scores)] == [
        case.answer for case in (squares, peaks, scores)
    ]
    with reverts("step: a row is not read"):
        ask(squares, rows=row)
    with reverts("step: one row of weights"):
        ask(peaks, rows=[])
    with reverts("step: the dead read no row"):
        ask(find(2, 3, dead=True), rows=row)
    with reverts("step: attention reads no row"):
        ask(scores, rows=row)


def test_ops_of_other_verifiers_are_refused() -> None:
    """Rule: INNER-72"""
    with reverts("step: no op of a layer"):
        ask(find(2, 1), op=1)
    with reverts("step: no op of attention"):
        ask(find(7, 0), op=6)
