"""Turns a GGUF file's token table into bytes: which ids may be sampled, and what they spell.

Only NORMAL and BYTE tokens carry bytes here. A GPT-2 style table ("gpt2") spells each byte as one
printable character; the map is fixed and covers all 256 bytes. A SentencePiece table ("llama")
spells text itself, with U+2581 for a space, and single bytes as BYTE tokens.
"""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from oyez.engines.exact.gguf import GgufFile, MetadataValue, open_gguf
from oyez.protocol.errors import Invalid
from oyez.protocol.vocabulary import Vocabulary


class TokenType(IntEnum):
    """GGUF's kinds of token; only NORMAL and BYTE are ever made from data or sampled."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


#: Families of token tables, by the file's names.
GPT2, SENTENCEPIECE = "gpt2", "llama"


@dataclass(frozen=True, slots=True)
class TokenizerMetadata:
    """What an author's tokenizer is built from, as the file states it.

    Attributes:
        tokens: the file's spelling of each token, by id (not its bytes).
        types: kind of each token, by id.
        merges: byte-pair merges, best first, two spellings with a space between; none in a
            SentencePiece table.
        model: tokenizer family ("gpt2" or "llama").
        pre: name of the splitting rule ("smollm"); "sentencepiece" for a table of that kind.
    """

    tokens: tuple[str, ...]
    types: tuple[TokenType, ...]
    merges: tuple[str, ...]
    model: str
    pre: str


def read_tokenizer_metadata(path: Path) -> TokenizerMetadata:
    """Read what a tokenizer needs from a GGUF file; its weights are not touched."""
    return parse_tokenizer_metadata(open_gguf(path))


def parse_tokenizer_metadata(file: GgufFile) -> TokenizerMetadata:
    """Check and collect the tokenizer's entries of a parsed file.

    Rule: MODEL-4

    Raises:
        Invalid: an entry is absent, of another kind, or the lists disagree in length.
    """
    model = _text(file, "tokenizer.ggml.model")
    if model not in (GPT2, SENTENCEPIECE):
        raise Invalid(
            "MODEL-4",
            f"the model's tokenizer is {reprlib.repr(model)}; this engine reads gpt2 (byte-level) "
            "and llama (SentencePiece) tables: use a model with one",
        )
    tokens = _texts(file, "tokenizer.ggml.tokens")
    kinds = file.metadata.get("tokenizer.ggml.token_type")
    if not isinstance(kinds, tuple) or len(kinds) != len(tokens):
        raise Invalid("MODEL-4", "token types and tokens differ in number; use another model file")
    try:
        members = {kind: TokenType(int(kind)) for kind in set(kinds)}
    except (ValueError, OverflowError) as error:
        raise Invalid(
            "MODEL-4", f"{error} in tokenizer.ggml.token_type; use another file"
        ) from error
    types = tuple(map(members.__getitem__, kinds))
    if model == SENTENCEPIECE:
        return TokenizerMetadata(tokens, types, (), model, "sentencepiece")
    pre = _text(file, "tokenizer.ggml.pre")
    return TokenizerMetadata(tokens, types, _texts(file, "tokenizer.ggml.merges"), model, pre)


def build_vocabulary(metadata: TokenizerMetadata) -> Vocabulary:
    """Return the bytes of every sampleable token.

    Rule: MODEL-5

    Raises:
        Invalid: a NORMAL or BYTE token is spelled in a way the table does not define.
    """
    spell = _spell_text if metadata.model == SENTENCEPIECE else _spell_bytes
    table: list[bytes | None] = []
    for token, (spelling, kind) in enumerate(zip(metadata.tokens, metadata.types, strict=True)):
        if kind is TokenType.NORMAL:
            table.append(spell(token, spelling) or None)
        elif kind is TokenType.BYTE:
            table.append(_parse_byte_token(token, spelling))
        else:
            table.append(None)
    if metadata.model == SENTENCEPIECE:
        # A byte that is a piece of its own is never spelled by its BYTE token, as in training.
        pieces = {
            data
            for data, kind in zip(table, metadata.types, strict=True)
            if kind is TokenType.NORMAL
        }
        for token, kind in enumerate(metadata.types):
            if kind is TokenType.BYTE and table[token] in pieces:
                table[token] = None
    return Vocabulary(table)


def _spell_bytes(token: int, spelling: str) -> bytes:
    """Return the bytes that a gpt2 table's spelling stands for, a character each."""
    try:
        return bytes([_BYTE_OF[character] for character in spelling])
    except KeyError as error:
        raise Invalid(
            "MODEL-5", f"token {token} holds {error}, which spells no byte; use another file"
        ) from error


def _spell_text(_token: int, spelling: str) -> bytes:
    """Return the bytes of a SentencePiece table's spelling: UTF-8, U+2581 being a space."""
    return spelling.replace("\u2581", " ").encode()


def build_byte_alphabet() -> tuple[str, ...]:
    """Return the character that spells each byte: itself if printable in Latin-1, else 256 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    alphabet, spare = [], 0x100
    for byte in range(256):
        if byte in printable:
            alphabet.append(chr(byte))
        else:
            alphabet.append(chr(spare))
            spare += 1
    return tuple(alphabet)


#: A gpt2 table's character => the byte it spells.
_BYTE_OF = {character: byte for byte, character in enumerate(build_byte_alphabet())}


def _parse_byte_token(token: int, spelling: str) -> bytes:
    """Return the byte of a token spelled `<0xAB>`."""
    digits = spelling[3:5]
    if spelling == f"<0x{digits}>" and digits.isascii() and digits.isalnum():
        try:
            return bytes.fromhex(digits)
        except ValueError:
            pass
    raise Invalid("MODEL-5", f"byte token {token} is spelled {spelling!r}; use another model file")


def _text(file: GgufFile, key: str) -> str:
    """Return a metadata string."""
    return _decode(key, file.metadata.get(key))


def _texts(file: GgufFile, key: str) -> tuple[str, ...]:
    """Return a metadata list of strings."""
    value = file.metadata.get(key)
    if not isinstance(value, tuple):
        raise Invalid("MODEL-4", f"{key} is absent or no list; use another model file")
    try:
        return tuple([item.decode() for item in value])  # type: ignore[union-attr]  # others end in the slow way
    except (AttributeError, UnicodeDecodeError):
        return tuple(_decode(key, item) for item in value)  # says what is wrong


def _decode(key: str, value: MetadataValue | None) -> str:
    """Return a metadata value that must be UTF-8."""
    if not isinstance(value, bytes):
        raise Invalid("MODEL-4", f"{key} is absent or no string; use another model file")
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise Invalid("MODEL-4", f"{key} is not UTF-8; use another model file") from error
