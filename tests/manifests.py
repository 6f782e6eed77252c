"""Random valid manifests, and hostile changes to their bytes, from a seeded generator."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from oyez.protocol import manifest_layout as layout
from oyez.protocol.constants import UPGRADE_IMMUTABLE
from oyez.protocol.errors import Invalid
from oyez.protocol.manifest import ModelLimits, build_constants, encode_manifest, parse_manifest
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
)

MISSING = bytes([0xC0, 0xC1, 0xF1, 0xF2, *range(0xF5, 0x100)])
#: SmolLM2-135M-Instruct.
LIMITS = ModelLimits(vocabulary=49_152, context=2_046, missing=MISSING)

BOUND = 2**255 - 1
CHARACTERS = "abcdefgh xyzAZ019_-.:,{}[]'~éßжא٣日本語ࠀ\ud7ff\ue000\uffff😀\U00010000\U0010ffff"


RANGES = [
    *((1, 10), (0, 0), (-1, 0), (0, 9), (-9, -1), (-10, 100), (95, 105), (-105, -95)),
    *((7, 7), (-5, -5), (19, 200), (100, 2000), (-BOUND, BOUND), (BOUND, BOUND)),
]


def random_text(rng: random.Random, least: int, most: int) -> bytes:
    """Return well-formed text of `least` to `most` bytes."""
    size = rng.choice([least, most, rng.randint(least, most)])
    text = bytearray()
    while len(text) < size:
        text += rng.choice(CHARACTERS).encode()
    whole = bytes(text[:size]).decode("utf-8", "ignore").encode()
    return whole + b"k" * max(0, least - len(whole))


def random_range(rng: random.Random) -> tuple[int, int]:
    """Return an integer field's range, often an awkward one."""
    if rng.random() < 0.4:
        return rng.choice(RANGES)
    size: int = 10 ** rng.choice([0, 1, 2, 3, 9, 18, 75])
    first = rng.randint(-size, size)
    last = rng.choice([first, first + rng.randint(0, size), -first, size])
    return min(first, last), max(first, last)


def random_options(rng: random.Random) -> tuple[bytes, ...]:
    """Return an enum's options, many of them sharing beginnings."""
    base = rng.choice(["good", "a", "日本", "spam", "é", "pos"])
    ends = ["", " day", "ly", "s", "é", "日", "語", "0", ",", "} ", "] "]
    wanted = rng.choice([1, 2, 2, 3, 5, 9, 64])
    options: set[bytes] = set()
    while len(options) < wanted:
        if rng.random() < 0.5:
            options.add((base + rng.choice(ends)).encode())
        else:
            options.add(random_text(rng, 1, rng.choice([2, 4, 32])))
    return tuple(sorted(options))


def random_field(rng: random.Random, name: bytes) -> Field:
    """Return a valid field of any type."""
    if rng.random() < 0.25:
        return random_array(rng, name)
    kind = rng.choice([FieldType.STRING, FieldType.ENUM, FieldType.BOOLEAN, FieldType.INTEGER])
    return random_scalar(rng, name, kind)


def random_array(rng: random.Random, name: bytes) -> Field:
    """Return a valid ARRAY of one of the four scalars, seldom too long for an output."""
    kind = rng.choice([FieldType.STRING, FieldType.ENUM, FieldType.BOOLEAN, FieldType.INTEGER])
    items = rng.choice([1, 1, 2, 3, 4, 9, 64])
    scalar = random_scalar(rng, name, kind, most=max(2, 400 // items))
    return replace(
        scalar,
        type=FieldType.ARRAY,
        element=kind,
        items=items,
        initial=(),
        role=Role.WRITES if scalar.role is Role.COMPUTE else scalar.role,
    )


def random_scalar(rng: random.Random, name: bytes, kind: FieldType, most: int = 200) -> Field:
    """Return a valid field of this scalar type; `most` bounds a string's limit."""
    roles = [Role.KEPT, Role.WRITES, Role.WRITES]
    role = rng.choice(roles if kind is FieldType.STRING else [*roles, Role.COMPUTE])
    if kind is FieldType.STRING:
        limit = min(most, rng.choice([0, 1, 2, 3, 4, 5, 8, 13, 30, rng.randint(0, 200)]))
        initial = random_text(rng, 0, min(limit, 24))
        return Field(name, kind, role, initial, limit=limit)
    if kind is FieldType.ENUM:
        options = random_options(rng)
        biases = tuple(
            rng.choice([0, 1 << 16, -(1 << 17), 1 << 20, -(2**31), 2**31 - 1]) for _ in options
        )
        return Field(name, kind, role, rng.choice(options), options=options, biases=biases)
    if kind is FieldType.BOOLEAN:
        biases = tuple(rng.choice([0, 5, -(1 << 16), -(2**23), 2**23 - 1]) for _ in range(2))
        return Field(name, kind, role, rng.random() < 0.5, biases=biases)
    low, high = random_range(rng)
    least = max(len(str(low)), len(str(high)))
    return Field(
        name,
        kind,
        role,
        rng.choice([low, high, rng.randint(low, high)]),
        low=low,
        high=high,
        digits=rng.choice([least, least, rng.randint(least, 78)]),
    )


def random_fields(rng: random.Random, most: int = 32) -> tuple[Field, ...]:
    """Return fields within every bound of a manifest, at least one of them written."""
    fields: list[Field] = []
    names: set[bytes] = set()
    for _ in range(rng.choice([1, 2, 3, 6, most])):
        name = random_text(rng, 1, rng.choice([2, 8, 32]))
        if name in names:
            continue
        names.add(name)
        fields.append(random_field(rng, name))
    if not any(field.role is Role.WRITES for field in fields):
        fields[0] = replace(fields[0], role=Role.WRITES)
    while (
        layout.compute_output_bytes(fields) > 1_024
        or layout.compute_json_bytes(fields) > 1_600
        or sum(3 for field in fields if field.base is FieldType.INTEGER) > 90
        or sum(len(field.options) for field in fields) > 200
    ):
        fields.pop()
    if not any(field.role is Role.WRITES for field in fields):
        return random_fields(rng, most)
    return tuple(fields)


def random_ops(rng: random.Random, fields: tuple[Field, ...], constants: int) -> tuple[Op, ...]:
    """Return a program whose stack stays within 1 and 16 and ends with one value."""
    no_numbers = (FieldType.STRING, FieldType.ARRAY)
    readable = [i for i, field in enumerate(fields) if field.type not in no_numbers]
    pushes = [OpCode.CALLER, OpCode.VALUE, OpCode.TIME]
    pushes += [OpCode.CONST] * (2 if constants else 0)
    pushes += [OpCode.OLD, OpCode.NEW] * (2 if readable else 0)
    binary = [code for code in OpCode if code.operands == 2]
    ops: list[Op] = []
    depth = 0
    for _ in range(rng.choice([1, 3, 5, rng.randint(1, 44)])):
        choice = pushes[:] if depth < 16 else []
        choice += [OpCode.NEG, OpCode.NOT] if depth >= 1 else []
        choice += binary if depth >= 2 else []
        choice += [OpCode.SELECT] * 4 if depth >= 3 else []
        code = rng.choice(choice)
        operand = 0
        if code is OpCode.CONST:
            operand = rng.randrange(constants)
        elif code in (OpCode.OLD, OpCode.NEW):
            operand = rng.choice(readable)
        ops.append(Op(code, operand))
        depth += 1 - code.operands
    while depth > 1:
        code = rng.choice([*binary, *([OpCode.SELECT] if depth > 2 else [])])
        ops.append(Op(code))
        depth += 1 - code.operands
    return tuple(ops)


def random_segments(rng: random.Random) -> tuple[Segment, ...]:
    """Return a prompt of literals and slots."""
    slots = [kind for kind in SegmentKind if kind is not SegmentKind.LITERAL]
    kinds = rng.sample(slots, rng.randint(0, 5))
    segments: list[Segment] = []
    for kind in [*kinds, None]:
        if rng.random() < 0.7:
            size = rng.choice([1, 2, 9, 10, 11, 31, 60])
            tokens = [rng.choice([0, 49_151, rng.randrange(49_152)]) for _ in range(size)]
            segments.append(Segment(SegmentKind.LITERAL, tuple(tokens)))
        if kind is not None:
            segments.append(Segment(kind))
    return tuple(segments)


def random_manifest(rng: random.Random) -> Manifest:
    """Return a valid manifest for `LIMITS`; hash and sums are its own."""
    fields = random_fields(rng)
    extra = [rng.choice([0, 1, -1, 10**18, BOUND, -BOUND, -BOUND - 1]) for _ in range(3)]
    constants = build_constants(fields, extra[: rng.randint(0, 3)])
    targets: list[int | None] = [i for i, f in enumerate(fields) if f.role is Role.COMPUTE]
    targets += [None] * rng.choice([0, 1, 3, 32 - len(targets)])
    rng.shuffle(targets)
    expressions = tuple(
        Expression(target, random_ops(rng, fields, len(constants))) for target in targets
    )
    segments = random_segments(rng)
    output_tokens = rng.choice([1, 9, 100])
    slots = layout.SLOT_POSITIONS | {SegmentKind.STATE: layout.compute_json_bytes(fields)}
    need = output_tokens + sum(len(s.tokens) + slots.get(s.kind, 0) for s in segments)
    if need > 2_046:
        return random_manifest(rng)
    seed_rule = rng.choice(list(SeedRule))
    manifest = Manifest(
        model=rng.choice([0, 0, 65_535]),
        cell_kind=rng.choice(list(CellKind)),
        upgrade_delay=rng.choice([0, 86_400, UPGRADE_IMMUTABLE]),
        temperature=rng.choice([0, 0, 1, 52_429, 2**32 - 1]),
        seed_rule=seed_rule,
        seed=Hash32(rng.randbytes(32)) if seed_rule is SeedRule.CONSTANT else ZERO_HASH,
        max_input=rng.choice([0, 1, 512, 1_024]),
        output_tokens=output_tokens,
        fixed_positions=rng.choice([need, need, 2_046, rng.randint(need, 2_046)]),
        fields=fields,
        segments=segments,
        constants=constants,
        expressions=expressions,
        name=random_text(rng, 0, rng.choice([8, 40])),
        description=random_text(rng, 0, rng.choice([0, 30, 31, 32, 33, 400])),
        state_bytes=0,
        output_bytes=0,
        hash=ZERO_HASH,
    )
    data = encode_manifest(manifest)
    return random_manifest(rng) if len(data) > 12_288 else parse_manifest(data, LIMITS)


@dataclass(frozen=True)
class Part:
    """One field of one record: its section and name, first bit in the bytes, and bits."""

    section: str
    name: str
    at: int
    bits: int


RECORDS = {
    "FIELDS": (
        ("name length", 8),
        ("type", 8),
        ("element", 8),
        ("role", 8),
        ("a", 16),
        ("b", 16),
        ("c", 16),
        ("bias of false", 24),
        ("bias of true", 24),
    ),
    "OPTIONS": (("length", 8), ("bias", 32)),
    "SEGMENTS": (("kind", 8), ("tokens", 16)),
    "LITERALS": (("token", 24),),
    "EXPRESSIONS": (("target", 8), ("ops", 8)),
    "OPS": (("code", 8), ("operand", 8)),
}


def list_parts(manifest: Manifest) -> list[Part]:
    """Return every field of every record of a manifest's bytes."""
    parts: list[Part] = []
    at = 0

    def add(section: str, *names_bits: tuple[str, int]) -> None:
        nonlocal at
        for name, bits in names_bits:
            parts.append(Part(section, name, at, bits))
            at += bits

    add("HEADER", *layout.HEADER_LAYOUT, ("seed", 256))
    for _ in manifest.constants:
        add("CONSTANTS", ("constant", 256))
    text = len(manifest.name) + len(manifest.description)
    for field in manifest.fields:
        text += len(field.name) + sum(map(len, field.options))
        if field.type is FieldType.STRING and isinstance(field.initial, bytes):
            text += len(field.initial)
    for _ in range(text):
        add("TEXT", ("byte", 8))
    counts = {
        "FIELDS": len(manifest.fields),
        "OPTIONS": sum(len(field.options) for field in manifest.fields),
        "SEGMENTS": len(manifest.segments),
        "LITERALS": sum(len(segment.tokens) for segment in manifest.segments),
        "EXPRESSIONS": len(manifest.expressions),
        "OPS": sum(len(expression.ops) for expression in manifest.expressions),
    }
    for section, count in counts.items():
        for _ in range(count):
            add(section, *RECORDS[section])
    return parts


def set_part(data: bytes, part: Part, value: int) -> bytes:
    """Return the bytes with one part set."""
    whole = int.from_bytes(data, "big")
    shift = 8 * len(data) - part.at - part.bits
    mask = (1 << part.bits) - 1
    return (whole & ~(mask << shift) | (value & mask) << shift).to_bytes(len(data), "big")


def get_part(data: bytes, part: Part) -> int:
    """Return the value of one part."""
    return int.from_bytes(data, "big") >> (8 * len(data) - part.at - part.bits) & (
        (1 << part.bits) - 1
    )


def change_one_part(rng: random.Random, manifest: Manifest, data: bytes) -> tuple[Part, bytes]:
    """Return the bytes with exactly one field of one section changed; kinds of fields alike."""
    kinds: dict[tuple[str, str], list[Part]] = {}
    for part in list_parts(manifest):
        kinds.setdefault((part.section, part.name), []).append(part)
    part = rng.choice(kinds[rng.choice(sorted(kinds))])
    value, top = get_part(data, part), (1 << part.bits) - 1
    values = [value + 1, value - 1, value + 1, value - 1, 0, 1, top, top - 1]
    values += [value ^ (1 << rng.randrange(part.bits)), rng.getrandbits(part.bits)]
    values += [5, 64, 65, 32, 33, 512, 513, 1_024, 1_025, 2_046, 2_047, 49_151, 49_152]
    fresh = [v for v in values if 0 <= v <= top and v != value]
    return part, set_part(data, part, rng.choice(fresh))


def damage(rng: random.Random, data: bytes) -> bytes:
    """Return the bytes cut, grown, spliced or flipped somewhere."""
    kind = rng.randrange(6)
    at = rng.randrange(len(data) + 1)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data + rng.randbytes(rng.choice([1, 2, 32]))
    if kind == 2:
        return data[:at] + rng.randbytes(rng.randint(1, 4)) + data[at:]
    if kind == 3:
        return data[:at] + data[at + rng.randint(1, 4) :]
    changed = bytearray(data)
    if kind == 4:
        for _ in range(rng.randint(1, 3)):
            where = rng.randrange(len(changed))
            changed[where] ^= 1 << rng.randrange(8)
        return bytes(changed)
    # Hostile text: bytes around every edge of UTF-8, wherever text may stand.
    edges = [0x1F, 0x20, 0x22, 0x5C, 0x7E, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2]
    edges += [0xDF, 0xE0, 0xEC, 0xED, 0xEE, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF]
    for where in range(at, min(len(changed), at + rng.randint(1, 3))):
        changed[where] = rng.choice(edges)
    return bytes(changed)


def refusal(data: bytes, limits: ModelLimits = LIMITS) -> str | None:
    """Return the rule that refuses the bytes, or None if they are accepted."""
    try:
        parse_manifest(data, limits)
    except Invalid as error:
        return error.rule
    return None


def changed(manifest: Manifest, section: str, name: str, value: int, nth: int = 0) -> bytes:
    """Return a manifest's bytes with the nth part of this kind set."""
    data = encode_manifest(manifest)
    kinds = [p for p in list_parts(manifest) if (p.section, p.name) == (section, name)]
    assert get_part(data, kinds[nth]) != value
    return set_part(data, kinds[nth], value)
