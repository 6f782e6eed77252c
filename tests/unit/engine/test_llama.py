"""llama.cpp behind the seam, over a context that takes its scores from the exact arithmetic.

The real library is not among what tests install; the bench runs it.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from oyez.engines import llama, llama_context
from oyez.engines.exact.backend import Reference
from oyez.engines.exact.engine import ExactEngine
from oyez.engines.exact.gguf import open_gguf
from oyez.engines.exact.tokens import parse_tokenizer_metadata
from oyez.engines.exact.weights import load_model
from oyez.engines.llama import LlamaEngine
from oyez.engines.llama_context import Part, Scores
from oyez.protocol import decoding
from oyez.protocol.errors import Fatal, Invalid
from oyez.protocol.machine import Machine
from oyez.protocol.noise import build_noise
from oyez.protocol.types import Field, FieldType, Hash32, Role
from tests.unit.engine import tiny

UNIT = 65_536


class ExactFloats:
    """A context whose scores are the exact ones: below 2**24, so that a float32 holds them."""

    def __init__(self, engine: ExactEngine) -> None:
        self.engine = engine
        self.tokens: dict[int, list[int]] = {}
        self.log: list[tuple[str, int, int]] = []
        self.scores = np.zeros((1, engine.shape.vocabulary), np.float32)

    def run(self, parts: Sequence[Part]) -> Scores:
        (part,) = parts
        held = self.tokens.setdefault(part.sequence, [])
        assert len(held) == part.start
        held.extend(part.tokens)
        self.log.append(("run", part.sequence, len(part.tokens)))
        session = self.engine.open([])
        session.extend(held)
        logits = np.array(session.logits(range(self.engine.shape.vocabulary)))
        assert np.abs(logits).max() < 1 << 24
        self.scores[:] = logits / UNIT  # one place for all runs, as llama.cpp has it
        return self.scores

    def copy(self, source: int, target: int) -> None:
        assert not self.tokens.get(target)
        self.tokens[target] = list(self.tokens[source])
        self.log.append(("copy", source, target))

    def clear(self, sequence: int) -> None:
        self.tokens[sequence] = []


class Scripted:
    """A context that always gives these scores."""

    def __init__(self, scores: list[float]) -> None:
        self.scores = np.array([scores], np.float32)

    def run(self, parts: Sequence[Part]) -> Scores:
        return self.scores

    def copy(self, source: int, target: int) -> None: ...

    def clear(self, sequence: int) -> None: ...


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> ExactEngine:
    path = tiny.write_model(tmp_path_factory.mktemp("llama") / "m.gguf", tiny.Shape(context=256))
    file = open_gguf(path)
    model = load_model(file)
    return ExactEngine(model, parse_tokenizer_metadata(file), Reference(model))


def build(exact: ExactEngine, context: llama.FloatContext, **options: int) -> LlamaEngine:
    return LlamaEngine(context, exact.vocabulary, exact.shape, **options)


def test_with_the_exact_scores_a_call_decodes_as_on_the_exact_engine(exact: ExactEngine) -> None:
    """Rule: ENGINE-35"""
    floats = build(exact, ExactFloats(exact))
    fields = [
        Field(b"mood", FieldType.ENUM, Role.WRITES, b"", options=(b"bad", b"good")),
        Field(b"text", FieldType.STRING, Role.WRITES, b"", limit=12),
    ]
    machine = Machine(fields, exact.vocabulary.missing)
    found = []
    for engine in (exact, floats):
        session = engine.open([5, 6, 7])
        session.extend([8, 9])
        found.append(decoding.decode(machine, exact.vocabulary, session, 60, engine.allowed))
    assert found[0] == found[1]
    assert len(found[0].output) > 20


def test_scores_are_rounded_before_they_are_compared(exact: ExactEngine) -> None:
    """Rule: ENGINE-35"""
    scores = [0.0] * exact.shape.vocabulary
    scores[3], scores[7] = 2.0 - 0.4 / UNIT, 2.0 + 0.4 / UNIT
    scores[9] = -1.0 - 2.5 / UNIT
    scores[20], scores[21] = 1e9, -1e9
    session = build(exact, Scripted(scores)).open([1])
    assert session.logits([7, 3, 9]) == [2 * UNIT, 2 * UNIT, -UNIT - 2]
    assert session.logits([20, 21]) == [2**31 - 1, 1 - 2**31]  # within 32 bits
    assert session.best([1, 3, 7]) == 3  # equal once rounded: the lowest id
    assert session.best(np.array([7, 9], np.int32)) == 7


def test_sampling_has_the_exact_engines_noise(exact: ExactEngine) -> None:
    floats = build(exact, ExactFloats(exact))
    ids = range(10, 290)
    for position in range(20):
        noise = build_noise(2 * UNIT, Hash32(bytes(32)), position)
        assert floats.open([3]).best(ids, noise) == exact.open([3]).best(ids, noise)


def test_nothing_that_only_bits_can_prove_is_answered(exact: ExactEngine) -> None:
    """Rule: ENGINE-35"""
    floats = build(exact, ExactFloats(exact))
    session = floats.open([1, 2])
    with pytest.raises(Fatal, match="no records of layers"):
        session.position_root(0, Hash32(bytes(32)))
    with pytest.raises(Fatal, match="no model root"):
        _ = floats.model_root


def test_a_prefix_runs_once_and_its_sequence_is_copied(exact: ExactEngine) -> None:
    context = ExactFloats(exact)
    floats = build(exact, context)
    first, second = floats.open([1, 2, 3]), floats.open([1, 2, 3])
    assert [kind for kind, _, _ in context.log] == ["run", "copy", "copy"]
    first.extend([4])
    second.extend([5, 6])
    plain = exact.open([1, 2, 3, 5, 6])
    assert second.logits(range(300)) == plain.logits(range(300))
    assert first.logits(range(300)) == exact.open([1, 2, 3, 4]).logits(range(300))
    assert sorted(map(len, context.tokens.values())) == [3, 4, 5]


def test_sequences_are_used_again_when_sessions_are_gone(exact: ExactEngine) -> None:
    floats = build(exact, ExactFloats(exact), sequences=2)
    held = floats.open([1])
    with pytest.raises(Fatal, match="too many contexts"):
        floats.open([])
    del held
    gc.collect()
    again = floats.open([1])
    again.extend([2])
    assert again.logits(range(300)) == exact.open([1, 2]).logits(range(300))


def test_the_oldest_prefix_makes_room(exact: ExactEngine) -> None:
    context = ExactFloats(exact)
    floats = build(exact, context, sequences=llama.PREFIXES + 1)
    for prefix in range(llama.PREFIXES):
        floats.open([prefix])
    floats.open([0])  # used again: 1 is the oldest now
    context.log.clear()
    floats.open([100])
    floats.open([0])
    assert [kind for kind, _, _ in context.log] == ["run", "copy", "copy"]
    floats.open([1])
    assert [kind for kind, _, _ in context.log].count("run") == 2


def test_long_prompts_run_in_blocks(exact: ExactEngine) -> None:
    context = ExactFloats(exact)
    session = build(exact, context, block=4).open([])
    session.extend(list(range(10)))
    assert [count for _, _, count in context.log] == [4, 4, 2]
    assert session.logits([0, 1]) == exact.open(list(range(10))).logits([0, 1])


def test_what_cannot_run_is_refused(exact: ExactEngine) -> None:
    floats = build(exact, ExactFloats(exact))
    session = floats.open([])
    with pytest.raises(ValueError, match="no scores"):
        session.best([1])
    for tokens in ([], [-1], [exact.shape.vocabulary]):
        with pytest.raises(ValueError, match="tokens, or one"):
            session.extend(tokens)
    with pytest.raises(ValueError, match="exceed"):
        session.extend([1] * (exact.shape.context + 1))
    broken = build(exact, Scripted([float("nan")] * exact.shape.vocabulary))
    with pytest.raises(Fatal, match="no numbers"):
        broken.open([1])


def test_without_the_extra_the_fix_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    with pytest.raises(Invalid, match=r"oyez\[llama\]"):
        llama_context.LlamaWeights(Path("model.gguf"))
