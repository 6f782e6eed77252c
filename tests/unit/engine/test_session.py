"""Engines, sessions, the prefix cache and layer records."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oyez.engines.base import Engine
from oyez.engines.exact import ExactEngine, known, load_engine, selftest, trace
from oyez.engines.exact.backend import Reference
from oyez.engines.exact.gguf import open_gguf
from oyez.engines.exact.kernels import Kernels
from oyez.engines.exact.tokens import parse_tokenizer_metadata
from oyez.engines.exact.weights import load_model
from oyez.protocol import decoding, masks
from oyez.protocol import trace as protocol_trace
from oyez.protocol.errors import Fatal
from oyez.protocol.machine import Machine
from oyez.protocol.types import Field, FieldType, Hash32, Role
from oyez.protocol.vocabulary import Vocabulary
from tests.unit.engine.compiled import open_library

TOKENS = [72, 105, 299, 44, 32, 280, 120, 99, 0, 255]


@pytest.fixture
def engine(tiny_paths: dict[str, Path]) -> ExactEngine:
    return load_engine(tiny_paths["plain"], sha256=None)


@pytest.fixture(scope="session")
def real_engine() -> ExactEngine:
    return load_engine()


def observe(engine: Engine, prefix: list[int], parts: list[list[int]]) -> tuple[object, ...]:
    session = engine.open(prefix)
    for part in parts:
        session.extend(part)
    count = len(prefix) + sum(map(len, parts))
    return (
        session.best(range(300)),
        session.logits([0, 7, 299]),
        [session.layer_roots(index) for index in range(count)],
    )


def test_cache_and_cuts_change_no_bit(engine: ExactEngine) -> None:
    # Rule: ENGINE-24
    # Rule: ENGINE-26
    expected = observe(engine, [], [TOKENS])
    for prefix, parts in (
        (TOKENS[:4], [TOKENS[4:]]),
        (TOKENS[:4], [[token] for token in TOKENS[4:]]),
        (TOKENS, []),
        (TOKENS[:1], [TOKENS[1:3], TOKENS[3:]]),
    ):
        assert observe(engine, prefix, parts) == expected
        assert observe(engine, prefix, parts) == expected
    assert engine.prefix_cache.hits == 5
    engine.prefix_cache.limit = 0
    assert observe(engine, TOKENS[:5], [TOKENS[5:]]) == expected


def test_plain_backend_gives_the_same_answers(
    engine: ExactEngine, tiny_paths: dict[str, Path]
) -> None:
    # Rule: ENGINE-20
    file = open_gguf(tiny_paths["plain"])
    model = load_model(file)
    plain = ExactEngine(model, parse_tokenizer_metadata(file), Reference(model))
    prefix, parts = TOKENS[:4], [TOKENS[4:6], TOKENS[6:]]
    assert observe(plain, prefix, parts) == observe(engine, prefix, parts)
    assert plain.model_root == engine.model_root


def test_sessions_of_one_prefix_are_independent(engine: ExactEngine) -> None:
    first, second = engine.open(TOKENS[:4]), engine.open(TOKENS[:4])
    first.extend([1, 2, 3])
    second.extend([9])
    alone = engine.open([])
    alone.extend([*TOKENS[:4], 9])
    assert second.logits([5]) == alone.logits([5])
    assert [second.layer_roots(i) for i in range(5)] == [alone.layer_roots(i) for i in range(5)]
    assert first.layer_roots(4) != second.layer_roots(4)
    with pytest.raises(IndexError):
        second.layer_roots(5)


def test_cache_drops_the_least_recently_used(engine: ExactEngine) -> None:
    # Rule: ENGINE-24
    cache = engine.prefix_cache
    cache.limit = 8
    for prefix in ([1, 2, 3], [4, 5, 6], [1, 2, 3], [7, 8, 9]):
        engine.open(prefix).settle()
    assert len(cache) == 2
    assert cache.get((4, 5, 6)) is None
    assert cache.get((1, 2, 3)) is not None
    engine.open(range(9)).settle()
    assert len(cache) == 2


def test_best_takes_the_highest_logit_and_the_lowest_id_of_equals(
    tiny_paths: dict[str, Path], tmp_path: Path
) -> None:
    # Rule: ENGINE-19
    data = bytearray(tiny_paths["plain"].read_bytes())
    tensor = open_gguf(tiny_paths["plain"]).tensors["token_embd.weight"]
    row = slice(tensor.offset + 50 * tensor.row_bytes, tensor.offset + 51 * tensor.row_bytes)
    twin = tensor.offset + 290 * tensor.row_bytes
    data[twin : twin + tensor.row_bytes] = data[row]
    path = tmp_path / "twins.gguf"
    path.write_bytes(data)
    session = load_engine(path, sha256=None).open(TOKENS)
    logits = session.logits(range(300))
    assert logits[50] == logits[290]
    assert session.best([50, 290]) == 50
    assert session.best([290]) == 290
    assert session.best(range(300)) == logits.index(max(logits))
    low = int(np.argmin(logits))
    assert session.best([low, 50] if low < 50 else [50, low]) == 50


def test_wrong_use_is_refused(engine: ExactEngine) -> None:
    with pytest.raises(ValueError, match="append a token first"):
        engine.open([]).best([1])
    session = engine.open([1])
    for tokens in ([], [300], [-1]):
        with pytest.raises(ValueError, match="tokens"):
            session.extend(tokens)
    with pytest.raises(ValueError, match="context of 64"):
        session.extend([1] * 64)
    session.extend([1] * 63)


SIZES = [(576, 384), (64, 64), (256, 512), (300, 1_032), (36, 20), (2_048, 1_030)]


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from(SIZES),
    st.sampled_from([(1, 1), (2, 3), (6, 2), (1, 31)]),
)
def test_layer_roots_are_those_of_the_reference(
    seed: int, sizes: tuple[int, int], counts: tuple[int, int]
) -> None:
    """The plain code and every kind of SHA-256 in the kernels; position siblings too.

    Rule: ENGINE-22
    """
    rng = np.random.default_rng(seed)
    width, kv = sizes
    residuals = rng.integers(-(2**31) + 1, 2**31, (*counts, width)).astype(np.int32)
    lanes = rng.integers(-32_767, 32_768, (*counts, kv)).astype(np.int16)
    roots = trace.compute_roots(residuals, lanes)
    siblings = trace.compute_siblings(roots)
    for backend in hashers():
        assert (backend.compute_roots(residuals, lanes) == roots).all()
        assert (backend.compute_siblings(roots) == siblings).all()
    for position in range(counts[0]):
        expected = []
        for layer in range(counts[1]):
            both = lanes[position, layer].tolist()
            chunks = protocol_trace.build_layer_record(
                residuals[position, layer].tolist(), both[: kv // 2], both[kv // 2 :]
            )
            expected.append(protocol_trace.compute_record_root(chunks))
        assert [root.tobytes() for root in roots[position]] == expected
        sampler = Hash32(rng.bytes(32))
        own = [Hash32(part.tobytes()) for part in siblings[position]]
        folded = protocol_trace.fold_sampler(own, sampler)
        assert folded == protocol_trace.compute_position_root(expected, sampler)


@functools.cache
def hashers() -> list[Kernels]:
    """Kernels with every kind of SHA-256 that this machine has."""
    library, model = open_library(), next(iter(selftest.build_models()))
    return [
        Kernels(library, model, threads=threads, sha=kind)
        for kind in library.sha_kinds
        for threads in (1, 2)
    ]


def test_many_records_have_the_roots_that_few_have() -> None:
    """Blocks of any number of positions, on one thread and on two.

    Rule: ENGINE-22
    """
    rng = np.random.default_rng(5)
    residuals = rng.integers(-(2**31) + 1, 2**31, (128, 2, 300)).astype(np.int32)
    lanes = rng.integers(-32_767, 32_768, (128, 2, 40)).astype(np.int16)
    expected = trace.compute_roots(residuals, lanes)
    siblings = trace.compute_siblings(expected)
    for backend in hashers():
        for count in (1, 7, 8, 9, 31, 33, 127, 128):
            roots = backend.compute_roots(residuals[:count], lanes[:count])
            assert (roots == expected[:count]).all()
            assert (backend.compute_siblings(roots) == siblings[:count]).all()


def test_real_engine(real_engine: ExactEngine) -> None:
    # Rule: ENGINE-25
    shape = real_engine.shape
    assert (shape.layers, shape.width, shape.heads, shape.kv_heads) == (30, 576, 9, 3)
    assert (shape.vocabulary, shape.context, shape.position_cost) == (49_152, 2_046, 1)
    assert (shape.model_height, shape.formats) == (20, 1)
    assert real_engine.model_root == known.MODEL_ROOTS[known.SMOLLM2_SHA256, 2_046]
    prompt = real_engine.vocabulary.greedy(b"The capital of France is")
    session = real_engine.open(prompt)
    best = session.best(range(17, 49_152))
    assert real_engine.vocabulary.bytes_of(best) == b" Paris"


def test_real_engine_decodes_under_a_schema(real_engine: ExactEngine) -> None:
    fields = [
        Field(b"city", FieldType.STRING, Role.WRITES, b"", limit=20),
        Field(b"n", FieldType.INTEGER, Role.WRITES, 0, low=-3, high=120, digits=3),
        Field(b"big", FieldType.BOOLEAN, Role.WRITES, False, biases=(0, 0)),
    ]
    vocabulary = real_engine.vocabulary
    prompt = vocabulary.greedy(b"Paris is a city in France. As JSON:\n")
    results = [
        decoding.decode(
            Machine(fields, vocabulary.missing), vocabulary, real_engine.open(prompt), 40, allowed
        )
        for allowed in (real_engine.allowed, masks.allowed_tokens)
    ]
    assert results[0] == results[1]
    assert results[0].output.startswith(b'{"city": "')
    assert results[0].output.endswith(b"}")


def test_foreign_vocabulary_gets_the_reference_mask(engine: ExactEngine) -> None:
    foreign = Vocabulary([bytes([b]) for b in range(256)])
    machine = Machine([Field(b"s", FieldType.STRING, Role.WRITES, b"", limit=3)], foreign.missing)
    _, state = machine.forced_run(machine.start())
    assert engine.allowed(machine, state, foreign) == masks.allowed_tokens(machine, state, foreign)
    ours = engine.allowed(machine, state, engine.vocabulary)
    assert list(ours) == masks.allowed_tokens(machine, state, engine.vocabulary)


def test_other_file_is_refused_before_it_is_parsed(tiny_paths: dict[str, Path]) -> None:
    # Rule: ENGINE-25
    with pytest.raises(Fatal, match="SHA-256"):
        load_engine(tiny_paths["plain"])
