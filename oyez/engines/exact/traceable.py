"""Which models the trace can hold: the engine runs deeper and wider ones, no rollup serves them."""

from __future__ import annotations

from oyez.engines.exact.gguf import GgufFile
from oyez.engines.exact.shape import read_shape
from oyez.protocol.constants import CHUNKS_PER_RECORD, SLOT_BITS
from oyez.protocol.errors import Invalid

#: Layers whose records a position has slots for; the last slot is the sampler's.
TRACE_LAYERS = (1 << SLOT_BITS) - 1


def verify_file_traceable(file: GgufFile) -> None:
    """Refuse a file whose model the trace cannot hold, before any of its weights is read.

    Raises:
        Invalid: MODEL-23; or a file that this engine cannot run at all, see `shape.read_shape`.
    """
    sizes = read_shape(file)
    verify_traceable(sizes.layers, sizes.width, sizes.kv_heads, sizes.head_size)


def verify_traceable(layers: int, width: int, kv_heads: int, head_size: int) -> None:
    """Refuse a shape whose positions the trace cannot hold: it runs, but no rollup can serve it.

    Rule: MODEL-23

    Raises:
        Invalid: more layers than slots, or a layer's record of more than 16 chunks.
    """
    if layers > TRACE_LAYERS:
        raise Invalid(
            "MODEL-23",
            f"the model has {layers} layers and a position of the trace has slots for "
            f"{TRACE_LAYERS}: it runs (oyez engine run) but cannot be registered; use another "
            "model",
        )
    residual, keys = -(-width // 256), -(-2 * kv_heads * head_size // 512)
    if residual + keys > CHUNKS_PER_RECORD:
        raise Invalid(
            "MODEL-23",
            f"a layer's trace record would take {residual + keys} chunks of {CHUNKS_PER_RECORD}: "
            f"{residual} for a width of {width}, {keys} for {kv_heads} key-value heads of "
            f"{head_size}: it runs (oyez engine run) but cannot be registered; use a smaller model",
        )
