"""Oyez: an optimistic rollup for prompts. This package is the shared protocol and the SDK."""
