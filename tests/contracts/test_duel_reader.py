"""A sequencer's duels follow the chain through re-orgs without reading it all again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oyez.derivation.follow import Checkpoint
from oyez.dispute.duels import Duels
from oyez.protocol.errors import Rewind
from sequencer import duel_reader
from sequencer.duel_reader import DuelReader
from tests.contracts.duelling import post
from tests.contracts.harness import SEQUENCER
from tests.contracts.test_honest_duels import CHANGE, LIAR, ONE, Field
from tests.duel_node import DuelNode


class Reader:
    """A reader, the chain's newest block, and from which block on logs were asked for."""

    def __init__(self, field: Field, node: DuelNode, patch: pytest.MonkeyPatch) -> None:
        self.field = field
        self.asked: list[int] = []
        self.chain, self.place, self.levels = field.chain, node.deployment, node.levels
        self.reader = self.make()
        original = field.chain._eth_getLogs

        def noted(query: dict[str, Any]) -> list[dict[str, Any]]:
            self.asked.append(int(query["fromBlock"], 16))
            return original(query)

        patch.setattr(field.chain, "_eth_getLogs", noted)

    def make(self) -> DuelReader:
        return DuelReader(self.chain, self.place, Duels(self.levels))

    def newest(self) -> Checkpoint:
        block = self.chain.fetch_block("latest")
        return Checkpoint(block.number, block.hash)

    def check(self, reader: DuelReader) -> None:
        """It tells what one tells that begins anew."""
        expected = self.make().read(self.newest()).list_all()
        assert [c.duel for c in reader.read(self.newest()).list_all()] == [c.duel for c in expected]
        assert expected


@pytest.fixture
def play(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Reader, Callable[[], Callable[[], None]]]:
    field = Field(tmp_path)
    lie = post(field.arena, field.run(CHANGE), SEQUENCER)
    good, bad = field.node(ONE, field.truth), field.node(LIAR, lie)
    reader = Reader(field, good, monkeypatch)

    def move() -> Callable[[], None]:
        """One move each; return what takes them back."""
        back = field.arena.take_snapshot()
        for node in (good, bad):
            try:
                node.step()
            except Rewind:
                node.rewind()
                node.step()
        return back

    return reader, move


def test_a_short_reorg_is_read_from_the_common_block_on(
    play: tuple[Reader, Callable[[], Callable[[], None]]],
) -> None:
    """Rule: SEQ-31"""
    seen, move = play
    move()
    for _ in range(4):
        move()
        seen.reader.read(seen.newest())
    kept = seen.newest()
    back = move()
    seen.reader.read(seen.newest())
    back()
    seen.field.arena.pass_time(5)
    move()
    with pytest.raises(Rewind):
        seen.reader.read(seen.newest())
    seen.reader.rewind()
    seen.asked.clear()
    seen.reader.read(seen.newest())
    assert seen.asked == [kept.number + 1]
    seen.check(seen.reader)


def test_a_long_reorg_has_all_read_again(
    play: tuple[Reader, Callable[[], Callable[[], None]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule: SEQ-31"""
    monkeypatch.setattr(duel_reader, "KEPT", 2)
    seen, move = play
    move()
    back = move()
    for _ in range(3):
        move()
        seen.reader.read(seen.newest())
    assert len(seen.reader._kept) == 2
    back()
    seen.field.arena.pass_time(5)
    for _ in range(4):
        move()
    with pytest.raises(Rewind):
        seen.reader.read(seen.newest())
    seen.reader.rewind()
    seen.asked.clear()
    seen.reader.read(seen.newest())
    assert seen.asked == [0]
    seen.check(seen.reader)


def test_an_earlier_block_is_told_of_too(
    play: tuple[Reader, Callable[[], Callable[[], None]]],
) -> None:
    """The store went back by itself. Rule: SEQ-30"""
    seen, move = play
    places = []
    for _ in range(4):
        move()
        places.append(seen.newest())
        seen.reader.read(places[-1])
    told = [c.duel for c in seen.reader.read(places[1]).list_all()]
    assert told == [c.duel for c in seen.make().read(places[1]).list_all()]
