"""A machine state as a word, its bits by hand."""

from __future__ import annotations

import random

import pytest

from oyez.protocol import machine_words
from oyez.protocol.machine import MachineState, Phase
from oyez.protocol.machine_words import MachineWord


def test_each_part_has_its_bits() -> None:
    """Rule: TRACE-17"""
    state = MachineState(
        Phase.STRING, 0x12, 0x3456, 2, 0x80, 0xBF, negative=True, value=9, items=0x40
    )
    word = 0x1_AA_01_12_3456_02_80_BF_01_40

    assert machine_words.pack_state(state, 0xAA) == word
    assert machine_words.unpack_state(word, 9) == state
    assert machine_words.pack_state(MachineState(Phase.PREFIX, 0)) == machine_words.ALIVE


def test_any_word_has_parts() -> None:
    """Rule: TRACE-17"""
    assert machine_words.unpack_word(-1) == MachineWord(
        255, 255, 65_535, 255, 255, 255, 255, 255, 255, 1
    )
    draw = random.Random(7)
    for _ in range(200):
        word = draw.getrandbits(256)
        assert machine_words.pack_word(machine_words.unpack_word(word)) == word % (1 << 81)
        assert machine_words.unpack_word(word - (1 << 256)) == machine_words.unpack_word(word)
    with pytest.raises(ValueError, match="15"):
        machine_words.unpack_state(machine_words.STUCK << 64, 0)
