"""Lanes of chunks and the first that differs, by brute force over the layout's own text."""

from __future__ import annotations

import functools
import random

import pytest

from oyez.testing import toy
from tests.contracts.harness import Contract, Reverted, World

PAIRS = 12


@functools.cache
def harness() -> Contract:
    return World().deploy("tests/contracts/LanesHarness.vy")


def read_all(kind: int, raw: bytes) -> list[int]:
    """Every lane of a chunk, field by field from the lowest bits of each word."""
    words = [int.from_bytes(raw[at : at + 32], "big") for at in range(0, 1_024, 32)]
    if kind == 4:
        return list(raw)
    if kind == 3:
        return [word - (word >> 255 << 256) for word in words]
    width = 32 if kind == 1 else 16
    fields = [[word >> at & ((1 << width) - 1) for at in range(0, 256, width)] for word in words]
    if kind == 1:
        flat = [field for row in fields for field in row]
    else:
        flat = []
        for even, odd in zip(fields[::2], fields[1::2], strict=True):
            rows = (even[::-1], odd[::-1]) if kind == 5 else (even, odd)
            for quad in range(8):
                for row in rows:
                    flat += row[2 * quad : 2 * quad + 2]
    return [field - (field >> (width - 1) << width) for field in flat]


def change(raw: bytes, pick: random.Random) -> bytes:
    """A chunk with a few other bits, near each other or anywhere."""
    number = int.from_bytes(raw, "big")
    near = pick.randrange(8_192)
    for _ in range(pick.choice((1, 1, 2, 3, 40))):
        at = pick.choice((pick.randrange(8_192), (near + pick.randrange(64)) % 8_192))
        number ^= 1 << at
    return number.to_bytes(1_024, "big")


@pytest.mark.parametrize("kind", toy.LANES)
@pytest.mark.parametrize("seed", range(PAIRS))
def test_only_lanes_up_to_the_first_that_differs_pass(kind: int, seed: int) -> None:
    """Rule: DUEL-12"""
    pick = random.Random(f"{kind} {seed}")
    x = pick.choice((bytes(1_024), b"\xff" * 1_024, pick.randbytes(1_024)))
    y = change(x, pick)
    lanes, others = read_all(kind, x), read_all(kind, y)
    count = toy.LANES[kind]
    assert len(lanes) == harness().count(kind) == count
    if x == y:
        y = bytes([x[0] ^ 1]) + x[1:]
        others = read_all(kind, y)
    first = next(i for i in range(count) if lanes[i] != others[i])
    beside = {*range(first - 34, first + 35), 0, count - 1, pick.randrange(count)}
    for lane in sorted(beside & {*range(count)}):
        assert harness().read(x, kind, lane) == lanes[lane]
        assert harness().read(y, kind, lane) == others[lane]
        if lane <= first:
            harness().check_first(x, y, kind, lane)
        else:
            with pytest.raises(Reverted, match="differs"):
                harness().check_first(x, y, kind, lane)


@pytest.mark.parametrize("kind", toy.LANES)
def test_every_bit_of_a_chunk_is_in_exactly_one_lane(kind: int) -> None:
    """So two different chunks of a type always have a lane that differs."""
    seen = set()
    for at in range(0, 8_192, 7):
        lanes = read_all(kind, (1 << at).to_bytes(1_024, "big"))
        (lane,) = [i for i, value in enumerate(lanes) if value]
        assert harness().read((1 << at).to_bytes(1_024, "big"), kind, lane) == lanes[lane]
        seen.add((lane, lanes[lane]))
    assert len(seen) == len(range(0, 8_192, 7))


def test_the_pad_leaf_is_of_zeros_and_pad_has_no_lanes() -> None:
    kept, computed = harness().pad_leaf()
    assert bytes(kept) == bytes(computed) == toy.PAD_LEAF
    assert [harness().count(kind) for kind in (0, 6, 255)] == [0, 0, 0]
