"""The shipped client, sender and journal included, against many lies at once on a real node."""

from __future__ import annotations

import pytest

from oyez.dispute import responder
from tests.actors.duels import onslaught

#: Thirty blocks of T, and six lies with a champion each: nine moves or ten against every one.
LIES, WINDOW, RESPONSE = 6, 150, 60


def test_many_lies_are_beaten_in_a_few_blocks_each_turn() -> None:
    """Each turn in all of them is one block; the soak does it with 24 and 48 lies at T = 600 s.

    Rule: CHAL-39, CHAL-47
    """
    outcome = onslaught.play(LIES, window=WINDOW, response=RESPONSE)
    assert outcome.most > LIES
    assert outcome.left >= WINDOW - 12 * onslaught.BLOCK
    assert outcome.moves["resolve"] == LIES


def test_the_same_lies_win_against_one_move_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the play above shows what sending together is for. Rule: CHAL-47"""
    monkeypatch.setattr(responder, "MOST_WAITING", 1)
    with pytest.raises(AssertionError, match="the batch is not final"):
        onslaught.play(LIES, window=WINDOW, response=RESPONSE)
