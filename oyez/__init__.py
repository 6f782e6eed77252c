"""Oyez: an optimistic rollup for prompts. This package is the shared protocol and the SDK.

`oyez.Client` is the SDK; it is imported when first used, so that `import oyez.protocol` stays
free of chain libraries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oyez.client import Client

__all__ = ["Client"]


def __getattr__(name: str) -> object:
    """Import the SDK's client when it is asked for."""
    if name == "Client":
        from oyez.client import Client

        return Client
    raise AttributeError(f"module 'oyez' has no attribute {name!r}")
