"""A process of its own that loads the engine once: how much memory it takes, how soon it is ready.

`python -m oyez.measure.child start|memory THREADS` prints one JSON object when the engine is ready
or has run. Nothing is imported but what a service needs of the engine.
"""

from __future__ import annotations

import json
import sys
import time

BEGAN = time.perf_counter()

#: Tokens that are decoded after the context is all but full.
LAST = 16


def main() -> None:
    """Load the engine; for `memory` fill its whole context too, without the trace."""
    from oyez.engines.exact.engine import load_engine

    imported = time.perf_counter()
    what, threads = sys.argv[1], int(sys.argv[2])
    engine = load_engine(threads=threads)
    ready = time.perf_counter()
    seconds = {"import_s": imported - BEGAN, "load_s": ready - imported}
    if what == "start":
        print(json.dumps(seconds), flush=True)
        return
    from oyez.measure.machine import read_peak_memory
    from oyez.measure.parties import Exact, repeat

    loaded = read_peak_memory()
    tokens = repeat(engine.vocabulary.greedy(b"The ferry left at six. "), engine.shape.context)
    Exact(engine.backend).decode(tokens[:-LAST], LAST)
    positions = len(tokens)
    found = {"peak_bytes": read_peak_memory(), "loaded_bytes": loaded, "positions": positions}
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
