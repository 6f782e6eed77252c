"""Measure the exact engine on one thread: load, prefill, decode, masks, records; prints a table.

Numbers depend on the machine and on what else runs; compare ratios from one run.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from oyez.engines.exact import ExactEngine, build, load_engine
from oyez.engines.exact.kernel_cache import KernelCache
from oyez.engines.exact.kernels import Kernels
from oyez.engines.exact.library import PATHS, PORTABLE, Library
from oyez.protocol.decoding import decode
from oyez.protocol.machine import Machine
from oyez.protocol.types import Field, FieldType, Role

TEXT = b"The committee met in the town hall and listened to everyone who had come to speak. " * 40


def measure(run: Callable[[], object], repeats: int) -> float:
    """Return the median seconds of a run."""
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def show(what: str, value: float, unit: str) -> None:
    """Print one row."""
    print(f"{what:<44}{value:>10.2f} {unit}", flush=True)


def bench_path(engine: ExactEngine, library: Library, path: int, repeats: int) -> None:
    """Measure the kernels alone on one path."""
    backend = Kernels(library, engine.model, path)
    tokens = list(engine.vocabulary.greedy(TEXT))[:512]
    name = PATHS[path]

    def prefill(count: int) -> None:
        backend.run(backend.new_cache(), tokens[:count])

    show(f"{name}: a 60-position call", measure(lambda: prefill(60), repeats) * 1e3, "ms")
    show(f"{name}: prefill of 512", 512 / measure(lambda: prefill(512), repeats), "tokens/s")
    for start in (60, 512):
        cache = backend.new_cache()
        backend.run(cache, tokens[:start])

        def step(cache: KernelCache = cache) -> None:
            residuals, _ = backend.run(cache, [tokens[0]])
            backend.logits(np.ascontiguousarray(residuals[-1, -1]))

        show(f"{name}: decode at {start}", 1 / measure(step, 10 * repeats), "tokens/s")


def bench_session(engine: ExactEngine, repeats: int) -> None:
    """Measure what the protocol adds: masks, the prefix cache, layer records."""
    tokens = engine.vocabulary.greedy(TEXT)
    fields = [Field(b"reply", FieldType.STRING, Role.WRITES, b"", limit=300)]
    machine = Machine(fields, engine.vocabulary.missing)

    def constrained() -> None:
        decode(machine, engine.vocabulary, engine.open(tokens[:40]), 80, engine.allowed)

    show("constrained string of 80 tokens", 80 / measure(constrained, repeats), "tokens/s")
    engine.open(tokens[:95])
    show(
        "open a cached prefix of 95", measure(lambda: engine.open(tokens[:95]), repeats) * 1e3, "ms"
    )
    session = engine.open([])
    session.extend(tokens[:128])
    begin = time.perf_counter()
    session.layer_roots(0)
    show("layer records, a position", (time.perf_counter() - begin) / 0.128, "ms")


def main() -> None:
    """Run everything once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--portable", action="store_true", help="the slow path too")
    options = parser.parse_args()
    library = Library(build.build_library())
    begin = time.perf_counter()
    engine = load_engine()
    show("load, digest and self-test included", time.perf_counter() - begin, "s")
    for path in reversed(library.paths):
        if path != PORTABLE or options.portable or library.paths == (PORTABLE,):
            bench_path(engine, library, path, options.repeats)
    bench_session(engine, options.repeats)


if __name__ == "__main__":
    main()
