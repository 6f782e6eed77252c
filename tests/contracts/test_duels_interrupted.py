"""An honest agent killed, or the chain taken back, before its durable operations in a duel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from oyez.protocol.errors import Temporary
from tests.contracts.duelling import post
from tests.contracts.harness import SEQUENCER
from tests.contracts.test_honest_duels import CHANGE, LIAR, ONE, Field, act
from tests.duel_node import DuelNode
from tests.embedded import EmbeddedChain
from tests.services import KilledError, kill

#: Of the operations of a whole duel, put_signed and send_raw for each of the agent's moves.
KILLS = (0, 1, 5, 9, 13, 17, 18)
REORGS = (2, 5, 9, 12, 15)


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


def play(field: Field, good: DuelNode, bad: DuelNode) -> None:
    """Both sides move until they rest; the honest one comes back after a kill."""
    for _ in range(80):
        try:
            active = act(good)
        except KilledError:
            good.journal.close()
            good.restart()
            active = True
        if not (act(bad) or active):
            return
    raise AssertionError("they never come to rest")


def make(tmp_path: Path) -> tuple[Field, DuelNode, DuelNode]:
    field = Field(tmp_path)
    field.chain = EmbeddedChain(field.arena)
    lie = post(field.arena, field.run(CHANGE), SEQUENCER)
    good = field.node(ONE, field.truth)
    field.chain = EmbeddedChain(field.arena)  # the liar's own connection
    return field, good, field.node(LIAR, lie)


@pytest.mark.parametrize("left", KILLS)
def test_a_kill_before_any_operation_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    """Each move is sent once. Rule: CHAL-41, SEQ-6"""
    field, good, bad = make(tmp_path)
    with monkeypatch.context() as patch:
        cut = Cut(patch, good, kill, left)
        play(field, good, bad)
        field.pass_window(good)
    field.check_won(good, LIAR.address, SEQUENCER)
    assert cut.left < 0
    sent = field.arena.history.sent["0x" + good.address.hex()]
    # one that was signed and not sent before the kill may be the liar's or nobody's move after it
    assert len(good.journal.list_sent()) - sent in (0, 1)


@pytest.mark.parametrize("dies", [False, True])
@pytest.mark.parametrize("left", REORGS)
def test_a_reorg_before_any_operation_ends_with_the_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int, dies: bool
) -> None:
    """What was mined since the lie is gone, once; the liar moves at other times. Rule: CHAL-20"""
    field, good, bad = make(tmp_path)
    restore = field.arena.take_snapshot()

    def reorganise() -> None:
        restore()
        field.arena.pass_time(11)
        if dies:
            kill()
        raise Temporary("the chain changed its mind")

    with monkeypatch.context() as patch:
        Cut(patch, good, reorganise, left)
        play(field, good, bad)
    field.pass_window(good)
    field.check_won(good, LIAR.address, SEQUENCER)
