"""The honest client of duel.md, one stake: acts on what stood before this second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from tests.clocks import contents
from tests.clocks.game import ALIVE, BOUT_MOVES, Chain, Champion, Duel
from tests.clocks.rollup import DEFEATED, PENDING, attempt

#: more seconds than any clock has
FAR = 10**9


class Honest:
    """Decides from the chain's present state alone; keeps counts for the tests.

    `margin` is the least time that was ever left to it, in seconds; `blocked` how often it wanted
    to propose and could not; `patience` delays its proposals (the audit's S6).
    """

    def __init__(self, chain: Chain, name: str = "h", patience: int = 1) -> None:
        self.chain, self.name, self.patience = chain, name, patience
        self.sent: Counter[str] = Counter()
        self.blocked = 0
        self.margin = FAR

    def send(self, call: Callable[..., object], *arguments: object, signed: bool = False) -> bool:
        done = attempt(call, *arguments, *([self.name] if signed else []))
        self.sent[call.__name__] += done
        return done

    def find_branch(self) -> list[int]:
        """The head, then each PENDING true child of the one before."""
        chain = self.chain
        branch = [chain.finals[-1]]
        while True:
            true = [i for i in chain.living(branch[-1]) if self.holds_for_true(i)]
            true = [i for i in true if chain.assertions[i].status == PENDING]
            if not true:
                return branch
            branch.append(true[0])

    def holds_for_true(self, id: int) -> bool:
        nodes = self.chain.assertions
        node = nodes[id]
        if "C2" in self.chain.without and nodes[node.parent].is_true and not node.is_true:
            # by its state root alone, until another stands beside it
            siblings = self.chain.living(node.parent)
            return all(nodes[i].content in (contents.TRUTH, contents.NOISE) for i in siblings)
        return node.is_true

    def act(self, can_send: bool) -> None:
        """One second; while censored it only watches its clocks."""
        chain = self.chain
        if not chain.assertions[chain.finals[-1]].is_true:
            return
        branch = self.find_branch()
        if can_send:
            self.rearm(branch)
        for parent in branch:
            living = chain.living(parent)
            true = [i for i in living if self.holds_for_true(i)]
            if not true:
                if can_send:
                    self.propose(branch, parent, living)
                continue
            for rival in living:
                if rival not in true and chain.assertions[rival].created_at < chain.now:
                    self.fight(true[0], rival, can_send)
        if can_send:
            self.tidy(branch)

    def rearm(self, branch: list[int]) -> None:
        stake = self.chain.stake_of(self.name)
        lies = [
            i for parent in branch for i in self.chain.living(parent) if not self.holds_for_true(i)
        ]
        if not lies or stake.requested_at is None:
            return
        self.send(self.chain.cancel_withdrawal, self.name)
        if "S7" in self.chain.without and self.send(self.chain.withdraw_stake, self.name):
            self.send(self.chain.deposit_stake, self.name)

    def propose(self, branch: list[int], parent: int, living: list[int]) -> None:
        chain, n = self.chain, self.chain.assertions[parent].batch + 1
        if n not in chain.closed_at or chain.closed_at[n] > chain.now:
            return
        seen = [i for i in living if chain.assertions[i].created_at + self.patience <= chain.now]
        if living and not seen:
            return
        is_first = (
            chain.now > chain.closed_at[n] + chain.G
            or self.name == chain.sequencer
            or not chain.is_live(chain.sequencer)
        )
        if not living and not is_first:
            return
        number = 0
        while (parent, number, contents.TRUTH) in chain.made:
            number += 1
        if not chain.may_follow(self.name, parent):
            tip = chain.stake_of(self.name).tip
            if tip in branch and branch.index(tip) < branch.index(parent):
                path = branch[branch.index(tip) + 1 : branch.index(parent) + 1]
                self.send(chain.step_down, self.name, path[:32])
            if not chain.may_follow(self.name, parent):
                self.blocked += 1
                return
        self.send(chain.propose, self.name, parent, number, contents.TRUTH)

    def fight(self, true: int, rival: int, can_send: bool) -> None:
        chain = self.chain
        pair = chain.sort_pair(true, rival)
        side = pair.index(true)
        duel = chain.duels.get(pair)
        self.watch(duel, side, true)
        if not can_send:
            return
        if duel is None:
            self.send(chain.open_duel, *pair, signed=True)
            duel = chain.duels.get(pair)
            if duel is None:
                return
        if not duel.is_found:
            if duel.turn == side:
                if duel.last < chain.now:
                    self.send(chain.outer, duel, signed=True)
            elif chain.now - duel.last >= duel.rem[duel.turn]:
                self.send(chain.defeat, duel, 1 - side, signed=True)
            return
        if (side, self.name) not in duel.champions and duel.last < chain.now:
            self.send(chain.commit, duel, side, self.name)
        for champion in list(duel.champions.values()):
            if champion.side != side and champion.status == ALIVE:
                self.meet(duel, side, champion)
        if chain.now >= duel.last + duel.rem[1 - side] and duel.alive[1 - side] == 0:
            self.send(chain.defeat, duel, 1 - side, signed=True)

    def meet(self, duel: Duel, side: int, hostile: Champion) -> None:
        """One bout of the own champion against a hostile one."""
        chain = self.chain
        if not chain.is_live(hostile.staker):
            self.send(chain.expel, duel, hostile.side, hostile.staker, signed=True)
            return
        for mine in list(duel.champions.values()):
            if mine.side != side or mine.status != ALIVE or hostile.status != ALIVE:
                continue
            if mine.garbage or (mine.staker != self.name and "S5" not in chain.without):
                continue
            stakers = (mine.staker, hostile.staker) if side == 0 else (hostile.staker, mine.staker)
            bout = chain.load_bout(duel, *stakers)
            if bout.moves == BOUT_MOVES:
                if bout.last < chain.now:
                    self.send(chain.resolve, duel, *stakers, signed=True)
            elif bout.turn == side:
                if bout.last < chain.now:
                    self.send(chain.bout_move, duel, *stakers, signed=True)
            elif chain.now - bout.last >= bout.rem[bout.turn]:
                self.send(chain.timeout_bout, duel, *stakers, signed=True)

    def watch(self, duel: Duel | None, side: int, true: int) -> None:
        """Keep the least time that was left to an own clock."""
        now, node = self.chain.now, self.chain.assertions[true]
        if duel is None:
            if node.proposer == self.name:
                self.margin = min(self.margin, node.allowance - (now - node.created_at))
            return
        if not duel.is_found:
            if duel.turn == side:
                self.margin = min(self.margin, duel.rem[side] - (now - duel.last))
            return
        mine = duel.champions.get((side, self.name))
        if mine is None:
            self.margin = min(self.margin, duel.rem[side] - (now - duel.last))
            return
        for pair, bout in duel.bouts.items():
            runs = bout.moves < BOUT_MOVES and bout.turn == side and pair[side] == self.name
            if runs and duel.champions[1 - side, pair[1 - side]].status == ALIVE:
                self.margin = min(self.margin, bout.rem[side] - (now - bout.last))

    def tidy(self, branch: list[int]) -> None:
        """Take locks back, put out those who fell, and move the head on."""
        chain = self.chain
        for duel in list(chain.duels.values()):
            if chain.are_pending(duel):
                continue
            has_truth = any(chain.assertions[id].is_true for id in duel.sides)
            for champion in list(duel.champions.values()):
                if champion.status != ALIVE:
                    continue
                fell = chain.assertions[duel.sides[champion.side]].status == DEFEATED
                if champion.staker == self.name and not fell:
                    self.send(chain.release, duel, champion.side, self.name, signed=True)
                elif fell and has_truth:
                    self.send(chain.expel, duel, champion.side, champion.staker, signed=True)
        for id in branch[1:]:
            if chain.assertions[id].parent == chain.finals[-1]:
                self.send(chain.finalize, id)
