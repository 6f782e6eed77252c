"""Fuzzes the bytes of small model files: each ends in a model that runs alike, or in one error."""

from __future__ import annotations

import re
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oyez.engines.exact.backend import Reference
from oyez.engines.exact.engine import verify_vocabulary
from oyez.engines.exact.gguf import parse_gguf
from oyez.engines.exact.kernels import Kernels
from oyez.engines.exact.library import Library
from oyez.engines.exact.tokens import build_vocabulary, parse_tokenizer_metadata
from oyez.engines.exact.weights import Model, load_model
from oyez.protocol.errors import Invalid
from tests.unit.engine import tiny
from tests.unit.engine.tiny import TYPES

SMALL = tiny.Shape(layers=1, vocabulary=280, context=8)
FILES = {
    "old formats": replace(SMALL, mix=(TYPES.Q5_0, TYPES.F16, TYPES.Q4_0, TYPES.Q5_1, TYPES.Q8_0)),
    "K formats": replace(
        SMALL, width=256, feed_forward=256, heads=4, head_size=64, mix=tiny.K_MIX, tied=False
    ),
    "factors": replace(SMALL, rope_factors=(2.0,) * 8, head=TYPES.F16),
}
#: Numbers that sit at the edges of what the format's fields can hold.
EDGES = [
    0,
    1,
    2,
    3,
    7,
    8,
    31,
    32,
    255,
    256,
    1 << 16,
    1 << 31,
    (1 << 32) - 1,
    1 << 63,
    (1 << 64) - 1,
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("damage")
    return {
        name: tiny.write_model(folder / f"{index}.gguf", sizes).read_bytes()
        for index, (name, sizes) in enumerate(FILES.items())
    }


@st.composite
def damages(draw: st.DrawFn, size: int, head: int) -> list[tuple[int, bytes]]:
    """A few places with other bytes; most in the head, where the structure is."""
    found = []
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.one_of(st.integers(0, head), st.integers(0, head), st.integers(0, size - 9)))
        number = draw(st.sampled_from(EDGES))
        found.append(
            (
                at,
                draw(
                    st.one_of(
                        st.integers(0, 255).map(lambda byte: bytes([byte])),
                        st.just(struct.pack("<Q", number)),
                        st.just(struct.pack("<I", number & 0xFFFF_FFFF)),
                        st.binary(min_size=1, max_size=8),
                    )
                ),
            )
        )
    return found


def load(data: bytes) -> Model:
    """Everything that `load_engine` does with a file's bytes."""
    file = parse_gguf(memoryview(data))
    model = load_model(file)
    verify_vocabulary(build_vocabulary(parse_tokenizer_metadata(file)), model.vocabulary)
    return model


def try_to_load(data: bytes) -> tuple[str, Model | None]:
    """Return a model, or why there is none; any other error than Invalid is a defect."""
    try:
        return "", load(data)
    except Invalid as error:
        return str(error), None


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_any_damage_ends_in_a_model_that_runs_alike_or_in_one_error(
    files: dict[str, bytes], library: Library, name: str, data: st.DataObject
) -> None:
    # Rule: MODEL-1
    damaged = bytearray(files[name])
    head = min(t.offset for t in parse_gguf(memoryview(files[name])).tensors.values())
    for at, other in data.draw(damages(len(damaged), head)):
        damaged[at : at + len(other)] = other
    cut = data.draw(st.sampled_from([0, 0, 0, 0, 0, 0, 1, 33, 5_000]))
    refusal, model = try_to_load(bytes(damaged[: len(damaged) - cut]))
    if model is None:
        assert re.search(r"\[(MODEL|ENGINE)-\d+\]$", refusal)
        assert len(refusal) < 400
        return
    tokens = [1, model.vocabulary - 1, 5][: model.context]
    reference = Reference(model)
    expected, _ = reference.run(reference.new_cache(), tokens)
    for kernel in library.paths:
        backend = Kernels(library, model, kernel)
        assert (backend.run(backend.new_cache(), tokens)[0] == expected).all()


@pytest.mark.parametrize("name", FILES)
def test_every_cut_is_refused(files: dict[str, bytes], name: str) -> None:
    # Rule: MODEL-1
    data = files[name]
    parse_gguf(memoryview(data))
    cuts = np.random.default_rng(5).integers(0, len(data), 150).tolist()
    for cut in (*range(0, 400, 7), *cuts, len(data) - 1):
        with pytest.raises(Invalid, match="download it again"):
            load(data[:cut])


def test_both_ends_are_reached(files: dict[str, bytes], tmp_path: Path) -> None:
    """Damage in a weight's quants gives another model; in the head, an error."""
    data = bytearray(files["old formats"])
    tensor = parse_gguf(memoryview(bytes(data))).tensors["blk.0.attn_q.weight"]
    data[tensor.offset + 9] ^= 255
    load(bytes(data))
    data[4] = 9
    with pytest.raises(Invalid, match="version 9"):
        load(bytes(data))
