"""A process of its own tells when it is ready; the peak of memory is the system's."""

from __future__ import annotations

import numpy as np
import pytest

from oyez.measure import processes
from oyez.measure.machine import read_peak_memory
from oyez.protocol.errors import Fatal


def test_a_process_tells_when_its_engine_is_ready() -> None:
    seconds, found = processes.run_child(["start", "1"])
    assert set(found) == {"import_s", "load_s"}
    assert seconds > found["import_s"] + found["load_s"] > 0


def test_a_process_that_fails_is_no_measurement(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Fatal, match="failed with code 1"):
        processes.run_child(["start", "1"], OYEZ_MODEL="absent.gguf")
    assert "cannot read the model file absent.gguf" in capfd.readouterr().err


def test_the_peak_of_memory_stays_when_memory_is_given_back() -> None:
    before = read_peak_memory()
    room = np.ones(before + (1 << 26), np.uint8)
    high = read_peak_memory()
    del room
    assert high >= before + (1 << 26)
    # the system counts pages a few at a time
    assert abs(read_peak_memory() - high) < 1 << 20


def test_the_way_of_waiting_is_the_fastest_or_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {None: (4.0, 1.0), "PASSIVE": (1.0, 3.0)}
    asked = []

    def run_child(arguments: list[str], **environment: str) -> tuple[float, dict[str, float]]:
        asked.append(arguments)
        prefill, decode = seconds[environment.get(processes.WAIT_VARIABLE)]
        return 9.0, {"prefill_s": prefill, "decode_s": decode}

    monkeypatch.delenv(processes.WAIT_VARIABLE, raising=False)
    monkeypatch.setattr(processes, "run_child", run_child)
    best, found = processes.choose_wait(2)
    assert best == "PASSIVE"
    assert found["unset"] == {"prefill_s": 4.0, "decode_s": 1.0}
    assert asked == [["peer", "2"]] * 2
    monkeypatch.setenv(processes.WAIT_VARIABLE, "PASSIVE")
    assert processes.choose_wait(2) == ("PASSIVE", {})
    assert len(asked) == 2
