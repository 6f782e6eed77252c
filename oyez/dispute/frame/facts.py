"""What a call's frame follows from, and the preimages that proofs of its steps bring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from oyez.protocol import codec
from oyez.protocol.errors import Invalid
from oyez.protocol.merkle import Frontier
from oyez.protocol.state import State
from oyez.protocol.trace_records import Epilogue, Prologue
from oyez.protocol.transition import Execution
from oyez.protocol.types import BatchHeader, Entry, Hash32, Manifest
from oyez.protocol.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class RootsBefore:
    """The running roots that a call begins with: of the call before, or of the batch before."""

    state: Hash32
    outbox: Hash32
    receipts: Frontier


@dataclass(frozen=True, slots=True)
class CallFacts:
    """One call of an own result.

    Attributes:
        header, entries: the batch's.
        index: the call's, within the batch.
        manifest: the entry's.
        previous: that the cell was stored under; None of an absent one.
        prologue, epilogue: what the call begins and ends with.
        before, after: the state around it.
        roots: that it begins with.
        vocabulary: the model's.
    """

    header: BatchHeader
    entries: Sequence[Entry]
    index: int
    manifest: Manifest
    previous: Manifest | None
    prologue: Prologue
    epilogue: Epilogue
    execution: Execution
    before: State
    after: State
    roots: RootsBefore
    vocabulary: Vocabulary


@dataclass(frozen=True, slots=True)
class Preimages:
    """Bytes by their Keccak-256."""

    _known: dict[Hash32, bytes] = field(default_factory=dict)

    def add(self, data: bytes) -> Hash32:
        """Remember bytes; return their digest."""
        digest = codec.keccak(data)
        self._known[digest] = data
        return digest

    def get(self, digest: Hash32) -> bytes:
        """Return the bytes of a digest.

        Raises:
            Invalid: FRAME-4 they were never met.

        Rule: FRAME-4
        """
        if digest not in self._known:
            raise Invalid("FRAME-4", f"nothing is known whose hash is 0x{digest.hex()}")
        return self._known[digest]
