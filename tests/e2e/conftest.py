"""Fixtures: a rollup with enclaves on a local chain, and a user of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.enclave_world import EnclaveWorld, Shell, open_world


@pytest.fixture(scope="module")
def opened() -> Iterator[EnclaveWorld]:
    with open_world() as made:
        made.keep()
        yield made


@pytest.fixture
def shell(opened: EnclaveWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A user; each test has the chain for itself."""
    snapshot = opened.rollup.anvil.snapshot()
    yield Shell(opened, tmp_path, monkeypatch)
    opened.rollup.anvil.restore(snapshot)
