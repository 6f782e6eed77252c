"""Random schedules on the model, on the contracts, and all schedules of one rival."""

from __future__ import annotations

import random

import pytest

from tests.clocks.attacks import D, T
from tests.clocks.exhaustive import LOST, Task, play_again, search
from tests.clocks.genome import make
from tests.clocks.mirror import Mirror
from tests.clocks.schedule import LATENCIES
from tests.clocks.search import GRACE, SEEDS, run_on
from tests.clocks.search import search as search_randomly

#: seconds of T, and the least D: eight latencies of a second, and `elapsed < rem` is strict
WINDOW, RESPONSE = 10, 9
ORDERS = pytest.mark.parametrize("order", ["honest", "liar", "other"])
POSTING = pytest.mark.parametrize("honest_first", [False, True])


def test_no_random_schedule_breaks_the_game() -> None:
    """Pipelined batches, up to 12 hostile stakes, censorship up to T - D, in pieces or whole.

    Invariant 1, Invariant 20, Invariant 21
    """
    found = search_randomly(random.Random(0), 300)
    assert found.failure is None, (found.failure[0], found.failure[1].show())
    assert found.counts["forks with a lie"] > 200
    assert found.counts["joins of a young survivor's fork"] > 0
    assert found.margin > 0


@pytest.mark.parametrize("rule", ["K1", "H1", "C6"])
def test_random_schedules_find_what_a_rule_closes(rule: str) -> None:
    """A search that cannot fail says nothing: without one rule it breaks the game."""
    found = search_randomly(random.Random(1), 400, without=(rule,))
    assert found.failure is not None


@pytest.mark.parametrize("seed", range(8))
def test_random_schedules_agree_on_the_contracts(seed: int) -> None:
    """Invariant 1, Invariant 21, Invariant 26: the contracts do what the model does."""
    genome = make(random.Random(f"contracts/{seed}"), T, D)
    chain = Mirror(
        window=T,
        response=D,
        grace=GRACE,
        batches=2,
        gap=genome.gap,
        sequencer=genome.sequencer,
    )
    outcome = run_on(chain, genome)
    assert not outcome.broken, (genome, outcome.show())
    chain.check()


@pytest.mark.parametrize("seed", range(len(SEEDS)))
def test_the_seeds_of_the_search_agree_on_the_contracts(seed: int) -> None:
    """Overlapping forks, censorship, true children of others, a fork that opens again.

    Invariant 19, Invariant 21
    """
    genome = SEEDS[seed]
    chain = Mirror(window=T, response=D, grace=GRACE, batches=3, gap=genome.gap)
    outcome = run_on(chain, genome)
    assert not outcome.broken, outcome.show()
    chain.check()
    assert chain.joined_again == (seed == 3)


@ORDERS
@POSTING
def test_no_schedule_of_one_rival_breaks_the_game(order: str, honest_first: bool) -> None:
    """All of them, for each budget up to T - D: in time, T + censored + 8 latencies at most.

    Invariant 1, Invariant 20, Invariant 21, Invariant 23
    """
    for budget in range(WINDOW - RESPONSE + 1):
        found = search(Task(WINDOW, RESPONSE, budget, order, honest_first))
        assert found.worst <= WINDOW + budget + LATENCIES, found.schedule
        assert found.states > 100


@ORDERS
def test_whoever_is_censored_for_a_window_loses(order: str) -> None:
    """Invariant 23: the documented loss, at T; the search finds it."""
    found = search(Task(WINDOW, RESPONSE, WINDOW, order))
    assert found.worst == LOST
    chain = play_again(found.task, found.schedule, Mirror)
    assert isinstance(chain, Mirror)
    chain.check()
    assert not chain.is_live("h") or order == "other"


@pytest.mark.parametrize(
    ("rule", "order"), [("K1", "honest"), ("K1", "liar"), ("K1, proposer", "other"), ("C3", "liar")]
)
def test_the_exhaustive_search_finds_what_a_rule_closes(rule: str, order: str) -> None:
    """Audit 2 K1: one inner root a side, or the proposer's alone; Audit 1 C3: leaves unclocked."""
    kept = search(Task(WINDOW, RESPONSE, 1, order, with_garbage=True))
    assert kept.worst < LOST
    lost = search(Task(WINDOW, RESPONSE, 1, order, without=(rule,), with_garbage=True))
    assert lost.worst == LOST


@ORDERS
@POSTING
def test_the_worst_schedule_is_played_by_the_contracts(order: str, honest_first: bool) -> None:
    """Invariant 20: the same second of finality on chain."""
    budget = WINDOW - RESPONSE
    found = search(Task(WINDOW, RESPONSE, budget, order, honest_first))
    chain = play_again(found.task, found.schedule, Mirror)
    assert isinstance(chain, Mirror)
    chain.check()
    assert chain.final_at[1:] == [found.worst]
