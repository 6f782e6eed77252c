"""Signed transactions in SQLite: what a crash must not lose. Opens a service's database too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    event,
    insert,
    select,
)
from sqlalchemy.exc import DatabaseError

from oyez.chain.delivery import Signed
from oyez.protocol.errors import Fatal
from oyez.protocol.types import Hash32

_metadata = MetaData()
_journal = Table(
    "journal",
    _metadata,
    Column("intention", String, primary_key=True),
    Column("nonce", Integer, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("replaced", LargeBinary, nullable=False),  # 32 bytes a hash
)
_sent = Table(
    "sent",
    _metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("intention", String, nullable=False),
)


class SqlJournal:
    """A `oyez.chain.flight.Journal` in a database; safe to read from another thread."""

    def __init__(self, engine: Engine) -> None:
        """Make its tables where they are missing."""
        self._engine = engine
        _metadata.create_all(engine)

    def close(self) -> None:
        """Close the database."""
        self._engine.dispose()

    def get_signed(self, key: str) -> Signed | None:
        """Return what was signed for an intention."""
        with self._engine.connect() as connection:
            found = select(_journal).where(_journal.c.intention == key)
            row = connection.execute(found).first()
        return None if row is None else _parse(row)

    def put_signed(self, key: str, signed: Signed) -> None:
        """Keep a signed transaction, before it is broadcast.

        Rule: SEQ-6
        """
        row = {
            "intention": key,
            "nonce": signed.nonce,
            "raw": signed.raw,
            "hash": signed.hash,
            "replaced": b"".join(signed.replaced),
        }
        with self._engine.begin() as connection:
            connection.execute(insert(_journal).prefix_with("OR REPLACE").values(row))
            sent = {"hash": signed.hash, "intention": key}
            connection.execute(insert(_sent).prefix_with("OR REPLACE").values(sent))

    def drop_signed(self, key: str) -> None:
        """Forget a transaction that can never be mined, or reverted."""
        with self._engine.begin() as connection:
            connection.execute(delete(_journal).where(_journal.c.intention == key))

    def list_signed(self) -> dict[str, Signed]:
        """Return every signed transaction that was not dropped, by its intention."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(_journal)).all()
        return {row.intention: _parse(row) for row in rows}

    def list_sent(self) -> dict[Hash32, str]:
        """Return the intention of every hash that was ever signed here, dropped ones too."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(_sent)).all()
        return {Hash32(row.hash): row.intention for row in rows}


def open_database(path: Path) -> Engine:
    """Open a service's SQLite file; it is made, with its folder, where it is missing.

    Raises:
        Fatal: the file cannot be used.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(f"sqlite:///{path}")
        event.listen(engine, "connect", _configure)
        engine.connect().close()
    except (OSError, DatabaseError) as error:
        reason = error.orig if isinstance(error, DatabaseError) else error.strerror
        raise Fatal(f"cannot use {path} ({reason}): give another --home") from error
    return engine


def _configure(connection: Any, _record: Any) -> None:  # Any: the driver's objects
    # Write-ahead log: another thread reads while the loop writes; full: a commit is on disk.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA busy_timeout = 10000")


def _parse(row: Any) -> Signed:  # Any: a row
    replaced = tuple(
        Hash32(row.replaced[start : start + 32]) for start in range(0, len(row.replaced), 32)
    )
    return Signed(row.nonce, row.raw, Hash32(row.hash), replaced)
