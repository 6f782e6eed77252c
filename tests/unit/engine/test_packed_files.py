"""What loading computes, kept in files: the same bits, and nothing damaged is ever believed."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from oyez.engines.exact import ExactEngine, engine, load_engine, packed_files, sources
from oyez.engines.exact.gguf import open_gguf
from oyez.engines.exact.kernels import Kernels
from oyez.engines.exact.packed_files import PackedFiles
from oyez.engines.exact.packed_layout import Loaded
from oyez.engines.exact.tokens import build_vocabulary, parse_tokenizer_metadata
from oyez.engines.exact.weights import Model, load_model
from oyez.protocol.errors import Fatal, Invalid
from tests.unit.engine import tiny
from tests.unit.engine.compiled import open_library

TOKENS = [(31 * i * i) % 256 for i in range(37)]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    open_library()
    monkeypatch.setenv("OYEZ_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


def observe(loaded: ExactEngine) -> tuple[object, ...]:
    """Everything that follows from a model file."""
    session = loaded.open(TOKENS)
    logits = session.logits(range(loaded.shape.vocabulary))
    return (
        hashlib.sha256(np.array(logits, "<i4").tobytes()).hexdigest(),
        [session.layer_roots(index) for index in range(len(TOKENS))],
        loaded.model_root,
        loaded.shape,
        loaded.tokenizer,
        loaded.vocabulary.tokens,
        loaded.backend.kernel,
    )


def load_afresh(path: Path) -> ExactEngine:
    """An engine without files."""
    file = open_gguf(path)
    model = load_model(file)
    backend = Kernels(open_library(), model)
    return ExactEngine(model, parse_tokenizer_metadata(file), backend)


def count_loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note each load of a model file from now on."""
    loads: list[str] = []
    real = engine.load_file

    def load(file: object) -> object:
        loads.append("load")
        return real(file)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(engine, "load_file", load)
    return loads


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


@pytest.mark.parametrize("name", tiny.SHAPES)
def test_a_kept_model_equals_a_loaded_one(
    tiny_paths: dict[str, Path], folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Logits, records, model root, shape, tokens.

    Rule: ENGINE-36
    """
    path = tiny_paths[name]
    expected = observe(load_afresh(path))
    loads = count_loads(monkeypatch)
    assert observe(load_engine(path, sha256=None)) == expected
    assert folder.stat().st_mode & 0o77 == 0
    assert observe(load_engine(path, sha256=None)) == expected
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert observe(load_engine(path, sha256=digest)) == expected
    assert loads == ["load"]


@pytest.mark.parametrize("name", tiny.SHAPES)
def test_all_paths_take_the_same_tiles(tiny_models: dict[str, Model], name: str) -> None:
    """So a file serves every path: its tiles are those that any of them packs.

    Rule: ENGINE-36
    """
    model, library = tiny_models[name], open_library()
    made = [Kernels(library, model, path).tiles for path in library.paths]
    for tiles in made:
        assert tiles.keys() == made[0].keys()
        for key, array in tiles.items():
            assert (array == made[0][key]).all()
    backend = Kernels(library, model, tiles=made[0])
    assert all(backend.tiles[key] is array for key, array in made[0].items())


def test_what_is_damaged_is_ignored_and_replaced(
    tiny_paths: dict[str, Path],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One byte in every part of the file and at random, cut and longer files, others' files.

    Rule: ENGINE-36
    """
    path, files, rng = tiny_paths["plain"], PackedFiles(folder), random.Random(1)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    load_engine(path, sha256=None)
    kept = only_file(folder)
    whole = kept.read_bytes()
    places = [0, 15, 16, 47, 48, 79, 80, 111, 112, 119, 120, len(whole) - 1]
    places += [rng.randrange(len(whole)) for _ in range(300)]
    bad = [b"", whole[:-1], whole[:50], whole[:119], whole[:300], whole + b"\0", b"x" * len(whole)]
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 1 << rng.randrange(8)
        bad.append(bytes(changed))
    for data in bad:
        # a new file each time: mapped ones stay as they are
        kept.unlink()
        kept.write_bytes(data)
        caplog.clear()
        assert files.open(digest) is None
        assert "packed=ignored" in caplog.text
    loads = count_loads(monkeypatch)
    expected = observe(load_afresh(path))
    assert observe(load_engine(path, sha256=None)) == expected
    assert kept.read_bytes() == whole
    assert observe(load_engine(path, sha256=None)) == expected
    assert loads == ["load"]


def test_a_file_serves_its_model_and_its_code_alone(
    tiny_paths: dict[str, Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other models, kernels, loaders and byte orders have other files; a renamed one is foreign.

    Rule: ENGINE-36
    """
    path, files = tiny_paths["plain"], PackedFiles(folder)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    load_engine(path, sha256=None)
    kept = only_file(folder)
    other = hashlib.sha256(tiny_paths["wide heads"].read_bytes()).hexdigest()
    assert files.open(other) is None
    kept.rename(files.kept.get_path(packed_files.compute_key(other)))
    assert files.open(other) is None
    only_file(folder).rename(kept)
    assert files.open(digest) is not None
    for name, value in (
        ("get_library_path", lambda: Path("kernels-0000000000000000.so")),
        ("compute_loader_digest", lambda: "00" * 32),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(sources, name, value)
            assert files.open(digest) is None
    with monkeypatch.context() as patch:
        patch.setattr(sys, "byteorder", "big")
        assert files.open(digest) is None


def test_the_key_names_every_source_of_the_loader() -> None:
    """What the loader imports of the engine decides what is kept.

    Rule: ENGINE-36
    """
    pending, seen = ["packed_files.py"], set()
    while pending:
        name = pending.pop()
        seen.add(name)
        text = (sources.FOLDER / name).read_text()
        for other in sources.FOLDER.glob("*.py"):
            module = other.stem
            lines = [line for line in text.splitlines() if "oyez.engines.exact" in line]
            used = any(f"exact.{module} import" in line for line in lines) or any(
                module in line.split(" import ")[1].replace(",", " ").split()
                for line in lines
                if "exact import " in line
            )
            if used and other.name not in seen:
                pending.append(other.name)
    named = {*sources.LOADER, "kept_files.py", "sources.py"}
    assert seen | {"../../protocol/constants.py"} <= named


def test_nothing_of_numpy_is_imported_before_the_files_are_being_hashed() -> None:
    """Rule: ENGINE-25."""
    code = "import sys, oyez.engines.exact; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("place", ["file", "x" * 300])
def test_a_folder_that_cannot_be_written_is_reported(
    tiny_paths: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    place: str,
) -> None:
    """The engine is loaded without one.

    Rule: ENGINE-36
    """
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("OYEZ_CACHE", str(tmp_path / place))
    path = tiny_paths["plain"]
    with caplog.at_level(logging.WARNING):
        assert observe(load_engine(path, sha256=None)) == observe(load_afresh(path))
    assert "packed=not_kept" in caplog.text


def test_a_kept_model_excuses_no_other_file(tiny_paths: dict[str, Path], tmp_path: Path) -> None:
    """The model file's digest is checked at every start, and a refused file leaves nothing.

    Rule: ENGINE-36
    """
    path = tmp_path / "model.gguf"
    path.write_bytes(tiny_paths["plain"].read_bytes())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    load_engine(path, sha256=digest)
    whole = path.read_bytes()
    for data in (whole[:-1] + bytes([whole[-1] ^ 1]), whole[: len(whole) // 2], b""):
        path.unlink()
        path.write_bytes(data)
        with pytest.raises(Fatal, match="another model"):
            load_engine(path, sha256=digest)
    path.unlink()
    with pytest.raises(Fatal, match="cannot read"):
        load_engine(path, sha256=digest)


def test_a_refused_file_leaves_nothing(
    tiny_paths: dict[str, Path], tmp_path: Path, folder: Path
) -> None:
    """Rule: ENGINE-36."""
    tensor = open_gguf(tiny_paths["plain"]).tensors["blk.1.ffn_up.weight"]
    data = bytearray(tiny_paths["plain"].read_bytes())
    data[tensor.offset : tensor.offset + 2] = b"\x00\x7e"
    path = tmp_path / "nan.gguf"
    path.write_bytes(data)
    for _ in range(2):
        with pytest.raises(Invalid, match="undefined scale"):
            load_engine(path, sha256=None)
    assert not folder.exists()


def test_the_folder_keeps_what_was_used_last(
    tiny_models: dict[str, Model], tiny_paths: dict[str, Path], folder: Path
) -> None:
    """Rule: ENGINE-36."""
    path, model = tiny_paths["plain"], tiny_models["plain"]
    file = open_gguf(path)
    tokenizer = parse_tokenizer_metadata(file)
    loaded = Loaded(model, tokenizer, build_vocabulary(tokenizer))
    tiles = Kernels(open_library(), model).tiles
    files = PackedFiles(folder)
    files.save("0", loaded, file, tiles)
    limit = 2 * only_file(folder).stat().st_size
    files = PackedFiles(folder, limit)
    for index in range(2):
        files.save(str(index), loaded, file, tiles)
        kept = files.kept.get_path(packed_files.compute_key(str(index)))
        os.utime(kept, (100 + index, 100 + index))
    assert files.open("0") is not None
    files.save("2", loaded, file, tiles)
    assert [files.open(str(index)) is not None for index in range(3)] == [True, False, True]
    PackedFiles(folder, 10).save("3", loaded, file, tiles)
    assert files.open("3") is None
    assert len(list(folder.iterdir())) == 2


LOOP = """
import hashlib, sys
from pathlib import Path
from oyez.engines.exact import load_engine
from oyez.engines.exact.packed_files import PackedFiles, compute_key
digests = set()
for index in range(12):
    path = Path(sys.argv[1 + index % 2])
    engine = load_engine(path, sha256=None)
    session = engine.open(range(20))
    digests.add((index % 2, hashlib.sha256(repr(session.logits(range(256))).encode()).hexdigest()))
    if index % 3 == int(sys.argv[3]):
        key = compute_key(hashlib.sha256(path.read_bytes()).hexdigest())
        PackedFiles(Path(sys.argv[4])).kept.get_path(key).unlink(missing_ok=True)
print(sorted(digests))
"""


def start_loops(paths: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    for seed in ("1", "2"):
        command = [sys.executable, "-c", LOOP, *paths, seed, str(folder)]
        yield subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_share_a_folder(tiny_paths: dict[str, Path], folder: Path) -> None:
    """Both keep, map and drop the same files; all answers are right, and nothing is reported.

    Rule: ENGINE-36
    """
    paths = [str(tiny_paths[name]) for name in ("plain", "wide heads")]
    outputs = []
    for process in list(start_loops(paths, folder)):
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
        outputs.append(out)
    expected = []
    for index, path in enumerate(paths):
        session = load_afresh(Path(path)).open(range(20))
        digest = hashlib.sha256(repr(session.logits(range(256))).encode()).hexdigest()
        expected.append((index, digest))
    assert outputs == [f"{expected}\n"] * 2
    assert all(path.suffix == ".packed" for path in folder.iterdir())
