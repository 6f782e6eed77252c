from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers.pre_tokenizers import ByteLevel

from oyez.engines.exact.engine import verify_vocabulary
from oyez.engines.exact.gguf import open_gguf, parse_gguf
from oyez.engines.exact.tokens import (
    TokenizerMetadata,
    TokenType,
    build_byte_alphabet,
    build_vocabulary,
    parse_tokenizer_metadata,
    read_tokenizer_metadata,
)
from oyez.protocol.errors import Invalid
from oyez.protocol.vocabulary import Vocabulary
from tests.unit.engine import tiny


def table(*tokens: tuple[str, TokenType]) -> TokenizerMetadata:
    spellings, types = zip(*tokens, strict=True)
    return TokenizerMetadata(spellings, types, (), "gpt2", "smollm")


def test_byte_alphabet_is_that_of_the_tokenizers_library() -> None:
    assert set(build_byte_alphabet()) == set(ByteLevel.alphabet())
    assert build_byte_alphabet()[0x20] == "Ġ"
    assert build_byte_alphabet()[0x0A] == "Ċ"


def test_real_vocabulary(model_path: Path) -> None:
    # Rule: MODEL-4
    metadata = read_tokenizer_metadata(model_path)
    vocabulary = build_vocabulary(metadata)
    assert vocabulary.size == 49_152
    assert vocabulary.missing.hex() == "c0c1f1f2f5f6f7f8f9fafbfcfdfeff"
    assert [i for i, data in enumerate(vocabulary.tokens) if data is None] == list(range(17))
    assert vocabulary.join(vocabulary.greedy("Grüße, 世界!".encode())).decode() == "Grüße, 世界!"
    assert (metadata.pre, len(metadata.merges)) == ("smollm", 48_900)


def test_only_normal_and_byte_tokens_carry_bytes() -> None:
    # Rule: MODEL-5
    vocabulary = build_vocabulary(
        table(
            ("Ġa", TokenType.NORMAL),
            ("<|x|>", TokenType.CONTROL),
            ("b", TokenType.USER_DEFINED),
            ("c", TokenType.UNUSED),
            ("d", TokenType.UNKNOWN),
            ("<0xC0>", TokenType.BYTE),
            ("", TokenType.NORMAL),
        )
    )
    assert vocabulary.tokens == (b" a", None, None, None, None, b"\xc0", None)


def test_sentencepiece_table() -> None:
    """Text with U+2581 for a space; bytes that are pieces are never spelled by their byte token."""
    # Rule: MODEL-5
    rows = [("<unk>", TokenType.UNKNOWN), ("</s>", TokenType.CONTROL)]
    rows += [(f"<0x{byte:02X}>", TokenType.BYTE) for byte in range(256)]
    rows += [(text, TokenType.NORMAL) for text in ("▁", "▁the", "a", "世", "t", "▁▁", "<0x41>")]
    spellings, types = zip(*rows, strict=True)
    vocabulary = build_vocabulary(TokenizerMetadata(spellings, types, (), "llama", "sentencepiece"))
    spelled = (b" ", b" the", b"a", "世".encode(), b"t", b"  ", b"<0x41>")
    assert vocabulary.tokens[258:] == spelled
    for byte in range(256):
        single = bytes([byte])
        assert vocabulary.tokens[2 + byte] == (None if single in spelled else single)
        assert vocabulary.single(byte) == (
            258 + spelled.index(single) if single in spelled else 2 + byte
        )
    text = " the  a世界\n".encode()
    tokens = vocabulary.greedy(text)
    assert tokens[:4] == (259, 263, 260, 261)
    assert vocabulary.join(tokens) == text
    verify_vocabulary(vocabulary, len(rows))


def test_sentencepiece_file_needs_no_merges(tmp_path: Path) -> None:
    # Rule: MODEL-4
    data = tiny.write_model(tmp_path / "m.gguf", tiny.Shape(layers=1)).read_bytes()
    data = data.replace(b"\x04\0\0\0\0\0\0\0gpt2", b"\x05\0\0\0\0\0\0\0llama")
    data = data.replace(b"tokenizer.ggml.merges", b"tokenizer.ggml.mergex")
    metadata = parse_tokenizer_metadata(parse_gguf(memoryview(data)))
    assert (metadata.model, metadata.pre, metadata.merges) == ("llama", "sentencepiece", ())


@pytest.mark.parametrize(
    "token",
    [
        ("世", TokenType.NORMAL),
        ("a b", TokenType.NORMAL),
        ("<0xG0>", TokenType.BYTE),
        ("<0x1>", TokenType.BYTE),
        ("x", TokenType.BYTE),
        ("<0x\u0661\u0661>", TokenType.BYTE),
    ],
)
def test_undefined_spelling_is_refused(token: tuple[str, TokenType]) -> None:
    # Rule: MODEL-5
    with pytest.raises(Invalid, match="use another"):
        build_vocabulary(table(token))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\x04\0\0\0\0\0\0\0gpt2", b"\x04\0\0\0\0\0\0\0bert"),
        (b"tokenizer.ggml.pre", b"tokenizer.ggml.prx"),
        (b"tokenizer.ggml.token_type", b"tokenizer.ggml.token_typx"),
        (b"tokenizer.ggml.merges", b"tokenizer.ggml.mergex"),
        (b"\x06\0\0\0\0\0\0\0smollm", b"\x06\0\0\0\0\0\0\0smol\xff\xff"),
    ],
)
def test_damaged_table_is_refused(tmp_path: Path, old: bytes, new: bytes) -> None:
    # Rule: MODEL-4
    data = tiny.write_model(tmp_path / "m.gguf", tiny.Shape(layers=1)).read_bytes()
    assert data.count(old) == 1
    with pytest.raises(Invalid, match="use") as caught:
        parse_tokenizer_metadata(parse_gguf(memoryview(data.replace(old, new))))
    assert caught.value.rule == "MODEL-4"


@pytest.mark.parametrize("kind", [7, float("inf"), float("nan")])
def test_unknown_token_type_is_refused(model_path: Path, kind: float) -> None:
    file = open_gguf(model_path)
    types = (*file.metadata["tokenizer.ggml.token_type"][:-1], kind)  # type: ignore[index]  # this metadata value is a list
    changed = type(file)({**file.metadata, "tokenizer.ggml.token_type": types}, {}, file.data)
    with pytest.raises(Invalid, match="token_type; use another file"):
        parse_tokenizer_metadata(changed)


def test_vocabulary_that_cannot_write_every_text_is_refused() -> None:
    """Rule: MODEL-18"""
    every: list[bytes | None] = [bytes([byte]) for byte in range(256)]
    verify_vocabulary(Vocabulary(every), 256)
    verify_vocabulary(Vocabulary([*every[:0xC0], *[None] * 32, *every[0xE0:]]), 256)
    for byte in (0x20, 0x7E, 0x80, 0xBF):
        damaged = [*every[:byte], None, *every[byte + 1 :]]
        with pytest.raises(Invalid, match=f"no token of the model is the byte 0x{byte:02x} alone"):
            verify_vocabulary(Vocabulary(damaged), 256)
    with pytest.raises(Invalid, match="33 bytes above 0x7f"):
        verify_vocabulary(Vocabulary([*every[:0xC0], *[None] * 33, *every[0xE1:]]), 256)
    for rows in (255, 257):
        with pytest.raises(Invalid, match=f"256 tokens for {rows} rows"):
            verify_vocabulary(Vocabulary(every), rows)
