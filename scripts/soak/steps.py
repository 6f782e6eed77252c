"""Steps of inner traces: Python and verifiers on random worlds; made traces held to their steps."""

from __future__ import annotations

from collections import Counter

from scripts.soak.part import Block, Part, Result
from tests import machine_steps, prompt_calls, prompt_steps, sampler_steps, state_steps
from tests.sampler_traces import count_traces
from tests.vocabulary_fuzz import KINDS, WAYS, count_answers, count_refused
from tests.vocabulary_steps import random_setup, setup


def run_sampler(block: Block) -> Result:
    """Judge so many lanes of each op of the sampler's frame on both sides."""
    rng, counts = block.rng(), Counter[str]()
    for op in sampler_steps.LANES:
        counts += sampler_steps.count_cases(rng, op, block.items)
    return Result(counts)


def run_prompt(block: Block) -> Result:
    """Judge so many lanes of each op of prompts and outputs on both sides."""
    rng, counts = block.rng(), Counter[str]()
    for op in prompt_steps.CONTRACTS:
        counts += prompt_steps.count_cases(rng, op, block.items)
    return Result(counts)


def run_prompt_calls(block: Block) -> Result:
    """Hold the prompts and outputs of so many batches of random calls to their steps."""
    rng, counts = block.rng(), Counter[str]()
    for _ in range(block.items):
        for call in prompt_calls.draw_calls(rng.getrandbits(32), 6, rng.choice((300, 640, 2_046))):
            counts += prompt_calls.check_call(call, 7, rng.randrange(7))
            counts.update(prompt_calls.describe(call))
    return Result(counts)


def run_state(block: Block) -> Result:
    """Judge so many lanes of each op of a state's record on both sides."""
    rng, counts = block.rng(), Counter[str]()
    for op in state_steps.VERIFIERS:
        counts += state_steps.count_cases(rng, op, block.items)
    return Result(counts)


def run_traces(block: Block) -> Result:
    """Hold the samplers of so many calls of random actions to their steps."""
    rng, counts = block.rng(), Counter[str]()
    for _ in range(block.items):
        counts += count_traces(rng)
    return Result(counts)


def run_vocabulary(block: Block) -> Result:
    """Judge so many lanes over text and scores of each kind, half under a vocabulary made up."""
    rng, counts = block.rng(), Counter[str]()
    worlds = (setup(), random_setup(rng.getrandbits(32)))
    for kind in KINDS:
        for world in worlds:
            seen = count_answers(kind, world, rng.getrandbits(48), block.items // 2)
            counts += Counter({f"{kind}, {what}": count for what, count in seen.items()})
    for way in WAYS:
        refused = count_refused(rng, worlds[0], way, rng.getrandbits(48), block.items // 10)
        counts[f"{way} damaged"] += refused
    return Result(counts)


def run_machine(block: Block) -> Result:
    """Judge the byte machine of fresh manifests, and so many lanes of each of its ops."""
    seed = 1_000 * block.seed + block.number
    return Result(machine_steps.count_cases(block.rng(), block.items, seed))


PARTS = (
    Part("step_machine", "lanes of the byte machine, in Python and on chain", run_machine, 20, 500),
    Part(
        "step_sampler", "lanes of the sampler's frame, in Python and on chain", run_sampler, 20, 500
    ),
    Part(
        "step_vocabulary",
        "lanes over text and scores, in Python and on chain",
        run_vocabulary,
        20,
        500,
    ),
    Part(
        "step_prompt",
        "lanes of prompts and outputs, in Python and on chain",
        run_prompt,
        20,
        500,
    ),
    Part(
        "prompt_calls",
        "prompts and outputs of random calls, each lane its step's",
        run_prompt_calls,
        20,
        100,
    ),
    Part("step_state", "lanes of a state's record, in Python and on chain", run_state, 20, 500),
    Part("sampler_traces", "samplers of random calls, each lane its step's", run_traces, 20, 10),
)
