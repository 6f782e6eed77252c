"""The manifest's bit layout, shared by parser and encoder; its bounds stand in constants.py.

Sections stand back to back, big-endian, without offsets:
HEADER 64 | CONSTANTS 32 each | TEXT | FIELDS 16 each | OPTIONS 5 each | SEGMENTS 3 each |
LITERALS 3 each | EXPRESSIONS 2 each | OPS 2 each.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from oyez.protocol.types import Field, FieldType, Role, SegmentKind

HEADER_BYTES = 64
GUARD_TARGET = 255
MIN_INT256 = -(2**255)

#: Word 0 of the header: name and bits of each part, from the highest bit.
HEADER_LAYOUT: tuple[tuple[str, int], ...] = (
    ("version", 8),
    ("model", 16),
    ("cell_kind", 8),
    ("upgrade_delay", 40),
    ("temperature", 32),
    ("seed_rule", 8),
    ("max_input", 16),
    ("output_tokens", 16),
    ("fixed_positions", 16),
    ("fields", 8),
    ("segments", 8),
    ("literal_tokens", 16),
    ("constants", 8),
    ("expressions", 8),
    ("ops", 16),
    ("text_bytes", 16),
    ("name_length", 8),
    ("effects", 8),
)

#: Positions a slot may fill: one byte never makes more than one token. `{state}` is S.
SLOT_POSITIONS = {SegmentKind.CALLER: 42, SegmentKind.VALUE: 78, SegmentKind.TIME: 20}


class OpCode(IntEnum):
    """Stack instructions of version 1."""

    CONST = 1
    OLD = 2
    NEW = 3
    CALLER = 4
    VALUE = 5
    TIME = 6
    NEG = 8
    NOT = 9
    ADD = 16
    SUB = 17
    MUL = 18
    DIV = 19
    MOD = 20
    MIN = 21
    MAX = 22
    EQ = 23
    LT = 24
    GT = 25
    LE = 26
    GE = 27
    AND = 28
    OR = 29
    SELECT = 30

    @property
    def operands(self) -> int:
        """How many values it takes from the stack; it always puts one back."""
        if self < OpCode.NEG:
            return 0
        if self < OpCode.ADD:
            return 1
        return 3 if self is OpCode.SELECT else 2


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """What of a model a manifest is checked against.

    Attributes:
        vocabulary: number of token ids, below 2**23.
        context: longest context in positions.
        missing: bytes 80..ff without a token of their own, ascending.
    """

    vocabulary: int
    context: int
    missing: bytes


def compute_value_bytes(field: Field) -> int:
    """Return the most bytes a field's JSON value is counted as, quotes and brackets included.

    Of an array each item is counted with a comma and a space.
    """
    if field.base is FieldType.STRING:
        scalar = field.limit + 2
    elif field.base is FieldType.ENUM:
        scalar = max(len(option) for option in field.options) + 2
    else:
        scalar = 5 if field.base is FieldType.BOOLEAN else field.digits
    return 2 + field.items * (scalar + 2) if field.type is FieldType.ARRAY else scalar


def compute_json_bytes(fields: Iterable[Field]) -> int:
    """Return the declared length of a JSON object over these fields; 2 if there are none.

    No text over them is longer; the longest is two bytes shorter for each array.

    Rule: MANIFEST-24
    """
    parts = [len(field.name) + 4 + compute_value_bytes(field) for field in fields]
    return 2 + sum(parts) + 2 * max(0, len(parts) - 1)


def compute_output_bytes(fields: Iterable[Field]) -> int:
    """Return the declared output bytes: the longest JSON over the written fields."""
    return compute_json_bytes(field for field in fields if field.role is Role.WRITES)
