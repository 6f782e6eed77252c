"""Compiles contracts, and keeps what came of it for the next process.

An *artifact* is kept under a digest of the compiler's version and of every source that the contract
is made of, so another source never meets it. The digest guards against accidents alone: who may
write in the cache may make up an artifact, as he may change the sources beside it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from oyez.engines.exact.kept_files import KeptFiles
from oyez.engines.exact.locate import find_cache

#: Of the compiler that is installed.
VYPER = metadata.version("vyper")
#: Bytes that all kept artifacts may take together.
LIMIT = 64 << 20
#: `from contracts.modules import lanes`: the only form of import in these sources.
IMPORT = re.compile(r"^from ([\w.]+) import (\w+)", re.MULTILINE)

Abi = list[dict[str, Any]]  # Any: JSON as the compiler gives it


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled contract: bare ABI array, creation code, deployed code without immutables."""

    abi: Abi
    bytecode: bytes
    runtime: bytes


def load_artifact(root: Path, path: str) -> Artifact:
    """Return a contract's artifact, kept from an earlier process or compiled now.

    Args:
        root: the folder that imports begin at.
        path: of the contract, below it.

    Rule: DEPLOY-1
    """
    key = compute_key(root, path)
    kept = KeptFiles(find_cache() / "contracts", "artifact", LIMIT)
    found = _read(kept, key)
    if found is None:
        found = _compile(root, path)
        data = _encode(found)
        kept.save(key, (hashlib.sha256(data).digest(), data), len(data) + 32)
    return found


def compute_key(root: Path, path: str) -> bytes:
    """Return a digest of the compiler's version and of all that a contract is made of."""
    digest = hashlib.sha256(f"{VYPER}\0{path}".encode())
    for source in list_sources(root, path):
        data = source.read_bytes()
        head = f"{source.relative_to(root)}\0{len(data)}\0"
        digest.update(head.encode() + data)
    return digest.digest()


def list_sources(root: Path, contract: str) -> list[Path]:
    """Return a contract's file and all that it imports, and they, sorted by name."""
    found: set[Path] = set()
    waiting = [root / contract]
    while waiting:
        source = waiting.pop()
        if source in found:
            continue
        found.add(source)
        for package, name in IMPORT.findall(source.read_text(encoding="utf-8")):
            stem = root.joinpath(*package.split("."), name)
            # what is no file here comes with the compiler
            waiting += [
                f for f in (stem.with_suffix(".vy"), stem.with_suffix(".vyi")) if f.exists()
            ]
    return sorted(found)


def _compile(root: Path, path: str) -> Artifact:
    # a second's import, needed only where nothing is kept
    from vyper.compiler import compile_from_file_input
    from vyper.compiler.input_bundle import FileInput, FilesystemInputBundle

    source = (root / path).read_text(encoding="utf-8")
    output = compile_from_file_input(
        FileInput(
            contents=source, source_id=0, path=Path(path), resolved_path=(root / path).resolve()
        ),
        input_bundle=FilesystemInputBundle([root]),
        output_formats=["abi", "bytecode", "bytecode_runtime"],
    )
    return Artifact(
        abi=output["abi"],
        bytecode=bytes.fromhex(output["bytecode"][2:]),
        runtime=bytes.fromhex(output["bytecode_runtime"][2:]),
    )


def _encode(artifact: Artifact) -> bytes:
    return json.dumps(
        {
            "abi": artifact.abi,
            "bytecode": artifact.bytecode.hex(),
            "runtime": artifact.runtime.hex(),
        }
    ).encode()


def _read(kept: KeptFiles, key: bytes) -> Artifact | None:
    """Return a kept artifact; None if there is none, or it is damaged, which is reported."""
    try:
        whole = kept.get_path(key).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        kept.ignore(key, error.strerror)
        return None
    digest, data = whole[:32], whole[32:]
    if hashlib.sha256(data).digest() != digest:
        kept.ignore(key, "damaged")
        return None
    kept.touch(key)
    document = json.loads(data)
    return Artifact(
        abi=document["abi"],
        bytecode=bytes.fromhex(document["bytecode"]),
        runtime=bytes.fromhex(document["runtime"]),
    )
