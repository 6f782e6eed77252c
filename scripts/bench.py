"""Ratios against llama.cpp on the same file, one thread each, interleaved in one process.

Writes docs/measurements/bench.json with the machine and the versions. Only the ratios mean
anything: absolute speeds depend on the machine and on what else runs. llama-cpp-python is built
from source when it is missing (about 10 minutes); --own leaves the peer out and writes nothing.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from oyez.engines.exact import find_model, load_engine
from scripts.install import LOCKS, find_cache

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "docs" / "measurements" / "bench.json"
TEXT = b"The committee met in the town hall and listened to everyone who had come to speak. " * 40
PROMPT, NEW, ROUNDS = 256, 64, 5


def build_own() -> tuple[Callable[[], float], Callable[[], float]]:
    """Return runs of the exact engine: seconds to prefill PROMPT tokens, to decode NEW."""
    engine = load_engine()
    tokens = engine.vocabulary.greedy(TEXT)[:PROMPT]
    everything = range(engine.shape.vocabulary)
    allowed = [token for token in everything if engine.vocabulary.tokens[token] is not None]

    def prefill() -> float:
        session = engine.open([])
        start = time.perf_counter()
        session.extend(tokens)
        session.logits(allowed[:1])
        return time.perf_counter() - start

    def decode() -> float:
        session = engine.open([])
        session.extend(tokens)
        session.logits(allowed[:1])
        start = time.perf_counter()
        for _ in range(NEW):
            session.extend([session.best(allowed)])
        session.logits(allowed[:1])
        return time.perf_counter() - start

    return prefill, decode


def build_peer() -> tuple[Callable[[], float], Callable[[], float]]:
    """Return the same runs of llama.cpp, greedy, with its own fastest kernels."""
    import llama_cpp

    model = llama_cpp.Llama(
        str(find_model()), n_ctx=1024, n_threads=1, n_threads_batch=1, n_batch=512, verbose=False
    )
    tokens = model.tokenize(TEXT)[:PROMPT]

    def prefill() -> float:
        model.reset()
        start = time.perf_counter()
        model.eval(tokens)
        return time.perf_counter() - start

    def decode() -> float:
        model.reset()
        model.eval(tokens)
        start = time.perf_counter()
        for _ in range(NEW):
            model.eval([model.sample(temp=0.0)])
        return time.perf_counter() - start

    return prefill, decode


def install_peer() -> None:
    """Build llama-cpp-python into .venv unless it is there."""
    try:
        importlib.metadata.version("llama-cpp-python")
    except importlib.metadata.PackageNotFoundError:
        print("bench: building llama-cpp-python, about 10 minutes", flush=True)
        uv = (Path(sys.executable).parent / "uv", "pip", "install", "--quiet", "--require-hashes")
        target = ("--python", sys.executable, "-r", str(LOCKS / "bench.txt"))
        cache = {**os.environ, "UV_CACHE_DIR": str(find_cache() / "uv")}
        subprocess.run((*uv, *target), check=True, env=cache)


def summarize(seconds: list[float], tokens: int) -> dict[str, float]:
    """Return minimum, median and maximum of tokens per second."""
    speeds = sorted(tokens / value for value in seconds)
    rounded = (speeds[0], statistics.median(speeds), speeds[-1])
    return dict(zip(("min", "median", "max"), (round(v, 1) for v in rounded), strict=True))


def main() -> None:
    """Measure both, interleaved, and write the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--own", action="store_true", help="without the peer; writes nothing")
    options = parser.parse_args()
    parties = {"oyez": build_own()}
    if not options.own:
        install_peer()
        parties["llama.cpp"] = build_peer()
    result: dict[str, Any] = {  # Any: JSON
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "file": find_model().name,
        "threads": 1,
    }
    for index, (what, tokens) in enumerate((("prefill", PROMPT), ("decode", NEW))):
        seconds: dict[str, list[float]] = {name: [] for name in parties}
        for _ in range(ROUNDS):
            for name, runs in parties.items():
                seconds[name].append(runs[index]())
        result[what] = {name: summarize(values, tokens) for name, values in seconds.items()}
        if not options.own:
            ratio = result[what]["oyez"]["median"] / result[what]["llama.cpp"]["median"]
            result[what]["ratio"] = round(ratio, 2)
        print(f"bench: {what}, tokens/s: {json.dumps(result[what])}", flush=True)
    if not options.own:
        result["llama-cpp-python"] = importlib.metadata.version("llama-cpp-python")
        RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(f"bench: wrote {RESULT.name}")


if __name__ == "__main__":
    main()
