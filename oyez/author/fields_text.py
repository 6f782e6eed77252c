"""Reads the state's fields and their values from YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from oyez.author.reading import (
    Section,
    read_boolean,
    read_choice,
    read_integer,
    read_list,
    read_q16,
    read_string,
    suggest,
)
from oyez.author.yaml_tree import Document, InvalidYaml, MapNode, Node
from oyez.protocol import constants as c
from oyez.protocol.types import Field, FieldType, Role, Scalar, Value

_KEYS = {
    "string": ("type", "limit", "initial"),
    "enum": ("type", "options", "initial", "biases"),
    "boolean": ("type", "initial", "biases"),
    "integer": ("type", "low", "high", "initial"),
}
_ARRAY_KEYS = ("type", "items", "of")
_TYPES = {
    "string": FieldType.STRING,
    "enum": FieldType.ENUM,
    "boolean": FieldType.BOOLEAN,
    "integer": FieldType.INTEGER,
}
#: Bits of a bias in the manifest.
_BIAS_BITS = {FieldType.ENUM: 32, FieldType.BOOLEAN: 24}


def read_fields(
    document: Document, node: Node, roles: Mapping[str, Role], missing: bytes
) -> tuple[Field, ...]:
    """Return the state's fields, in the author's order.

    Args:
        document: to locate errors.
        node: of the key `state`.
        roles: of the fields that are written or computed, by name.
        missing: bytes the model has no token for.
    """
    if not isinstance(node, MapNode) or not node.entries:
        raise InvalidYaml(
            "AUTHOR-3", node.mark, "'state' is a mapping: write lines 'field: {type: ...}' below it"
        )
    if len(node.entries) > c.MAX_FIELDS:
        raise InvalidYaml(
            "AUTHOR-3", node.mark, f"{len(node.entries)} fields: at most {c.MAX_FIELDS}"
        )
    fields = []
    for key, value in node.entries.values():
        name = read_string(
            document, key, "a field's name", missing=missing, least=1, most=c.MAX_NAME_BYTES
        )
        role = roles.get(key.value, Role.KEPT)
        fields.append(_read_field(document, value, name, role, missing))
    return tuple(fields)


def _read_field(document: Document, node: Node, name: bytes, role: Role, missing: bytes) -> Field:
    """Return one field."""
    what = f"field {name.decode()!r}"
    kind, type_node = _read_type(node, what, (*_KEYS, "array"))
    if role is Role.COMPUTE and kind in ("string", "array"):
        raise InvalidYaml(
            "AUTHOR-3", node.mark, f"{what} is of type {kind}: expressions compute numbers alone"
        )
    if kind != "array":
        section = Section(node, what, _KEYS[kind])
        return _read_scalar(document, section, kind, Field(name, _TYPES[kind], role, b""), missing)
    _refuse_initial(node, what)
    section = Section(node, what, _ARRAY_KEYS)
    items = read_integer(section.require("items", "8"), f"'items' of {what}", 1, c.MAX_ITEMS)
    of = section.require("of", "{type: string, limit: 20}")
    what = f"'of' of {what}"
    kind, type_node = _read_type(of, what, (*_KEYS, "array"))
    if kind == "array":
        raise InvalidYaml("AUTHOR-3", type_node.mark, "an array holds no arrays: use two fields")
    _refuse_initial(of, what)
    keys = [key for key in _KEYS[kind] if key != "initial"]
    element = _read_scalar(
        document, Section(of, what, keys), kind, Field(name, _TYPES[kind], role, ()), missing
    )
    return replace(element, type=FieldType.ARRAY, element=element.type, items=items, initial=())


def _read_type(node: Node, what: str, kinds: Sequence[str]) -> tuple[str, Node]:
    """Return the word after `type`, and where it stands."""
    if not isinstance(node, MapNode):
        raise InvalidYaml(
            "AUTHOR-3", node.mark, f"{what} is a mapping: write '{{type: integer, low: 0, ...}}'"
        )
    if "type" not in node.entries:
        raise InvalidYaml("AUTHOR-3", node.mark, f"{what} has no 'type': add 'type: enum'")
    type_node = node.entries["type"][1]
    return read_choice(type_node, f"the type of {what}", kinds), type_node


def _refuse_initial(node: Node, what: str) -> None:
    """Say why an array has no `initial`, wherever the author wrote it."""
    entry = node.entries.get("initial") if isinstance(node, MapNode) else None
    if entry is not None:
        raise InvalidYaml("AUTHOR-3", entry[0].mark, "an array begins empty: leave 'initial' out")


def _read_scalar(
    document: Document, section: Section, kind: str, draft: Field, missing: bytes
) -> Field:
    """Return a field, or what an array's items are like: `draft` with all that its type needs.

    An item has no initial value; `draft.initial` is () then.
    """
    if kind == "string":
        return _read_string_field(document, section, draft, missing)
    if kind == "enum":
        return _read_enum(document, section, draft, missing)
    what = _name(draft)
    if kind == "boolean":
        if draft.initial == b"":
            initial = read_boolean(section.require("initial", "false"), f"'initial' of {what}")
            draft = replace(draft, initial=initial)
        return replace(draft, biases=_read_biases(section, draft.type, (b"false", b"true")))
    low = read_integer(section.require("low", "0"), f"'low' of {what}", -c.MAX_VALUE, c.MAX_VALUE)
    high = read_integer(section.require("high", "100"), f"'high' of {what}", low, c.MAX_VALUE)
    if draft.initial == b"":
        start = read_integer(section.require("initial", "0"), f"'initial' of {what}", low, high)
        draft = replace(draft, initial=start)
    return replace(draft, low=low, high=high, digits=max(len(str(low)), len(str(high))))


def _name(field: Field) -> str:
    """Return a field's name for messages."""
    return f"field {field.name.decode()!r}"


def _read_string_field(document: Document, section: Section, draft: Field, missing: bytes) -> Field:
    """Return a STRING field; it begins empty unless told otherwise."""
    what = _name(draft)
    limit = read_integer(
        section.require("limit", "80"), f"'limit' of {what}", 0, c.MAX_STRING_BYTES
    )
    node = section.get("initial")
    if node is not None:
        initial = read_string(
            document, node, f"'initial' of {what}", missing=missing, least=0, most=limit
        )
        draft = replace(draft, initial=initial)
    return replace(draft, limit=limit)


def _read_enum(document: Document, section: Section, draft: Field, missing: bytes) -> Field:
    """Return an ENUM field; the manifest keeps its options in the order of their bytes."""
    what = _name(draft)
    node = section.require("options", "[no, yes]")
    nodes = read_list(node, f"'options' of {what}", c.MAX_OPTIONS)
    if not nodes:
        raise InvalidYaml("AUTHOR-4", node.mark, f"'options' of {what} is empty: write [no, yes]")
    options: list[bytes] = []
    for item in nodes:
        option = read_string(
            document, item, "an option", missing=missing, least=1, most=c.MAX_OPTION_BYTES
        )
        if option in options:
            raise InvalidYaml(
                "AUTHOR-4", item.mark, f"option {option.decode()!r} stands twice: remove one"
            )
        options.append(option)
    options.sort()
    words = [option.decode() for option in options]
    if draft.initial == b"":
        initial = read_choice(section.require("initial", words[0]), f"'initial' of {what}", words)
        draft = replace(draft, initial=initial.encode())
    biases = _read_biases(section, FieldType.ENUM, options)
    return replace(draft, options=tuple(options), biases=biases)


def _read_biases(section: Section, kind: FieldType, options: Sequence[bytes]) -> tuple[int, ...]:
    """Return one Q16 bias for each option; zeros if none are given."""
    node = section.get("biases")
    if node is None:
        return (0,) * len(options)
    words = [option.decode() for option in options]
    biases = Section(node, "'biases'", words)
    return tuple(
        read_q16(biases.require(word, "0"), f"the bias of {word!r}", _BIAS_BITS[kind])
        for word in words
    )


def read_value(document: Document, field: Field, node: Node, missing: bytes) -> Value:
    """Return a value of a field, as an example gives it; an array's as a list."""
    what = _name(field)
    if field.type is not FieldType.ARRAY:
        return _read_item(document, field, node, what, missing)
    nodes = read_list(node, what, field.items)
    return tuple(_read_item(document, field, item, f"an item of {what}", missing) for item in nodes)


def _read_item(document: Document, field: Field, node: Node, what: str, missing: bytes) -> Scalar:
    """Return a value of a field's scalar type."""
    if field.base is FieldType.STRING:
        return read_string(document, node, what, missing=missing, least=0, most=field.limit)
    if field.base is FieldType.ENUM:
        return read_choice(node, what, [option.decode() for option in field.options]).encode()
    if field.base is FieldType.BOOLEAN:
        return read_boolean(node, what)
    return read_integer(node, what, field.low, field.high)


def read_values(
    document: Document, node: Node, what: str, fields: Mapping[int, Field], missing: bytes
) -> dict[int, Value]:
    """Return a value for each of these fields, by index; all must be given and no other."""
    names = {field.name.decode(): index for index, field in fields.items()}
    section = Section(node, what, tuple(names))
    return {
        index: read_value(document, fields[index], section.require(name, "..."), missing)
        for name, index in names.items()
    }


def read_roles(state: Node, written: Sequence[Node], computed: Node | None) -> dict[str, Role]:
    """Return the roles of the fields that `writes` and `compute` name.

    Rule: AUTHOR-11

    Raises:
        InvalidYaml: AUTHOR-11 if a name is no field, or is named twice.
    """
    names = list(state.entries) if isinstance(state, MapNode) else []
    roles: dict[str, Role] = {}
    keys = [node for node in written] + (
        [key for key, _ in computed.entries.values()] if isinstance(computed, MapNode) else []
    )
    for place, node in enumerate(keys):
        name = read_choice_of_field(node, names)
        if name in roles:
            raise InvalidYaml(
                "AUTHOR-11",
                node.mark,
                f"{name!r} is decided twice: by the model (writes) or by code (compute), not both",
            )
        roles[name] = Role.WRITES if place < len(written) else Role.COMPUTE
    return roles


def read_choice_of_field(node: Node, names: Sequence[str]) -> str:
    """Return the name of a field of the state."""
    value = getattr(node, "value", None)
    if not isinstance(value, str):
        raise InvalidYaml("AUTHOR-4", node.mark, "a field's name is wanted: write it as one word")
    if value not in names:
        raise InvalidYaml(
            "AUTHOR-11", node.mark, f"the state has no field {value[:40]!r}{suggest(value, names)}"
        )
    return value
