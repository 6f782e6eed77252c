"""Typed readers of YAML nodes; each error names its place and what to write instead."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

from oyez.author.yaml_tree import Document, InvalidYaml, ListNode, MapNode, Mark, Node, TextNode

_INTEGER = re.compile(r"-?[0-9]+(_[0-9]+)*\Z")
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?\Z")
_MAX_DIGITS = 100


def suggest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the nearest known word, else the words there are."""
    words = sorted(known)
    near = difflib.get_close_matches(word[:64], words, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; write one of: {', '.join(words)}" if words else ""


class Section:
    """A mapping with a fixed set of keys.

    Rule: AUTHOR-3
    """

    def __init__(self, node: Node, what: str, keys: Sequence[str]) -> None:
        """Check that the node is a mapping and holds no other keys."""
        if not isinstance(node, MapNode):
            raise InvalidYaml(
                "AUTHOR-3",
                node.mark,
                f"{what} is a mapping: write lines 'key: value' below it ({', '.join(keys)})",
            )
        for key, (key_node, _) in node.entries.items():
            if key not in keys:
                raise InvalidYaml(
                    "AUTHOR-3", key_node.mark, f"unknown key {key!r}{suggest(key, keys)}"
                )
        self.node = node
        self._what = what

    def get(self, key: str) -> Node | None:
        """Return a key's value, None if it is not given."""
        entry = self.node.entries.get(key)
        return None if entry is None else entry[1]

    def require(self, key: str, example: str) -> Node:
        """Return a key's value.

        Raises:
            InvalidYaml: AUTHOR-3 if it is not given.
        """
        value = self.get(key)
        if value is None:
            raise InvalidYaml(
                "AUTHOR-3",
                self.node.mark,
                f"{self._what} has no {key!r}: add a line '{key}: {example}'",
            )
        return value

    def get_mark(self, key: str) -> Mark:
        """Return where a key stands, the section's beginning if it is not given."""
        entry = self.node.entries.get(key)
        return self.node.mark if entry is None else entry[0].mark


def read_text(node: Node, what: str) -> TextNode:
    """Return a scalar.

    Raises:
        InvalidYaml: AUTHOR-4 if it is a list or mapping.
    """
    if not isinstance(node, TextNode):
        hint = "a text with braces or brackets goes in quotes"
        raise InvalidYaml("AUTHOR-4", node.mark, f"{what} is one value: {hint}")
    return node


def read_integer(node: Node, what: str, low: int, high: int) -> int:
    """Return an integer within [low, high], written in decimal digits, `_` between them allowed.

    Rule: AUTHOR-4
    """
    text = read_text(node, what)
    if text.style or not _INTEGER.match(text.value) or len(text.value) > _MAX_DIGITS:
        raise InvalidYaml(
            "AUTHOR-4",
            node.mark,
            f"{what} is a whole number in plain digits, not {text.value[:40]!r}",
        )
    number = int(text.value)
    if not low <= number <= high:
        raise InvalidYaml(
            "AUTHOR-4", node.mark, f"{what} is {number}: it must lie between {low} and {high}"
        )
    return number


def read_boolean(node: Node, what: str) -> bool:
    """Return true or false; no other word is one."""
    return read_choice(node, what, ("false", "true")) == "true"


def read_choice(node: Node, what: str, words: Sequence[str]) -> str:
    """Return one of these words."""
    text = read_text(node, what)
    if text.value not in words:
        raise InvalidYaml(
            "AUTHOR-4",
            node.mark,
            f"{what} cannot be {text.value[:40]!r}{suggest(text.value, words)}",
        )
    return text.value


def read_q16(node: Node, what: str, bits: int) -> int:
    """Return a decimal number as Q16, rounded half up, that fits a signed integer of so many bits.

    Rule: AUTHOR-10
    """
    text, scaled = _read_decimal(node, what, "-1.25")
    most = (1 << (bits - 1)) - 1
    if not -most <= scaled <= most:
        raise InvalidYaml(
            "AUTHOR-4", node.mark, f"{what} is {text}: it must lie within ±{most >> 16}"
        )
    return scaled


def read_temperature(node: Node) -> int:
    """Return a temperature as Q16, rounded half up; one above 0 never becomes 0.

    Rule: AUTHOR-22
    """
    text, scaled = _read_decimal(node, "'temperature'", "0.7")
    if not 0 <= scaled < 1 << 32 or text.startswith("-"):
        raise InvalidYaml(
            "AUTHOR-22", node.mark, f"'temperature' is {text}: it must lie between 0 and 65535"
        )
    if scaled == 0 and Decimal(text) > 0:
        raise InvalidYaml(
            "AUTHOR-22",
            node.mark,
            f"'temperature' is {text}: the least above 0 is 0.00002; write 0 for the best token",
        )
    return scaled


def _read_decimal(node: Node, what: str, example: str) -> tuple[str, int]:
    """Return a decimal number as it is written, and as Q16 rounded half up."""
    text = read_text(node, what)
    if text.style or not _DECIMAL.match(text.value) or len(text.value) > _MAX_DIGITS:
        raise InvalidYaml(
            "AUTHOR-4",
            node.mark,
            f"{what} is a decimal number like {example}, not {text.value[:40]!r}",
        )
    number, denominator = Decimal(text.value).as_integer_ratio()
    return text.value, (2 * number * 65_536 + denominator) // (2 * denominator)


def read_list(node: Node, what: str, most: int) -> tuple[Node, ...]:
    """Return the items of a list of at most `most`."""
    if not isinstance(node, ListNode):
        raise InvalidYaml(
            "AUTHOR-4", node.mark, f"{what} is a list: write '[a, b]' or lines that begin with '- '"
        )
    if len(node.items) > most:
        raise InvalidYaml(
            "AUTHOR-4", node.mark, f"{what} has {len(node.items)} items: at most {most}"
        )
    return node.items


def read_string(
    document: Document, node: Node, what: str, *, missing: bytes, least: int, most: int
) -> bytes:
    """Return a text as the bytes of a JSON string: no control character, quote or backslash.

    Rule: AUTHOR-5

    Args:
        document: to locate a bad character.
        node: the scalar.
        what: its name in messages.
        missing: bytes the model has no token for.
        least: its shortest size in bytes.
        most: its longest size in bytes.
    """
    text = read_text(node, what)
    for offset, character in enumerate(text.value):
        encoded = character.encode()
        if character < " " or character in '"\\\x7f' or any(byte in missing for byte in encoded):
            raise InvalidYaml(
                "AUTHOR-5",
                document.locate(text, offset),
                f"{what} cannot hold {character!r}: no control characters, double quotes, "
                "backslashes or characters the model has no tokens for",
            )
    data = text.value.encode()
    if not least <= len(data) <= most:
        raise InvalidYaml(
            "AUTHOR-5", node.mark, f"{what} has {len(data)} bytes: {least} to {most} are allowed"
        )
    return data
