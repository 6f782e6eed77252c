"""Counters of one run of the sequencer, as Prometheus text."""

from __future__ import annotations

import threading


class Metrics:
    """Counts since the process began; safe to read from another thread."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._lock = threading.Lock()
        self._counts = {
            "calls_executed": 0.0,
            "positions_run": 0.0,
            "execution_seconds": 0.0,
            "transactions_sent": 0.0,
        }

    def add_call(self, positions: int) -> None:
        """Count an executed call."""
        with self._lock:
            self._counts["calls_executed"] += 1
            self._counts["positions_run"] += positions

    def add_seconds(self, seconds: float) -> None:
        """Count time in which calls ran."""
        with self._lock:
            self._counts["execution_seconds"] += seconds

    def add_transaction(self) -> None:
        """Count a mined transaction."""
        with self._lock:
            self._counts["transactions_sent"] += 1

    def format(self) -> str:
        """Return one `oyez_sequencer_<name>_total <value>` line each."""
        with self._lock:
            lines = [f"oyez_sequencer_{n}_total {v:g}" for n, v in self._counts.items()]
        return "\n".join(lines) + "\n"
