"""Later versions of an action's fields, and what a cell keeps of them, said plainly."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from oyez.protocol.types import Field, FieldType, Role, Value
from tests.manifests import random_field


def change_field(rng: random.Random, field: Field) -> Field:
    """Return the field with one thing changed, of its type or beside it."""
    kind = rng.choice(["same", "role", "initial", "type", "type", "type"])
    is_number = field.type not in (FieldType.STRING, FieldType.ARRAY)
    if kind == "role":
        roles = [Role.KEPT, Role.WRITES, *([Role.COMPUTE] if is_number else [])]
        return replace(field, role=rng.choice(roles))
    if kind == "initial" and field.type is FieldType.INTEGER:
        return replace(field, initial=rng.choice([field.low, field.high]))
    if kind == "initial" and field.base is FieldType.BOOLEAN:
        return replace(field, biases=(7, -7))
    if kind != "type":
        return field
    if field.type is FieldType.ARRAY and rng.random() < 0.8:
        return replace(field, items=field.items + 1 if field.items == 1 else field.items - 1)
    if field.base is FieldType.STRING:
        return replace(field, limit=field.limit + 1)
    if field.base is FieldType.INTEGER and field.high - field.low < 1_000 and field.low > -1_000:
        return replace(field, low=field.low - 1, digits=max(field.digits, 5))
    if field.base is FieldType.BOOLEAN and field.type is FieldType.ARRAY:
        return replace(field, element=FieldType.STRING, limit=3, biases=())
    return field


def change_fields(rng: random.Random, fields: Sequence[Field]) -> tuple[Field, ...]:
    """Return a later version's fields: some changed, some gone, a new one, in another order."""
    later = [change_field(rng, field) for field in fields if rng.random() < 0.9]
    names = {field.name for field in fields}
    if rng.random() < 0.5 and b"brand new" not in names:
        later.append(random_field(rng, b"brand new"))
    rng.shuffle(later)
    if not any(field.role is Role.WRITES for field in later):
        later.insert(0, replace((later or list(fields))[0], role=Role.WRITES))
        del later[1:2]
    return tuple(later)


def describe_type(field: Field) -> tuple[object, ...]:
    """Return all that a field's type is, and nothing else of it."""
    bounds: dict[FieldType, object] = {
        FieldType.STRING: field.limit,
        FieldType.ENUM: field.options,
        FieldType.INTEGER: (field.low, field.high),
    }
    return field.type, field.element, field.items, bounds.get(field.base)


def migrate_plainly(
    old: Sequence[Field], values: Sequence[Value], new: Sequence[Field]
) -> tuple[Value, ...]:
    """Return what a cell has under new fields: a value of equal name and type, else the initial."""
    migrated = []
    for field in new:
        found = [
            value
            for before, value in zip(old, values, strict=True)
            if before.name == field.name and describe_type(before) == describe_type(field)
        ]
        migrated.append(found[0] if found else field.initial)
    return tuple(migrated)
