"""Lists the mutants of a source: every place where one small change could go unnoticed.

A mutant is named by its file, function, statement and change, not by a row number, so that a
proof that it is equivalent outlives changes elsewhere.
"""

from __future__ import annotations

import itertools
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scripts.mutate.source import Line, Token, read_lines

#: What stands for an operator in turn.
OPERATORS = {
    "<": ("<=", ">="),
    "<=": ("<", ">"),
    ">": (">=", "<="),
    ">=": (">", "<"),
    "==": ("!=",),
    "!=": ("==",),
    "and": ("or",),
    "or": ("and",),
    "+": ("-",),
    "-": ("+",),
    "*": ("//",),
    "//": ("*",),
    "+=": ("-=",),
    "-=": ("+=",),
    "<<": (">>",),
    ">>": ("<<",),
    "&": ("|",),
    "|": ("&",),
    "unsafe_add": ("unsafe_sub",),
    "unsafe_sub": ("unsafe_add",),
    "min": ("max",),
    "max": ("min",),
    "not": ("",),
}
_ASSIGN = {"=", "+=", "-=", "|=", "&="}
_SIZED = ("bytes", "Bytes", "DynArray", "String", "uint256")
#: Not called, or the same whatever the order.
_UNSWAPPED = {"in", "assert", "return", "unsafe_add", "unsafe_mul", "min", "max"}
_SKIPPED = {"import", "from", "implements", "initializes", "uses", "exports", "struct", "def", "@"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one source.

    Attributes:
        file: path of the source below the root.
        function: the function changed; "" for a constant of the module.
        line: the statement, white space made one.
        change: the change in words; with the rest it names the mutant.
        start, end, text: what is put in place of which characters.
        row: for a reader; not part of the name.
    """

    file: str
    function: str
    line: str
    change: str
    start: int
    end: int
    text: str
    row: int

    @property
    def name(self) -> str:
        """What names this mutant, in one line."""
        return f"{self.file}:{self.function or 'module'}: `{self.line}`: {self.change}"

    def apply(self, source: str) -> str:
        """Return the source changed."""
        return source[: self.start] + self.text + source[self.end :]


def list_mutants(file: str, source: str) -> list[Mutant]:
    """Return all mutants of one source, in its order; many do not compile."""
    found: list[Mutant] = []
    seen: dict[str, int] = {}
    for line in read_lines(source):
        for change, start, end, text in _change_line(line, source):
            mutant = Mutant(file, line.function, line.text, change, start, end, text, line.number)
            seen[mutant.name] = count = seen.get(mutant.name, 0) + 1
            if count > 1:
                change = f"{change}, place {count}"
                mutant = Mutant(
                    file, line.function, line.text, change, start, end, text, line.number
                )
            found.append(mutant)
    return found


Change = tuple[str, int, int, str]


def _change_line(line: Line, source: str) -> Iterator[Change]:
    first = line.tokens[0]
    if first.kind == tokenize.STRING or first.text in _SKIPPED:
        return
    if not line.function:
        if any(token.text == "constant" for token in line.tokens):
            yield from _change_tokens(line.tokens[_find_value(line.tokens) :])
        return
    yield from _drop(line)
    body = line.tokens[_find_value(line.tokens) :]
    yield from _change_tokens(body)
    yield from _swap_arguments(body, source)


def _find_value(tokens: Sequence[Token]) -> int:
    """Return where a declaration's value begins, past its type; 0 for any other statement."""
    declares = len(tokens) > 1 and tokens[1].text == ":" and tokens[0].text not in {"else", "try"}
    loops = tokens[0].text == "for"
    end = {"in"} if loops else {"="}
    if declares or loops:
        for at, token in enumerate(tokens):
            if token.depth == tokens[0].depth and token.text in end:
                return at + 1
        return len(tokens)
    return 0


def _drop(line: Line) -> Iterator[Change]:
    """Drop a whole statement: a check, a write, a log, a call, an early exit."""
    tokens = line.tokens
    first, last, top = tokens[0], tokens[-1], tokens[0].depth
    whole = first.start, last.end, "pass"
    declares = len(tokens) > 1 and tokens[1].text == ":"
    if first.text in ("if", "elif", "else", "for"):
        return
    if first.text in ("assert", "log", "extcall", "raw_call", "raise", "return", "break"):
        yield (f"drop {first.text}", *whole)
    elif any(token.text in _ASSIGN and token.depth == top for token in tokens) and not declares:
        yield ("drop write", *whole)
    elif first.text != "pass" and not declares and last.text == ")":
        yield ("drop call", *whole)


def _change_tokens(tokens: Sequence[Token]) -> Iterator[Change]:
    for at, token in enumerate(tokens):
        before = tokens[at - 1] if at else None
        after = tokens[at + 1] if at + 1 < len(tokens) else None
        if token.text in OPERATORS and _is_operator(token, before):
            for other in OPERATORS[token.text]:
                yield f"{token.text} to {other or 'nothing'}", token.start, token.end, other
        elif _in_type(tokens, at):
            continue
        elif token.kind == tokenize.NUMBER and token.text.replace("_", "").isdigit():
            value = int(token.text)
            for near in (value + 1, value - 1):
                if near >= 0:
                    yield f"{token.text} to {near}", token.start, token.end, str(near)
        elif token.text.isupper() and token.kind == tokenize.NAME and len(token.text) > 1:
            if after is not None and after.text in (".", "("):
                continue
            start, name = token.start, token.text
            if before is not None and before.text == ".":
                start, name = tokens[at - 2].start, f"{tokens[at - 2].text}.{token.text}"
            for sign in ("+", "-"):
                yield f"{name} to {name} {sign} 1", start, token.end, f"({name} {sign} 1)"


def _is_operator(token: Token, before: Token | None) -> bool:
    """Say whether a token is the operator itself: no sign, no keyword argument, no attribute."""
    if token.kind == tokenize.NAME:
        return before is None or before.text != "."
    if token.text in ("+", "-", "*"):
        return before is not None and (
            before.kind in (tokenize.NAME, tokenize.NUMBER) or before.text in (")", "]")
        )
    return True


def _in_type(tokens: Sequence[Token], at: int) -> bool:
    """Say whether a token stands in the brackets of a type, such as `bytes32[c.HEIGHT]`."""
    depth = tokens[at].depth
    for back in range(at - 1, 0, -1):
        token = tokens[back]
        if token.depth < depth and token.text == "[":
            return tokens[back - 1].text.startswith(_SIZED)
        if token.depth < depth:
            return False
    return False


def _swap_arguments(tokens: Sequence[Token], source: str) -> Iterator[Change]:
    """Exchange neighbouring arguments of calls, and the values of neighbouring keywords."""
    for at, token in enumerate(tokens[1:], 1):
        called = tokens[at - 1].kind == tokenize.NAME and tokens[at - 1].text not in OPERATORS
        if token.text != "(" or not called or tokens[at - 1].text in _UNSWAPPED:
            continue
        spans = list(_split_arguments(tokens, at))
        for one, two in itertools.pairwise(spans):
            left, right = source[one[0] : one[1]], source[two[0] : two[1]]
            if left != right:
                between = source[one[1] : two[0]]
                name = f"{tokens[at - 1].text}: swap {' '.join(left.split())}"
                name += f" and {' '.join(right.split())}"
                yield name, one[0], two[1], right + between + left


def _split_arguments(tokens: Sequence[Token], at: int) -> Iterator[tuple[int, int]]:
    """Yield the first and last character of each argument after the bracket at `at`."""
    depth = tokens[at].depth
    begin: Token | None = None
    before = tokens[at]
    for token in tokens[at + 1 :]:
        ends = token.depth == depth + 1 and token.text == ","
        closes = token.depth == depth and token.text == ")"
        if ends or closes:
            if begin is not None:
                yield begin.start, before.end
            begin = None
        elif token.depth == depth + 1 and token.text == "=" and begin is before:
            begin = None
        elif begin is None:
            begin = token
        if closes:
            return
        before = token
