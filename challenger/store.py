"""What the challenger keeps between runs: its own executions, and its verdicts for others to read.

An execution is kept under a hash of all that it follows from, so that no re-org and no restart
can make it wrong; whatever else the challenger knows it derives again from the chain.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Engine,
    LargeBinary,
    MetaData,
    Table,
    insert,
    select,
)

from oyez.chain.journal import SqlJournal, open_database
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
EXECUTION_VERSION = 3


def compute_origin(
    entry: Entry, cell: Cell | None, model_root: Hash32, seed: Hash32 | None = None
) -> Hash32:
    """Return the hash of all that an execution follows from.

    That is entry, cell, model, the seed of a sampled call, our own rules. At temperature 0 there
    is no seed (None), which no seed is mistaken for.

    Rule: CHAL-4
    """
    before = json.dumps(encode_cell(cell), sort_keys=True).encode()
    rules = EXECUTION_VERSION.to_bytes(32, "big")
    met = codec.compute_entry_hash(entry) + codec.sha256(before)
    return codec.sha256(met + model_root + rules + (seed or b""))


class Store(SqlJournal):
    """One SQLite file of executions and signed transactions, and HOME/verdicts.json."""

    def __init__(self, engine: Engine, verdicts: Path) -> None:
        """Prefer `open_store`."""
        super().__init__(engine)
        _metadata.create_all(engine)
        self._verdicts = verdicts

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

    def write_verdicts(self, document: dict[str, Any]) -> None:
        """Replace verdicts.json in one step; Any: JSON.

        Rule: CHAL-5
        """
        write_json(self._verdicts, document)


def open_store(home: Path) -> Store:
    """Open the challenger's home; what is missing is made.

    Raises:
        Fatal: the home cannot be used.
    """
    return Store(open_database(home / "challenger.db"), home / "verdicts.json")
