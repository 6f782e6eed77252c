"""What the challenger keeps between runs: its own executions, and its verdicts for others to read.

An execution is kept under a hash of all that it follows from, so that no re-org and no restart
can make it wrong; whatever else the challenger knows it derives again from the chain.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Engine,
    LargeBinary,
    MetaData,
    Table,
    create_engine,
    event,
    insert,
    select,
)

from oyez.derivation.records import decode_execution, encode_cell, encode_execution
from oyez.protocol import codec
from oyez.protocol.transition import Execution
from oyez.protocol.types import Cell, Entry, Hash32
from oyez.service import write_json

_metadata = MetaData()
_executions = Table(
    "executions",
    _metadata,
    Column("origin", LargeBinary, primary_key=True),
    Column("record", LargeBinary, nullable=False),
)


#: Raise it with any change of what an execution holds: output, outcome or trace records.
EXECUTION_VERSION = 1


def compute_origin(entry: Entry, cell: Cell | None, model_root: Hash32) -> Hash32:
    """Return the hash of all that an execution follows from: entry, cell, model, our own rules.

    Rule: CHAL-4
    """
    before = json.dumps(encode_cell(cell), sort_keys=True).encode()
    rules = EXECUTION_VERSION.to_bytes(32, "big")
    met = codec.compute_entry_hash(entry) + codec.sha256(before)
    return codec.sha256(met + model_root + rules)


class Store:
    """One SQLite file of executions, and HOME/verdicts.json."""

    def __init__(self, engine: Engine, verdicts: Path) -> None:
        """Prefer `open_store`."""
        self._engine = engine
        self._verdicts = verdicts

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()

    def get_execution(self, origin: Hash32, entry: Entry) -> Execution | None:
        """Return what was executed before."""
        with self._engine.connect() as connection:
            found = select(_executions.c.record).where(_executions.c.origin == origin)
            row = connection.execute(found).first()
        return None if row is None else decode_execution(entry, row.record)

    def put_execution(self, origin: Hash32, execution: Execution) -> None:
        """Keep an execution; writing the same again changes nothing."""
        statement = insert(_executions).prefix_with("OR IGNORE")
        with self._engine.begin() as connection:
            connection.execute(statement.values(origin=origin, record=encode_execution(execution)))

    def write_verdicts(self, verdicts: Sequence[dict[str, Any]], replayed: int) -> None:
        """Replace verdicts.json in one step; Any: JSON.

        Rule: CHAL-5
        """
        write_json(self._verdicts, {"batches_replayed": replayed, "verdicts": list(verdicts)})


def open_store(home: Path) -> Store:
    """Open the challenger's home; what is missing is made."""
    home.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{home / 'challenger.db'}")

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:  # Any: the driver's objects
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA busy_timeout = 10000")

    _metadata.create_all(engine)
    return Store(engine, home / "verdicts.json")
