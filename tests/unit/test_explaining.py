"""What an explanation says of real calls: the same tokens, honest margins, fields that changed."""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest

from oyez.derivation import replay
from oyez.engines import exact
from oyez.engines.exact.engine import ExactEngine
from oyez.explaining import Explanation, explain_call
from oyez.protocol import codec
from oyez.protocol.decoding import StepKind
from oyez.protocol.errors import Invalid
from oyez.protocol.manifest import ModelLimits, parse_manifest
from oyez.protocol.types import (
    ZERO_HASH,
    Address,
    BatchHeader,
    BatchNumber,
    CallId,
    Entry,
    EntryKind,
    Hash32,
    Manifest,
)
from tests.local_rollup import build_counter
from tests.sampled import WARM, set_sampling

TEXTS = (b"The soup was superb.", b"It broke at once.", b"two\nlines")
HEADER = BatchHeader(BatchNumber(1), CallId(0), 3, 0, Hash32(b"\x07" * 32), ZERO_HASH)


@functools.cache
def engine() -> ExactEngine:
    return exact.load_engine()


def entries(manifest_hash: Hash32) -> list[Entry]:
    return [
        Entry(
            EntryKind.CALL,
            CallId(i),
            1_700_000_000,
            Address(b"\x01" * 20),
            0,
            0,
            ZERO_HASH,
            manifest_hash,
            b"",
            text,
        )
        for i, text in enumerate(TEXTS)
    ]


def parse(data: bytes) -> Manifest:
    shape = engine().shape
    return parse_manifest(data, ModelLimits(shape.vocabulary, shape.context, shape.missing))


@functools.cache
def explain(call_id: int, temperature: int = 0) -> tuple[Explanation, list[Entry], Manifest]:
    data = set_sampling(build_counter(), temperature) if temperature else build_counter()
    manifest = parse(data)
    calls = entries(manifest.hash)
    found = explain_call(
        calls, CallId(call_id), lambda _: manifest, engine(), find_header=lambda _: HEADER
    )
    return found, calls, manifest


@pytest.mark.parametrize("temperature", [0, WARM])
def test_the_tokens_are_those_that_the_call_ran(temperature: int) -> None:
    """Rule: EXPLAIN-1"""
    found, calls, manifest = explain(1, temperature)
    replayed = replay.replay_cell(
        calls, 1, lambda _: manifest, engine(), find_header=lambda _: HEADER
    )

    assert found.execution == replayed.last
    assert tuple(d.token for d in found.decisions) == found.execution.tokens
    assert "".join(d.text for d in found.decisions).encode() == found.execution.output
    assert [d.position for d in found.decisions] == [
        len(found.prompt) + 1 + i for i in range(len(found.decisions))
    ]


@pytest.mark.parametrize("temperature", [0, WARM])
def test_what_was_taken_is_ahead_of_all_that_was_weighed(temperature: int) -> None:
    """Rule: EXPLAIN-1"""
    found, _, _ = explain(0, temperature)
    decided = [d for d in found.decisions if d.candidates]

    assert {d.kind for d in decided} == {StepKind.SAMPLED, StepKind.CHOSEN}
    for decision in decided:
        assert decision.candidates[0].token == decision.token
        assert decision.margin is not None
        assert decision.margin >= 0
        assert decision.allowed >= len({c.token for c in decision.candidates}) >= 2
        for c in decision.candidates:
            assert c.score == (c.logit + c.bias << 16) + c.noise * temperature
    assert any(c.noise for d in decided for c in d.candidates) == bool(temperature)
    assert all(d.margin is None for d in found.decisions if d.kind is StepKind.FORCED)


def test_a_choice_shows_its_options_with_their_biases() -> None:
    """Rule: EXPLAIN-1"""
    data = bytearray(build_counter())
    manifest = parse(bytes(data))
    biased = replace(manifest.fields[0], biases=(1 << 23, 0))
    leaning = replace(manifest, fields=(biased, *manifest.fields[1:]))
    calls = entries(manifest.hash)

    plain = explain_call(calls, CallId(0), lambda _: manifest, engine())
    found = explain_call(calls, CallId(0), lambda _: leaning, engine())

    (choice,) = [d for d in found.decisions if d.kind is StepKind.CHOSEN]
    assert {(c.text, c.bias) for c in choice.candidates} == {("bad", 1 << 23), ("good", 0)}
    assert found.fields[0][2] == "bad"
    (before,) = [d for d in plain.decisions if d.kind is StepKind.CHOSEN]
    logits = {c.text: c.logit for c in before.candidates}
    assert {c.text: c.logit for c in choice.candidates} == logits


def test_fields_are_those_before_and_after_the_call() -> None:
    """Rule: EXPLAIN-1"""
    first, second = explain(0)[0], explain(1)[0]

    assert [after for _, _, after in first.fields] == [before for _, before, _ in second.fields]
    assert first.fields[0][0] == "mood"
    good, bad = first.fields[2], first.fields[3]
    assert good[2] + bad[2] == good[1] + bad[1] + 1


def test_a_call_that_the_model_never_saw_has_no_tokens() -> None:
    """Rule: EXPLAIN-1"""
    found, _, _ = explain(2)

    described = found.build_json()
    assert (described["outcome"], described["code"], described["detail"]) == (
        "REJECTED",
        "BAD_INPUT",
        3,
    )
    assert described["tokens"] == described["prompt"] == []
    assert all(field["before"] == field["after"] for field in described["fields"])


def test_the_json_holds_every_token_with_its_rivals() -> None:
    """Rule: EXPLAIN-1"""
    found, _, _ = explain(0)
    described = found.build_json()

    assert described["call_id"] == 0
    assert [part["token"] for part in described["prompt"]] == list(found.execution.prompt or ())
    tokens = described["tokens"]
    assert [token["kind"] for token in tokens] == [d.kind.name for d in found.decisions]
    chosen = next(token for token in tokens if token["kind"] == "CHOSEN")
    assert chosen["margin"] == chosen["candidates"][0]["score"] - chosen["candidates"][1]["score"]


def test_an_unknown_call_and_an_open_sampled_one_are_refused() -> None:
    """Rule: EXPLAIN-1"""
    manifest = parse(set_sampling(build_counter(), WARM))
    calls = entries(manifest.hash)

    with pytest.raises(Invalid, match="holds no call 9: it holds 3 calls"):
        explain_call(calls, CallId(9), lambda _: manifest, engine())
    with pytest.raises(Invalid, match="wait until it is closed"):
        explain_call(calls, CallId(0), lambda _: manifest, engine())


def test_replayed_calls_are_reported() -> None:
    """Rule: EXPLAIN-1"""
    manifest = parse(build_counter())
    other = replace(entries(manifest.hash)[1], action_id=codec.keccak(b"another"))
    first, _, last = entries(manifest.hash)
    seen: list[int] = []

    explain_call(
        [first, other, last],
        CallId(2),
        lambda _: manifest,
        engine(),
        report=lambda entry: seen.append(entry.call_id),
    )

    assert seen == [0, 2]
