"""The noise over a whole vocabulary: equal to the protocol's, and truly Gumbel's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from oyez.engines import base
from oyez.engines.base import Best, Request, Session
from oyez.engines.exact import noise as fast
from oyez.engines.exact.backend import Reference
from oyez.engines.exact.engine import ExactEngine
from oyez.engines.exact.gguf import open_gguf
from oyez.engines.exact.loading import load_engine
from oyez.engines.exact.tokens import parse_tokenizer_metadata
from oyez.engines.exact.weights import load_model
from oyez.protocol import codec, noise
from oyez.protocol.noise import Noise
from oyez.protocol.types import Hash32

Ints = NDArray[np.int64]

SEED = Hash32(b"\x05" * 32)
LAST = (1 << 32) - 1
VOCABULARY = np.arange(49_152, dtype=np.int32)
#: What a chi-square of 11 degrees of freedom exceeds once in a thousand times.
LIMIT = 31.26


def test_it_is_the_protocols_noise_bit_for_bit() -> None:
    """Rule: SAMPLE-3, SAMPLE-4, SAMPLE-5."""
    rng = np.random.default_rng(1)
    ends = [0, 1, (1 << 31) - 1, 1 << 31, LAST]
    draws = np.concatenate([ends, rng.integers(0, 1 << 32, 5_000)]).astype(np.int64)
    assert fast.compute_gumbel(draws).tolist() == [noise.compute_gumbel(r) for r in draws.tolist()]
    tokens = np.unique(rng.integers(0, 49_152, 3_000)).astype(np.int32)
    some = noise.build_noise(52_429, SEED, 17)
    assert fast.draw(some, tokens).tolist() == [noise.draw(some, t) for t in tokens.tolist()]


def test_logarithm_and_tail_grow_over_all_that_they_see() -> None:
    """All 2^24 and 2^23 inputs: so the noise, made of what never falls, never falls.

    Rule: SAMPLE-4, SAMPLE-5
    """
    t = np.arange(1 << 24, dtype=np.int64) + (1 << 24)
    logs = fast._compute_log2(t)
    assert (np.diff(logs) > 0).all()
    assert logs[0] == 24 << 28
    assert logs[-1] < 25 << 28
    assert np.abs(logs / 2**28 - np.log2(t)).max() < 2**-22.5
    v = np.arange((1 << 23) + 1, dtype=np.int64)
    tail = fast._compute_tail(v)
    assert (np.diff(tail) >= 0).all()
    assert tail[0] == 0
    seam = fast.compute_gumbel(np.array([(1 << 31) - 1, 1 << 31], np.int64))
    assert seam[0] <= seam[1]


def test_a_million_draws_are_near_the_true_noise_and_never_fall() -> None:
    """Rule: SAMPLE-5."""
    rng = np.random.default_rng(2)
    ends = np.arange(1 << 12, dtype=np.int64)
    middle = (1 << 31) - (1 << 11) + ends
    draws = np.concatenate([ends, middle, LAST - ends, rng.integers(0, 1 << 32, 1_000_000)])
    draws = np.unique(draws.astype(np.int64))
    found = fast.compute_gumbel(draws)
    rest = (LAST - draws + 0.5) / 2**32
    log = np.where(rest < 0.5, np.log1p(-rest), np.log((draws + 0.5) / 2**32))
    assert np.abs(found + np.log(-log) * 65_536).max() < 0.53
    assert (np.diff(found) >= 0).all()


@pytest.mark.parametrize("temperature", [1, 52_429, 65_536, 1 << 22, (1 << 32) - 1])
def test_leaving_out_what_cannot_win_loses_no_winner(temperature: int) -> None:
    """Rule: SAMPLE-1."""
    rng = np.random.default_rng(temperature)
    for position, spread in enumerate((0, 1, 60_000, 300_000, 2**31 - 1)):
        logits = rng.integers(-spread, spread + 1, 49_152).astype(np.int32)
        some = noise.build_noise(temperature, SEED, position)
        full = (logits.astype(np.int64) << 16) + temperature * fast.compute_gumbel(
            fast.draw(some, VOCABULARY)
        )
        assert fast.find_best(some, VOCABULARY, logits) == full.argmax()
        part = np.unique(rng.integers(0, 49_152, 700)).astype(np.int32)
        expected = noise.find_best(some, part.tolist(), logits[part].tolist())
        assert fast.find_best(some, part, logits[part]) == expected


@pytest.mark.parametrize("drawn", [77, (1 << 20) - 1, (77 << 20) - 1, LAST])
def test_equal_scores_go_to_the_lowest_id(drawn: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of draws whose noise is the most that their upper bits allow.

    Rule: SAMPLE-1
    """
    monkeypatch.setattr(fast, "draw", lambda _noise, tokens: np.full(len(tokens), drawn, np.int64))
    some = noise.build_noise(65_536, SEED, 0)
    for count in (4, 2_000):
        logits = np.zeros(count, np.int32)
        logits[2:] = 5
        assert fast.find_best(some, VOCABULARY[:count], logits) == 2


#: Q16; from nearly certain to unlikely.
LOGITS = np.array(
    [0, 65_536, 131_072, 98_304, -65_536, 32_768, 196_608, 0, -9_830, 65_000, 110_000, -40_000],
    np.int32,
)
TOKENS = np.array([0, 1, 2, 3, 4, 500, 501, 9_000, 9_001, 30_000, 49_150, 49_151], np.int32)
DRAWS = 4_000


def compute_chi_square(temperature: float, seed: Hash32 = SEED) -> float:
    """How far 4,000 samples lie from the float softmax; 11 degrees of freedom."""
    scaled = LOGITS / 65_536 / temperature
    expected = np.exp(scaled - scaled.max())
    expected *= DRAWS / expected.sum()
    q16 = round(temperature * 65_536)
    found = [
        fast.find_best(noise.build_noise(q16, seed, position), TOKENS, LOGITS)
        for position in range(DRAWS)
    ]
    counts = np.array([found.count(token) for token in TOKENS.tolist()])
    return float(((counts - expected) ** 2 / expected).sum())


@pytest.mark.parametrize("temperature", [0.6, 1.0, 2.5])
def test_samples_are_distributed_as_the_softmax(temperature: float) -> None:
    """Rule: SAMPLE-1, SAMPLE-5."""
    assert compute_chi_square(temperature) < LIMIT


def spoil_uniform(right: Callable[[Ints], Ints]) -> Callable[[Ints], Ints]:
    """Even noise with Gumbel's mean and variance."""
    del right
    low, width = 0.5772 - 1.2825 * 3**0.5, 2 * 1.2825 * 3**0.5
    return lambda r: ((low + width * r / 2**32) * 65_536).astype(np.int64)


def spoil_half(right: Callable[[Ints], Ints]) -> Callable[[Ints], Ints]:
    return lambda r: right(r) // 2


def spoil_warm(right: Callable[[Ints], Ints]) -> Callable[[Ints], Ints]:
    """Half as warm again."""
    return lambda r: right(r) * 3 // 2


def spoil_mirrored(right: Callable[[Ints], Ints]) -> Callable[[Ints], Ints]:
    return lambda r: -right(r)


def spoil_bits(right: Callable[[Ints], Ints]) -> Callable[[Ints], Ints]:
    """Three random bits a draw."""
    return lambda r: right((r >> 29 << 29) | 1 << 28)


@pytest.mark.parametrize("temperature", [0.6, 1.0, 2.5])
@pytest.mark.parametrize(
    "spoil", [spoil_uniform, spoil_half, spoil_warm, spoil_mirrored, spoil_bits]
)
def test_wrong_noise_is_seen(
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Callable[[Ints], Ints]], Callable[[Ints], Ints]],
    temperature: float,
) -> None:
    """Rule: SAMPLE-5."""
    monkeypatch.setattr(fast, "compute_gumbel", spoil(fast.compute_gumbel))
    assert compute_chi_square(temperature) > 2 * LIMIT


def build_draws(positions: int, tokens: int) -> NDArray[np.float64]:
    """Return u - 1/2 of the first tokens at the first positions."""
    ids = VOCABULARY[:tokens]
    rows = [fast.draw(noise.build_noise(65_536, SEED, at), ids) for at in range(positions)]
    return (np.stack(rows) + 0.5) / 2**32 - 0.5


def test_draws_hang_together_neither_over_positions_nor_over_tokens() -> None:
    """Rule: SAMPLE-2, SAMPLE-3."""
    draws = build_draws(256, 2_048)
    bound = 4.5 / draws.size**0.5
    assert abs(draws.mean()) < bound * 12**-0.5
    assert abs(draws.var() * 12 - 1) < bound
    for lag in (1, 2, 3, 4, 5, 8, 16, 64):
        assert abs((draws[lag:] * draws[:-lag]).mean() * 12) < 1.2 * bound, lag
        assert abs((draws[:, lag:] * draws[:, :-lag]).mean() * 12) < 1.2 * bound, lag


def test_calls_of_one_batch_draw_apart() -> None:
    """Rule: SAMPLE-2."""
    seeds = [codec.compute_seed(SEED, call) for call in range(64)]  # type: ignore[arg-type]  # plain ids
    rows = [fast.draw(Noise(1, noise.build_noise(1, s, 9).words), VOCABULARY) for s in seeds]
    draws = (np.stack(rows) + 0.5) / 2**32 - 0.5
    together = np.corrcoef(draws) - np.eye(64)
    assert np.abs(together).max() < 5.5 / 49_152**0.5


#: Q16: the tiny models are very sure of themselves.
HOT = 1 << 25


def observe(engine: ExactEngine, prefix: list[int], parts: list[list[int]]) -> list[int]:
    """What is drawn after the same tokens, however they were cut, at eight positions' noise."""
    session = engine.open(prefix)
    for part in parts:
        session.extend(part)
    noises = [noise.build_noise(HOT, SEED, position) for position in range(8)]
    return [session.best(range(0, 300, step), some) for some in noises for step in (1, 29)]


def test_neither_cache_nor_cuts_nor_kernel_change_a_draw(tiny_paths: dict[str, Path]) -> None:
    """Rule: ENGINE-26, SAMPLE-1."""
    engine = load_engine(tiny_paths["plain"], sha256=None)
    tokens = [72, 105, 299, 44, 32, 280]
    expected = observe(engine, [], [tokens])
    session = engine.open(tokens)
    logits = session.logits(range(300))
    some = [noise.build_noise(HOT, SEED, position) for position in range(8)]
    assert expected[::2] == [noise.find_best(each, range(300), logits) for each in some]
    # Few tokens have their rows read alone: by the same noise.
    few = range(0, 300, 29)
    assert expected[1::2] == [noise.find_best(each, few, logits[::29]) for each in some]
    assert len(set(expected[::2])) > 4
    file = open_gguf(tiny_paths["plain"])
    model = load_model(file)
    plain = ExactEngine(model, parse_tokenizer_metadata(file), Reference(model))
    for other in (engine, plain):
        assert observe(other, tokens[:4], [tokens[4:]]) == expected
        assert observe(other, tokens[:2], [[token] for token in tokens[2:]]) == expected


def test_calls_that_are_answered_together_draw_as_alone(tiny_paths: dict[str, Path]) -> None:
    """Some above temperature 0 and some at it, all over more tokens than rows are read for.

    Rule: SAMPLE-1
    """
    engine = load_engine(tiny_paths["plain"], sha256=None)
    asked: list[tuple[Session, Request]] = []
    for call in range(24):
        session = engine.open([])
        session.extend([72, 105, 30 + call % 3])
        some = noise.build_noise(HOT, SEED, call) if call % 4 else None
        asked.append((session, Best(range(call % 5, 300), some)))
    alone = [base.answer(*pair) for pair in asked]
    assert engine.answer(asked) == alone
    assert len(set(map(str, alone))) > 8
