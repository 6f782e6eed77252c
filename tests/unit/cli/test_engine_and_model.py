"""`oyez engine run` and `oyez model add|verify|list` on tiny models."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from oyez import cli
from oyez.commands import models, output
from oyez.engines.exact import load_engine, model_store
from oyez.engines.exact.backend import Reference
from oyez.engines.exact.gguf import open_gguf
from oyez.engines.exact.logit_run import run_tokens
from oyez.engines.exact.model_store import ModelStore
from oyez.engines.exact.weights import load_model
from oyez.protocol.errors import Fatal, Invalid
from tests.unit.engine import tiny

TOKENS = [5, 299, 0, 77, 77, 12]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OYEZ_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    return tiny.write_model(folder / "tiny.gguf", tiny.SHAPES["old formats"])


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "tokens.json"
    path.write_text(json.dumps(TOKENS))
    return path


def ask(*args: str | Path, code: int = 0) -> dict[str, Any]:
    result = CliRunner().invoke(cli.main, [*map(str, args), "--json"])
    assert result.exit_code == code, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def test_run_prints_the_digest_and_what_was_used(file: Path, tokens: Path, tmp_path: Path) -> None:
    # Rule: ENGINE-28
    model = load_model(open_gguf(file))
    expected = run_tokens(model, Reference(model), TOKENS).digest
    for options in (
        [],
        ["--kernel", "spec"],
        ["--kernel", "portable", "--batch", "7", "--threads", "2"],
    ):
        for cache in ([], ["--no-prefix-cache"]):
            out = tmp_path / "logits.npy"
            found = ask(
                *("engine", "run", "--model", file, "--tokens", tokens, *options, *cache),
                *("--logits-out", out),
            )
            assert list(found) == ["digest", "kernel", "threads", "batch", "block", "tokens"]
            assert found["digest"] == expected
            logits = np.load(out)
            assert (logits.shape, logits.dtype) == ((6, 300), np.dtype("<i4"))
            assert hashlib.sha256(logits.tobytes()).hexdigest() == expected
            assert found["kernel"] == (options[1] if options else found["kernel"])
            assert found["threads"] == (2 if "--threads" in options else 1)
            assert found["batch"] == (7 if "--batch" in options else 1)
    assert [path.name for path in tmp_path.glob("*.new")] == []


def test_run_needs_no_token_table(file: Path, tokens: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.gguf"
    bare.write_bytes(file.read_bytes().replace(b"tokenizer.ggml.", b"nothing.at.all."))
    with_table = ask("engine", "run", "--model", file, "--tokens", tokens)
    assert ask("engine", "run", "--model", bare, "--tokens", tokens) == with_table
    assert ask("model", "add", bare, code=2)["error"]["rule"] == "MODEL-4"


def test_an_unavailable_kernel_exits_2(file: Path, tokens: Path) -> None:
    # Rule: ENGINE-27
    args = ("engine", "run", "--model", file, "--tokens", tokens, "--kernel")
    assert ask(*args, "neon", code=2)["error"]["rule"] == "ENGINE-27"
    assert "not one of" in ask(*args, "sse", code=2)["error"]["message"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 300]", "token 1 is 300, not an id from 0 to 299"),
        ("[1, 2.0]", "token 1 is 2.0"),
        ('["1"]', "token 0 is 1"),
        ("[true]", "token 0 is True"),
        ("[]", "0 tokens"),
        ("{}", "holds no list"),
        ("[1", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[1" + ", 1" * 64 + "]", "65 tokens, the model takes 1 to 64"),
    ],
)
def test_wrong_token_lists_exit_2(file: Path, tokens: Path, text: str, message: str) -> None:
    # Rule: ENGINE-29
    tokens.write_text(text)
    error = ask("engine", "run", "--model", file, "--tokens", tokens, code=2)["error"]
    assert message in error["message"]
    assert error["rule"] == "ENGINE-29"


def test_files_that_are_not_there_exit_2(file: Path, tokens: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone" / "x"
    run = ("engine", "run", "--tokens", tokens)
    assert ask(*run, "--model", gone, code=2)["error"]["rule"] == "MODEL-1"
    assert ask(*run, "--model", file, "--logits-out", gone, code=2)["error"]["rule"] == "CLI-5"
    missing = ask("engine", "run", "--model", file, "--tokens", gone, code=2)
    assert missing["error"]["rule"] == "CLI-5"


def test_a_model_too_deep_for_the_trace_runs_and_is_not_added(
    tokens: Path, home: Path, tmp_path: Path
) -> None:
    # Rule: MODEL-23
    sizes = tiny.Shape(layers=32, width=32, feed_forward=32, heads=2, kv_heads=1)
    deep = tiny.write_model(tmp_path / "deep.gguf", sizes)
    run = ("engine", "run", "--model", deep, "--tokens", tokens)
    fastest, plain = ask(*run, "--batch", "3"), ask(*run, "--kernel", "spec")
    assert fastest["digest"] == plain["digest"]
    for refused in (("model", "add", deep), ("model", "verify", deep)):
        error = ask(*refused, code=2)["error"]
        assert error["rule"] == "MODEL-23"
        assert "32 layers" in error["message"]
    assert not (home / "models").exists()


def test_added_models_are_listed_and_verified(file: Path, home: Path) -> None:
    # Rule: MODEL-22
    assert ask("model", "list")["models"] == []
    added = ask("model", "add", file)
    engine = load_engine(file, sha256=None)
    assert added["root"] == "0x" + engine.model_root.hex()
    assert added["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert added["shape"]["heads"] == 4
    assert added["shape"]["missing"] == "0x" + engine.shape.missing.hex()
    kept = Path(added["file"])
    assert kept == home / "models" / f"{added['root'][2:]}.gguf"
    assert kept.read_bytes() == file.read_bytes()
    assert ask("model", "add", file) == added
    assert ask("model", "list")["models"] == [added]
    for which in ("tiny", added["root"], added["root"][2:10], str(file), str(kept)):
        found = ask("model", "verify", which)
        assert (found["match"], found["root"]) == (True, added["root"])
    other = "0x" + "11" * 32
    assert ask("model", "verify", str(file), "--root", other, code=1)["expected"] == other
    assert sorted(path.suffix for path in kept.parent.iterdir()) == [".gguf", ".json"]


def test_a_changed_file_does_not_verify(file: Path) -> None:
    # Rule: MODEL-22
    added = ask("model", "add", file)
    kept = Path(added["file"])
    data = bytearray(file.read_bytes())
    data[-9] ^= 1
    kept.write_bytes(data)
    found = ask("model", "verify", "tiny", code=1)
    assert found["match"] is False
    assert found["expected"] == added["root"] != found["root"]
    kept.write_bytes(data[:-900])
    assert ask("model", "verify", "tiny", code=2)["error"]["rule"] == "MODEL-1"


def test_an_unknown_file_needs_a_root(file: Path) -> None:
    error = ask("model", "verify", str(file), code=2)["error"]
    assert error["rule"] == "MODEL-22"
    root = error["message"].split("whose root is ")[1][:66]
    assert ask("model", "verify", str(file), "--root", root)["match"] is True


def test_the_pinned_model_verifies() -> None:
    found = ask("model", "verify")
    assert (found["match"], found["root"][:10]) == (True, "0x1c910005")
    assert ask("model", "list")["installed"] == found["file"]


def test_a_bad_file_is_not_kept(file: Path, tmp_path: Path, home: Path) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(file.read_bytes()[:-40_000])
    assert ask("model", "add", bad, code=2)["error"]["rule"] == "MODEL-1"
    assert not (home / "models").exists()


def test_a_damaged_record_is_named(file: Path, home: Path) -> None:
    ModelStore(home / "models").add(file)
    record = next((home / "models").glob("*.json"))
    record.write_text("{}")
    with pytest.raises(Fatal, match="add the model again"):
        ModelStore(home / "models").list()


def test_a_store_that_cannot_be_written_is_named(file: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(Invalid, match="cannot keep the model in"):
        ModelStore(tmp_path / "taken").add(file)


def test_two_models_of_a_name_need_the_root(file: Path, home: Path, tmp_path: Path) -> None:
    store = ModelStore(home / "models")
    store.add(file)
    (tmp_path / "other").mkdir()
    store.add(tiny.write_model(tmp_path / "other" / "tiny.gguf", tiny.Shape(layers=1)))
    with pytest.raises(Invalid, match="2 kept models are tiny"):
        store.find("tiny")
    assert store.find("tin") is None


def test_progress_reaches_the_end(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[tuple[int, int]] = []
    model_store.inspect_model(file, lambda done, of: seen.append((done, of)))
    assert seen[-1][0] == seen[-1][1] > 1_000
    progress = output.Progress()
    progress._live = True
    models._Bar(progress)(1, 2)
    assert "[" + "#" * 15 + "." * 15 + "] 50 %" in capsys.readouterr().err
