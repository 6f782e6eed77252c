"""Compiles the driver: for this machine, for others by ziglang, or so that it watches itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from oyez.engines.exact.sources import FOLDER

SOURCE = Path(__file__).with_name("driver.c")
WARNINGS = ("-Wall", "-Wextra", "-Werror")
COMMON = ("-std=gnu11", "-ffp-contract=off", "-pthread", f"-I{FOLDER}", *WARNINGS)
#: Every finding ends the program.
MEMORY = ("-O1", "-g", "-fsanitize=undefined,address", "-fno-sanitize-recover=all")
THREADS = ("-O1", "-g", "-fsanitize=thread")


def build_driver(target: Path, compiler: Sequence[str], flags: Sequence[str] = ()) -> Path:
    """Compile the driver, without a warning, and return its path.

    Raises:
        AssertionError: the compiler failed or warned; its words.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [*compiler, *COMMON, *flags, "-o", str(target), str(SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stderr}"
    return target


def list_zig(machine: str) -> tuple[str, ...]:
    """Return the command that compiles a static program for another kind of machine."""
    zig = (sys.executable, "-m", "ziglang", "cc", "-target", f"{machine}-linux-musl")
    return (*zig, "-static", "-O3", "-fno-sanitize=all")
