"""The main job on an embedded local chain and a lie that does not pass, told on one screen.

With --keep, chain and services run on until SIGINT or SIGTERM. Everything is written below
.oyez/demo; the services' logs are there too. However it ends, no process and no port stays.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import random
import shutil
import sys
from pathlib import Path

from oyez.chain.devnet import Devnet
from oyez.demo import processes, run, story
from oyez.demo.calls import DISPUTED
from oyez.demo.stage import CHALLENGERS
from oyez.protocol.errors import OyezError

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".oyez" / "demo"
HINT = """Chain and challengers run on until Ctrl-C; in another terminal try
    .venv/bin/oyez verify 0 --deployment .oyez/demo/deployment.json
    tail -f .oyez/demo/logs/challenger-1.log"""
INDICES = f"0 to {len(DISPUTED) - 1}"


def play(keep: bool, false_call: int) -> None:
    """Tell the story; with `keep`, wait for a signal once it is told."""
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    # The services stop before the chain they follow.
    with Devnet(block_time=1) as devnet, processes.Children(HOME / "logs") as children:
        last = run.tell(ROOT, HOME, devnet, children, false_call)
        if not keep:
            for name in CHALLENGERS:
                children.stop(name)
        if keep:
            story.say()
            story.say(HINT)
        story.say()
        story.say(last)
        if keep:
            children.watch(lambda: devnet.is_running)


def choose(lie: str | None) -> int | None:
    """Return the index of the call to lie about, any where none was asked for; None: no such."""
    if lie is None:
        return random.randrange(len(DISPUTED))
    return int(lie) if lie in map(str, range(len(DISPUTED))) else None


def main() -> None:
    """Run one demonstration at a time in this clone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="run on until interrupted")
    parser.add_argument(
        "--lie",
        metavar="K",
        default=os.environ.get("LIE") or None,
        help=f"call that the second act lies about, {INDICES}  [default: $LIE, or any]",
    )
    options = parser.parse_args()
    false_call = choose(options.lie)
    if false_call is None:
        sys.exit(f"demo: LIE={options.lie} is no call of the second act: take one of {INDICES}")
    HOME.parent.mkdir(exist_ok=True)
    with (HOME.parent / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("demo: another one runs in this clone; stop it first")
        processes.catch_signals()
        try:
            play(options.keep, false_call)
        except processes.Stopped as stopped:
            if not options.keep:
                sys.exit(f"demo: stopped by {stopped}")
        except OyezError as error:
            sys.exit(f"demo: {error}")


if __name__ == "__main__":
    main()
