"""The byte machine: which bytes may follow in an output JSON, in constant time a byte.

Its language is exactly the set of output JSON texts that the written fields allow: a byte is
allowed iff some whole output begins with the bytes so far and it. Lengths are counted, values
bounded while they are written; nothing is unrolled, so a state is a handful of integers.

Written fields are numbered 0, 1, ... in state order here (`MachineState.field`); `Machine.written`
gives their indices in the manifest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple

from oyez.protocol.errors import Invalid
from oyez.protocol.machine_fields import CLOSE_ARRAY, WrittenField
from oyez.protocol.types import Field, FieldType, Role

_QUOTE, _MINUS, _COMMA, _CLOSE = b'"-,}'
_CLOSE_ARRAY = CLOSE_ARRAY[0]
_TEXT = frozenset(range(0x20, 0x7F)) - {0x22, 0x5C}
_INTEGER_BYTES = b"-0123456789,}]"
_FIRST_BYTES = b'"-0123456789]'
_NEXT_BYTES = b",]"

#: Lead byte -> (bytes that must follow, lowest and highest first one of them): RFC 3629.
_LEADS: dict[int, tuple[int, int, int]] = {
    **{lead: (1, 0x80, 0xBF) for lead in range(0xC2, 0xE0)},
    **{lead: (2, 0x80, 0xBF) for lead in range(0xE1, 0xF0)},
    **{lead: (3, 0x80, 0xBF) for lead in range(0xF1, 0xF4)},
    0xE0: (2, 0xA0, 0xBF),
    0xED: (2, 0x80, 0x9F),
    0xF0: (3, 0x90, 0xBF),
    0xF4: (3, 0x80, 0x8F),
}


class Phase(IntEnum):
    """What the next byte belongs to.

    PREFIX is everything before a value: braces, separators, the name, an opening quote; between
    two items of an array it is what stands after the comma. FIRST is the place after an array's
    opening bracket, NEXT that after an item that ended by itself. Where a first BOOLEAN item may
    stand there is a CHOICE at once, the closing bracket among its texts.
    """

    PREFIX = 0
    STRING = 1
    CHOICE = 2
    INTEGER = 3
    CLOSE = 4
    END = 5
    FIRST = 6
    NEXT = 7


#: Phases in which the model picks tokens freely among the allowed ones.
SAMPLED_PHASES = (Phase.STRING, Phase.INTEGER, Phase.FIRST, Phase.NEXT)
#: Phases inside a value that a token may hold more than one byte of.
FREE_PHASES = (Phase.STRING, Phase.INTEGER)
_PHASE_OF = {
    FieldType.STRING: Phase.STRING,
    FieldType.ENUM: Phase.CHOICE,
    FieldType.BOOLEAN: Phase.CHOICE,
    FieldType.INTEGER: Phase.INTEGER,
}


class MachineState(NamedTuple):
    """Where an output stands: a tuple, because masks make many thousands of them.

    Attributes:
        phase: what comes next.
        field: number of the written field; in CLOSE and END the last one's.
        length: bytes of this phase so far; INTEGER: digits so far.
        need: STRING: bytes the open character still needs, 0 to 3.
        low, high: STRING: range of the next of them, when `need` is not 0.
        negative: INTEGER: a minus has been written.
        value: INTEGER: magnitude so far; CHOICE: the lowest option that begins with the bytes so
            far (with `length` it says which bytes they are).
        items: items of the array that have ended; 0 outside of one.
    """

    phase: Phase
    field: int
    length: int = 0
    need: int = 0
    low: int = 0
    high: int = 0
    negative: bool = False
    value: int = 0
    items: int = 0


class Machine:
    """The byte machine of an action's written fields.

    Attributes:
        written: the written fields' indices in the manifest.
    """

    def __init__(self, fields: Sequence[Field], missing: bytes) -> None:
        """Lay out the written ones among `fields`.

        Args:
            fields: all fields of the manifest; at least one is written.
            missing: bytes 80..ff that the model has no token for.

        Raises:
            Invalid: MANIFEST-25 if no field is written.
        """
        self.written = tuple(i for i, field in enumerate(fields) if field.role is Role.WRITES)
        if not self.written:
            raise Invalid("MANIFEST-25", "the model writes no field: give one the role `writes`")
        self._written = [WrittenField(fields[i], i == self.written[0]) for i in self.written]
        self._continuations = frozenset(range(0x80, 0xC0)) - frozenset(missing)
        self._leads = self._build_leads(missing)

    def _build_leads(self, missing: bytes) -> dict[int, tuple[int, int, int]]:
        """Return the lead bytes whose characters this model's tokens can complete.

        Rule: DECODE-3
        """
        return {
            lead: (need, low, high)
            for lead, (need, low, high) in _LEADS.items()
            if lead not in missing
            and any(low <= byte <= high for byte in self._continuations)
            and (need == 1 or self._continuations)
        }

    def start(self) -> MachineState:
        """Return the state before the first byte."""
        return MachineState(Phase.PREFIX, 0)

    def is_end(self, state: MachineState) -> bool:
        """Say whether the output is whole."""
        return state.phase is Phase.END

    def get_field(self, state: MachineState) -> Field:
        """Return the written field a state stands in."""
        return self._written[state.field].field

    def get_choices(self, state: MachineState) -> tuple[bytes, ...]:
        """Return the texts a CHOICE is between, an enum's with their closing quotes."""
        written = self._written[state.field]
        return written.choices if state.items else written.first_choices

    def get_biases(self, state: MachineState) -> tuple[int, ...]:
        """Return the Q16 bias of each of these texts; an array's closing bracket has 0."""
        return self._written[state.field].biases

    def compute_unended(self, state: MachineState) -> int:
        """Return the manifest index of the first written field not ended, else of the last.

        A string or enum ends with its closing quote, a boolean with its last letter, an integer
        with the byte after it, an array with its closing bracket.

        Rule: DECODE-11
        """
        return self.written[state.field]

    def step(self, state: MachineState, byte: int) -> MachineState | None:
        """Return the state after a byte, or None if no output goes on with it.

        Rule: DECODE-1
        """
        phase = state.phase
        if phase is Phase.STRING:
            return self._step_string(state, byte)
        if phase is Phase.INTEGER:
            return self._step_integer(state, byte)
        if phase is Phase.PREFIX:
            return self._step_prefix(state, byte)
        if phase is Phase.CHOICE:
            return self._step_choice(state, byte)
        if phase in (Phase.FIRST, Phase.NEXT):
            return self._step_array(state, byte)
        if phase is Phase.CLOSE and byte == _CLOSE:
            return MachineState(Phase.END, state.field)
        return None

    def walk(self, state: MachineState, data: bytes) -> MachineState:
        """Return the state after bytes that are allowed one after another.

        Raises:
            Invalid: DECODE-1 if one of them is not.
        """
        for offset, byte in enumerate(data):
            after = self.step(state, byte)
            if after is None:
                raise Invalid("DECODE-1", f"{data!r} leaves the schema at its byte {offset}")
            state = after
        return state

    def _after(self, number: int) -> MachineState:
        """Return the state after the last byte of a field's value that ends by itself."""
        if number + 1 < len(self._written):
            return MachineState(Phase.PREFIX, number + 1)
        return MachineState(Phase.CLOSE, number)

    def _after_scalar(self, state: MachineState) -> MachineState:
        """Return the state after the last byte of a scalar that ends by itself."""
        if self._written[state.field].most_items:
            return MachineState(Phase.NEXT, state.field, items=state.items + 1)
        return self._after(state.field)

    def _get_prefix(self, state: MachineState) -> bytes:
        """Return the bytes before the value or item of a PREFIX."""
        written = self._written[state.field]
        return written.gap if state.items else written.prefix

    def _step_prefix(self, state: MachineState, byte: int) -> MachineState | None:
        """Step between two values or items."""
        prefix = self._get_prefix(state)
        if byte != prefix[state.length]:
            return None
        if state.length + 1 < len(prefix):
            return MachineState(Phase.PREFIX, state.field, state.length + 1, items=state.items)
        written = self._written[state.field]
        phase = _PHASE_OF[written.field.base]
        if written.most_items and not state.items and written.field.base is not FieldType.BOOLEAN:
            phase = Phase.FIRST
        return MachineState(phase, state.field, items=state.items)

    def _step_array(self, state: MachineState, byte: int) -> MachineState | None:
        """Step after an array's opening bracket, or after an item that ended by itself.

        Rule: DECODE-13
        """
        written = self._written[state.field]
        if byte == _CLOSE_ARRAY:
            return self._after(state.field)
        if state.phase is Phase.NEXT:
            if byte != _COMMA or state.items == written.most_items:
                return None
            return MachineState(Phase.PREFIX, state.field, 1, items=state.items)
        phase = _PHASE_OF[written.field.base]
        if phase is Phase.INTEGER:
            return self._step_integer(MachineState(phase, state.field), byte)
        return MachineState(phase, state.field) if byte == _QUOTE else None

    def _step_string(self, state: MachineState, byte: int) -> MachineState | None:
        """Step inside a string: strict UTF-8, every character whole within the limit.

        Rule: DECODE-2
        """
        number, length, items = state.field, state.length, state.items
        if state.need:
            if not state.low <= byte <= state.high or byte not in self._continuations:
                return None
            if state.need == 1:
                return MachineState(Phase.STRING, number, length + 1, items=items)
            return MachineState(
                Phase.STRING, number, length + 1, state.need - 1, 0x80, 0xBF, items=items
            )
        if byte == _QUOTE:
            return self._after_scalar(state)
        room = self._written[number].field.limit - length
        if byte in _TEXT:
            return MachineState(Phase.STRING, number, length + 1, items=items) if room else None
        lead = self._leads.get(byte)
        if lead is None or room < 1 + lead[0]:
            return None
        return MachineState(Phase.STRING, number, length + 1, *lead, items=items)

    def _step_choice(self, state: MachineState, byte: int) -> MachineState | None:
        """Step inside an enum's or boolean's value.

        Rule: DECODE-5
        """
        choices = self.get_choices(state)
        text = choices[state.value][: state.length] + bytes([byte])
        for index in range(state.value, len(choices)):
            if choices[index] == text:
                return (
                    self._after(state.field) if text == CLOSE_ARRAY else self._after_scalar(state)
                )
            if choices[index].startswith(text):
                return MachineState(
                    Phase.CHOICE, state.field, len(text), value=index, items=state.items
                )
        return None

    def _step_integer(self, state: MachineState, byte: int) -> MachineState | None:
        """Step inside an integer or to the byte after it.

        Rule: DECODE-6
        """
        written = self._written[state.field]
        low, high = written.field.low, written.field.high
        if 0x30 <= byte <= 0x39:
            digit = byte - 0x30
            value, digits = state.value * 10 + digit, state.length + 1
            if value == 0:
                alive = state.length == 0 and not state.negative and low <= 0 <= high
            else:
                magnitudes = written.magnitudes[state.negative]
                # After a 0 no digit follows: numbers have no leading zeros.
                alive = (state.length == 0 or state.value > 0) and (
                    magnitudes is not None and magnitudes.hold_prefix(value, digits)
                )
            if not alive:
                return None
            return MachineState(
                Phase.INTEGER,
                state.field,
                digits,
                negative=state.negative,
                value=value,
                items=state.items,
            )
        if byte == _MINUS:
            if state.length or state.negative or low >= 0:
                return None
            return MachineState(Phase.INTEGER, state.field, negative=True, items=state.items)
        if not state.length or not low <= (-state.value if state.negative else state.value) <= high:
            return None
        return self._step_past_integer(state, byte)

    def _step_past_integer(self, state: MachineState, byte: int) -> MachineState | None:
        """Step over the byte after a whole integer."""
        number = state.field
        if self._written[number].most_items:
            # an item that did not end by itself: its end and what follows are one byte
            ended = MachineState(Phase.NEXT, number, items=state.items + 1)
            return self._step_array(ended, byte)
        if number + 1 < len(self._written):
            return MachineState(Phase.PREFIX, number + 1, 1) if byte == _COMMA else None
        return MachineState(Phase.END, number) if byte == _CLOSE else None

    def allowed_bytes(self, state: MachineState) -> dict[int, MachineState]:
        """Return every allowed next byte with the state after it."""
        return dict(self._iterate_allowed(state))

    def _iterate_allowed(self, state: MachineState) -> Iterator[tuple[int, MachineState]]:
        """Yield the allowed next bytes, ascending where order matters to nobody."""
        for byte in self._candidates(state):
            after = self.step(state, byte)
            if after is not None:
                yield byte, after

    def _candidates(self, state: MachineState) -> Iterable[int]:
        """Return bytes among which all allowed ones are; `step` decides."""
        if state.phase is Phase.STRING:
            return range(0x20, 0x100)
        if state.phase is Phase.INTEGER:
            return _INTEGER_BYTES
        if state.phase is Phase.PREFIX:
            return self._get_prefix(state)[state.length : state.length + 1]
        if state.phase is Phase.CHOICE:
            choices = self.get_choices(state)
            return {text[state.length] for text in choices if len(text) > state.length}
        if state.phase is Phase.FIRST:
            return _FIRST_BYTES
        if state.phase is Phase.NEXT:
            return _NEXT_BYTES
        return (_CLOSE,)

    def forced_run(self, state: MachineState) -> tuple[bytes, MachineState]:
        """Return the maximal run of bytes each of which is the only one allowed, and its end.

        A run may cross fields; it never enters an enum's or boolean's value.

        Rule: DECODE-7
        """
        run = bytearray()
        while state.phase not in (Phase.CHOICE, Phase.END):
            allowed = self._iterate_allowed(state)
            byte, after = next(allowed)
            if next(allowed, None) is not None:
                break
            run.append(byte)
            state = after
        return bytes(run), state
