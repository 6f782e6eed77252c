"""Builds a manifest's segments from the prompt's texts, slots and examples.

An author writes one turn, `Review: {input}` and `{output}`, and examples that fill it. The prompt
is the intro, the turn filled by each example, and the turn once more up to `{output}`, where the
model goes on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oyez.author import fields_text
from oyez.author.reading import Section, read_integer, read_list, read_text, suggest
from oyez.author.tokenizer import AuthorModel
from oyez.author.yaml_tree import Document, InvalidYaml, Node, TextNode
from oyez.protocol import decoding, execution, schema
from oyez.protocol.types import Field, Role, Segment, SegmentKind

SLOTS = {
    "state": SegmentKind.STATE,
    "input": SegmentKind.INPUT,
    "caller": SegmentKind.CALLER,
    "value": SegmentKind.VALUE,
    "time": SegmentKind.TIME,
}
_OUTPUT = "output"
_MAX_EXAMPLES = 64
_MAX_UINT256 = (1 << 256) - 1
_ADDRESS = re.compile(r"0x[0-9a-f]{40}\Z")
#: A doubled brace, a slot, a lone brace, or what looks like a control token.
_SPECIAL = re.compile(r"\{\{|\}\}|\{(?P<slot>[^{}\n]*)\}|[{}]|<\|(?P<control>[^<>|\n]*)\|>")


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot of the turn or intro, `{output}` among them, and where it stands in its text."""

    name: str
    node: TextNode
    offset: int


#: A text to encode, tokens as they are, or a slot.
Piece = str | tuple[int, ...] | Slot


def read_segments(
    document: Document, node: Node, fields: Sequence[Field], max_input: int, model: AuthorModel
) -> tuple[Segment, ...]:
    """Return the prompt's segments.

    Rule: AUTHOR-9

    Args:
        document: to locate errors.
        node: of the key `prompt`.
        fields: the state's fields.
        max_input: most bytes of an input, so of an example's.
        model: whose tokens are used.
    """
    section = Section(node, "'prompt'", ("intro", "turn", "examples"))
    turn_node = section.require("turn", '"{input}{output}"')
    intro_node = section.get("intro")
    intro = [] if intro_node is None else _split_template(document, intro_node, "'intro'", model)
    turn = _split_template(document, turn_node, "'turn'", model)
    _verify_slots(document, intro, turn, turn_node)
    cut = next(at for at, piece in enumerate(turn) if _is_output(piece))
    slots = [piece.name for piece in turn if isinstance(piece, Slot)]
    reader = _ExampleReader(document, fields, max_input, model, slots)
    pieces: list[Piece] = list(intro)
    examples = section.get("examples")
    for example in () if examples is None else read_list(examples, "'examples'", _MAX_EXAMPLES):
        filled = reader.read(example)
        pieces += [filled[p.name] if isinstance(p, Slot) else p for p in turn]
    return _join(pieces + turn[:cut], model)


def _is_output(piece: Piece) -> bool:
    """Say whether a piece is `{output}`."""
    return isinstance(piece, Slot) and piece.name == _OUTPUT


def _split_template(document: Document, node: Node, what: str, model: AuthorModel) -> list[Piece]:
    """Return a text's pieces: literal text, control tokens, slots."""
    text = read_text(node, what)
    for offset, character in enumerate(text.value):
        if any(byte in model.limits.missing for byte in character.encode()):
            raise InvalidYaml(
                "AUTHOR-5",
                document.locate(text, offset),
                f"the model has no tokens for {character!r}: leave it out",
            )
    pieces: list[Piece] = []
    at = 0
    for match in _SPECIAL.finditer(text.value):
        pieces.append(text.value[at : match.start()])
        at = match.end()
        pieces.append(_read_special(document, text, match, model))
    return [piece for piece in [*pieces, text.value[at:]] if piece != ""]


def _read_special(
    document: Document, text: TextNode, match: re.Match[str], model: AuthorModel
) -> Piece:
    """Return the piece of one special mark."""
    mark = document.locate(text, match.start())
    if match.group() in ("{{", "}}"):
        return match.group()[0]
    control = match.group("control")
    if control is not None:
        if control not in model.controls:
            raise InvalidYaml(
                "AUTHOR-9",
                mark,
                f"the model has no control token {match.group()!r}"
                f"{suggest(control, model.controls)}",
            )
        return (model.controls[control],)
    name = match.group("slot")
    if name is None:
        raise InvalidYaml(
            "AUTHOR-9", mark, f"a lone {match.group()!r}: write it twice if you mean the brace"
        )
    if name not in SLOTS and name != _OUTPUT:
        raise InvalidYaml(
            "AUTHOR-9",
            mark,
            f"unknown slot {match.group()[:40]!r}{suggest(name, [*SLOTS, _OUTPUT])}"
            " Write {{ and }} for braces.",
        )
    return Slot(name, text, match.start())


def _verify_slots(
    document: Document, intro: Sequence[Piece], turn: Sequence[Piece], turn_node: Node
) -> None:
    """Check that each slot stands once, and `{output}` once, in the turn, after all others."""
    seen: set[str] = set()
    for piece in (*intro, *turn):
        if not isinstance(piece, Slot):
            continue
        mark = document.locate(piece.node, piece.offset)
        if piece.name in seen:
            raise InvalidYaml(
                "AUTHOR-9", mark, f"{{{piece.name}}} stands twice: a slot is used once; remove one"
            )
        if _OUTPUT in seen:
            raise InvalidYaml(
                "AUTHOR-9", mark, f"{{{piece.name}}} stands after {{output}}: put it before"
            )
        if piece.name == _OUTPUT and piece in intro:
            raise InvalidYaml("AUTHOR-9", mark, "{output} stands in 'intro': put it in 'turn'")
        seen.add(piece.name)
    if _OUTPUT not in seen:
        raise InvalidYaml(
            "AUTHOR-9", turn_node.mark, "'turn' has no {output}: put it where the answer begins"
        )


class _ExampleReader:
    """Reads examples: a value for each slot of the turn, and the output's fields."""

    def __init__(
        self,
        document: Document,
        fields: Sequence[Field],
        max_input: int,
        model: AuthorModel,
        slots: Sequence[str],
    ) -> None:
        """Keep what all examples share."""
        self._document = document
        self._fields = fields
        self._max_input = max_input
        self._model = model
        self._slots = slots

    def read(self, node: Node) -> Mapping[str, tuple[int, ...]]:
        """Return each slot's tokens: as a call's slot, or as the decoder would write them."""
        section = Section(node, "an example", self._slots)
        return {name: self._read_slot(name, section.require(name, "...")) for name in self._slots}

    def _read_slot(self, name: str, node: Node) -> tuple[int, ...]:
        """Return one slot's tokens."""
        vocabulary, missing = self._model.vocabulary, self._model.limits.missing
        if name == _OUTPUT:
            written = {i: f for i, f in enumerate(self._fields) if f.role is Role.WRITES}
            values = fields_text.read_values(self._document, node, "'output'", written, missing)
            return decoding.tokenise_example(self._fields, values, vocabulary)
        if name == "state":
            every = dict(enumerate(self._fields))
            values = fields_text.read_values(self._document, node, "'state'", every, missing)
            ordered = [values[index] for index in range(len(self._fields))]
            return vocabulary.greedy(schema.format_state(self._fields, ordered))
        if name == "input":
            return vocabulary.greedy(self._read_input(node))
        if name == "caller":
            text = read_text(node, "'caller'")
            if not _ADDRESS.match(text.value):
                raise InvalidYaml(
                    "AUTHOR-4", node.mark, "'caller' is 0x and 40 lower-case hex digits"
                )
            return vocabulary.greedy(text.value.encode())
        number = read_integer(node, f"'{name}'", 0, _MAX_UINT256)
        return vocabulary.greedy(str(number).encode())

    def _read_input(self, node: Node) -> bytes:
        """Return an example's input: what a call's input may be, and no longer."""
        text = read_text(node, "'input'")
        data = text.value.encode()
        bad = execution.check_input(data, self._model.limits.missing)
        if bad is not None:
            raise InvalidYaml(
                "AUTHOR-5",
                self._document.locate(text, len(data[:bad].decode("utf-8", "ignore"))),
                "an input holds no line breaks, control characters or characters the model has no "
                "tokens for: write it on one line",
            )
        if len(data) > self._max_input:
            raise InvalidYaml(
                "AUTHOR-4",
                node.mark,
                f"this input has {len(data)} bytes, 'limits' allows {self._max_input}: shorten it",
            )
        return data


def _join(pieces: Sequence[Piece], model: AuthorModel) -> tuple[Segment, ...]:
    """Return segments: adjacent texts are encoded as one, adjacent literals are one segment."""
    segments: list[Segment] = []
    tokens: list[int] = []
    text = ""
    for piece in (*pieces, None):
        if isinstance(piece, str):
            text += piece
            continue
        if text:
            tokens += model.encode(text)
            text = ""
        if isinstance(piece, tuple):
            tokens += piece
            continue
        if tokens:
            segments.append(Segment(SegmentKind.LITERAL, tuple(tokens)))
            tokens = []
        if piece is not None:
            segments.append(Segment(SLOTS[piece.name]))
    return tuple(segments)
