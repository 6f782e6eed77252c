"""Models that the trace cannot hold: the engine runs them, whatever would trace them refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from oyez.engines.exact import load_engine, spec
from oyez.engines.exact.backend import Reference
from oyez.engines.exact.engine import ExactEngine, build_shape
from oyez.engines.exact.gguf import open_gguf, parse_gguf
from oyez.engines.exact.kernels import Kernels
from oyez.engines.exact.model_store import ModelStore, inspect_model
from oyez.engines.exact.tokens import build_vocabulary, parse_tokenizer_metadata
from oyez.engines.exact.traceable import verify_traceable
from oyez.engines.exact.weights import load_model
from oyez.protocol.errors import Invalid
from tests.unit.engine import tiny
from tests.unit.engine.compiled import open_library

DEEP = tiny.Shape(layers=40, width=32, feed_forward=32, heads=2, kv_heads=1, vocabulary=280)
WIDE = replace(DEEP, layers=1, heads=16, kv_heads=16, head_size=256)
TOO_DEEP = "40 layers and a position of the trace has slots for 31: it runs"
TOO_WIDE = "17 chunks of 16: 1 for a width of 32, 16 for 16 key-value heads of 256: it runs"
CASES = pytest.mark.parametrize(("sizes", "message"), [(DEEP, TOO_DEEP), (WIDE, TOO_WIDE)])


@CASES
def test_deep_and_wide_models_run(tmp_path: Path, sizes: tiny.Shape, message: str) -> None:
    # Rule: MODEL-6
    model = load_model(open_gguf(tiny.write_model(tmp_path / "m.gguf", sizes)))
    tokens = [5, 70, 270, 5, 12, 9, 33]
    reference = Reference(model)
    residuals, lanes = reference.run(reference.new_cache(), tokens)
    logits = spec.compute_logits(model, residuals[-1, -1].astype(np.int64))
    library = open_library()
    for kernel in library.paths:
        backend = Kernels(library, model, kernel)
        found = backend.run(backend.new_cache(), tokens)
        assert (found[0] == residuals).all()
        assert (found[1] == lanes).all()
        assert (backend.logits(np.ascontiguousarray(residuals[-1, -1])) == logits).all()


@CASES
def test_what_would_be_traced_is_refused_by_name(
    tmp_path: Path, sizes: tiny.Shape, message: str
) -> None:
    # Rule: MODEL-23
    path = tiny.write_model(tmp_path / "m.gguf", sizes)
    store = ModelStore(tmp_path / "models")
    for refuse in (
        lambda: load_engine(path, sha256=None),
        lambda: inspect_model(path),
        lambda: store.add(path),
    ):
        with pytest.raises(Invalid, match=message) as caught:
            refuse()
        assert caught.value.rule == "MODEL-23"
    assert not store.folder.exists()


@CASES
def test_no_weight_is_read_before_the_refusal(
    tmp_path: Path, sizes: tiny.Shape, message: str
) -> None:
    """A scale that is no number is named by the loader, and never reached here."""
    # Rule: MODEL-23
    path = tiny.write_model(tmp_path / "m.gguf", sizes)
    damaged = bytearray(path.read_bytes())
    embedding = parse_gguf(memoryview(damaged)).tensors["token_embd.weight"]
    damaged[embedding.offset : embedding.offset + embedding.row_bytes] = (
        b"\xff" * embedding.row_bytes
    )
    path.write_bytes(damaged)
    with pytest.raises(Invalid, match="infinite or undefined"):
        load_model(open_gguf(path))
    with pytest.raises(Invalid, match=message):
        load_engine(path, sha256=None)
    with pytest.raises(Invalid, match=message):
        inspect_model(path)


@CASES
def test_no_registered_shape_is_made_of_a_loaded_model(
    tmp_path: Path, sizes: tiny.Shape, message: str
) -> None:
    # Rule: MODEL-23
    file = open_gguf(tiny.write_model(tmp_path / "m.gguf", sizes))
    model, tokenizer = load_model(file), parse_tokenizer_metadata(file)
    with pytest.raises(Invalid, match=message):
        build_shape(model, build_vocabulary(tokenizer))
    with pytest.raises(Invalid, match=message):
        ExactEngine(model, tokenizer, Reference(model))


def test_the_limits_themselves_are_traceable(tmp_path: Path) -> None:
    """31 layers and Llama-3.2-3B's 16 chunks pass; one more of either does not."""
    # Rule: MODEL-23
    verify_traceable(31, 3072, 8, 128)
    for sizes in ((32, 3072, 8, 128), (31, 3073, 8, 128), (31, 3072, 8, 132)):
        with pytest.raises(Invalid, match="MODEL-23"):
            verify_traceable(*sizes)
    path = tiny.write_model(tmp_path / "m.gguf", replace(DEEP, layers=31))
    assert inspect_model(path).shape.layers == 31


def test_more_layers_than_any_model_has_are_refused(tmp_path: Path) -> None:
    # Rule: MODEL-6
    path = tiny.write_model(tmp_path / "m.gguf", replace(DEEP, layers=1))
    stated = b"llama.block_count" + (4).to_bytes(4, "little")
    data = path.read_bytes()
    assert data.count(stated + (1).to_bytes(4, "little")) == 1
    path.write_bytes(
        data.replace(stated + (1).to_bytes(4, "little"), stated + (1025).to_bytes(4, "little"))
    )
    with pytest.raises(Invalid, match=r"block_count is 1025, not an integer from 1 to 1024"):
        load_model(open_gguf(path))
