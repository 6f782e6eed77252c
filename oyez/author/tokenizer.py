"""Makes tokens of an author's literals: the model's own byte-pair encoding.

Data in slots and examples never pass here: they are tokenised greedily, as on every node. A
literal is different: its tokens stand in the manifest, so nobody has to make them again, and the
model reads best what was split as in its training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import tokenizers
from tokenizers import models, pre_tokenizers

from oyez.engines.exact import gguf, locate, tokens
from oyez.protocol import constants as c
from oyez.protocol.errors import Invalid
from oyez.protocol.manifest_layout import ModelLimits
from oyez.protocol.vocabulary import Vocabulary

#: Splitting rules by the GGUF's name for them; each digit of a number is a word of its own or not.
_SINGLE_DIGITS = {"smollm": True, "gpt-2": False, "default": False}


@dataclass(frozen=True, slots=True)
class AuthorModel:
    """What of a model an author's tools need; its weights are not among it.

    Attributes:
        limits: what a manifest is checked against.
        vocabulary: bytes of every sampleable token.
        controls: control tokens by the name between `<|` and `|>`.
        encoder: the byte-pair encoding.
    """

    limits: ModelLimits
    vocabulary: Vocabulary
    controls: Mapping[str, int]
    encoder: tokenizers.Tokenizer

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the tokens of a literal's text, which holds no control token.

        Rule: AUTHOR-8

        Raises:
            Invalid: AUTHOR-8 if the encoding does not spell the text again.
        """
        ids = tuple(self.encoder.encode(text, add_special_tokens=False).ids)
        if any(self.vocabulary.tokens[token] is None for token in ids) or (
            self.vocabulary.join(ids) != text.encode()
        ):
            raise Invalid("AUTHOR-8", f"the model has no tokens for all of {text[:40]!r}")
        return ids


def load_author_model(path: Path | None = None) -> AuthorModel:
    """Read a model file's token table, by default the installed model's.

    Raises:
        Fatal: there is no model file.
        Invalid: it is damaged or of a kind that is not supported.
    """
    file = gguf.open_gguf(locate.find_model() if path is None else path)
    context = file.metadata.get("llama.context_length")
    if type(context) is not int:
        raise Invalid("AUTHOR-8", "the model file states no context length: use another file")
    return build_author_model(tokens.parse_tokenizer_metadata(file), context)


def build_author_model(metadata: tokens.TokenizerMetadata, context: int) -> AuthorModel:
    """Build the tools' view of a model from its token table.

    Raises:
        Invalid: AUTHOR-8 if its splitting rule is not known here, or its merges are damaged.
    """
    single_digits = _SINGLE_DIGITS.get(metadata.pre)
    if single_digits is None:
        raise Invalid(
            "AUTHOR-8",
            f"the model splits text by {metadata.pre!r}; known are {', '.join(_SINGLE_DIGITS)}: "
            "use a model with one of these",
        )
    vocabulary = tokens.build_vocabulary(metadata)
    return AuthorModel(
        limits=ModelLimits(vocabulary.size, min(context, c.MAX_POSITIONS), vocabulary.missing),
        vocabulary=vocabulary,
        controls={
            spelling[2:-2]: token
            for token, spelling in enumerate(metadata.tokens)
            if metadata.types[token] is tokens.TokenType.CONTROL
            and spelling.startswith("<|")
            and spelling.endswith("|>")
        },
        encoder=_build_encoder(metadata, single_digits),
    )


def _build_encoder(metadata: tokens.TokenizerMetadata, single_digits: bool) -> tokenizers.Tokenizer:
    """Return the byte-pair encoding over the file's spellings."""
    merges = []
    for merge in metadata.merges:
        left, _, right = merge.partition(" ")
        merges.append((left, right))
    # Of equal spellings the lowest id is kept, as everywhere.
    vocab = {spelling: token for token, spelling in reversed(list(enumerate(metadata.tokens)))}
    known = {left + right for left, right in merges} | {part for pair in merges for part in pair}
    if not known <= vocab.keys():
        raise Invalid("AUTHOR-8", "the model's merges name tokens it lacks: use another file")
    encoder = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=merges))
    # The types of tokenizers' stubs are wider than what these calls return.
    steps = [pre_tokenizers.Digits(individual_digits=True)] if single_digits else []
    encoder.pre_tokenizer = pre_tokenizers.Sequence(
        [*steps, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    return encoder
