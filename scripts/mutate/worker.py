"""Runs in a private copy of the tree: forks for each mutant, compiles it and runs the tests.

Everything slow is done once, before the first fork: imports, the cases of some tests, and the
compilation of contracts that a mutant leaves alone. The tests' own contracts that share its source
are compiled again when a test first deploys one; tests of such files run after the others of their
cost. Speaks JSON lines: a question on stdin, an answer on stdout.

    {"source": path, "text": mutated or null, "target": path, "stale": [paths], "files": [...],
     "rank": [node ids], "seconds": limit of the processor's time, "seed": n}
    {"status": "killed" | "survived" | "same" | "broken" | "timeout" | "refused",
     "killer": node id, "seconds": s, "durations": {node id: s}}

`broken` does not compile; `refused` means that pytest could not run at all.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import json
import math
import os
import resource
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from vyper.exceptions import VyperException, VyperInternalException

from oyez.chain import deploy
from oyez.chain.artifacts import Artifact
from scripts.mutate.quick import Modules
from scripts.mutate.targets import CASES

_compile = deploy.compile_contract.__wrapped__
_ready: dict[str, Artifact] = {}
_modules: dict[str, Modules] = {}
Answer = dict[str, Any]  # JSON
#: How the compiler refuses a source; for some it never meant to read, in Python's own words.
REFUSALS = (
    *(VyperException, VyperInternalException, ArithmeticError, AssertionError),
    *(AttributeError, LookupError, TypeError, ValueError),
)
#: What a child may take: a mutant that loops must not starve the machine.
MEMORY_BYTES = 6 << 30
#: How many times its limit a child may last on a clock: others may keep the processor from it.
PATIENCE = 20
#: What a child prints.
LOG = "worker.log"
#: What a test is said to take longer if its file needs a contract of the tests' own compiled anew.
LATER_SECONDS = 2.0


class Order:
    """A pytest plugin: runs tests by their rank, notes their times and the first that fails."""

    def __init__(self, rank: list[str]) -> None:
        """Take node ids, the first to run first."""
        self.rank = {name: place for place, name in enumerate(rank)}
        self.durations: dict[str, float] = {}
        self.killer: str | None = None
        self.runs = ""
        self.late: set[str] = set()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note the file of the test that runs."""
        self.runs = nodeid.partition("::")[0]

    def estimate(self) -> dict[str, float]:
        """Return what each test takes, and compiling what its file needs."""
        return {
            name: seconds + LATER_SECONDS * (name.partition("::")[0] in self.late)
            for name, seconds in self.durations.items()
        }

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Sort what was collected."""
        items.sort(key=lambda item: self.rank.get(item.nodeid, len(self.rank)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what a test took and whether it failed."""
        name = report.nodeid
        self.durations[name] = self.durations.get(name, 0.0) + report.duration
        if report.failed and self.killer is None:
            self.killer = name

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be collected is a failure too."""
        if report.failed and self.killer is None:
            self.killer = report.nodeid


def strip_metadata(code: bytes) -> bytes:
    """Return creation code without the compiler's closing note, which hashes the sources."""
    return code[: -int.from_bytes(code[-2:], "big")]


def judge(question: dict[str, Any]) -> Answer:
    """Compile one mutant and run the tests on it, in this process."""
    source = Path(question["source"])
    kept = source.read_text(encoding="utf-8")
    if question["text"] is not None:
        source.write_text(question["text"], encoding="utf-8")
    try:
        return _judge(question)
    finally:
        source.write_text(kept, encoding="utf-8")


def _judge(question: dict[str, Any]) -> Answer:
    target, order = question["target"], Order(question["rank"])
    gc.disable()
    try:
        made = _modules[target].compile(target, question["source"])
    except REFUSALS as failure:
        return {"status": "broken", "killer": type(failure).__name__}
    finally:
        gc.enable()
    same = strip_metadata(made.bytecode) == strip_metadata(_ready[target].bytecode)
    if question["text"] is not None and same:
        return {"status": "same"}
    if question["text"] is None and made.bytecode != _ready[target].bytecode:
        return {"status": "refused", "log": f"{target} is compiled to other code when in haste"}
    known = _ready | {target: made}
    stale = {path for path in question["stale"] if path != target}

    def get(path: str) -> Artifact:
        if path in stale:
            order.late.add(order.runs)
            stale.discard(path)
            with contextlib.suppress(*REFUSALS):  # then the test's own contract stays as it is
                known[path] = Modules(Path(), path).compile(path)
        return known.get(path) or _compile(path)

    deploy.compile_contract = functools.cache(get)
    deploy.compile_contracts.cache_clear()
    arguments = ["-q", "-x", "--tb=no", "-p", "no:cacheprovider"]
    arguments += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # hypothesis is loaded
    arguments += [f"--hypothesis-seed={question['seed']}", *question["files"]]
    code = pytest.main(arguments, plugins=[order])
    status = {0: "survived", 1: "killed", 2: "killed"}.get(int(code), "refused")
    answer = {"status": status, "killer": order.killer, "durations": order.estimate()}
    if status == "refused":
        answer["log"] = Path(LOG).read_text(encoding="utf-8", errors="replace")[-2_000:]
    return answer


def fork(question: dict[str, Any]) -> Answer:
    """Judge one mutant in a child of its own group, and end it after its processor's time.

    Why not after so much time on a clock: on a busy machine every mutant would seem to loop.
    """
    start = time.monotonic()
    source = Path(question["source"])
    kept = source.read_text(encoding="utf-8")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
        seconds = math.ceil(question["seconds"])
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        os.close(reader)
        quiet = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        with os.fdopen(writer, "w") as pipe:
            json.dump(judge(question), pipe)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "r") as pipe:
        ready, _, _ = select.select([pipe], [], [], PATIENCE * question["seconds"])
        answer = pipe.read() if ready else ""
    if not ready:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
    _, end = os.waitpid(child, 0)
    is_slow = not ready or (os.WIFSIGNALED(end) and os.WTERMSIG(end) == signal.SIGXCPU)
    source.write_text(kept, encoding="utf-8")
    if answer:
        found: Answer = json.loads(answer)
    else:
        log = Path(LOG).read_text(encoding="utf-8", errors="replace")[-2_000:]
        found = {"status": "timeout"} if is_slow else {"status": "refused", "log": log}
    return found | {"seconds": round(time.monotonic() - start, 2)}


def _compile_once(path: str) -> Artifact:
    if path not in _ready:
        _ready[path] = _compile(path)
    return _ready[path]


def warm(target: str, files: list[str], stale: list[str], seed: int) -> None:
    """Compile everything that tests deploy, import what they import, draw some of their cases."""
    # one failure is enough: shrinking it takes minutes
    quick = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile("mutate", database=None, deadline=None, phases=quick)
    hypothesis.settings.load_profile("mutate")
    harnesses = map(str, Path("tests/contracts").glob("*.vy"))
    for path in sorted({target, *stale, *harnesses}):
        _ready[path] = _compile(path)
    deploy.compile_contract = functools.cache(_compile_once)
    deploy.compile_contracts()
    _modules[target] = Modules(Path(), target)
    for file in files:
        importlib.import_module(file.removesuffix(".py").replace("/", "."))
    for name, make, *arguments in CASES:
        if name in sys.modules:
            getattr(sys.modules[name], make)(*arguments)
    gc.collect()
    gc.freeze()  # what is here now is shared with every child, and is no garbage
    print(json.dumps({"ready": len(_ready), "seed": seed}), flush=True)


def main() -> None:
    """Answer questions until stdin ends."""
    first = json.loads(sys.stdin.readline())
    warm(first["target"], first["files"], first["stale"], first["seed"])
    for line in sys.stdin:
        print(json.dumps(fork(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
