"""Exceptions, by how they are handled.

    OyezError
      Temporary   try again: the chain is down, a transaction is not mined yet
      Rewind      the chain's history changed: go back and derive again
      Fatal       stop: wrong chain, wrong model, damaged store
      Invalid     the other party, or the user's input, is wrong; carries the rule's id

Service loops handle kinds, never names. Constructors take facts and write the sentence.
"""

from __future__ import annotations


class OyezError(Exception):
    """Root of every error this project raises on purpose."""


class Temporary(OyezError):
    """The same attempt may succeed later."""


class Rewind(OyezError):
    """The chain no longer contains what was derived from it."""

    def __init__(self, block: int) -> None:
        """Name the first block that changed."""
        self.block = block
        super().__init__(f"chain reorganised at block {block}: derive again from there")


class Fatal(OyezError):
    """Going on would do harm; the message says what to fix."""


class Invalid(OyezError):
    """An input breaks a numbered rule.

    Args:
        rule: id of the rule in docs/spec, e.g. "MANIFEST-7".
        what: the broken rule and what to do, in one sentence.
    """

    def __init__(self, rule: str, what: str) -> None:
        """Keep the rule's id beside the sentence."""
        self.rule = rule
        self.what = what
        super().__init__(f"{what} [{rule}]")
