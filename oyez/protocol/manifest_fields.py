"""The manifest's TEXT, FIELDS and OPTIONS sections, parsed together.

The text pool is one run of bytes, checked once as a whole and then cut: for each field its name,
then its options or its initial string; last the action's name and its description.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from oyez.protocol import constants as c
from oyez.protocol.errors import Invalid
from oyez.protocol.manifest_layout import MIN_INT256
from oyez.protocol.types import Field, FieldType, Role

_FORBIDDEN_TEXT = frozenset(range(0x20)) | {0x22, 0x5C, 0x7F}


class Cursor:
    """A reader of back-to-back big-endian sections."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        """Start reading `data` at offset `at`."""
        self.data = data
        self.at = at

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes.

        Raises:
            Invalid: MANIFEST-1 if fewer are left.
        """
        end = self.at + count
        if end > len(self.data):
            raise Invalid("MANIFEST-1", f"the manifest ends at {len(self.data)}, needs {end} bytes")
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def number(self, count: int) -> int:
        """Return the next `count` bytes as an unsigned integer."""
        return int.from_bytes(self.take(count), "big")


def verify_text(text: bytes, missing: bytes) -> None:
    """Check the whole text pool: strict UTF-8 of bytes that JSON strings and tokens can carry.

    Rule: MANIFEST-9

    Raises:
        Invalid: MANIFEST-9.
    """
    try:
        text.decode("utf-8", "strict")
    except UnicodeDecodeError as error:
        raise Invalid("MANIFEST-9", f"text offset {error.start} is not UTF-8") from error
    for offset, byte in enumerate(text):
        if byte in _FORBIDDEN_TEXT or byte in missing:
            raise Invalid(
                "MANIFEST-9",
                f"text offset {offset} holds byte {byte:#04x}, which no string may hold",
            )


class TextPool:
    """Cuts the text pool into strings, each valid UTF-8 alone."""

    def __init__(self, text: bytes) -> None:
        """Start at the first string."""
        self._text = text
        self._at = 0

    def cut(self, length: int) -> bytes:
        """Return the next string of `length` bytes.

        Rule: MANIFEST-10

        Raises:
            Invalid: MANIFEST-10 if it passes the pool's end or begins inside a character.
        """
        end = self._at + length
        if end > len(self._text):
            raise Invalid("MANIFEST-10", f"strings need {end} bytes of text, not {len(self._text)}")
        taken = self._text[self._at : end]
        if taken and taken[0] & 0xC0 == 0x80:
            raise Invalid("MANIFEST-10", f"a string begins inside a character at {self._at}")
        self._at = end
        return taken

    def rest(self) -> bytes:
        """Return the last string: all that is left."""
        return self.cut(len(self._text) - self._at)


class FieldsReader:
    """Parses the FIELDS section, taking strings from the pool and options from theirs."""

    def __init__(
        self, *, fields: Cursor, options: Cursor, text: TextPool, constants: Sequence[int]
    ) -> None:
        """Place each cursor at the beginning of its section."""
        self._fields = fields
        self._options = options
        self._text = text
        self._constants = constants
        self._names: set[bytes] = set()

    def read(self) -> Field:
        """Return the next field.

        Rule: MANIFEST-12

        Raises:
            Invalid: one of MANIFEST-1, -10 to -18.
        """
        name_length, kind, element, role = self._fields.take(4)
        a, b, items = (self._fields.number(2) for _ in range(3))
        biases = (_signed(self._fields.number(3), 24), _signed(self._fields.number(3), 24))
        name = self._read_name(name_length)
        if not FieldType.STRING <= kind <= FieldType.ARRAY:
            raise Invalid("MANIFEST-12", f"field {_show(name)} has the unknown type {kind}")
        if role > Role.COMPUTE:
            raise Invalid("MANIFEST-12", f"field {_show(name)} has the unknown role {role}")
        if role == Role.COMPUTE and kind in (FieldType.STRING, FieldType.ARRAY):
            raise Invalid("MANIFEST-12", f"field {_show(name)} is no number: no code computes it")
        is_array = kind == FieldType.ARRAY
        if not is_array and (element != 0 or items != 0):
            raise Invalid("MANIFEST-12", f"field {_show(name)} is no array: element, items are 0")
        scalar = element if is_array else kind
        if scalar != FieldType.BOOLEAN and biases != (0, 0):
            raise Invalid("MANIFEST-12", f"field {_show(name)} is no boolean: its biases are 0")
        if is_array:
            _verify_array(name, element, items, b)
        field = self._read_scalar(name, FieldType(scalar), Role(role), a, b)
        if scalar == FieldType.BOOLEAN:
            field = replace(field, biases=biases)
        if is_array:
            field = replace(
                field, type=FieldType.ARRAY, element=field.type, items=items, initial=()
            )
        return field

    def _read_scalar(self, name: bytes, kind: FieldType, role: Role, a: int, b: int) -> Field:
        """Return a field of a scalar type; a BOOLEAN's biases are still to come."""
        if kind is FieldType.STRING:
            return self._read_string(name, role, a, b)
        if kind is FieldType.ENUM:
            return self._read_enum(name, role, a, b)
        if kind is FieldType.BOOLEAN:
            return _read_boolean(name, role, a, b)
        return self._read_integer(name, role, a, b)

    def _read_name(self, length: int) -> bytes:
        """Return a field's name, unlike every earlier one.

        Rule: MANIFEST-11
        """
        if not 1 <= length <= c.MAX_NAME_BYTES:
            raise Invalid("MANIFEST-11", f"a field's name has 1 to 32 bytes, not {length}")
        name = self._text.cut(length)
        if name in self._names:
            raise Invalid("MANIFEST-11", f"two fields are named {_show(name)}")
        self._names.add(name)
        return name

    def _read_string(self, name: bytes, role: Role, limit: int, length: int) -> Field:
        """Return a STRING field: a is its limit, b the initial length.

        Rule: MANIFEST-14
        """
        if limit > c.MAX_STRING_BYTES or length > limit:
            raise Invalid(
                "MANIFEST-14",
                f"string {_show(name)}: a limit of {limit} bytes (at most 512), {length} initial",
            )
        return Field(name, FieldType.STRING, role, self._text.cut(length), limit=limit)

    def _read_enum(self, name: bytes, role: Role, count: int, initial: int) -> Field:
        """Return an ENUM field: a counts its options, b is the initial one's index.

        Rule: MANIFEST-15
        """
        if not 1 <= count <= c.MAX_OPTIONS or initial >= count:
            raise Invalid(
                "MANIFEST-15",
                f"enum {_show(name)}: {count} options (1 to 64), initial option {initial}",
            )
        options: list[bytes] = []
        biases: list[int] = []
        for _ in range(count):
            length = self._options.number(1)
            biases.append(_signed(self._options.number(4), 32))
            if not 1 <= length <= c.MAX_OPTION_BYTES:
                raise Invalid("MANIFEST-15", f"an option has 1 to 32 bytes, not {length}")
            option = self._text.cut(length)
            if options and option <= options[-1]:
                raise Invalid(
                    "MANIFEST-15",
                    f"enum {_show(name)}: {_show(option)} does not follow {_show(options[-1])}",
                )
            options.append(option)
        return Field(
            name,
            FieldType.ENUM,
            role,
            options[initial],
            options=tuple(options),
            biases=tuple(biases),
        )

    def _read_integer(self, name: bytes, role: Role, at: int, digits: int) -> Field:
        """Return an INTEGER field: a is the index of three constants, b its characters.

        Rule: MANIFEST-17
        """
        if at + 3 > len(self._constants):
            raise Invalid("MANIFEST-17", f"integer {_show(name)} has no constants at {at}")
        low, high, initial = self._constants[at : at + 3]
        if not MIN_INT256 < low <= initial <= high:
            raise Invalid(
                "MANIFEST-17",
                f"integer {_show(name)}: -2**255 < {low} <= {initial} <= {high} must hold",
            )
        if not max(len(str(low)), len(str(high))) <= digits <= c.MAX_DIGITS:
            raise Invalid(
                "MANIFEST-17",
                f"integer {_show(name)}: {digits} characters do not hold {low} to {high}",
            )
        return Field(name, FieldType.INTEGER, role, initial, low=low, high=high, digits=digits)


def _verify_array(name: bytes, element: int, items: int, b: int) -> None:
    """Check what an ARRAY has beside its element: c is the most items; it begins empty.

    Rule: MANIFEST-13
    """
    if not FieldType.STRING <= element <= FieldType.INTEGER:
        raise Invalid("MANIFEST-13", f"array {_show(name)}: its element is no scalar: {element}")
    if not 1 <= items <= c.MAX_ITEMS:
        raise Invalid("MANIFEST-13", f"array {_show(name)} has 1 to 64 items at most, not {items}")
    if element == FieldType.STRING and b != 0:
        raise Invalid("MANIFEST-13", f"array {_show(name)} begins empty: there is no initial text")


def _read_boolean(name: bytes, role: Role, a: int, initial: int) -> Field:
    """Return a BOOLEAN field: b is its initial value.

    Rule: MANIFEST-16
    """
    if a != 0 or initial > 1:
        raise Invalid("MANIFEST-16", f"boolean {_show(name)}: a is 0 and b is 0 or 1")
    return Field(name, FieldType.BOOLEAN, role, initial == 1)


def _signed(number: int, bits: int) -> int:
    """Return an unsigned integer of so many bits, read as two's complement."""
    return number - (1 << bits) if number >> (bits - 1) else number


def _show(name: bytes) -> str:
    """Return a checked string for a message."""
    return name.decode("utf-8", "replace")
