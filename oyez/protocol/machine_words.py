"""The byte machine's state as one word, as sampler records and their inner traces hold it.

From the lowest bit up: items 8, negative 8, high 8, low 8, need 8, length 16, field 8, phase 8, the
byte that led here 8 (0 in records), 1. The magnitude (`MachineState.value`) is a word of its own.
"""

from __future__ import annotations

from typing import NamedTuple

from oyez.protocol.machine import MachineState, Phase

#: Set in every word of a state: what is 0 holds none.
ALIVE = 1 << 80
#: Where the byte that led to a state stands.
BYTE = 0xFF << 72
#: The phase after a byte that no output goes on with; no byte leads out of it.
STUCK = 15


class MachineWord(NamedTuple):
    """A word's parts, whatever they are: an adversary's need not be a state's."""

    phase: int
    field: int
    length: int
    need: int
    low: int
    high: int
    negative: int
    items: int
    byte: int
    alive: int


#: The parts' lowest bits and bits, in the order of `MachineWord`.
_PARTS = (
    (64, 8),
    (56, 8),
    (40, 16),
    (32, 8),
    (24, 8),
    (16, 8),
    (8, 8),
    (0, 8),
    (72, 8),
    (80, 1),
)


def unpack_word(word: int) -> MachineWord:
    """Return the parts of any word; bits above them say nothing.

    Args:
        word: signed or not.

    Rule: TRACE-17
    """
    return MachineWord(*(word >> at & (1 << bits) - 1 for at, bits in _PARTS))


def pack_word(parts: MachineWord) -> int:
    """Return the word of parts that fit their bits."""
    return sum(value << at for value, (at, _) in zip(parts, _PARTS, strict=True))


def pack_state(state: MachineState, byte: int = 0) -> int:
    """Return the word of a state; `byte` is the one that led to it, 0 in a record.

    Rule: TRACE-17
    """
    return pack_word(
        MachineWord(
            phase=state.phase,
            field=state.field,
            length=state.length,
            need=state.need,
            low=state.low,
            high=state.high,
            negative=state.negative,
            items=state.items,
            byte=byte,
            alive=1,
        )
    )


def unpack_state(word: int, magnitude: int) -> MachineState:
    """Return the state that `pack_state` made a word of.

    Raises:
        ValueError: the phase is none of a state's.
    """
    parts = unpack_word(word)
    return MachineState(
        phase=Phase(parts.phase),
        field=parts.field,
        length=parts.length,
        need=parts.need,
        low=parts.low,
        high=parts.high,
        negative=bool(parts.negative),
        value=magnitude,
        items=parts.items,
    )
