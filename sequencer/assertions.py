"""What was proposed on the chain, by anyone, and what became of it: one table of the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from oyez.chain import events
from oyez.dispute.tree import Node, Tree
from oyez.protocol.types import Address, BatchNumber, Hash32, Status
from sequencer import tables as t
from sequencer.rows import (
    Contradiction,
    KnownAssertion,
    NewAssertion,
    build_claim_columns,
    parse_claim,
)

#: What an event makes of a PENDING assertion.
ENDS = {
    events.AssertionFinalized: Status.FINAL,
    events.AssertionDefeated: Status.DEFEATED,
    events.AssertionVoided: Status.VOID,
}
Ended = events.AssertionFinalized | events.AssertionDefeated | events.AssertionVoided


class Assertions:
    """Written within the store's transactions, read by themselves."""

    def __init__(self, engine: Engine) -> None:
        """Take the store's database."""
        self._engine = engine
        self._tree: Tree | None = None

    def write(
        self,
        connection: Connection,
        proposed: Sequence[NewAssertion],
        ended: Sequence[Ended],
        attested: Sequence[events.AssertionAttested] = (),
    ) -> None:
        """Write what a window of the chain says of assertions."""
        for item in proposed:
            row = {
                "assertion_id": item.assertion_id,
                "parent": item.parent,
                "batch": item.batch,
                "proposer": item.proposer,
                "attempt": item.attempt,
                **build_claim_columns(item.claim),
                "created_at": item.created_at,
                "block": item.block,
                "place": item.place,
                "status": int(Status.PENDING),
            }
            connection.execute(insert(t.assertions).values(row))
        for event in ended:
            connection.execute(
                update(t.assertions)
                .where(t.assertions.c.assertion_id == event.assertion_id)
                .values(
                    status=int(ENDS[type(event)]),
                    ended_block=event.place.block,
                    ended_place=event.place.index,
                )
            )
        for signed in attested:
            row = {"assertion_id": signed.assertion_id, "block": signed.place.block}
            connection.execute(insert(t.attestations).prefix_with("OR IGNORE").values(row))
        if proposed or ended:
            self._tree = None

    def rewind(self, connection: Connection, block: int) -> None:
        """Forget what was said after a block."""
        connection.execute(delete(t.assertions).where(t.assertions.c.block > block))
        connection.execute(delete(t.attestations).where(t.attestations.c.block > block))
        connection.execute(
            update(t.assertions)
            .where(t.assertions.c.ended_block > block)
            .values(status=int(Status.PENDING), ended_block=None, ended_place=None)
        )
        self._tree = None

    def load_tree(self, genesis_id: Hash32) -> Tree:
        """Return the tree of assertions, each event played in the chain's order.

        SkippedLog when one of them stands on nothing: the logs were incomplete.
        """
        if self._tree is None:
            tree = Tree(genesis_id)
            with self._engine.connect() as connection:
                rows = connection.execute(select(t.assertions)).all()
            for _, play in sorted(_order(tree, rows), key=lambda item: item[0]):
                play()
            self._tree = tree
        return self._tree

    def is_attested(self, assertion_id: Hash32) -> bool:
        """Tell whether an enclave signed an assertion, as far as the chain was read."""
        found = select(t.attestations).where(t.attestations.c.assertion_id == assertion_id)
        with self._engine.connect() as connection:
            return connection.execute(found).first() is not None

    def list_pending(self) -> list[KnownAssertion]:
        """Return what was proposed and is not decided."""
        found = select(t.assertions).where(t.assertions.c.status == int(Status.PENDING))
        with self._engine.connect() as connection:
            rows = connection.execute(found).all()
        return [
            KnownAssertion(Hash32(row.assertion_id), BatchNumber(row.batch), row.created_at)
            for row in rows
        ]

    def get_head(self) -> int:
        """Return the last final batch, 0 for genesis."""
        found = select(func.max(t.assertions.c.batch).label("head"))
        with self._engine.connect() as connection:
            row = connection.execute(
                found.where(t.assertions.c.status == int(Status.FINAL))
            ).first()
        return 0 if row is None or row.head is None else int(row.head)

    def find_contradiction(self) -> Contradiction | None:
        """Return a batch that became final with other roots than were built here.

        The trace root stands for all four: the trace's last record holds the others.
        """
        found = (
            select(t.assertions.c.batch, t.assertions.c.assertion_id.label("final"), t.results)
            .join(t.results, t.results.c.batch == t.assertions.c.batch)
            .where(
                t.assertions.c.status == int(Status.FINAL),
                t.assertions.c.trace_root != t.results.c.trace_root,
            )
            .order_by(t.assertions.c.batch)
        )
        with self._engine.connect() as connection:
            row = connection.execute(found).first()
        if row is None:
            return None
        return Contradiction(BatchNumber(row.batch), Hash32(row.final), Hash32(row.assertion_id))


def _order(
    tree: Tree, rows: Sequence[Any]
) -> list[tuple[tuple[int, int], Callable[[], None]]]:  # Any: rows
    """Return what each row says happened, with its block and place."""
    ends = {Status.FINAL: tree.finalize, Status.DEFEATED: tree.defeat, Status.VOID: tree.void}
    found: list[tuple[tuple[int, int], Callable[[], None]]] = []
    for row in rows:
        assertion_id, status = Hash32(row.assertion_id), Status(row.status)
        node = Node(
            assertion_id,
            Hash32(row.parent),
            BatchNumber(row.batch),
            Address(row.proposer),
            row.created_at,
            row.attempt,
            parse_claim(row),
        )
        found.append(((row.block, row.place), lambda n=node: tree.propose(n)))  # type: ignore[misc]  # a default binds the loop's variable
        if status is not Status.PENDING:
            end = ends[status]
            place = (row.ended_block, row.ended_place)
            found.append((place, lambda e=end, a=assertion_id: e(a)))  # type: ignore[misc]  # as above
    return found
