"""The model tree: known root, order, records."""

from __future__ import annotations

import dataclasses
import hashlib
import struct
from pathlib import Path

import pytest

from oyez.engines.exact import known, model_tree
from oyez.engines.exact.gguf import open_gguf
from oyez.engines.exact.loading import load_engine
from oyez.engines.exact.model_tree import RowType
from oyez.engines.exact.step_rows import ModelRows
from oyez.engines.exact.tokens import TokenType, build_vocabulary, parse_tokenizer_metadata
from oyez.engines.exact.weights import Model, load_model
from oyez.protocol import merkle
from oyez.protocol.errors import Invalid
from oyez.protocol.types import Hash32
from oyez.protocol.vocabulary import Vocabulary
from tests.unit.engine import tiny


def read_tokens(path: Path) -> tuple[Vocabulary, tuple[TokenType, ...]]:
    metadata = parse_tokenizer_metadata(open_gguf(path))
    return build_vocabulary(metadata), metadata.types


def test_known_root_is_recomputed_from_the_file(model_path: Path, real_model: Model) -> None:
    # Rule: MODEL-12
    vocabulary, types = read_tokens(model_path)
    root = model_tree.compute_model_root(real_model, vocabulary, types)
    assert root == known.MODEL_ROOTS[known.SMOLLM2_SHA256, 2_046]
    count = model_tree.count_leaves(real_model, vocabulary)
    assert (count, model_tree.compute_height(count)) == (305_158, 20)


@pytest.mark.parametrize("name", tiny.SHAPES)
def test_root_is_that_of_the_protocols_tree(
    tiny_paths: dict[str, Path], tiny_models: dict[str, Model], name: str
) -> None:
    # Rule: MODEL-10
    # Rule: MODEL-13
    model, (vocabulary, types) = tiny_models[name], read_tokens(tiny_paths[name])
    leaves = list(model_tree.iterate_leaves(model, vocabulary, types))
    assert len(leaves) == model_tree.count_leaves(model, vocabulary)
    empty = Hash32(hashlib.sha256(bytes(32)).digest())
    tree = merkle.build_tree(merkle.compute_sha256_node, empty)
    expected = merkle.compute_root([Hash32(leaf) for leaf in leaves], 20, tree)
    assert model_tree.compute_model_root(model, vocabulary, types) == expected


def test_height_grows_with_the_leaves() -> None:
    # Rule: MODEL-13
    heights = [model_tree.compute_height(n) for n in (1, 1 << 20, (1 << 20) + 1, 1 << 21)]
    assert heights == [20, 20, 21, 21]


def test_leaves_are_the_files_rows_in_order(
    tiny_paths: dict[str, Path], tiny_models: dict[str, Model]
) -> None:
    # Rule: MODEL-10
    name = "wide heads"
    model, (vocabulary, types) = tiny_models[name], read_tokens(tiny_paths[name])
    leaves = list(model_tree.iterate_leaves(model, vocabulary, types))
    file, data = open_gguf(tiny_paths[name]), tiny_paths[name].read_bytes()
    order = ["token_embd", "blk.0.attn_q", "blk.0.attn_k", "blk.0.attn_v", "blk.0.attn_output"]
    order += ["blk.0.ffn_gate", "blk.0.ffn_up", "blk.0.ffn_down", "output"]
    expected = []
    for number, part in enumerate(order, start=3):
        tensor = file.tensors[part + ".weight"]
        for row in range(tensor.rows):
            begin = tensor.offset + row * tensor.row_bytes
            header = struct.pack(">4Q", number, row, tensor.type, 0)
            row_data = data[begin : begin + tensor.row_bytes]
            expected.append(hashlib.sha256(header + row_data).digest())
    assert leaves[-len(expected) :] == expected


def test_long_rows_are_hashed_in_parts(tmp_path: Path) -> None:
    """Of a whole model; no row of SmolLM2 is that long, so its root is what it was."""
    # Rule: MODEL-24
    shape = tiny.Shape(layers=1, width=64, feed_forward=2_080, matrices=tiny.TYPES.Q5_0)
    path = tiny.write_model(tmp_path / "long.gguf", shape)
    model, (vocabulary, types) = load_model(open_gguf(path)), read_tokens(path)
    down = model.layers[0].down
    leaves = list(model_tree.iterate_leaves(model, vocabulary, types))[-down.rows :]
    assert len(leaves) == 64
    for row, leaf in enumerate(leaves):
        data = down.data[row].tobytes()
        parts = [hashlib.sha256(data[at : at + 704]).digest() for at in (0, 704, 1_408)]
        header = struct.pack(">4Q", 4 + 6, row, 6, 3)
        assert leaf == hashlib.sha256(header + b"".join(parts)).digest()
    rows = ModelRows(load_engine(path, sha256=None))
    assert rows.get_node(0, rows.find_leaf(10, 63)) == leaves[63]


def test_config_rows(tiny_models: dict[str, Model], real_model: Model) -> None:
    # Rule: MODEL-11
    rows = list(model_tree.iterate_config(real_model, 49_135))
    kinds = [kind for kind, _ in rows]
    assert (
        kinds
        == [RowType.FORMATS] + [RowType.LAYER] * 30 + [RowType.NORM] * 122 + [RowType.ROPE] * 2_046
    )
    words = [int.from_bytes(rows[0][1][i : i + 32], "big") for i in range(0, len(rows[0][1]), 32)]
    assert words[:13] == [1, 30, 576, 1_536, 9, 3, 64, 49_152, 2_046, 49_135, 1, 8, 8]
    assert words[13:17] == [175_921_856, 47_274, 94_548, 1_073_682_383]
    assert words[17] == 2**256 - 742_320_854
    layer = [int.from_bytes(rows[18][1][i : i + 32], "big") for i in range(0, 384, 32)]
    assert layer == [8, 7, 9, *layer[3:5], 3, 3, 3, 3, 3, 3, 3]
    norm = real_model.layers[0].attn_norm.weights
    assert struct.unpack(">576h", rows[31][1] + rows[32][1]) == tuple(norm)
    turn = struct.unpack(">64h", rows[153 + 5][1])
    assert turn == (*real_model.cosines[5], *real_model.sines[5])
    assert max(len(data) for _, data in rows) <= 1_024


def test_vocabulary_record_finds_the_longest_match(model_path: Path) -> None:
    """One greedy step from the record before the bytes at hand, and nothing else."""
    # Rule: MODEL-15
    vocabulary, _ = read_tokens(model_path)
    records = list(model_tree.iterate_vocabulary(vocabulary))
    spelled = [record[2 : 2 + int.from_bytes(record[:2], "big")] for record in records]
    assert spelled == sorted(set(filter(None, vocabulary.tokens)))
    text = 'zymurgy — "naïve" 世界 \t\t   https://example.org/a?b=1\n'.encode()
    for at in range(len(text)):
        rest = text[at:]
        below = max(i for i, data in enumerate(spelled) if data <= rest)
        record = records[below]
        begin = 4 + len(spelled[below])
        pairs = [struct.unpack_from(">HI", record, i) for i in range(begin, len(record), 6)]
        assert len(pairs) == int.from_bytes(record[begin - 2 : begin], "big")
        longest = [token for length, token in pairs if rest.startswith(spelled[below][:length])]
        expected = vocabulary.longest(rest)
        if expected is None:
            assert not longest
        else:
            assert longest[-1] == expected


def test_token_records_spell_every_id() -> None:
    # Rule: MODEL-16
    vocabulary = Vocabulary([b"a", None, b"bc", b"a"])
    types = (TokenType.NORMAL, TokenType.CONTROL, TokenType.BYTE, TokenType.NORMAL)
    assert list(model_tree.iterate_tokens(vocabulary, types)) == [
        b"\x01\0\x01a",
        b"\x03\0\0",
        b"\x06\0\x02bc",
        b"\x01\0\x01a",
    ]
    assert next(model_tree.iterate_vocabulary(vocabulary)) == b"\0\1a\0\1\0\1\0\0\0\0"


def test_any_changed_byte_of_a_row_changes_the_root(
    tiny_paths: dict[str, Path], tmp_path: Path
) -> None:
    from oyez.engines.exact import load_engine

    original = tiny_paths["plain"].read_bytes()
    root = load_engine(tiny_paths["plain"], sha256=None).model_root
    for name in ("token_embd.weight", "blk.1.ffn_down.weight", "blk.0.attn_norm.weight"):
        tensor = open_gguf(tiny_paths["plain"]).tensors[name]
        damaged = bytearray(original)
        damaged[tensor.offset + tensor.row_bytes - 2] ^= 4
        path = tmp_path / "m.gguf"
        path.write_bytes(damaged)
        assert load_engine(path, sha256=None).model_root != root


def test_vocabulary_of_another_size_is_refused(tiny_models: dict[str, Model]) -> None:
    # Rule: MODEL-12
    with pytest.raises(Invalid, match="embedding rows"):
        model_tree.compute_model_root(tiny_models["plain"], Vocabulary([b"a"]), ())


def test_position_cost_and_shape(tiny_models: dict[str, Model], real_model: Model) -> None:
    # Rule: MODEL-14
    # Rule: MODEL-17
    assert model_tree.compute_position_cost(real_model) == 1
    # 28.3M + 3 * 106.2M weights are 2.58 units.
    tripled = dataclasses.replace(real_model, layers=real_model.layers * 3)
    assert model_tree.compute_position_cost(tripled) == 3
    assert model_tree.compute_position_cost(tiny_models["plain"]) == 1
