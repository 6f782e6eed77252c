"""A private copy of the tree in a temporary folder, and the worker that runs in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

#: What the contracts' tests read.
PARTS = ("contracts", "oyez", "tests", "scripts", "examples", "pyproject.toml", "package.json")

Answer = dict[str, Any]  # JSON


class PrivateCopy:
    """A copy in which mutants are written; the tree itself is never touched.

    A context: the folder and the worker end with it.
    """

    def __init__(
        self, root: Path, target: str, stale: Sequence[str], seed: int, files: Sequence[str] = ()
    ) -> None:
        """Copy the tree and start a worker for one contract.

        Args:
            root: the tree.
            target: path of the contract under mutation.
            stale: paths of the tests' own contracts that share a source with it.
            seed: of Hypothesis.
            files: test files that are imported before the first mutant.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="oyez-mutate-")
        self.path = Path(self._folder.name)
        self._copy(root)
        self._worker = subprocess.Popen(
            (sys.executable, "-m", "scripts.mutate.worker"),
            cwd=self.path,
            env={**os.environ, "PYTHONPATH": str(self.path), "OYEZ_SEED": str(seed)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ask({"target": target, "stale": list(stale), "seed": seed, "files": list(files)})

    def _copy(self, root: Path) -> None:
        ignore = shutil.ignore_patterns("__pycache__", ".hypothesis")
        for part in PARTS:
            if (root / part).is_dir():
                shutil.copytree(root / part, self.path / part, ignore=ignore)
            else:
                shutil.copy2(root / part, self.path / part)
        modules = root / "node_modules"
        if modules.is_dir():
            (self.path / "node_modules").symlink_to(modules, target_is_directory=True)

    def ask(self, question: dict[str, Any]) -> Answer:
        """Send one question and return its answer.

        Raises:
            RuntimeError: the worker ended.
        """
        assert self._worker.stdin is not None
        assert self._worker.stdout is not None
        self._worker.stdin.write(json.dumps(question) + "\n")
        self._worker.stdin.flush()
        line = self._worker.stdout.readline()
        if not line:
            raise RuntimeError("the worker ended; its last words are above")
        answer: Answer = json.loads(line)
        return answer

    def __enter__(self) -> PrivateCopy:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the worker and remove the folder."""
        self._worker.kill()
        self._worker.wait()
        self._folder.cleanup()
