"""One small document that outlives a crash of its process, and that nobody can set back.

Two files. The *seal* holds a random key and a count; it belongs where the host cannot write: the
guest's own memory (a tmpfs). The *state* holds the document, encrypted and authenticated under that
key with the count; it may lie anywhere. A state of an earlier count is refused.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from Crypto.Cipher import AES

from oyez.protocol.errors import Fatal

KEY, COUNT, NONCE, TAG = 32, 8, 12, 16


class SealedFile:
    """A document under a seal; one process at a time (`oyez.service.lock_home`).

    Rule: ENCLAVE-9
    """

    __slots__ = ("_count", "_key", "_seal", "_state")

    def __init__(self, state: Path, seal: Path) -> None:
        """Name the two files; nothing is read before `load`."""
        self._state, self._seal = state, seal
        self._key, self._count = b"", 0

    def load(self) -> bytes | None:
        """Return the document, or None where there is no seal: then a new one begins.

        What an earlier seal covered is lost with it and overwritten.

        Raises:
            Fatal: the state is missing, damaged or of an earlier count; or a file cannot be read.
        """
        kept = self._read(self._seal)
        if kept is None:
            self._key, self._count = secrets.token_bytes(KEY), 0
            self._write_seal()
            return None
        if len(kept) != KEY + COUNT:
            raise Fatal(f"{self._seal} is no seal: delete it and register a new key")
        self._key, self._count = kept[:KEY], int.from_bytes(kept[KEY:])
        state = self._read(self._state)
        if self._count == 0 and (state is None or not self._is_first(state)):
            return None  # ended before anything was kept
        if state is None:
            raise Fatal(f"{self._state} is gone, and with it what was signed: {self._give_up()}")
        count, document = self._open(state)
        if count not in (self._count, self._count + 1):
            raise Fatal(f"{self._state} was set back to an earlier time: {self._give_up()}")
        if count > self._count:  # ended between the two files
            self._count = count
            self._write_seal()
        return document

    def save(self, document: bytes) -> None:
        """Keep a document in place of the one before; on disk when this returns.

        Raises:
            Fatal: it cannot be written.
        """
        count = (self._count + 1).to_bytes(COUNT)
        nonce = secrets.token_bytes(NONCE)
        cipher = AES.new(self._key, AES.MODE_GCM, nonce=nonce)
        cipher.update(count)
        encrypted, tag = cipher.encrypt_and_digest(document)
        write_durably(self._state, count + nonce + tag + encrypted)
        self._count += 1
        self._write_seal()

    def _open(self, state: bytes) -> tuple[int, bytes]:
        """Return count and document of a state; Fatal unless it is under this seal."""
        nonce, tag = state[COUNT : COUNT + NONCE], state[COUNT + NONCE : COUNT + NONCE + TAG]
        try:
            cipher = AES.new(self._key, AES.MODE_GCM, nonce=nonce)
            cipher.update(state[:COUNT])
            document = cipher.decrypt_and_verify(state[COUNT + NONCE + TAG :], tag)
        except ValueError:
            raise Fatal(f"{self._state} is damaged or of another seal: {self._give_up()}") from None
        return int.from_bytes(state[:COUNT]), document

    def _is_first(self, state: bytes) -> bool:
        """Tell whether a state is this seal's first, the seal's count being 0 yet."""
        try:
            return self._open(state)[0] == 1
        except Fatal:
            return False  # of a seal that is lost

    def _give_up(self) -> str:
        """Return what is left to do."""
        return f"delete {self._seal} as well, and register the new key that the next start makes"

    def _write_seal(self) -> None:
        """Keep key and count."""
        write_durably(self._seal, self._key + self._count.to_bytes(COUNT))

    @staticmethod
    def _read(path: Path) -> bytes | None:
        """Return a file's bytes, None where there is none."""
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Fatal(f"cannot read {path} ({error.strerror})") from error


def write_durably(path: Path, data: bytes) -> None:
    """Replace a file that only its owner can read, in one step, on disk when this returns.

    Raises:
        Fatal: it cannot be written.
    """
    draft = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise Fatal(f"cannot write {path} ({error.strerror}): choose another place") from error
