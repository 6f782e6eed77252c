"""A tiny model for authors' tests: single bytes, a few merges, three control tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from oyez.author.tokenizer import AuthorModel, build_author_model
from oyez.engines.exact.tokens import TokenizerMetadata, TokenType, build_byte_alphabet
from oyez.protocol.noise import Noise
from oyez.protocol.types import Hash32, ModelShape
from oyez.protocol.vocabulary import Vocabulary

MISSING = b"\xc0\xc1" + bytes(range(0xF1, 0xF3)) + bytes(range(0xF5, 0x100))
#: The first merge makes byte-pair and greedy tokens of "her" differ: h er, he r.
MERGES = ("e r", "h e", "Ġ t", "Ġt he", "m o", "mo o", "p o", "Ġ r")
CONTROLS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def build_metadata() -> TokenizerMetadata:
    """Return the token table as a GGUF would state it."""
    alphabet = build_byte_alphabet()
    singles = [alphabet[byte] for byte in range(256) if byte not in MISSING]
    words = [merge.replace(" ", "") for merge in MERGES]
    tokens = (*CONTROLS, *singles, *words)
    types = (TokenType.CONTROL,) * 3 + (TokenType.NORMAL,) * (len(tokens) - 3)
    return TokenizerMetadata(tokens, types, MERGES, "gpt2", "smollm")


@cache
def build_tiny_model() -> AuthorModel:
    """Return the author's view of the tiny model."""
    return build_author_model(build_metadata(), 2_046)


Scorer = Callable[[bytes, int], int]


class ScriptedEngine:
    """An engine whose logit of a token is a function of the text so far and the token."""

    model_root = Hash32(bytes(32))

    def __init__(self, vocabulary: Vocabulary, score: Scorer) -> None:
        self.vocabulary = vocabulary
        self.score = score
        self.shape = ModelShape(1, 32, 32, 1, 1, 32, vocabulary.size, 2_046, 1, 4, 1, MISSING)

    def open(self, prefix: Sequence[int]) -> ScriptedSession:
        return ScriptedSession(self, list(prefix))


class ScriptedSession:
    """One context of a `ScriptedEngine`."""

    def __init__(self, engine: ScriptedEngine, tokens: list[int]) -> None:
        self.engine = engine
        self.tokens = tokens

    def extend(self, tokens: Sequence[int]) -> None:
        assert len(tokens) > 0
        self.tokens += tokens

    def best(self, allowed: Sequence[int], noise: Noise | None = None) -> int:
        assert noise is None, "an author's tools judge at temperature 0"
        logits = self.logits(allowed)
        return max(zip(logits, (-token for token in allowed), strict=True))[1] * -1

    def logits(self, tokens: Sequence[int]) -> list[int]:
        text = b"".join(self.engine.vocabulary.tokens[token] or b"" for token in self.tokens)
        return [self.engine.score(text, int(token)) for token in tokens]

    def layer_roots(self, index: int) -> Sequence[Hash32]:
        return (Hash32(bytes(32)),)

    def position_root(self, index: int, sampler: Hash32) -> Hash32:
        """Return the sampler's root alone: this model has no layers."""
        del index
        return sampler
