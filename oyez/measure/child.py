"""A process of its own that loads the engine once: how much memory it takes, how soon it is ready.

`python -m oyez.measure.child start|memory THREADS` prints one JSON object when the engine is ready
or has run. Nothing is imported but what a service needs of the engine. `peer THREADS` does some of
llama.cpp's work instead: its threads read how they shall wait when they are loaded.
"""

from __future__ import annotations

import json
import sys
import time

BEGAN = time.perf_counter()

#: Tokens that are decoded after the context is all but full.
LAST = 16


def main() -> None:
    """Do what the first argument names."""
    what, threads = sys.argv[1], int(sys.argv[2])
    found = run_peer(threads) if what == "peer" else run_engine(threads, fill=what == "memory")
    print(json.dumps(found), flush=True)


def run_engine(threads: int, *, fill: bool) -> dict[str, float]:
    """Load the engine and return the seconds; or fill its context too and return the memory."""
    from oyez.engines.exact.loading import load_engine

    imported = time.perf_counter()
    engine = load_engine(threads=threads)
    ready = time.perf_counter()
    if not fill:
        return {"import_s": imported - BEGAN, "load_s": ready - imported}
    from oyez.measure.machine import read_peak_memory
    from oyez.measure.parties import Exact, repeat

    loaded = read_peak_memory()
    tokens = repeat(engine.vocabulary.greedy(b"The ferry left at six. "), engine.shape.context)
    Exact(engine.backend, engine.model).decode(tokens[:-LAST], LAST)
    peak = read_peak_memory()
    return {"peak_bytes": peak, "loaded_bytes": loaded, "positions": len(tokens)}


def run_peer(threads: int) -> dict[str, float]:
    """Return the least seconds of llama.cpp's prefill of 256 tokens and decode of 16."""
    from oyez.engines.exact import locate
    from oyez.engines.llama_context import LlamaContext, LlamaWeights, Settings
    from oyez.measure import peer
    from oyez.measure.parties import FIRST, Llama

    peer.open_peer(lambda text: None)
    weights = LlamaWeights(locate.find_model())
    side = Llama(LlamaContext(weights, Settings(512, threads=threads)))
    prefill = min(side.prefill([FIRST] * 256) for _ in range(3))
    return {"prefill_s": prefill, "decode_s": min(side.decode([], 16) for _ in range(5))}


if __name__ == "__main__":
    main()
