"""`make demo` as a user runs it, and every way in which it may end."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".oyez" / "demo"
LAST = re.compile(
    r"oyez demo: (\d+) calls final \((\d+) accepted, (\d+) rejected\), head at (\d+)\n\Z"
)
SCRIPT = [sys.executable, "scripts/demo.py", "--keep"]
MAKE = ["make", "--no-print-directory", "demo", "KEEP=1"]


@contextmanager
def running(command: list[str], **options: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a kept demonstration; give the process and what it printed up to the last line."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,  # type: ignore[call-overload]  # passed through
    )
    printed: list[str] = []
    assert process.stdout is not None
    try:
        for line in process.stdout:
            printed.append(line)
            if line.startswith("oyez demo:"):
                break
        yield process, "".join(printed)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)
        process.stdout.close()


def find_ports() -> list[tuple[str, int]]:
    """Where the chain and the sequencer's service listen."""
    urls = [
        json.loads((HOME / "deployment.json").read_text())["rpc"],
        json.loads((HOME / "sequencer" / "serve.json").read_text())["url"],
    ]
    return [("127.0.0.1", int(url.rsplit(":", 1)[1])) for url in urls]


def is_open(place: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(place) == 0


def list_left() -> list[str]:
    """Processes of this clone's demonstration that still run."""
    left = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != str(os.getpid()):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if any(str(HOME).encode() in word for word in words):
                left.append(entry.name)
    return left


def assert_nothing_left(ports: list[tuple[str, int]]) -> None:
    """Hold that all is gone; the kernel ends a killed process's children a moment later."""
    deadline = time.monotonic() + 10
    while (any(map(is_open, ports)) or list_left()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_open, ports))
    assert list_left() == []


def send(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Signal one process and wait until all that held its output are gone."""
    assert process.stdout is not None
    os.kill(process.pid, number)
    assert process.stdout.read() == ""
    process.wait(20)


def test_demo_tells_the_whole_story_a_stranger_rebuilds_it_and_ctrl_c_ends_it() -> None:
    with running(MAKE) as (process, printed):
        ports = find_ports()
        assert all(is_open(place) for place in ports)
        found = LAST.search(printed)
        assert found is not None, printed
        final, accepted, rejected, head = map(int, found.groups())
        assert 12 <= final <= 16
        assert (accepted > 0, rejected > 0, accepted + rejected) == (True, True, final)
        assert "\x1b" not in printed
        assert printed.count("MATCH: its own replay") == head
        done = subprocess.run(
            [sys.executable, "tests/e2e/rebuild.py", str(HOME / "deployment.json")],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        rebuilt = json.loads(done.stdout)
        assert (rebuilt["final"], rebuilt["head"]) == (final, head)
        assert (rebuilt["accepted"], rebuilt["rejected"]) == (accepted, rejected)
        assert rebuilt["callers"] >= 3
        send(process, signal.SIGINT)
    assert_nothing_left(ports)


def test_kept_demo_ends_on_sigterm_where_sigint_is_ignored_and_is_alone_in_its_clone() -> None:
    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    with running(MAKE, preexec_fn=ignore) as (process, _):
        ports = find_ports()
        second = subprocess.run(SCRIPT, cwd=ROOT, capture_output=True, text=True, check=False)
        assert second.returncode == 1
        assert "another one runs in this clone" in second.stderr
        assert all(is_open(place) for place in ports)
        send(process, signal.SIGTERM)
    assert_nothing_left(ports)


@pytest.mark.parametrize("command", [MAKE, SCRIPT], ids=["make", "script"])
def test_killed_demo_leaves_nothing(command: list[str]) -> None:
    with running(command) as (process, _):
        ports = find_ports()
        send(process, signal.SIGKILL)
    assert_nothing_left(ports)
