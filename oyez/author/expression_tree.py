"""The tree of an author's expression; `at` is an offset into its text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number, or a boolean as 0 or 1."""

    at: int
    value: int
    boolean: bool = False


@dataclass(frozen=True, slots=True)
class FieldRef:
    """`old.name` or `new.name`."""

    at: int
    new: bool
    name: str


@dataclass(frozen=True, slots=True)
class Builtin:
    """`caller`, `value` or `time`."""

    at: int
    name: str


@dataclass(frozen=True, slots=True)
class Option:
    """A bare or quoted word: an option of the enum it meets."""

    at: int
    text: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Unary:
    """`-x` or `not x`."""

    at: int
    op: str
    operand: Tree


@dataclass(frozen=True, slots=True)
class Binary:
    """An operator or `min`, `max` between two values."""

    at: int
    op: str
    left: Tree
    right: Tree


@dataclass(frozen=True, slots=True)
class Conditional:
    """`then if condition else otherwise`."""

    at: int
    then: Tree
    condition: Tree
    otherwise: Tree


Tree = Number | FieldRef | Builtin | Option | Unary | Binary | Conditional
