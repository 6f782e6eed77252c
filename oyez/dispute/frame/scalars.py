"""Writes what of an output's inner trace says which scalars the output holds, and where.

Written from docs/spec/schema.md: the output is read as a text, apart from the byte machine's states
that the steps in `oyez.protocol.step_scalars` take it from.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from oyez.engines.exact.inner_leaves import InnerLeaves
from oyez.protocol import schema
from oyez.protocol.constants import MAX_FIELDS, MAX_OUTPUT_BYTES
from oyez.protocol.machine import Machine
from oyez.protocol.manifest_encode import encode_manifest
from oyez.protocol.types import Field, FieldType, Hash32, Manifest, Role, Scalar, Value
from oyez.protocol.vocabulary import Vocabulary

_BOOLEANS = {b"false": False, b"true": True}
_INTEGER = b"-0123456789"


class Found(NamedTuple):
    """A scalar of an output.

    Attributes:
        end: offset of its closing quote, of its last letter, or of the byte after an integer.
        number: of its field among those that the model writes.
        item: its place in an array, from 0; 0 of another.
        word: its value word.
    """

    end: int
    number: int
    item: int
    word: Hash32


def list_scalars(fields: Sequence[Field], output: bytes) -> list[Found]:
    """Return the scalars that an output holds whole, in order.

    Args:
        fields: all of a manifest's.
        output: one of theirs, or the beginning of one.
    """
    return list(_iterate_scalars([f for f in fields if f.role is Role.WRITES], output))


def _iterate_scalars(written: Sequence[Field], output: bytes) -> Iterator[Found]:
    at = 0
    for number, field in enumerate(written):
        at += len(b', "%s": ' % field.name) - (number == 0)
        is_array = field.type is FieldType.ARRAY
        at += is_array
        item = 0
        while at < len(output) and output[at : at + 1] != (b"]" if is_array else b""):
            at += 2 if item else 0
            ended = _find_end(field, output, at)
            if ended is None:
                return
            end, value = ended
            scalar = dataclasses.replace(field, type=field.base, element=None)
            yield Found(end, number, item, schema.compute_value_word(scalar, value))
            at = end + (field.base is not FieldType.INTEGER)
            item += 1
            if not is_array:
                break
        at += is_array


def _find_end(field: Field, output: bytes, at: int) -> tuple[int, Scalar] | None:
    """Return where the scalar that begins at `at` ends, and its value; None if it does not."""
    match field.base:
        case FieldType.STRING | FieldType.ENUM:
            end = output.find(b'"', at + 1)
            return None if end < 0 else (end, output[at + 1 : end])
        case FieldType.BOOLEAN:
            for text, value in _BOOLEANS.items():
                if output.startswith(text, at):
                    return at + len(text) - 1, value
            return None
        case _:
            end = at
            while end < len(output) and output[end] in _INTEGER:
                end += 1
            return None if end >= len(output) else (end, int(output[at:end]))


def parse_whole(manifest: Manifest, output: bytes, vocabulary: Vocabulary) -> dict[int, Value]:
    """Return the written fields' values; none of an output that is not whole."""
    machine = Machine(manifest.fields, vocabulary.missing)
    if not machine.is_end(machine.walk(machine.start(), output)):
        return {}
    return schema.parse_output(manifest.fields, output)


def put_scalars(
    leaves: InnerLeaves, manifest: Manifest, vocabulary: Vocabulary, tokens: int, output: bytes
) -> None:
    """Write the regions from `latest` to `written`.

    Args:
        leaves: of an output's record.
        manifest: the one the call's entry names.
        vocabulary: of the model.
        tokens: of the output.
        output: its bytes, as far as they came.

    Rule: FRAME-58
    """
    found = list_scalars(manifest.fields, output)
    latest = np.full(MAX_OUTPUT_BYTES, -1, np.int64)
    for scalar in found:
        latest[scalar.end :] = scalar.end
    leaves.put("latest", latest)
    chain = [lane for f in reversed(found) for lane in (f.end, f.number << 8 | f.item)]
    leaves.put("chain", np.array(chain, np.int64))
    if found:
        words = [int.from_bytes(f.word, "big", signed=True) for f in reversed(found)]
        leaves.put_words("scalar", words)

    items = Counter(f.number for f in found)
    place, first = [], 0
    for number in reversed(range(MAX_FIELDS)):
        place += [first, items[number]]
        first += items[number]
    machine = Machine(manifest.fields, vocabulary.missing)
    state = machine.walk(machine.start(), output)
    phase = state.phase if output else 0
    place += [tokens, len(output), phase, machine.compute_unended(state)]
    place += list_spellings(manifest)
    leaves.put("place", np.array(place, np.int64))

    values = parse_whole(manifest, output, vocabulary)
    if values:
        leaves.put_words("written", list_words(manifest, values))


def list_spellings(manifest: Manifest) -> list[int]:
    """Return where in a manifest's bytes each field's options, or its initial text, are spelt."""
    data = encode_manifest(manifest)
    # the text begins behind the header and the constants
    at, found = 64 + 32 * data[24], []
    for field in manifest.fields:
        at += len(field.name)
        found.append(at)
        spelt = b"".join(field.options)
        if field.type is FieldType.STRING and isinstance(field.initial, bytes):
            spelt = field.initial
        at += len(spelt)
    return found


def list_words(manifest: Manifest, values: dict[int, Value]) -> list[int]:
    """Return the value words of some fields, in the place of each; 0 in the others."""
    words = [0] * MAX_FIELDS
    for index, value in values.items():
        word = schema.compute_value_word(manifest.fields[index], value)
        words[index] = int.from_bytes(word, "big", signed=True)
    return words
