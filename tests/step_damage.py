"""Proofs of steps, damaged: none of them may be accepted."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from eth_abi.abi import decode, encode

from oyez.dispute.step_proof import PROOF_TYPES
from tests.contracts.harness import Reverted
from tests.damage import flip
from tests.vocabulary_steps import Proven

Part = tuple[bytes, list[bytes]]


@dataclass
class Opened:
    """A proof's parts."""

    leaves: list[Part] = field(default_factory=list)
    rows: list[Part] = field(default_factory=list)
    hint: int = 0

    def encode(self) -> bytes:
        """Return the proof."""
        return encode(PROOF_TYPES, (self.leaves, self.rows, self.hint))


def open_proof(proof: bytes) -> Opened:
    """Return a proof's parts."""
    leaves, rows, hint = decode(PROOF_TYPES, proof)
    return Opened(
        [(data, list(siblings)) for data, siblings in leaves],
        [(data, list(siblings)) for data, siblings in rows],
        hint,
    )


#: Ways to damage a proof.
WAYS = (
    "leaf",
    "sibling",
    "dead",
    "alive",
    "lost",
    "more",
    "row",
    "row sibling",
    "hint",
    "path",
    "other",
)


def damage(draw: random.Random, proven: Proven, way: str) -> bytes | None:
    """Return a damaged proof; None if this one cannot be damaged so."""
    opened = open_proof(proven.proof)
    parts = opened.rows if way.startswith("row") else opened.leaves
    if way == "hint":
        if not opened.rows:
            return None
        others = (opened.hint + 1, abs(opened.hint - 1), opened.hint + 1_000, 2**255)
        opened.hint = draw.choice(others)
        return opened.encode()
    if way == "more":
        opened.leaves.append(draw.choice(opened.leaves or [(b"", [bytes(32)] * 12)]))
        return opened.encode()
    if not parts:
        return None
    at = draw.randrange(len(parts))
    data, siblings = parts[at]
    match way:
        case "leaf" | "row":
            if not data:
                return None
            parts[at] = (flip(draw, data), siblings)
        case "sibling" | "row sibling":
            if not siblings:
                return None
            which = draw.randrange(len(siblings))
            siblings[which] = flip(draw, siblings[which])
        case "dead":
            if not data:
                return None
            parts[at] = (b"", siblings)
        case "alive":
            if data:
                return None
            parts[at] = (bytes(1_024), siblings)
        case "lost":
            del parts[at]
        case "path":
            siblings.append(draw.randbytes(32))
    return opened.encode()


def refuse(draw: random.Random, proven: Proven, way: str) -> bool:
    """Damage a proof; True if it was refused, False if it cannot be damaged so."""
    if way == "other":
        places = [index for _, index, _ in proven.case.reads.read.chunks]
        free = [at for at, index in enumerate(places) if index ^ 2 not in places]
        if not free:
            return False
        damaged = proven.case.prove(draw.choice(free))
    else:
        proof = damage(draw, proven, way)
        if proof is None:
            return False
        damaged = replace(proven, proof=proof)
    try:
        found = damaged.verify()
    except Reverted:
        return True
    raise AssertionError(f"{proven.case.name} {proven.case.seed}: {way} gave {found}")
