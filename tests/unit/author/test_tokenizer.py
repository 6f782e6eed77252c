"""A literal's tokens are the model's own byte-pair encoding."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oyez.author.tokenizer import AuthorModel, build_author_model, load_author_model
from oyez.engines.exact.tokens import TokenType
from oyez.protocol.errors import Invalid
from tests.unit.author.models import build_metadata, build_tiny_model


@pytest.fixture(scope="module")
def smollm() -> AuthorModel:
    return load_author_model()


# Rule: AUTHOR-8
def test_a_literal_is_merged_in_the_order_of_the_merges_not_greedily() -> None:
    model = build_tiny_model()

    assert [model.vocabulary.tokens[i] for i in model.encode("her")] == [b"h", b"er"]
    assert [model.vocabulary.tokens[i] for i in model.vocabulary.greedy(b"her")] == [b"he", b"r"]


def test_literals_of_the_real_model_decode_to_themselves(smollm: AuthorModel) -> None:
    texts = [
        "Review: ",
        "\n",
        "It cost 1234 crowns.\n\n  Twice!",
        "żółć 日本 👍",
        "don't",
        "\t\x01",
    ]

    assert [smollm.vocabulary.join(smollm.encode(text)) for text in texts] == [
        text.encode() for text in texts
    ]


def test_each_digit_of_a_number_is_a_token_of_its_own_in_the_real_model(
    smollm: AuthorModel,
) -> None:
    tokens = [smollm.vocabulary.tokens[i] for i in smollm.encode("in 2024")]

    assert tokens == [b"in", b" ", b"2", b"0", b"2", b"4"]


def test_known_text_has_the_ids_of_the_models_published_tokenizer(smollm: AuthorModel) -> None:
    # HuggingFaceTB/SmolLM2-135M-Instruct: tokenizer("Hello, world! I'm here.")
    assert smollm.encode("Hello, world! I'm here.") == (19556, 28, 905, 17, 339, 5248, 1535, 30)


# Rule: AUTHOR-8
def test_the_files_splitting_rule_decides_about_digits() -> None:
    base = build_metadata()
    metadata = replace(
        base,
        tokens=(*base.tokens, "12"),
        types=(*base.types, TokenType.NORMAL),
        merges=("1 2", *base.merges),
    )

    for pre, count in (("smollm", 2), ("gpt-2", 1)):
        assert len(build_author_model(replace(metadata, pre=pre), 2_046).encode("12")) == count


# Rule: AUTHOR-8
def test_of_equal_spellings_the_lowest_id_is_used() -> None:
    base = build_metadata()
    metadata = replace(base, tokens=(*base.tokens, "er"), types=(*base.types, TokenType.NORMAL))

    assert build_author_model(metadata, 2_046).encode("er") == build_tiny_model().encode("er")


def test_control_tokens_are_known_by_name_and_never_come_from_text(smollm: AuthorModel) -> None:
    assert {"im_start", "im_end", "endoftext"} <= smollm.controls.keys()
    assert not set(smollm.controls.values()) & set(smollm.encode("<|im_start|><|im_end|>"))


def test_a_text_without_tokens_is_refused() -> None:
    with pytest.raises(Invalid, match="no tokens for all"):
        build_tiny_model().encode("\U00040000")


@pytest.mark.parametrize(
    ("change", "hint"),
    [({"pre": "qwen2"}, "known are smollm"), ({"merges": ("q q",)}, "use another file")],
)
def test_a_token_table_that_cannot_be_followed_is_refused(
    change: dict[str, object], hint: str
) -> None:
    with pytest.raises(Invalid, match=hint):
        build_author_model(replace(build_metadata(), **change), 2_046)  # type: ignore[arg-type] # any field
