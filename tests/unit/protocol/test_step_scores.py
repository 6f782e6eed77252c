"""Steps that compare tokens find the token that sampling finds."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from oyez.protocol import noise, step_scores, trace
from oyez.protocol.inner import DEAD
from oyez.protocol.step_scores import NO_TOKEN, pack_score, unpack_token
from oyez.protocol.trace import PAD_INT32, Chunk
from oyez.protocol.types import Hash32, Manifest
from tests.manifest_cases import SMALLEST
from tests.steps import pad
from tests.vocabulary_steps import Case, Make, Setup

SIZE = 9_000
COLD, WARM = SMALLEST, replace(SMALLEST, temperature=52_429)


def make_setup() -> Setup:
    return Setup(size=SIZE, manifests=[COLD, WARM])


def run(world: Setup, name: str, place: int, lane: int, make: Make) -> int:
    return Case(world, name, place, lane, pad(), make).recompute()


def test_packed_scores_order_by_score_then_lowest_token() -> None:
    """Rule: INNER-52, SAMPLE-1"""
    edge = 2**64
    pairs = [(score, token) for score in (-edge, -1, 0, 1, edge) for token in (0, 1, 2**18 - 1)]
    in_order = sorted(pairs, key=lambda pair: (pair[0], -pair[1]))
    packed = [pack_score(*pair) for pair in in_order]

    assert packed == sorted(packed)
    assert packed[0] > NO_TOKEN
    assert [unpack_token(one) for one in packed] == [token for _, token in in_order]


@pytest.mark.parametrize("seed", range(6))
def test_the_best_of_all_blocks_is_the_token_that_sampling_takes(seed: int) -> None:
    """Rule: INNER-51, INNER-52, INNER-54, SAMPLE-1"""
    draw = random.Random(seed)
    world = make_setup()
    manifest = world.parsed[seed & 1]
    logits = [draw.randrange(-3, 3) << draw.choice((0, 27)) for _ in range(SIZE)]
    allowed = sorted(draw.sample(range(SIZE), draw.choice((1, 50, SIZE))))
    some = noise.build_noise(manifest.temperature, Hash32(draw.randbytes(32)), 40 + seed)
    is_warm = manifest.temperature > 0
    make = make_leaves(manifest, some, logits, allowed)
    made: dict[tuple[str, int], Chunk] = {}

    def get(region: str, place: int) -> Chunk:
        if region == "noise" and (region, place) not in made:
            lanes = [run(world, "noise", place, lane, make) for lane in range(256)]
            made[region, place] = trace.encode_int32(lanes) if is_warm else pad()
        if region == "best":
            words = [run(world, "best", place, lane, get) for lane in range(32)]
            return trace.encode_words([word % (1 << 256) for word in words])
        return made.get((region, place)) or make(region, place)

    assert run(world, "noise", 35, SIZE % 256, make) == PAD_INT32
    assert is_warm or run(world, "noise", 0, 0, make) == DEAD
    tops = [run(world, "top", 0, lane, get) for lane in range(32)]
    best = noise.find_best(some if is_warm else None, allowed, [logits[t] for t in allowed])
    assert unpack_token(max(tops)) == best
    assert tops[2:] == [NO_TOKEN] * 30


def make_leaves(
    manifest: Manifest, some: noise.Noise, logits: list[int], allowed: list[int]
) -> Make:
    """Honest leaves of a sampler that chooses freely, but noise and what follows."""
    bits = [0] * (-(-SIZE // 2_048) * 256)
    for token in allowed:
        bits[token >> 3] |= 1 << (token & 7)
    key = sum(word << 32 * at for at, word in enumerate(some.words))
    found = int.from_bytes(manifest.hash, "big")

    def make(region: str, place: int) -> Chunk:
        if region == "mode":
            return trace.encode_int32([5])
        if region == "context":
            return trace.encode_words([0, 0, found, key])
        lanes = bits if region == "mask" else logits
        return trace.encode_int32(lanes[256 * place :][:256])

    return make


def test_what_is_not_there_has_no_score() -> None:
    """A word whose inputs are dead: of the leaf at word 0, no token elsewhere.

    Rule: INNER-52, INNER-53, INNER-54
    """
    world = make_setup()
    found = int.from_bytes(world.parsed[0].hash, "big")
    context = trace.encode_words([0, 0, found, 0])
    lanes = trace.encode_int32([1] * 256)
    wanted = {
        "best": (5, ("logits", "mask", "context")),
        "choice": (4, ("candidates", "context", "logits")),
        "top": (5, ("best",)),
    }
    for name, (mode, read) in wanted.items():
        for dead in ("mode", *read):

            def make(region: str, _place: int, dead: str = dead, mode: int = mode) -> Chunk:
                if region == dead:
                    return pad()
                if region == "mode":
                    return trace.encode_int32([mode])
                return context if region == "context" else lanes

            assert run(world, name, 0, 0, make) == DEAD
            if dead != "mode" or name == "top":
                assert run(world, name, 0, 1, make) == NO_TOKEN


def test_a_token_of_no_option_has_no_score() -> None:
    """Rule: INNER-53"""
    world = make_setup()
    found = int.from_bytes(world.parsed[0].hash, "big")
    candidates = [-1, 0, SIZE, 0, 7, 5, 8, -(2**31)]

    def make(region: str, _place: int) -> Chunk:
        if region == "context":
            return trace.encode_words([0, 0, found, 0])
        lanes = [4] if region == "mode" else [9] * 256
        return trace.encode_int32([*candidates, *[9] * 248] if region == "candidates" else lanes)

    scores = [run(world, "choice", 0, lane, make) for lane in range(4)]
    assert scores[:2] == [NO_TOKEN] * 2
    assert scores[2] == step_scores.pack_score(9 + 5 << 16, 7)
    assert scores[3] == step_scores.pack_score(9 - 2**31 << 16, 8)
    assert run(world, "choice", 2, 0, make) == step_scores.pack_score(9 + 9 << 16, 9)
    assert run(world, "choice", 2, 1, make) == NO_TOKEN
