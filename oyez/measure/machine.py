"""What the measurements were taken on: the CPU, its load, how fast its memory reads, versions."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from oyez.measure.spread import Spread, measure
from oyez.protocol.errors import Fatal

#: Bytes that a thread reads: far more than any cache holds.
_BYTES = 1 << 28


def describe_machine() -> dict[str, Any]:  # Any: texts and numbers
    """Return the CPU's model, the cores this process may use, the system and the memory."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": read_cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.machine()}",
        "memory_gb": round(pages * size / 1e9, 1),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def read_load() -> list[float]:
    """Return the mean number of tasks that wanted a core, over 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]


def read_cpu_model() -> str:
    """Return the CPU's name as the system tells it."""
    return _read_cpu("model name", "CPU part") or platform.processor() or platform.machine()


def read_cpu_flags() -> str:
    """Return the CPU's name and instruction sets: what a native build depends on."""
    return f"{read_cpu_model()}: {_read_cpu('flags', 'Features')}"


def _read_cpu(*keys: str) -> str:
    """Return the first core's entry of one of these names; empty without one."""
    path = Path("/proc/cpuinfo")
    for line in path.read_text().splitlines() if path.exists() else ():
        name, _, value = line.partition(":")
        if name.strip() in keys:
            return value.strip()
    return ""


def measure_bandwidth(threads: int, times: int = 7) -> Spread:
    """Return bytes a second that so many threads read together, each from memory of its own.

    The C library's search for a byte that is not there touches every byte and computes next to
    nothing; it runs without the interpreter's lock.
    """
    search = ctypes.CDLL(None).memchr
    search.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
    search.restype = ctypes.c_void_p
    rooms = [np.ones(_BYTES, np.uint8) for _ in range(threads)]

    def read() -> float:
        workers = [
            threading.Thread(target=search, args=(room.ctypes.data, 0, _BYTES)) for room in rooms
        ]
        start = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return time.perf_counter() - start

    seconds = measure(read, times)
    return Spread(tuple(threads * _BYTES / value for value in seconds.values))


def read_peak_memory() -> int:
    """Return the most bytes of memory that this process has held since it began (VmHWM).

    Raises:
        Fatal: the system does not tell.
    """
    status = Path("/proc/self/status")
    found = re.search(r"(?m)^VmHWM:\s*(\d+) kB", status.read_text() if status.exists() else "")
    if found is None:
        raise Fatal("this system does not tell a process's peak of memory (/proc/self/status)")
    return int(found[1]) * 1024
