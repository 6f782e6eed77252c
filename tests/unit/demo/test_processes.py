"""A kept demonstration looks on: whatever ends by itself ends it, and is named."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from oyez.chain.devnet import Devnet
from oyez.demo.processes import Children
from oyez.protocol.errors import Fatal

FOREVER = [sys.executable, "-c", "import signal; signal.pause()"]


def test_a_child_that_ends_is_named_with_its_last_line(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        children.start("sequencer", FOREVER, os.environ)
        children.start("challenger", [sys.executable, "-c", "exit('no more')"], os.environ)
        with pytest.raises(Fatal, match=r"challenger ended with 1; .*challenger\.log: no more"):
            children.watch(lambda: True)


def test_a_chain_that_ends_is_named(tmp_path: Path) -> None:
    with Devnet() as devnet, Children(tmp_path) as children:
        children.start("sequencer", FOREVER, os.environ)
        assert devnet.is_running
        os.kill(devnet.pid, signal.SIGKILL)
        with pytest.raises(Fatal, match="stopped, because the local chain ended"):
            children.watch(lambda: devnet.is_running)
