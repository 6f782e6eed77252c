"""A state's record: every lane of its inner trace is its step's, whatever state the call met."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

import pytest

from oyez.dispute.frame.facts import Preimages
from oyez.engines.exact.inner_leaves import InnerLeaves
from oyez.protocol import codec, schema, trace
from oyez.protocol.inner_frame import Frame, get_record
from oyez.protocol.manifest import encode_manifest, parse_manifest
from oyez.protocol.trace_records import build_prologue
from oyez.protocol.types import Field, FieldType, Manifest, Role, Value
from tests import call_fuzz, frame_calls, state_worlds
from tests import machine_fuzz as fuzz
from tests.manifest_cases import with_fields
from tests.manifests import BOUND, LIMITS
from tests.state_worlds import StateInput, give, meet
from tests.steps import World

WORDS = "ßжא٣日本語😀"
ITEMS = {
    FieldType.STRING: (b"", WORDS.encode(), b"x" * 40),
    FieldType.ENUM: (b"a", "日本".encode(), b"a"),
    FieldType.BOOLEAN: (True, False, True),
    FieldType.INTEGER: (-BOUND, 0, BOUND),
}


def build_field(name: str, kind: FieldType, items: int = 0) -> Field:
    """Return a kept field that takes the items above; the first one of an action is written."""
    scalar = Field(
        name.encode(),
        kind,
        Role.KEPT,
        {FieldType.STRING: b"", FieldType.ENUM: b"a", FieldType.BOOLEAN: False}.get(kind, 0),
        limit=40 if kind is FieldType.STRING else 0,
        options=(b"a", "日本".encode()) if kind is FieldType.ENUM else (),
        biases={FieldType.ENUM: (0, 0), FieldType.BOOLEAN: (0, 0)}.get(kind, ()),
        low=-BOUND if kind is FieldType.INTEGER else 0,
        high=BOUND if kind is FieldType.INTEGER else 0,
        digits=78 if kind is FieldType.INTEGER else 0,
    )
    if not items:
        return scalar
    return dataclasses.replace(scalar, type=FieldType.ARRAY, element=kind, items=items, initial=())


def build_action(*fields: Field) -> Manifest:
    """Return an action of these fields and a written one before them."""
    first = Field(b"w", FieldType.BOOLEAN, Role.WRITES, False, biases=(0, 0))
    return parse([first, *fields])


def parse(fields: Sequence[Field]) -> Manifest:
    return parse_manifest(encode_manifest(with_fields(fields)), LIMITS)


KINDS = list(ITEMS)
SCALARS = build_action(*(build_field(kind.name, kind) for kind in KINDS))
ARRAYS = build_action(*(build_field(kind.name, kind, 3) for kind in KINDS))


def list_met() -> dict[str, StateInput]:
    """Return states by what is awkward about them."""
    first = tuple(ITEMS[kind][0] for kind in KINDS)
    last = tuple(ITEMS[kind][1] for kind in KINDS)
    most = tuple(ITEMS[kind] for kind in KINDS)
    one = tuple(ITEMS[kind][:1] for kind in KINDS)
    grown = dataclasses.replace(build_field("new", FieldType.STRING, 2), items=64)
    later = build_action(
        *(build_field(kind.name, kind, 3 if kind is not FieldType.ENUM else 4) for kind in KINDS),
        grown,
    )
    moved = build_action(*reversed(later.fields[1:]))
    many = build_action(build_field("all", FieldType.BOOLEAN, 64))
    lone = parse([dataclasses.replace(build_field("k" * 32, FieldType.STRING), role=Role(1))])
    full = dataclasses.replace(build_field("s", FieldType.STRING), limit=512)
    return {
        "absent": give(SCALARS, None),
        "absent arrays": give(ARRAYS, None),
        "empty string, false, least integer": give(SCALARS, (False, *first)),
        "text beyond ASCII, 0": give(SCALARS, (True, *last)),
        "greatest integer": give(SCALARS, (True, *(ITEMS[kind][2] for kind in KINDS))),
        "empty arrays": give(ARRAYS, (False, (), (), (), ())),
        "arrays of one": give(ARRAYS, (True, *one)),
        "full arrays": give(ARRAYS, (True, *most)),
        "an array of 64": give(many, (True, (True, False) * 32)),
        "migrated": give(later, (True, *most), ARRAYS),
        "migrated to another order": give(moved, (True, *most), ARRAYS),
        "nothing kept": give(SCALARS, (True, *most), ARRAYS),
        "one field": give(lone, (b"",)),
        "a string of 512": give(build_action(full), (True, b"\xc3\xa9" * 256)),
    }


@pytest.mark.parametrize("name", list_met())
def test_every_lane_of_an_awkward_state_is_its_steps(name: str) -> None:
    """Rule: FRAME-20, FRAME-21, FRAME-22, FRAME-23, FRAME-24, FRAME-25, FRAME-26, FRAME-33"""
    met = meet(list_met()[name])
    state_worlds.check_record(met)
    assert state_worlds.check_lanes(fuzz.MODEL, met, call=255) > 3_000


def test_every_lane_of_manifests_at_their_bounds_is_its_steps() -> None:
    """Rule: FRAME-24, FRAME-27, FRAME-28, FRAME-29, FRAME-30, FRAME-31, FRAME-32, FRAME-33"""
    rng = random.Random(1)
    for data in (*fuzz.awkward(), *(fuzz.random_case(rng) for _ in range(6))):
        action = parse_manifest(data, LIMITS)
        for values in (None, state_worlds.random_values(rng, action.fields)):
            met = meet(give(action, values))
            state_worlds.check_record(met)
            state_worlds.check_lanes(fuzz.MODEL, met)


def test_every_lane_of_the_state_that_calls_met_is_its_steps() -> None:
    """Calls of every code, on cells that are absent, stored, and stored under another version.

    Rule: FRAME-33
    """
    rng = random.Random(5)
    batches = [frame_calls.run_batch(rng, 40) for _ in range(2)]
    for batch in batches:
        for index, facts in enumerate(batch.calls):
            record = get_record(index, Frame.STATE)
            counts = frame_calls.check_record(batch, record)
            assert counts["end"] == 2_048
            leaves = batch.build(index, Frame.STATE, Preimages())
            chunks = [leaves.get_chunk(len(leaves.types) - 16 + at) for at in range(16)]
            assert trace.compute_record_root(chunks) == build_prologue(facts.prologue)[1]
    seen = frame_calls.list_examples(batches)
    assert min(seen[code.name] for code in call_fuzz.REACHABLE) > 0, seen
    assert min(seen["stored cell"], seen["migrated cell"]) > 2, seen


def test_a_record_without_an_entry_is_dead() -> None:
    """Rule: FRAME-20"""
    met = meet(list_met()["full arrays"])
    nothing = dataclasses.replace(met, leaves=InnerLeaves(state_worlds.layout()), entry=[])
    assert state_worlds.check_lanes(fuzz.MODEL, nothing) == sum(
        region.leaves for region in state_worlds.layout().regions
    )


def test_a_cell_comes_with_the_manifest_it_was_stored_under() -> None:
    """Rule: FRAME-33"""
    given = list_met()["migrated"]
    with pytest.raises(ValueError, match="under another manifest"):
        meet(dataclasses.replace(given, previous=given.manifest))
    with pytest.raises(ValueError, match="under another manifest"):
        meet(dataclasses.replace(given, previous=None))


def test_preimages_are_of_their_digests_and_short_enough() -> None:
    """Rule: FRAME-33"""
    for given in list_met().values():
        for digest, data in meet(given).preimages.items():
            assert codec.keccak(data) == digest
            assert len(data) <= 2_048


def test_what_stands_in_the_json_is_what_the_prompt_shows() -> None:
    """Rule: FRAME-32"""
    given = list_met()["full arrays"]
    text = schema.format_state(given.manifest.fields, given.prologue.values)
    world: World = meet(given).open_world()
    first = state_worlds.layout().get("state_json").start
    assert world.get_inner(first).data.rstrip(b"\0") == text
    values: tuple[Value, ...] = given.prologue.values
    assert len(values) == 5
