"""What the challenger tells others: verdicts.json, and a move as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any

from challenger.verdict import Verdict
from oyez.dispute.moves import Blocked
from oyez.protocol.types import Address, Hash32


def build_document(
    *,
    replayed: int,
    staker: Address | None,
    verdicts: Iterable[Verdict],
    final: Set[Hash32],
    sent: Mapping[Hash32, str],
    transactions: Mapping[Hash32, int],
    blocked: Iterable[Blocked],
) -> dict[str, Any]:  # Any: JSON
    """Return the content of verdicts.json.

    Args:
        replayed: how many batches were built.
        staker: this node's address, None when it only watches.
        verdicts: in the order they were judged.
        final: the assertions among them that are final.
        sent: what was ever signed here: transaction -> journal key.
        transactions: those of the Rollup's events, in the chain's order, with their blocks.
        blocked: what the chain asks for and this stake cannot do.

    Rule: CHAL-22
    """
    return {
        "batches_replayed": replayed,
        "staker": None if staker is None else "0x" + staker.hex(),
        "verdicts": [
            {**verdict.to_json(), "final": verdict.assertion_id in final} for verdict in verdicts
        ],
        "moves": [
            {**show_move(sent[transaction], transaction), "block": block}
            for transaction, block in transactions.items()
            if transaction in sent
        ],
        "blocked": [{**show_move(item.move.key), "why": item.why} for item in blocked],
    }


def show_move(key: str, transaction: Hash32 | None = None) -> dict[str, Any]:  # Any: JSON
    """Return a move, read from its journal key: its kind and the assertion it is about."""
    kind, *_, last = key.split(" ")
    shown = {"kind": kind, "assertion": last if last.startswith("0x") else None}
    return shown if transaction is None else {**shown, "tx": "0x" + transaction.hex()}
