"""Liars about what stands around a call's tokens: each writes a record as his lie would have it.

He makes the whole inner trace from false facts, so that it is sound but for the lane in which the
lie comes in; a duel ends there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from oyez.dispute.frame.build import BUILDERS
from oyez.dispute.frame.facts import CallFacts, Preimages
from oyez.dispute.lanes import find_first_lane
from oyez.dispute.traces import InnerTree
from oyez.engines.exact.inner_leaves import InnerLeaves
from oyez.protocol.codec import keccak
from oyez.protocol.inner_frame import Frame, get_record, layout_frame
from oyez.protocol.manifest_encode import build_constants
from oyez.protocol.manifest_layout import GUARD_TARGET, OpCode
from oyez.protocol.schema import encode_type
from oyez.protocol.state import State
from oyez.protocol.types import (
    ZERO_HASH,
    Cell,
    CellKind,
    Code,
    Expression,
    Field,
    FieldType,
    Hash32,
    Manifest,
    Op,
    Outcome,
    Role,
    Segment,
    SegmentKind,
    Value,
)
from tests.contracts.test_step_model import tiny
from tests.courts import Court, open_batch
from tests.real_calls import RealBatch, build_short_action

HEIGHT = 12
OTHER = Hash32(keccak(b"another"))
STEP = 60
#: What the total may be at most; then the second call overflows, or its guard does not hold.
OVERFLOWS, GUARDED = 2 * STEP - 1, 10 * STEP
#: Seconds from the announcement of an upgrade to it.
DELAY = 86_400
NOTE = Field(b"note", FieldType.STRING, Role.WRITES, b"none", limit=4)


def build_action(engine: Any, most: int) -> Manifest:  # Any: an engine
    """Return an action that writes a note and adds to a total, which may not become two steps."""
    total = Field(b"total", FieldType.INTEGER, Role.COMPUTE, 0, low=0, high=most, digits=3)
    fields = (NOTE, total)
    constants = build_constants(fields, [STEP, 2 * STEP])
    one, two = constants.index(STEP), constants.index(2 * STEP)
    grow = (Op(OpCode.OLD, 1), Op(OpCode.CONST, one), Op(OpCode.ADD))
    guard = (Op(OpCode.NEW, 1), Op(OpCode.CONST, two), Op(OpCode.EQ), Op(OpCode.NOT))
    return build_short_action(
        engine,
        fields=fields,
        constants=constants,
        expressions=(Expression(1, grow), Expression(GUARD_TARGET, guard)),
        segments=(
            Segment(SegmentKind.LITERAL, (40, 41)),
            Segment(SegmentKind.STATE),
            Segment(SegmentKind.INPUT),
        ),
        output_tokens=18,
        fixed_positions=2 + 31 + 18,
    )


def build_versions(engine: Any) -> tuple[Manifest, Manifest]:  # Any: an engine
    """Return an action on named cells before and after an upgrade.

    A field goes and one comes; the one that moves has the type of that which goes, and its place.
    """
    first = Field(b"first", FieldType.INTEGER, Role.COMPUTE, 0, low=0, high=999, digits=3)
    second = replace(first, name=b"second")
    came = Field(b"came", FieldType.BOOLEAN, Role.KEPT, False)
    kept = replace(first, role=Role.KEPT, initial=7)
    constants = build_constants((first, second, NOTE), [1, STEP])
    build = functools.partial(
        build_short_action,
        engine,
        cell_kind=CellKind.NAMED,
        upgrade_delay=DELAY,
        output_tokens=18,
        fixed_positions=3 + 18,
    )
    old = build(
        fields=(first, second, NOTE),
        constants=constants,
        expressions=tuple(
            Expression(at, (Op(OpCode.OLD, at), Op(OpCode.CONST, one), Op(OpCode.ADD)))
            for at, one in enumerate(map(constants.index, (1, STEP)))
        ),
    )
    return old, build(fields=(came, kept, NOTE))


def run_mixed(most: int) -> RealBatch:
    """Run four calls on one cell: accepted, not accepted, refused, not accepted."""
    engine = tiny("mixed")[0]
    # a text that greedy tokens do not spell byte by byte
    long = next(t for t in engine.vocabulary.tokens if t is not None and len(t) > 1 and t.isalnum())
    inputs = [long, b"and more", b"\n", b"a third"]
    return RealBatch(engine, build_action(engine, most), inputs)


def run_upgraded() -> RealBatch:
    """Run a call on each of two cells, and one on the first of them after an upgrade."""
    engine = tiny("mixed")[0]
    old, new = build_versions(engine)
    cells, versions = [b"one", b"two", b"one"], [old, old, new]
    return RealBatch(engine, old, [b"a day"] * 3, cells=cells, versions=versions)


@functools.cache
def open_court(name: str) -> Court:
    """Return the court of one of `COURTS`."""
    return open_batch(COURTS[name]())


#: What each court is about.
COURTS: Mapping[str, Callable[[], RealBatch]] = {
    "overflows": functools.partial(run_mixed, OVERFLOWS),
    "guarded": functools.partial(run_mixed, GUARDED),
    "upgraded": run_upgraded,
}


@dataclass(frozen=True)
class Liar:
    """What is lied about, in which record of which call, and the region in which it shows.

    `make` returns the false facts, or the whole false trace.
    """

    name: str
    frame: Frame
    region: str
    make: Callable[[CallFacts, Court], CallFacts | InnerLeaves]
    call: int = 0
    court: str = "guarded"


def write_false(liar: Liar) -> InnerLeaves:
    """Return the inner trace as the liar has it."""
    here = open_court(liar.court)
    machine = here.batch.machine
    index = min(liar.call, len(here.batch.executions) - 1)
    facts = machine.open_call(1, index).facts
    assert facts is not None
    made = liar.make(facts, here)
    if isinstance(made, InnerLeaves):
        return made
    return BUILDERS[liar.frame](layout_frame(liar.frame, HEIGHT), made, Preimages())


def find_first(true: InnerTree, false: InnerTree) -> tuple[int, int]:
    """Return the first leaf and lane in which two inner traces of a record differ."""
    leaf = next(
        leaf for leaf in range(1 << HEIGHT) if true.get_node(0, leaf) != false.get_node(0, leaf)
    )
    return leaf, find_first_lane(true.get_leaf(leaf), false.get_leaf(leaf))


def get_record_of(liar: Liar) -> int:
    """Return the index of the record that is lied about."""
    return get_record(liar.call, liar.frame)


def _prologue(facts: CallFacts, **changes: Any) -> CallFacts:
    return replace(facts, prologue=replace(facts.prologue, **changes))


def _epilogue(facts: CallFacts, **changes: Any) -> CallFacts:
    return replace(facts, epilogue=replace(facts.epilogue, **changes))


def _receipt(facts: CallFacts, **changes: Any) -> CallFacts:
    return _epilogue(facts, receipt=replace(facts.epilogue.receipt, **changes))


def _entry(facts: CallFacts, **changes: Any) -> CallFacts:
    return _prologue(facts, entry=replace(facts.prologue.entry, **changes))


def _accept(facts: CallFacts, _: Court) -> CallFacts:
    accepted = _receipt(facts, outcome=Outcome.ACCEPTED, code=Code.NONE, detail=0)
    return _epilogue(accepted, values=(b"x", 2 * STEP))


class _Bytewise:
    """A vocabulary that spells every text by its single bytes: sound tokens, not the longest."""

    def __init__(self, vocabulary: Any) -> None:
        self._vocabulary = vocabulary

    def __getattr__(self, name: str) -> Any:
        return getattr(self._vocabulary, name)

    def greedy(self, data: bytes) -> tuple[int, ...]:
        return tuple(self._vocabulary.greedy(bytes([byte]))[0] for byte in data)


def _spell(facts: CallFacts, here: Court) -> CallFacts:
    spelled: Any = _Bytewise(facts.vocabulary)
    false = replace(facts, vocabulary=spelled)
    prompt = facts.prologue.prompt or ()
    text = b"".join(facts.vocabulary.bytes_of(token) for token in prompt[2:])
    return _prologue(false, prompt=(*prompt[:2], *spelled.greedy(text)))


def _cut_input(facts: CallFacts, here: Court) -> InnerLeaves:
    true = here.batch.machine.open_inner(1, get_record(0, Frame.ENTRY)).leaves
    false = InnerLeaves(true.layout)
    false.types, false.data = true.types.copy(), true.data.copy()
    cut = facts.prologue.entry.input[:-1]
    false.put_bytes("input", cut)
    false.put_bytes("entry_input", cut)
    return false


def _drop_neighbours(facts: CallFacts, here: Court) -> CallFacts:
    """Write the state as if the call's cell were alone in it."""
    key = facts.prologue.cell_key
    cell = facts.after.get(key)
    assert cell is not None
    after = State.empty().with_cell(key, cell, facts.manifest.fields)
    return replace(_epilogue(facts, state_root=after.root), after=after)


def _keep_nothing(facts: CallFacts, here: Court) -> CallFacts:
    return _prologue(facts, values=tuple(field.initial for field in facts.manifest.fields))


def _forget_migration(facts: CallFacts, here: Court) -> CallFacts:
    """Read the stored values as if the new manifest's fields stood there."""
    came, *rest = _get_stored(facts)
    return _prologue(facts, values=(bool(came), *rest))


def _migrate_by_place(facts: CallFacts, here: Court) -> CallFacts:
    """Keep what has a field of its type in its place, whatever that is called."""
    assert facts.previous is not None
    old, new = facts.previous.fields, facts.manifest.fields
    values = tuple(
        value if encode_type(was) == encode_type(field) else field.initial
        for value, was, field in zip(_get_stored(facts), old, new, strict=True)
    )
    return _prologue(facts, values=values)


def _get_stored(facts: CallFacts) -> tuple[Value, ...]:
    cell = facts.before.get(facts.prologue.cell_key)
    assert cell is not None
    return cell.values


def _read_other(facts: CallFacts, here: Court) -> CallFacts:
    """Look for the cell in another state, where it is absent."""
    return replace(
        _prologue(facts, cell_leaf=ZERO_HASH, version=0), before=_build_other(facts), previous=None
    )


def _build_other(facts: CallFacts) -> State:
    cell = Cell(facts.manifest.hash, 1, facts.epilogue.values)
    return State.empty().with_cell(OTHER, cell, facts.manifest.fields)


LIARS = (
    Liar(
        "post-state",
        Frame.ROOTS,
        "roots_words",
        lambda facts, _: _epilogue(facts, state_root=OTHER),
    ),
    Liar(
        "skipped entry",
        Frame.ENTRY,
        "words",
        lambda facts, here: _prologue(facts, entry=here.batch.batch.entries[1]),
    ),
    Liar(
        "reordered entry",
        Frame.ENTRY,
        "words",
        lambda facts, here: _prologue(facts, entry=here.batch.batch.entries[0]),
        call=1,
    ),
    Liar(
        "another manifest",
        Frame.ENTRY,
        "words",
        lambda facts, _: _entry(facts, manifest_hash=OTHER),
    ),
    Liar("another seed", Frame.ENTRY, "words", lambda facts, _: _prologue(facts, seed=OTHER)),
    Liar(
        "migration that keeps nothing",
        Frame.STATE,
        "value",
        _keep_nothing,
        call=2,
        court="upgraded",
    ),
    Liar("forgotten migration", Frame.STATE, "value", _forget_migration, call=2, court="upgraded"),
    Liar("migration by place", Frame.STATE, "value", _migrate_by_place, call=2, court="upgraded"),
    Liar("valid tokens that are not greedy", Frame.PROMPT, "cursor", _spell),
    Liar("cut input", Frame.ENTRY, "input", _cut_input),
    Liar(
        "input that was not sent",
        Frame.ENTRY,
        "words",
        lambda facts, _: _entry(facts, input=facts.prologue.entry.input + b"!"),
    ),
    Liar(
        "detail",
        Frame.OUTPUT,
        "output_head",
        lambda facts, _: _receipt(facts, detail=facts.epilogue.receipt.detail + 1),
        call=2,
    ),
    Liar(
        "fee",
        Frame.ROOTS,
        "cell_after",
        lambda facts, _: _receipt(facts, fee=facts.epilogue.receipt.fee + 1),
    ),
    Liar("overflow accepted", Frame.OUTPUT, "output_head", _accept, call=1, court="overflows"),
    Liar("guard ignored", Frame.OUTPUT, "output_head", _accept, call=1),
    Liar(
        "path of another cell",
        Frame.ENTRY,
        "words",
        lambda facts, _: _prologue(facts, cell_key=OTHER),
        call=1,
    ),
    Liar(
        "path of another state",
        Frame.ENTRY,
        "path",
        _read_other,
        call=1,
    ),
    Liar("dropped neighbour", Frame.ROOTS, "depth", _drop_neighbours, call=1, court="upgraded"),
    Liar(
        "receipts of another batch",
        Frame.ROOTS,
        "roots_words",
        lambda facts, _: _epilogue(facts, receipts=facts.roots.receipts.append(OTHER)),
        call=1,
    ),
    Liar(
        "messages sent",
        Frame.ROOTS,
        "roots_words",
        lambda facts, _: _epilogue(facts, outbox_root=OTHER),
    ),
    Liar("padding that lives", Frame.ENTRY, "alive", lambda facts, _: facts, call=4),
    Liar(
        "life that is padded",
        Frame.OUTPUT,
        "ends",
        lambda facts, _: InnerLeaves(layout_frame(Frame.OUTPUT, HEIGHT)),
    ),
    Liar(
        "roots of another last record",
        Frame.LAST,
        "last_words",
        lambda facts, _: _epilogue(facts, state_root=OTHER),
    ),
)
