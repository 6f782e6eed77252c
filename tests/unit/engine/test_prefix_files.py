"""Prefixes kept in files: the same bits, and nothing damaged is ever believed."""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from oyez.engines.exact import ExactEngine, known, load_engine
from oyez.engines.exact.backend import Backend, Reference
from oyez.engines.exact.gguf import open_gguf
from oyez.engines.exact.kernels import Kernels
from oyez.engines.exact.prefix_cache import PrefixCache
from oyez.engines.exact.prefix_files import PrefixFiles
from oyez.engines.exact.tokens import TokenizerMetadata, parse_tokenizer_metadata
from oyez.engines.exact.weights import Model, load_model
from oyez.protocol.types import Hash32
from tests.unit.engine import tiny
from tests.unit.engine.compiled import open_library

PREFIX = tuple((7 * i * i + i) % 256 for i in range(20))
SAMPLER = Hash32(b"\x05" * 32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "home" / "prefixes"


@functools.cache
def read(path: Path) -> tuple[Kernels, TokenizerMetadata]:
    file = open_gguf(path)
    return Kernels(open_library(), load_model(file)), parse_tokenizer_metadata(file)


def load(tiny_paths: dict[str, Path], folder: Path | None) -> ExactEngine:
    """An engine as a process that starts has it."""
    backend, tokenizer = read(tiny_paths["plain"])
    root = Hash32(b"\x01" * 32)
    files = folder and PrefixFiles(folder, backend.model, backend, lambda: root)
    cache = PrefixCache(files=files)
    return ExactEngine(backend.model, tokenizer, backend, root, prefix_cache=cache)


def observe(engine: ExactEngine, prefix: tuple[int, ...] = PREFIX) -> tuple[object, ...]:
    session = engine.open(prefix)
    at_once = session.logits([1, 2, 299])
    session.extend([4, 5, 6])
    count = len(prefix) + 3
    return (
        at_once,
        session.best(range(300)),
        session.logits([0, 7, 299]),
        [session.layer_roots(index) for index in range(count)],
        [session.position_root(index, SAMPLER) for index in range(count)],
    )


def count_runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the tokens of each block that runs from now on."""
    blocks: list[int] = []
    real = Kernels.run_together

    def run(self: Kernels, parts: list[tuple[object, list[int]]]) -> object:
        blocks.append(sum(len(tokens) for _, tokens in parts))
        return real(self, parts)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(Kernels, "run_together", run)
    return blocks


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_a_prefix_of_another_process_is_not_run_again(
    tiny_paths: dict[str, Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule: ENGINE-33."""
    expected = observe(load(tiny_paths, None))
    assert observe(load(tiny_paths, folder)) == expected
    assert folder.stat().st_mode & 0o77 == 0
    later = load(tiny_paths, folder)
    blocks = count_runs(monkeypatch)
    assert observe(later) == expected
    assert blocks == [3]
    # the second call finds it in memory, whatever happens to the file
    only_file(folder).unlink()
    assert observe(later) == expected
    assert blocks == [3, 3]


@pytest.mark.parametrize("name", tiny.SHAPES)
def test_caches_give_their_lanes_and_take_them_back(
    tiny_models: dict[str, Model], name: str
) -> None:
    """On every path, from one backend to the other.

    Rule: ENGINE-33
    """
    model = tiny_models[name]
    library = open_library()
    tokens = [(31 * i * i) % model.vocabulary for i in range(37)]
    backends: list[Backend] = [
        Reference(model),
        *(Kernels(library, model, p) for p in library.paths),
    ]
    reference = backends[0].new_cache()
    _, lanes = backends[0].run(reference, tokens[:33])
    expected = backends[0].run(reference, tokens[33:])
    for backend in backends:
        ran, filled = backend.new_cache(), backend.new_cache()
        backend.run(ran, tokens[:33])
        assert (ran.get_lanes() == lanes).all()
        filled.fill(lanes)
        assert filled.count == 33
        assert (filled.get_lanes() == lanes).all()
        for ours, theirs in zip(backend.run(filled, tokens[33:]), expected, strict=True):
            assert (ours == theirs).all()
        assert (filled.get_lanes()[:33] == lanes).all()


def test_what_is_damaged_is_ignored_and_replaced(
    tiny_paths: dict[str, Path], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Every place of the file, cut ones, longer ones and other things under its name.

    Rule: ENGINE-33
    """
    engine = load(tiny_paths, folder)
    files = engine.prefix_cache.files
    assert files is not None
    expected = observe(engine)
    path, rng = only_file(folder), random.Random(3)
    whole = path.read_bytes()
    damaged = [whole[:cut] for cut in (0, 1, 50, 79, len(whole) // 2, len(whole) - 1)]
    damaged += [whole + b"\0", b"\0" * len(whole), rng.randbytes(len(whole))]
    for at in [*range(90), *(rng.randrange(90, len(whole)) for _ in range(30))]:
        changed = bytearray(whole)
        changed[at] ^= 1 << rng.randrange(8)
        damaged.append(bytes(changed))
    for data in damaged:
        path.write_bytes(data)
        caplog.clear()
        assert files.load(PREFIX) is None
        assert "reason=damaged" in caplog.text
    assert observe(load(tiny_paths, folder)) == expected
    assert path.read_bytes() == whole


def test_a_whole_file_of_another_prefix_or_model_is_not_taken(
    tiny_paths: dict[str, Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor one of other arithmetic.

    Rule: ENGINE-33
    """
    engine, other = load(tiny_paths, folder), (*PREFIX[:-1], 9)
    observe(engine)
    first = only_file(folder)
    observe(engine, other)
    (second,) = set(folder.iterdir()) - {first}
    files = engine.prefix_cache.files
    assert files is not None
    second.write_bytes(first.read_bytes())
    assert files.load(other) is None
    assert files.load(PREFIX) is not None
    # the same shape, other weights
    twin = PrefixFiles(folder, engine.model, engine.backend, lambda: Hash32(bytes(32)))
    assert twin.load(PREFIX) is None
    monkeypatch.setattr(known, "SELF_TEST", (*known.SELF_TEST[:-1], "other"))
    assert files.load(PREFIX) is None


def test_untraced_contexts_are_not_kept(tiny_paths: dict[str, Path], folder: Path) -> None:
    """Rule: ENGINE-33."""
    engine = load(tiny_paths, folder)
    engine.traced = False
    engine.open(PREFIX).settle()
    assert not folder.exists()
    engine.traced = True
    assert observe(engine) == observe(load(tiny_paths, None))
    assert only_file(folder).exists()


def test_the_folder_keeps_what_was_used_last(tiny_paths: dict[str, Path], folder: Path) -> None:
    """Rule: ENGINE-33."""
    engine = load(tiny_paths, folder)
    files = engine.prefix_cache.files
    assert files is not None
    prefixes = [(index, *PREFIX) for index in range(4)]
    paths: list[Path] = []
    for index, prefix in enumerate(prefixes[:3]):
        engine.open(prefix).settle()
        (path,) = set(folder.iterdir()) - set(paths)
        paths.append(path)
        os.utime(path, (100 + index, 100 + index))
    files.kept.limit = 3 * paths[0].stat().st_size
    assert files.load(prefixes[0]) is not None
    engine.open(prefixes[3]).settle()
    assert [path.exists() for path in paths] == [True, False, True]
    assert files.load(prefixes[3]) is not None
    fresh, stale = folder / "a.1-2.new", folder / "b.1-2.new"
    fresh.write_text("x" * 9_999_999)
    stale.touch()
    os.utime(stale, (100, 100))
    engine.open((7, *PREFIX)).settle()
    assert (fresh.exists(), stale.exists()) == (True, False)
    fresh.unlink()
    files.kept.limit = 10
    engine.open((9, *PREFIX)).settle()
    assert len(list(folder.iterdir())) == 3


@pytest.mark.parametrize("is_file", [True, False])
def test_a_folder_that_cannot_be_written_is_reported(
    tiny_paths: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture, is_file: bool
) -> None:
    """A file in the folder's place, and a name that the system refuses, for reads and drafts too.

    Rule: ENGINE-33
    """
    place = tmp_path / ("file" if is_file else "x" * 300)
    if is_file:
        place.write_text("no folder")
    with caplog.at_level(logging.WARNING):
        assert observe(load(tiny_paths, place)) == observe(load(tiny_paths, None))
    assert "prefix=not_kept" in caplog.text


LOOP = """
import hashlib, random, sys
from pathlib import Path
from oyez.engines.exact import load_engine
engine = load_engine(Path(sys.argv[1]), sha256=None, prefixes=Path(sys.argv[2]))
files, rng = engine.prefix_cache.files, random.Random(int(sys.argv[3]))
files.kept.limit = int(sys.argv[4])
digest = hashlib.sha256()
contexts = {}
for index in range(6):
    prefix = tuple(range(index, index + 20))
    session = engine.open(prefix)
    session.settle()
    contexts[prefix] = session.context
found = 0
for _ in range(300):
    prefix = rng.choice(sorted(contexts))
    if rng.random() < 0.5:
        files.save(prefix, contexts[prefix])
        continue
    loaded = files.load(prefix)
    if loaded is not None:
        found += 1
        expected = contexts[prefix]
        assert (loaded.cache.get_lanes() == expected.cache.get_lanes()).all()
        assert (loaded.last == expected.last).all()
        assert (loaded.blocks[0].roots == expected.blocks[0].roots).all()
print(found)
"""


def test_an_engine_is_loaded_with_a_folder(tiny_paths: dict[str, Path], folder: Path) -> None:
    """Rule: ENGINE-33."""
    open_library()
    load_engine(tiny_paths["plain"], sha256=None, prefixes=folder).open(PREFIX).settle()
    assert only_file(folder).exists()
    later = load_engine(tiny_paths["plain"], sha256=None, prefixes=folder)
    assert later.open(PREFIX).waiting == []


def test_two_processes_share_a_folder(tiny_paths: dict[str, Path], folder: Path) -> None:
    """Both keep, read and drop the same files; whatever is read is right, and nothing is reported.

    Rule: ENGINE-33
    """
    observe(load(tiny_paths, folder), tuple(range(20)))
    limit = str(3 * only_file(folder).stat().st_size)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", LOOP, str(tiny_paths["plain"]), str(folder), seed, limit],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    for process in running:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
        assert int(out) > 10
    assert all(path.suffix == ".prefix" for path in folder.iterdir())
    assert sum(path.stat().st_size for path in folder.iterdir()) <= int(limit)


def test_a_file_holds_what_the_spec_says(tiny_paths: dict[str, Path], folder: Path) -> None:
    """Rule: ENGINE-33."""
    engine = load(tiny_paths, folder)
    session = engine.open(PREFIX)
    session.settle()
    data = only_file(folder).read_bytes()
    assert data[11:43] == hashlib.sha256(data[43:]).digest()
    body = data[43 + 32 + 4 :]
    last = np.frombuffer(body[: 4 * 64], "<i4")
    assert (last == session.get_last()).all()
    roots = [bytes(root) for index in range(20) for root in session.layer_roots(index)]
    assert body[4 * 64 :][: 32 * 40] == b"".join(roots)
    assert body[4 * 64 + 32 * 40 :] == session.context.cache.get_lanes().astype("<i2").tobytes()
