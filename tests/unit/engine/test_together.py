"""Many calls at once: the same bits as one by one, whatever is put together."""

from __future__ import annotations

import dataclasses
import functools
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oyez.derivation import calls, replay
from oyez.derivation.calls import Calls
from oyez.engines import base
from oyez.engines.exact import ExactEngine
from oyez.engines.exact.gguf import open_gguf
from oyez.engines.exact.kernels import Kernels
from oyez.engines.exact.prefix_cache import PrefixCache
from oyez.engines.exact.session import BLOCK, FEW_TOKENS, share_out
from oyez.engines.exact.tokens import parse_tokenizer_metadata
from oyez.engines.exact.weights import load_model
from oyez.engines.together import Together
from oyez.protocol import decoding, trace
from oyez.protocol.machine import Machine
from oyez.protocol.manifest import encode_manifest, parse_manifest
from oyez.protocol.masks import allowed_tokens
from oyez.protocol.transition import Execution
from oyez.protocol.types import (
    BatchHeader,
    Cell,
    CellKind,
    Code,
    Entry,
    Field,
    FieldType,
    Hash32,
    Manifest,
    Role,
)
from oyez.testing.scripted import Mode, ScriptedEngine
from tests import call_fuzz
from tests.call_fuzz import World
from tests.unit.engine import tiny
from tests.unit.engine.compiled import open_library
from tests.unit.protocol.actions import build_header

CONTEXT = 900


@functools.cache
def model_file() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="oyez-together-"))
    shape = tiny.Shape(seed=21, layers=2, width=32, feed_forward=32, context=CONTEXT)
    return tiny.write_model(folder / "tiny.gguf", shape)


@functools.cache
def kernels(threads: int = 1) -> Kernels:
    model = load_model(open_gguf(model_file()))
    return Kernels(open_library(), model, threads=threads)


@functools.cache
def tokenizer() -> Any:  # Any: what the loader makes of the file
    return parse_tokenizer_metadata(open_gguf(model_file()))


def build_engine(positions: int = 4_096, threads: int = 1, **parts: Any) -> ExactEngine:
    backend = kernels(threads)
    cache = PrefixCache(positions)
    root = Hash32(bytes(32))
    return ExactEngine(backend.model, tokenizer(), backend, root, prefix_cache=cache, **parts)


@dataclasses.dataclass(frozen=True)
class Case:
    """Calls of a few actions on a few cells, and what they come to one by one."""

    entries: list[Entry]
    manifests: dict[Hash32, Manifest]
    header: BatchHeader
    expected: list[Execution]


def sampled(rng: random.Random, action: Manifest, world: World) -> Manifest:
    """The action at temperature 0, or at another one."""
    changed = dataclasses.replace(action, temperature=rng.choice([0, 0, 65_536, 20_000]))
    return parse_manifest(encode_manifest(changed), world.limits)


@functools.lru_cache(maxsize=64)
def build_case(seed: int) -> Case:
    """Execute calls one by one, on an engine that keeps no prefix."""
    rng = random.Random(seed)
    engine = build_engine(0)
    world = World(engine, engine.allowed, most_tokens=60)
    actions = [
        sampled(rng, call_fuzz.random_action(rng, world), world) for _ in range(rng.randint(1, 3))
    ]
    manifests = {action.hash: action for action in actions}
    entries = [
        call_fuzz.random_entry(rng, index, rng.choice(actions))
        for index in range(rng.randint(1, 14))
    ]
    header = build_header(entries)
    cells: dict[Hash32, Cell | None] = {}
    expected = []
    for entry in entries:
        key = calls.get_cell_key(entry, manifests[entry.manifest_hash])
        done = replay.execute(entry, cells.get(key), manifests.__getitem__, engine, header)
        cells[key] = done.cell_after
        expected.append(done)
    return Case(entries, manifests, header, expected)


def run_together(case: Case, engine: ExactEngine, **limits: int) -> tuple[list[Execution], int]:
    """Run a case's calls together; return the executions by call, and the rounds it took."""
    cells: dict[Hash32, Cell | None] = {}
    running = Calls(
        engine, case.manifests.__getitem__, lambda key, _entry: cells.get(key), **limits
    )
    waiting, done, rounds = list(case.entries), [], 0
    while waiting or len(running):
        # they arrive one after another
        if waiting:
            running.add(waiting.pop(0), case.header)
        for ended in running.run():
            done.append(ended.execution)
            cells[ended.execution.cell_key] = ended.execution.cell_after
        rounds += 1
    return sorted(done, key=lambda execution: execution.entry.call_id), rounds


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 40),
    most_calls=st.integers(1, 20),
    most_positions=st.sampled_from([1, 300, 1_000, 10_000]),
    positions=st.sampled_from([0, 8, 40, 4_096]),
    threads=st.sampled_from([1, 2]),
)
def test_calls_together_do_what_they_do_one_by_one(
    seed: int, most_calls: int, most_positions: int, positions: int, threads: int
) -> None:
    """Any number in flight, any room, prefixes cached or not; cells shared or not.

    Rule: ENGINE-32, DERIVE-13
    """
    case, engine = build_case(seed), build_engine(positions, threads)
    limits = {"most_calls": most_calls, "most_positions": most_positions}
    assert run_together(case, engine, **limits)[0] == case.expected
    # once more, with whatever prefixes are cached now
    assert run_together(case, engine, **limits)[0] == case.expected


def test_the_cases_reach_what_they_are_for() -> None:
    """Accepted, refused and cut calls, sampled ones, shared cells, prefixes and long prompts."""
    cases = [build_case(seed) for seed in range(12)]
    executions = [each for case in cases for each in case.expected]
    assert {Code.NONE, Code.BAD_INPUT, Code.OUT_OF_TOKENS} <= {each.code for each in executions}
    assert any(each.seed for each in executions)
    assert any(len(each.prompt or ()) > 2 * BLOCK for each in executions)
    assert any(len({e.cell_key for e in case.expected}) < len(case.expected) for case in cases)
    assert any(action.prefix for case in cases for action in case.manifests.values())


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 40), most_calls=st.integers(1, 9), mode=st.sampled_from(Mode))
def test_an_engine_that_runs_nothing_together_is_driven_alike(
    seed: int, most_calls: int, mode: Mode
) -> None:
    """Rule: DERIVE-13."""
    rng = random.Random(seed)
    engine = ScriptedEngine(mode, seed=seed)
    world = World(engine, allowed_tokens, most_tokens=80)
    action = call_fuzz.random_action(rng, world)
    entries = [call_fuzz.random_entry(rng, index, action) for index in range(8)]
    # Some of the actions are sampled by their batch's seed.
    manifests, header = {action.hash: action}, build_header(entries)
    cells: dict[Hash32, Cell | None] = {}
    expected = []
    for entry in entries:
        key = calls.get_cell_key(entry, action)
        done_alone = replay.execute(entry, cells.get(key), manifests.__getitem__, engine, header)
        cells[key] = done_alone.cell_after
        expected.append(done_alone)
    running = Calls(engine, manifests.__getitem__, lambda *_: None, most_calls=most_calls)
    for entry in entries:
        running.add(entry, header)
    done = []
    while len(running):
        done += [ended.execution for ended in running.run()]
    assert sorted(done, key=lambda execution: execution.entry.call_id) == expected


@given(st.lists(st.integers(1, 2_000), min_size=1, max_size=200), st.integers(0, 300))
def test_a_block_is_shared_out_fairly(wanted: list[int], limit: int) -> None:
    """Rule: ENGINE-31."""
    given_out = share_out(wanted, limit)
    assert sum(given_out) == min(limit, sum(wanted))
    assert all(got <= want for got, want in zip(given_out, wanted, strict=True))
    most = max(given_out)
    for got, want in zip(given_out, wanted, strict=True):
        # who gets less than he wants gets as much as anybody, but for what does not divide
        assert got == want or got >= most - 1


class Watch:
    """A backend that counts what it is asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.blocks: list[list[int]] = []
        self.heads: list[int] = []
        self.few: list[int] = []
        real, head, some = Kernels.run_together, Kernels.logits, Kernels.logits_of

        def run(backend: Kernels, parts: Sequence[Any]) -> Any:
            self.blocks.append([len(tokens) for _, tokens in parts])
            return real(backend, parts)

        def logits(backend: Kernels, x: Any) -> Any:
            self.heads.append(len(x) if x.ndim == 2 else 1)
            return head(backend, x)

        def logits_of(backend: Kernels, x: Any, ids: Any) -> Any:
            self.few.append(len(ids))
            return some(backend, x, ids)

        monkeypatch.setattr(Kernels, "run_together", run)
        monkeypatch.setattr(Kernels, "logits", logits)
        monkeypatch.setattr(Kernels, "logits_of", logits_of)


class Prompted:
    """A program: a prefix, a prompt, and then some tokens by the whole head."""

    def __init__(self, prefix: Sequence[int], prompt: Sequence[int], new: int) -> None:
        self.prefix = tuple(prefix)
        self.prompt = list(prompt)
        self.new = new
        self.most_positions = len(prefix) + len(prompt) + new

    def steps(self) -> Any:
        if self.prompt:
            yield from base.extend(self.prompt)
        tokens = []
        for _ in range(self.new):
            tokens.append((yield from base.best(range(290))))
            yield from base.extend(tokens[-1:])
        return tokens

    def finish(self, session: Any, tokens: list[int]) -> tuple[list[int], Hash32]:
        return tokens, session.position_root(session.count - 1, Hash32(bytes(32)))


def test_a_long_prompt_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 128 at most, in which everybody has a share; one head for all who ask.

    Rule: ENGINE-31, ENGINE-32
    """
    engine, watch = build_engine(0), Watch(monkeypatch)
    together: Together[str, Any] = Together(engine, most_calls=4)
    together.add("long", Prompted((), [i % 256 for i in range(700)], 1))
    for index in range(3):
        together.add(f"short {index}", Prompted((), [3, 5, index], 4))
    order = []
    while len(together):
        order += [key for key, _ in together.run_round()]
    assert order[-1] == "long"
    assert max(map(sum, watch.blocks)) == BLOCK
    assert watch.blocks[0] == [119, 3, 3, 3]
    assert watch.blocks[1] == [125, 1, 1, 1]
    # 700 tokens in 6 blocks beside 5 rounds of the others, then the last token
    assert len(watch.blocks) == 7
    assert watch.heads == [3, 3, 3, 3, 1]


def test_one_call_runs_the_prefix_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule: ENGINE-24."""
    engine, watch = build_engine(), Watch(monkeypatch)
    prefix = [i % 256 for i in range(200)]
    together: Together[int, Any] = Together(engine)
    for index in range(5):
        together.add(index, Prompted(prefix, [index], 1))
    results: dict[int, Any] = {}
    while len(together):
        results |= dict(together.run_round())
    assert watch.blocks == [[128], [72], [1] * 5, [1] * 5]
    alone = build_engine(0)
    for index, found in results.items():
        single: Together[int, Any] = Together(alone)
        single.add(0, Prompted([], [*prefix, index], 1))
        while len(single):
            ended = single.run_round()
        assert ended == [(0, found)]


def test_a_prefix_that_another_finishes_first_is_taken_over_half_way() -> None:
    """What was run of it by oneself is dropped with the context, what comes after it still waits.

    Rule: ENGINE-24
    """
    engine, prefix = build_engine(), [i % 256 for i in range(200)]
    slow, fast = engine.open(prefix), engine.open(prefix)
    slow.extend([7, 8, 9])
    assert engine.advance([slow]) == [75]
    fast.settle()
    alone = build_engine(0).open([*prefix, 7, 8, 9])
    assert (slow.get_last() == alone.get_last()).all()
    assert slow.count == alone.count == 203
    for index in (0, 127, 128, 199, 200, 202):
        assert slow.layer_roots(index) == alone.layer_roots(index)
    assert engine.prefix_cache.hits == 1


def test_the_head_computes_the_rows_that_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A choice reads its options' rows; forced bytes run as one block, with no rows at all.

    Rule: ENGINE-32
    """
    fields = [
        Field(b"mood", FieldType.ENUM, Role.WRITES, b"no", options=(b"no", b"yes", b"perhaps")),
        Field(b"name_of_a_field", FieldType.BOOLEAN, Role.WRITES, False, biases=(0, 0)),
    ]
    fields[0] = dataclasses.replace(fields[0], biases=(0, 0, 0))
    engine, watch = build_engine(0), Watch(monkeypatch)
    vocabulary = engine.vocabulary
    machine = Machine(fields, vocabulary.missing)
    session = engine.open([1, 2])
    decoded = decoding.decode(machine, vocabulary, session, 80, engine.allowed)
    assert decoded.code is Code.NONE
    assert watch.heads == []
    assert max(watch.few) <= 3
    # what is forced before each choice, and after the last
    forced = len(vocabulary.greedy(b'{"mood": "'))
    assert watch.blocks[0] == [2 + forced]
    assert len(watch.blocks) == len(watch.few)
    assert session.count == 2 + len(decoded.tokens)
    assert vocabulary.size > FEW_TOKENS


def test_at_least_one_call_is_let_in_and_no_more_than_there_is_room_for() -> None:
    """Rule: ENGINE-32."""
    engine = build_engine(0)
    opened: list[int] = []
    real = engine.open
    engine.open = lambda prefix: opened.append(1) or real(prefix)  # type: ignore[method-assign, func-returns-value]  # counts
    together: Together[int, Any] = Together(engine, most_calls=3, most_positions=25)
    for index in range(6):
        together.add(index, Prompted((), [1] * 8, 2))
    together.run_round()
    assert len(opened) == 2
    roomy: Together[int, Any] = Together(engine, most_calls=3)
    for index in range(6):
        roomy.add(index, Prompted((), [1] * 8, 2))
    roomy.run_round()
    assert len(opened) == 2 + 3
    assert len(roomy) == 6
    alone: Together[int, Any] = Together(engine, most_positions=1)
    alone.add(0, Prompted((), [1] * 8, 2))
    while len(alone):
        alone.run_round()
    assert len(opened) == 2 + 3 + 1


def test_an_untraced_engine_has_no_roots_and_leaves_traced_prefixes_alone() -> None:
    """Rule: ENGINE-24."""
    engine = build_engine()
    engine.traced = False
    session = engine.open([1, 2, 3])
    session.settle()
    with pytest.raises(ValueError, match="keeps no trace"):
        session.position_root(0, Hash32(bytes(32)))
    engine.traced = True
    again = engine.open([1, 2, 3])
    expected = build_engine(0).open([1, 2, 3])
    for index in range(3):
        assert again.layer_roots(index) == expected.layer_roots(index)
    assert (again.get_last() == session.get_last()).all()
    engine.traced = False
    assert engine.open([1, 2, 3]).logits([5]) == expected.logits([5])
    assert isinstance(again.get_last(), np.ndarray)


def test_a_shared_position_has_the_root_of_each_calls_own_sampler() -> None:
    """The last position of a prefix may be a prompt's last: what is kept there is not another's.

    Rule: ENGINE-24
    """
    engine = build_engine()
    for byte in (1, 2, 1, 3):
        session, sampler = engine.open([1, 2, 3]), Hash32(bytes([byte]) * 32)
        for index in range(3):
            expected = trace.compute_position_root(session.layer_roots(index), sampler)
            assert session.position_root(index, sampler) == expected


def test_cell_kinds_of_the_cases() -> None:
    kinds = {a.cell_kind for seed in range(12) for a in build_case(seed).manifests.values()}
    assert len(kinds & set(CellKind)) >= 2
