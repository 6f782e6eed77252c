"""The exact engine: Llama-architecture inference in integers, the same bits on every machine.

`ExactEngine` is imported when it is asked for: NumPy comes with it (see `loading`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oyez.engines.exact.loading import load_engine
from oyez.engines.exact.locate import find_model
from oyez.engines.exact.tokens import TokenizerMetadata, read_tokenizer_metadata

if TYPE_CHECKING:
    from oyez.engines.exact.engine import ExactEngine

__all__ = [
    "ExactEngine",
    "TokenizerMetadata",
    "find_model",
    "load_engine",
    "read_tokenizer_metadata",
]


def __getattr__(name: str) -> object:
    """Import the engine's class when it is asked for."""
    if name == "ExactEngine":
        from oyez.engines.exact.engine import ExactEngine

        return ExactEngine
    raise AttributeError(f"module 'oyez.engines.exact' has no attribute {name!r}")
