"""Makes the inner trace of a state's record: from the stored cell to the JSON the prompt shows.

Written from docs/spec/state.md and schema.md with what execution itself uses, apart from the steps
in `oyez.protocol.step_state`, which it is checked against.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from oyez.dispute.frame.facts import CallFacts, Preimages
from oyez.engines.exact.inner_leaves import InnerLeaves
from oyez.protocol import codec, merkle, schema, state, trace_records
from oyez.protocol.constants import FIELDS_HEIGHT, MAX_FIELDS, MAX_ITEMS
from oyez.protocol.inner import Layout
from oyez.protocol.inner_frame import PLACES
from oyez.protocol.trace import PAD_INT32, WORDS
from oyez.protocol.trace_records import Prologue
from oyez.protocol.types import Cell, Field, FieldType, Hash32, Manifest, Scalar, Value

#: Leaves of `item` that a field has.
_LEAVES_A_FIELD = MAX_ITEMS // WORDS
_BRACE, _BRACKET = -1, -2


@dataclass(frozen=True, slots=True)
class StateInput:
    """What a state's record follows from.

    Attributes:
        manifest: the one the entry names.
        prologue: what the call begins with.
        cell: as it is stored before the call; None when absent.
        previous: the manifest that the cell was stored under; None when absent.
    """

    manifest: Manifest
    prologue: Prologue
    cell: Cell | None
    previous: Manifest | None


def build_state(layout: Layout, facts: CallFacts, preimages: Preimages) -> InnerLeaves:
    """Return all leaves of a call's record STATE.

    Args:
        layout: of such a record.
        facts: of the call.
        preimages: take what proofs of these lanes bring.

    Rule: FRAME-33
    """
    prologue = facts.prologue
    cell = facts.before.get(prologue.cell_key)
    given = StateInput(facts.manifest, prologue, cell, facts.previous)
    return StateTrace(layout, given, preimages).build()


@dataclass(frozen=True, slots=True)
class _Span:
    """What a place owns of the JSON.

    Attributes:
        head: what stands before its scalar.
        text: the scalar's; empty for an empty array.
    """

    place: int
    head: bytes
    text: bytes


class StateTrace:
    """Makes one inner trace, region after region, in order.

    Rule: FRAME-33
    """

    def __init__(self, layout: Layout, given: StateInput, preimages: Preimages) -> None:
        """Take `layout_frame` of a state's record, what that follows from, and what to add to.

        Raises:
            ValueError: the cell was stored under another manifest than the one given.
        """
        if given.cell is not None and (
            given.previous is None or given.previous.hash != given.cell.manifest_hash
        ):
            raise ValueError("the cell was stored under another manifest")
        self._given = given
        self._fields = given.manifest.fields
        self._values = given.prologue.values
        self._preimages = preimages
        self.leaves = InnerLeaves(layout)

    def build(self) -> InnerLeaves:
        """Return all leaves."""
        self._put_cell()
        self._put_values()
        self._put_text()
        self.leaves.put_record(trace_records.build_prologue_chunks(self._given.prologue)[1])
        return self.leaves

    def _put_cell(self) -> None:
        """Write the stored cell, its fields' tree and their leaves; all 0 if it is absent.

        Rule: STATE-3, STATE-4, STATE-9
        """
        cell, previous = self._given.cell, self._given.previous
        words: list[Hash32 | int] = [0, 0, 0]
        nodes: list[Hash32 | int] = [0] * (2 * MAX_FIELDS)
        stored: list[list[Hash32 | int]] = [[], [], []]
        if cell is not None and previous is not None:
            fields = previous.fields
            root = state.compute_fields_root(fields, cell.values)
            words = [cell.manifest_hash, root, cell.version]
            key = self._given.prologue.cell_key
            parts = key, *(codec.encode_word(word) for word in words)
            self._preimages.add(codec.tag("CELL") + b"".join(parts))
            nodes[1:] = self._list_nodes(fields, cell.values)
            stored = self._list_stored(fields, cell.values)
        self._put_words("cell", words)
        self._put_words("node", nodes)
        for name, part in zip(("stored_name", "stored_type", "stored"), stored, strict=True):
            self._put_words(name, part or [0])

    def _list_nodes(self, fields: Sequence[Field], values: Sequence[Value]) -> list[Hash32 | int]:
        """Return the nodes of a cell's fields from the root down, and keep what they are of."""
        level = state.compute_field_leaves(fields, values)
        level += [merkle.keccak_tree().empty[0]] * ((1 << FIELDS_HEIGHT) - len(level))
        nodes: list[Hash32 | int] = list(level)
        while len(level) > 1:
            pairs = zip(level[0::2], level[1::2], strict=True)
            level = [self._preimages.add(left + right) for left, right in pairs]
            nodes = [*level, *nodes]
        return nodes

    def _list_stored(
        self, fields: Sequence[Field], values: Sequence[Value]
    ) -> list[list[Hash32 | int]]:
        """Return names, types and words of stored fields, and keep what their leaves are of."""
        names: list[Hash32 | int] = [codec.keccak(field.name) for field in fields]
        types: list[Hash32 | int] = [schema.compute_type_hash(field) for field in fields]
        words: list[Hash32 | int] = [
            schema.compute_value_word(field, value)
            for field, value in zip(fields, values, strict=True)
        ]
        for index, parts in enumerate(zip(names, types, words, strict=True)):
            encoded = (codec.encode_word(part) for part in (index, *parts))
            self._preimages.add(codec.tag("FIELD") + b"".join(encoded))
        return [names, types, words]

    def _put_values(self) -> None:
        """Write the values the call met, and their items.

        Rule: TRANSITION-3, SCHEMA-2
        """
        self._put_words(
            "value",
            [
                schema.compute_value_word(field, value)
                for field, value in zip(self._fields, self._values, strict=True)
            ],
        )
        for index, (field, items) in enumerate(self._list_items()):
            words = [_compute_scalar_word(field, item) for item in items]
            if field.type is FieldType.ARRAY:
                self._preimages.add(b"".join(words))
            for item in items:
                if isinstance(item, bytes):
                    self._preimages.add(item)
            if words:
                self._put_words("item", words, _LEAVES_A_FIELD * index)
        self._put("count", [len(items) for _, items in self._list_items()])

    def _list_items(self) -> Iterator[tuple[Field, tuple[Scalar, ...]]]:
        """Yield each field with its items; of a scalar the value alone."""
        for field, value in zip(self._fields, self._values, strict=True):
            yield field, value if isinstance(value, tuple) else (value,)

    def _put_text(self) -> None:
        """Write lengths and ends of the scalars' texts, and whose each byte of the JSON is.

        Rule: SCHEMA-3, SCHEMA-4
        """
        spans = list(self._list_spans())
        sizes = [0] * PLACES
        lengths = [PAD_INT32] * (MAX_ITEMS * len(self._fields))
        owners: list[int] = []
        for span in spans:
            sizes[span.place] = len(span.head) + len(span.text)
            lengths[span.place] = len(span.text)
            owners += [span.place] * sizes[span.place]
        self._put("length", lengths)
        self._put("end", list(accumulate(sizes)))
        is_array = self._fields[-1].type is FieldType.ARRAY
        owners += [_BRACKET, _BRACE] if is_array else [_BRACE]
        whole = b"".join(span.head + span.text for span in spans) + (b"]}" if is_array else b"}")
        if whole != schema.format_state(self._fields, self._values):
            raise ValueError("the spans are not the state's JSON")
        self._put("owner", owners)

    def _list_spans(self) -> Iterator[_Span]:
        """Yield the spans of the JSON, in order."""
        head = b"{"
        for index, (field, items) in enumerate(self._list_items()):
            is_array = field.type is FieldType.ARRAY
            head += b'"%s": ' % field.name + (b"[" if is_array else b"")
            for item, scalar in enumerate(items):
                yield _Span(MAX_ITEMS * index + item, head, _format_scalar(field, scalar))
                head = b", "
            if not items:
                yield _Span(MAX_ITEMS * index, head, b"")
            head = b"], " if is_array else b", "

    def _put(self, name: str, lanes: Sequence[int]) -> None:
        self.leaves.put(name, np.array(lanes, np.int64))

    def _put_words(self, name: str, words: Sequence[Hash32 | int], first: int = 0) -> None:
        signed = [int.from_bytes(codec.encode_word(word), "big", signed=True) for word in words]
        self.leaves.put_words(name, signed, first)


def _as_scalar(field: Field) -> Field:
    """Return the field that an array's item would be, or a scalar itself."""
    if field.type is not FieldType.ARRAY:
        return field
    return Field(field.name, field.base, field.role, b"", limit=field.limit, options=field.options)


def _compute_scalar_word(field: Field, item: Scalar) -> Hash32:
    return schema.compute_value_word(_as_scalar(field), item)


def _format_scalar(field: Field, item: Scalar) -> bytes:
    return schema.format_value(_as_scalar(field), item)
