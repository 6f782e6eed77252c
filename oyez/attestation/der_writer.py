"""Writes DER: elements, integers, times, names and ECDSA signatures, of Intel's kinds."""

from __future__ import annotations

from datetime import UTC, datetime

from oyez.attestation import der

SET, UTF8, PRINTABLE = 0x31, 0x0C, 0x13
#: The last two bytes of the attribute's id 2.5.4.n -> tag of its text; in Intel's order.
ATTRIBUTES = ((3, UTF8), (10, UTF8), (7, UTF8), (8, UTF8), (6, PRINTABLE))


def element(tag: int, *content: bytes) -> bytes:
    """Return an element: tag, shortest length, the contents joined."""
    joined = b"".join(content)
    size = len(joined)
    long = size.to_bytes((size.bit_length() + 7) // 8)
    length = bytes((size,)) if size < 0x80 else bytes((0x80 + len(long),)) + long
    return bytes((tag,)) + length + joined


def integer(value: int) -> bytes:
    """Return an INTEGER of a value that is not negative."""
    return element(der.INTEGER, value.to_bytes(value.bit_length() // 8 + 1))


def object_id(encoded: bytes) -> bytes:
    """Return an OBJECT IDENTIFIER of its encoded content."""
    return element(der.OID, encoded)


def utc_time(seconds: int) -> bytes:
    """Return a UTCTime of seconds since 1970, of a year from 2000 to 2049."""
    text = datetime.fromtimestamp(seconds, UTC).strftime("%y%m%d%H%M%SZ")
    return element(der.UTC_TIME, text.encode())


def name(
    common: str, organization: str, locality: str = "Santa Clara", state: str = "CA",
    country: str = "US",
) -> bytes:  # fmt: skip
    """Return a distinguished name with Intel's five attributes in Intel's order."""
    texts = (common, organization, locality, state, country)
    parts = [
        element(
            SET,
            element(der.SEQUENCE, object_id(bytes((0x55, 4, kind))), element(tag, text.encode())),
        )
        for (kind, tag), text in zip(ATTRIBUTES, texts, strict=True)
    ]
    return element(der.SEQUENCE, *parts)


def signature(raw: bytes) -> bytes:
    """Return the BIT STRING of an ECDSA signature r, s of 64 bytes."""
    pair = integer(int.from_bytes(raw[:32])) + integer(int.from_bytes(raw[32:]))
    return element(der.BITS, b"\0", element(der.SEQUENCE, pair))
