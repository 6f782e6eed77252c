"""The lie that the challengers are tested against is the hardest to see: one choice, no more."""

from __future__ import annotations

import json

import pytest

from challenger.verdict import find_first_difference
from oyez.derivation import replay
from oyez.derivation.history import Batch
from oyez.protocol import batch_data, codec, masks
from oyez.protocol.errors import Invalid
from oyez.protocol.machine import Machine, Phase
from oyez.protocol.state import State
from oyez.protocol.types import Outcome
from oyez.testing.scripted import ScriptedEngine
from tests.actors import lie
from tests.unit.protocol.actions import COUNT, MOOD, NOTE, build_action, build_entry, build_header

ACTION = build_action()
MANIFESTS = {ACTION.hash: ACTION}
ENGINE = ScriptedEngine(seed=5)


def build_batch(*texts: bytes) -> Batch:
    entries = [build_entry(ACTION, 4 + index, input=text) for index, text in enumerate(texts)]
    header = build_header(entries)
    return Batch(header, codec.compute_batch_hash(header), tuple(entries))


BATCH = build_batch(b"one", b"two", b"three")


@pytest.mark.parametrize("index", [0, 1, 2])
def test_one_call_is_false_and_the_later_ones_are_honest_on_what_it_left(index: int) -> None:
    false_call = BATCH.header.first_call + index
    honest = replay.derive(State.empty(), BATCH, MANIFESTS, ENGINE)
    false = lie.derive_false(State.empty(), BATCH, MANIFESTS, ENGINE, false_call)

    assert find_first_difference(honest.call_roots, false.call_roots) == index
    moods = [json.loads(result.rows[index].output)["mood"] for result in (honest, false)]
    assert set(moods) == {"bad", "good"}
    assert false.rows[index].outcome is Outcome.ACCEPTED

    applied = batch_data.apply_rows(
        state=State.empty(), entries=BATCH.entries, rows=false.rows, manifests=MANIFESTS
    )
    batch_data.verify_rows(applied, false.rows, false.claim)
    before = batch_data.apply_rows(
        state=State.empty(),
        entries=BATCH.entries[: index + 1],
        rows=false.rows[: index + 1],
        manifests=MANIFESTS,
    )
    later = replay.execute_all(before.state, BATCH.entries[index + 1 :], MANIFESTS, ENGINE)
    assert [row.output for row in false.rows[index + 1 :]] == [item.output for item in later]


def test_the_trace_differs_first_at_the_record_of_the_choice() -> None:
    (entry,) = build_batch(b"one").entries
    honest = replay.execute(entry, None, MANIFESTS.__getitem__, ENGINE)
    contrary = lie.ContraryEngine(ENGINE, honest)
    false = replay.execute(entry, None, MANIFESTS.__getitem__, contrary)

    assert honest.prompt is not None
    tokens = list(zip(honest.tokens, false.tokens, strict=False))
    chosen = next(at for at, (ours, theirs) in enumerate(tokens) if ours != theirs)
    roots = list(zip(honest.position_roots, false.position_roots, strict=False))
    first = next(at for at, (ours, theirs) in enumerate(roots) if ours != theirs)
    assert first == len(honest.prompt) + chosen - 1

    # After the choice every token is the honest model's own best.
    machine = Machine(ACTION.fields, ENGINE.vocabulary.missing)
    session, state, decided = ENGINE.open(honest.prompt), machine.start(), 0
    for at, token in enumerate(false.tokens):
        forced, _ = machine.forced_run(state)
        if at > chosen and not forced and state.phase is not Phase.CHOICE:
            allowed = masks.allowed_tokens(machine, state, ENGINE.vocabulary)
            assert token == session.best(allowed)
            decided += len(allowed) > 1
        session.extend([token])
        state = machine.walk(state, ENGINE.vocabulary.bytes_of(token))
    assert decided > 0


def test_where_the_model_first_writes_a_text_the_text_is_the_lie() -> None:
    action = build_action(fields=(NOTE, MOOD, COUNT))
    entry = build_entry(action)
    honest = replay.execute(entry, None, {action.hash: action}.__getitem__, ENGINE)
    contrary = lie.ContraryEngine(ENGINE, honest)
    false = replay.execute(entry, None, {action.hash: action}.__getitem__, contrary)
    notes = [json.loads(item.output)["note"] for item in (honest, false)]
    assert notes[0] != notes[1]


def test_there_is_no_lie_about_a_call_that_the_model_never_saw() -> None:
    batch = build_batch(b"one", b"two\nlines")
    with pytest.raises(Invalid, match="the model decides nothing in call 5"):
        lie.derive_false(State.empty(), batch, MANIFESTS, ENGINE, 5)
