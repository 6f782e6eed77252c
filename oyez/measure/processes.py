"""What has to be measured on processes of their own: start-up, memory, how threads wait."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from oyez.engines.exact import locate
from oyez.measure.spread import Spread
from oyez.protocol.errors import Fatal

#: How threads of OpenMP wait for each other: its variable, and what it may say; None is unset.
WAIT_VARIABLE = "OMP_WAIT_POLICY"
#: Not ACTIVE: it won by 2 % at most, and its idle threads then spin through the other's turn.
WAITS = (None, "PASSIVE")
#: Starts with warm caches, and first loads.
STARTS, FIRST_LOADS = 9, 3


def measure_memory(threads: int) -> dict[str, Any]:  # Any: a number and what belongs to it
    """Return the peak of a process that loads the model and fills its whole context."""
    _, found = run_child(["memory", str(threads)])
    return {
        "peak_mb": round(found["peak_bytes"] / 1e6, 1),
        "memory": {
            "loaded_mb": round(found["loaded_bytes"] / 1e6, 1),
            "positions": found["positions"],
        },
    }


def measure_start(threads: int) -> dict[str, Any]:  # Any: see measure_memory
    """Return seconds from the start of Python to an engine that is ready, caches warm and empty.

    The whole: interpreter, imports, load, digest of the file and self-test. `python_s` is an
    interpreter that does nothing. A first load finds no cache of Oyez's own and none of the
    model file's pages in memory; compiled kernels and bytecode are there, as
    `make install` leaves them.
    """
    run_child(["start", str(threads)])
    runs = [run_child(["start", str(threads)]) for _ in range(STARTS)]
    with tempfile.TemporaryDirectory(prefix="oyez-bench-") as empty:
        firsts = []
        for number in range(FIRST_LOADS):
            _forget_pages(locate.find_model())
            cache = {"OYEZ_CACHE": str(Path(empty) / str(number))}
            firsts.append(run_child(["start", str(threads)], **cache)[0])
    python = [_time_python() for _ in range(STARTS)]
    whole = Spread(tuple(seconds for seconds, _ in runs))
    return {
        "start_s": round(whole.median, 3),
        "start": {
            "whole_s": whole.to_json(),
            "first_load_s": Spread(tuple(firsts)).to_json(),
            "python_s": Spread(tuple(python)).to_json(),
            **{
                name: Spread(tuple(found[name] for _, found in runs)).to_json()
                for name in ("import_s", "load_s")
            },
        },
    }


def choose_wait(threads: int) -> tuple[str | None, dict[str, Any]]:  # Any: see measure_memory
    """Return how llama.cpp's threads wait for each other best here and now, and all seconds.

    The user's own choice stands. On a quiet machine spinning is best; beside a busy neighbour it
    may be ten times slower than sleeping. Best is the least product of prefill and decode.
    """
    chosen = os.environ.get(WAIT_VARIABLE)
    if chosen is not None:
        return chosen, {}
    found = {}
    for wait in WAITS:
        variable = {} if wait is None else {WAIT_VARIABLE: wait}
        found[wait] = run_child(["peer", str(threads)], **variable)[1]
    best = min(WAITS, key=lambda wait: found[wait]["prefill_s"] * found[wait]["decode_s"])
    return best, {wait or "unset": found[wait] for wait in WAITS}


def run_child(
    arguments: list[str], **environment: str
) -> tuple[float, dict[str, Any]]:  # Any: JSON
    """Run the child; return the seconds until its line was there, and the line."""
    command = [sys.executable, "-m", "oyez.measure.child", *arguments]
    began = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env={**os.environ, **environment}
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.perf_counter() - began
    if process.returncode or not line:
        raise Fatal(f"`{' '.join(command)}` failed with code {process.returncode}")
    found = json.loads(line)
    assert isinstance(found, dict)
    return seconds, found


def _time_python() -> float:
    """Return the seconds of an interpreter that does nothing."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - began


def _forget_pages(path: Path) -> None:
    """Ask the system to drop a file's pages from memory."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
