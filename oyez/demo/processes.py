"""Child processes that never outlive the demonstration, however it ends.

Three ways to end, three answers: a signal to this process raises `Stopped`; a signal to the
`make` above it is noticed and becomes SIGTERM here; if this process is killed outright, the
kernel kills its children (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from oyez.protocol.errors import Fatal

PR_SET_PDEATHSIG = 1
STOP_SECONDS = 10
POLL_SECONDS = 0.2
_LIBC = ctypes.CDLL(None, use_errno=True)


class Stopped(Exception):
    """SIGINT or SIGTERM arrived."""


def raise_stopped(number: int, frame: FrameType | None) -> None:
    """Turn a signal into an exception, once: later ones must not break the cleaning up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Stopped(signal.Signals(number).name)


def catch_signals() -> None:
    """Raise `Stopped` in the main thread on SIGINT, SIGTERM, or a signal to make above us."""
    signal.signal(signal.SIGINT, raise_stopped)
    signal.signal(signal.SIGTERM, raise_stopped)
    make = find_make(os.getppid())
    if make is not None:
        threading.Thread(target=follow_make, args=(make,), daemon=True).start()


def find_make(process: int) -> int | None:
    """Return the nearest ancestor named make that would catch SIGINT, if there is one."""
    while process > 1:
        status = read_status(process)
        if status.get("Name") in {"make", "gmake"}:
            return process if catches_interrupt(status) else None
        process = int(status.get("PPid", "0"))
    return None


def read_status(process: int) -> dict[str, str]:
    """Return /proc/PID/status as a table; empty when the process is gone."""
    try:
        text = Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {name: value.strip() for name, value in pairs}


def catches_interrupt(status: Mapping[str, str]) -> bool:
    """Say whether the process of this status lives and has a handler for SIGINT."""
    if status.get("State", "Z").startswith("Z"):
        return False
    return bool(int(status.get("SigCgt", "0"), 16) >> (signal.SIGINT - 1) & 1)


def follow_make(make: int) -> None:
    """Send ourselves SIGTERM once make was interrupted or is gone.

    GNU make passes SIGTERM on to its children but not SIGINT, which it expects the terminal to
    send to all; it then waits for them with the signal's default action restored, and that is
    visible (fatal_error_signal in its commands.c).
    """
    while catches_interrupt(read_status(make)):
        time.sleep(POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def die_with_parent() -> None:
    """Ask the kernel to kill this (child) process when its parent ends."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Children:
    """Processes started here; leaving the context stops them all, the last started first."""

    def __init__(self, logs: Path) -> None:
        """Write each child's output to a file of its name under `logs`."""
        self._logs = logs
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def __enter__(self) -> Children:
        """Start with none."""
        return self

    def __exit__(self, *error: object) -> None:
        """Stop all."""
        for name in [name for name, _ in reversed(self._running)]:
            self.stop(name)

    def start(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> None:
        """Start one child in its own session, so that only we signal it."""
        self._logs.mkdir(parents=True, exist_ok=True)
        with (self._logs / f"{name}.log").open("wb") as log:
            child = subprocess.Popen(
                command,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        self._running.append((name, child))

    def stop(self, name: str) -> None:
        """End one child: SIGTERM, and SIGKILL if it does not answer."""
        for pair in [pair for pair in self._running if pair[0] == name]:
            child = pair[1]
            child.terminate()
            try:
                child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            self._running.remove(pair)

    def ended(self) -> list[str]:
        """Return the names of children that ended by themselves, with their last log line."""
        return [
            f"{name} ended with {child.returncode}; {self.last_line(name)}"
            for name, child in self._running
            if child.poll() is not None
        ]

    def watch(self, chain_runs: Callable[[], bool]) -> NoReturn:
        """Look on until a signal raises `Stopped`, or something ends by itself.

        Raises:
            Fatal: a child or the chain ended; the text says which, with its last log line.
        """
        while True:
            ended = self.ended()
            if not chain_runs():
                ended.append("the local chain ended")
            if ended:
                raise Fatal(f"stopped, because {'; '.join(ended)}")
            time.sleep(POLL_SECONDS)

    def last_line(self, name: str) -> str:
        """Return where a child's log is and its last line."""
        path = self._logs / f"{name}.log"
        lines = path.read_text(errors="replace").strip().splitlines()
        return f"{path}: {lines[-1] if lines else '(empty)'}"
