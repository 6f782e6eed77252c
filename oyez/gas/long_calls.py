"""Calls with every kind of number: a long one, one on a stored cell; and with dear numbers."""

from __future__ import annotations

import random
from dataclasses import replace

from oyez.protocol.constants import UPGRADE_IMMUTABLE
from oyez.protocol.manifest import build_constants
from oyez.protocol.manifest_layout import GUARD_TARGET, OpCode, compute_json_bytes
from oyez.protocol.types import (
    ZERO_HASH,
    CellKind,
    Expression,
    Field,
    FieldType,
    Manifest,
    Op,
    Role,
    SeedRule,
    Segment,
    SegmentKind,
)

#: Constant tokens of the long call's prompt, bytes of its input, most output tokens, and how many
#: tokens the constant ones are drawn from.
PREFIX, INPUT, OUTPUT, WORDS = 1_500, 400, 40, 40_000
#: Of the calls of which the last one's ends are disputed, and their most output tokens.
AROUND_INPUTS = (b"good: ~^ 7?",) * 2
MAX_OUTPUT = 80
#: 0.8 in Q16: at a temperature every kind lives.
TEMPERATURE = 52_429


def build_action(prefix: int = PREFIX, words: int = WORDS, size: int = INPUT) -> Manifest:
    """Return an action whose one call is long and decides in every way there is.

    Args:
        prefix: constant tokens of its prompt, drawn from those below `words`.
        words: at least 301.
        size: bytes of its input.
    """
    fields = (
        Field(
            b"mood",
            FieldType.ENUM,
            Role.WRITES,
            b"bad",
            options=(b"bad", b"good", b"goodish"),
            biases=(0, 0, 1 << 16),
        ),
        Field(b"note", FieldType.STRING, Role.WRITES, b"", limit=12),
        Field(b"score", FieldType.INTEGER, Role.WRITES, 0, low=-9_000, high=9_000, digits=5),
    )
    draw = random.Random(1)
    literals = tuple(draw.randrange(300, words) for _ in range(prefix))
    return Manifest(
        model=0,
        cell_kind=CellKind.SHARED,
        upgrade_delay=UPGRADE_IMMUTABLE,
        temperature=TEMPERATURE,
        seed_rule=SeedRule.BATCH,
        seed=ZERO_HASH,
        max_input=size,
        output_tokens=OUTPUT,
        fixed_positions=prefix + OUTPUT,
        fields=fields,
        segments=(Segment(SegmentKind.LITERAL, literals), Segment(SegmentKind.INPUT)),
        constants=build_constants(fields, []),
        expressions=(),
        name=b"dispute",
        description=b"",
        state_bytes=compute_json_bytes(fields),
        output_bytes=0,
        hash=ZERO_HASH,
    )


def build_input(size: int = INPUT) -> bytes:
    """Return bytes that make about as many tokens."""
    draw = random.Random(2)
    return bytes(draw.choice(b"~^`|@#%&*+=?/<>$!;") for _ in range(size))


def build_around() -> Manifest:
    """Return an action whose call, on a cell that was stored, has every kind around its tokens."""
    draft = build_action(prefix=8)
    tags = Field(
        b"tags", FieldType.ARRAY, Role.WRITES, (), element=FieldType.BOOLEAN, limit=0, items=3
    )
    total = Field(b"total", FieldType.INTEGER, Role.COMPUTE, 0, low=0, high=10**6, digits=7)
    fields = (*draft.fields, tags, total)
    constants = build_constants(fields, [1])
    one = constants.index(1)
    grow = (Op(OpCode.OLD, 4), Op(OpCode.CONST, one), Op(OpCode.ADD))
    grows = (Op(OpCode.NEW, 4), Op(OpCode.OLD, 4), Op(OpCode.GT))
    segments = (
        *draft.segments[:1],
        Segment(SegmentKind.STATE),
        Segment(SegmentKind.INPUT),
        Segment(SegmentKind.CALLER),
    )
    state = compute_json_bytes(fields)
    return replace(
        draft,
        temperature=0,
        fields=fields,
        constants=constants,
        expressions=(Expression(4, grow), Expression(GUARD_TARGET, grows)),
        segments=segments,
        output_tokens=MAX_OUTPUT,
        fixed_positions=8 + state + 42 + MAX_OUTPUT,
        state_bytes=state,
    )


#: What options of one byte are made of, and how many fields of 64 of them fit beside a choice.
LETTERS = bytes(byte for byte in range(0x20, 0x7F) if byte not in b'"\\')[:64]
MOST_FIELDS = 29
#: So much in favour of an option that it is always the answer.
CERTAIN = (1 << 31) - 1


def build_dear_choice() -> Manifest:
    """Return an action that writes the last of 64 options, behind all of others that there fit."""
    kept = [_build_enum(b"%d" % i, Role.KEPT) for i in range(MOST_FIELDS)]
    # a choice's bytes are dear from the second word of an output on
    last = _build_enum(b"abcdefghij", Role.WRITES)
    return _build_dear((*kept, replace(last, biases=(*last.biases[:-1], CERTAIN))))


def build_dear_value() -> Manifest:
    """Return an action whose last field has 64 options of 32 bytes, behind as many as there fit."""
    texts = tuple(bytes([letter]) * 31 + b"z" for letter in LETTERS)
    kept = [_build_enum(b"%d" % i, Role.KEPT) for i in range(23)]
    rest = _build_enum(b"q", Role.KEPT, LETTERS[:-1])
    last = Field(b"z", FieldType.ENUM, Role.KEPT, texts[-1], options=texts, biases=(0,) * 64)
    flag = Field(b"w", FieldType.BOOLEAN, Role.WRITES, True, biases=(0, 0))
    empty = [Field(b"s%d" % i, FieldType.STRING, Role.KEPT, b"", limit=0) for i in range(6)]
    return _build_dear((flag, *empty, *kept, rest, last))


def _build_enum(name: bytes, role: Role, letters: bytes = LETTERS) -> Field:
    options = tuple(bytes([letter]) for letter in letters)
    biases = (0,) * len(options)
    return Field(name, FieldType.ENUM, role, options[-1], options=options, biases=biases)


def _build_dear(fields: tuple[Field, ...]) -> Manifest:
    draft = build_action(prefix=2)
    return replace(
        draft,
        temperature=0,
        max_input=16,
        fields=fields,
        constants=build_constants(fields, []),
        output_tokens=60,
        fixed_positions=2 + 60,
        state_bytes=compute_json_bytes(fields),
    )
