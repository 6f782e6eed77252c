"""A model's sampleable tokens as bytes, and the one way data becomes tokens.

A token is an id and its decoded bytes. Control and unused tokens have no bytes here: they can
never be made from data nor sampled, whatever text they are spelled with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from oyez.protocol.errors import Invalid


class TrieNode:
    """A node of the byte trie: children by byte, ids of the tokens that end here, ascending."""

    __slots__ = ("children", "ids")

    def __init__(self) -> None:
        """Start without children and without tokens."""
        self.children: dict[int, TrieNode] = {}
        self.ids: list[int] = []


class Vocabulary:
    """The bytes of every sampleable token, by id.

    Rule: TOKENS-1

    Attributes:
        tokens: bytes of token i, or None if it is never sampled (control, unused).
        size: number of ids, sampleable or not.
        ids_by_bytes: ids of the tokens with these bytes, ascending.
        missing: bytes 80..ff, ascending, that no token spells alone.
    """

    def __init__(self, tokens: Sequence[bytes | None]) -> None:
        """Index the tokens; the index in `tokens` is the id.

        Raises:
            Invalid: TOKENS-1 if a token is empty: it could be sampled for ever.
        """
        self.tokens: tuple[bytes | None, ...] = tuple(tokens)
        self.size = len(self.tokens)
        if b"" in self.tokens:
            token = self.tokens.index(b"")
            raise Invalid("TOKENS-1", f"token {token} has no bytes: mark it as never sampled")
        #: The lowest id of each byte that is a token.
        self._singles: dict[bytes, int] = {}
        for token, data in enumerate(self.tokens):
            if data is not None and len(data) == 1:
                self._singles.setdefault(data, token)
        self.missing = self._compute_missing()
        self._trie: TrieNode | None = None

    @cached_property
    def ids_by_bytes(self) -> dict[bytes, tuple[int, ...]]:
        """Ids of the tokens with these bytes, ascending; made at first use."""
        found: dict[bytes, tuple[int, ...]] = {}
        for token, data in enumerate(self.tokens):
            if data is not None:
                found[data] = (*found.get(data, ()), token)
        return found

    @cached_property
    def _lengths(self) -> dict[int, list[int]]:
        """Lengths worth trying after a first byte, longest first; made at first use."""
        lengths: dict[int, set[int]] = {}
        for data in self.ids_by_bytes:
            lengths.setdefault(data[0], set()).add(len(data))
        return {first: sorted(seen, reverse=True) for first, seen in lengths.items()}

    def _compute_missing(self) -> bytes:
        """Return the bytes 80..ff that no token spells alone, ascending.

        Rule: TOKENS-3
        """
        return bytes(b for b in range(0x80, 0x100) if bytes([b]) not in self._singles)

    def single(self, byte: int) -> int | None:
        """Return the lowest id of the tokens whose bytes are this one byte, or None."""
        return self._singles.get(bytes([byte]))

    def longest(self, data: bytes, at: int = 0) -> int | None:
        """Return the token of the longest match at offset `at`, the lowest id among equals.

        None if no token begins there.
        """
        if at >= len(data):
            return None
        for length in self._lengths.get(data[at], ()):
            ids = self.ids_by_bytes.get(data[at : at + length])
            # A slice cut short by the end of data is not a match of this length, but it is a
            # match of its own length, which then is the longest one left.
            if ids is not None:
                return ids[0]
        return None

    def iterate_greedy(self, data: bytes) -> Iterator[int]:
        """Yield the greedy tokens of `data`, one by one.

        Rule: TOKENS-2

        Raises:
            Invalid: TOKENS-2 at the first offset where no token begins.
        """
        at = 0
        while at < len(data):
            token = self.longest(data, at)
            if token is None:
                raise Invalid(
                    "TOKENS-2",
                    f"no token of the model begins with byte {data[at]:#04x} at offset {at}: "
                    "leave that byte out",
                )
            yield token
            at += len(self.bytes_of(token))

    def greedy(self, data: bytes) -> tuple[int, ...]:
        """Return the greedy tokens of `data`: longest match first, equal bytes lowest id.

        Never more tokens than bytes, and the tokens' bytes joined are `data` again.

        Raises:
            Invalid: TOKENS-2 if some byte has no token.
        """
        return tuple(self.iterate_greedy(data))

    def bytes_of(self, token: int) -> bytes:
        """Return the bytes of a sampleable token.

        Raises:
            Invalid: TOKENS-1 if the id is unknown or never sampled.
        """
        data = self.tokens[token] if 0 <= token < self.size else None
        if data is None:
            raise Invalid("TOKENS-1", f"token {token} carries no bytes: it is never sampled")
        return data

    def join(self, tokens: Sequence[int]) -> bytes:
        """Return the bytes of sampleable tokens, joined."""
        return b"".join(self.bytes_of(token) for token in tokens)

    @property
    def trie(self) -> TrieNode:
        """Root of the byte trie over all sampleable tokens, built at first use."""
        if self._trie is None:
            root = TrieNode()
            for data, ids in self.ids_by_bytes.items():
                node = root
                for byte in data:
                    node = node.children.setdefault(byte, TrieNode())
                node.ids.extend(ids)
            self._trie = root
        return self._trie
