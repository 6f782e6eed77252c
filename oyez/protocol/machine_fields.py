"""What the byte machine needs of each written field, laid out once."""

from __future__ import annotations

from typing import NamedTuple

from oyez.protocol.types import Field, FieldType

_POWERS = tuple(10**k for k in range(79))
#: Ends an array; where a first BOOLEAN item may begin it is one more choice.
CLOSE_ARRAY = b"]"


class Magnitudes(NamedTuple):
    """The positive magnitudes [low, high] that a sign allows, with their digits; low >= 1."""

    low: int
    high: int
    low_digits: int
    high_digits: int

    def hold_prefix(self, prefix: int, digits: int) -> bool:
        """Say whether some magnitude begins with `prefix` > 0, which has so many digits.

        A prefix with k more digits covers [prefix * 10**k, (prefix + 1) * 10**k - 1]. Only the
        ends of the range decide, so k is worth trying only near their lengths.

        Rule: DECODE-4
        """
        shortest, longest = self.low_digits - digits, self.high_digits - digits
        for k in (shortest, shortest + 1, longest - 1, longest):
            if 0 <= k <= longest and self.low // _POWERS[k] <= prefix <= self.high // _POWERS[k]:
                return True
        return False


def _build_magnitudes(low: int, high: int) -> Magnitudes | None:
    """Return the magnitudes from max(low, 1) to high, or None if there are none."""
    low = max(low, 1)
    return Magnitudes(low, high, len(str(low)), len(str(high))) if low <= high else None


class WrittenField:
    """One written field.

    Attributes:
        most_items: of an array; 0 for a scalar.
        prefix: the bytes before the value: brace or comma, name, opening bracket or quote.
        gap: the bytes between two items: comma, space, opening quote.
        choices: texts of an ENUM (closing quotes included) or BOOLEAN, else none.
        first_choices: the same for an array's first item: of BOOLEANs with the array's end.
        biases: Q16, one for each of the first choices; the end's, the last one, is 0.
        magnitudes: by whether there is a minus.
    """

    __slots__ = (
        "biases",
        "choices",
        "field",
        "first_choices",
        "gap",
        "magnitudes",
        "most_items",
        "prefix",
    )

    def __init__(self, field: Field, first: bool) -> None:
        """Lay out the bytes around the value, and what the value may be."""
        is_array = field.type is FieldType.ARRAY
        quote = b'"' if field.base in (FieldType.STRING, FieldType.ENUM) else b""
        self.field = field
        self.most_items = field.items
        self.prefix = (b"{" if first else b", ") + b'"%s": ' % field.name
        self.prefix += b"[" if is_array else quote
        self.gap = b", " + quote
        self.choices: tuple[bytes, ...] = ()
        if field.base is FieldType.BOOLEAN:
            self.choices = (b"false", b"true")
        elif field.base is FieldType.ENUM:
            self.choices = tuple(option + b'"' for option in field.options)
        self.first_choices = self.choices
        if is_array and field.base is FieldType.BOOLEAN:
            self.first_choices = (*self.choices, CLOSE_ARRAY)
        zeros = (0,) * len(self.first_choices)
        self.biases = (field.biases + zeros)[: len(zeros)]
        self.magnitudes = {
            False: _build_magnitudes(field.low, field.high),
            True: _build_magnitudes(-field.high, -field.low),
        }
