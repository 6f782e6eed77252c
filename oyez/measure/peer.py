"""Builds llama.cpp for this very machine, once, and makes its Python bindings importable.

The source is the pinned llama-cpp-python's (requirements/llama.txt, by hash). It is built with the
machine's own compiler for the machine's own CPU, with llama.cpp's own benchmark, into a folder of
the cache that names the version, the build's settings, the CPU and the compiler.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oyez.engines.exact.locate import find_cache
from oyez.measure.machine import read_cpu_flags
from oyez.protocol.errors import Fatal

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements" / "llama.txt"
PACKAGE = "llama-cpp-python"

#: How llama.cpp is configured; everything else is its own default. OpenMP is: its threads can be
#: told how to wait (`processes.choose_wait`), ggml's own always spin.
SETTINGS = {
    "CMAKE_BUILD_TYPE": "Release",
    "BUILD_SHARED_LIBS": "ON",
    "GGML_NATIVE": "ON",
    "GGML_OPENMP": "ON",
    "GGML_LLAMAFILE": "ON",
    "GGML_CPU_REPACK": "ON",
    "LLAMA_BUILD_TESTS": "OFF",
    "LLAMA_BUILD_EXAMPLES": "OFF",
    "LLAMA_BUILD_SERVER": "OFF",
    "LLAMA_BUILD_APP": "OFF",
    "LLAMA_OPENSSL": "OFF",
    "CMAKE_BUILD_WITH_INSTALL_RPATH": "ON",
    "CMAKE_INSTALL_RPATH": "$ORIGIN",
}
TARGETS = ("llama", "llama-bench")


@dataclass(frozen=True, slots=True)
class Peer:
    """A built llama.cpp.

    Attributes:
        folder: what has to be on Python's path.
        bench: llama.cpp's own benchmark.
    """

    folder: Path
    version: str
    compiler: str

    @property
    def bench(self) -> Path:
        """Where llama.cpp's own benchmark lies."""
        return self.folder / "llama_cpp" / "lib" / "llama-bench"

    def describe(self) -> dict[str, Any]:  # Any: texts and objects
        """Return what it is and how it was built; the bindings are importable already."""
        llama_cpp = importlib.import_module("llama_cpp")
        return {
            "package": f"{PACKAGE} {self.version}",
            "llama.cpp": llama_cpp.llama_version().decode(),
            "cpu": llama_cpp.llama_print_system_info().decode().strip(" |"),
            "build": SETTINGS,
            "compiler": self.compiler,
        }


def open_peer(report: Callable[[str], None]) -> Peer:
    """Return llama.cpp, built before or now, with its bindings importable.

    Args:
        report: is told what takes long.

    Raises:
        Fatal: no lock file, no compiler, or a build that failed.
    """
    if not LOCK.is_file():
        raise Fatal(f"there is no {LOCK.name} beside the program: run this in a clone of Oyez")
    locked = LOCK.read_text()
    found = re.search(rf"(?m)^{PACKAGE}==(\S+)", locked)
    assert found is not None
    compiler = _name_compiler()
    key = json.dumps([locked, SETTINGS, read_cpu_flags(), compiler], sort_keys=True)
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    peer = Peer(find_cache() / f"llama-{found[1]}-{digest}", found[1], compiler)
    if not peer.folder.is_dir():
        report(f"building llama.cpp ({PACKAGE} {peer.version}) for this machine, about 5 minutes")
        build_peer(peer)
    sys.path.insert(0, str(peer.folder))
    importlib.invalidate_caches()
    return peer


def build_peer(peer: Peer) -> None:
    """Build into the peer's folder, which appears when it is whole.

    Raises:
        Fatal: a step failed; the message ends with its output.
    """
    peer.folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="llama-", dir=peer.folder.parent) as name:
        work = Path(name)
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
        hashed = ("--quiet", "--no-deps", "--require-hashes", "-r", LOCK)
        _run(*pip, "download", *hashed, "--no-binary", PACKAGE, "--dest", work / "source")
        (archive,) = (work / "source").glob("*.tar.gz")
        with tarfile.open(archive) as packed:
            packed.extractall(work, filter="data")
        (source,) = work.glob("llama_cpp_python-*")
        build = work / "build"
        settings = (f"-D{name}={value}" for name, value in SETTINGS.items())
        _run("cmake", "-S", source / "vendor" / "llama.cpp", "-B", build, *settings)
        jobs = str(os.cpu_count() or 1)
        _run("cmake", "--build", build, "--parallel", jobs, "--target", *TARGETS)
        done = work / "done"
        shutil.copytree(source / "llama_cpp", done / "llama_cpp")
        libraries = done / "llama_cpp" / "lib"
        libraries.mkdir(exist_ok=True)
        for path in (build / "bin").iterdir():
            shutil.copy(path, libraries)
        wheels = [path for path in (work / "source").iterdir() if path.suffix == ".whl"]
        _run(*pip, "install", "--quiet", "--no-deps", "--no-index", "--target", done, *wheels)
        os.rename(done, peer.folder)


def run_own_bench(peer: Peer, model: Path, threads: int) -> list[dict[str, Any]]:  # Any: JSON
    """Return what llama.cpp's own benchmark says of prefill of 512 and decode of 128 tokens.

    Raises:
        Fatal: it failed.
    """
    options = ("-p", "512", "-n", "128", "-t", str(threads), "-r", "3", "-o", "json")
    rows = json.loads(_run(peer.bench, "-m", model, *options))
    kept = ("n_prompt", "n_gen", "n_threads", "n_batch", "n_ubatch", "flash_attn", "type_k")
    return [
        {
            **{key: row[key] for key in kept if key in row},
            "tokens_per_second": round(row["avg_ts"], 1),
            "deviation": round(row["stddev_ts"], 1),
        }
        for row in rows
    ]


def _name_compiler() -> str:
    """Return the first line of what the C++ compiler says of itself."""
    for name in (os.environ.get("CXX"), "c++", "g++", "clang++"):
        if name and shutil.which(name):
            return _run(name, "--version").splitlines()[0]
    raise Fatal("there is no C++ compiler: install g++ and cmake to build llama.cpp")


def _run(*command: str | Path) -> str:
    """Return the standard output of a command.

    Raises:
        Fatal: it is not there, or it failed.
    """
    words = [str(part) for part in command]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError as error:
        raise Fatal(f"cannot run {words[0]} ({error.strerror}): install it") from error
    if done.returncode:
        raise Fatal(f"`{' '.join(words)}` failed:\n{(done.stdout + done.stderr)[-4000:]}")
    return done.stdout
