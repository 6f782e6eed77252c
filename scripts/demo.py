"""The main job on an embedded local chain, told on one screen.

With --keep, chain and services run on until SIGINT or SIGTERM. Everything is written below
.oyez/demo; the services' logs are there too. However it ends, no process and no port stays.
"""

from __future__ import annotations

import argparse
import fcntl
import shutil
import sys
from pathlib import Path

from oyez.chain.devnet import Devnet
from oyez.demo import processes, run, story
from oyez.protocol.errors import OyezError

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".oyez" / "demo"


def play(keep: bool) -> None:
    """Tell the story; with `keep`, wait for a signal once it is told."""
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    # The services stop before the chain they follow.
    with Devnet(block_time=1) as devnet, processes.Children(HOME / "logs") as children:
        last = run.tell(ROOT, HOME, devnet, children)
        if not keep:
            children.stop("challenger")
            children.stop("sequencer")
        story.say()
        story.say(last)
        if keep:
            children.watch(lambda: devnet.is_running)


def main() -> None:
    """Run one demonstration at a time in this clone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="run on until interrupted")
    options = parser.parse_args()
    HOME.parent.mkdir(exist_ok=True)
    with (HOME.parent / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("demo: another one runs in this clone; stop it first")
        processes.catch_signals()
        try:
            play(options.keep)
        except processes.Stopped as stopped:
            if not options.keep:
                sys.exit(f"demo: stopped by {stopped}")
        except OyezError as error:
            sys.exit(f"demo: {error}")


if __name__ == "__main__":
    main()
