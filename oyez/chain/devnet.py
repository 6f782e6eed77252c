"""Runs a local chain: one anvil process on a free loopback port, stopped with its owner.

For the demo and the tests; never for value. The kernel picks the port, so two devnets never race
for one. On Linux the process also dies with the thread that started it, however that ends.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from oyez.protocol.errors import Fatal, Temporary

_LISTENING = re.compile(r"Listening on 127\.0\.0\.1:(\d+)")
_STOP_SECONDS = 5
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class DevAccount:
    """A funded account of the local chain; its key is public knowledge.

    Attributes:
        address: 0x and 40 hex digits, lower case.
        key: 0x and 64 hex digits.
    """

    address: str
    key: str


def find_anvil() -> Path:
    """Return the anvil binary: beside this interpreter, else on PATH.

    Raises:
        Fatal: there is none.
    """
    beside = Path(sys.executable).parent / "anvil"
    if beside.exists():
        return beside
    found = shutil.which("anvil")
    if found is None:
        raise Fatal("anvil, the local chain, is not installed: run `make install`")
    return Path(found)


class Devnet:
    """One anvil process. Use as a context manager, or `start` and `stop`.

    Args:
        block_time: seconds between blocks; None mines one block a transaction and lets the clock
            of `latest` stand still in between. With a block time, transactions still get a block
            of their own at once (mixed mining).
        accounts: how many funded accounts, 1 to 100.
        chain_id: EIP-155 chain id.
        fork: URL of another chain, and the number of the block to go on from: everything up to
            that block is as there, and nothing that happens here is seen there.
        timestamp: seconds since 1970 of the first block; None: the time of the start.
    """

    def __init__(
        self,
        *,
        block_time: int | None = None,
        accounts: int = 10,
        chain_id: int = 31_337,
        fork: tuple[str, int] | None = None,
        timestamp: int | None = None,
    ) -> None:
        """Remember the settings; nothing runs before `start`."""
        self.chain_id = chain_id
        self.accounts: list[DevAccount] = []
        self._block_time = block_time
        self._fork = fork
        self._timestamp = timestamp
        self._account_count = accounts
        self._port: int | None = None
        self._process: subprocess.Popen[str] | None = None
        self._tail: deque[str] = deque(maxlen=40)
        self._drain: threading.Thread | None = None
        self._requests = 0

    @property
    def rpc(self) -> str:
        """HTTP address of the running chain."""
        if self._port is None:
            raise Fatal("the local chain is not running: call start() first")
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """Process id of the running chain."""
        if self._process is None:
            raise Fatal("the local chain is not running: call start() first")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the chain was started and has not ended by itself."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start anvil and return once it listens.

        Raises:
            Fatal: anvil is absent, or stopped at once; the message ends with its last lines.
        """
        if self._process is not None:
            raise Fatal("the local chain already runs: stop() it first")
        with tempfile.TemporaryDirectory(prefix="oyez-devnet-") as folder:
            config = Path(folder) / "anvil.json"
            self._process = subprocess.Popen(
                self._build_command(config),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
            output = self._process.stdout
            assert output is not None
            self._port = self._await_port(output)
            written = json.loads(config.read_text())
        self.accounts = [
            DevAccount(address.lower(), key)
            for address, key in zip(
                written["available_accounts"], written["private_keys"], strict=True
            )
        ]
        # anvil logs every request: unread, the pipe would fill and stop it
        self._drain = threading.Thread(target=self._tail.extend, args=(output,), daemon=True)
        self._drain.start()
        return self

    def stop(self) -> None:
        """Stop anvil and wait for its end; a second call does nothing."""
        process, self._process, self._port = self._process, None, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._drain is not None:
            self._drain.join()
            self._drain = None
        if process.stdout is not None:
            process.stdout.close()

    def request(self, method: str, *params: Any) -> Any:  # Any: JSON has no narrower type
        """Send one JSON-RPC request and return its result.

        Raises:
            Temporary: no answer.
            Fatal: the chain answered with an error.
        """
        self._requests += 1
        body = {"jsonrpc": "2.0", "id": self._requests, "method": method, "params": list(params)}
        post = urllib.request.Request(
            self.rpc, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(post, timeout=30) as reply:
                answer = json.load(reply)
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            raise Temporary(f"the local chain at {self.rpc} does not answer: {error}") from error
        if "error" in answer:
            raise Fatal(f"the local chain refused {method}: {answer['error'].get('message')}")
        return answer["result"]

    def advance(self, seconds: int) -> None:
        """Move the chain's clock forward by `seconds` and mine one block."""
        self.request("evm_increaseTime", seconds)
        self.request("evm_mine")

    def mine(self, blocks: int = 1) -> None:
        """Mine empty blocks."""
        for _ in range(blocks):
            self.request("evm_mine")

    def __enter__(self) -> Self:
        """Start the chain."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the chain."""
        self.stop()

    def _build_command(self, config: Path) -> list[str]:
        command = [str(find_anvil()), "--host", "127.0.0.1", "--port", "0"]
        # without Osaka's rules anvil takes the next flag and limits nothing
        command += ["--hardfork", "osaka", "--enable-tx-gas-limit"]
        command += ["--chain-id", str(self.chain_id), "--accounts", str(self._account_count)]
        command += ["--config-out", str(config), "--color", "never"]
        if self._fork is not None:
            url, block = self._fork
            command += ["--fork-url", url, "--fork-block-number", str(block)]
        if self._timestamp is not None:
            command += ["--timestamp", str(self._timestamp)]
        if self._block_time is not None:
            command += ["--block-time", str(self._block_time), "--mixed-mining"]
        return command

    def _await_port(self, output: IO[str]) -> int:
        for line in output:
            self._tail.append(line)
            found = _LISTENING.search(line)
            if found:
                return int(found.group(1))
        self.stop()
        raise Fatal("anvil stopped before it listened:\n" + "".join(self._tail).strip())


def _die_with_parent() -> None:
    """In the child before exec: have the kernel end it when the starting thread ends."""
    if ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
        os._exit(1)
