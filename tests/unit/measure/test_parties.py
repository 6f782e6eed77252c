"""Both sides of a comparison do all of the work that they are said to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from oyez.engines.exact.backend import Cache, Lanes, Reference, Residuals
from oyez.engines.exact.engine import ExactEngine
from oyez.engines.exact.gguf import open_gguf
from oyez.engines.exact.tokens import parse_tokenizer_metadata
from oyez.engines.exact.weights import load_model
from oyez.engines.llama_context import Part, Settings
from oyez.measure import parties
from oyez.measure.parties import Continuation, Exact, Llama, decode_in_turn, decode_scheduled
from tests.unit.engine import tiny


class Counting(Reference):
    """Counts tokens and rows of scores, by call."""

    def __init__(self, path: Path) -> None:
        super().__init__(load_model(open_gguf(path)))
        self.ran: list[int] = []
        self.scored: list[int] = []

    def run_together(self, parts: Sequence[tuple[Cache, Sequence[int]]]) -> tuple[Residuals, Lanes]:
        self.ran.append(sum(len(tokens) for _, tokens in parts))
        return super().run_together(parts)

    def logits(self, x: np.ndarray) -> np.ndarray:
        self.scored.append(len(np.atleast_2d(x)))
        return super().logits(x)


class FakeContext:
    """Holds tokens by sequence, as llama.cpp does; always prefers the same token."""

    settings = Settings(64, block=4)

    def __init__(self) -> None:
        self.held: dict[int, list[int]] = {}
        self.batches: list[int] = []

    def run(self, parts: Sequence[Part]) -> np.ndarray:
        for part in parts:
            held = self.held.setdefault(part.sequence, [])
            assert len(held) == part.start
            held.extend(part.tokens)
        self.batches.append(sum(len(part.tokens) for part in parts))
        return np.eye(len(parts), 9, 5, dtype=np.float32)

    def clear(self, sequence: int) -> None:
        self.held[sequence] = []


@pytest.fixture
def backend(tiny_file: Path) -> Counting:
    return Counting(tiny_file)


@pytest.fixture(scope="module")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_model(tmp_path_factory.mktemp("p") / "m.gguf", tiny.Shape(layers=1))


def test_the_exact_side(backend: Counting) -> None:
    side = Exact(backend, backend.model)
    assert side.prefill([1, 2, 3]) > 0
    assert (backend.ran, backend.scored) == ([1, 3], [1, 1])
    backend.ran.clear()
    backend.scored.clear()
    assert side.decode_together([[5, 6], [7, 8, 9]], 4) > 0
    assert (backend.ran, backend.scored) == ([1, 2, 3, 2, 2, 2, 2], [1, 2, 2, 2, 2])
    backend.ran.clear()
    assert side.decode([], 3) > 0
    assert backend.ran == [1, 1, 1, 1]


def test_llamas_side() -> None:
    context = FakeContext()
    side = Llama(context)  # type: ignore[arg-type]  # a twin of what it takes
    assert side.prefill(list(range(10))) > 0
    assert context.batches == [1, 4, 4, 2]
    assert context.held == {0: list(range(10))}
    context.batches.clear()
    assert side.decode_together([[1, 2], [3]], 3) > 0
    assert context.batches == [2, 1, 2, 2, 2]
    # the best token after each: the context prefers 5 and 6
    assert context.held == {0: [1, 2, parties.FIRST, 5, 5], 1: [3, parties.FIRST, 6, 6]}
    context.batches.clear()
    assert side.decode([], 2) > 0
    assert context.held[0] == [parties.FIRST, 5]
    assert decode_in_turn(side, [[1], [2, 3]], 2) > 0
    assert context.held[0] == [2, 3, parties.FIRST, 5]


def test_the_scheduler_decodes_all_calls_together(backend: Counting, tiny_file: Path) -> None:
    engine = ExactEngine(backend.model, parse_tokenizer_metadata(open_gguf(tiny_file)), backend)
    assert decode_scheduled(engine, [[5, 6], [7, 8, 9], [10]], 4) > 0
    assert backend.ran == [2, 3, 1] + 4 * [3]
    assert backend.scored == 5 * [3]
    assert engine.traced


def test_a_continuation_appends_the_best_token_each_time(backend: Counting) -> None:
    steps = Continuation((1,), 2, np.arange(3, dtype=np.int32)).steps()
    asked = [next(steps), steps.send(7), steps.send(None), steps.send(8), steps.send(None)]
    assert [type(request).__name__ for request in asked] == [
        *("Best", "Extend", "Best", "Extend", "Best")
    ]
    assert asked[1].tokens == [7]  # type: ignore[union-attr]  # an Extend, by its name
    with pytest.raises(StopIteration) as end:
        steps.send(9)
    assert end.value.value == 9


def test_tokens_repeat() -> None:
    assert parties.repeat([1, 2, 3], 7) == [1, 2, 3, 1, 2, 3, 1]
    assert parties.repeat((1, 2, 3), 2) == [1, 2]
