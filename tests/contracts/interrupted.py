"""Plays a whole duel of an honest agent and a liar, and interrupts it once, at any moment.

A moment is a step of one transaction of either side on its way into the chain. There the agent is
killed, or the newest blocks are undone, or both; afterwards both play on until nothing is to do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar

import pytest
from eth_utils.crypto import keccak

from oyez.chain import contracts
from oyez.chain.delivery import Signed
from oyez.chain.journal import SqlJournal, open_database
from oyez.chain.keys import Key
from oyez.protocol.errors import Rewind, Temporary
from tests.contracts.duelling import Side, post
from tests.contracts.harness import SEQUENCER
from tests.contracts.test_honest_duels import CHANGE, LIAR, ONE, Field, T
from tests.duel_node import DuelNode
from tests.embedded import EmbeddedChain, recover
from tests.embedded_reorgs import DEPTH, Fate, Reorged, WatchedChain
from tests.services import KilledError, kill

#: Seconds of a block once no clock of the duel is left, and how many until all is over. A window
#: has more of them than a re-org undoes.
SLOW_SECONDS, SLOW_BLOCKS = 50, 18


class Cut:
    """Does something once, before the durable operation after `left` others of one node."""

    def __init__(
        self, patch: pytest.MonkeyPatch, node: DuelNode, do: Callable[[], None], left: int
    ) -> None:
        self.left = left
        self._do = do
        for owner, name in ((type(node.journal), "put_signed"), (EmbeddedChain, "send_raw")):
            patch.setattr(owner, name, self._wrap(owner, name, node))

    def _wrap(self, owner: type, name: str, node: DuelNode) -> Callable[..., object]:
        original = getattr(owner, name)

        def wrapped(self_: object, *arguments: object) -> object:
            if self_ in (node.journal, node.chain):
                if self.left == 0:
                    self.left = -1
                    self._do()
                self.left -= 1
            return original(self_, *arguments)

        return wrapped


class Setting(Enum):
    """How the two sides stand."""

    LIE_FIRST = "the lie is the older"
    TRUTH_FIRST = "the truth is the older"
    SILENT = "the lie is the older, and its champion never moves"


class Stage(Enum):
    """How far a transaction has come."""

    DECIDED = "not signed yet"
    SIGNED = "kept, not sent yet"
    SENT = "sent, not mined yet"
    MINED = "mined, its sender has not seen it"


@dataclass(frozen=True, slots=True)
class Moment:
    """Whose transaction, what for, and how far it has come; of several, `kind` joins all."""

    sender: str
    kind: str
    stage: Stage


@dataclass(frozen=True, slots=True)
class Interruption:
    """What happens at the moment of that number.

    Attributes:
        depth: blocks that are undone; 0 for none.
        dies: whether the agent is killed; where blocks are undone, too, it comes back after them.
        fate: of what waits and of what was undone. Without a re-org LATE means that it is mined
            before the agent comes back.
    """

    place: int
    depth: int
    dies: bool
    fate: Fate


def list_interruptions(moments: Sequence[Moment], depth: int) -> list[Interruption]:
    """Return a play's interruptions of one depth, 0 for kills alone.

    Over the eight depths each moment meets each fate twice, once alive and once dying. What is not
    signed yet is nowhere: a re-org there is one of the next stage.
    """
    found = []
    for place, moment in enumerate(moments):
        if depth == 0:
            fates = (Fate.BACK, Fate.LATE, Fate.LOST)[: 3 if moment.stage is Stage.SENT else 1]
            found += [Interruption(place, 0, True, fate) for fate in fates]
        elif moment.stage is not Stage.DECIDED:
            dies, fate = divmod((place + depth) % 8, 4)
            found.append(Interruption(place, depth, bool(dies), tuple(Fate)[fate]))
    return found


@dataclass
class Outcome:
    """What a play came to.

    Attributes:
        moments: all that were passed.
        undone: transactions in the undone blocks.
        done: honest transactions on the chain, by kind.
        failed: those of them that failed, by kind.
    """

    moments: list[Moment] = field(default_factory=list)
    undone: list[bytes] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)


class Journal(SqlJournal):
    """A journal on disk; `watch` is told of each intention before it is kept."""

    def __init__(self, path: Path, watch: Callable[[str, Signed], None]) -> None:
        super().__init__(open_database(path))
        self.watch = watch

    def put_signed(self, key: str, signed: Signed) -> None:
        self.watch(key, signed)
        super().put_signed(key, signed)


class QuickKey(Key):
    """Signs each transaction once a process: signatures are deterministic, and plays alike."""

    known: ClassVar[dict[str, tuple[bytes, bytes]]] = {}

    def sign(self, transaction: dict[str, Any]) -> tuple[bytes, bytes]:
        name = f"{self.address.hex()} {sorted(transaction.items())}"
        if name not in self.known:
            self.known[name] = super().sign(transaction)
        return self.known[name]


class Player(DuelNode):
    """An agent that tells a play of each step of its transactions."""

    def __init__(self, play: Play, name: str, key: Key, side: Side, home: Path) -> None:
        self.play = play
        self.name = name
        chain = WatchedChain(play.arena, play.watch)
        super().__init__(
            chain, play.arena, key, {1: side}, home, pause=lambda _: play.mine(), patience=2
        )

    def open_journal(self) -> SqlJournal:
        return Journal(self.home / "journal.db", self._keep)

    def _keep(self, key: str, signed: Signed) -> None:
        self.play.keys[signed.raw] = key
        self.play.pass_moment(Moment(self.name, key.split()[0], Stage.DECIDED))

    def come_back(self) -> None:
        """A new process: it has the journal and the chain."""
        self.journal.close()
        self.restart()


class Play:
    """A field with an agent and a liar, and at most one interruption."""

    def __init__(
        self, home: Path, setting: Setting, interruption: Interruption | None = None
    ) -> None:
        self.arena = Reorged()
        self.field = Field(home, self.arena)
        self.setting = setting
        self.interruption = interruption
        self.outcome = Outcome()
        self.stale = 0
        self.keys: dict[bytes, str] = {}
        self.acting: Player | None = None
        self.lie = self.field.run(CHANGE)
        truth_first = setting is Setting.TRUTH_FIRST
        first = self.field.truth if truth_first else self.lie
        self.liars = [LIAR.address] if truth_first else [SEQUENCER, LIAR.address]
        post(self.arena, first, SEQUENCER)
        for _ in range(DEPTH):
            self.arena.pass_time(1)
        self.arena.is_held = True
        self.names = {ONE.address: "honest", LIAR.address: "liar"}
        one, liar = (QuickKey(bytes([n]) * 32) for n in (7, 9))
        assert (one.address, liar.address) == (ONE.address, LIAR.address)
        self.good = Player(self, "honest", one, self.field.truth, home / "good")
        self.bad = Player(self, "liar", liar, self.lie, home / "bad")

    # --- moments ---

    def watch(self, raw: bytes) -> None:
        """A transaction is about to be sent; not counted where it waits already."""
        if raw not in self.arena.waiting:
            self.reach([raw], Stage.SIGNED)

    def reach(self, raws: Sequence[bytes], stage: Stage) -> None:
        """Transactions of one sender have come so far together."""
        kind = "+".join(self.keys[raw].split()[0] for raw in raws)
        self.pass_moment(Moment(self.names[recover(raws[0])], kind, stage))

    def pass_moment(self, moment: Moment) -> None:
        """Note a moment; interrupt at the one that was asked for."""
        number = len(self.outcome.moments)
        self.outcome.moments.append(moment)
        if self.interruption is not None and self.interruption.place == number:
            self._interrupt(self.interruption)

    def _interrupt(self, how: Interruption) -> None:
        arena = self.arena
        if how.depth:
            # its sender may not have seen what is in the newest block, and send it again
            on_the_way = [*arena.waiting, *arena.mined.get(arena.block, [])]
            self.outcome.undone = undone = arena.reorganise(how.depth, how.fate)
            again = set(on_the_way if how.fate is Fate.LOST else [*undone, *on_the_way])
            # and one that was about to be sent
            self.stale = 1 + sum(recover(raw) == ONE.address for raw in again)
        elif how.fate is Fate.LOST:
            arena.pool = {}
        elif how.fate is Fate.LATE and arena.find_ready() is not None:
            arena.mine()
        if how.dies:
            if self.acting is self.good:
                kill()
            self.good.come_back()

    def mine(self) -> None:
        """Mine what waits, if anything can be mined."""
        first = self.arena.find_ready()
        if first is None:
            return
        mine = [raw for raw in self.arena.waiting if recover(raw) == recover(first)]
        self.reach(mine or [first], Stage.SENT)
        if self.arena.find_ready() is not None:
            self.arena.mine()
            self.reach(mine or [first], Stage.MINED)

    # --- the play ---

    def run(self) -> Outcome:
        """Play to the end and check it."""
        self.rest()
        self.arena.pass_time(1)
        self.rest()  # what failed is decided anew
        for _ in range(SLOW_BLOCKS):
            self.arena.pass_time(SLOW_SECONDS)
            self.rest()
        self.check()
        return self.outcome

    def rest(self) -> None:
        """Both move in turn until none has a move."""
        for _ in range(200):
            active = self.act(self.good)
            if not self._is_silent():
                active = self.act(self.bad) or active
            if not active:
                return
        raise AssertionError("they never come to rest")

    def _is_silent(self) -> bool:
        """Whether the liar has said all that it will on this branch of the chain."""
        if self.setting is not Setting.SILENT:
            return False
        said = [key for key, failed in self._list_mined(LIAR.address) if not failed]
        return any(key.startswith("commit ") for key in said)

    def _list_mined(self, sender: bytes) -> list[tuple[str, bool]]:
        """Return an account's transactions on the chain, by intention, and whether they failed."""
        receipts = self.arena.history.receipts
        return [
            (self.keys[raw], receipts["0x" + keccak(raw).hex()]["status"] == "0x0")
            for raw in self.arena.list_mined(sender)
        ]

    def act(self, player: Player) -> bool:
        """Whether a step came to something; what cannot be told now is asked a block later."""
        self.acting = player
        try:
            active = bool(player.step())
        except Rewind:
            player.rewind()
            active = True
        except Temporary:
            self.arena.pass_time(1)
            active = True
        except KilledError:
            player.come_back()
            return self.act(player)  # what waits in the pool may still wait
        self.acting = None
        while self.arena.find_ready() is not None:
            self.mine()
            active = True
        return active

    # --- the end ---

    def check(self) -> None:
        """The truth is final, each liar slashed once, the honest stake back, no move made twice."""
        self.good.step()
        self.field.check_won(self.good, *self.liars)
        assert sorted(self._list_slashed()) == sorted(self.liars)
        self._check_moves()
        self._check_stake()
        self.good.journal.close()
        self.bad.journal.close()

    def _list_slashed(self) -> list[bytes]:
        topic = "0x" + contracts.compute_topic("Rollup", "StakeSlashed").hex()
        logs = [log for log in self.arena.history.logs if log["topics"][0] == topic]
        return [bytes.fromhex(log["topics"][1][-40:]) for log in logs]

    def _check_moves(self) -> None:
        """None is made twice; none fails but of those that the branch that is gone knew."""
        moves = self._list_mined(ONE.address)
        made = [key for key, failed in moves if not failed]
        for key, failed in moves:
            (self.outcome.failed if failed else self.outcome.done)[key.split()[0]] += 1
        assert len(made) == len(set(made)), made
        assert self.outcome.failed.total() <= self.stale, self.outcome.failed

    def _check_stake(self) -> None:
        rollup, arena = self.arena.rollup, self.arena
        rollup.request_withdrawal(sender=ONE.address)
        arena.pass_time(T)
        before = arena.balance(ONE.address)
        rollup.withdraw_stake(ONE.address, sender=ONE.address)
        assert arena.balance(ONE.address) - before == arena.settings.stake
