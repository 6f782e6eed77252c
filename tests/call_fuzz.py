"""Random actions and calls for any model, and what must hold of each call and each batch.

Checks are made with json and plain loops, not with the code under test.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import random
from collections.abc import Mapping

from oyez.engines.base import Engine
from oyez.protocol import (
    batch_data,
    codec,
    entries,
    manifest_layout,
    receipts,
    schema,
    state,
    trace,
    transition,
)
from oyez.protocol.assertions import compute_empty_outbox_root
from oyez.protocol.constants import UPGRADE_IMMUTABLE
from oyez.protocol.decoding import Allowed
from oyez.protocol.errors import Invalid
from oyez.protocol.manifest import ModelLimits, build_constants, encode_manifest, parse_manifest
from oyez.protocol.manifest_layout import OpCode
from oyez.protocol.types import (
    ZERO_HASH,
    Address,
    BatchHeader,
    BatchNumber,
    CallId,
    Cell,
    CellKind,
    Code,
    Entry,
    EntryKind,
    Expression,
    Field,
    FieldType,
    Hash32,
    Manifest,
    Op,
    Outcome,
    Role,
    SeedRule,
    Segment,
    SegmentKind,
)
from tests import manifests as generator
from tests import versions
from tests.fuzzed_inputs import find_bad_byte, random_input

#: BUSY and NONDETERMINISTIC come with the attested profile.
REACHABLE = (
    Code.NONE,
    Code.BAD_INPUT,
    Code.CONTEXT_OVERFLOW,
    Code.OUT_OF_TOKENS,
    Code.COMPUTE,
    Code.GUARD,
)
CALLERS = [Address(bytes([n]) * 20) for n in (0, 1, 0x80, 0xFF)]


@dataclasses.dataclass(frozen=True)
class World:
    """A model as the generators see it; `most_tokens` bounds an action's output."""

    engine: Engine
    allowed: Allowed
    most_tokens: int = 2_000

    @property
    def missing(self) -> bytes:
        return self.engine.vocabulary.missing

    @property
    def context(self) -> int:
        return self.engine.shape.context

    @property
    def limits(self) -> ModelLimits:
        return ModelLimits(self.engine.shape.vocabulary, self.context, self.missing)


def wrap(rng: random.Random, field: Field, ops: list[Op], constants: list[int]) -> list[Op]:
    """Often force a program's result into a computed field's range, so that calls get through."""
    if len(ops) > 50 or rng.random() < 0.15:
        return ops
    low, high = field.low, field.high
    if field.type is FieldType.ENUM:
        low, high = 0, len(field.options) - 1
    elif field.type is FieldType.BOOLEAN:
        low, high = 0, 1
    for bound in (low, high):
        if bound not in constants:
            constants.append(bound)
    at_low, at_high = constants.index(low), constants.index(high)
    clamp = [Op(OpCode.CONST, at_low), Op(OpCode.MAX), Op(OpCode.CONST, at_high), Op(OpCode.MIN)]
    return [*ops, *clamp]


def random_expressions(
    rng: random.Random, fields: tuple[Field, ...], constants: list[int]
) -> tuple[Expression, ...]:
    """Return one expression a computed field, and a few guards, most of which hold."""
    expressions = []
    for index, field in enumerate(fields):
        if field.role is Role.COMPUTE:
            ops = list(generator.random_ops(rng, fields, len(constants)))[:]
            expressions.append(Expression(index, tuple(wrap(rng, field, ops, constants))))
    for _ in range(rng.choice([0, 0, 1, 2])):
        ops = list(generator.random_ops(rng, fields, len(constants)))
        if rng.random() < 0.6 and len(ops) < 60:
            ops += [Op(OpCode.NOT), Op(OpCode.NOT), Op(OpCode.TIME), Op(OpCode.OR)]
        expressions.append(Expression(None, tuple(ops)))
    rng.shuffle(expressions)
    return tuple(expressions)


def random_action(rng: random.Random, world: World) -> Manifest:
    """Return a valid manifest for the world's model."""
    while True:
        fields = tuple(
            dataclasses.replace(field, limit=min(field.limit, 60))
            if field.type is FieldType.STRING
            else field
            for field in generator.random_fields(rng, 6)
        )
        action = build_action(rng, world, fields, rng.choice(list(CellKind)))
        if action is not None:
            return action


def random_upgrade(rng: random.Random, world: World, action: Manifest) -> Manifest:
    """Return a later version of an action; seldom, where none is found, the same one."""
    for _ in range(20):
        later = build_action(
            rng, world, versions.change_fields(rng, action.fields), action.cell_kind
        )
        if later is not None:
            return later
    return action


def build_action(
    rng: random.Random, world: World, fields: tuple[Field, ...], kind: CellKind
) -> Manifest | None:
    """Return a valid manifest over these fields, None if what was drawn breaks a bound."""
    constants = list(build_constants(fields, [0, 1, 10**18]))
    expressions = random_expressions(rng, fields, constants)
    slots = rng.sample(list(SegmentKind)[1:], rng.randint(0, 5))
    segments: list[Segment] = []
    for slot in [*slots, None]:
        if rng.random() < 0.7:
            tokens = [rng.randrange(world.limits.vocabulary) for _ in range(rng.choice([1, 5, 30]))]
            segments.append(Segment(SegmentKind.LITERAL, tuple(tokens)))
        if slot is not None:
            segments.append(Segment(slot))
    output_bytes = manifest_layout.compute_output_bytes(fields)
    output_tokens = rng.choice([1, 10, 40, output_bytes, output_bytes, output_bytes])
    output_tokens = min(output_tokens, world.most_tokens)
    positions = manifest_layout.SLOT_POSITIONS | {
        SegmentKind.STATE: manifest_layout.compute_json_bytes(fields)
    }
    need = output_tokens + sum(len(s.tokens) + positions.get(s.kind, 0) for s in segments)
    seed_rule = rng.choice(list(SeedRule))
    manifest = Manifest(
        model=0,
        cell_kind=kind,
        upgrade_delay=rng.choice([0, UPGRADE_IMMUTABLE]),
        temperature=rng.choice([1, 52_429, 2**32 - 1]) if rng.random() < 0.1 else 0,
        seed_rule=seed_rule,
        seed=Hash32(rng.randbytes(32)) if seed_rule is SeedRule.CONSTANT else ZERO_HASH,
        max_input=rng.choice([0, 20, 300, 1_024, 1_024]),
        output_tokens=output_tokens,
        fixed_positions=need,
        fields=fields,
        segments=tuple(segments),
        constants=tuple(constants),
        expressions=expressions,
        name=b"fuzzed",
        description=rng.randbytes(8).hex().encode(),
        state_bytes=0,
        output_bytes=0,
        hash=ZERO_HASH,
    )
    try:
        return parse_manifest(encode_manifest(manifest), world.limits)
    except Invalid as error:
        # Only what this generator may exceed: sizes, the small context, a program's stack.
        if error.rule not in {"MANIFEST-23", "MANIFEST-25", "MANIFEST-26"}:
            raise
        return None


def random_entry(
    rng: random.Random, call_id: int, action: Manifest, action_id: Hash32 | None = None
) -> Entry:
    """Return an entry the inbox would take; without `action_id` of the action this one begins."""
    name = rng.choice([b"a", b"room-1", b"x" * 64]) if action.cell_kind is CellKind.NAMED else b""
    return Entry(
        kind=EntryKind.CALL,
        call_id=CallId(call_id),
        timestamp=rng.choice([0, 1, 1_700_000_000, 2**40, 2**64 - 1]),
        caller=rng.choice(CALLERS),
        value=rng.choice([0, 0, 1, 10**18, 2**255 - 1, 2**256 - 1]),
        fee=rng.randrange(10**16),
        action_id=action_id or codec.compute_action_id(CALLERS[1], action.hash),
        manifest_hash=action.hash,
        cell=name,
        input=random_input(rng, action.max_input),
    )


def assert_valid_state(
    fields: tuple[Field, ...], values: tuple[object, ...], missing: bytes
) -> None:
    """Parse the state's JSON with json and hold every value against its field."""
    text = schema.format_state(fields, values)  # type: ignore[arg-type]  # any value
    parsed = json.loads(text)
    assert list(parsed) == [field.name.decode() for field in fields]
    for field, value in zip(fields, parsed.values(), strict=True):
        if field.type is FieldType.ARRAY:
            assert isinstance(value, list)
            assert len(value) <= field.items
        for item in value if field.type is FieldType.ARRAY else [value]:
            assert_valid_scalar(field, item, missing)


def assert_valid_scalar(field: Field, value: object, missing: bytes) -> None:
    """Hold one value, or one item of an array, against its field."""
    kind = field.type if field.element is None else field.element
    if kind is FieldType.BOOLEAN:
        assert isinstance(value, bool)
    elif kind is FieldType.INTEGER:
        assert type(value) is int
        assert field.low <= value <= field.high
    else:
        assert isinstance(value, str)
        if kind is FieldType.ENUM:
            assert value.encode() in field.options
        else:
            assert len(value.encode()) <= field.limit
            assert not set(value.encode()) & {*range(32), 0x22, 0x5C, 0x7F, *missing}


def assert_call(
    execution: transition.Execution, action: Manifest, world: World, previous: Manifest | None
) -> None:
    """Hold one execution against what the interfaces promise."""
    entry, output = execution.entry, execution.output
    before, after = execution.cell_before, execution.cell_after
    assert (execution.outcome is Outcome.ACCEPTED) == (execution.code is Code.NONE)
    assert (execution.code is Code.BAD_INPUT) == (
        find_bad_byte(entry.input, world.missing) is not None
    )
    if execution.code is Code.BAD_INPUT:
        assert execution.detail == find_bad_byte(entry.input, world.missing)
    if execution.code in (Code.BAD_INPUT, Code.CONTEXT_OVERFLOW):
        assert (execution.positions, output, execution.tokens) == (0, b"", ())
    else:
        assert execution.prompt is not None
        assert execution.positions == len(execution.prompt) + len(execution.tokens)
        assert len(execution.prompt) + action.output_tokens <= world.context
        assert execution.positions <= world.context
        assert len(execution.tokens) <= action.output_tokens
        assert world.engine.vocabulary.join(execution.tokens) == output
        assert len(output) <= action.output_bytes
    if execution.code in (Code.NONE, Code.COMPUTE, Code.GUARD):
        parsed = json.loads(output)
        assert json.dumps(parsed, ensure_ascii=False).encode() == output
        assert list(parsed) == [action.fields[index].name.decode() for index in action.written]
    if execution.code in (Code.COMPUTE, Code.GUARD):
        is_guard = action.expressions[execution.detail].target is None
        assert is_guard or execution.code is Code.COMPUTE
    if execution.code is Code.OUT_OF_TOKENS:
        assert len(execution.tokens) == action.output_tokens
        assert execution.detail in action.written
    if execution.code is Code.NONE:
        assert isinstance(after, Cell)
        assert after.manifest_hash == entry.manifest_hash
        assert after.version == (before.version if before is not None else 0) + 1
        assert_valid_state(action.fields, after.values, world.missing)
        met = schema.initial_values(action.fields)
        if before is not None and previous is not None:
            met = versions.migrate_plainly(previous.fields, before.values, action.fields)
        for index, field in enumerate(action.fields):
            if field.role is Role.KEPT:
                assert after.values[index] == met[index]
    else:
        assert after is before


def note_arrays(execution: transition.Execution, action: Manifest) -> collections.Counter[str]:
    """Say what a call that writes arrays did with them, so that a test knows what it has seen."""
    seen: collections.Counter[str] = collections.Counter()
    written = [i for i in action.written if action.fields[i].type is FieldType.ARRAY]
    if not written:
        return seen
    seen[execution.code.name] += 1
    if execution.code is Code.OUT_OF_TOKENS and execution.detail in written:
        name = b'"%s": [' % action.fields[execution.detail].name
        seen["cut inside"] += name in execution.output
    if execution.cell_after is not None and execution.code is Code.NONE:
        for index in written:
            field, value = action.fields[index], execution.cell_after.values[index]
            assert isinstance(value, tuple)
            size = "none" if not value else "most" if len(value) == field.items else "some"
            seen[f"{field.base.name} {size}"] += 1
    return seen


def close_batch(rng: random.Random, number: int, batch: list[Entry]) -> BatchHeader:
    header = BatchHeader(
        number=BatchNumber(number),
        first_call=batch[0].call_id,
        count=len(batch),
        opened_at=batch[0].timestamp,
        prevrandao=Hash32(rng.randbytes(32)),
        entries_root=entries.compute_entries_root(batch),
    )
    entries.verify_batch(header, batch)
    return header


def assert_batch(
    result: transition.BatchResult,
    before: state.State,
    executions: list[transition.Execution],
    manifests: Mapping[Hash32, Manifest],
) -> None:
    """Hold a batch's claim against its rows, read back and applied without any engine."""
    trace.verify_last_record(result.claim, result.last_record_proof)
    assert len(result.receipts) == len(executions)
    rows = batch_data.decode_rows(result.batch_data)
    assert tuple(rows) == result.rows
    batch = [execution.entry for execution in executions]
    applied = batch_data.apply_rows(state=before, entries=batch, rows=rows, manifests=manifests)
    batch_data.verify_rows(applied, rows, result.claim)
    assert applied.receipts == result.receipts
    leaves = [codec.compute_receipt_leaf(receipt) for receipt in result.receipts]
    for index, (receipt, execution) in enumerate(zip(result.receipts, executions, strict=True)):
        assert receipt.call_id == execution.entry.call_id
        assert receipt.fee == execution.entry.fee
        assert receipt.output_hash == codec.keccak(execution.output)
        receipts.verify_receipt(
            root=result.claim.receipts_root,
            first_call=batch[0].call_id,
            receipt=receipt,
            siblings=receipts.build_receipt_proof(leaves, index),
        )


def run_batch(
    rng: random.Random,
    before: state.State,
    number: int,
    batch: list[Entry],
    manifests: Mapping[Hash32, Manifest],
    world: World,
    arrays: collections.Counter[str] | None = None,
) -> tuple[state.State, collections.Counter[Code]]:
    """Execute one batch and hold every call and the claim; return the state and the codes.

    `arrays` is added what `note_arrays` says of each call.
    """
    counts: collections.Counter[Code] = collections.Counter()
    cells, executions = dict[Hash32, Cell | None](), []
    header = close_batch(rng, number, batch)
    for entry in batch:
        action = manifests[entry.manifest_hash]
        key = codec.compute_cell_key(entry.action_id, action.cell_kind, entry.caller, entry.cell)
        cell = cells.get(key, before.get(key))
        previous = manifests[cell.manifest_hash] if cell is not None else None
        execution = transition.execute_call(
            entry=entry,
            manifest=action,
            cell=cell,
            engine=world.engine,
            allowed=world.allowed,
            previous=previous,
            seed=transition.find_noise_seed(action, entry.call_id, header),
        )
        cells[key] = execution.cell_after
        assert execution.cell_key == key
        assert_call(execution, action, world, previous)
        counts[execution.code] += 1
        if arrays is not None:
            arrays += note_arrays(execution, action)
        executions.append(execution)
    result = transition.apply_batch(
        state=before,
        header=header,
        executions=executions,
        manifests=manifests,
        outbox_root=compute_empty_outbox_root(),
    )
    assert {key: result.state.get(key) for key in cells} == cells
    assert_batch(result, before, executions, manifests)
    return result.state, counts
