"""The sequencer's memory: every write is one transaction, so a crash loses or repeats nothing.

A window of the chain, an execution, a batch's result and a signed transaction are each written
whole or not at all, and each is made only from what is written already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select

from oyez.chain import events
from oyez.chain.journal import SqlJournal, open_database
from oyez.derivation.follow import Checkpoint
from oyez.derivation.history import Batch
from oyez.derivation.records import decode_execution, encode_execution
from oyez.dispute.view import Own
from oyez.protocol.errors import Fatal
from oyez.protocol.transition import Execution
from oyez.protocol.types import BatchHeader, BatchNumber, Entry, Hash32
from sequencer import tables as t
from sequencer.assertions import Assertions, Ended
from sequencer.rows import (
    ClosedBatch,
    NewAssertion,
    Result,
    build_batch_row,
    build_entry_row,
    build_result_row,
    parse_batch,
    parse_entry,
    parse_header,
    parse_result,
)

#: A re-org deeper than these windows is derived again from the start.
KEPT_CHECKPOINTS = 1_000


class Store(SqlJournal):
    """One SQLite file; safe to read from another thread."""

    def __init__(self, engine: Engine) -> None:
        """Prefer `open_store`."""
        super().__init__(engine)
        t.metadata.create_all(engine)
        self.assertions = Assertions(engine)
        #: How often this process went back: what it knows of the chain by heart may be wrong then.
        self.rewinds = 0

    def claim_for(self, names: Mapping[str, str]) -> None:
        """Bind the store to a rollup; Fatal when it belongs to another one.

        Rule: SEQ-11
        """
        found = {row.name: row.value for row in self._select(select(t.identity))}
        if not found:
            rows = [{"name": name, "value": value} for name, value in names.items()]
            with self._engine.begin() as connection:
                connection.execute(insert(t.identity), rows)
        elif found != dict(names):
            changed = sorted(n for n in {*found, *names} if found.get(n) != names.get(n))
            raise Fatal(
                f"this home belongs to another rollup or version ({', '.join(changed)} differ): "
                "give another --home"
            )

    # What the chain says

    def get_checkpoint(self) -> Checkpoint | None:
        """Return the last block that was read."""
        newest = self.list_checkpoints(1)
        return newest[0] if newest else None

    def list_checkpoints(self, limit: int = KEPT_CHECKPOINTS) -> list[Checkpoint]:
        """Return the blocks that were read last, newest first."""
        found = select(t.checkpoints).order_by(t.checkpoints.c.number.desc()).limit(limit)
        return [Checkpoint(row.number, Hash32(row.hash)) for row in self._select(found)]

    def get_time(self) -> int:
        """Return the chain's time, in seconds, at the last block that was read."""
        newest = select(t.checkpoints.c.time).order_by(t.checkpoints.c.number.desc()).limit(1)
        row = self._find(newest)
        return 0 if row is None else int(row.time)

    def apply_window(
        self,
        *,
        queued: Sequence[events.CallQueued],
        closed: Sequence[ClosedBatch],
        proposed: Sequence[NewAssertion],
        ended: Sequence[Ended],
        checkpoint: Checkpoint,
        time: int,
        attested: Sequence[events.AssertionAttested] = (),
    ) -> None:
        """Write all that a window of the chain says, and that it was read.

        Rule: SEQ-2
        """
        with self._engine.begin() as connection:
            if queued:
                connection.execute(insert(t.entries), [build_entry_row(item) for item in queued])
            if closed:
                connection.execute(insert(t.batches), [build_batch_row(item) for item in closed])
            self.assertions.write(connection, proposed, ended, attested)
            row = {"number": checkpoint.number, "hash": checkpoint.hash, "time": time}
            connection.execute(insert(t.checkpoints).values(row))
            kept = (
                select(t.checkpoints.c.number)
                .order_by(t.checkpoints.c.number.desc())
                .limit(KEPT_CHECKPOINTS)
            )
            connection.execute(delete(t.checkpoints).where(t.checkpoints.c.number.not_in(kept)))

    def rewind(self, to: Checkpoint | None) -> None:
        """Forget everything after a block, None: everything; signed transactions stay.

        Rule: SEQ-3
        """
        self.rewinds += 1
        block = -1 if to is None else to.number
        calls, batches = select(t.entries.c.call_id), select(t.batches.c.number)
        opened = select(func.min(t.batches.c.first_call)).where(t.batches.c.block > block)
        with self._engine.begin() as connection:
            first_open = connection.execute(opened).scalar()
            connection.execute(delete(t.entries).where(t.entries.c.block > block))
            connection.execute(delete(t.batches).where(t.batches.c.block > block))
            connection.execute(delete(t.executions).where(t.executions.c.call_id.not_in(calls)))
            if first_open is not None:
                self._forget_sampled(connection, first_open)
            connection.execute(delete(t.results).where(t.results.c.batch.not_in(batches)))
            self.assertions.rewind(connection, block)
            connection.execute(delete(t.checkpoints).where(t.checkpoints.c.number > block))

    def _forget_sampled(self, connection: Connection, first_open: int) -> None:
        """Forget executions that drew from the seed of a batch which is open again.

        From the first such call on: the calls after it may have met its cell.

        Rule: SEQ-22
        """
        found = (
            select(t.entries, t.executions.c.record)
            .join(t.executions, t.executions.c.call_id == t.entries.c.call_id)
            .where(t.entries.c.call_id >= first_open)
            .order_by(t.entries.c.call_id)
        )
        for row in connection.execute(found).all():
            if decode_execution(parse_entry(row), row.record).seed is not None:
                gone = t.executions.c.call_id >= row.call_id
                connection.execute(delete(t.executions).where(gone))
                return

    def list_open(self) -> list[tuple[Entry, int]]:
        """Return the open batch's entries, each with its block."""
        found = select(t.entries).where(t.entries.c.batch > self.count_batches())
        return [(parse_entry(row), row.block) for row in self._select(found.order_by("call_id"))]

    def get_unverified_block(self) -> int:
        """Return the block of the open batch's first entry, else of the last batch's closing."""
        blocks = [block for _, block in self.list_open()]
        if blocks:
            return min(blocks)
        row = self._find(select(func.max(t.batches.c.block).label("last")))
        return 0 if row is None or row.last is None else int(row.last)

    def get_entry(self, call_id: int) -> Entry | None:
        """Return an entry of the inbox."""
        row = self._find(select(t.entries).where(t.entries.c.call_id == call_id))
        return None if row is None else parse_entry(row)

    def get_closing_block(self, number: int) -> int | None:
        """Return the block that closed a batch, None while it is open or unknown."""
        row = self._find(select(t.batches.c.block).where(t.batches.c.number == number))
        return None if row is None else int(row.block)

    def get_batch_number(self, call_id: int) -> BatchNumber | None:
        """Return the batch, open or closed, that a call went into."""
        row = self._find(select(t.entries.c.batch).where(t.entries.c.call_id == call_id))
        return None if row is None else BatchNumber(row.batch)

    def find_last_entry(self, action_id: Hash32) -> Entry | None:
        """Return the newest call of an action."""
        found = select(t.entries).where(t.entries.c.action_id == action_id)
        row = self._find(found.order_by(t.entries.c.call_id.desc()).limit(1))
        return None if row is None else parse_entry(row)

    def get_batch(self, number: int) -> Batch | None:
        """Return a closed batch, whole."""
        row = self._find(select(t.batches).where(t.batches.c.number == number))
        if row is None:
            return None
        found = select(t.entries).where(t.entries.c.batch == number).order_by("call_id")
        return parse_batch(row, [parse_entry(entry) for entry in self._select(found)])

    def find_header(self, call_id: int) -> BatchHeader | None:
        """Return the header of the closed batch that holds a call, None without one."""
        number = self.get_batch_number(call_id)
        row = self._find(select(t.batches).where(t.batches.c.number == number))
        return None if row is None else parse_header(row)

    def count_batches(self) -> int:
        """Return the number of closed batches."""
        return self._count(t.batches)

    def count_calls(self) -> int:
        """Return the number of entries in the inbox."""
        return self._count(t.entries)

    # What was made of it

    def count_executions(self) -> int:
        """Return the number of executed calls."""
        return self._count(t.executions)

    def list_unexecuted(self, limit: int, since: int = 0) -> list[Entry]:
        """Return the first calls of the inbox, from `since` on, without an execution, in order."""
        found = (
            select(t.entries)
            .where(t.entries.c.call_id >= since)
            .where(t.entries.c.call_id.not_in(select(t.executions.c.call_id)))
            .order_by(t.entries.c.call_id)
            .limit(limit)
        )
        return [parse_entry(row) for row in self._select(found)]

    def put_execution(self, execution: Execution) -> None:
        """Keep an execution; it is never made again.

        Rule: SEQ-4
        """
        row = {
            "call_id": execution.entry.call_id,
            "cell_key": execution.cell_key,
            "outcome": int(execution.outcome),
            "record": encode_execution(execution),
        }
        with self._engine.begin() as connection:
            connection.execute(insert(t.executions).values(row))

    def get_execution(self, call_id: int) -> Execution | None:
        """Return a call's execution."""
        entry = self.get_entry(call_id)
        found = self.list_executions([] if entry is None else [entry])
        return found[0] if found else None

    def list_executions(self, entries: Sequence[Entry]) -> list[Execution]:
        """Return the executions of these consecutive entries, as far as there are any."""
        if not entries:
            return []
        span = t.executions.c.call_id.between(entries[0].call_id, entries[-1].call_id)
        records = {
            row.call_id: row.record for row in self._select(select(t.executions).where(span))
        }
        return [decode_execution(e, records[e.call_id]) for e in entries if e.call_id in records]

    def find_last_execution(self, cell_key: Hash32, below: int) -> Execution | None:
        """Return the last execution on a cell with a call id below this one."""
        found = (
            select(t.executions.c.call_id)
            .where(t.executions.c.cell_key == cell_key, t.executions.c.call_id < below)
            .order_by(t.executions.c.call_id.desc())
            .limit(1)
        )
        row = self._find(found)
        return None if row is None else self.get_execution(row.call_id)

    def count_results(self) -> int:
        """Return the number of built batches: they are the first ones."""
        return self._count(t.results)

    def put_result(self, result: Result) -> None:
        """Keep what a batch came to.

        Rule: SEQ-5
        """
        with self._engine.begin() as connection:
            connection.execute(insert(t.results).values(build_result_row(result)))

    def get_result(self, number: int) -> Result | None:
        """Return what a batch came to."""
        row = self._find(select(t.results).where(t.results.c.batch == number))
        return None if row is None else parse_result(row)

    def list_own(self, after: int) -> dict[int, Own]:
        """Return what this node says of the batches after this one, as far as they are built."""
        found = (
            select(t.results, t.batches.c.batch_hash, t.batches.c.opened_at)
            .join(t.batches, t.batches.c.number == t.results.c.batch)
            .where(t.results.c.batch > after)
        )
        return {
            row.batch: Own(
                BatchNumber(row.batch),
                Hash32(row.batch_hash),
                row.opened_at,
                parse_result(row).claim,
            )
            for row in self._select(found)
        }

    def list_results(self, after: int) -> list[Result]:
        """Return the results of the batches after this one, in order."""
        found = select(t.results).where(t.results.c.batch > after).order_by(t.results.c.batch)
        return [parse_result(row) for row in self._select(found)]

    def put_manifest(self, manifest_hash: Hash32, data: bytes) -> None:
        """Keep a manifest's bytes; writing it again changes nothing."""
        statement = insert(t.manifests).prefix_with("OR IGNORE")
        with self._engine.begin() as connection:
            connection.execute(statement.values(hash=manifest_hash, data=data))

    def get_manifest(self, manifest_hash: Hash32) -> bytes | None:
        """Return a manifest's bytes."""
        row = self._find(select(t.manifests.c.data).where(t.manifests.c.hash == manifest_hash))
        return None if row is None else bytes(row.data)

    def _select(self, statement: Any) -> Sequence[Row[Any]]:  # Any: a select of any columns
        with self._engine.connect() as connection:
            return connection.execute(statement).all()

    def _find(self, statement: Any) -> Row[Any] | None:  # Any: a select of any columns
        with self._engine.connect() as connection:
            return connection.execute(statement).first()

    def _count(self, table: Any) -> int:  # Any: a table, however it is typed
        row = self._find(select(func.count().label("total")).select_from(table))
        return 0 if row is None else int(row.total)


def open_store(path: Path) -> Store:
    """Open the file; its tables are made where they are missing, Fatal where it cannot be used."""
    return Store(open_database(path))
