"""Reads entries of a file's metadata: each is what it should be, or the message says what it is."""

from __future__ import annotations

import math
import reprlib
from fractions import Fraction

from oyez.engines.exact.gguf import GgufFile, MetadataValue
from oyez.protocol.errors import Invalid


def get_integer(file: GgufFile, key: str, low: int, high: int, default: int | None = None) -> int:
    """Return an integer within [low, high].

    Raises:
        Invalid: MODEL-6, the entry is absent without a default, or something else.
    """
    value: MetadataValue | None = file.metadata.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise Invalid(
            "MODEL-6",
            f"{key} is {show(value)}, not an integer from {low} to {high}; use another model",
        )
    return value


def get_number(
    file: GgufFile, key: str, low: Fraction, high: Fraction, default: Fraction | None = None
) -> Fraction:
    """Return a number, exactly, within [low, high].

    Raises:
        Invalid: MODEL-6, the entry is absent without a default, or something else.
    """
    value: object = file.metadata.get(key, default)
    if (isinstance(value, float) and math.isfinite(value)) or type(value) is int:
        value = Fraction(value)
    if not isinstance(value, Fraction) or not low <= value <= high:
        raise Invalid(
            "MODEL-6",
            f"{key} is {show(value)}, not a number from {float(low):g} to {float(high):g}; use "
            "another model",
        )
    return value


def show(value: object) -> str:
    """Return a value for a message: short, whatever the file says."""
    if value is None:
        return "absent"
    if isinstance(value, bytes):
        return reprlib.repr(value.decode(errors="replace"))
    return reprlib.repr(float(value) if isinstance(value, Fraction) else value)
