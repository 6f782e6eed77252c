"""The reader against the gguf package, and against damaged files."""

from __future__ import annotations

import struct
from pathlib import Path

import gguf
import numpy as np
import pytest

from oyez.engines.exact.gguf import open_gguf, parse_gguf
from oyez.engines.exact.locate import find_model, verify_digest
from oyez.engines.exact.weights import load_model
from oyez.protocol.errors import Fatal, Invalid
from tests.unit.engine import tiny


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("gguf") / "small.gguf"
    return tiny.write_model(path, tiny.Shape(layers=1)).read_bytes()


def parse(data: bytes) -> object:
    return load_model(parse_gguf(memoryview(data)))


def test_real_file_reads_as_the_gguf_package_reads_it(model_path: Path) -> None:
    # Rule: MODEL-1
    ours, theirs = open_gguf(model_path), gguf.GGUFReader(model_path)
    assert set(ours.tensors) == {tensor.name for tensor in theirs.tensors}
    for tensor in theirs.tensors:
        mine = ours.tensors[tensor.name]
        assert mine.offset == tensor.data_offset
        assert mine.rows * mine.row_bytes == tensor.n_bytes
        assert mine.type == tensor.tensor_type
    for key in ("llama.block_count", "llama.rope.freq_base", "tokenizer.ggml.add_bos_token"):
        assert ours.metadata[key] == theirs.fields[key].contents()
    tokens = ours.metadata["tokenizer.ggml.tokens"]
    assert isinstance(tokens, tuple)
    expected = theirs.fields["tokenizer.ggml.tokens"].contents()
    assert [token.decode() for token in tokens if isinstance(token, bytes)] == expected


@pytest.mark.parametrize("cut", [0, 3, 4, 20, 24, 200, 5_000, -1, -2_000])
def test_cut_file_is_refused(small: bytes, cut: int) -> None:
    # Rule: MODEL-1
    with pytest.raises(Invalid, match="download it again"):
        parse(small[:cut])


@pytest.mark.parametrize(
    ("at", "code", "value", "message"),
    [
        (0, "I", 0x46554747 + 1, "does not begin with GGUF"),
        (4, "I", 1, "version 1"),
        (8, "Q", 1 << 40, "absurd"),
        (16, "Q", 1 << 40, "absurd"),
        (24, "Q", 1 << 63, "cut short"),
    ],
)
def test_damaged_head_is_refused(
    small: bytes, at: int, code: str, value: int, message: str
) -> None:
    damaged = bytearray(small)
    struct.pack_into("<" + code, damaged, at, value)
    with pytest.raises(Invalid, match=message):
        parse(bytes(damaged))


@pytest.mark.parametrize(("code", "named"), [(10, "Q2_K"), (30, "BF16"), (99, "number 99")])
def test_unsupported_row_format_is_refused_by_name(small: bytes, code: int, named: str) -> None:
    # Rule: MODEL-2
    head = struct.pack("<Q", 19) + b"blk.0.attn_q.weight"
    at = small.index(head) + len(head) + 4 + 16
    assert struct.unpack_from("<I", small, at) == (3,)
    damaged = bytearray(small)
    struct.pack_into("<I", damaged, at, code)
    with pytest.raises(Invalid, match=f"has the format {named}; this engine reads F32, F16, Q4_0"):
        parse(bytes(damaged))
    struct.pack_into("<I", damaged, at, 12)
    with pytest.raises(Invalid, match="Q4_K wants two dimensions and rows of a multiple of 256"):
        parse(bytes(damaged))


def test_unquantised_matrix_is_refused_by_name(small: bytes) -> None:
    # Rule: MODEL-7
    head = struct.pack("<Q", 19) + b"blk.0.attn_q.weight"
    at = small.index(head) + len(head) + 4 + 16
    damaged = bytearray(small) + bytes(64 * 64 * 4)
    struct.pack_into("<I", damaged, at, 0)
    with pytest.raises(Invalid, match=r"tensor blk\.0\.attn_q\.weight is F32"):
        parse(bytes(damaged))


@pytest.mark.parametrize("bits", [0x7C00, 0xFC00, 0x7E01])
@pytest.mark.parametrize("name", ["token_embd.weight", "blk.0.ffn_down.weight"])
def test_infinite_or_undefined_scale_is_refused(small: bytes, bits: int, name: str) -> None:
    # Rule: MODEL-3
    damaged = bytearray(small)
    struct.pack_into("<H", damaged, parse_gguf(memoryview(small)).tensors[name].offset, bits)
    with pytest.raises(Invalid, match="infinite or undefined scale"):
        parse(bytes(damaged))


def test_undefined_norm_weight_is_refused(small: bytes) -> None:
    damaged = bytearray(small)
    tensor = parse_gguf(memoryview(small)).tensors["output_norm.weight"]
    struct.pack_into("<f", damaged, tensor.offset + 8, float("nan"))
    with pytest.raises(Invalid, match="infinite, undefined or absurd"):
        parse(bytes(damaged))


def test_key_stated_twice_is_refused(small: bytes) -> None:
    # Rule: MODEL-1
    with pytest.raises(Invalid, match=r"states llama\.attention\.key_length twice"):
        parse(small.replace(b"llama.rope.dimension_count", b"llama.attention.key_length"))


def test_digest_is_checked_before_parsing(tmp_path: Path, model_path: Path) -> None:
    # Rule: MODEL-9
    path = tmp_path / "other.gguf"
    path.write_bytes(b"GGUF")
    with pytest.raises(Fatal, match="reinstall it"):
        verify_digest(path, "00" * 32)
    with pytest.raises(Fatal, match="correct --model or OYEZ_MODEL"):
        verify_digest(tmp_path / "absent.gguf", "00" * 32)


def test_model_is_found_by_variable_then_by_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OYEZ_MODEL", "/some/model.gguf")
    assert find_model() == Path("/some/model.gguf")
    monkeypatch.delenv("OYEZ_MODEL")
    assert find_model().name == "SmolLM2-135M-Instruct.Q4_1.gguf"


def test_weights_are_the_gguf_packages_weights(tiny_paths: dict[str, Path]) -> None:
    """The package rounds d*q + m to float32, so it agrees to that precision alone."""
    # Rule: ENGINE-2
    from oyez.engines.exact.blocks import decode_weights

    for path in tiny_paths.values():
        model = load_model(open_gguf(path))
        theirs = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
        for matrix in (model.embedding, *model.layers[0].matrices):
            tensor = theirs[matrix.name]
            expected = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float64)
            actual = decode_weights(matrix, matrix.data) / 2.0**24
            assert np.abs(actual - expected).max() <= np.abs(expected).max() * 2**-22
