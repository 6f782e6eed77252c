"""The honest client's rules, each a function of the chain's present state: `decide` joins them.

Nothing is remembered between two decisions, so a crash, a front-run or a re-org needs no case of
its own. What to do in duels stands in `duel_rules` and `duel_ends`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from oyez.chain.contracts import Stake
from oyez.dispute import duel_ends, duel_rules
from oyez.dispute.duel_moves import NEVER
from oyez.dispute.moves import (
    MAX_MOVES,
    MAX_PATH,
    Blocked,
    CancelWithdrawal,
    Decision,
    Finalize,
    MarkVoid,
    Move,
    Propose,
    StepDown,
)
from oyez.dispute.tree import Fork, Node
from oyez.dispute.view import LIVE, SLASHED, Own, View
from oyez.protocol.types import BatchNumber, Hash32, Status


def decide(view: View) -> Decision:
    """Return what to do now: what answers a lie, then what frees stakes and moves the head.

    Why at most so many: a refusal costs a request, and the next block is decided anew anyway.

    Rule: CHAL-40
    """
    branch = find_branch(view)
    moves: list[Move] = []
    blocked: list[Blocked] = []
    cancel = find_cancel(view, branch)
    wanted = find_proposal(view, branch)
    clocked, late = duel_rules.list_duel_moves(view, branch)
    waiting: list[Move] = [*clocked]
    if cancel is not None:
        moves.append(cancel)
    if isinstance(wanted, Blocked):
        blocked.append(wanted)
    elif wanted is not None and cancel is None:
        way = find_way(view, branch, wanted)
        if isinstance(way, Blocked):
            blocked.append(way)
        else:
            # what answers no lie waits for all that a clock does not wait for
            before = 0 if wanted.answers else sum(move.deadline < NEVER for move in clocked)
            waiting.insert(before, way)
    moves += waiting
    blocked += late
    moves += list_voids(view)
    final = find_final(view, branch)
    if final is not None:
        moves.append(final)
    moves += duel_ends.list_ends(view, branch)
    withdrawal = duel_ends.find_withdrawal(view)
    if withdrawal is not None and not moves:
        moves.append(withdrawal)
    return Decision(tuple(moves[:MAX_MOVES]), tuple(blocked))


def find_branch(view: View) -> tuple[Hash32, ...]:
    """Return the true branch: the head, then each PENDING true child of the one before.

    Why: whatever stands on a lie falls with it, so nothing is ever built beside this branch; with
    a false head there is none.

    Rule: CHAL-10
    """
    if not view.head_is_true:
        return ()
    branch = [view.tree.head_id]
    while (own := view.get_own(view.tree.head + len(branch))) is not None:
        _, truth, status = find_attempt(view, branch[-1], own)
        if status is not Status.PENDING:
            break
        branch.append(truth)
    return tuple(branch)


def find_attempt(view: View, parent: Hash32, own: Own) -> tuple[int, Hash32, Status]:
    """Return attempt, id and status of the least attempt whose predecessor is DEFEATED.

    Why: the truth stands as any attempt; a second living one would be refused, and whoever posted
    the first, it is the truth.

    Rule: CHAL-11
    """
    attempt = 0
    while True:
        truth = view.compute_id(parent, attempt, own)
        status = view.tree.get_status(truth)
        if status is not Status.DEFEATED:
            return attempt, truth, status
        attempt += 1


def find_proposal(view: View, branch: Sequence[Hash32]) -> Propose | Blocked | None:
    """Return the one proposal that the true branch lacks: its end is the only place for one.

    Why: a false child must get a true sibling while its fork may be joined; without one the
    batch waits for whoever may be first.

    Rule: CHAL-12
    """
    own = view.get_own(view.tree.head + len(branch)) if branch else None
    if own is None:
        return None
    parent = branch[-1]
    attempt, truth, _ = find_attempt(view, parent, own)
    lies = view.list_lies(parent, truth)
    fork = view.tree.get_fork(parent)
    move = Propose(own.batch, own.batch_hash, parent, attempt, truth, len(lies))
    if not lies or fork is None:
        return move if may_be_first(view, branch, own) else None
    due = fork.started_at + view.periods.response - 7 * view.periods.latency
    move = replace(move, late_by=max(0, view.time - due))
    if not may_join(view, fork, lies):
        return Blocked(move, "its fork can no longer be joined: the lie becomes final")
    return move


def may_join(view: View, fork: Fork, living: Sequence[Node]) -> bool:
    """Tell whether another child may enter a fork, as the Rollup will.

    Rule: CHAL-13
    """
    if view.time < fork.started_at + view.periods.challenge:
        return True
    return len(living) == 1 and view.time < living[0].created_at + view.periods.challenge


def may_be_first(view: View, branch: Sequence[Hash32], own: Own) -> bool:
    """Tell whether to propose a batch without a living child.

    Why: the sequencer is first while it can be, so that others pay for nothing. It cannot when its
    time is over, its stake is gone, or bound to an assertion beside the true branch.

    Rule: CHAL-14
    """
    if view.me == view.sequencer or view.time > own.opened_at + view.periods.first_child:
        return True
    stake = view.sequencer_stake
    return stake.status != LIVE or (stake.proposals > 0 and stake.tip not in branch)


def find_way(view: View, branch: Sequence[Hash32], wanted: Propose) -> Move | Blocked:
    """Return the proposal, or the step down that it needs first, or why the stake cannot make it.

    Why: one stake follows one line of ancestry; free it may stand anywhere, else only on its tip.

    Rule: CHAL-15
    """
    stake = view.stake
    why = explain_unarmed(stake)
    if why is not None:
        return Blocked(wanted, why)
    if stake.proposals == 0 or stake.tip == wanted.parent:
        return wanted
    if stake.tip not in branch:
        return Blocked(wanted, f"the stake is bound to 0x{stake.tip.hex()}, beside the true branch")
    first = branch.index(stake.tip) + 1
    path = tuple(branch[first : first + MAX_PATH])
    return StepDown(BatchNumber(view.tree.head + first + len(path) - 1), path)


def explain_unarmed(stake: Stake) -> str | None:
    """Return why a stake cannot be put behind anything, None when it can."""
    if stake.status == SLASHED:
        return "the stake was slashed: watch with another key"
    if stake.status != LIVE:
        return "there is no stake: `oyez stake deposit`"
    return "the stake is being withdrawn" if stake.requested_at else None


def find_cancel(view: View, branch: Sequence[Hash32]) -> CancelWithdrawal | None:
    """Return the cancelling of the own withdrawal, once a lie stands on the true branch.

    Why: a stake under a request can neither propose nor champion. Children of a batch that this
    node has not replayed yet are not lies.

    Rule: CHAL-16
    """
    if view.stake.status != LIVE or not view.stake.requested_at:
        return None
    forks: list[tuple[Hash32, Hash32 | None]] = list(pairwise(branch))
    if branch and view.get_own(view.tree.head + len(branch)) is not None:
        forks.append((branch[-1], None))  # the truth does not stand there
    for parent, truth in forks:
        for lie in view.list_lies(parent, truth):
            return CancelWithdrawal(lie.batch, lie.assertion_id, view.stake.requested_at)
    return None


def list_voids(view: View) -> list[Move]:
    """Return what to void so that the own stake is released, ancestors first.

    Why: a dead branch holds the stakes that built on it until someone says that it is dead; and
    the bouts of champions there run on.

    Rule: CHAL-17
    """
    found: dict[Hash32, Move] = {}
    for node in [*view.tree.list_of(view.me), *duel_ends.list_championed(view)]:
        line = [node]
        while (above := view.tree.get(line[-1].parent)) and above.status is Status.PENDING:
            line.append(above)
        if above is not None and above.status in (Status.DEFEATED, Status.VOID):
            for dead in reversed(line):
                found[dead.assertion_id] = MarkVoid(dead.batch, dead.assertion_id)
    return list(found.values())


def find_final(view: View, branch: Sequence[Hash32]) -> Finalize | None:
    """Return the finalization of the head's true child, once its fork is won.

    Why: only what this node's own replay calls true, ancestors included, is ever helped on. The
    proposer, who is paid for it, has one latency before others do it for him.

    Rule: CHAL-18
    """
    node = view.tree.get(branch[1]) if len(branch) > 1 else None
    fork = view.tree.get_fork(branch[0]) if branch else None
    if node is None or fork is None or fork.living != 1:
        return None
    patience = 0 if node.proposer == view.me else view.periods.latency
    if view.time < node.created_at + view.periods.challenge + patience:
        return None
    return Finalize(node.batch, node.assertion_id)
