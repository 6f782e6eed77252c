"""DuelGame among many: gas that no crowd raises, time that no crowd wins."""

from __future__ import annotations

import pytest

from tests.clocks.attacks import T
from tests.clocks.rivals import play_rivals
from tests.contracts.crowds import Crowd

#: what a hash with other zeros in it, or an address, may change
TOLERANCE = 400


def test_no_call_costs_more_in_a_crowd() -> None:
    """Siblings, duels and a dead chain, none and many. Invariant 37"""
    alone, among = (Crowd(count, depth).run() for count, depth in ((1, 1), (60, 40)))
    assert set(alone) == set(among)
    assert len(among) >= 20
    dearer = {name: among[name] - alone[name] for name in alone}
    assert max(dearer.values()) < TOLERANCE, dearer


@pytest.mark.parametrize("rivals", [1, 10, 25])
def test_many_rivals_win_no_more_time_than_one(rivals: int) -> None:
    """All at the last second, each with a champion that stalls; the honest party plays all.

    Final (moves + 2) latencies after T at most, and each rival costs it the same.

    Invariant 20, Invariant 22
    """
    outcome = play_rivals(rivals)
    assert not outcome.broken, outcome.show()
    assert outcome.chain.final_at[1] <= T + 12 + 2
    # of champions of one second the greater address moves first: nine transactions a rival, or ten
    assert 2 + 9 * rivals <= outcome.honest.sent.total() <= 2 + 10 * rivals
