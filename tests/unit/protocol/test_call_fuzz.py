"""2,000 calls against engines that pick the worst allowed token, and 16 on the real model.

`OYEZ_SEED` sets the seed, `OYEZ_FUZZ_CALLS` the number of calls; counts per code are printed.
"""

from __future__ import annotations

import collections
import os
import random

import pytest

from oyez.engines.exact import load_engine
from oyez.protocol import masks, state
from oyez.protocol.types import Code
from oyez.testing.scripted import Mode, ScriptedEngine
from tests.call_fuzz import REACHABLE, World, random_action, random_entry, run_batch

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
