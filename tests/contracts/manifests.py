"""Canonical manifest bytes laid out by hand, so that each rule can be broken alone.

Written from manifest.md, on purpose without oyez.protocol: the gate's tests stand on their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

STRING, ENUM, BOOLEAN, INTEGER, ARRAY = range(1, 6)
KEPT, WRITES, COMPUTE = range(3)
IMMUTABLE = 2**40 - 1
GUARD = 255


def big(number: int, size: int) -> bytes:
    return (number % (1 << 8 * size)).to_bytes(size, "big")


@dataclass(frozen=True)
class Row:
    """One field; a, b, c are the row's raw numbers."""

    name: bytes
    type: int
    role: int = KEPT
    a: int = 0
    b: int = 0
    c: int = 0
    element: int = 0
    biases: tuple[int, int] = (0, 0)
    options: tuple[bytes, ...] = ()
    initial: bytes = b""
    option_bias: int = 0
    name_length: int | None = None


def string(name: bytes, limit: int, role: int = WRITES, initial: bytes = b"") -> Row:
    return Row(name, STRING, role, a=limit, b=len(initial), initial=initial)


def enum(name: bytes, *options: bytes, role: int = WRITES, initial: int = 0) -> Row:
    return Row(name, ENUM, role, a=len(options), b=initial, options=options)


def boolean(name: bytes, role: int = WRITES, initial: int = 0) -> Row:
    return Row(name, BOOLEAN, role, b=initial, biases=(7, -7))


def integer(name: bytes, at: int, digits: int, role: int = COMPUTE) -> Row:
    return Row(name, INTEGER, role, a=at, b=digits)


def array(items: int, element: Row) -> Row:
    """Return an array of rows like this one."""
    return replace(element, type=ARRAY, element=element.type, c=items)


@dataclass(frozen=True)
class Draft:
    """Everything a manifest says; None means what is right."""

    rows: tuple[Row, ...]
    segments: tuple[tuple[int, int], ...] = ()
    literals: tuple[int, ...] = ()
    constants: tuple[int, ...] = ()
    expressions: tuple[tuple[int, tuple[tuple[int, int], ...]], ...] = ()
    title: bytes = b"ballot"
    story: bytes = b"counts moods"
    header: dict[str, Any] = field(default_factory=dict)
    tail: bytes = b""

    def change(self, **header: Any) -> Draft:
        """Return this draft with other header numbers."""
        return replace(self, header={**self.header, **header})

    def encode(self) -> bytes:
        text = b"".join(row.name + b"".join(row.options) + row.initial for row in self.rows)
        text += self.title + self.story
        fields = b"".join(
            bytes(
                [
                    len(row.name) if row.name_length is None else row.name_length,
                    row.type,
                    row.element,
                    row.role,
                ]
            )
            + big(row.a, 2)
            + big(row.b, 2)
            + big(row.c, 2)
            + b"".join(big(bias, 3) for bias in row.biases)
            for row in self.rows
        )
        options = b"".join(
            bytes([len(option)]) + big(row.option_bias, 4)
            for row in self.rows
            for option in row.options
        )
        ops = [op for _, run in self.expressions for op in run]
        numbers: dict[str, Any] = {
            "version": 1,
            "model": 0,
            "cell_kind": 1,
            "delay": IMMUTABLE,
            "temperature": 0,
            "seed_rule": 0,
            "max_input": 512,
            "output_tokens": 64,
            "fixed": self.need(64),
            "fields": len(self.rows),
            "segments": len(self.segments),
            "literal_tokens": len(self.literals),
            "constants": len(self.constants),
            "expressions": len(self.expressions),
            "ops": len(ops),
            "text": len(text),
            "name_length": len(self.title),
            "effects": 0,
            "seed": bytes(32),
        } | self.header
        if "fixed" not in self.header:
            numbers["fixed"] = self.need(numbers["output_tokens"])
        sizes = (1, 2, 1, 5, 4, 1, 2, 2, 2, 1, 1, 2, 1, 1, 2, 2, 1, 1)
        seed: bytes = numbers.pop("seed")
        head = b"".join(big(int(n), s) for n, s in zip(numbers.values(), sizes, strict=True))
        return (
            head
            + seed
            + b"".join(big(constant, 32) for constant in self.constants)
            + text
            + fields
            + options
            + b"".join(bytes([kind]) + big(count, 2) for kind, count in self.segments)
            + b"".join(big(token, 3) for token in self.literals)
            + b"".join(bytes([target, len(run)]) for target, run in self.expressions)
            + b"".join(bytes(op) for op in ops)
            + self.tail
        )

    def state_bytes(self) -> int:
        return sum(len(row.name) + 4 + _value_bytes(row) for row in self.rows) + 2 * len(self.rows)

    def output_bytes(self) -> int:
        written = [row for row in self.rows if row.role == WRITES]
        return sum(len(row.name) + 4 + _value_bytes(row) for row in written) + 2 * len(written)

    def need(self, output_tokens: int) -> int:
        kinds = {kind for kind, _ in self.segments}
        slots = (1 in kinds) * self.state_bytes() + (3 in kinds) * 42
        return len(self.literals) + output_tokens + slots + (4 in kinds) * 78 + (5 in kinds) * 20


def _value_bytes(row: Row) -> int:
    match row.element or row.type:
        case 1:
            scalar = row.a + 2
        case 2:
            scalar = max(map(len, row.options), default=0) + 2
        case 3:
            scalar = 5
        case _:
            scalar = row.b
    return 2 + row.c * (scalar + 2) if row.type == ARRAY else scalar


CONST, OLD, NEW = 1, 2, 3
ADD, EQ, LE = 16, 23, 26

BALLOT = Draft(
    rows=(
        enum(b"mood", b"negative", b"positive"),
        integer(b"positives", 0, 10),
        integer(b"negatives", 0, 10),
    ),
    segments=((0, 4), (2, 0), (0, 3)),
    literals=(1, 2, 3, 49_151, 5, 6, 0),
    constants=(0, 10**10 - 1, 0, 1),
    expressions=(
        (1, ((OLD, 1), (NEW, 0), (ADD, 0))),
        (2, ((OLD, 2), (NEW, 0), (CONST, 3), (EQ, 0), (9, 0), (ADD, 0))),
        (GUARD, ((NEW, 1), (CONST, 1), (LE, 0))),
    ),
)
