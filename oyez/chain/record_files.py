"""Records as files: one small file each, which outlives the command that signed.

The process that sent a transaction holds a lock on its file, so that others know whether it
still runs. A file is replaced in one step, and is on disk before its transaction is broadcast.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from oyez.chain.delivery import Signed
from oyez.chain.records import Record, Records
from oyez.protocol.errors import Fatal, Invalid
from oyez.protocol.types import Address, CallId, Hash32


class FileRecords(Records):
    """Records as files `NAME.json` in a folder of one chain.

    Rule: SDK-15
    """

    def __init__(self, folder: Path) -> None:
        """Read what is there; the folder is made when the first record is kept.

        Raises:
            Fatal: a file is damaged; the text says what to do.
        """
        super().__init__()
        self._folder = folder
        self._held: dict[str, int] = {}
        for path in sorted(folder.glob("*.json")):
            record = _read(path)
            if record is not None:
                self._records[record.name] = record

    def take(self, wish: Hash32) -> Record | None:
        """Return what a process that is gone signed for this wish and did not end."""
        for record in self.list_records():
            if record.wish != wish or record.ended:
                continue
            descriptor = _open_locked(self._path(record.name))
            if descriptor is None:
                continue
            now = _read(self._path(record.name))
            if now is None or now.ended:
                os.close(descriptor)
                continue
            self._held[record.name] = descriptor
            self._records[record.name] = now
            return now
        return None

    def put(self, record: Record) -> None:
        """Write a record's file and hold its lock.

        Raises:
            Invalid: CLI-5, the home cannot be written; nothing was sent.
        """
        self._write(record, own=True)
        super().put(record)

    def note(self, record: Record) -> None:
        """Write a record's file, unless another process owns it."""
        super().note(record)
        if record.name in self._held:
            self._write(record, own=not record.ended)
            return
        descriptor = _open_locked(self._path(record.name))
        if descriptor is None:
            return
        try:
            now = _read(self._path(record.name))
            if now is not None:
                # its command may have ended since we read it
                ended, displaced = now.ended or record.ended, now.displaced or record.displaced
                self._write(replace(record, ended=ended, displaced=displaced), own=False)
        finally:
            os.close(descriptor)

    def drop(self, name: str) -> None:
        """Remove a record's file."""
        super().drop(name)
        self._path(name).unlink(missing_ok=True)
        if name in self._held:
            os.close(self._held.pop(name))

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Wait for the folder's lock and hold it."""
        self._make_folder()
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def describe(self, record: Record) -> str:
        """Return a record's file."""
        return str(self._path(record.name))

    def close(self) -> None:
        """Release the locks, as the end of the process does."""
        while self._held:
            os.close(self._held.popitem()[1])

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _make_folder(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot_write(self._folder, error) from error

    def _write(self, record: Record, *, own: bool) -> None:
        """Put a locked draft in the file's place: there is no moment without the lock."""
        self._make_folder()
        path = self._path(record.name)
        draft = self._folder / f"{record.name}.{os.getpid()}.new"
        try:
            descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                with os.fdopen(descriptor, "wb", closefd=False) as file:
                    file.write(_encode(record))
                os.fsync(descriptor)
                os.replace(draft, path)
            except OSError:
                os.close(descriptor)
                raise
        except OSError as error:
            raise _cannot_write(path, error) from error
        folder = os.open(self._folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        before = self._held.pop(record.name, None)
        if before is not None:
            os.close(before)
        if own:
            self._held[record.name] = descriptor
        else:
            os.close(descriptor)


def _open_locked(path: Path) -> int | None:
    """Lock a record's file; None while another process holds it, or when it is gone."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # whoever held the lock may have put another file in its place
        if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        os.close(descriptor)
        return None
    os.close(descriptor)
    return None


def _encode(record: Record) -> bytes:
    signed = record.signed
    document = {
        "intent": record.intent,
        "wish": _hex(record.wish),
        "account": _hex(record.account),
        "nonce": signed.nonce,
        "hash": _hex(signed.hash),
        "replaced": [_hex(digest) for digest in signed.replaced],
        "raw": _hex(signed.raw),
        "block": record.block,
        "call_ids": list(record.call_ids),
        "ended": record.ended,
        "displaced": record.displaced,
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def _read(path: Path) -> Record | None:
    """Return a file's record, None when it is gone; Fatal when it is damaged."""
    try:
        found = json.loads(path.read_bytes())
        block = found["block"]
        return Record(
            name=path.stem,
            intent=str(found["intent"]),
            wish=Hash32(_bytes(found["wish"], 32)),
            account=Address(_bytes(found["account"], 20)),
            signed=Signed(
                nonce=_count(found["nonce"]),
                raw=_bytes(found["raw"], None),
                hash=Hash32(_bytes(found["hash"], 32)),
                replaced=tuple(Hash32(_bytes(digest, 32)) for digest in found["replaced"]),
            ),
            block=None if block is None else _count(block),
            call_ids=tuple(CallId(_count(call_id)) for call_id in found["call_ids"]),
            ended=found["ended"] is True,
            displaced=found["displaced"] is True,
        )
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Fatal(f"cannot read {path} ({error.strerror}): make it readable") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Fatal(
            f"{path} is damaged: it kept a signed transaction; move it elsewhere"
        ) from error


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _bytes(text: Any, size: int | None) -> bytes:  # Any: JSON
    data = bytes.fromhex(text.removeprefix("0x"))
    if size is not None and len(data) != size:
        raise ValueError("another length")
    return data


def _count(value: Any) -> int:  # Any: JSON
    if not isinstance(value, int) or value < 0:
        raise ValueError("no count")
    return value


def _cannot_write(path: Path, error: OSError) -> Invalid:
    return Invalid(
        "CLI-5",
        f"cannot write {path} ({error.strerror}): signed transactions are kept there before they "
        "are sent; make it writable, or set OYEZ_HOME to another folder",
    )
