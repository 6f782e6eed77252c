"""The manifests of docs/spec/manifest.md: twelve at the edge of a bound, twelve beyond one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from oyez.protocol import codec, schema
from oyez.protocol.errors import Invalid
from oyez.protocol.manifest import build_constants, encode_manifest, parse_manifest
from oyez.protocol.manifest_layout import OpCode
from oyez.protocol.types import (
    ZERO_HASH,
    CellKind,
    Expression,
    Field,
    FieldType,
    Hash32,
    Manifest,
    Op,
    Role,
    SeedRule,
    Segment,
    SegmentKind,
    Value,
)
from tests.manifests import BOUND, LIMITS

SMALLEST = Manifest(
    model=0,
    cell_kind=CellKind.SHARED,
    upgrade_delay=0,
    temperature=0,
    seed_rule=SeedRule.BATCH,
    seed=ZERO_HASH,
    max_input=0,
    output_tokens=1,
    fixed_positions=1,
    fields=(Field(b"b", FieldType.BOOLEAN, Role.WRITES, False, biases=(0, 0)),),
    segments=(),
    constants=(),
    expressions=(),
    name=b"",
    description=b"",
    state_bytes=0,
    output_bytes=0,
    hash=ZERO_HASH,
)
COUNT = Field(b"up", FieldType.INTEGER, Role.COMPUTE, 0, low=0, high=10**9, digits=10)
BALLOT = replace(
    SMALLEST,
    upgrade_delay=2**40 - 1,
    max_input=512,
    output_tokens=16,
    fixed_positions=120,
    fields=(
        Field(
            b"mood",
            FieldType.ENUM,
            Role.WRITES,
            b"negative",
            options=(b"negative", b"positive"),
            biases=(0, -111_411),
        ),
        COUNT,
    ),
    segments=(
        Segment(SegmentKind.LITERAL, (504, 216, 49_151)),
        Segment(SegmentKind.INPUT),
        Segment(SegmentKind.LITERAL, (198,)),
    ),
    constants=(0, 10**9, 0, 1),
    expressions=(
        Expression(
            1, (Op(OpCode.OLD, 1), Op(OpCode.NEW, 0), Op(OpCode.CONST, 3), Op(OpCode.EQ), Op(16))
        ),
        Expression(None, (Op(OpCode.CALLER),)),
    ),
    name=b"ballot",
    description=b"The model judges, the code counts.",
)


def string(name: bytes, limit: int, initial: bytes = b"", role: Role = Role.WRITES) -> Field:
    """Return a STRING field."""
    return Field(name, FieldType.STRING, role, initial, limit=limit)


def array(element: Field, items: int) -> Field:
    """Return an ARRAY of so many items like this field."""
    return replace(element, type=FieldType.ARRAY, element=element.type, items=items, initial=())


def with_fields(fields: Sequence[Field], **parts: Any) -> Manifest:  # any part of a manifest
    """Return the smallest manifest over these fields."""
    return replace(SMALLEST, fields=tuple(fields), constants=build_constants(fields), **parts)


def with_ops(*ops: Op) -> Manifest:
    """Return the smallest manifest with one guard."""
    return replace(SMALLEST, expressions=(Expression(None, ops),))


CALLER, ADD = Op(OpCode.CALLER), Op(OpCode.ADD)
EVERY_OP = (
    *(Op(OpCode.CONST, 0), Op(OpCode.OLD, 0), Op(OpCode.NEW, 0), CALLER, Op(OpCode.VALUE)),
    *(Op(code) for code in (OpCode.TIME, OpCode.NEG, OpCode.NOT, OpCode.SELECT, OpCode.SELECT)),
    *(CALLER,) * 14,
    *(Op(code) for code in OpCode if code.operands == 2),
    *(Op(OpCode.MAX), Op(OpCode.NOT)),
    *(CALLER, ADD) * 12,
)
WIDE = [
    Field(
        b"e%02d" % i,
        FieldType.ENUM,
        Role.WRITES if i < 9 else Role.KEPT,
        b"%02d" % (i * 2),
        options=tuple(b"%02d" % j for j in range(64)),
        biases=(2**31 - 1,) * 32 + (-(2**31),) * 32,
    )
    for i in range(20)
] + [
    Field(b"b%02d" % i, FieldType.BOOLEAN, Role.COMPUTE, True, biases=(2**23 - 1, -(2**23)))
    for i in range(12)
]
COPY_BOOLEANS = tuple(Expression(i, (Op(OpCode.OLD, i),)) for i in range(20, 32))


def build_cases() -> dict[str, bytes]:
    """Return the bytes of each case by its name, accepted ones first."""
    ballot = encode_manifest(BALLOT)
    text_at = 64 + 32 * 4
    accented = with_fields(
        [string("é".encode(), 9, "日本".encode()), string("日😀".encode(), 3)],
        name="ßx".encode(),
        description="\ud7ff\ue000\U0010ffff".encode(),
    )
    extreme = Field(b"n", FieldType.INTEGER, Role.WRITES, -BOUND, low=-BOUND, high=BOUND, digits=78)
    slots = [Segment(SegmentKind(kind)) for kind in (1, 2, 3, 4, 5)]
    full = replace(
        SMALLEST,
        segments=(*slots, Segment(SegmentKind.LITERAL, (49_151,) * 1_536)),
        output_tokens=358,
        fixed_positions=2_046,
    )
    # 2 + (1 + 4 + 514) + 2 + (1 + 4 + 496) = 1,024 written; 2 more and 6 times 512 kept.
    written = [string(b"a", 512), string(b"b", 494)]
    kept = [string(b"c%d" % i, 502, role=Role.KEPT) for i in range(6)]
    seeded = replace(
        SMALLEST,
        cell_kind=CellKind.NAMED,
        seed_rule=SeedRule.CONSTANT,
        seed=Hash32(bytes(range(32))),
        upgrade_delay=86_400,
        model=65_535,
        max_input=1_024,
        name=b"n" * 255,
    )
    return {
        "smallest": encode_manifest(SMALLEST),
        "ballot": ballot,
        "text of many scripts, cut between characters": encode_manifest(accented),
        "integer over the whole range": encode_manifest(with_fields([extreme])),
        "all slots, 1,536 literal tokens, 2,046 positions": encode_manifest(full),
        "output of 1,024 bytes": encode_manifest(with_fields(written)),
        "state of 4,096 bytes": encode_manifest(with_fields(written + kept)),
        "every op, 64 of them, 16 deep": encode_manifest(
            replace(
                SMALLEST, constants=(-(2**255),), expressions=(Expression(None, EVERY_OP),) * 32
            )
        ),
        "32 fields, 64 options each": encode_manifest(with_fields(WIDE, expressions=COPY_BOOLEANS)),
        "named cells, constant seed, long name": encode_manifest(seeded),
        "arrays of every element, 64 items": encode_manifest(
            with_fields(
                [
                    array(string(b"s", 0, role=Role.KEPT), 64),
                    array(BALLOT.fields[0], 64),
                    array(replace(SMALLEST.fields[0], biases=(2**23 - 1, -(2**23))), 1),
                    array(replace(extreme, role=Role.KEPT), 9),
                ]
            )
        ),
        "the highest temperature": ballot[:9] + b"\xff" * 4 + ballot[13:],
        "cut short by a byte": ballot[:-1],
        "a byte too many": ballot + b"\0",
        "version 2": b"\x02" + ballot[1:],
        "a seed of the batch's that is not 0": ballot[:63] + b"\x01" + ballot[64:],
        "an effect": ballot[:31] + b"\x01" + ballot[32:],
        "an array of no items": ballot.replace(b"\x04\x02\x00\x01", b"\x04\x05\x02\x01"),
        "an array of arrays": encode_manifest(with_fields([array(string(b"a", 1), 1)])).replace(
            b"\x01\x05\x01\x01", b"\x01\x05\x05\x01"
        ),
        "a missing byte": ballot.replace(b"ballot", b"\xf1\x80\x80\x80ot"),
        "a string from inside a character": (
            ballot[: text_at + 3] + "é".encode() + ballot[text_at + 5 :]
        ),
        "options not ascending": ballot.replace(b"negativepositive", b"positivenegative"),
        "output of 1,025 bytes": encode_manifest(
            with_fields([string(b"a", 512), string(b"b", 495)])
        ),
        "a stack of 17": encode_manifest(with_ops(*(CALLER,) * 17, *(ADD,) * 16)),
    }


def show(value: Value) -> Any:  # any JSON value
    """Return a field's value as JSON shows it."""
    if isinstance(value, tuple):
        return [show(item) for item in value]
    return value.decode() if isinstance(value, bytes) else value


def describe(data: bytes) -> dict[str, Any]:  # a JSON object
    """Return the hash, and the parsed manifest in short or the rule that refuses it."""
    facts: dict[str, Any] = {"hash": codec.keccak(data).hex()}
    try:
        manifest = parse_manifest(data, LIMITS)
    except Invalid as error:
        return facts | {"refused": error.rule}
    return facts | {
        "accepted": {
            "name": manifest.name.decode(),
            "cell_kind": manifest.cell_kind,
            "max_input": manifest.max_input,
            "output_tokens": manifest.output_tokens,
            "fixed_positions": manifest.fixed_positions,
            "state_bytes": manifest.state_bytes,
            "output_bytes": manifest.output_bytes,
            "fields": [
                {
                    "name": field.name.decode(),
                    "type": field.type.name,
                    "role": field.role.name,
                    "type_hash": schema.compute_type_hash(field).hex(),
                    "initial": show(field.initial),
                }
                for field in manifest.fields
            ],
            "segments": [[segment.kind.name, len(segment.tokens)] for segment in manifest.segments],
            "expressions": [[e.target, len(e.ops)] for e in manifest.expressions],
        }
    }


def build_vectors() -> list[dict[str, Any]]:  # JSON objects
    """Return what tests/vectors/manifests.json holds."""
    return [
        {"case": case, "bytes": data.hex()} | describe(data) for case, data in build_cases().items()
    ]
