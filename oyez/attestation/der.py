"""Reads DER front to back: each element by its tag, definite and shortest lengths alone."""

from __future__ import annotations

from datetime import UTC, datetime

from oyez.protocol.errors import Invalid

BOOLEAN, INTEGER, BITS, OCTETS, OID, ENUMERATED = 0x01, 0x02, 0x03, 0x04, 0x06, 0x0A
UTC_TIME, SEQUENCE, EXTENSIONS_CRL, EXTENSIONS = 0x17, 0x30, 0xA0, 0xA3
MAX_DER = 65_535


ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")


class Der:
    """A place in DER bytes that only moves forward.

    Rule: ATTEST-4
    """

    __slots__ = ("_at", "_data", "_rule", "_what")

    def __init__(self, data: bytes, what: str, rule: str) -> None:
        """Start at the first byte; `what` and `rule` name the document and its template."""
        self._data, self._what, self._rule, self._at = data, what, rule, 0
        self._form(len(data) <= MAX_DER, f"longer than {MAX_DER} bytes")

    @classmethod
    def open_signed(cls, data: bytes, what: str, rule: str) -> tuple[bytes, bytes, Der]:
        """Open a structure that is signed: its signed part, ECDSA with SHA-256, a signature.

        Returns:
            The signed part as its exact bytes; r, s in 64 bytes; a reader inside the signed part.

        Raises:
            Invalid: ATTEST-4, no strict DER; the given rule, another structure.
        """
        outer = cls(data, what, rule)
        whole = outer.inside(SEQUENCE)
        outer.end()
        signed = whole.whole(SEQUENCE)
        whole.literal(ECDSA_SHA256, "ECDSA with SHA-256")
        signature = whole.signature()
        whole.end()
        return signed, signature, cls(signed, what, rule).inside(SEQUENCE)

    def must(self, condition: bool, what: str) -> None:
        """Refuse the document as none of its template unless the condition holds."""
        if not condition:
            raise Invalid(self._rule, f"{self._what}: {what}")

    def _form(self, condition: bool, what: str) -> None:
        """Refuse the document as no strict DER unless the condition holds."""
        if not condition:
            raise Invalid("ATTEST-4", f"{self._what}: {what}")

    def fixed(self, size: int) -> bytes:
        """Step over and return the next `size` bytes."""
        self._form(self._at + size <= len(self._data), "ends too early")
        self._at += size
        return self._data[self._at - size : self._at]

    def next_is(self, tag: int) -> bool:
        """Tell whether the next element has this tag; False at the end."""
        return self._data[self._at : self._at + 1] == bytes((tag,))

    def content(self, tag: int) -> bytes:
        """Return the content of the next element, which must have this tag."""
        self.must(self.next_is(tag), f"no element {tag:#04x}")
        length = self.fixed(2)[1]
        if length >= 0x80:
            count = length - 0x80
            self._form(count in (1, 2), "a length of another form")
            length = int.from_bytes(self.fixed(count))
            self._form(length >= (0x80, 0x100)[count - 1], "a length that is not the shortest")
        return self.fixed(length)

    def whole(self, tag: int) -> bytes:
        """Return the next element with its tag and length."""
        start = self._at
        self.content(tag)
        return self._data[start : self._at]

    def inside(self, tag: int) -> Der:
        """Return a reader of the next element's content."""
        return Der(self.content(tag), self._what, self._rule)

    def literal(self, expected: bytes, what: str) -> None:
        """Step over exactly these bytes."""
        self.must(self.follows(expected), f"not {what}")
        self._at += len(expected)

    def follows(self, expected: bytes) -> bool:
        """Tell whether exactly these bytes come next."""
        return self._data.startswith(expected, self._at)

    def done(self) -> bool:
        """Tell whether nothing is left."""
        return self._at == len(self._data)

    def rest(self) -> bytes:
        """Step over and return everything to the end."""
        return self.fixed(len(self._data) - self._at)

    def end(self) -> None:
        """Refuse what is left."""
        self.must(self.done(), "more than the template has")

    def number(self, size: int) -> int:
        """Return the next INTEGER: not negative, shortest form, at most `size` bytes of value."""
        content = self.content(INTEGER)
        self._form(len(content) > 0 and content[0] < 0x80, "a negative or empty integer")
        shortest = len(content) == 1 or content[0] != 0 or content[1] >= 0x80
        self._form(shortest, "an integer that is not the shortest")
        value = int.from_bytes(content)
        self._form(value.bit_length() <= 8 * size, f"an integer above {size} bytes")
        return value

    def octets(self, size: int) -> bytes:
        """Return the next OCTET STRING of exactly `size` bytes."""
        content = self.content(OCTETS)
        self.must(len(content) == size, f"an octet string not of {size} bytes")
        return content

    def time(self) -> int:
        """Return the next UTCTime, of 2000 to 2049, in seconds since 1970."""
        text = self.content(UTC_TIME)
        digits = len(text) == 13 and text[:12].isdigit() and text[12:] == b"Z"
        self._form(digits and int(text[:2]) < 50, "a time of another form")
        year, month, day, hour, minute, second = (int(text[i : i + 2]) for i in range(0, 12, 2))
        try:
            moment = datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError as error:
            raise Invalid("ATTEST-4", f"{self._what}: no such time: {error}") from error
        return int(moment.timestamp())

    def signature(self) -> bytes:
        """Return r, s in 64 bytes of a BIT STRING that holds an ECDSA signature."""
        bits = self.inside(BITS)
        bits.literal(b"\0", "whole bytes")
        pair = bits.inside(SEQUENCE)
        bits.end()
        r, s = pair.number(32), pair.number(32)
        pair.end()
        return r.to_bytes(32) + s.to_bytes(32)
