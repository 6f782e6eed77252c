"""An honest party as duel.md describes it, decided from the board alone.

Written apart from `oyez.dispute`, so that the two may be compared; it makes every due move of a
block at once.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.actors.duels import moves
from tests.actors.duels import records as rec
from tests.actors.duels.board import Board
from tests.actors.duels.moves import Act
from tests.actors.duels.party import find_truth, is_true, make_truth
from tests.contracts.duelling import Side

GRACE = 70


class Honest:
    """One key with one stake; it knows the machine, so it knows the truth of every batch."""

    def __init__(self, address: bytes, *, is_sequencer: bool, window: int = 600) -> None:
        self.address = address
        self.stakes: tuple[bytes, ...] = (address,)
        self.is_sequencer = is_sequencer
        self.window = window

    def decide(self, board: Board) -> list[Act]:
        branch = self.find_branch(board)
        acts: list[Act] = []
        if self.cancel(board, branch):
            acts.append(Act(self.address, "rollup", "cancel_withdrawal"))
        acts += self.propose(board, branch)
        for assertion in branch[1:]:
            acts += self.fight(board, board.assertions[assertion])
        acts += self.tidy(board)
        return acts

    # --- the branch ---

    def find_branch(self, board: Board) -> list[bytes]:
        """The head and each PENDING true child of the one before."""
        branch = [board.head]
        while True:
            found = find_truth(board, branch[-1])
            if found is None:
                return branch
            branch.append(found.id)

    def cancel(self, board: Board, branch: list[bytes]) -> bool:
        stake = board.stake(self.address)
        if stake is None or stake.status != rec.LIVE or not stake.requested_at:
            return False
        return any(not is_true(board, child) for parent in branch for child in board.living(parent))

    def propose(self, board: Board, branch: list[bytes]) -> list[Act]:
        parent = branch[-1]
        batch = board.batch_after(parent)
        stake = board.stake(self.address)
        if batch is None or stake is None or stake.status != rec.LIVE:
            return []
        if not board.living(parent) and not self.may_be_first(board, branch, batch):
            return []
        attempt = sum(
            a.parent == parent and a.status == rec.DEFEATED and is_true(board, a)
            for a in board.assertions.values()
        )
        if board.proposals(self.address) and stake.tip != parent:
            if stake.tip not in branch:
                return []
            path = branch[branch.index(stake.tip) + 1 :]
            return [Act(self.address, "rollup", "step_down", (path,))]
        return [moves.propose(self.address, parent, batch, make_truth(batch), attempt)]

    def may_be_first(self, board: Board, branch: list[bytes], batch: rec.Batch) -> bool:
        return self.is_sequencer or board.now > batch.opened_at + GRACE

    # --- duels ---

    def fight(self, board: Board, truth: rec.Assertion) -> Iterator[Act]:
        side = make_truth(board.batches[truth.batch])
        for rival in board.living(truth.parent):
            if rival.id == truth.id:
                continue
            duel = board.find_duel(truth.id, rival.id)
            if duel is None:
                yield moves.open_duel(self.address, truth, rival)
                continue
            mine = duel.ids.index(truth.id)
            if moves.is_late(board, duel, 1 - mine):
                yield moves.defeat(self.address, duel, 1 - mine)
            elif duel.descent.phase == rec.COMMIT:
                yield from self.stand(board, duel, mine, truth, side)
            elif duel.descent.turn == mine:
                act = moves.move_outer(self.address, duel, side.tree)
                if act is not None:
                    yield act

    def stand(
        self, board: Board, duel: rec.Duel, mine: int, truth: rec.Assertion, side: Side
    ) -> Iterator[Act]:
        """Commit, and move in the bouts of the own champion."""
        inner = side.machine.inner(duel.descent.index)
        if (mine, self.address) not in duel.champions:
            if board.now < duel.descent.deadline(mine):
                yield moves.commit(self.address, duel, mine, inner)
            return
        for bout in duel.bouts.values():
            if bout.champions[mine].staker != self.address or not bout.is_on:
                continue
            rival = bout.champions[1 - mine]
            if not board.is_live(rival.staker):
                yield moves.expel(self.address, rival)
                continue
            state = bout.descent
            if state.phase == rec.RESOLVABLE:
                yield moves.resolve(self.address, bout, truth.content, side, inner)
            elif state.turn != mine and board.now >= state.deadline(1 - mine):
                yield moves.time_out(self.address, bout)
            elif state.turn == mine:
                act = moves.move_inner(self.address, bout, inner)
                if act is not None:
                    yield act

    # --- what is over ---

    def tidy(self, board: Board) -> Iterator[Act]:
        """Release the own stake, put out who fell with a lie, finalize what has won."""
        for duel in board.duels.values():
            sides = [board.assertions[assertion] for assertion in duel.ids]
            # among lies nobody's champion is its business
            if not board.is_moot(duel) or not any(is_true(board, side) for side in sides):
                continue
            for side in (0, 1):
                for champion in duel.alive(side):
                    if sides[side].status == rec.DEFEATED:
                        yield moves.expel(self.address, champion)
                    elif champion.staker == self.address:
                        yield moves.release(self.address, champion)
        truth = find_truth(board, board.head)
        if (
            truth is not None
            and len(board.living(board.head)) == 1
            and board.now >= truth.created_at + self.window
        ):
            yield Act(self.address, "rollup", "finalize", (truth.id,))
