"""An honest agent's moves in many duels at once: kills, re-orgs, front-runs and stuck ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from oyez.chain.keys import Key
from oyez.protocol.errors import Rewind, Temporary
from oyez.protocol.types import Address, Status
from tests.contracts.duelling import Side, post
from tests.contracts.harness import SEQUENCER
from tests.contracts.interrupted import Cut
from tests.contracts.test_honest_duels import LIAR, ONE, SECOND, THIRD, TWO, Field
from tests.embedded_pool import Pooled, read
from tests.services import KilledError, kill

FOURTH = Key(bytes([12]) * 32)
LIARS = (SEQUENCER, LIAR.address, SECOND.address, THIRD.address, FOURTH.address)


class Many:
    """A truth and so many lies on a chain with a pool; the agent's waits are blocks."""

    def __init__(self, home: Path) -> None:
        self.arena = Pooled()
        self.field = Field(home, self.arena, (FOURTH,))
        self.lies: list[Side] = []
        for i, who in enumerate(LIARS):
            lie = self.field.run((i % 4, 3, 700, 5 + i), salt=i)
            self.lies.append(post(self.arena, lie, who))
        self.node = self.field.node(ONE, self.field.truth, pause=self.pause, patience=2)
        self.arena.is_held = True
        self.waits: list[Callable[[], None]] = []
        self.step()
        assert self.node.moves == ["propose"]

    def pause(self, _seconds: float) -> None:
        """A block, after what is to happen before it."""
        if self.waits:
            self.waits.pop(0)()
        self.arena.mine()

    def step(self) -> bool:
        """One step; after a kill in a new process."""
        try:
            return bool(self.node.step())
        except KilledError:
            self.node.journal.close()
            self.node.restart()
        except Rewind:
            self.node.rewind()
        except Temporary:
            pass
        return True

    def settle(self) -> None:
        for _ in range(60):
            if not self.step():
                return
        raise AssertionError("it never comes to rest")

    def list_mined(self) -> list[list[bytes]]:
        """The agent's transactions by block, fillers as nothing."""
        return [
            [bytes(read(raw)["data"]) for raw in block]
            for block in self.arena.mined.values()
            if block
        ]

    def check_opened(self) -> None:
        """Each duel is open and begun, and no transaction of the agent's went twice."""
        assert self.node.deriver.duels is not None
        contests = self.node.deriver.duels.list_all()
        assert len(contests) == len(self.lies)
        assert all(len(contest.movers) == 2 for contest in contests)
        sent = [data for block in self.list_mined() for data in block if data]
        assert max(Counter(sent).values()) == 1

    def check_won(self) -> None:
        """Silent liars lose all they have."""
        self.arena.is_held = False
        self.field.pass_window(self.node)
        assert {self.field.status(lie) for lie in self.lies} == {Status.DEFEATED}
        self.field.check_won(self.node, *LIARS)


@pytest.fixture
def many(tmp_path: Path) -> Many:
    return Many(tmp_path)


def test_a_turn_in_every_duel_takes_one_block(many: Many) -> None:
    """Openings in one, the first reveals in the next. Rule: CHAL-47"""
    many.settle()
    assert many.node.moves == ["propose", *["open_duel"] * 5, *["start"] * 5]
    assert [len(block) for block in many.list_mined()] == [1, 5, 5]
    many.check_opened()
    many.check_won()
    assert Counter(many.node.moves)["defeat"] == 5


@pytest.mark.parametrize("left", range(10))
def test_a_kill_before_any_operation_of_a_round_costs_nothing(
    many: Many, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    """Five are signed and sent, one after the other; killed before each. Rule: SEQ-6, SEQ-32"""
    with monkeypatch.context() as patch:
        cut = Cut(patch, many.node, kill, left)
        many.settle()
    assert cut.left < 0
    many.check_opened()
    assert [len(block) for block in many.list_mined()] == [1, 5, 5]
    # one signature for each
    assert len(many.node.journal.list_sent()) == 11
    many.check_won()


def test_a_kill_after_all_are_sent_and_none_is_mined_costs_nothing(many: Many) -> None:
    """The bytes that wait are mined; nothing is signed anew. Rule: SEQ-6, SEQ-32"""
    many.waits.append(kill)
    many.step()
    before = dict(many.arena.pool["0x" + ONE.address.hex()])
    assert sorted(before) == [1, 2, 3, 4, 5]
    many.settle()
    assert list(many.arena.mined.values())[-2] == [raw for _, raw in sorted(before.items())]
    many.check_opened()
    many.check_won()


@pytest.mark.parametrize("is_kept", [False, True])
@pytest.mark.parametrize("dies", [False, True])
def test_a_reorg_that_drops_a_block_of_ours_brings_the_same_bytes_back(
    many: Many, is_kept: bool, dies: bool
) -> None:
    """The node's pool may take up what was removed, or not. Rule: CHAL-8, CHAL-20, SEQ-32"""
    restore = many.arena.take_snapshot()
    many.step()
    removed = list(many.arena.mined.values())[-1]
    assert len(removed) == 5
    restore()
    many.arena.mined.popitem()
    if is_kept:
        for raw in removed:
            many.arena.send_raw(raw)
    many.arena.pass_time(7)
    if dies:
        many.node.journal.close()
        many.node.restart()
    many.settle()
    assert list(many.arena.mined.values())[1] == removed
    many.check_opened()
    many.check_won()


@pytest.mark.parametrize("gone", range(5))
def test_an_intention_that_was_dropped_leaves_a_gap_that_is_filled(many: Many, gone: int) -> None:
    """A re-org took it, and those behind it are wanted. Rule: CHAL-20, SEQ-20"""
    restore = many.arena.take_snapshot()
    many.step()
    opened = list(many.arena.mined.values())[-1]
    restore()
    many.arena.mined.popitem()
    many.arena.pass_time(7)
    signed = many.node.journal.list_signed()
    lost = next(key for key, kept in signed.items() if kept.raw == opened[gone])
    many.node.journal.drop_signed(lost)
    many.settle()
    again = list(many.arena.mined.values())[1]
    if gone == 4:  # nothing waits behind it: it is signed again
        assert again[:4] == opened[:4]
    else:
        assert again[:5] == [*opened[:gone], again[gone], *opened[gone + 1 :]]
        assert read(again[gone])["data"] == b""
    assert len(again) == 5 + (gone < 4)
    many.check_opened()
    many.check_won()


def test_a_reorg_forgets_what_was_on_its_way(many: Many) -> None:
    """The journal has it, should it be wanted again. Rule: CHAL-20"""
    many.arena.room = 0
    many.step()
    assert many.node.sender.open_flight().waiting == 5
    many.node.rewind()
    assert many.node.sender.open_flight().waiting == 0
    many.arena.room = 1_000
    many.settle()
    assert [len(block) for block in many.list_mined()] == [1, 5, 5]
    many.check_opened()


def test_one_that_is_overtaken_holds_up_no_other(many: Many) -> None:
    """Another opens the third duel before the block with all five. Rule: CHAL-19, CHAL-43"""

    def overtake() -> None:
        call = read(many.arena.pool["0x" + ONE.address.hex()][3])
        many.arena.call(
            Address(bytes(call["to"])), bytes(call["data"]), sender=TWO.address, value=0, view=False
        )

    many.waits.append(overtake)
    many.step()
    assert many.node.moves == ["propose", *["open_duel"] * 4]
    assert [facts["move"] for facts in many.node.log.named("overtaken")] == ["open_duel"]
    many.settle()
    assert many.node.moves.count("start") == 5
    many.check_opened()
    many.check_won()


def test_a_round_that_became_too_cheap_is_raised_and_mined(many: Many) -> None:
    """Blocks fill up after it was sent. Rule: SEQ-6, SEQ-32"""
    many.waits.append(lambda: setattr(many.arena, "base_fee", 10**9))
    many.step()  # its patience ends with the raise; the next step tells what came of it
    assert many.node.moves == ["propose"]
    many.settle()
    assert many.node.moves == ["propose", *["open_duel"] * 5, *["start"] * 5]
    fees = [read(raw)["maxFeePerGas"] for block in many.arena.mined.values() for raw in block]
    assert [fee >= 10**9 for fee in fees] == [False, *[True] * 10]
    assert [len(block) for block in many.list_mined()] == [1, 5, 5]
    many.check_opened()
    many.arena.base_fee = 0
    many.check_won()


def test_blocks_with_room_for_two_take_them_in_order(many: Many) -> None:
    """Rule: CHAL-47"""
    many.arena.room = 2
    many.settle()
    assert [len(block) for block in many.list_mined()] == [1, *[2] * 5]
    many.check_opened()
    many.check_won()
