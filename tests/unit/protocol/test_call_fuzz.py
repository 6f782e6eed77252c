"""2,000 calls against engines that pick the worst allowed token, and 16 on the real model.

`OYEZ_SEED` sets the seed, `OYEZ_FUZZ_CALLS` the number of calls; counts per code are printed.
"""

from __future__ import annotations

import collections
import os
import random

import pytest

from oyez.engines.exact import load_engine
from oyez.protocol import codec, masks, schema, state
from oyez.protocol.types import Cell, Code, Entry, FieldType, Manifest
from oyez.testing.scripted import Mode, ScriptedEngine
from tests import versions
from tests.call_fuzz import (
    CALLERS,
    REACHABLE,
    World,
    random_action,
    random_entry,
    random_upgrade,
    run_batch,
)

SEED = int(os.environ.get("OYEZ_SEED", "1"))
CALLS = int(os.environ.get("OYEZ_FUZZ_CALLS", "2000"))
REAL_CALLS = 16


def show(counts: collections.Counter[Code]) -> str:
    return ", ".join(f"{code.name if code else 'ACCEPTED'} {counts[code]}" for code in REACHABLE)


def test_fuzzed_calls_end_in_one_outcome_with_valid_state(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Rule: TRANSITION-6, TRANSITION-9
    rng = random.Random(SEED)
    worlds = [
        World(ScriptedEngine(mode, seed=SEED, context=640), masks.allowed_tokens) for mode in Mode
    ]
    actions = [random_action(rng, worlds[0]) for _ in range(max(20, CALLS // 16))]
    manifests = {action.hash: action for action in actions}
    counts: collections.Counter[Code] = collections.Counter()
    arrays: collections.Counter[str] = collections.Counter()
    now = state.State.empty()
    sizes = [256, 1, 2]
    done = number = 0
    while done < CALLS:
        number += 1
        size = min(CALLS - done, sizes.pop(0) if sizes else rng.randint(1, 120))
        batch = [random_entry(rng, done + i, rng.choice(actions)) for i in range(size)]
        world = worlds[number % len(worlds)]
        now, ended = run_batch(rng, now, number, batch, manifests, world, arrays)
        counts += ended
        done += size
    with capsys.disabled():
        print(f"\nfuzzed calls: {done} in {number} batches, seed {SEED}: {show(counts)}")
        print(f"of actions that write arrays: {dict(sorted(arrays.items()))}")
    assert set(counts) <= set(REACHABLE)
    if CALLS >= 2_000:
        assert min(counts[code] for code in REACHABLE) >= 20
        assert min(arrays[code.name] for code in REACHABLE) >= 5
        assert arrays["cut inside"] >= 5
        for element in ("STRING", "ENUM", "BOOLEAN", "INTEGER"):
            assert min(arrays[f"{element} {size}"] for size in ("none", "most")) >= 1


def note_migration(old: Cell, was: Manifest, new: Manifest) -> collections.Counter[str]:
    """Hold a cell's migration against the plain one; say what became of arrays with items."""
    migrated = versions.migrate_plainly(was.fields, old.values, new.fields)
    assert schema.migrate_values(was, old.values, new) == migrated
    values = {f.name: v for f, v in zip(was.fields, old.values, strict=True)}
    seen: collections.Counter[str] = collections.Counter()
    for field, value in zip(new.fields, migrated, strict=True):
        if field.type is FieldType.ARRAY and values.get(field.name) not in (None, ()):
            seen["kept" if value == values[field.name] else "begun again"] += 1
    return seen


def test_fuzzed_calls_over_upgrades_keep_what_has_the_same_name_and_type() -> None:
    # Rule: SCHEMA-7, TRANSITION-3
    rng = random.Random(SEED)
    world = World(ScriptedEngine(Mode.RANDOM, seed=SEED, context=640), masks.allowed_tokens)
    chains: list[list[Manifest]] = []
    for _ in range(50):
        chain = [random_action(rng, world)]
        for _ in range(3):
            chain.append(random_upgrade(rng, world, chain[-1]))
        chains.append(chain)
    manifests = {version.hash: version for chain in chains for version in chain}
    now = state.State.empty()
    counts: collections.Counter[Code] = collections.Counter()
    arrays: collections.Counter[str] = collections.Counter()
    for number in range(1, 9):
        batch: list[Entry] = []
        for chain in chains:
            action_id = codec.compute_action_id(CALLERS[1], chain[0].hash)
            # the version in effect never goes back; half of the batches see a newer one
            version = chain[(number - 1) // 2]
            for _ in range(2):
                call_id = (number - 1) * 100 + len(batch)
                batch.append(random_entry(rng, call_id, version, action_id))
        before = now
        now, ended = run_batch(rng, now, number, batch, manifests, world)
        counts += ended
        for key, cell in now.cells():
            old = before.get(key)
            if old is not None and old.manifest_hash != cell.manifest_hash:
                was, later = manifests[old.manifest_hash], manifests[cell.manifest_hash]
                arrays += note_migration(old, was, later)
    assert counts[Code.NONE] >= 60
    assert min(arrays["kept"], arrays["begun again"]) >= 1, arrays


def test_fuzzed_calls_on_the_real_model(capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(SEED)
    engine = load_engine()
    world = World(engine, engine.allowed, most_tokens=120)
    actions = [random_action(rng, world) for _ in range(REAL_CALLS)]
    manifests = {action.hash: action for action in actions}
    batch = [random_entry(rng, index, action) for index, action in enumerate(actions)]
    _, counts = run_batch(rng, state.State.empty(), 1, batch, manifests, world)
    with capsys.disabled():
        print(f"\nfuzzed calls on the real model: {REAL_CALLS}, seed {SEED}: {show(counts)}")
    assert counts.total() == REAL_CALLS
    assert set(counts) <= set(REACHABLE)
    # the model ran for some of them, whatever the seed
    assert counts.total() - counts[Code.BAD_INPUT] - counts[Code.CONTEXT_OVERFLOW] >= 4
