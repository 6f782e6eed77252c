"""Random calls of random actions, against engines that pick the worst token allowed."""

from __future__ import annotations

from collections import Counter

from oyez.protocol import masks, state
from oyez.protocol.types import Code
from oyez.testing.scripted import Mode, ScriptedEngine
from scripts.soak.part import Block, Part, Result
from tests.call_fuzz import REACHABLE, World, random_action, random_entry, run_batch


def run(block: Block) -> Result:
    """Run batches of calls one after another; every call and every claim is held to its rules."""
    rng = block.rng()
    worlds = [
        World(ScriptedEngine(mode, seed=rng.getrandbits(32), context=640), masks.allowed_tokens)
        for mode in Mode
    ]
    actions = [random_action(rng, worlds[0]) for _ in range(max(20, block.items // 16))]
    manifests = {action.hash: action for action in actions}
    ended: Counter[Code] = Counter()
    now, done, number = state.State.empty(), 0, 0
    sizes = [256, 1, 2]
    while done < block.items:
        number += 1
        size = min(block.items - done, sizes.pop(0) if sizes else rng.randint(1, 120))
        batch = [random_entry(rng, done + i, rng.choice(actions)) for i in range(size)]
        now, codes = run_batch(rng, now, number, batch, manifests, worlds[number % len(worlds)])
        ended += codes
        done += size
    if not set(ended) <= set(REACHABLE):
        raise AssertionError(f"codes that no call can end with: {ended}")
    counts = Counter({code.name if code else "ACCEPTED": n for code, n in ended.items()})
    return Result(counts + Counter({"calls": done, "batches": number}))


PART = Part("calls", "random calls end in one outcome, and claims are replayed", run, 30, 2_000)
