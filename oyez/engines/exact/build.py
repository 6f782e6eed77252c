"""Compiles the kernels: `python -m oyez.engines.exact.build`, once after installation.

The system's C compiler where there is one, else `ziglang` from PyPI. The library's name holds a
digest of its sources, so a stale one is never loaded.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from oyez.engines.exact.sources import FLAGS, FOLDER, get_library_path
from oyez.protocol.errors import Fatal


def find_compiler() -> list[str]:
    """Return the command of a C compiler.

    Raises:
        Fatal: there is none, and how to get one.
    """
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        if name and shutil.which(name):
            return [name]
    if importlib.util.find_spec("ziglang"):
        # Without -mcpu zig compiles for this very machine; the kernels choose at run time.
        return [sys.executable, "-m", "ziglang", "cc", "-fno-sanitize=all", "-mcpu=baseline"]
    raise Fatal("no C compiler found: install one, or run pip install ziglang==0.15.1")


def build_library(compiler: list[str] | None = None, target: Path | None = None) -> Path:
    """Compile the kernels and return the library's path.

    The file appears whole or not at all, so several builds may run at once.

    Raises:
        Fatal: there is no compiler, or it failed; the message holds its output.
    """
    target = target or get_library_path()
    target.parent.mkdir(parents=True, exist_ok=True)
    (target.parent / ".gitignore").write_text("*\n")
    command = compiler or find_compiler()
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        made = Path(folder) / "kernels.so"
        done = subprocess.run(
            [*command, *FLAGS, "-o", str(made), str(FOLDER / "kernels.c")],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise Fatal(f"the kernels did not compile with {' '.join(command)}:\n{done.stderr}")
        os.replace(made, target)
    return target


if __name__ == "__main__":
    print(f"kernels compiled: {build_library()}")
