"""The texts on which engines are compared, fixed by their digests."""

from __future__ import annotations

import hashlib
from pathlib import Path

from oyez.author.tokenizer import AuthorModel
from oyez.protocol.errors import Fatal

FOLDER = Path(__file__).resolve().parent / "texts"
#: Fewest tokens of a text.
LEAST = 300
#: Name => SHA-256 of the file.
TEXTS = {
    "english": "9c5761c4dff0040e7ec0f75b515ba4e3511b0383f6869323962e839c84d47230",
    "german": "b13b6c84e6f25c8eddbca56687f219e735041cad9c901308153a64b3ab11ca2d",
    "french": "f4ddca6cedcca428ede0ad7dd841d14b132b62bd014be3bd3b9de58de28e8b69",
    "russian": "c377683ba0c895c6c76ea160692c092963d00f2a2aaf8a40af33db4243301d6c",
    "chinese": "6caf271a0c8e75e8953907a1bbe1d4509a02e1ec99ade2c7e2e960619058fa4e",
    "code": "288232b75f013350f2cf976383750e74139a3f829c99dde271201eb35771092a",
    "json": "382d8dfd714ddeb6e497ecdfddbb2a33eb30226981a8794ce4452c98a3b45027",
    "repeated": "eb4676d7786ab9ab119678e54eaa1f306755a9d20416bec69290d81ce1577fe2",
}


def read_text(name: str, folder: Path = FOLDER) -> str:
    """Return a text.

    Raises:
        Fatal: the file is another one.
    """
    path = folder / f"{name}.txt"
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != TEXTS[name]:
        raise Fatal(f"{path} was changed: numbers on it mean nothing; restore it")
    return data.decode()


def tokenise(author: AuthorModel) -> dict[str, tuple[int, ...]]:
    """Return every text's tokens in the model's own encoding.

    Raises:
        Fatal: a text was changed.
        Invalid: the model has no tokens for one.
    """
    return {name: author.encode(read_text(name)) for name in TEXTS}
