"""One call, rule by rule: its prompt, its codes in order, its cell, its positions."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oyez.protocol import cells, codec, merkle, prompt, trace, trace_records, transition
from oyez.protocol.manifest_layout import OpCode
from oyez.protocol.types import (
    Cell,
    CellKind,
    Code,
    EntryKind,
    Expression,
    Hash32,
    Manifest,
    Op,
    Outcome,
    Segment,
    SegmentKind,
)
from oyez.protocol.vocabulary import Vocabulary
from oyez.testing.scripted import MISSING, Mode, ScriptedEngine, build_vocabulary
from tests.unit.protocol.actions import (
    CALLER,
    COUNT,
    MOOD,
    NOTE,
    build_action,
    build_entry,
)

ENGINE = ScriptedEngine(Mode.PUNCTUATION)


def execute(action: Manifest, cell: Cell | None = None, **changes: Any) -> transition.Execution:
    return transition.execute_call(
        entry=build_entry(action, **changes), manifest=action, cell=cell, engine=ENGINE
    )


def test_slots_are_filled_with_canonical_text() -> None:
    # Rule: TRANSITION-1
    action = build_action()
    entry = build_entry(action, value=12 * 10**18)
    texts = {
        kind: prompt.format_slot(kind, action, entry, (b"bad", b"x", 2))
        for kind in list(SegmentKind)[1:]
    }
    assert texts == {
        SegmentKind.STATE: b'{"mood": "bad", "note": "x", "count": 2}',
        SegmentKind.INPUT: b"a lovely evening",
        SegmentKind.CALLER: b"0x" + b"ca" * 20,
        SegmentKind.VALUE: b"12000000000000000000",
        SegmentKind.TIME: b"1700000000",
    }


def test_each_slot_is_tokenised_alone() -> None:
    # Rule: TRANSITION-2
    vocabulary = build_vocabulary()
    action = build_action(
        segments=(
            Segment(SegmentKind.TIME),
            Segment(SegmentKind.INPUT),
            Segment(SegmentKind.LITERAL, (3, 299)),
        )
    )
    # 0 and 0 make one token "00" only inside one segment.
    entry = build_entry(action, timestamp=10, input=b"00")
    zero, zeros = vocabulary.single(ord("0")), vocabulary.ids_by_bytes[b"00"][0]

    tokens = prompt.build_prompt(action, entry, (), vocabulary)

    assert tokens == (vocabulary.single(ord("1")), zero, zeros, 3, 299)


@given(st.text(alphabet="<|im_end>start \U0001f600ä", max_size=60))
def test_no_input_becomes_a_control_token(text: str) -> None:
    # Rule: TRANSITION-2
    vocabulary = build_vocabulary()
    action = build_action(segments=(Segment(SegmentKind.INPUT),))
    data = text.encode()

    tokens = prompt.build_prompt(action, build_entry(action, input=data), (), vocabulary)

    assert all(vocabulary.tokens[token] is not None for token in tokens)
    assert vocabulary.join(tokens) == data


@pytest.mark.parametrize(
    ("data", "offset"),
    [
        (b"", None),
        (b'"quotes" and \\backslashes\\ are text', None),
        ("grüße \u0080 \U0010ffff".encode(), None),
        (b"a\nb", 1),
        (b"\x00", 0),
        (b"ab\x1f", 2),
        (b"\x7f", 0),
        (b"ok\xff\n", 2),
        (b"ok\n\xff", 2),
        (b"abc\xc3", 3),
        (b"abc\xe2\x82", 3),
        (b"a\xe2\x82b", 1),
        (b"\xed\xa0\x80", 0),
        (b"\xc0\xaf", 0),
        (b"x\x80", 1),
        (b"\xf4\x90\x80\x80", 0),
        ("a\U00040000".encode(), 1),
        ("aa\u07c0".encode(), 2),
    ],
)
def test_lowest_bad_offset_of_an_input(data: bytes, offset: int | None) -> None:
    """Audit 1 H7: bytes without a token are BAD_INPUT."""
    # Rule: TRANSITION-5
    assert transition.check_input(data, MISSING) == offset


def refuse_all() -> Manifest:
    """Return an action under which every code applies at once."""
    divide = (Op(OpCode.CONST, 3), Op(OpCode.TIME), Op(OpCode.DIV))
    no = (Op(OpCode.VALUE),)
    return build_action(
        output_tokens=2,
        segments=(Segment(SegmentKind.LITERAL, (0,) * 20), Segment(SegmentKind.INPUT)),
        fixed_positions=30,
        expressions=(Expression(2, divide), Expression(None, no), Expression(None, divide)),
    )


def test_first_code_that_applies_ends_the_call() -> None:
    # Rule: TRANSITION-6
    small = ScriptedEngine(Mode.PUNCTUATION, context=30)
    action = refuse_all()

    def run(action: Manifest, engine: ScriptedEngine, **changes: Any) -> tuple[Code, int, bool]:
        entry = build_entry(action, **{"timestamp": 0, **changes})
        execution = transition.execute_call(entry=entry, manifest=action, cell=None, engine=engine)
        assert execution.outcome is (Outcome.REJECTED if execution.code else Outcome.ACCEPTED)
        assert execution.cell_after is None or execution.outcome is Outcome.ACCEPTED
        return execution.code, execution.detail, execution.positions > 0

    assert run(action, small, input=b"long enough\n") == (Code.BAD_INPUT, 11, False)
    assert run(action, small, input=b"long enough") == (Code.CONTEXT_OVERFLOW, 0, False)
    assert run(action, small, input=b"bcdfghjk")[0] is Code.OUT_OF_TOKENS
    assert run(action, small, input=b"bcdfghjkl")[0] is Code.CONTEXT_OVERFLOW
    roomy = dataclasses.replace(action, output_tokens=60)
    assert run(roomy, ENGINE) == (Code.COMPUTE, 0, True)
    # With time 1 the computed field is fine, and so is the dividing guard; then the false guard.
    assert run(roomy, ENGINE, timestamp=1) == (Code.GUARD, 1, True)
    assert run(roomy, ENGINE, timestamp=1, value=5) == (Code.NONE, 0, True)


def test_guard_that_fails_to_compute_comes_before_one_that_is_false() -> None:
    # Rule: TRANSITION-6
    guards = (
        Expression(None, (Op(OpCode.VALUE),)),
        Expression(None, (Op(OpCode.TIME), Op(OpCode.VALUE), Op(OpCode.MOD))),
    )
    action = build_action(expressions=(*guards, build_action().expressions[0]))
    execution = execute(action)
    assert (execution.code, execution.detail) == (Code.COMPUTE, 1)


def test_expressions_see_the_entry() -> None:
    # Rule: TRANSITION-4
    caller = int.from_bytes(CALLER[:19] + b"\x01", "big")
    seen = {OpCode.CALLER: caller, OpCode.VALUE: 5, OpCode.TIME: 77}
    for code, number in seen.items():
        equal = (Op(code), Op(OpCode.CONST, 3), Op(OpCode.EQ))
        action = build_action(
            constants=(0, 3, 0, number), expressions=(Expression(2, equal), Expression(None, equal))
        )
        given: dict[str, Any] = {"caller": CALLER[:19] + b"\x01", "value": 5, "timestamp": 77}
        assert execute(action, **given).code is Code.NONE


def test_entries_of_another_kind_or_manifest_are_a_fault_of_the_caller() -> None:
    action = build_action()
    for changes in ({"kind": EntryKind.EXPIRY}, {"manifest_hash": Hash32(bytes(32))}):
        with pytest.raises(ValueError, match="no call of this manifest"):
            execute(action, **changes)


def test_accepted_calls_count_versions_and_carry_the_state_on() -> None:
    # Rule: TRANSITION-4
    action = build_action()
    cell = None
    for version in (1, 2, 3):
        execution = execute(action, cell)
        assert execution.code is Code.NONE
        assert execution.cell_before is cell
        cell = execution.cell_after
        assert cell is not None
        assert (cell.version, cell.manifest_hash, cell.values[2]) == (version, action.hash, version)
    # count may be 3 at most: the fourth call ends in COMPUTE and leaves the cell alone.
    execution = execute(action, cell)
    assert (execution.code, execution.detail) == (Code.COMPUTE, 0)
    assert execution.cell_after is cell


@pytest.mark.parametrize("when", [0, 1, 1_700_000_000, 2**40 - 1])
def test_no_call_expires(when: int) -> None:
    """Audit 1 H11: how an exact call ends depends on nothing but its entry, its cell and rules."""
    action = build_action()
    late, now = (
        transition.execute_call(
            entry=build_entry(action, timestamp=t), manifest=action, cell=None, engine=ENGINE
        )
        for t in (when, 1_700_000_001)
    )

    assert late.outcome is now.outcome is Outcome.ACCEPTED
    assert (late.output, late.cell_after) == (now.output, now.cell_after)


def test_upgraded_cell_is_migrated_by_an_accepted_call_only() -> None:
    """Audit 1 H10: fields migrate by one rule."""
    # Rule: TRANSITION-3
    old = build_action()
    renamed = dataclasses.replace(COUNT, name=b"votes")
    new = build_action(fields=(NOTE, MOOD, renamed))
    cell = Cell(old.hash, 5, (b"bad", b"kept", 2))
    assert cells.compute_values(new, cell, old) == (b"kept", b"bad", 0)
    assert cells.compute_values(new, None, None) == (b"none", b"good", 0)

    accepted = transition.execute_call(
        entry=build_entry(new), manifest=new, cell=cell, engine=ENGINE, previous=old
    )
    refused = transition.execute_call(
        entry=build_entry(new, input=b"\n"), manifest=new, cell=cell, engine=ENGINE, previous=old
    )

    assert accepted.cell_after is not None
    assert (accepted.cell_after.version, accepted.cell_after.manifest_hash) == (6, new.hash)
    assert accepted.cell_after.values[2] == 1
    assert refused.cell_after is cell
    with pytest.raises(ValueError, match="pass that one"):
        cells.compute_values(new, cell, None)
    with pytest.raises(ValueError, match="pass that one"):
        cells.compute_values(new, cell, new)


def test_kept_text_that_another_model_cannot_spell_ends_in_bad_input() -> None:
    # Rule: TRANSITION-7
    action = build_action()
    engine = ScriptedEngine()
    tokens = tuple(None if data == b"x" else data for data in engine.vocabulary.tokens)
    engine.vocabulary = Vocabulary(tokens)
    cell = Cell(action.hash, 1, (b"bad", b"x", 1))

    execution = transition.execute_call(
        entry=build_entry(action), manifest=action, cell=cell, engine=engine
    )

    assert (execution.code, execution.detail) == (Code.BAD_INPUT, len(b"a lovely evening"))
    assert execution.cell_after is cell


@pytest.mark.parametrize("kind", list(CellKind))
def test_call_meets_the_cell_of_its_kind(kind: CellKind) -> None:
    action = build_action(cell_kind=kind)
    name = b"room" if kind is CellKind.NAMED else b""
    execution = transition.execute_call(
        entry=build_entry(action, cell=name), manifest=action, cell=None, engine=ENGINE
    )
    entry = execution.entry
    assert execution.cell_key == codec.compute_cell_key(entry.action_id, kind, CALLER, name)


def test_sampler_stands_in_the_position_before_the_token_it_chose() -> None:
    # Rule: TRANSITION-8
    action = build_action()
    execution = execute(action)
    assert execution.prompt is not None
    session = ENGINE.open(execution.prompt)
    session.extend(execution.tokens)
    count, pad = len(execution.prompt), trace.record_tree().empty[0]

    assert execution.positions == count + len(execution.tokens)
    assert execution.first_sampler == pad
    for index, root in enumerate(execution.position_roots):
        layers = list(session.layer_roots(index))
        if index < count - 1:
            slots = [*layers, *[pad] * 29, trace_records.compute_prompt_sampler()]
            assert root == merkle.compute_root(slots, 5, trace.record_tree())
        else:
            prompt_root = trace.compute_position_root(
                layers, trace_records.compute_prompt_sampler()
            )
            assert root != prompt_root


def test_positions_of_a_prefix_do_not_depend_on_the_call() -> None:
    """Audit 1 M6: nor on its seed or place in the queue."""
    # Rule: TRACE-16
    action = build_action()
    one = execute(action)
    two = execute(action, call_id=9, value=3, input=b"another text", timestamp=5)
    prefix = len(action.prefix)
    assert one.position_roots[:prefix] == two.position_roots[:prefix]
    assert one.position_roots[-1] != two.position_roots[-1]


def test_empty_prompt_has_its_first_sampler_in_position_zero() -> None:
    # Rule: TRANSITION-8
    action = build_action(segments=())
    execution = execute(action)
    assert execution.prompt == ()
    assert execution.code is Code.NONE
    assert execution.positions == len(execution.tokens)
    assert execution.first_sampler != trace.record_tree().empty[0]
