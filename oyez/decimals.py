"""Reads whole numbers that somebody else wrote: a text may be longer than any number is."""

from __future__ import annotations

#: 2^64 - 1 has as many; Python itself refuses texts of more than 4,300.
MAX_DIGITS = 20


def decode_decimal(text: str) -> int | None:
    """Return a whole number from 0, None of a text that is none, or that has too many digits."""
    is_short = len(text) <= MAX_DIGITS
    return int(text) if is_short and text.isascii() and text.isdigit() else None
