"""Lanes over text that random worlds seldom have: an empty array may be closed."""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest

from oyez.protocol.inner import DEAD
from oyez.protocol.machine import MachineState, Phase
from oyez.protocol.machine_words import pack_state
from oyez.protocol.step_machine import Mode
from oyez.protocol.trace import PAD_INT32, Chunk, encode_bytes, encode_int32, encode_words
from oyez.protocol.types import Field, FieldType, Role
from oyez.protocol.vocabulary import Vocabulary
from tests.manifest_cases import SMALLEST, array
from tests.vocabulary_steps import Case, Make, Setup, compare

BOOLEAN = Field(b"b", FieldType.BOOLEAN, Role.WRITES, False, biases=(3, -4))


@functools.cache
def prefixes(longest: bytes) -> Setup:
    """A vocabulary of all bytes and of whatever one long token begins with."""
    tokens = [bytes([byte]) for byte in range(256)]
    return Setup(Vocabulary([*tokens, *(longest[:end] for end in range(2, 129))]))


@pytest.mark.parametrize("bit", [0, 3, 7])
@pytest.mark.parametrize("first", [1, 2])
def test_a_text_parts_from_a_token_at_any_byte(first: int, bit: int) -> None:
    """By one bit, upwards or downwards; the rest of the text is the token's own.

    Rule: INNER-56, MODEL-15
    """
    longest = bytes(first + 2 * (i % 126) for i in range(128))
    for at in range(1, len(longest)):
        text = bytearray(longest)
        text[at] ^= 1 << bit
        if text[at] == 0:
            continue  # which would end it
        leaves = {"run_text": encode_bytes(bytes(text)), "run_tokens": encode_int32([5, 0])}
        own = encode_int32([7, 0, *[PAD_INT32] * 254])
        case = Case(prefixes(longest), "run_tokens", 0, 3, own, make_from(leaves))
        assert compare(case) == at


def make_from(leaves: dict[str, Chunk]) -> Make:
    return lambda region, _: leaves[region]


@functools.cache
def arrays() -> Setup:
    """A vocabulary with a manifest whose one field is an array of three booleans."""
    manifest = replace(
        SMALLEST, fields=(array(BOOLEAN, 3),), output_tokens=300, fixed_positions=300
    )
    return Setup(manifests=[manifest])


def find(name: str, place: int, lane: int, items: int) -> int:
    """Return what both sides say of a lane where so many items have ended."""
    setup = arrays()
    state = pack_state(MachineState(Phase.CHOICE, 0, items=items))
    leaves: dict[str, Chunk] = {
        "mode": encode_int32([Mode.CHOICE]),
        "context": encode_words([state, 0, int.from_bytes(setup.parsed[0].hash, "big"), 0]),
        "options": encode_int32([7, 1] * 128),
    }
    own = encode_int32([PAD_INT32] * 256)
    return compare(Case(setup, name, place, lane, own, lambda region, _: leaves[region]))


@pytest.mark.parametrize("items", [0, 1, 2, 255])
def test_an_array_is_closed_while_it_is_empty(items: int) -> None:
    """The bracket is a third option, of no bias.

    Rule: INNER-58, INNER-59, DECODE-9
    """
    bracket = arrays().vocabulary.ids_by_bytes[b"]"][0]
    closes = items == 0
    assert find("options", 0, 128, items) >= 0
    # lane 0 says that the leaf is dead
    assert find("options", 1, 0, items) == (bracket if closes else DEAD)
    assert find("options", 1, 1, items) == (1 if closes else PAD_INT32)
    assert (find("candidates", 0, 2, items), find("candidates", 0, 3, items)) == (7, -4)
    assert find("candidates", 0, 4, items) == (7 if closes else PAD_INT32)
    assert find("candidates", 0, 5, items) == (0 if closes else PAD_INT32)
