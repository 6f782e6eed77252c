"""What a step reads of any field of a published manifest is what the parser reads."""

from __future__ import annotations

import dataclasses
import functools
import random

import pytest

from oyez.protocol import codec, schema
from oyez.protocol.manifest import encode_manifest, parse_manifest
from oyez.protocol.types import FieldType, Hash32, Role
from tests import machine_fuzz as fuzz
from tests import state_worlds
from tests.contracts.harness import Contract
from tests.manifest_cases import with_fields
from tests.manifests import LIMITS

OPTION_ROW = 5


@functools.cache
def reader() -> Contract:
    return fuzz.contract("tests/contracts/FieldsHarness.vy")


def compare(data: bytes) -> None:
    manifest = parse_manifest(fuzz.publish(data), LIMITS)
    read, fields = reader(), manifest.fields

    assert read.count(manifest.hash) == len(fields)
    options_at = len(data)
    for index, field in enumerate(fields):
        found = read.find(manifest.hash, index)
        is_array = field.type is FieldType.ARRAY
        assert (found.is_there, found.is_array, found.type) == (True, is_array, field.base)
        assert read.is_array_at(manifest.hash, index) == is_array
        assert found.is_after_array == (index > 0 and fields[index - 1].type is FieldType.ARRAY)
        assert found.name_length == len(field.name)
        assert data[found.name_end - len(field.name) : found.name_end] == field.name
        assert list(read.hashes(manifest.hash, index)) == [
            codec.keccak(field.name),
            schema.compute_type_hash(field),
            schema.compute_value_word(field, field.initial),
        ]
        assert found.options_at - (options_at if index else found.options_at) == 0
        options_at = found.options_at + OPTION_ROW * len(field.options)
    for index in (len(fields), 32, 2**255):
        assert not read.find(manifest.hash, index).is_there


@pytest.mark.parametrize("seed", range(24))
def test_fields_are_read_as_the_parser_reads_them(seed: int) -> None:
    """Rule: FRAME-24, FRAME-28"""
    rng = random.Random(seed)
    compare(fuzz.random_case(rng))
    compare(state_worlds.wide_action(rng))


def test_fields_at_the_bounds_are_read_too() -> None:
    """Rule: FRAME-24, FRAME-28"""
    for data in (*fuzz.awkward(), state_worlds.crowded_action(random.Random(2))):
        compare(data)


def test_lengths_of_options_are_added_up_whatever_their_number() -> None:
    """Rule: FRAME-24"""
    manifest = parse_manifest(fuzz.publish(state_worlds.crowded_action(random.Random(3))), LIMITS)
    sizes = [len(option) for field in manifest.fields for option in field.options]
    assert len(sizes) == 1_474
    for count in (
        0,
        1,
        6,
        7,
        31,
        32,
        33,
        63,
        64,
        65,
        95,
        96,
        127,
        160,
        191,
        192,
        193,
        223,
        224,
        383,
        384,
        1_473,
        1_474,
    ):
        assert reader().lengths(manifest.hash, count) == sum(sizes[:count])


@pytest.mark.parametrize("left", range(252, 260))
def test_options_may_stand_near_the_manifests_end(left: int) -> None:
    """So many bytes are left from the first one on: texts are loaded 256 at once.

    Rule: SCHEMA-1
    """
    letters = [bytes([letter]) for letter in state_worlds.LETTERS[:16]]
    more = left - (9 + 5) * len(letters) - 16
    texts = [letter + b"x" * 8 for letter in letters[:-1]] + [letters[-1] + b"x" * (8 + more)]
    field = dataclasses.replace(state_worlds.build_enum(b"e", texts), role=Role.WRITES)
    data = encode_manifest(with_fields([field]))
    assert len(data) - data.index(texts[0]) == left
    compare(data)


def test_of_a_manifest_that_nobody_published_there_is_no_field() -> None:
    """Rule: FRAME-20"""
    assert reader().count(Hash32(bytes(32))) == 0
    assert not reader().find(Hash32(bytes(32)), 0).is_there
