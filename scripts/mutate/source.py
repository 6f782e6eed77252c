"""Reads a Vyper source as logical lines of tokens, each with its function and its offsets.

Vyper's text is tokenized as Python's; nothing here knows types. A `Line` is one statement, on one
row or on several.
"""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass

_IGNORED = {tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT}
_OPEN, _CLOSE = "([{", ")]}"


@dataclass(frozen=True, slots=True)
class Token:
    """One token: its kind (of `tokenize`), text, place in the source and depth in brackets."""

    kind: int
    text: str
    start: int
    end: int
    depth: int


@dataclass(frozen=True, slots=True)
class Line:
    """One statement.

    Attributes:
        function: the function it is in; "" outside of all.
        number: its first row, from 1.
        tokens: without comments; brackets themselves have the depth outside of them.
        text: from the first token to the last, white space made one.
    """

    function: str
    number: int
    tokens: tuple[Token, ...]
    text: str


def read_lines(source: str) -> Iterator[Line]:
    """Yield the statements of a source, docstrings and decorators included."""
    rows = [0]
    for row in source.splitlines(keepends=True):
        rows.append(rows[-1] + len(row))
    function, tokens, number, depth = "", list[Token](), 0, 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        start, end = (
            rows[token.start[0] - 1] + token.start[1],
            rows[token.end[0] - 1] + token.end[1],
        )
        if token.type in (tokenize.NEWLINE, tokenize.ENDMARKER):
            if tokens:
                first, last = tokens[0], tokens[-1]
                if first.start == rows[number - 1]:
                    function = tokens[1].text if first.text == "def" else ""
                text = " ".join(source[first.start : last.end].split())
                yield Line(function, number, tuple(tokens), text)
            tokens = []
            continue
        if token.type in _IGNORED:
            continue
        if not tokens:
            number = token.start[0]
        depth -= token.string in _CLOSE and token.type == tokenize.OP
        tokens.append(Token(token.type, token.string, start, end, depth))
        depth += token.string in _OPEN and token.type == tokenize.OP
