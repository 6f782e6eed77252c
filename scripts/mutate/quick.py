"""Compiles a mutant in half the time: the same code, made with less of the compiler's repetition.

What is left out: the parsing and analysis of modules that the mutant leaves alone, which the parent
of all mutants has done; the optimiser's second look at what it has settled; the assembly of the
deployed code on its own, which the creation code holds. The worker compares the unchanged contract
with what the compiler makes on its own, and a test does so with mutants.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vyper.compiler import compile_from_file_input
from vyper.compiler.input_bundle import FileInput, FilesystemInputBundle
from vyper.compiler.phases import CompilerData
from vyper.compiler.settings import anchor_settings
from vyper.ir import optimizer
from vyper.semantics.analysis import imports

from oyez.chain.artifacts import Artifact, list_sources

_parse = imports._parse_ast
_optimize = optimizer._optimize

Node = Any  # the compiler has no types


class Modules:
    """The analysed modules of one contract, by their resolved paths; each is good for one use."""

    def __init__(self, root: Path, contract: str) -> None:
        """Parse and analyse a contract as far as no function of it is compiled.

        Args:
            root: the folder that imports begin at.
            contract: path of its file, below it.
        """
        self.root = root.resolve()
        self._parsed: dict[Path, Node] = {}
        self._users: dict[Path, set[Path]] = {}

        def remember(file: FileInput) -> Node:
            self._parsed[file.resolved_path] = module = _parse(file)
            return module

        imports._parse_ast = remember
        try:
            data = CompilerData(_read(self.root, contract), FilesystemInputBundle([self.root]))
            with anchor_settings(data.settings):
                assert data.annotated_vyper_module is not None
        finally:
            imports._parse_ast = _parse
        for path in self._parsed:
            below = str(path.relative_to(self.root))
            self._users[path] = {p.resolve() for p in list_sources(self.root, below)}

    def compile(self, contract: str, changed: str = "") -> Artifact:
        """Compile a contract of whose modules one has changed since; nothing is kept.

        Args:
            contract: path below the root.
            changed: path below the root of what changed; "" for nothing.

        Returns:
            the artifact without the deployed code, which stands within the creation code.
        """
        stale = (self.root / changed).resolve()
        fresh = {path: m for path, m in self._parsed.items() if stale not in self._users[path]}
        self._parsed = {}

        def recall(file: FileInput) -> Node:
            known = fresh.pop(file.resolved_path, None)
            return _parse(file) if known is None else known

        imports._parse_ast, optimizer._optimize = recall, _settle
        try:
            output = compile_from_file_input(
                _read(self.root, contract),
                input_bundle=FilesystemInputBundle([self.root]),
                output_formats=["abi", "bytecode"],
            )
        finally:
            imports._parse_ast, optimizer._optimize = _parse, _optimize
        return Artifact(output["abi"], bytes.fromhex(output["bytecode"][2:]), b"")


def _read(root: Path, path: str) -> FileInput:
    text = (root / path).read_text(encoding="utf-8")
    return FileInput(contents=text, source_id=0, path=Path(path), resolved_path=root / path)


def _settle(node: Node, parent: Node) -> tuple[bool, Node]:
    """Optimise a node once under each kind of parent: what came of it is not changed again."""
    kind = None if parent is None else parent.value
    if kind in node.__dict__.get("settled_under", ()):
        return False, node
    changed, found = _optimize(node, parent)
    found.__dict__.setdefault("settled_under", set()).add(kind)
    return changed, found
