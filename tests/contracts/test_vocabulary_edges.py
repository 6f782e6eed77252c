"""Lanes over text that random worlds seldom have: an empty array may be closed."""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest

from oyez.protocol.inner import DEAD
from oyez.protocol.machine import MachineState, Phase
from oyez.protocol.machine_words import pack_state
from oyez.protocol.step_machine import Mode
from oyez.protocol.trace import PAD_INT32, Chunk, encode_int32, encode_words
from oyez.protocol.types import Field, FieldType, Role
from tests.manifest_cases import SMALLEST, array
from tests.vocabulary_steps import Case, Setup, compare

BOOLEAN = Field(b"b", FieldType.BOOLEAN, Role.WRITES, False, biases=(3, -4))


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
