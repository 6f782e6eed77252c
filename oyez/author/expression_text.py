"""Parses an author's expression, `old.count + (new.mood == positive)`, into a tree.

Precedence, loosest first: `a if c else b`, `or`, `and`, `not`, one comparison, `+ -`, `* / %`,
unary `-`. Division truncates toward zero and `%` has the dividend's sign, as on chain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from oyez.author.expression_tree import (
    Binary,
    Builtin,
    Conditional,
    FieldRef,
    Number,
    Option,
    Tree,
    Unary,
)

MAX_TEXT = 2_000
MAX_TOKENS = 256
_MAX_NESTING = 24
_MAX_LITERAL_DIGITS = 80

COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
BUILTINS = ("caller", "value", "time")
FUNCTIONS = ("min", "max")
_WORDS = ("if", "else", "and", "or", "not")
_BINDING = {"or": 1, "and": 2} | dict.fromkeys(COMPARISONS, 4)
_BINDING |= {"+": 5, "-": 5, "*": 6, "/": 6, "%": 6}
_NOT_BINDING, _COMPARE_BINDING, _MINUS_BINDING = 3, 4, 7

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>0x[0-9A-Fa-f]+|[0-9][0-9_]*)
      | (?P<field>(?:old|new)\s*\.\s*\w+)
      | (?P<word>[^\W\d]\w*)
      | (?P<quoted>"[^"]*"|'[^']*')
      | (?P<sign>\*\*|//|&&|\|\||==|!=|<=|>=|[-+*/%<>(),=!.?:&|^~])
    )""",
    re.VERBOSE,
)
_HINTS = {
    "=": "write '==' to compare",
    "&&": "write 'and'",
    "&": "write 'and'",
    "||": "write 'or'",
    "|": "write 'or'",
    "!": "write 'not'",
    "//": "write '/': division truncates toward zero",
    "**": "write the number out",
    "?": "write 'a if condition else b'",
    ":": "write 'a if condition else b'",
}


class ExpressionError(Exception):
    """An expression is wrong at `offset` of its text; `what` names the fix."""

    def __init__(self, offset: int, what: str) -> None:
        """Keep the place for whoever knows where the text stands."""
        self.offset = offset
        self.what = what
        super().__init__(what)


@dataclass(frozen=True, slots=True)
class _Token:
    """A lexeme; `kind` is a group of the pattern, or "end"."""

    kind: str
    text: str
    at: int


def parse_expression(text: str) -> Tree:
    """Parse one expression.

    Rule: AUTHOR-6

    Raises:
        ExpressionError: at the first place that does not fit; nothing else, whatever the text.
    """
    if len(text) > MAX_TEXT:
        raise ExpressionError(0, f"an expression has at most {MAX_TEXT:,} characters: split it")
    parser = _Parser(_split(text))
    tree = parser.parse()
    parser.verify_end()
    return tree


def _split(text: str) -> list[_Token]:
    """Return the lexemes and an end mark."""
    tokens: list[_Token] = []
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            bad = at + len(text[at:]) - len(text[at:].lstrip())
            raise ExpressionError(bad, f"{text[bad]!r} does not belong here: remove it")
        kind = str(match.lastgroup)
        lexeme, start = match.group(kind), match.start(kind)
        if kind == "word" and lexeme in _WORDS:
            kind = "sign"
        tokens.append(_Token(kind, lexeme, start))
        at = match.end()
        if len(tokens) > MAX_TOKENS:
            raise ExpressionError(start, f"more than {MAX_TOKENS} words and signs: split it")
    return [*tokens, _Token("end", "", len(text.rstrip()))]


class _Parser:
    """A Pratt parser over the lexemes."""

    def __init__(self, tokens: list[_Token]) -> None:
        """Start at the first."""
        self._tokens = tokens
        self._at = 0
        self._nesting = 0

    def parse(self) -> Tree:
        """Parse a whole expression, conditionals included."""
        self._nesting += 1
        if self._nesting > _MAX_NESTING:
            raise ExpressionError(self._peek().at, "nested too deeply: split it")
        tree = self._parse_operators(1)
        if self._is_next("if"):
            at = self._take().at
            condition = self._parse_operators(1)
            self._expect("else", "'a if condition' needs 'else b'")
            tree = Conditional(at, tree, condition, self.parse())
        self._nesting -= 1
        return tree

    def verify_end(self) -> None:
        """Check that nothing follows."""
        token = self._peek()
        if token.kind == "end":
            return
        if token.text in _HINTS:
            raise ExpressionError(
                token.at, f"unknown operator {token.text!r}: {_HINTS[token.text]}"
            )
        raise ExpressionError(token.at, f"an operator is missing before {token.text!r}")

    def _parse_operators(self, least: int) -> Tree:
        """Parse operands and the binary operators that bind at least so tightly."""
        tree = self._parse_operand()
        compared = False
        while True:
            token = self._peek()
            binding = _BINDING.get(token.text, 0) if token.kind == "sign" else 0
            if binding < least or binding == 0:
                return tree
            if binding == _COMPARE_BINDING:
                if compared:
                    raise ExpressionError(
                        token.at, "comparisons do not chain: write 'a < b and b < c'"
                    )
                compared = True
            self._take()
            tree = Binary(token.at, token.text, tree, self._parse_operators(binding + 1))
            compared = compared and binding >= _COMPARE_BINDING

    def _parse_operand(self) -> Tree:
        """Parse what can stand at the beginning of an expression."""
        token = self._take()
        if token.kind == "number":
            return Number(token.at, _read_number(token))
        if token.kind == "field":
            scope, name = re.split(r"\s*\.\s*", token.text)
            return FieldRef(token.at, scope == "new", name)
        if token.kind == "quoted":
            return Option(token.at, token.text[1:-1], quoted=True)
        if token.kind == "word":
            return self._parse_word(token)
        if token.text == "(":
            tree = self.parse()
            self._expect(")", "this '(' is not closed", token.at)
            return tree
        if token.text in ("-", "not"):
            return self._parse_prefix(token)
        if token.text in _HINTS:
            raise ExpressionError(
                token.at, f"unknown operator {token.text!r}: {_HINTS[token.text]}"
            )
        found = "the expression ends" if token.kind == "end" else f"{token.text!r} stands"
        raise ExpressionError(
            token.at, f"{found} where a value is expected: a number, old.<field>, new.<field>, '('"
        )

    def _parse_prefix(self, token: _Token) -> Tree:
        """Parse the operand of `-` or `not`; a minus before a number is part of it."""
        self._nesting += 1
        if self._nesting > _MAX_NESTING:
            raise ExpressionError(token.at, "nested too deeply: split it")
        binding = _MINUS_BINDING if token.text == "-" else _NOT_BINDING
        operand = self._parse_operators(binding)
        self._nesting -= 1
        if token.text == "-" and isinstance(operand, Number) and not operand.boolean:
            return Number(token.at, -operand.value)
        return Unary(token.at, token.text, operand)

    def _parse_word(self, token: _Token) -> Tree:
        """Parse a name: a builtin, a boolean, a function call or an option."""
        if token.text in ("true", "false"):
            return Number(token.at, int(token.text == "true"), boolean=True)
        if self._is_next("("):
            return self._parse_call(token)
        if token.text in BUILTINS:
            return Builtin(token.at, token.text)
        return Option(token.at, token.text, quoted=False)

    def _parse_call(self, name: _Token) -> Tree:
        """Parse `min(a, b, ...)` or `max(a, b, ...)`."""
        if name.text not in FUNCTIONS:
            raise ExpressionError(
                name.at, f"unknown function {name.text!r}: there are min(a, b) and max(a, b)"
            )
        opened = self._take()
        tree = self.parse()
        count = 1
        while self._is_next(","):
            self._take()
            tree = Binary(name.at, name.text, tree, self.parse())
            count += 1
        self._expect(")", "this '(' is not closed", opened.at)
        if count < 2:
            raise ExpressionError(name.at, f"{name.text} takes at least two values: add another")
        return tree

    def _peek(self) -> _Token:
        """Return the next lexeme."""
        return self._tokens[self._at]

    def _take(self) -> _Token:
        """Return the next lexeme and go on; the end stays."""
        token = self._tokens[self._at]
        if token.kind != "end":
            self._at += 1
        return token

    def _is_next(self, sign: str) -> bool:
        """Say whether this sign comes next."""
        token = self._peek()
        return token.kind == "sign" and token.text == sign

    def _expect(self, sign: str, what: str, at: int | None = None) -> None:
        """Take a sign that must come next."""
        if not self._is_next(sign):
            token = self._peek()
            if token.text in _HINTS:
                raise ExpressionError(
                    token.at, f"unknown operator {token.text!r}: {_HINTS[token.text]}"
                )
            raise ExpressionError(token.at if at is None else at, what)
        self._take()


def _read_number(token: _Token) -> int:
    """Return a decimal or 0x literal."""
    digits = token.text.replace("_", "")
    if len(digits) > _MAX_LITERAL_DIGITS:
        raise ExpressionError(token.at, "a number has at most 255 bits: write a smaller one")
    return int(digits, 16) if digits.startswith("0x") else int(digits)
