"""Says that what was read is one of several claims about the same batch."""

from __future__ import annotations

from typing import Any

from oyez.commands import output
from oyez.protocol.types import BatchNumber, Hash32


def build_dispute(siblings: tuple[Hash32, ...], disputed_at: BatchNumber | None) -> dict[str, Any]:
    """Return, as JSON, what lives beside that which was read, and the first batch in dispute."""
    return {
        "siblings": [output.format_hex(sibling) for sibling in siblings],
        "disputed_at": disputed_at,
    }


def describe_dispute(siblings: tuple[Hash32, ...], disputed_at: BatchNumber | None) -> list[str]:
    """Return a line of text where something is in dispute, else none."""
    if len(siblings) > 1:
        return [f"disputed: {len(siblings)} siblings live"]
    if disputed_at is not None:
        return [f"disputed: it stands on batch {disputed_at}, of which several siblings live"]
    return []
