"""The clock model of duels: random schedules, climbing ones, all of one rival; on contracts too."""

from __future__ import annotations

from collections import Counter

from scripts.soak.part import Block, Part, Result
from tests.clocks.attacks import ATTACKS, D, T
from tests.clocks.exhaustive import LOST, Task, play_again
from tests.clocks.exhaustive import search as search_all
from tests.clocks.genome import Genome, make
from tests.clocks.mirror import Mirror
from tests.clocks.schedule import LATENCIES
from tests.clocks.search import GRACE, run_on, search

RESPONSE = 9
#: a window a block, in turn; and so many schedules of a block run on the contracts
WINDOWS = (10, 11, 12)
ON_CONTRACTS = 10
#: rules that random schedules miss within a block's budget; their attacks are written out
WRITTEN_OUT = {"S2", "S3", "S4", "S5", "S6", "S7", "C2", "C3", "C5", "K1, proposer", "K2", "M2"}


def run(block: Block) -> Result:
    """Search; an assertion that fails names the schedule."""
    pick = block.rng()
    found = search(pick, block.items)
    assert found.failure is None, (found.failure[0], found.failure[1].show())
    counts = Counter(found.counts)
    # blocks add up, so the extremes are counted by their value
    counts[f"blocks whose worst delay is {found.excess} latencies"] += 1
    counts[f"blocks whose least margin is {found.margin} of {T} s"] += 1
    window = WINDOWS[block.number % len(WINDOWS)]
    for order in ("honest", "liar", "other"):
        for honest_first in (False, True):
            counts += search_exhaustively(window, order, honest_first)
    for _ in range(ON_CONTRACTS):
        counts += mirror(make(pick, T, D))
    for attack in ATTACKS:
        if attack.rule not in WRITTEN_OUT and block.number < 3:
            broken = search(pick, block.items // 2, without=(attack.rule,)).failure
            counts[f"without {attack.rule}, found"] += broken is not None
    return Result(counts)


def search_exhaustively(window: int, order: str, honest_first: bool) -> Counter[str]:
    """Every schedule of one rival for each budget up to T - D; the worst on the contracts too."""
    counts: Counter[str] = Counter()
    for budget in range(window - RESPONSE + 1):
        found = search_all.__wrapped__(Task(window, RESPONSE, budget, order, honest_first))
        assert found.worst < LOST, found.schedule
        assert found.worst <= window + budget + LATENCIES, found.schedule
        chain = play_again(found.task, found.schedule, Mirror)
        assert chain.final_at[1:] == [found.worst]
        counts["one rival, states"] += found.states
        counts["one rival, searches"] += 1
    return counts


def mirror(genome: Genome) -> Counter[str]:
    """One random schedule on model and contracts."""
    chain = Mirror(
        window=T, response=D, grace=GRACE, batches=3, gap=genome.gap, sequencer=genome.sequencer
    )
    outcome = run_on(chain, genome)
    assert not outcome.broken, (genome, outcome.show())
    chain.check()
    return Counter({"on the contracts, schedules": 1, "on the contracts, calls": chain.calls})


PART = Part("clocks", "the clock model of duels, on itself and on the contracts", run, 3, 1_500)
