"""A scripted engine: a small vocabulary made of traps, and a "model" that picks the worst token.

It implements the engine seam without a model file, so that thousands of calls run in seconds. It
is a pure function of the tokens so far, as every engine is, and can never be registered: its
root belongs to no file.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Sequence
from enum import StrEnum

from oyez.protocol import codec, trace
from oyez.protocol.noise import Noise, find_best
from oyez.protocol.types import Hash32, ModelShape
from oyez.protocol.vocabulary import Vocabulary

VOCABULARY_SIZE = 300

#: Lead bytes of UTF-8 that no token spells alone, beside those that never occur in it.
MISSING = b"\xc0\xc1\xdf\xf1\xf5\xf6\xf7\xf8\xf9\xfa\xfb\xfc\xfd\xfe\xff"

_CONTROL = 5
_PIECES = (
    *(b'"}', b'", "', b'": ', b'": "', b'{"', b'",', b'" ', b'"]', b'""', b"}}", b"} ", b", "),
    *(b' "', b': "', b"{}", b"\\n", b'\\"', b"<|", b"|>", b"<|im_end|>", b"\n", b"\t", b"a\x7f"),
    *(b"true", b"false", b"tr", b"ue", b'e"', b"alse", b"good", b"bad", b'bad"', b" the", b" the"),
    *(b"00", b"12", b"999", b"-1", b"-0", b"1,", b"1}", b"9, ", b"0}", b"7]", b"-", b"--", b" 1"),
    *("ä".encode(), "€".encode(), "😀".encode(), b"\xc3", b"\xe2\x82", b"\x82\xac", b"\xac\xac"),
    *(b"\xf0\x9f", b"\x98\x80", b"\x80\x80", b"a\xc3", b"\xa4b", b"aaaaaaaa", b"zzzzzzzzzzzzzzzz"),
)


class Mode(StrEnum):
    """Which allowed token is the worst."""

    RANDOM = "random"
    SHORTEST = "shortest"
    LONGEST = "longest"
    HIGH_BYTES = "high bytes"
    PUNCTUATION = "punctuation"


@functools.cache
def build_vocabulary() -> Vocabulary:
    """Return 300 tokens: control ones, single bytes, and pieces that cross every border.

    All printable ASCII and all continuation bytes have a token of their own, as a listed model's
    must; some pieces occur twice, some bytes not at all.
    """
    singles = [bytes([byte]) for byte in range(0x20, 0x100) if byte not in MISSING]
    tokens: list[bytes | None] = [None] * _CONTROL
    tokens += [*singles, *_PIECES]
    fill = (bytes([a, b]) for a in b"aeiourstln" for b in b"aeiou ")
    while len(tokens) < VOCABULARY_SIZE - 1:
        tokens.append(next(fill))
    return Vocabulary([*tokens[: VOCABULARY_SIZE - 1], None])


class ScriptedSession:
    """Tokens so far, and a digest of them from which everything follows."""

    def __init__(self, engine: ScriptedEngine) -> None:
        """Start with an empty context."""
        self.tokens: list[int] = []
        self._engine = engine
        self._digests = [codec.sha256(engine.model_root)]

    def extend(self, tokens: Sequence[int]) -> None:
        """Append tokens to the context.

        Raises:
            ValueError: no tokens, or an id outside the vocabulary: a fault of the caller's.
        """
        size = self._engine.shape.vocabulary
        if len(tokens) == 0 or not all(0 <= token < size for token in tokens):
            raise ValueError(f"extend takes tokens of the vocabulary, not {list(tokens)}")
        for token in tokens:
            self._digests.append(codec.sha256(self._digests[-1] + token.to_bytes(4, "big")))
            self.tokens.append(int(token))

    def best(self, allowed: Sequence[int], noise: Noise | None = None) -> int:
        """Return the allowed token with the highest score; ties go to the lowest id.

        Raises:
            ValueError: `allowed` is empty or not ascending.
        """
        ids = [int(token) for token in allowed]
        if not ids or ids != sorted(set(ids)):
            raise ValueError("best takes ascending token ids without repeats, at least one")
        return find_best(noise, ids, self.logits(ids))

    def logits(self, tokens: Sequence[int]) -> list[int]:
        """Return the scores of these tokens, by the engine's mode."""
        return [self._engine.score(self._digests[-1], int(token)) for token in tokens]

    def layer_roots(self, index: int) -> Sequence[Hash32]:
        """Return made-up roots of the token's layers: functions of the tokens up to it."""
        digest = self._digests[index + 1]
        return [codec.sha256(bytes([layer]) + digest) for layer in range(self._engine.shape.layers)]

    def position_root(self, index: int, sampler: Hash32) -> Hash32:
        """Return the root of the token's position, from its layers' and the sampler's."""
        return trace.compute_position_root(self.layer_roots(index), sampler)


class ScriptedEngine:
    """An engine that always prefers the token that hurts most."""

    def __init__(self, mode: Mode = Mode.RANDOM, *, seed: int = 0, context: int = 2_046) -> None:
        """Choose the mode; engines of one mode and seed are one function.

        Args:
            mode: which token is the worst.
            seed: of the random scores, in every mode those of choices and ties.
            context: most positions, at most 2,046.
        """
        self.mode = mode
        self.vocabulary = build_vocabulary()
        self.model_root = codec.sha256(f"scripted {mode} {seed}".encode())
        self.shape = ModelShape(
            layers=2,
            width=8,
            feed_forward=16,
            heads=1,
            kv_heads=1,
            head_size=8,
            vocabulary=VOCABULARY_SIZE,
            context=context,
            position_cost=1,
            model_height=4,
            formats=1,
            missing=self.vocabulary.missing,
        )
        self._preference = _PREFERENCES[mode]

    def open(self, prefix: Sequence[int]) -> ScriptedSession:
        """Start a context with a prefix, which may be empty."""
        session = ScriptedSession(self)
        if prefix:
            session.extend(prefix)
        return session

    def score(self, digest: bytes, token: int) -> int:
        """Return a token's Q16 logit: the mode's preference, then chance."""
        chance = zlib.crc32(digest + token.to_bytes(4, "big")) >> 16
        return (self._preference(self.vocabulary.tokens[token] or b"") << 16) + chance


_PREFERENCES: dict[Mode, Callable[[bytes], int]] = {
    Mode.RANDOM: lambda data: 0,
    Mode.SHORTEST: lambda data: -len(data),
    Mode.LONGEST: len,
    Mode.HIGH_BYTES: lambda data: max(data, default=0),
    Mode.PUNCTUATION: lambda data: sum(byte in b'"{}[],:\\-' for byte in data),
}
