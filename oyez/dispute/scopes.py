"""Which moves of one decision may be on their way at once, and which wait for another to be mined.

A move is decided from one state of the chain, and simulated on it. It may go with others where
none of them changes what it stands on.
"""

from __future__ import annotations

from collections.abc import Iterator

from oyez.chain.duel_states import compute_pair_key
from oyez.dispute.duel_moves import (
    Commit,
    Defeat,
    Expel,
    Fight,
    OpenDuel,
    PayBout,
    PayDuel,
    Release,
    Resolve,
    Reveal,
    TimeoutBout,
    WithdrawPay,
)
from oyez.dispute.moves import CancelWithdrawal, Finalize, MarkVoid, Move, Propose, StepDown
from oyez.dispute.tree import Tree
from oyez.protocol.types import Hash32, Status

#: What one move changes and another may stand on: a word, and what it is about.
Scope = tuple[str, bytes]
#: The own stake's place on the branch; the head.
TIP: Scope = ("tip", b"")
HEAD: Scope = ("head", b"")


def list_scopes(move: Move, tree: Tree) -> frozenset[Scope]:
    """Return what a move changes; two that share any of it go one after the other.

    Why: moves of different duels, and a champion's of different bouts, know nothing of each other;
    the own stake takes one step at a time, a path down must not lose its first assertion to the
    head, and what is left of a loser's quarter is known once the pay before is taken.

    Rule: CHAL-47
    """
    match move:
        case Propose() | CancelWithdrawal():
            return frozenset({TIP})
        case StepDown():
            return frozenset({TIP, HEAD})
        case Finalize():
            return frozenset({HEAD})
        case MarkVoid():
            return frozenset({("assertion", move.assertion_id)})
        case OpenDuel():
            return frozenset({("duel", compute_pair_key(*move.ids))})
        case Reveal() | Commit() | Defeat():
            return frozenset({("duel", move.contest.duel.key)})
        case Fight() | Resolve() | TimeoutBout():
            return frozenset({("bout", move.bout.key)})
        case Expel() | Release():
            return frozenset({("champion", move.fighter.key)})
        case PayDuel():
            beaten = tree.get(move.assertion_id)
            return frozenset({("pay", b"" if beaten is None else beaten.proposer)})
        case PayBout():
            return frozenset({("pay", move.bout.fighters[move.loser].staker)})
        case WithdrawPay():
            return frozenset({("credit", move.owner)})


def waits_for_ancestor(move: Move, tree: Tree) -> bool:
    """Tell whether a move is possible only once another of its decision is mined.

    Why: the Rollup voids a child of what is void already, and a simulation would fail till then.

    Rule: CHAL-47
    """
    if not isinstance(move, MarkVoid):
        return False
    node = tree.get(move.assertion_id)
    return node is not None and tree.get_status(node.parent) is Status.PENDING


def list_grounds(move: Move) -> Iterator[Hash32]:
    """Yield the assertions whose statuses a move was decided from."""
    match move:
        case Propose():
            yield move.parent
            yield move.assertion_id
        case StepDown():
            yield from move.path
        case OpenDuel():
            yield from move.ids
        case WithdrawPay():
            return
        case _:
            yield move.assertion_id
