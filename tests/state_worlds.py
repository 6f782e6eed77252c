"""States that calls meet under random actions, and the inner traces of their records."""

from __future__ import annotations

import dataclasses
import functools
import random
from collections.abc import Sequence
from dataclasses import dataclass

from oyez.dispute.frame.facts import Preimages
from oyez.dispute.frame.state import StateInput, StateTrace
from oyez.engines.exact.inner_leaves import LANES, InnerLeaves
from oyez.protocol import cells, codec, inner, state, step_state, trace, trace_records
from oyez.protocol.errors import Invalid
from oyez.protocol.inner import Layout
from oyez.protocol.inner_frame import Frame, get_record, layout_frame
from oyez.protocol.manifest import encode_manifest, parse_manifest
from oyez.protocol.step import Address, StepModel, recompute
from oyez.protocol.trace import PAD_CHUNK, Chunk
from oyez.protocol.trace_records import Prologue
from oyez.protocol.types import (
    ZERO_HASH,
    Cell,
    Field,
    FieldType,
    Hash32,
    Manifest,
    Role,
    Scalar,
    Value,
)
from tests.frame_calls import QuickReads, decode
from tests.manifest_cases import with_fields
from tests.manifests import LIMITS, random_text
from tests.steps import World
from tests.unit.protocol.actions import build_entry

HEIGHT = 12
LETTERS = [byte for byte in range(0x20, 0x7F) if byte not in b'"\\'][:64]


@functools.cache
def layout() -> Layout:
    return layout_frame(Frame.STATE, HEIGHT)


def random_scalar(rng: random.Random, field: Field) -> Scalar:
    """Return a value of a scalar field, or of an array's item."""
    match field.base:
        case FieldType.STRING:
            return random_text(rng, 0, field.limit)
        case FieldType.ENUM:
            return rng.choice(field.options)
        case FieldType.BOOLEAN:
            return rng.random() < 0.5
        case _:
            least = max(field.low, -(10 ** rng.randrange(1, 77)))
            most = min(field.high, 10 ** rng.randrange(1, 77))
            return rng.choice([field.low, field.high, rng.randint(min(least, most), most)])


def random_value(rng: random.Random, field: Field) -> Value:
    """Return a value within a field's bounds."""
    if field.type is not FieldType.ARRAY:
        return clip(field, random_scalar(rng, field))
    count = rng.choice([0, 0, 1, field.items, rng.randint(0, field.items)])
    return tuple(clip(field, random_scalar(rng, field)) for _ in range(count))


def clip(field: Field, value: Scalar) -> Scalar:
    if field.base is FieldType.INTEGER and isinstance(value, int):
        return max(field.low, min(field.high, value))
    return value


def random_values(rng: random.Random, fields: Sequence[Field]) -> tuple[Value, ...]:
    return tuple(random_value(rng, field) for field in fields)


@dataclass(frozen=True)
class Met:
    """The state that a call met: its inner trace, the entry's chunks, what hashes are of."""

    given: StateInput
    leaves: InnerLeaves
    preimages: dict[Hash32, bytes]
    entry: list[Chunk]
    manifests: dict[Hash32, bytes]

    def get_outer(self, record: int, chunk: int) -> Chunk:
        """Return a chunk of the entry's record; no step of a state reads another."""
        assert record & ((1 << 16) - 1) == 0, record
        return self.entry[chunk] if chunk < len(self.entry) else PAD_CHUNK

    def open_world(self) -> World:
        return World(
            self.leaves.get_chunk,
            self.get_outer,
            lambda tensor, row: b"",
            manifests=self.manifests,
            preimages=self.preimages,
        )


def meet(given: StateInput) -> Met:
    """Make the record's inner trace."""
    known: dict[Hash32, bytes] = {}
    leaves = StateTrace(layout(), given, Preimages(known)).build()
    data = encode_manifest(given.manifest)
    entry = trace_records.build_prologue_chunks(given.prologue)[0]
    return Met(given, leaves, known, entry, {codec.keccak(data): data})


def give(
    manifest: Manifest, values: tuple[Value, ...] | None, stored: Manifest | None = None
) -> StateInput:
    """Return what a record follows from: a cell of these values, or none; under which manifest."""
    under = stored or manifest
    entry = build_entry(manifest)
    key = cells.compute_key(entry, manifest)
    cell = None if values is None else Cell(under.hash, 7, values)
    leaf = ZERO_HASH
    if cell is not None:
        root = state.compute_fields_root(under.fields, cell.values)
        leaf = codec.compute_cell_leaf(key, under.hash, root, cell.version)
    prologue = Prologue(
        entry=entry,
        seed=ZERO_HASH,
        cell_key=key,
        cell_leaf=leaf,
        version=0 if cell is None else cell.version,
        fields=manifest.fields,
        values=cells.compute_values(manifest, cell, under),
        bad=None,
        prompt=(),
        sampler=trace_records.compute_prompt_sampler(),
    )
    return StateInput(manifest, prologue, cell, None if cell is None else under)


def check_lanes(model: StepModel, met: Met, call: int = 0) -> int:
    """Assert that every lane of the record's inner trace is its step's; return how many."""
    record = get_record(call, Frame.STATE)
    world = met.open_world()
    reads = QuickReads(world)  # type: ignore[arg-type]  # of a world, not of a batch
    count = 0
    for region in layout().regions:
        for leaf in range(region.start, region.start + region.leaves):
            own = decode(world.get_inner(leaf), region.type)
            for lane in range(1 if own is None else LANES[region.type]):
                address = Address(record, leaf, lane)
                # a leaf's later lanes are not to be read
                value = recompute(step_state.OPS, model, address, (own or [])[:lane], reads)
                expected = inner.DEAD if own is None else own[lane]
                assert value == expected, (region.name, leaf - region.start, lane)
                count += 1
    return count


def check_record(met: Met) -> None:
    """Assert that the last 16 leaves are the record of the outer trace."""
    first = (1 << HEIGHT) - 16
    chunks = [met.leaves.get_chunk(first + at) for at in range(16)]
    root = trace.compute_record_root(chunks)
    assert root == trace_records.build_prologue(met.given.prologue)[1]


def wide_action(rng: random.Random) -> bytes:
    """Return a manifest of many options of every length, texts between them, at any place."""
    while True:
        fields: list[Field] = []
        for index in range(rng.randint(1, 32)):
            name = b"%02d" % index + random_text(rng, 0, rng.choice((0, 6, 30)))[:30]
            fields.append(random_wide_field(rng, name))
        fields[rng.randrange(len(fields))] = dataclasses.replace(
            fields[-1], name=b"written", role=Role.WRITES
        )
        try:
            data = encode_manifest(with_fields(fields))
            parse_manifest(data, LIMITS)
        except Invalid:
            continue  # too many options, or too long a text
        return data


def crowded_action(rng: random.Random) -> bytes:
    """Return a manifest of 1,472 short options before its last field."""
    fields = []
    for index in range(23):
        texts = [bytes([letter]) + b"x" * rng.randrange(3) for letter in LETTERS]
        fields.append(build_enum(b"%02d" % index, sorted(texts)))
    fields.append(dataclasses.replace(build_enum(b"w", [b"no", b"yes"]), role=Role.WRITES))
    return encode_manifest(with_fields(fields))


def build_enum(name: bytes, options: Sequence[bytes]) -> Field:
    """Return a kept field that begins with its last option."""
    return Field(
        name,
        FieldType.ENUM,
        Role.KEPT,
        options[-1],
        options=tuple(options),
        biases=(0,) * len(options),
    )


def random_wide_field(rng: random.Random, name: bytes) -> Field:
    kind = rng.choice((FieldType.ENUM, FieldType.ENUM, FieldType.STRING, FieldType.BOOLEAN))
    if kind is FieldType.STRING:
        initial = random_text(rng, 0, rng.choice((0, 31, 32, 33, 100)))
        return Field(name, kind, Role.KEPT, initial, limit=len(initial) + rng.randrange(3))
    if kind is FieldType.BOOLEAN:
        return Field(name, kind, Role.KEPT, rng.random() < 0.5, biases=(0, 0))
    size = rng.choice((1, 1, 2, 7, 31, 32, rng.randint(1, 32)))
    count = rng.choice((1, 2, 6, 7, 31, 32, 33, 64, rng.randint(1, 64)))
    texts = {random_text(rng, 1, size) for _ in range(4 * count)}
    options = tuple(sorted(texts)[:count])
    field = Field(
        name, kind, Role.KEPT, rng.choice(options), options=options, biases=(0,) * len(options)
    )
    if rng.random() < 0.2:
        return dataclasses.replace(field, type=FieldType.ARRAY, element=kind, items=3, initial=())
    return field
