"""Tokens from data: greedy, lossless, never a control token."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oyez.protocol.errors import Invalid
from oyez.protocol.vocabulary import Vocabulary
from tests.manifests import MISSING
from tests.scripted_session import VOCABULARY

SMALL = Vocabulary([None, b"a", b"b", b"ab", b"abc", b"ab", b"\xc3\xa9", b"a", b"c"])


def plain_greedy(vocabulary: Vocabulary, data: bytes) -> list[int]:
    """Tokenise the obvious way: try every token at every offset."""
    tokens = []
    while data:
        fitting = [
            (-len(text), token)
            for token, text in enumerate(vocabulary.tokens)
            if text is not None and data.startswith(text)
        ]
        length, token = min(fitting)
        tokens.append(token)
        data = data[-length:]
    return tokens


def test_longest_match_wins_and_equal_bytes_give_the_lowest_id() -> None:
    """Rule: TOKENS-2."""
    assert SMALL.greedy(b"abcabab") == (4, 3, 3)
    assert SMALL.greedy(b"aabb") == (1, 3, 2)
    assert SMALL.greedy(b"cab") == (8, 3)
    assert SMALL.greedy(b"") == ()


@given(st.binary(max_size=60).map(lambda data: bytes(b for b in data if b not in MISSING)))
def test_greedy_tokens_are_lossless_and_no_more_than_bytes(data: bytes) -> None:
    """Rule: TOKENS-2."""
    tokens = VOCABULARY.greedy(data)
    assert VOCABULARY.join(tokens) == data
    assert len(tokens) <= len(data)
    assert list(tokens) == plain_greedy(VOCABULARY, data)


def test_a_byte_without_a_token_is_named() -> None:
    """Rule: TOKENS-2."""
    with pytest.raises(Invalid, match="byte 0x7a at offset 2") as caught:
        SMALL.greedy(b"abz")
    assert caught.value.rule == "TOKENS-2"
    assert SMALL.longest(b"ab", 2) is None


def test_tokens_that_are_never_sampled_have_no_bytes() -> None:
    """Rule: TOKENS-1."""
    for token in (0, -1, 9, 10**6):
        with pytest.raises(Invalid) as caught:
            SMALL.bytes_of(token)
        assert caught.value.rule == "TOKENS-1"
    with pytest.raises(Invalid, match="token 1 has no bytes"):
        Vocabulary([b"a", b""])
    ids = [token for ids in SMALL.ids_by_bytes.values() for token in ids]
    assert sorted(ids) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_missing_bytes_have_no_token_of_their_own() -> None:
    """Rule: TOKENS-3."""
    assert VOCABULARY.missing == MISSING
    assert 0xC3 in SMALL.missing  # a token of two bytes is not its first byte's own
    assert Vocabulary([bytes([byte]) for byte in range(256)]).missing == b""


def test_single_gives_the_lowest_id_of_a_byte() -> None:
    assert [SMALL.single(byte) for byte in b"abz"] == [1, 2, None]


def test_the_trie_holds_each_token_at_its_bytes() -> None:
    found = []
    walk = [(VOCABULARY.trie, b"")]
    while walk:
        node, text = walk.pop()
        found += [(token, text) for token in node.ids]
        walk += [(child, text + bytes([byte])) for byte, child in node.children.items()]
    assert sorted(found) == [(t, b) for t, b in enumerate(VOCABULARY.tokens) if b is not None]
    assert VOCABULARY.trie is VOCABULARY.trie
