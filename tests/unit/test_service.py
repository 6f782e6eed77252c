"""The loop that drives a service handles kinds of errors, never names."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oyez import service
from oyez.protocol.errors import Fatal, Invalid, Rewind, Temporary


class Script:
    """Plays one outcome a step, then stops the loop; records what the loop did."""

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes = list(outcomes)
        self.rewinds = 0
        self.waits: list[float] = []
        self.lines: list[tuple[str, dict[str, object]]] = []

    def step(self) -> bool:
        if not self.outcomes:
            self.stopped = True
            return False
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return bool(outcome)

    def rewind(self) -> None:
        self.rewinds += 1
        if self.outcomes and isinstance(self.outcomes[0], tuple):
            raise self.outcomes.pop(0)[0]

    stopped = False

    def is_set(self) -> bool:
        return self.stopped

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        return self.stopped

    def log(self, event: str, /, **facts: object) -> None:
        self.lines.append((event, facts))

    def run(self) -> None:
        service.run(self, self, self.log)  # type: ignore[arg-type] # an Event's twin


def test_temporary_and_invalid_wait_twice_as_long_each_time_and_success_resets() -> None:
    """Rule: SEQ-17."""
    script = Script(
        Temporary("a"), Invalid("X-1", "b"), *[Temporary("c")] * 5, True, Temporary("d")
    )
    script.run()
    assert script.waits == [0.5, 1, 2, 4, 8, 15, 15, 0.5, service.IDLE_SECONDS]
    assert [facts["kind"] for _, facts in script.lines[:2]] == ["Temporary", "Invalid"]


def test_a_rewind_goes_back_and_may_itself_be_tried_again() -> None:
    """Rule: SEQ-17."""
    script = Script(Rewind(7), (Temporary("down"),), Rewind(7), True)
    script.run()
    assert script.rewinds == 2
    assert ("rewind", {"block": 7}) in script.lines


@pytest.mark.parametrize("error", [Fatal("stop"), ZeroDivisionError("bug")])
def test_fatal_and_bugs_end_the_loop(error: Exception) -> None:
    """Rule: SEQ-17."""
    script = Script(True, error, True)
    with pytest.raises(type(error)):
        script.run()
    assert script.outcomes == [True]
    assert script.lines[-1][0] == ("fatal" if isinstance(error, Fatal) else "bug")


def test_a_busy_service_does_not_wait_and_an_idle_one_does() -> None:
    script = Script(True, True, False, True)
    script.run()
    assert script.waits == [service.IDLE_SECONDS] * 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_loop_also_where_it_was_ignored(number: signal.Signals) -> None:
    """Rule: SEQ-17."""
    before: Callable[..., Any] | int | None = signal.getsignal(number)
    try:
        signal.signal(number, signal.SIG_IGN)
        stop = threading.Event()
        service.stop_on_signals(stop)
        os.kill(os.getpid(), number)
        assert stop.wait(10)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(number, before)
        signal.signal(signal.SIGINT, signal.default_int_handler)


def test_a_line_is_one_line() -> None:
    text = service.format_line("retry", reason='two words\n"quoted"', hash=b"\x01\x02", count=3)
    assert text == r'retry reason="two words\n\"quoted\"" hash=0x0102 count=3'
    assert service.format_line("stopped") == "stopped"
    assert service.format_line("executed", seconds=0.12345) == "executed seconds=0.123"


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.json"
    service.write_json(path, {"a": 1})
    service.write_json(path, {"a": 2})
    assert path.read_text() == '{\n  "a": 2\n}\n'
    assert list(path.parent.iterdir()) == [path]
