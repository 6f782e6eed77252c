"""Bytes of manifests at another temperature, seed or delay: header parts that stand alone."""

from __future__ import annotations

from oyez.protocol.types import Hash32

#: 0.8 in Q16.
WARM = 52_429


def set_sampling(
    data: bytes, temperature: int, *, seed: Hash32 | None = None, delay: int | None = None
) -> bytes:
    """Return a manifest's bytes at a temperature in Q16, under a constant seed if one is given."""
    head = bytearray(data[:64])
    if delay is not None:
        head[4:9] = delay.to_bytes(5, "big")
    head[9:13] = temperature.to_bytes(4, "big")
    head[13] = seed is not None
    head[32:64] = bytes(32) if seed is None else seed
    return bytes(head) + data[64:]
