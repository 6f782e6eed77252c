"""A small vocabulary with awkward tokens, and sessions that score by a rule instead of a model."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from oyez.protocol.noise import Noise, find_best
from oyez.protocol.types import Hash32
from oyez.protocol.vocabulary import Vocabulary
from tests.manifests import MISSING

PIECES = [
    *('"}', '", "', '": ', '{"', '", ', ', "', "}", ": ", "  ", " {", '"]', "}}", '""', '","'),
    *("true", "false", "tr", "rue", "fal", "se", "se}", "e,", "e}", 'e, "', "true}", "truer"),
    *("good", "go", "od", 'od"', "pos", "spam", "spa", "m", "ly", 'ly"', " day", "day", "s,"),
    *(
        "10",
        "100",
        "00",
        "12",
        "99",
        "0,",
        "0}",
        "5, ",
        "-1",
        "-",
        "1}",
        "9}",
        "123456",
        "-0",
        "01",
    ),
    *("日本", "日", "本語", "é", "éé", 'é"', "😀", "\U0010ffff", "aé", "日本語"),
    *('["', '"a', '"ab"', '"]}', "7]", "0]", "1]}", "]}", "], ", "[]", "true]", ", 1", '", "a'),
    *("the", "the ", "qu", "th", "he", "e ", "ab", "abc", 'c"', 'abc"}', "zz", "\n", "a\n"),
]
#: Ill-formed alone: halves of characters, alone and glued to what follows.
HALVES = [
    b"\xe6\x97",
    b"\x97\xa5",
    b"\xa5",
    b"\xf0\x9f",
    b"\x9f\x98\x80",
    b"a\xc3",
    b'\xa9"',
    b"\xf4",
]


def build_vocabulary() -> Vocabulary:
    """Return about 330 tokens: single bytes, pieces, some of them twice, and control tokens."""
    tokens: list[bytes | None] = [None, None]
    tokens += [bytes([byte]) for byte in range(256) if byte not in MISSING]
    tokens += [piece.encode() for piece in PIECES]
    tokens += HALVES
    tokens += [b"a", b'"', b"true", "日本".encode(), None]
    return Vocabulary(tokens)


VOCABULARY = build_vocabulary()
Score = Callable[[int, int], int]


class ScriptedSession:
    """Scores a token by (number of tokens so far, token); remembers what it was asked."""

    def __init__(self, score: Score) -> None:
        """Start with an empty context."""
        self._score = score
        self.extensions: list[tuple[int, ...]] = []
        self.asked = 0

    @property
    def tokens(self) -> tuple[int, ...]:
        """Return every token appended so far."""
        return tuple(token for extension in self.extensions for token in extension)

    def extend(self, tokens: Sequence[int]) -> None:
        """Append tokens, at least one."""
        assert len(tokens) > 0
        self.extensions.append(tuple(tokens))

    def best(self, allowed: Sequence[int], noise: Noise | None = None) -> int:
        """Return the allowed token with the highest score, the lowest id among equals."""
        assert len(allowed) > 1
        assert list(allowed) == sorted(set(allowed))
        self.asked += 1
        at = len(self.tokens)
        return find_best(noise, allowed, [self._score(at, token) for token in allowed])

    def logits(self, tokens: Sequence[int]) -> list[int]:
        """Return the tokens' scores."""
        assert len(tokens) > 1
        self.asked += 1
        at = len(self.tokens)
        return [self._score(at, token) for token in tokens]

    def layer_roots(self, index: int) -> Sequence[Hash32]:
        """Return no roots: this model has no layers."""
        del index
        return ()

    def position_root(self, index: int, sampler: Hash32) -> Hash32:
        """Return the sampler's root alone: this model has no layers."""
        del index
        return sampler


def build_adversary(mode: str, seed: int) -> Score:
    """Return a scorer that prefers the worst tokens of its kind."""

    def noise(at: int, token: int) -> int:
        return random.Random(f"{seed}/{at}/{token}").getrandbits(10)

    def score(at: int, token: int) -> int:
        data = VOCABULARY.bytes_of(token)
        if mode == "shortest":
            return noise(at, token) - 1_000 * len(data)
        if mode == "longest":
            return noise(at, token) + 1_000 * len(data)
        if mode == "high bytes":
            closing = data[:1] in (b'"', b",", b"}")
            return noise(at, token) + 5_000 * sum(b >= 0x80 for b in data) - 99_999 * closing
        if mode == "punctuation":
            return noise(at, token) + 1_000 * sum(b in b'"},' for b in data)
        return noise(at, token)

    return score


ADVERSARIES = ("random", "shortest", "longest", "high bytes", "punctuation")
