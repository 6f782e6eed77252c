"""The exact engine: Llama-architecture inference in integers, the same bits on every machine."""

from oyez.engines.exact.engine import ExactEngine, load_engine
from oyez.engines.exact.locate import find_model
from oyez.engines.exact.tokens import TokenizerMetadata, read_tokenizer_metadata

__all__ = [
    "ExactEngine",
    "TokenizerMetadata",
    "find_model",
    "load_engine",
    "read_tokenizer_metadata",
]
