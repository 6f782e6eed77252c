"""The texts are those that the numbers are about, and long enough."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from oyez.author.tokenizer import load_author_model
from oyez.measure import calls, texts
from oyez.protocol.errors import Fatal


def test_every_text_is_fixed_and_long_enough() -> None:
    assert list(texts.TEXTS) == [
        *("english", "german", "french", "russian", "chinese", "code", "json", "repeated")
    ]
    assert {path.stem for path in texts.FOLDER.iterdir()} == set(texts.TEXTS)
    found = texts.tokenise(load_author_model())
    assert {name: len(tokens) for name, tokens in found.items() if len(tokens) < texts.LEAST} == {}
    assert len(set(found["repeated"][:-1])) == 1


def test_a_changed_text_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    shutil.copytree(texts.FOLDER, folder)
    (folder / "code.txt").write_text(texts.read_text("code", folder).replace("limit", "bound"))
    with pytest.raises(Fatal, match=r"code\.txt was changed"):
        texts.read_text("code", folder)


def test_the_measured_call_brings_50_tokens() -> None:
    assert len(load_author_model().vocabulary.greedy(calls.INPUT)) == 50
