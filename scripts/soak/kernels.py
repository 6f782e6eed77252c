"""The kernels on other machines, under qemu, and in builds that watch memory and threads.

The same cases, made up and answered in Python by the plain arithmetic, go through one driver: every
op with extreme lanes, every row format up to the loader's bounds, whole models of any shape.
"""

from __future__ import annotations

import functools
import importlib.util
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from oyez.engines.exact import selftest
from oyez.engines.exact.gguf import open_gguf
from oyez.engines.exact.weights import load_model
from scripts.soak.part import Block, Part, Result
from tests.kernel_driver import models, ops
from tests.kernel_driver.build import MEMORY, THREADS, build_driver, list_zig
from tests.kernel_driver.wire import Case, run_cases
from tests.model_vectors import PLANS

ROOT = Path(__file__).resolve().parents[2]
BUILDS = ROOT / "build" / "soak" / "kernels"
VECTORS = ROOT / "tests" / "vectors" / "models"
#: Machine => qemu's program, and the processors: the newest, and one without dot products.
MACHINES = {"aarch64": ("max", "cortex-a53"), "riscv64": ("rv64",)}
#: Rounds of op cases for each model.
ROUNDS = 3


def build_cases(block: Block, *, with_ops: bool = True) -> list[Case]:
    """Return a block's cases; the first block also has the committed and the self-test models."""
    rng = np.random.default_rng(block.rng().getrandbits(64))
    cases: list[Case] = []
    if block.number == 0:
        files = [VECTORS / f"{plan.name}.gguf" for plan in PLANS]
        fixed = [(path.name, load_model(open_gguf(path))) for path in files]
        fixed += [(f"self-test {i}", m) for i, m in enumerate(selftest.build_models())]
        cases += models.build_fixed_cases(fixed)
    for _ in range(block.items):
        sizes = models.draw_sizes(rng)
        model, threads = models.build_model(rng, sizes), int(rng.integers(1, 5))
        steps = models.draw_steps(rng, model.vocabulary)
        cases.append(models.build_model_case(str(sizes), model, steps, threads))
        for _ in range(ROUNDS if with_ops else 0):
            cases += ops.build_op_cases(rng)
    return cases


def run_elsewhere(block: Block) -> Result:
    """Run a block's cases on every other kind of machine."""
    require_tools()
    counts, cases = Counter[str](), build_cases(block)
    for machine, processors in MACHINES.items():
        driver = str(_build_for(machine))
        for processor in processors:
            command = (f"qemu-{machine}", "-cpu", processor, driver)
            _add(counts, f"{machine} {processor}", run_cases(command, cases))
    return Result(counts)


def run_watched(block: Block) -> Result:
    """Run a block's cases through builds that watch memory and arithmetic, and threads."""
    counts, cases = Counter[str](), build_cases(block)
    threaded = build_cases(block, with_ops=False)
    _add(counts, "address, undefined", run_cases([str(_build_watched("memory"))], cases))
    _add(
        counts, "thread", run_cases([*_fixed_addresses(), str(_build_watched("thread"))], threaded)
    )
    return Result(counts)


def require_tools() -> None:
    """Stop, and say how to get it, when a tool is missing that this part cannot do without."""
    for machine in MACHINES:
        if shutil.which(f"qemu-{machine}") is None:
            sys.exit(
                f"soak: qemu-{machine} is missing: apt-get install qemu-user, and run it again"
            )
    if importlib.util.find_spec("ziglang") is None:
        sys.exit("soak: ziglang is missing: python3 scripts/install.py --soak, and run it again")


def find_watching_compiler() -> str:
    """Return a compiler that brings the sanitizers' libraries, or stop and say what to install."""
    for name in ("gcc", "clang"):
        if shutil.which(name):
            return name
    sys.exit("soak: gcc or clang is missing (sanitizers): apt-get install gcc, and run it again")


def _fixed_addresses() -> Sequence[str]:
    """Return a prefix for the thread sanitizer, which some kernels' random layouts confuse."""
    return ("setarch", "-R") if shutil.which("setarch") else ()


@functools.cache
def _build_for(machine: str) -> Path:
    return build_driver(BUILDS / machine, list_zig(machine))


@functools.cache
def _build_watched(what: str) -> Path:
    flags = MEMORY if what == "memory" else THREADS
    return build_driver(BUILDS / what, [find_watching_compiler()], flags)


def _add(total: Counter[str], where: str, counts: Counter[str]) -> None:
    total.update({f"{where}: {name}": count for name, count in counts.items()})


PARTS = (
    Part("aarch64", "kernels on aarch64 and riscv64 under qemu equal spec.py", run_elsewhere, 8, 5),
    Part("sanitizers", "kernels equal spec.py, memory and threads watched", run_watched, 8, 5),
)
