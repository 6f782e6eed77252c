"""Where the story plays: the chain, its contracts, the folder, the services; how it waits."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from oyez.chain.deployment import Deployment
from oyez.chain.devnet import Devnet
from oyez.chain.keys import Key
from oyez.client import Client
from oyez.demo import processes
from oyez.protocol.errors import Fatal
from oyez.protocol.types import Hash32

#: accounts of the local chain, by role
AUTHOR, SEQUENCER, CALLERS = 0, 1, (3, 4, 5)
#: name, of its home and its log too -> account
CHALLENGERS = {"challenger-1": 6, "challenger-2": 7}
#: brings the collateral by which quotes are judged
KEEPER = 8
PATIENCE_SECONDS = 120
LOOK_SECONDS = 0.25
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that both acts share; `root` is the project's folder, `home` the story's own."""

    root: Path
    home: Path
    devnet: Devnet
    keys: tuple[Key, ...]
    deployment: Deployment
    children: processes.Children

    @property
    def file(self) -> Path:
        """The deployment file that every command takes."""
        return self.home / "deployment.json"

    def client(self, account: int) -> Client:
        """Return the SDK with one account's key."""
        return Client(self.deployment, self.keys[account])

    def start(self, name: str, account: int, command: Sequence[str]) -> None:
        """Start a program beside this interpreter, with one account's key and nothing of ours."""
        bare = {key: value for key, value in os.environ.items() if not key.startswith("OYEZ_")}
        # the liar is a module of the clone and not installed
        own = {"OYEZ_KEY": self.devnet.accounts[account].key, "PYTHONPATH": str(self.root)}
        program = str(Path(sys.executable).parent / command[0])
        self.children.start(name, (program, *command[1:]), {**bare, **own})

    def wait(self, what: str, look: Callable[[], Found | None]) -> Found:
        """Look until there is something.

        Raises:
            Fatal: a service ended, or nothing came in time.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            # what a child did before it ended is seen by the look after
            ended = self.children.ended()
            found = look()
            if found is not None:
                return found
            if ended:
                raise Fatal(f"while waiting for {what}: {'; '.join(ended)}")
            time.sleep(LOOK_SECONDS)
        raise Fatal(f"{what} did not come within {PATIENCE_SECONDS} s: see the logs in {self.home}")

    def call(self, action_id: Hash32, calls: Sequence[tuple[int, bytes]]) -> None:
        """Send calls, each a caller's index and an input."""
        clients = [self.client(account) for account in CALLERS]
        for caller, data in calls:
            clients[caller].call(action_id, data)

    def find_verdicts(self, assertion_id: Hash32) -> list[dict[str, Any]] | None:  # Any: JSON
        """Return what every challenger says of an assertion, once all of them judged it."""
        wanted = "0x" + assertion_id.hex()
        verdicts = [
            verdict
            for name in CHALLENGERS
            for verdict in (read_json(self.find_judgements(name)) or {"verdicts": []})["verdicts"]
            if verdict["assertion_id"] == wanted
        ]
        return verdicts if len(verdicts) == len(CHALLENGERS) else None

    def find_judgements(self, challenger: str) -> Path:
        """Return where a challenger writes what it found."""
        return self.home / challenger / "verdicts.json"


def read_json(path: Path) -> Any:  # Any: JSON
    """Return a JSON file's content, or None while it is not there; writers replace it whole."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
