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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".oyez" / "demo"
LAST = re.compile(
    r"oyez demo: (\d+) calls final \((\d+) accepted, (\d+) rejected\), "
    r"(\d+) false roots defeated by one lane, head at (\d+)\n\Z"
)
#: Beginnings of lines: when all services run, while the liar does, when all is told.
SERVED, SECOND_ACT, TOLD = "5 calls", "Second act", "oyez demo:"
NAMED = re.compile(r"  challenger-\d  MISMATCH: call (\d+) is the first whose trace root differs")
SIBLING = re.compile(r"  (false root|true sibling) +id (0x[0-9a-f]{64}), posted (.*)\n")
STAKER = re.compile(r"(sequencer|challenger-\d) +(0x[0-9a-f]{40}), stake 1 ETH")
LIAR = b"tests.actors.lying_sequencer"
LIE = 2
#: Of the second act's batch.
CALLS = 4
DEFEATED, FINAL = 3, 2
ENCLAVE = re.compile(
    r"enclave +SIMULATED, quote of \d+ bytes verified on chain, key (0x[0-9a-f]{40})\n"
)
ATTESTED = "  enclave       ATTESTED by the registered key while PENDING\n"
FOREIGN = "by the sequencer's own key, refused: rollup: no enclave's key\n"
LANE = re.compile(r"  the liar +(-?\d+)\n  challengers +(-?\d+)\n")
SCRIPT = [sys.executable, "scripts/demo.py", "--keep"]
MAKE = ["make", "--no-print-directory", "demo", "KEEP=1", f"LIE={LIE}"]


def hear() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def running(
    command: list[str], until: str = TOLD, prepare: Callable[[], None] = hear
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a kept demonstration; give the process and what it printed up to such a line.

    It hears Ctrl-C whatever these tests' own parent made of it: a job in the background does not.
    """
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=prepare,
    )
    printed: list[str] = []
    assert process.stdout is not None
    try:
        for line in process.stdout:
            printed.append(line)
            if line.startswith(until):
                break
        else:
            pytest.fail("".join(printed))
        yield process, "".join(printed)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)
        process.stdout.close()


def find_ports() -> list[tuple[str, int]]:
    """Where the chain listens, and where the sequencer's service did or does."""
    urls = [
        json.loads((HOME / "deployment.json").read_text())["rpc"],
        json.loads((HOME / "sequencer" / "serve.json").read_text())["url"],
    ]
    return [("127.0.0.1", int(url.rsplit(":", 1)[1])) for url in urls]


def is_open(place: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(place) == 0


def list_left() -> dict[str, bytes]:
    """Processes of this clone's demonstration that still run, and their command lines."""
    left = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != str(os.getpid()):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if any(str(HOME).encode() in word for word in words):
                left[entry.name] = b" ".join(words)
    return left


def assert_nothing_left(ports: list[tuple[str, int]]) -> None:
    """Hold that all is gone; the kernel ends a killed process's children a moment later."""
    deadline = time.monotonic() + 10
    while (any(map(is_open, ports)) or list_left()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_open, ports))
    assert list_left() == {}


def send(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Signal one process and wait until all that held its output are gone; it says no more."""
    assert process.stdout is not None
    os.kill(process.pid, number)
    assert TOLD not in process.stdout.read()
    process.wait(20)


def rebuild() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "tests/e2e/rebuild.py", str(HOME / "deployment.json")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def check_first_act(printed: str, rebuilt: dict[str, Any]) -> None:
    found = LAST.search(printed)
    assert found is not None, printed
    final, accepted, rejected, _, head = map(int, found.groups())
    assert 16 <= final <= 20
    assert (accepted > 0, rejected > 0, accepted + rejected) == (True, True, final)
    assert printed.count("MATCH: 2 replays give this very id") == head - 1
    assert printed.count(ATTESTED) == head - 1
    assert (rebuilt["final"], rebuilt["head"]) == (final, head)
    assert (rebuilt["accepted"], rebuilt["rejected"]) == (accepted, rejected)
    assert rebuilt["callers"] >= 3


def check_second_act(printed: str, rebuilt: dict[str, Any]) -> None:
    """Hold what the screen says of the duel against what a stranger finds on the chain."""
    found = LAST.search(printed)
    assert found is not None, printed
    final, _, _, defeated, head = map(int, found.groups())
    assert defeated == 1
    false_call = final - CALLS + LIE
    assert NAMED.findall(printed) == [str(false_call)] * 2
    assert printed.count(FOREIGN) == 1
    siblings = SIBLING.findall(printed)
    assert [name for name, _, _ in siblings] == ["false root", "true sibling"]

    duel = rebuilt["duel"]
    assert (duel["batch"], duel["first_call"]) == (head, false_call)
    assert duel["siblings"] == [sibling_id for _, sibling_id, _ in siblings]
    assert duel["statuses"] == [DEFEATED, FINAL]
    assert sorted(json.loads(output)["mood"] for output in duel["outputs"]) == [
        "negative",
        "positive",
    ]
    stakers = dict(STAKER.findall(printed))
    assert len(set(stakers.values())) == 3
    liar, answerer = (proposer.lower() for proposer in duel["proposers"])
    assert liar == stakers["sequencer"]
    assert [staker.lower() for staker in duel["slashed"]] == [liar]
    assert siblings[1][2] in {"by challenger-1", "by challenger-2"}
    assert answerer == stakers[siblings[1][2].removeprefix("by ")]

    theirs, ours = LANE.search(printed).groups()  # type: ignore[union-attr]  # it must be there
    assert (sorted(duel["values"]), duel["contract"]) == (
        sorted(map(int, (theirs, ours))),
        int(ours),
    )
    assert duel["lanes"][0] == duel["lane"]
    assert f"the contract  {ours}, recomputed from the model's own bytes" in printed

    verdicts = [
        json.loads((HOME / name / "verdicts.json").read_text())["verdicts"]
        for name in ("challenger-1", "challenger-2")
    ]
    for mine in verdicts:
        judged = {verdict["assertion_id"]: verdict["match"] for verdict in mine}
        assert judged.pop(duel["siblings"][0]) is False
        assert len(judged) == head
        assert all(judged.values())


def run_command(*words: str) -> dict[str, Any]:
    """A command about the kept demonstration, with nothing of its own at home."""
    command = [str(ROOT / ".venv" / "bin" / "oyez"), "--json", *words]
    command += ["--deployment", str(HOME / "deployment.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def check_enclave(printed: str, rebuilt: dict[str, Any]) -> None:
    """The key that was told is registered and its evidence holds; what it signed is flagged."""
    (row,) = run_command("enclave", "list")["enclaves"]
    assert [row["signer"]] == ENCLAVE.findall(printed)
    assert row["active"] is True
    found = run_command("enclave", "verify", row["signer"])
    assert (found["match"], found["simulated"], found["this_checkout"]) == (True, True, True)
    assert found["model_index"] == 0
    shown = [run_command("status", str(number)) for number in (0, rebuilt["final"] - 1)]
    assert [one["finality"] for one in shown] == ["FINAL", "FINAL"]
    # a challenger, who has no enclave, posted the last
    assert [one["attested"] for one in shown] == [True, False]


def check_commands(rebuilt: dict[str, Any]) -> None:
    """What a user may ask of the kept chain: the duel once more, and one of his own."""
    duel = rebuilt["duel"]
    (shown,) = run_command("dispute", "show", duel["siblings"][0])["duels"]
    lanes = [
        bout["lane"] for bout in shown["bouts"] if bout["lane"] and bout["lane"]["transaction"]
    ]
    assert [(lane["op"], lane["contract"]) for lane in lanes] == [("logits", duel["contract"])]
    # of one second, the lesser id is the older side
    statuses = {side["assertion"]: side["status"] for side in shown["sides"]}
    assert [statuses[sibling] for sibling in duel["siblings"]] == ["DEFEATED", "FINAL"]

    tried = run_command("dispute", "sim", "--call", "3", "--flip", "down-row")
    assert (tried["call"], tried["op"], tried["defeated"]) == (3, "down row", True)
    assert tried["ours"] == tried["contract"] != tried["theirs"]


def test_demo_tells_both_acts_a_stranger_finds_the_same_and_ctrl_c_ends_it() -> None:
    with running(MAKE) as (process, printed):
        chain, sequencer = find_ports()
        assert is_open(chain)
        assert not is_open(sequencer)
        assert "\x1b" not in printed
        rebuilt = rebuild()
        check_first_act(printed, rebuilt)
        check_second_act(printed, rebuilt)
        check_enclave(printed, rebuilt)
        check_commands(rebuilt)
        send(process, signal.SIGINT)
    assert_nothing_left([chain, sequencer])


@pytest.mark.parametrize(
    ("arguments", "environment"), [(["--lie=4"], {}), (["--lie=-1"], {}), ([], {"LIE": "x"})]
)
def test_a_lie_about_no_call_is_refused_before_anything_starts(
    arguments: list[str], environment: dict[str, str]
) -> None:
    HOME.parent.mkdir(exist_ok=True)
    before = sorted(HOME.parent.rglob("*"))
    done = subprocess.run(
        [*SCRIPT, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("demo: LIE=")
    assert done.stderr.endswith(" is no call of the second act: take one of 0 to 3\n")
    assert sorted(HOME.parent.rglob("*")) == before


def test_kept_demo_ends_on_sigterm_where_sigint_is_ignored_and_is_alone_in_its_clone() -> None:
    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    with running(MAKE, SERVED, ignore) as (process, _):
        ports = find_ports()
        assert all(map(is_open, ports))
        second = subprocess.run(SCRIPT, cwd=ROOT, capture_output=True, text=True, check=False)
        assert second.returncode == 1
        assert "another one runs in this clone" in second.stderr
        send(process, signal.SIGTERM)
    assert_nothing_left(ports)


@pytest.mark.parametrize(
    ("command", "until"),
    [(MAKE, SERVED), (SCRIPT, SECOND_ACT)],
    ids=["make, in the first act", "script, while the liar runs"],
)
def test_killed_demo_leaves_nothing(command: list[str], until: str) -> None:
    with running(command, until) as (process, _):
        ports = find_ports()
        assert is_open(ports[0])
        assert any(LIAR in words for words in list_left().values()) is (until == SECOND_ACT)
        send(process, signal.SIGKILL)
    assert_nothing_left(ports)
