"""The exact engine: Llama-architecture inference in integers, the same bits on every machine."""
