"""The dearest fields that the gate lets in: as many, and as many options, as a manifest holds."""

from __future__ import annotations

import dataclasses

from oyez.protocol import constants as c
from oyez.protocol.types import Field, FieldType, Role
from tests.state_worlds import LETTERS, build_enum

#: Bytes of a row of a field with a name of one byte, of a short option and its row, of a header.
FIELD, OPTION, HEADER = 17, 6, 64
SHORT = [bytes([letter]) for letter in LETTERS]
LONG = [bytes([letter]) * 31 + b"z" for letter in LETTERS]
#: Options past whole blocks of 64 that cost the most to add up: a group, and five words and a row.
REST = 63


def count_options(last: Field) -> int:
    """Return how many short options there is room for before a field, `REST` past whole blocks."""
    own = sum(5 + len(option) for option in last.options)
    own += len(last.name) - 1 + (96 if last.base is FieldType.INTEGER else 0)
    room = (c.MAX_MANIFEST_BYTES - HEADER - c.MAX_FIELDS * FIELD - own) // OPTION
    return room - (room - REST) % c.MAX_OPTIONS


def stand_behind(last: Field, role: Role) -> list[Field]:
    """Return a field as the last of 32; the others, of that role, have the most options."""
    left = count_options(last)
    sizes = [*[c.MAX_OPTIONS] * (left // c.MAX_OPTIONS), left % c.MAX_OPTIONS]
    before = [
        Field(b"", FieldType.STRING, Role.KEPT, b"") for _ in range(c.MAX_FIELDS - 1 - len(sizes))
    ]
    before += [build_enum(b"", SHORT[:size]) for size in sizes]
    named = [
        dataclasses.replace(field, name=bytes([letter]), role=role)
        for field, letter in zip(before, LETTERS, strict=False)
    ]
    return [*named, last]
