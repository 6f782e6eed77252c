"""A small action, entries and batches for the transition's tests."""

from __future__ import annotations

import dataclasses
from typing import Any

from oyez.protocol import codec, entries
from oyez.protocol.constants import UPGRADE_IMMUTABLE
from oyez.protocol.manifest import ModelLimits, build_constants, encode_manifest, parse_manifest
from oyez.protocol.manifest_layout import OpCode
from oyez.protocol.types import (
    ZERO_HASH,
    Address,
    BatchHeader,
    BatchNumber,
    CallId,
    CellKind,
    Entry,
    EntryKind,
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
from oyez.testing.scripted import MISSING, VOCABULARY_SIZE

MOOD = Field(
    b"mood", FieldType.ENUM, Role.WRITES, b"good", options=(b"bad", b"good"), biases=(0, 0)
)
NOTE = Field(b"note", FieldType.STRING, Role.WRITES, b"none", limit=12)
COUNT = Field(b"count", FieldType.INTEGER, Role.COMPUTE, 0, low=0, high=3, digits=1)
AUTHOR = Address(b"\x0a" * 20)
CALLER = Address(b"\xca" * 20)
ADD_ONE = Expression(2, (Op(OpCode.OLD, 2), Op(OpCode.CONST, 3), Op(OpCode.ADD)))


def build_action(context: int = 2_046, **changes: Any) -> Manifest:
    """Return a parsed manifest: mood and note are judged, count is OLD(count) + 1."""
    fields = changes.get("fields", (MOOD, NOTE, COUNT))
    manifest = Manifest(
        model=0,
        cell_kind=CellKind.SHARED,
        upgrade_delay=UPGRADE_IMMUTABLE,
        temperature=0,
        seed_rule=SeedRule.BATCH,
        seed=ZERO_HASH,
        max_input=200,
        output_tokens=60,
        fixed_positions=400,
        fields=fields,
        segments=(
            Segment(SegmentKind.LITERAL, (0, 40, 41)),
            Segment(SegmentKind.STATE),
            Segment(SegmentKind.LITERAL, (42,)),
            Segment(SegmentKind.INPUT),
        ),
        constants=build_constants(fields, [1]),
        expressions=(ADD_ONE,),
        name=b"test",
        description=b"",
        state_bytes=0,
        output_bytes=0,
        hash=ZERO_HASH,
    )
    changed = dataclasses.replace(manifest, **changes)
    limits = ModelLimits(VOCABULARY_SIZE, context, MISSING)
    return parse_manifest(encode_manifest(changed), limits)


def build_entry(action: Manifest, call_id: int = 0, **changes: Any) -> Entry:
    """Return an entry that calls an action."""
    entry = Entry(
        kind=EntryKind.CALL,
        call_id=CallId(call_id),
        timestamp=1_700_000_000,
        caller=CALLER,
        value=0,
        fee=10**15,
        action_id=codec.compute_action_id(AUTHOR, action.hash),
        manifest_hash=action.hash,
        cell=b"",
        input=b"a lovely evening",
    )
    return dataclasses.replace(entry, **changes)


def build_header(batch: list[Entry], number: int = 1, prevrandao: int = 7) -> BatchHeader:
    """Return the header of a batch."""
    return BatchHeader(
        number=BatchNumber(number),
        first_call=batch[0].call_id,
        count=len(batch),
        opened_at=batch[0].timestamp,
        prevrandao=Hash32(bytes([prevrandao]) * 32),
        entries_root=entries.compute_entries_root(batch),
    )
