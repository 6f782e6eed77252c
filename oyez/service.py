"""The loop of a long-running service: one step after the other, errors handled by kind.

Temporary and Invalid wait and try again, Rewind derives again, Fatal ends the process. Logs are
one line per decision, `event key=value`, on standard error; no secret and no prompt.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from oyez.protocol.errors import Fatal, Invalid, Rewind, Temporary

IDLE_SECONDS = 0.2
FIRST_BACKOFF_SECONDS = 0.5
LAST_BACKOFF_SECONDS = 15.0


class Log(Protocol):
    """Writes one line about one decision."""

    def __call__(self, event: str, /, **facts: object) -> None:
        """Write `event key=value ...`."""
        ...


class Service(Protocol):
    """What the loop drives."""

    def step(self) -> bool:
        """Do the next thing; False when there was nothing to do."""
        ...

    def rewind(self) -> None:
        """Forget what the chain no longer holds."""
        ...


def format_line(event: str, **facts: object) -> str:
    """Return one log line; bytes as hex, texts with spaces in quotes, line breaks escaped."""
    return " ".join([event, *(f"{name}={_format_fact(fact)}" for name, fact in facts.items())])


def _format_fact(fact: object) -> str:
    if isinstance(fact, bytes):
        return "0x" + fact.hex()
    if isinstance(fact, float):
        return f"{fact:.3f}"
    text = str(fact)
    return text if text.isprintable() and not set(' "=') & set(text) else json.dumps(text)


def log_to_stderr(event: str, /, **facts: object) -> None:
    """Write one line to standard error, at once."""
    print(format_line(event, **facts), file=sys.stderr, flush=True)


def run(service: Service, stop: threading.Event, log: Log) -> None:
    """Drive a service until `stop` is set.

    Raises:
        Fatal: going on would do harm; whatever was done is stored.

    Rule: SEQ-17
    """
    backoff = FIRST_BACKOFF_SECONDS
    while not stop.is_set():
        try:
            busy = service.step()
        except Rewind as error:
            log("rewind", block=error.block)
            backoff = _rewind(service, stop, log, backoff)
        except (Temporary, Invalid) as error:
            backoff = _wait(stop, log, error, backoff)
        except Fatal as error:
            log("fatal", reason=error)
            raise
        except Exception as error:
            # A bug: say where it happened, and let it end the process.
            log("bug", kind=type(error).__name__)
            raise
        else:
            backoff = FIRST_BACKOFF_SECONDS
            if not busy:
                stop.wait(IDLE_SECONDS)


def _rewind(service: Service, stop: threading.Event, log: Log, backoff: float) -> float:
    try:
        service.rewind()
    except (Temporary, Invalid) as error:
        return _wait(stop, log, error, backoff)
    return FIRST_BACKOFF_SECONDS


def _wait(stop: threading.Event, log: Log, error: Exception, backoff: float) -> float:
    log("retry", kind=type(error).__name__, reason=error, seconds=backoff)
    stop.wait(backoff)
    return min(backoff * 2, LAST_BACKOFF_SECONDS)


def stop_on_signals(stop: threading.Event) -> None:
    """Set `stop` at SIGTERM or SIGINT, also where SIGINT was ignored; main thread only."""

    def handle(_number: int, _frame: Any) -> None:  # Any: an interpreter frame
        stop.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)


@contextlib.contextmanager
def lock_home(home: Path) -> Iterator[None]:
    """Keep a home, made where it is missing, for this process alone until the context ends.

    The kernel drops the lock with the process, however it ends; HOME/lock itself stays.

    Raises:
        Fatal: another process uses it, or it is no folder to write in.

    Rule: SEQ-18
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        file = (home / "lock").open("a")
    except OSError as error:
        raise Fatal(f"cannot use {home} as home ({error.strerror}): give another --home") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Fatal(
                f"another oyez process uses the home {home}: stop it, or give another --home"
            ) from None
        yield


def write_json(path: Path, document: object) -> None:
    """Replace a JSON file in one step, so that no reader ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    os.replace(draft, path)
