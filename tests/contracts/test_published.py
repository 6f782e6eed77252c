"""What a step reads of a published manifest is what the parser reads."""

from __future__ import annotations

import dataclasses
import functools
import random

import pytest

from oyez.protocol.machine_fields import WrittenField
from oyez.protocol.manifest import encode_manifest, parse_manifest
from oyez.protocol.step import LayerFormats, StepModel
from oyez.protocol.types import Manifest, Role
from tests import given_models
from tests.contracts import harness
from tests.contracts.harness import ROOT, SHAPE, Contract, World
from tests.manifest_cases import build_cases
from tests.manifests import LIMITS, random_manifest

MODEL = StepModel(
    root=ROOT,
    shape=SHAPE,
    records=49_000,
    tied=True,
    embedding_type=8,
    head_type=8,
    epsilon=1,
    score_scale=1,
    output_exponent=0,
    layers=(LayerFormats(16, 16, 16, 0, 0, (8,) * 7),) * SHAPE.layers,
    inner_height=12,
)


@functools.cache
def reader() -> tuple[World, Contract]:
    world = World(harness.settings())
    model = given_models.deploy_model(world, MODEL)
    return world, world.deploy("tests/contracts/PublishedHarness.vy", model.address)


def compare(data: bytes) -> Manifest:
    world, published = reader()
    world.actions.publish(data, sender=harness.AUTHOR)
    manifest = parse_manifest(data, LIMITS)

    assert published.terms(manifest.hash) == (True, manifest.output_tokens, manifest.temperature)
    written = [field for field in manifest.fields if field.role is Role.WRITES]
    for number, field in enumerate(written):
        found = published.find(manifest.hash, number)
        assert (found.is_written, found.type, found["items"]) == (True, field.base, field.items)
        assert (found.is_first, found.is_last) == (number == 0, number == len(written) - 1)
        assert (found.limit, found.low, found.high) == (field.limit, field.low, field.high)
        assert found.name_length == len(field.name)
        end = published.name_end(manifest.hash, number)
        assert data[end - len(field.name) : end] == field.name
        twin = WrittenField(field, number == 0)
        texts = published.choices(manifest.hash, number, 0)
        assert tuple(texts) == twin.first_choices
        assert tuple(published.choices(manifest.hash, number, 1)) == twin.choices
        assert tuple(published.biases(manifest.hash, number, 0)) == twin.biases
    assert not published.find(manifest.hash, len(written)).is_written
    assert not published.find(manifest.hash, 255).is_written
    return manifest


@pytest.mark.parametrize("seed", range(40))
def test_a_manifest_is_read_as_the_parser_reads_it(seed: int) -> None:
    """Rule: INNER-41"""
    manifest = random_manifest(random.Random(seed))
    compare(encode_manifest(dataclasses.replace(manifest, model=0)))


def test_manifests_at_the_bounds_are_read_too() -> None:
    """Rule: INNER-41"""
    for name, data in list(build_cases().items())[:12]:
        if name != "named cells, constant seed, long name":  # of another model
            compare(data)


def test_what_nobody_published_is_nothing() -> None:
    """Rule: INNER-41"""
    assert reader()[1].terms(bytes(32)) == (False, 0, 0)
