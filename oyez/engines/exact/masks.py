"""Allowed tokens at a glance: the vectorised twin of `oyez.protocol.masks`.

Inside a string only two things matter: which continuation bytes are due, and how much room is
left. For each of the few continuations, every token's *demand* is computed once: the bytes it
takes of the limit, those its last open character still needs included. A mask is a comparison.
Where a string may open as an array's first item, the same holds after a token's opening quote.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from oyez.protocol.constants import MAX_STRING_BYTES
from oyez.protocol.machine import FREE_PHASES, Machine, MachineState, Phase
from oyez.protocol.types import Field, FieldType, Role
from oyez.protocol.vocabulary import Vocabulary

_NEVER = 1 << 14
_INTEGER_BYTES = frozenset(b"-0123456789,}]")

#: What an open character still needs: (bytes, lowest, highest of the next one).
_Continuation = tuple[int, int, int]
_CLOSED: _Continuation = (0, 0, 0)
#: The string has not begun: its opening quote comes first.
_UNOPENED: _Continuation = (-1, 0, 0)
#: The string has ended with its closing quote.
_ENDED: _Continuation = (-2, 0, 0)
_QUOTE = 0x22


class Masks:
    """Masks of one vocabulary; remembers what it has computed."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Keep the tokens; tables are made at first use."""
        self.vocabulary = vocabulary
        self._demands: dict[_Continuation, NDArray[np.int16]] = {}
        self._strings: dict[tuple[_Continuation, int], NDArray[np.int32]] = {}

    @cached_property
    def _numeric(self) -> list[tuple[int, bytes]]:
        """Tokens that an integer may be spelled with, and what ends it."""
        return [
            (token, data)
            for token, data in enumerate(self.vocabulary.tokens)
            if data is not None and _INTEGER_BYTES.issuperset(data)
        ]

    @cached_property
    def _longest(self) -> int:
        """Bytes of the longest token."""
        return max((len(data) for data in self.vocabulary.tokens if data is not None), default=0)

    def get_allowed(self, machine: Machine, state: MachineState) -> NDArray[np.int32]:
        """Return the ids of the allowed tokens, ascending; do not write to the array.

        The machine is one for this vocabulary's missing bytes.

        Rule: ENGINE-23
        """
        phase = state.phase
        if phase is Phase.STRING:
            continuation = (state.need, state.low, state.high) if state.need else _CLOSED
            return self._get_string(machine, state, continuation)
        base = machine.get_field(state).base
        if phase is Phase.NEXT or (phase is Phase.FIRST and base is FieldType.ENUM):
            return self._get_single(bytes(machine.allowed_bytes(state)))
        if phase is Phase.FIRST and base is FieldType.STRING:
            opened = self._get_string(machine, state, _UNOPENED)
            return np.union1d(opened, self._get_single(b"]"))
        if phase in (Phase.FIRST, Phase.INTEGER):
            allowed = [token for token, data in self._numeric if _is_alive(machine, state, data)]
            return np.array(allowed, np.int32)
        return np.array([], np.int32)

    def _get_single(self, characters: bytes) -> NDArray[np.int32]:
        """Return the tokens that are one of these bytes."""
        ids = self.vocabulary.ids_by_bytes
        tokens = [token for byte in characters for token in ids.get(bytes([byte]), ())]
        return np.array(sorted(tokens), np.int32)

    def _get_string(
        self, machine: Machine, state: MachineState, continuation: _Continuation
    ) -> NDArray[np.int32]:
        # A token of the longest kind, with an open character, never demands more than this.
        room = min(machine.get_field(state).limit - state.length, self._longest + 3)
        key = continuation, room
        if key not in self._strings:
            demands = self._get_demands(continuation)
            self._strings[key] = np.flatnonzero(demands <= room).astype(np.int32)
        return self._strings[key]

    def _get_demands(self, continuation: _Continuation) -> NDArray[np.int16]:
        """Return every token's demand after a continuation, `_NEVER` for a dead one."""
        if continuation not in self._demands:
            self._demands[continuation] = _compute_demands(self.vocabulary, continuation)
        return self._demands[continuation]


def _is_alive(machine: Machine, state: MachineState, data: bytes) -> bool:
    """Say whether a token keeps the machine alive without passing the scalar's end."""
    after: MachineState | None = state
    for index, byte in enumerate(data):
        after = machine.step(state, byte)
        if after is None:
            return False
        if after.phase not in FREE_PHASES:
            return index == len(data) - 1
        state = after
    return True


def _compute_demands(vocabulary: Vocabulary, start: _Continuation) -> NDArray[np.int16]:
    """Run all tokens at once through the table of a string's bytes.

    The table is read off the reference machine itself, on a field without other bounds. Quotes
    take nothing of the limit.
    """
    table, needs, closed, dead, first = _build_table(vocabulary.missing, start)
    lengths = np.array([0 if data is None else len(data) for data in vocabulary.tokens])
    joined = np.frombuffer(b"".join(data or b"" for data in vocabulary.tokens), np.uint8)
    begins = np.cumsum(lengths) - lengths
    states = np.where(lengths > 0, first, dead)
    for column in range(int(lengths.max(initial=0))):
        alive = np.flatnonzero((lengths > column) & (states != dead))
        states[alive] = table[states[alive], joined[begins[alive] + column]]
    demands = np.where(states == closed, lengths - 1, lengths + needs[states])
    demands -= start == _UNOPENED
    return np.where(states == dead, _NEVER, demands).astype(np.int16)


def _build_table(
    missing: bytes, start: _Continuation
) -> tuple[NDArray[np.intp], NDArray[np.intp], int, int, int]:
    """Return (next state by state and byte, needs by state, closed, dead, first state)."""
    field = Field(b"s", FieldType.STRING, Role.WRITES, b"", limit=MAX_STRING_BYTES)
    machine = Machine([field], missing)
    numbers: dict[_Continuation, int] = {}
    rows: list[list[_Continuation | None]] = []
    queue = [_CLOSED, start]
    while queue:
        continuation = queue.pop()
        if continuation in numbers:
            continue
        numbers[continuation] = len(rows)
        rows.append(_build_row(machine, continuation))
        queue.extend(item for item in rows[-1] if item is not None and item != _ENDED)
    closed, dead = len(rows), len(rows) + 1
    table = np.full((len(rows) + 2, 256), dead)
    for number, row in enumerate(rows):
        for byte, item in enumerate(row):
            if item is not None:
                table[number, byte] = closed if item == _ENDED else numbers[item]
    needs = np.zeros(len(rows) + 2, np.intp)
    for continuation, number in numbers.items():
        needs[number] = max(0, continuation[0])
    return table, needs, closed, dead, numbers[start]


def _build_row(machine: Machine, continuation: _Continuation) -> list[_Continuation | None]:
    """Return what follows each byte after a continuation; None where it is not allowed."""
    if continuation == _UNOPENED:
        return [_CLOSED if byte == _QUOTE else None for byte in range(256)]
    state = MachineState(Phase.STRING, 0, 0, *continuation)
    row: list[_Continuation | None] = []
    for byte in range(256):
        after = machine.step(state, byte)
        if after is None:
            row.append(None)
        elif after.phase is not Phase.STRING:
            row.append(_ENDED)
        else:
            row.append((after.need, after.low, after.high) if after.need else _CLOSED)
    return row
