"""Reads YAML as a tree of texts that know where they stand; nothing in it is ever executed.

Only mappings, lists and texts exist here: a reader of a value decides its type, so `no` is a word
and `007` is not a number by accident. Tags, anchors, aliases, directives and further documents are
refused, and so are deep nesting and large files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import yaml

from oyez.protocol.errors import Invalid

MAX_YAML_BYTES = 65_536
MAX_DEPTH = 12


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the text: line and column from 1, index from 0, all in characters."""

    line: int
    column: int
    index: int

    def __str__(self) -> str:
        """Name the place as an editor does."""
        return f"line {self.line}, column {self.column}"


class InvalidYaml(Invalid):
    """An author's file breaks a rule at a place that is known."""

    def __init__(self, rule: str, mark: Mark, what: str) -> None:
        """Put the place before the sentence."""
        self.mark = mark
        self.line = mark.line
        self.column = mark.column
        super().__init__(rule, f"{mark}: {what}")


@dataclass(frozen=True, slots=True)
class TextNode:
    """A scalar. `style` is how it is written: "" plain, a quote, "|" or ">"."""

    value: str
    style: str
    mark: Mark
    end: int


@dataclass(frozen=True, slots=True)
class ListNode:
    """A sequence."""

    items: tuple[Node, ...]
    mark: Mark
    end: int


@dataclass(frozen=True, slots=True)
class MapNode:
    """A mapping; keys are unique texts, in the author's order. `flow` if written in braces."""

    entries: Mapping[str, tuple[TextNode, Node]]
    flow: bool
    mark: Mark
    end: int


Node = TextNode | ListNode | MapNode


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file and its text."""

    text: str
    root: Node

    def locate(self, node: TextNode, offset: int) -> Mark:
        """Return where a character of a scalar's value stands, or the scalar's own place.

        Exact for `|` blocks and for plain or quoted scalars written on one line without escapes.
        """
        if node.style == "|":
            return self._locate_in_block(node, offset)
        start = node.mark.index + (1 if node.style else 0)
        if self.text[start : start + len(node.value)] != node.value:
            return node.mark
        return self._mark(start + offset)

    def _locate_in_block(self, node: TextNode, offset: int) -> Mark:
        """Return a place inside a literal block: its lines follow the line of its `|`."""
        before = node.value[:offset]
        row, column = before.count("\n"), offset - (before.rfind("\n") + 1)
        content = node.value.split("\n")[row]
        start = node.mark.index
        for _ in range(row + 1):
            start = self.text.find("\n", start) + 1
            if start == 0:
                return node.mark
        end = self.text.find("\n", start)
        line = self.text[start : len(self.text) if end < 0 else end]
        if not line.endswith(content):
            return node.mark
        return self._mark(start + len(line) - len(content) + column)

    def _mark(self, index: int) -> Mark:
        """Return the place of a character of the file."""
        before = self.text[:index]
        return Mark(before.count("\n") + 1, index - before.rfind("\n"), index)


def parse_yaml(text: str) -> Document:
    """Parse one YAML document.

    Rule: AUTHOR-1

    Raises:
        InvalidYaml: AUTHOR-1; nothing else, whatever the text.
    """
    start = Mark(1, 1, 0)
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise InvalidYaml("AUTHOR-1", start, "the file is not UTF-8: save it as UTF-8") from error
    if size > MAX_YAML_BYTES:
        raise InvalidYaml("AUTHOR-1", start, f"{size} bytes of YAML; at most 65,536: shorten it")
    root = _Composer(_iterate_events(text)).compose()
    if root is None:
        raise InvalidYaml("AUTHOR-1", start, "the file is empty: begin with a line 'name: ...'")
    return Document(text, root)


def _iterate_events(text: str) -> Iterator[yaml.Event]:
    """Yield the parser's events; its errors become ours.

    Rule: AUTHOR-2
    """
    mark = Mark(1, 1, 0)
    try:
        loader = yaml.SafeLoader(text)
        while loader.check_event():
            mark = _to_mark(loader.get_mark())
            yield loader.get_event()  # type: ignore[no-untyped-call] # absent from the stubs
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise InvalidYaml(
            "AUTHOR-2",
            Mark(line, column, len(before)),
            f"the character {text[error.position]!r} cannot stand in YAML: remove it",
        ) from error
    except yaml.MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        raise InvalidYaml(
            "AUTHOR-2",
            _to_mark(place),
            f"this is not YAML: {error.problem or error.context}; check the indentation, and put "
            "a text that holds ': ', '#', or begins with a sign like '{' in quotes",
        ) from error
    except (ValueError, OverflowError) as error:
        # PyYAML passes on what chr() says of an escape beyond the last character.
        raise InvalidYaml("AUTHOR-2", mark, "an escape names no character: remove it") from error


class _YamlMark(Protocol):
    """A place as PyYAML states it, counted from 0."""

    @property
    def line(self) -> int: ...

    @property
    def column(self) -> int: ...

    @property
    def index(self) -> int: ...


def _to_mark(mark: _YamlMark | None) -> Mark:
    """Return PyYAML's mark, counted from 1; the beginning if it has none."""
    return Mark(1, 1, 0) if mark is None else Mark(mark.line + 1, mark.column + 1, mark.index)


class _Composer:
    """Builds nodes from events, with a bounded depth."""

    def __init__(self, events: Iterator[yaml.Event]) -> None:
        """Take events from the parser."""
        self._events = events

    def compose(self) -> Node | None:
        """Return the only document's root, None if there is no document."""
        root: Node | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                mark = _to_mark(event.start_mark)
                if root is not None:
                    raise InvalidYaml("AUTHOR-1", mark, "a second document begins: remove '---'")
                if event.version or event.tags:
                    raise InvalidYaml("AUTHOR-1", mark, "directives are not read: remove '%...'")
                root = self._compose_node(next(self._events), 1)
        return root

    def _compose_node(self, event: yaml.Event, depth: int) -> Node:
        """Return the node that begins with this event."""
        mark = _to_mark(event.start_mark)
        _verify_plain(event, mark)
        if depth > MAX_DEPTH:
            raise InvalidYaml(
                "AUTHOR-1", mark, f"nested deeper than {MAX_DEPTH} levels: flatten it"
            )
        if isinstance(event, yaml.ScalarEvent):
            return _build_text(event, mark)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._compose_list(event, mark, depth)
        return self._compose_map(event, mark, depth)

    def _compose_list(self, start: yaml.Event, mark: Mark, depth: int) -> ListNode:
        """Return a sequence up to its end."""
        items: list[Node] = []
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                end = _get_end(start, event, items)
                return ListNode(tuple(items), mark, end)
            items.append(self._compose_node(event, depth + 1))
        raise InvalidYaml("AUTHOR-2", mark, "this list does not end")

    def _compose_map(self, start: yaml.Event, mark: Mark, depth: int) -> MapNode:
        """Return a mapping up to its end."""
        entries: dict[str, tuple[TextNode, Node]] = {}
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                end = _get_end(start, event, [value for _, value in entries.values()])
                return MapNode(entries, _is_flow(start), mark, end)
            key = self._compose_node(event, depth + 1)
            if not isinstance(key, TextNode):
                raise InvalidYaml(
                    "AUTHOR-1",
                    key.mark,
                    "a key is a word, not a list or mapping; a text with braces goes in quotes",
                )
            if key.value in entries:
                first = entries[key.value][0].mark
                raise InvalidYaml(
                    "AUTHOR-1", key.mark, f"{key.value!r} stands twice, first in line {first.line}"
                )
            entries[key.value] = (key, self._compose_node(next(self._events), depth + 1))
        raise InvalidYaml("AUTHOR-2", mark, "this mapping does not end")


def _verify_plain(event: yaml.Event, mark: Mark) -> None:
    """Refuse aliases, anchors and tags."""
    if isinstance(event, yaml.AliasEvent):
        raise InvalidYaml("AUTHOR-1", mark, "aliases (*name) are not read: write the value out")
    if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
        raise InvalidYaml("AUTHOR-1", mark, "anchors (&name) are not read: remove it")
    if getattr(event, "tag", None) is not None:
        raise InvalidYaml(
            "AUTHOR-1", mark, "tags (!name) are not read: remove it, or put the text in quotes"
        )


def _build_text(event: yaml.ScalarEvent, mark: Mark) -> TextNode:
    """Return a scalar; lone surrogates, which an escape can make, are refused."""
    try:
        event.value.encode()
    except UnicodeEncodeError as error:
        raise InvalidYaml(
            "AUTHOR-1", mark, "an escape makes half a character: write the character itself"
        ) from error
    return TextNode(event.value, event.style or "", mark, _to_mark(event.end_mark).index)


def _is_flow(start: yaml.Event) -> bool:
    """Say whether a collection is written in brackets or braces."""
    return bool(getattr(start, "flow_style", False))


def _get_end(start: yaml.Event, end: yaml.Event, children: list[Node]) -> int:
    """Return the index after a collection; a block ends with its last child, not the next key."""
    if _is_flow(start):
        return _to_mark(end.end_mark).index
    return children[-1].end if children else _to_mark(start.end_mark).index
