"""Sampled calls: what hangs on the seed, and what must not change a draw."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from oyez.derivation import replay
from oyez.derivation.history import Batch
from oyez.engines import base
from oyez.protocol import assertions, codec, decoding, masks, noise, transition
from oyez.protocol.execution import Running, begin_call
from oyez.protocol.machine import Machine
from oyez.protocol.noise import Noise, Sampling
from oyez.protocol.state import State
from oyez.protocol.transition import Execution
from oyez.protocol.types import (
    BatchHeader,
    CallId,
    Cell,
    CellKind,
    Entry,
    Field,
    FieldType,
    Hash32,
    Manifest,
    Role,
    SeedRule,
    Segment,
)
from oyez.testing.scripted import Mode, ScriptedEngine
from tests.scripted_session import VOCABULARY, ScriptedSession
from tests.unit.protocol.actions import COUNT, MOOD, NOTE, build_action, build_entry, build_header

ENGINE = ScriptedEngine(Mode.RANDOM, seed=4)
SEED = Hash32(b"\x07" * 32)
WARM = 52_429
#: Calls in cells of their own: each meets the same state.
SAMPLED = build_action(temperature=WARM, cell_kind=CellKind.NAMED)
FIXED = build_action(
    temperature=WARM, cell_kind=CellKind.NAMED, seed_rule=SeedRule.CONSTANT, seed=SEED
)
COLD = build_action(cell_kind=CellKind.NAMED)
MANIFESTS = {action.hash: action for action in (SAMPLED, FIXED, COLD)}


def run(action: Manifest, seed: Hash32 | None, **changes: Any) -> Execution:
    entry = build_entry(action, cell=b"a", **changes)
    return transition.execute_call(
        entry=entry, manifest=action, cell=None, engine=ENGINE, seed=seed
    )


def build_batch(entries: Sequence[Entry], prevrandao: int = 7) -> Batch:
    header = build_header(list(entries), prevrandao=prevrandao)
    return Batch(header, codec.compute_batch_hash(header), tuple(entries))


def build_entries(count: int, action: Manifest = SAMPLED) -> list[Entry]:
    return [build_entry(action, call_id, cell=b"c%d" % call_id) for call_id in range(count)]


def test_a_call_may_run_before_its_batch_closes_unless_the_batch_gives_its_seed() -> None:
    """Rule: SAMPLE-7."""
    header = build_header([build_entry(SAMPLED)])
    assert transition.is_bound_to_batch(SAMPLED)
    assert not transition.is_bound_to_batch(FIXED)
    assert not transition.is_bound_to_batch(COLD)
    given = transition.find_noise_seed(SAMPLED, CallId(3), header)
    assert given == codec.compute_seed(header.prevrandao, CallId(3))
    for known in (header, None):
        assert transition.find_noise_seed(FIXED, CallId(3), known) == SEED
        assert transition.find_noise_seed(COLD, CallId(3), known) is None
    with pytest.raises(ValueError, match="open yet"):
        transition.find_noise_seed(SAMPLED, CallId(3), None)
    with pytest.raises(ValueError, match="has no seed"):
        run(SAMPLED, None)


def test_outputs_hang_on_the_seed_and_at_temperature_0_on_none() -> None:
    """Rule: TRANSITION-10."""
    seeds = [codec.sha256(bytes([n])) for n in range(12)]
    assert len({run(SAMPLED, seed).output for seed in seeds}) > 6
    assert run(SAMPLED, SEED) == run(SAMPLED, SEED)
    assert len({run(COLD, seed) for seed in [*seeds, None]}) == 1
    assert run(COLD, SEED).seed is None
    assert run(SAMPLED, SEED).seed == SEED
    # refused before the model ran, and all the same of one seed
    assert run(SAMPLED, SEED, input=b"\n").seed == SEED


def test_the_lowest_temperature_takes_the_best_tokens() -> None:
    """Rule: SAMPLE-1."""
    lowest = build_action(temperature=1, cell_kind=CellKind.NAMED)
    assert run(lowest, SEED).output == run(COLD, None).output
    hottest = build_action(temperature=2**32 - 1, cell_kind=CellKind.NAMED)
    assert run(hottest, SEED).output != run(COLD, None).output


def test_neither_batch_nor_order_changes_a_draw() -> None:
    """A call of the same id under the same `prevrandao`, in any company and order.

    Rule: SAMPLE-8
    """
    entries = build_entries(6)
    header = build_header(entries)
    together = replay.execute_all(State.empty(), entries, MANIFESTS, ENGINE, header=header)
    shuffled = list(entries)
    random.Random(1).shuffle(shuffled)
    for entry in shuffled:
        alone = replay.execute(entry, None, MANIFESTS.__getitem__, ENGINE, header)
        assert alone == together[entry.call_id]
    mixed: list[Entry] = []
    for entry in entries:
        mixed += [entry, build_entry(COLD, 100 + entry.call_id, cell=b"z")]
    among = replay.execute_all(State.empty(), mixed, MANIFESTS, ENGINE, header=header)
    assert among[::2] == together
    assert len({execution.output for execution in together}) == 6


def test_another_closing_block_is_another_execution() -> None:
    """Rule: SAMPLE-8."""
    entries = build_entries(4)
    results = [
        replay.derive(State.empty(), build_batch(entries, prevrandao), MANIFESTS, ENGINE)
        for prevrandao in (7, 8)
    ]
    assert results[0].claim.state_root != results[1].claim.state_root
    stale = replay.execute_all(
        State.empty(), entries, MANIFESTS, ENGINE, header=build_batch(entries, 8).header
    )
    batch = build_batch(entries, 7)
    with pytest.raises(ValueError, match="another seed"):
        transition.apply_batch(
            state=State.empty(),
            header=batch.header,
            executions=stale,
            manifests=MANIFESTS,
            outbox_root=assertions.compute_empty_outbox_root(),
        )


@pytest.mark.parametrize("cold_seed", [None, SEED])
def test_an_execution_of_the_wrong_kind_is_refused(cold_seed: Hash32 | None) -> None:
    """Rule: SAMPLE-8."""
    sampled = cold_seed is None
    entries = build_entries(1, SAMPLED if sampled else COLD)
    batch = build_batch(entries)
    (good,) = replay.execute_all(State.empty(), entries, MANIFESTS, ENGINE, header=batch.header)
    with pytest.raises(ValueError, match="another seed"):
        transition.apply_batch(
            state=State.empty(),
            header=batch.header,
            executions=[replace(good, seed=cold_seed)],
            manifests=MANIFESTS,
            outbox_root=assertions.compute_empty_outbox_root(),
        )


def test_a_cell_is_replayed_with_each_calls_own_batch() -> None:
    """Rule: DERIVE-9."""
    shared = build_action(temperature=WARM)
    manifests = {shared.hash: shared}
    entries = [build_entry(shared, call_id) for call_id in range(4)]
    batches = [build_batch([entry], prevrandao) for prevrandao, entry in enumerate(entries, 1)]
    results = list(replay.derive_all(batches, lambda _: manifests, ENGINE))

    def find_header(call_id: CallId) -> BatchHeader:
        return batches[call_id].header

    found = replay.replay_cell(
        entries, 3, manifests.__getitem__, ENGINE, find_header=find_header
    ).executions
    rows = [row for result in results for row in result.rows]
    assert [execution.output for execution in found] == [row.output for row in rows]


class Asking(ScriptedSession):
    """A session that notes the noise of each question, and how much it had seen by then."""

    def __init__(self) -> None:
        super().__init__(lambda at, token: (at * 31 + token) % 7 * 9_000)
        self.noises: list[tuple[int, Noise | None]] = []
        self.choices: list[int] = []

    def best(self, allowed: Sequence[int], noise: Noise | None = None) -> int:
        self.noises.append((len(self.tokens), noise))
        return super().best(allowed, noise)

    def logits(self, tokens: Sequence[int]) -> list[int]:
        self.choices.append(len(self.tokens))
        return super().logits(tokens)


FLAGS = Field(
    b"flags", FieldType.ARRAY, Role.WRITES, (), element=FieldType.BOOLEAN, items=3, biases=(0, 0)
)


def decode(sampling: Sampling | None, session: Asking) -> decoding.Decoded:
    machine = Machine((MOOD, NOTE, FLAGS, COUNT), VOCABULARY.missing)
    return decoding.decode(machine, VOCABULARY, session, 200, masks.allowed_tokens, sampling)


def test_noise_belongs_to_the_position_and_is_drawn_only_where_something_is_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rule: SAMPLE-6."""
    built: list[int] = []
    original = noise.build_noise

    def spy(temperature: int, seed: Hash32, position: int) -> Noise:
        built.append(position)
        return original(temperature, seed, position)

    monkeypatch.setattr(noise, "build_noise", spy)
    forced = 0
    for start in (0, 5, 1_000):
        built.clear()
        session = Asking()
        decoded = decode(Sampling(1 << 17, SEED, start), session)
        asked = sorted([at for at, _ in session.noises] + session.choices)
        assert built == [start + at for at in asked]
        for at, found in session.noises:
            assert found == original(1 << 17, SEED, start + at)
        kinds = [step.kind for step in decoded.steps]
        assert len(asked) <= len(kinds) - kinds.count(decoding.StepKind.FORCED)
        forced += kinds.count(decoding.StepKind.FORCED)
    assert forced > 3


def test_without_sampling_no_noise_is_asked_for() -> None:
    """Rule: SAMPLE-6."""
    session = Asking()
    decode(None, session)
    assert {found for _, found in session.noises} == {None}


def test_choices_are_drawn_too_with_their_biases() -> None:
    """An ENUM whose options' logits differ by ln 3 is right three times in four.

    Rule: DECODE-9, SAMPLE-1
    """
    machine = Machine((MOOD,), VOCABULARY.missing)
    counts = {b"bad": 0, b"good": 0}
    fair = {b"bad": 0, b"good": 0}
    bias = 72_000  # 65,536 ln 3
    tilted = Machine((replace(MOOD, biases=(bias, 0)),), VOCABULARY.missing)
    for position in range(1_500):
        sampling = Sampling(1 << 16, SEED, position * 64)
        for tried, found in ((tilted, counts), (machine, fair)):
            session = ScriptedSession(lambda _at, _token: 0)
            output = decoding.decode(
                tried, VOCABULARY, session, 60, masks.allowed_tokens, sampling
            ).output
            found[b"bad" if b"bad" in output else b"good"] += 1
    assert abs(counts[b"bad"] / 1_500 - 0.75) < 0.04
    assert abs(fair[b"bad"] / 1_500 - 0.5) < 0.05


def test_a_cell_kept_from_a_cold_version_is_met_by_a_warm_one() -> None:
    """Rule: TRANSITION-3."""
    cold, warm = build_action(), build_action(temperature=WARM)
    before = transition.execute_call(
        entry=build_entry(cold), manifest=cold, cell=None, engine=ENGINE
    ).cell_after
    assert isinstance(before, Cell)
    after = transition.execute_call(
        entry=build_entry(warm, 1), manifest=warm, cell=before, engine=ENGINE, previous=cold,
        seed=SEED,
    ).cell_after  # fmt: skip
    assert isinstance(after, Cell)
    assert (after.version, after.manifest_hash) == (2, warm.hash)


@pytest.mark.parametrize("segments", [SAMPLED.segments, ()])
def test_the_noise_of_a_calls_token_is_that_of_its_samplers_position(
    monkeypatch: pytest.MonkeyPatch, segments: tuple[Segment, ...]
) -> None:
    """With an empty prompt the first output token's sampler stands in position 0.

    Rule: SAMPLE-2, TRANSITION-8
    """
    action = build_action(temperature=WARM, segments=segments)
    built: list[int] = []
    original = noise.build_noise

    def spy(temperature: int, seed: Hash32, position: int) -> Noise:
        assert (temperature, seed) == (WARM, SEED)
        built.append(position)
        return original(temperature, seed, position)

    monkeypatch.setattr(noise, "build_noise", spy)
    begun = begin_call(
        entry=build_entry(action), manifest=action, cell=None, engine=ENGINE, seed=SEED
    )
    assert isinstance(begun, Running)
    decoded = base.drive(begun.steps(), ENGINE.open(begun.prefix))
    first = len(begun.tokens)
    open_steps = [
        first + index
        for index, step in enumerate(decoded.steps)
        if step.kind is not decoding.StepKind.FORCED
    ]
    assert built
    assert set(built) <= set(open_steps)
    assert bool(segments) == bool(first)
    # what was alone allowed drew nothing; most was not
    assert len(built) * 2 > len(open_steps)
