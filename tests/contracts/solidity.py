"""Compiles Solidity sources with the locked solcjs: what an integrator would do with them."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from oyez.chain import deploy

SOLC = Path(sys.prefix) / "solc" / "solc.js"


def find_node() -> str:
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    found = shutil.which("node", path=beside)
    missing = "solc is not installed: run `make test`, which installs it"
    assert found is not None, missing
    assert SOLC.exists(), missing
    return found


def collect(path: str) -> dict[str, dict[str, str]]:
    """The source at `path` and all it imports, by their paths below the repository's root."""
    text = (deploy.ROOT / path).read_text(encoding="utf-8")
    sources = {path: {"content": text}}
    for name in re.findall(r'^import .*"([^"]+)";$', text, re.M):
        imported = (deploy.ROOT / path).parent.joinpath(name).resolve()
        sources |= collect(str(imported.relative_to(deploy.ROOT.resolve())))
    return sources


@functools.cache
def compile_solidity(path: str) -> deploy.Artifact:
    """Compile the one contract or interface that the file is named after; warnings are errors."""
    question = {
        "language": "Solidity",
        "sources": collect(path),
        "settings": {
            "optimizer": {"enabled": True},
            "evmVersion": "prague",
            "outputSelection": {
                "*": {"*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"]}
            },
        },
    }
    done = subprocess.run(
        [find_node(), str(SOLC), "--standard-json"],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    assert answer.get("errors", []) == []
    made = answer["contracts"][path][Path(path).stem]
    return deploy.Artifact(
        abi=made["abi"],
        bytecode=bytes.fromhex(made["evm"]["bytecode"]["object"]),
        runtime=bytes.fromhex(made["evm"]["deployedBytecode"]["object"]),
    )
