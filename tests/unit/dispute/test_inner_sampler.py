"""Inner traces of samplers: every lane is the one that its step makes of the lanes before it."""

from __future__ import annotations

import dataclasses
import functools
import random

import numpy as np
import pytest

from oyez.dispute.rerun import run_again
from oyez.engines.exact.engine import ExactEngine
from oyez.engines.exact.inner_sampler import SamplerTrace
from oyez.engines.exact.loading import load_engine
from oyez.engines.exact.locate import find_model
from oyez.protocol import inner, trace
from oyez.protocol.constants import LAST_SLOT
from oyez.protocol.step_machine import Mode
from oyez.protocol.types import Code, Field, FieldType, Role
from tests.contracts.test_step_model import tiny
from tests.real_calls import RealBatch, build_short_action, check_record
from tests.sampler_traces import count_traces, list_samplers

WARM, HOT = 52_429, 2**32 - 1
MOOD = Field(
    b"mood",
    FieldType.ENUM,
    Role.WRITES,
    b"good",
    options=(b"b", b"bad", b"badly made", b"good", b"goodish"),
    biases=(0, 65_536, -70_000, 3, -1),
)
YES = Field(b"yes", FieldType.BOOLEAN, Role.WRITES, initial=False, biases=(100, -100))
COUNT = Field(b"n", FieldType.INTEGER, Role.WRITES, 0, low=-12, high=120, digits=4)
NOTE = Field(b"note", FieldType.STRING, Role.WRITES, b"none", limit=7)
NOTES = Field(b"s", FieldType.ARRAY, Role.WRITES, (), element=FieldType.STRING, limit=4, items=2)
FLAGS = Field(b"f", FieldType.ARRAY, Role.WRITES, (), element=FieldType.BOOLEAN, items=3)


def build_batch(
    engine: ExactEngine, fields: tuple[Field, ...], temperature: int, limit: int
) -> RealBatch:
    action = build_short_action(
        engine,
        fields=fields,
        temperature=temperature,
        output_tokens=limit,
        fixed_positions=limit + 3,
        max_input=8,
    )
    return RealBatch(engine, action, [b"a day"])


@functools.cache
def short() -> RealBatch:
    """A call with a choice, a string and a number, all modes among its samplers."""
    return build_batch(tiny("mixed")[0], (MOOD, NOTE, COUNT), WARM, 52)


def test_every_lane_of_every_sampler_obeys_its_step() -> None:
    """Rule: INNER-66, INNER-62"""
    modes = set()
    for record, mode in list_samplers(short()):
        assert check_record(short().machine, record) > 100
        modes.add(mode)
    assert modes == set(Mode)
    assert short().executions[0].code is Code.NONE


@pytest.mark.parametrize(
    ("name", "fields", "temperature", "limit"),
    [
        ("halves", (NOTES,), 0, 30),
        ("super", (YES, FLAGS), HOT, 44),
        ("mixed", (MOOD, COUNT), 0, 9),  # the limit cuts a queue
        ("halves", (NOTE,), WARM, 12),
        ("mixed", (FLAGS,), WARM, 30),
    ],
)
def test_other_models_fields_and_temperatures_do_too(
    name: str, fields: tuple[Field, ...], temperature: int, limit: int
) -> None:
    """Rule: INNER-66, INNER-65"""
    batch = build_batch(tiny(name)[0], fields, temperature, limit)
    for record, _ in list_samplers(batch):
        check_record(batch.machine, record, stride=7 if limit > 9 else 1, offset=record)


def test_an_empty_prompt_has_its_first_sampler_in_position_0() -> None:
    """Rule: INNER-66, INNER-60"""
    engine = tiny("mixed")[0]
    action = build_short_action(engine, segments=(), max_input=0, fields=(MOOD,))
    batch = RealBatch(engine, action, [b""])
    records = [record for record, _ in list_samplers(batch)]

    assert records[0] == trace.compute_outer_index(0, 0, LAST_SLOT)
    for record in records:
        check_record(batch.machine, record)


def test_samplers_of_the_real_model_obey_their_steps() -> None:
    """Rule: INNER-66"""
    engine = load_engine(find_model())
    modes = set()
    for fields, temperature in (((MOOD, NOTES), 0), ((COUNT, YES), WARM)):
        batch = build_batch(engine, fields, temperature, 40)
        for record, mode in list_samplers(batch):
            check_record(batch.machine, record, stride=4_001, offset=record)
            modes.add(mode)
    assert modes == set(Mode)


def test_samplers_of_random_actions_obey_their_steps() -> None:
    """Rule: INNER-66"""
    counts = count_traces(random.Random(3))
    assert counts["lanes"] > 1_000


#: A region, and a mode in which it has lanes.
ALTERED = {
    "before": Mode.RUN,
    "context": Mode.RUN,
    "mode": Mode.PROMPT,
    "run": Mode.RUN,
    "run_text": Mode.RUN,
    "run_tokens": Mode.RUN,
    "options": Mode.CHOICE,
    "candidates": Mode.CHOICE,
    "norm": Mode.FREE,
    "normed": Mode.CHOICE,
    "logits": Mode.FREE,
    "mask": Mode.FREE,
    "noise": Mode.CHOICE,
    "best": Mode.FREE,
    "choice": Mode.CHOICE,
    "top": Mode.FREE,
    "next": Mode.QUEUE,
    "walk": Mode.FREE,
    "ending": Mode.END,
    "state": Mode.FREE,
    "queue": Mode.RUN,
}


@pytest.mark.parametrize("name", sorted(ALTERED))
def test_a_lane_that_is_another_is_found(name: str) -> None:
    """Rule: INNER-66"""
    batch = short()
    record = next(record for record, mode in list_samplers(batch) if mode is ALTERED[name])
    leaves = batch.machine.open_inner(1, record).leaves
    region = leaves.layout.get(name)
    assert leaves.types[region.start] == region.type
    kept = leaves.data[region.start].copy()
    # the lowest bit of the first lane
    at = 0 if name == "run_text" else 31
    leaves.data[region.start, at] ^= 1
    with pytest.raises(AssertionError):
        check_record(batch.machine, record)
    leaves.data[region.start] = kept
    check_record(batch.machine, record)


def test_where_no_sampler_stands_none_is_made() -> None:
    """Rule: INNER-66"""
    batch = short()
    run = run_again(batch.executions[0], batch.fetch_manifest, batch.engine)
    assert run is not None
    layout = inner.layout_sampler(batch.engine.shape)
    given = run.get_sampler_input(run.prompt_length)
    for position in (-1, 0, len(run.tokens) + 1):
        wrong = dataclasses.replace(given, position=position)
        with pytest.raises(ValueError, match=f"no sampler stands in position {position}"):
            SamplerTrace(batch.engine, layout, wrong).build()
    with pytest.raises(ValueError, match="a sampled call has a seed"):
        SamplerTrace(batch.engine, layout, dataclasses.replace(given, seed=None)).build()
    free = next(record for record, mode in list_samplers(batch) if mode is Mode.FREE)
    given = run.get_sampler_input(inner.get_position(free))
    assert isinstance(given.x, np.ndarray)
    with pytest.raises(ValueError, match="scores follow from a position's lanes"):
        SamplerTrace(batch.engine, layout, dataclasses.replace(given, x=None)).build()
