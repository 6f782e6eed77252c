"""What is left to do when duels are over: expel the fallen, take back locks, claim the pay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from oyez.chain.duel_states import Phase
from oyez.dispute.duel_moves import DuelMove, Expel, PayBout, PayDuel, Release, WithdrawPay
from oyez.dispute.duels import Bout, Contest, Fighter, Standing
from oyez.dispute.tree import Node
from oyez.dispute.view import GameView, View
from oyez.protocol.types import Address, BatchNumber, Hash32, Status


def list_ends(view: View, branch: Sequence[Hash32]) -> list[DuelMove]:
    """Return what is due in duels that are decided, in their order: no clock runs here."""
    game = view.game
    if game is None:
        return []
    found: list[DuelMove] = []
    for contest in game.duels.list_all():
        found += list_expels(view, branch, contest)
        release = find_release(view, contest)
        if release is not None:
            found.append(release)
        found += list_pay(view, game, contest)
    return found


def list_expels(view: View, branch: Sequence[Hash32], contest: Contest) -> Iterator[Expel]:
    """Yield the champions of a fallen lie that are still counted alive.

    Why: a champion falls with its assertion, or a liar would stall until its lie dies elsewhere and
    keep the stakes. Who stood up for the truth does it; others pay for nothing. A stake that is
    gone is left alone unless own moves against it are unpaid: it may have stood up at any height.

    Rule: CHAL-36
    """
    if view.game is None:
        return
    for side, assertion_id in enumerate(contest.duel.ids):
        truth = view.tree.get(contest.duel.ids[1 - side])
        if view.tree.get_status(assertion_id) is not Status.DEFEATED or truth is None:
            continue
        if not is_true(view, branch, truth.assertion_id):
            continue
        mine = contest.get_fighter(1 - side, view.me)
        if mine is not None or truth.proposer == view.me:
            for fighter in contest.list_alive(side):
                if fighter.staker not in view.game.duels.slashed or earns(view, mine, fighter):
                    yield Expel(truth.batch, assertion_id, contest, fighter)


def earns(view: View, mine: Fighter | None, fallen: Fighter) -> bool:
    """Tell whether the own moves in a bout would be paid once its other champion is out."""
    if view.game is None or mine is None:
        return False
    bout = view.game.duels.get_bout(*order(mine, fallen))
    return is_owed(view, view.game, bout.key, fallen.staker, list_earners(bout, fallen.side))


def is_true(view: View, branch: Sequence[Hash32], assertion_id: Hash32) -> bool:
    """Tell whether an assertion is on the true branch, or below it."""
    if assertion_id in branch:
        return True
    return view.head_is_true and view.tree.get_status(assertion_id) is Status.FINAL


def find_release(view: View, contest: Contest) -> Release | None:
    """Return the release of the own champion once its duel is moot and its side did not fall.

    Why: a lock keeps the stake from being withdrawn, and nobody else need care.

    Rule: CHAL-37
    """
    for side, assertion_id in enumerate(contest.duel.ids):
        mine = contest.get_fighter(side, view.me)
        status = view.tree.get_status(assertion_id)
        if mine is None or not mine.is_alive or status is Status.DEFEATED:
            continue
        rival = view.tree.get_status(contest.duel.ids[1 - side])
        if not status is rival is Status.PENDING:
            return Release(get_batch(view, assertion_id), assertion_id, contest, mine)
    return None


def list_locks(view: View) -> Iterator[tuple[Contest, Fighter]]:
    """Yield the own living champions, each with its duel."""
    for contest in view.game.duels.list_all() if view.game is not None else ():
        for side in (0, 1):
            mine = contest.get_fighter(side, view.me)
            if mine is not None and mine.is_alive:
                yield contest, mine


def list_championed(view: View) -> Iterator[Node]:
    """Yield the PENDING assertions behind which the own stake stands as a living champion."""
    for contest, mine in list_locks(view):
        node = view.tree.get(contest.duel.ids[mine.side])
        if node is not None and node.status is Status.PENDING:
            yield node


def list_pay(view: View, game: GameView, contest: Contest) -> Iterator[PayDuel | PayBout]:
    """Yield the games in which the own moves against a loser are not paid, while there is pay left.

    Why: honest gas comes out of the liar's stake. A defeated truth's movers are paid as well: the
    game asks who lost, not who was right.

    Rule: CHAL-38
    """
    for side, assertion_id in enumerate(contest.duel.ids):
        node = view.tree.get(assertion_id)
        if node is None or node.status is not Status.DEFEATED:
            continue
        earned = [contest.movers[0]]
        earned += [m for i, m in enumerate(contest.movers) if i and i & 1 != side]
        if is_owed(view, game, contest.duel.key, node.proposer, earned):
            yield PayDuel(node.batch, assertion_id, contest, side)
            break  # a duel is paid once
    for bout, loser in list_lost(view, game, contest):
        staker = bout.fighters[loser].staker
        if is_owed(view, game, bout.key, staker, list_earners(bout, loser)):
            assertion_id = contest.duel.ids[loser]
            yield PayBout(get_batch(view, assertion_id), assertion_id, contest, bout, loser)


def list_lost(view: View, game: GameView, contest: Contest) -> Iterator[tuple[Bout, int]]:
    """Yield the bouts of the own champion whose other champion is out, with the side that lost."""
    for mine in contest.fighters.values():
        if mine.staker != view.me:
            continue
        for rival in contest.fighters.values():
            if rival.side != mine.side and rival.standing is Standing.OUT:
                first, second = order(mine, rival)
                yield game.duels.get_bout(first, second), rival.side


def order(one: Fighter, other: Fighter) -> tuple[Fighter, Fighter]:
    """Return two opposed champions by side."""
    return (one, other) if one.side == 0 else (other, one)


def list_earners(bout: Bout, loser: int) -> list[Address]:
    """Return who is paid for a bout: who moved against the loser, and who resolved."""
    movers, earned = list(bout.movers), []
    if bout.is_begun and bout.state.phase is Phase.RESOLVED:
        earned.append(movers.pop())
    # every move flipped the turn
    first = bout.state.turn ^ (len(movers) & 1)
    return earned + [mover for i, mover in enumerate(movers) if (first ^ (i & 1)) != loser]


def is_owed(
    view: View, game: GameView, key: Hash32, staker: Address, earned: Sequence[Address]
) -> bool:
    """Tell whether the own address is among the unpaid and the loser's quarter is not empty."""
    if key in game.duels.paid or view.me not in earned:
        return False
    return game.duels.drawn.get(staker, 0) < game.quarter


def find_withdrawal(view: View) -> WithdrawPay | None:
    """Return the taking of what was credited for moves; done when nothing else is."""
    game = view.game
    if game is None or not game.credit:
        return None
    head = view.tree.head_id
    return WithdrawPay(
        BatchNumber(view.tree.head), head, game.credit, len(game.duels.paid), view.me
    )


def get_batch(view: View, assertion_id: Hash32) -> BatchNumber:
    """Return an assertion's batch; 0 where it is unknown, for the log alone."""
    node = view.tree.get(assertion_id)
    return BatchNumber(0) if node is None else node.batch
