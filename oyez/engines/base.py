"""The seam between the transition and whatever runs a model.

An engine is a pure function of its model file: same tokens, same integers, on any machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from oyez.protocol.types import Hash32, ModelShape
from oyez.protocol.vocabulary import Vocabulary


class Session(Protocol):
    """One call's context: tokens appended so far, and the scores after the last of them."""

    def extend(self, tokens: Sequence[int]) -> None:
        """Append tokens (at least one) to the context."""
        ...

    def best(self, allowed: Sequence[int]) -> int:
        """Return the allowed token with the highest logit; ties go to the lowest id.

        `allowed` is not empty, ascending, without repeats; it may be a NumPy array.
        """
        ...

    def logits(self, tokens: Sequence[int]) -> list[int]:
        """Return the Q16 logits of these tokens after the context so far."""
        ...

    def layer_roots(self, index: int) -> Sequence[Hash32]:
        """Return the roots of the layer records of the token at `index`, one per layer."""
        ...


class Engine(Protocol):
    """A loaded model."""

    @property
    def model_root(self) -> Hash32:
        """Root of the model tree, as registered on chain."""
        ...

    @property
    def shape(self) -> ModelShape:
        """The model's shape, as registered on chain."""
        ...

    @property
    def vocabulary(self) -> Vocabulary:
        """Bytes of every sampleable token."""
        ...

    def open(self, prefix: Sequence[int]) -> Session:
        """Start a context with an action's constant prefix (may be empty), cached or not."""
        ...
