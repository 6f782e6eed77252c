"""Keeps model files in a folder, each under its root, with what is known of it beside it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oyez.engines.exact import locate, model_tree
from oyez.engines.exact.engine import build_shape, verify_vocabulary
from oyez.engines.exact.gguf import open_gguf
from oyez.engines.exact.tokens import build_vocabulary, parse_tokenizer_metadata
from oyez.engines.exact.traceable import verify_file_traceable
from oyez.engines.exact.weights import load_model
from oyez.protocol.errors import Fatal, Invalid
from oyez.protocol.types import Hash32, ModelShape

#: Takes how much of the model tree is hashed: leaves done, leaves in all.
Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model file and what follows from its bytes.

    Attributes:
        file: where it lies.
        sha256: digest of the whole file, as hex.
    """

    name: str
    file: Path
    sha256: str
    root: Hash32
    shape: ModelShape


def inspect_model(path: Path, report: Report = lambda done, of: None) -> KnownModel:
    """Check everything in a model file and compute its root.

    Raises:
        Invalid: a file this engine cannot run; the message names the fix.
    """
    file = open_gguf(path)
    verify_file_traceable(file)
    model = load_model(file)
    tokenizer = parse_tokenizer_metadata(file)
    vocabulary = build_vocabulary(tokenizer)
    verify_vocabulary(vocabulary, model.vocabulary)
    return KnownModel(
        name=path.stem,
        file=path,
        sha256=hashlib.sha256(file.data).hexdigest(),
        root=model_tree.compute_model_root(model, vocabulary, tokenizer.types, report),
        shape=build_shape(model, vocabulary),
    )


class ModelStore:
    """The folder: `<root>.gguf` and `<root>.json` for each model.

    Rule: MODEL-22
    """

    def __init__(self, folder: Path) -> None:
        """Name the folder; it is made when a model is added."""
        self.folder = folder

    def add(self, path: Path, report: Report = lambda done, of: None) -> KnownModel:
        """Check a file and keep a copy of it; a file that is kept already stays.

        Raises:
            Invalid: a file this engine cannot run, or a folder that cannot be written.
        """
        found = inspect_model(path, report)
        target = self.folder / f"{found.root.hex()}.gguf"
        kept = KnownModel(found.name, target, found.sha256, found.root, found.shape)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                draft = target.with_suffix(f".{os.getpid()}.new")
                shutil.copyfile(path, draft)
                os.replace(draft, target)
            # The record comes last: what is listed is whole.
            _write(target.with_suffix(".json"), format_record(kept))
        except OSError as error:
            raise Invalid(
                "MODEL-22", f"cannot keep the model in {self.folder} ({error.strerror}): make room"
            ) from error
        return kept

    def list(self) -> list[KnownModel]:
        """Return the kept models by name, as they were when they were added."""
        found = [self._read(path) for path in sorted(self.folder.glob("*.json"))]
        return sorted(found, key=lambda model: (model.name, model.root))

    def find(self, text: str) -> KnownModel | None:
        """Return the kept model of a name, or of a root or the beginning of one.

        Raises:
            Invalid: several models fit.
        """
        digits = text.removeprefix("0x").lower()
        fitting = [
            model
            for model in self.list()
            if model.name == text or (len(digits) >= 6 and model.root.hex().startswith(digits))
        ]
        if len(fitting) > 1:
            raise Invalid("MODEL-22", f"{len(fitting)} kept models are {text}: give the root")
        return fitting[0] if fitting else None

    def _read(self, path: Path) -> KnownModel:
        try:
            record = json.loads(path.read_text())
            shape = dict(record["shape"], missing=bytes.fromhex(record["shape"]["missing"][2:]))
            return KnownModel(
                name=record["name"],
                file=path.with_suffix(".gguf"),
                sha256=record["sha256"],
                root=Hash32(bytes.fromhex(record["root"][2:])),
                shape=ModelShape(**shape),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Fatal(
                f"the record {path} is damaged ({error}): remove it and add the model again"
            ) from error


def format_record(model: KnownModel) -> dict[str, Any]:
    """Return a model as JSON: name, file, sha256, root, shape. Any: numbers, texts, an object."""
    return {
        "name": model.name,
        "file": str(model.file),
        "sha256": model.sha256,
        "root": "0x" + model.root.hex(),
        "shape": {**asdict(model.shape), "missing": "0x" + model.shape.missing.hex()},
    }


def find_installed() -> Path | None:
    """Return the installed model's file, None without one."""
    try:
        return locate.find_model()
    except Fatal:
        return None


def _write(path: Path, value: dict[str, Any]) -> None:
    """Write JSON in one step."""
    draft = path.with_suffix(f".{os.getpid()}.new")
    draft.write_text(json.dumps(value, indent=1) + "\n")
    os.replace(draft, path)
