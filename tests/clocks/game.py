"""DuelGame and MovePay as events in time, above the model of Rollup.

A trace is its content, a bout's end `contents.judge`. See tests/clocks/rollup.py for refusals and
`without`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.clocks import contents
from tests.clocks.rollup import ANYONE, DEFEATED, PENDING, Nonsense, Refused, Rollup, need

OUTER_MOVES, BOUT_MOVES = 7, 4
#: in units of 1/1,000 of a stake: the share that pays moves, and what one move is paid
QUARTER, MOVE_PAY = 250, 8
ALIVE, OUT, RELEASED = "alive", "out", "released"
NOT_ITS = "duel: not side {}'s champion"


@dataclass(slots=True)
class Champion:
    staker: str
    side: int
    garbage: int
    committed_at: int
    status: str = ALIVE


@dataclass(slots=True)
class Bout:
    first: int
    last: int
    rem: list[int]
    moves: int = 0
    is_resolved: bool = False
    movers: list[str] = field(default_factory=list)

    @property
    def turn(self) -> int:
        return self.first ^ (self.moves & 1)


@dataclass(slots=True)
class Duel:
    a: int
    b: int
    last: int
    rem: list[int]
    movers: list[str]
    moves: int = 0
    alive: list[int] = field(default_factory=lambda: [0, 0])
    champions: dict[tuple[int, str], Champion] = field(default_factory=dict)
    bouts: dict[tuple[str, str], Bout] = field(default_factory=dict)

    @property
    def sides(self) -> tuple[int, int]:
        return self.a, self.b

    @property
    def turn(self) -> int:
        """The newer side moves first."""
        return 1 ^ (self.moves & 1)

    @property
    def is_found(self) -> bool:
        return self.moves == OUTER_MOVES


class Chain(Rollup):
    """One chain with its duels."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.duels: dict[tuple[int, int], Duel] = {}
        self.paid: set[object] = set()
        self.drawn: dict[str, int] = {}
        self.credit: dict[str, int] = {}

    def outranks(self, one: str, other: str) -> bool:
        """Order of champions of one second; by their addresses on chain."""
        return one > other

    # --- the outer tree ---

    def are_pending(self, duel: Duel) -> bool:
        return all(self.assertions[id].status == PENDING for id in duel.sides)

    def is_older(self, one: int, other: int) -> bool:
        a, b = self.assertions[one].created_at, self.assertions[other].created_at
        return a < b or (a == b and one != other and self.precedes(one, other))

    def sort_pair(self, one: int, other: int) -> tuple[int, int]:
        return (one, other) if self.is_older(one, other) else (other, one)

    def open_duel(self, a: int, b: int, by: str = ANYONE) -> Duel:
        older, newer = self.assertions[a], self.assertions[b]
        need(older.parent == newer.parent, "duel: no siblings")
        need(older.status == PENDING, "duel: older not pending")
        need(newer.status == PENDING, "duel: newer not pending")
        need(self.is_older(a, b), "duel: older first")
        need((a, b) not in self.duels, "duel: open already")
        need(newer.allowance > 0, "an allowance below zero")
        rem = [older.allowance, newer.allowance]
        duel = self.duels[a, b] = Duel(a, b, newer.created_at, rem, [by])
        self.say("OPENED", a, b)
        return duel

    def outer(self, duel: Duel, by: str = ANYONE) -> None:
        """The one justified reveal of the side on turn, `start`, `advance` or `last`."""
        mine, theirs = (self.assertions[id].content for id in self.on_turn(duel))
        known = mine != contents.NOISE and not (
            duel.moves and contents.SAME_TRACE in (mine, theirs)
        )
        if not known:
            raise Nonsense("nobody knows a reveal")
        need(not duel.is_found, "duel: no descent runs")
        elapsed = self.now - duel.last
        need(elapsed < duel.rem[duel.turn], "duel: time is up")
        duel.rem[duel.turn] -= elapsed
        duel.last = self.now
        duel.moves += 1
        duel.movers.append(by)

    def on_turn(self, duel: Duel) -> tuple[int, int]:
        return duel.sides[duel.turn], duel.sides[1 - duel.turn]

    def defeat(self, duel: Duel, side: int, by: str = ANYONE) -> None:
        need(self.are_pending(duel) or "S2" in self.without, "duel: moot")
        elapsed = self.now - duel.last
        if duel.is_found:
            need(elapsed >= duel.rem[side], "duel: champions may come")
            need(duel.alive[side] == 0, "duel: a champion lives")
        else:
            need(duel.turn == side, "duel: the other is on turn")
            need(elapsed >= duel.rem[side], "duel: not late")
        self.strike(duel.sides[side])

    # --- champions ---

    def commit(self, duel: Duel, side: int, who: str, garbage: int = 0) -> None:
        need(duel.is_found, "duel: no commits now")
        need(self.now - duel.last < duel.rem[side], "duel: too late to commit")
        id, rival = duel.sides[side], duel.sides[1 - side]
        if self.assertions[id].content == contents.NOISE:
            raise Nonsense("nobody knows an inner tree")
        need(self.assertions[rival].status == PENDING, "duel: rival not pending")
        need((side, who) not in duel.champions, "duel: champion already")
        need(self.assertions[id].status == PENDING, "rollup: nothing to champion")
        parent = self.assertions[id].parent
        if "K1" in self.without:
            need(all(s != side for s, _ in duel.champions), "an inner root already")
        elif "K1, proposer" in self.without:
            need(who == self.assertions[id].proposer, "the proposer alone")
        else:
            self.check_armed(who)
            first = self.championed.setdefault((who, parent), id)
            need(first == id or "S4" in self.without, "rollup: champions a sibling")
        self.stake_of(who).championships += 1
        duel.champions[side, who] = Champion(who, side, garbage, self.now)
        duel.alive[side] += 1
        self.say("COMMITTED", who, "for", id, "against", rival, "garbage" if garbage else "")

    def put_out(self, duel: Duel, champion: Champion, how: str) -> None:
        champion.status = OUT
        duel.alive[champion.side] -= 1
        self.say("OUT", champion.staker, "of", duel.sides, how)
        self.slash(champion.staker)

    def expel(self, duel: Duel, side: int, who: str, by: str = ANYONE) -> None:
        champion = self.find_alive(duel, side, who, "duel: no champion to expel")
        fell = self.assertions[duel.sides[side]].status == DEFEATED
        if fell and "S3" not in self.without:
            self.put_out(duel, champion, "by its fall")
            return
        need(not self.is_live(who), "duel: champion in good standing")
        need(self.are_pending(duel), "duel: moot")
        self.put_out(duel, champion, "by its stake")

    def release(self, duel: Duel, side: int, who: str, by: str = ANYONE) -> None:
        champion = self.find_alive(duel, side, who, "duel: no champion to release")
        need(not self.are_pending(duel), "duel: still on")
        fell = self.assertions[duel.sides[side]].status == DEFEATED
        need(not fell or "S3" in self.without, "duel: falls with its assertion")
        champion.status = RELEASED
        duel.alive[side] -= 1
        if self.is_live(who):
            self.stakes[who].championships -= 1
        self.say("RELEASED", who, "of", duel.sides)

    def find_alive(self, duel: Duel, side: int, who: str, reason: str) -> Champion:
        champion = duel.champions.get((side, who))
        if champion is None or champion.status != ALIVE:
            raise Refused(reason)
        return champion

    # --- bouts ---

    def load_bout(
        self, duel: Duel, x: str, y: str, words: str = "duel: not side {}'s champion"
    ) -> Bout:
        """The bout of side 0's champion x and side 1's y, both alive."""
        if (0, x) not in duel.champions or (1, y) not in duel.champions:
            raise Nonsense("no such champions")
        a = self.find_alive(duel, 0, x, words.format(0))
        b = self.find_alive(duel, 1, y, words.format(1))
        if (x, y) not in duel.bouts:
            times = a.committed_at, b.committed_at
            first = int(times[1] > times[0] or (times[0] == times[1] and self.outranks(y, x)))
            rem = [duel.rem[side] - (times[side] - duel.last) for side in (0, 1)]
            duel.bouts[x, y] = Bout(first, max(times), rem)
        return duel.bouts[x, y]

    def bout_move(self, duel: Duel, x: str, y: str, by: str = ANYONE) -> None:
        """The one justified move: `inner`, `advance_bout`, then `leaf` twice."""
        begun = (x, y) in duel.bouts and duel.bouts[x, y].moves > 0
        out = "duel: side {}'s champion is out" if begun else "duel: not side {}'s champion"
        if begun and duel.bouts[x, y].is_resolved:
            raise Nonsense("resolved")
        bout = self.load_bout(duel, x, y, out)
        need(bout.moves < BOUT_MOVES, "duel: no descent")
        elapsed = self.now - bout.last
        need(elapsed < bout.rem[bout.turn], "duel: time is up")
        bout.rem[bout.turn] -= elapsed
        bout.last = self.now
        bout.moves += 1
        bout.movers.append(by)

    def timeout_bout(self, duel: Duel, x: str, y: str, by: str = ANYONE) -> None:
        need(self.are_pending(duel), "duel: moot")
        bout = self.load_bout(duel, x, y)
        clocked = BOUT_MOVES - 2 if "C3" in self.without else BOUT_MOVES
        need(bout.moves < clocked, "duel: no clock runs")
        need(self.now - bout.last >= bout.rem[bout.turn], "duel: bout not late")
        staker = (x, y)[bout.turn]
        self.put_out(duel, duel.champions[bout.turn, staker], "by time")

    def resolve(self, duel: Duel, x: str, y: str, by: str = ANYONE) -> None:
        need(self.are_pending(duel), "duel: moot")
        bout = self.load_bout(duel, x, y)
        need(bout.moves > 0, "duel: another state of a bout")
        need(bout.moves == BOUT_MOVES, "duel: not resolvable")
        pair = duel.champions[0, x], duel.champions[1, y]
        sides = self.assertions[duel.a].content, self.assertions[duel.b].content
        wrong = contents.judge(sides, (pair[0].garbage, pair[1].garbage))
        bout.is_resolved = True
        bout.movers.append(by)
        for champion, is_out in zip(pair, wrong, strict=True):
            if is_out:
                self.put_out(duel, champion, "by its lane")

    # --- pay ---

    def pay_duel(self, duel: Duel, loser: int) -> None:
        beaten = self.assertions[duel.sides[loser]]
        need(beaten.status == DEFEATED, "pay: not defeated")
        moved = [duel.movers[0]]
        moved += [who for i, who in enumerate(duel.movers) if i and i & 1 != loser]
        self.pay(duel.sides, beaten.proposer, moved)

    def pay_bout(self, duel: Duel, x: str, y: str, loser: int) -> None:
        bout = duel.bouts.get((x, y))
        if bout is None or bout.moves == 0:
            raise Nonsense("no move to pay")
        staker = (x, y)[loser]
        need(duel.champions[loser, staker].status == OUT, "pay: not out")
        moves = bout.movers[: bout.moves]
        moved = bout.movers[bout.moves :]
        moved += [who for i, who in enumerate(moves) if bout.first ^ (i & 1) != loser]
        self.pay((duel.sides, x, y), staker, moved)

    def pay(self, key: object, staker: str, moved: list[str]) -> None:
        need(key not in self.paid, "pay: paid already")
        self.paid.add(key)
        for who in moved:
            amount = min(MOVE_PAY, QUARTER - self.drawn.get(staker, 0))
            self.credit[who] = self.credit.get(who, 0) + amount
            self.drawn[staker] = self.drawn.get(staker, 0) + amount
