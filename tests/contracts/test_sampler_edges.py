"""Lanes of a sampler's frame that random worlds seldom have: long tokens, the last option."""

from __future__ import annotations

import dataclasses
import functools
import random

import pytest

from oyez.protocol import machine_words
from oyez.protocol.constants import MAX_TOKEN_BYTES
from oyez.protocol.inner import DEAD, MAX_CHOICES
from oyez.protocol.machine import MachineState, Phase
from oyez.protocol.step import Address
from oyez.protocol.step_machine import Mode
from oyez.protocol.trace import PAD_CHUNK, PAD_INT32, Chunk, ChunkType, encode_int32, encode_words
from oyez.protocol.trace_records import Next
from tests import given_models, sampler_steps, steps
from tests.sampler_steps import Bench
from tests.steps import World

RECORD = 2 << 16 | 9 << 5 | 31
TOKEN_ROW = 261
#: Of tokens 0, 1, ...: around every end of a leaf of the walk.
LENGTHS = (0, 1, 2, 15, 16, 17, 18, 31, 32, 33, 63, 64, 65, 127, MAX_TOKEN_BYTES)


@functools.cache
def long_bench() -> Bench:
    """The sampler's verifier over a model of long tokens."""
    plain = sampler_steps.bench()
    rows = [b"\x01" + size.to_bytes(2, "big") + b"a" * size for size in LENGTHS]
    find = functools.partial(given_models.find_leaf, plain.model)
    leaves = {
        find(2, token): steps.hash_row(2, token, TOKEN_ROW, row) for token, row in enumerate(rows)
    }
    tree = steps.Rows(plain.model.shape.model_height, leaves, 3, find)
    model = dataclasses.replace(plain.model, root=tree.root)
    given = given_models.deploy_model(plain.chain, model)
    verifier = plain.chain.deploy("contracts/StepVerifierSampler.vy", given.address)
    return dataclasses.replace(
        plain, model=model, rows=tree, get_row=lambda _, row: rows[row], verifier=verifier
    )


def ask(b: Bench, name: str, lane: int, made: dict[str, Chunk]) -> int:
    """Return what both sides say of a lane in a region's first leaf; other leaves are of a seed."""
    layout = b.layout

    def make_inner(leaf: int) -> Chunk:
        region = layout.find(leaf)
        assert region is not None
        if region.name in made:
            return made[region.name]
        return steps.random_words(random.Random(leaf), 256)

    world = World(make_inner, lambda *_: PAD_CHUNK, b.get_row, manifests=b.manifests)
    address = Address(RECORD, layout.get(name).start, lane)
    case = sampler_steps.build_case(random.Random(lane), address, bytes(1_024), world, b)
    assert case.ask() == case.value
    return case.value


@pytest.mark.parametrize("token", range(len(LENGTHS)))
def test_the_record_after_a_token_of_any_length(token: int) -> None:
    """The state behind its last byte, wherever in the walk it stands.

    Rule: INNER-63, INNER-64
    """
    b, length = long_bench(), LENGTHS[token]
    made = {"next": encode_int32([Next.FORCED, token]), "before": encode_int32([2, 7, 500])}
    assert ask(b, b.layout.regions[-3].name, 3, made) == 500 + length
    state = b.layout.regions[-2].name
    if length == 0:
        assert ask(b, state, 0, made) == ask(b, state, 1, made) == -(1 << 255)
        return
    leaf, place = divmod(length - 1, 16)
    walk = steps.random_words(random.Random(b.layout.get("walk").start + leaf), 256)
    words = [int.from_bytes(walk.data[32 * at : 32 * at + 32], "big") for at in range(32)]
    assert ask(b, state, 0, made) % (1 << 256) == words[2 * place] & ~(255 << 72)
    assert ask(b, state, 1, made) % (1 << 256) == words[2 * place + 1]
    assert ask(b, state, 0, made | {"walk": PAD_CHUNK}) == -(1 << 255)


@pytest.mark.parametrize("option", [0, 1, 2, 3, 62, 63, MAX_CHOICES - 1])
def test_the_one_option_left_is_forced(option: int) -> None:
    """Rule: INNER-62"""
    b = sampler_steps.bench()
    lanes = [-1, 0] * MAX_CHOICES
    lanes[2 * option] = 77
    made = {"mode": encode_int32([Mode.CHOICE]), "candidates": encode_int32(lanes)}
    made["top"] = encode_words([(5 << 24) + 9] * 32)
    assert [ask(b, "next", lane, made) for lane in (0, 1)] == [Next.FORCED, 77]
    if option:
        lanes[0] = 70
        made["candidates"] = encode_int32(lanes)
        assert [ask(b, "next", lane, made) for lane in (0, 1)] == [Next.CHOSEN, (1 << 24) - 10]


@pytest.mark.parametrize("place", [0, 1, 15, 30, 31])
def test_the_best_of_all_words_is_sampled(place: int) -> None:
    """Rule: INNER-62"""
    b = sampler_steps.bench()
    words = [(5 << 24) + 9] * 32
    words[place] = (6 << 24) + 20
    made = {"mode": encode_int32([Mode.FREE]), "top": encode_words(words)}
    assert [ask(b, "next", lane, made) for lane in (0, 1)] == [Next.SAMPLED, (1 << 24) - 21]


@pytest.mark.parametrize("option", [0, 1])
@pytest.mark.parametrize("passed", [0, 61, 62, 63, 64])
def test_an_option_has_room_for_64_tokens(option: int, passed: int) -> None:
    """The value ends with the token `passed`; what follows the last token is no token.

    Rule: INNER-65
    """
    b = sampler_steps.bench()
    limited = next(iter(b.manifests))
    state = machine_words.pack_state(MachineState(Phase.CHOICE, 0, passed))
    tokens = [[lane for at in range(64) for lane in (1_000 + at, at + 1)] for _ in range(2)]
    tokens[1 - option] = [7] * 128
    lanes = [-1, 0] * MAX_CHOICES
    lanes[2 * option] = 77
    made = {
        "mode": encode_int32([Mode.CHOICE]),
        "next": encode_int32([Next.FORCED, 1]),
        "before": encode_int32([2, 0, 99]),
        "context": encode_words([state, 0, int.from_bytes(limited, "big")]),
        "candidates": encode_int32(lanes),
        "options": encode_int32([*tokens[0], *tokens[1]]),
    }
    queue = b.layout.regions[-1].name
    for lane in range(4):
        number = passed + lane + 1
        none = DEAD if lane == 0 else PAD_INT32
        assert ask(b, queue, lane, made) == (1_000 + number if number < 64 else none)


@pytest.mark.parametrize("op", sorted(sampler_steps.LANES))
def test_every_bit_of_a_number_counts(op: int) -> None:
    """Numbers that differ from plausible ones in a high bit alone.

    Rule: INNER-60, INNER-61, INNER-62, INNER-63, INNER-64, INNER-65
    """
    draw = random.Random(op)

    def twist(chunk: Chunk) -> Chunk:
        if chunk.type is not ChunkType.INT32 or draw.random() < 0.3:
            return chunk
        number = int.from_bytes(chunk.data[:32], "big")
        number ^= 1 << 32 * draw.choice((0, 0, 1, 2, 3, 4)) + draw.randrange(8, 32)
        return Chunk(chunk.type, number.to_bytes(32, "big") + chunk.data[32:])

    for _ in range(150):
        case = sampler_steps.draw_case(draw, op, twist)
        assert case.ask() == case.value, case
