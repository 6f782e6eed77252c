"""One rival against the honest party: every schedule there is, on the model itself.

Second by second the adversary chooses whether the honest party is cut off (within a budget), when
the rival joins, each of its reveals, and its champion's commit; whatever it can strike it strikes
at once. Duels share no clock, and the honest party moves in all of them in one second, so one
rival with one champion is the worst for the clocks. A fork that one rival alone disputes never
opens again, since neither dies before T after the truth came: that is for the random schedules.
States that are alike are visited once. The worst schedule comes out as data that plays again on
the model and on the contracts.
"""

from __future__ import annotations

import copy
import functools
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from tests.clocks import contents
from tests.clocks.game import BOUT_MOVES, Chain, Duel
from tests.clocks.honest import Honest
from tests.clocks.rollup import DEFEATED, attempt

LOST = 10**6
LIAR, LIARS_CHAMPION, GARBAGE = "z1", "z2", "z3"


class Choice(tuple[bool, str]):
    """Whether the honest party is cut off in this second, and what the rival does."""


@dataclass(frozen=True)
class Task:
    """A search: `order` says who is first, `budget` how many seconds may be cut.

    Orders: "honest" posts the truth at 0; "liar" posts the lie at 0; "other" posts the truth at 0
    for a proposer that never moves.
    """

    window: int
    response: int
    budget: int
    order: str = "honest"
    honest_first: bool = False
    without: tuple[str, ...] = ()
    with_garbage: bool = False

    def begin(self, kind: type[Chain] = Chain) -> tuple[Chain, Honest]:
        sequencer = {"honest": "h", "liar": LIAR, "other": "z0"}[self.order]
        chain = kind(
            window=self.window,
            response=self.response,
            batches=1,
            sequencer=sequencer,
            without=self.without,
        )
        for who in ("h", "z0", LIAR, LIARS_CHAMPION, GARBAGE):
            chain.deposit_stake(who)
        if self.order == "liar":
            chain.propose(LIAR, 0, 0, 1)
        else:
            chain.propose(sequencer, 0, 0, contents.TRUTH)
        return chain, Honest(chain)


@dataclass
class Search:
    """`worst` is the latest second of finality, LOST if the truth can be beaten; see `schedule`."""

    task: Task
    worst: int = -1
    states: int = 0
    schedule: list[Choice] = field(default_factory=list)


@functools.cache
def search(task: Task) -> Search:
    chain, honest = task.begin()
    known: dict[object, tuple[int, Choice | None]] = {}
    found = Search(task)
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)  # one frame a second of the schedule
    try:
        found.worst = _visit(task, chain, honest, task.budget, known)
    finally:
        sys.setrecursionlimit(usual)  # parsers of hostile text rely on it
    found.states = len(known)
    budget = task.budget
    while (entry := known.get(_key(chain, budget))) and entry[1] is not None:
        found.schedule.append(entry[1])
        take_second(task, chain, honest, entry[1])
        budget -= entry[1][0]
        chain.wait_until(chain.now + 1)
    return found


def _visit(
    task: Task,
    chain: Chain,
    honest: Honest,
    budget: int,
    known: dict[object, tuple[int, Choice | None]],
) -> int:
    key = _key(chain, budget)
    if key in known:
        return known[key][0]
    best: tuple[int, Choice | None] = (-1, None)
    for choice in list_choices(task, chain, budget):
        next_chain = clone(chain)
        next_honest = Honest(next_chain)
        take_second(task, next_chain, next_honest, choice)
        end = judge(task, next_chain)
        if end is None:
            next_chain.now += 1
            end = _visit(task, next_chain, next_honest, budget - choice[0], known)
        if end > best[0]:
            best = end, choice
        if end >= LOST:
            break
    known[key] = best
    return best[0]


def judge(task: Task, chain: Chain) -> int | None:
    """When the truth became final, LOST if it never will; None while it is open."""
    if len(chain.finals) > 1:
        return chain.now if chain.assertions[chain.finals[1]].is_true else LOST
    if any(n.is_true and n.status == DEFEATED for n in chain.assertions.values()):
        return LOST
    return LOST if chain.now > 5 * task.window + 40 else None


def list_choices(task: Task, chain: Chain, budget: int) -> list[Choice]:
    moves = ["wait"]
    lies = [n for n in chain.assertions.values() if n.content == 1]
    if not lies:
        moves.append("join")
    for duel in chain.duels.values():
        if not chain.are_pending(duel):
            continue
        side = duel.sides.index(lies[0].id)
        if not duel.is_found:
            if duel.turn == side and chain.now - duel.last < duel.rem[side]:
                moves.append("move")
        else:
            if (side, LIARS_CHAMPION) not in duel.champions:
                moves.append("commit")
            if task.with_garbage and (1 - side, GARBAGE) not in duel.champions:
                moves.append("garbage")
            for bout in duel.bouts.values():
                late = chain.now - bout.last >= bout.rem[side]
                if bout.turn == side and bout.moves < BOUT_MOVES and not late:
                    moves.append("move")
    cuts = (False, True) if budget > 0 else (False,)
    return [Choice((cut, move)) for cut in cuts for move in dict.fromkeys(moves)]


def take_second(task: Task, chain: Chain, honest: Honest, choice: Choice) -> None:
    if task.honest_first:
        honest.act(not choice[0])
    rival(chain, choice[1])
    if not task.honest_first:
        honest.act(not choice[0])


def rival(chain: Chain, move: str) -> None:
    """What the adversary does in one second: its choice, and then whatever it may strike."""
    if move == "join":
        attempt(chain.propose, LIAR, 0, 0, 1)
    _meet(chain)
    for duel in list(chain.duels.values()):
        nodes = [chain.assertions[id] for id in duel.sides]
        side = 0 if nodes[0].content == 1 else 1
        if move == "commit":
            attempt(chain.commit, duel, side, LIARS_CHAMPION)
        elif move == "garbage":
            attempt(chain.commit, duel, 1 - side, GARBAGE, 1)
        elif move == "move":
            _move(chain, duel, side)
        for pair in list(duel.bouts):
            attempt(chain.timeout_bout, duel, *pair)
        attempt(chain.defeat, duel, 1 - side)
    for id in list(chain.children[0]):
        if not chain.assertions[id].is_true:
            attempt(chain.finalize, id)


def _meet(chain: Chain) -> None:
    living = chain.living(0)
    if len(living) == 2:
        pair = chain.sort_pair(*living)
        if pair not in chain.duels:
            attempt(chain.open_duel, *pair)


def _move(chain: Chain, duel: Duel, side: int) -> None:
    if not duel.is_found:
        if duel.turn == side:
            attempt(chain.outer, duel)
        return
    for pair, bout in list(duel.bouts.items()):
        if bout.turn == side and bout.moves < BOUT_MOVES:
            attempt(chain.bout_move, duel, *pair)


def play_again(task: Task, schedule: Iterable[Choice], kind: type[Chain] = Chain) -> Chain:
    """Play a schedule on another kind of chain."""
    chain, honest = task.begin(kind)
    for choice in schedule:
        take_second(task, chain, honest, choice)
        if judge(task, chain) is not None:
            break
        chain.wait_until(chain.now + 1)
    return chain


def clone(chain: Chain) -> Chain:
    """A copy that shares nothing that changes; the log stays behind."""
    made = copy.copy(chain)
    made.assertions = {id: replace(node) for id, node in chain.assertions.items()}
    made.children = {id: list(below) for id, below in chain.children.items()}
    made.made = dict(chain.made)
    made.started_at = dict(chain.started_at)
    made.stakes = {who: replace(stake) for who, stake in chain.stakes.items()}
    made.championed = dict(chain.championed)
    made.duels = {pair: _clone_duel(duel) for pair, duel in chain.duels.items()}
    made.finals, made.final_at = list(chain.finals), list(chain.final_at)
    made.slashed, made.log = list(chain.slashed), []
    return made


def _clone_duel(duel: Duel) -> Duel:
    return replace(
        duel,
        rem=list(duel.rem),
        movers=[],
        alive=list(duel.alive),
        champions={key: replace(found) for key, found in duel.champions.items()},
        bouts={key: replace(b, rem=list(b.rem), movers=[]) for key, b in duel.bouts.items()},
    )


def _key(chain: Chain, budget: int) -> object:
    nodes = tuple((n.created_at, n.content, n.status) for n in chain.assertions.values())
    duels = tuple(
        (
            *(d.a, d.last, *d.rem, d.moves),
            tuple((*key, c.committed_at, c.status) for key, c in d.champions.items()),
            tuple((b.first, b.last, *b.rem, b.moves) for b in d.bouts.values()),
        )
        for d in chain.duels.values()
    )
    return chain.now, budget, nodes, duels
