"""Two honest parties and five adversaries, each a process with keys of its own, on one chain.

The chain's clock is moved by hand, one latency at a time, whenever all of them have seen the
newest block and have nothing to do: no outcome hangs on how fast a machine is.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from oyez.gas.duels import DuelWorld
from oyez.protocol.types import Address
from tests.actors.duels import records as rec
from tests.actors.duels.board import Board
from tests.actors.duels.forkers import SiblingSpammer
from tests.actors.duels.judge import find_liars
from tests.actors.duels.onslaught import close_short_batch
from tests.actors.duels.party import Liar, is_true
from tests.actors.duels.process import Seat
from tests.devnet import Anvil

ROOT = Path(__file__).resolve().parents[2]
T, D = 3_600, 720
LATENCY = D // 8
PATIENCE_SECONDS = 120
#: Role, how many keys: the first adversary is the sequencer, whose account deployed.
ROLES = [
    ("LastSecond", 2),
    ("Withholder", 1),
    ("ZeroTree", 1),
    ("BothSides", 2),
    ("SiblingSpammer", 4),
    ("agent", 1),
    ("agent", 1),
]


class Actor:
    """A party's process; `idle` is the last block at which it had nothing to do."""

    def __init__(self, role: str, keys: list[str], deployment: Path, *options: str) -> None:
        self.role = role
        self.idle = -1
        self._lines: queue.Queue[str | None] = queue.Queue()
        command = (sys.executable, "-m", "tests.actors.duels.process", "--role", role)
        self.process = subprocess.Popen(
            (*command, "--deployment", str(deployment), *options),
            cwd=ROOT,
            env={**os.environ, "OYEZ_KEYS": ",".join(keys)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def wait(self, block: int) -> None:
        """Until it has nothing to do at this block or a later one."""
        while self.idle < block:
            line = self._lines.get(timeout=PATIENCE_SECONDS)
            if line is None:
                assert self.process.stderr is not None
                raise AssertionError(f"{self.role} ended: {self.process.stderr.read()}")
            self.idle = int(line.split()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()


class Conductor:
    """A rollup on a chain, the actors on it, and the chain's clock."""

    def __init__(self, node: Anvil, folder: Path) -> None:
        self.node = node
        self.world = DuelWorld(node, window=T, response=D)
        self.path = folder / "deployment.json"
        self.world.deployment.save(self.path)
        spammed = [SiblingSpammer(stakes=4).get_nth(i) for i in range(2)]
        close_short_batch(node, self.world, [Liar.change, *spammed])
        self.actors: list[Actor] = []

    def fetch_number(self) -> int:
        return self.world.chain.fetch_block("latest").number

    def settle(self) -> int:
        """Until all have nothing to do at the newest block; return it."""
        while True:
            number = self.fetch_number()
            for actor in self.actors:
                actor.wait(number)
            if number == self.fetch_number():
                return number

    def play(self) -> Board:
        """Let time pass until the batch is final and all is done."""
        seat = Seat(self.world.deployment, [])
        for _ in range(3 * T // LATENCY):
            self.settle()
            seat.look()
            if seat.board.finals:
                return seat.board
            self.world.pass_time(LATENCY)
        raise AssertionError("the batch is not final")


@pytest.fixture
def conductor(tmp_path: Path) -> Iterator[Conductor]:
    with Anvil(accounts=20) as node:
        yield Conductor(node, tmp_path)


def test_two_honest_parties_beat_five_adversaries(conductor: Conductor) -> None:
    """Invariant 48: the honest stakes come back, every liar is slashed once, the head advances."""
    world, node = conductor.world, conductor.node
    accounts = iter(node.accounts)
    honest: list[Address] = []
    try:
        for role, count in ROLES:
            own = [next(accounts) for _ in range(count)]
            options = ("--sequencer",) if role == "LastSecond" else ()
            keys = [account.key for account in own]
            late = ("--late", str(LATENCY))
            conductor.actors.append(Actor(role, keys, conductor.path, *late, *options))
            if role == "agent":
                honest.append(Address(bytes.fromhex(own[0].address[2:])))
        board = conductor.play()
    finally:
        for actor in conductor.actors:
            actor.__exit__(None, None, None)
    check(world, board, honest)


def check(world: DuelWorld, board: Board, honest: list[Address]) -> None:
    ((final, time),) = board.finals
    assert world.rollup.fetch_head() == 1
    assert is_true(board, board.assertions[final])
    began = min(a.created_at for a in board.assertions.values())
    assert time <= began + T + 14 * LATENCY
    lies = [a for a in board.assertions.values() if a.id != final]
    assert len(lies) == 6
    assert {a.status for a in lies} == {rec.DEFEATED}
    liars, _ = find_liars(board)
    assert len(board.slashed) == len(set(board.slashed))
    assert liars <= set(board.slashed)
    assert not set(honest) & set(board.slashed)
    for address in honest:
        stake = world.rollup.fetch_stake(address)
        assert (stake.status, stake.proposals, stake.championships) == (1, 0, 0)
    before = [world.chain.fetch_balance(address) for address in honest]
    who = [i for i, a in enumerate(world.devnet.accounts) if bytes.fromhex(a.address[2:]) in honest]
    for i in who:
        world.send(world.rollup.build("request_withdrawal"), i)
    world.pass_time(D)
    for i in who:
        world.send(world.rollup.build("withdraw_stake", world.address(i)), i)
    after = [world.chain.fetch_balance(address) for address in honest]
    assert all(b - a > 0.99 * 10**18 for a, b in zip(before, after, strict=True))
