"""Services as processes: `oyez serve` and `oyez watch`, watched through what they log."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_SECONDS = 180


class Service:
    """A process; waits block on its log, not on a clock."""

    def __init__(self, *arguments: str, environment: dict[str, str]) -> None:
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "oyez.cli", *arguments],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._queue.put(line.rstrip("\n"))
        self._queue.put(None)

    def wait_for(self, start: str) -> str:
        """Return the next log line that begins so."""
        while True:
            line = self._queue.get(timeout=PATIENCE_SECONDS)
            assert line is not None, f"ended before {start!r}: {self.lines[-20:]}"
            self.lines.append(line)
            if line.startswith(start):
                return line

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal; return the exit code and all of standard output."""
        self.process.send_signal(number)
        return self.wait_end()

    def wait_end(self) -> tuple[int, str]:
        """Wait until it ends by itself."""
        assert self.process.stdout is not None
        output = self.process.stdout.read()
        code = self.process.wait(PATIENCE_SECONDS)
        while (line := self._queue.get(timeout=PATIENCE_SECONDS)) is not None:
            self.lines.append(line)
        self._reader.join()
        self.process.stdout.close()
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code, output

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.wait_end()
