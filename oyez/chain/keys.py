"""Where a signing key comes from, and nothing that could show it.

A key is read from an encrypted keystore file, with the password from OYEZ_KEYSTORE_PASSWORD or
a prompt, or from OYEZ_KEY. No repr, log line or error text ever holds a key or a password.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_keyfile.keyfile import create_keyfile_json, decode_keyfile_json

from oyez.protocol.errors import Fatal
from oyez.protocol.types import Address

KEY_VARIABLE = "OYEZ_KEY"
PASSWORD_VARIABLE = "OYEZ_KEYSTORE_PASSWORD"


class Key:
    """A private key that signs and otherwise keeps silent."""

    __slots__ = ("_account", "address")

    def __init__(self, secret: bytes) -> None:
        """Take the 32 secret bytes; Fatal when they are no key of the curve."""
        try:
            account: LocalAccount = Account.from_key(secret)
        except ValueError:
            # From None: the library's own text may hold the key.
            raise Fatal("that is no private key: it must be 32 bytes of a curve's key") from None
        self._account = account
        self.address = Address(bytes.fromhex(account.address[2:]))

    def __repr__(self) -> str:
        return f"Key({self._account.address})"

    def sign(self, transaction: dict[str, Any]) -> tuple[bytes, bytes]:
        """Sign a transaction; return its raw bytes and its hash."""
        signed = self._account.sign_transaction(transaction)
        return bytes(signed.raw_transaction), bytes(signed.hash)


def load_key(
    keystore: Path | None,
    environment: Mapping[str, str],
    prompt: Callable[[str], str] | None = None,
) -> Key:
    """Read the key that signs this command's transactions.

    Args:
        keystore: an encrypted keystore file; None means OYEZ_KEY.
        environment: usually `os.environ`.
        prompt: asks for the keystore's password when the environment holds none.

    Raises:
        Fatal: no key, a wrong password, or a damaged file; the text names the fix.
    """
    if keystore is not None:
        return _read_keystore(keystore, environment, prompt)
    text = environment.get(KEY_VARIABLE)
    if not text:
        raise Fatal(f"no key: give --keystore FILE, or set {KEY_VARIABLE} to 64 hex digits")
    digits = text.strip().removeprefix("0x")
    try:
        secret = bytes.fromhex(digits)
    except ValueError:
        secret = b""
    if len(secret) != 32:
        raise Fatal(f"{KEY_VARIABLE} is no private key: set it to 64 hex digits")
    return Key(secret)


def write_keystore(path: Path, secret: bytes, password: str, iterations: int | None = None) -> Key:
    """Write a new encrypted keystore file that only its owner can read; never overwrites.

    `iterations` is the work factor of scrypt; None is the format's usual one (about a second).
    """
    key = Key(secret)
    document = create_keyfile_json(
        secret,
        _encode_password(password),  # type: ignore[arg-type]  # a str would be taken as Latin-1
        kdf="scrypt",
        iterations=iterations,
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Fatal(
            f"cannot make {path.parent} ({error.strerror}): choose another place"
        ) from error
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise Fatal(f"{path} exists: choose another name for the keystore") from error
    except OSError as error:
        raise Fatal(f"cannot write {path} ({error.strerror}): choose another place") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file)
    return key


def _read_keystore(
    path: Path, environment: Mapping[str, str], prompt: Callable[[str], str] | None
) -> Key:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Fatal(
            f"cannot read the keystore {path} ({error.strerror}): correct its path"
        ) from None
    except (ValueError, RecursionError):
        raise Fatal(f"{path} is no keystore: it holds no JSON") from None
    if not isinstance(document, dict):
        raise Fatal(f"{path} is no keystore: it holds no JSON object")
    password = environment.get(PASSWORD_VARIABLE)
    if password is None and prompt is not None:
        password = prompt(f"password of {path}: ")
    if password is None:
        raise Fatal(f"the keystore {path} needs its password: set {PASSWORD_VARIABLE}")
    try:
        secret = decode_keyfile_json(
            document,
            _encode_password(password),  # type: ignore[arg-type]  # a str would be taken as Latin-1
        )
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        NotImplementedError,  # a version or a hash that the library does not know
        OverflowError,  # more rounds than the hash counts
    ):
        raise Fatal(
            f"cannot open the keystore {path}: wrong password, or the file is damaged"
        ) from None
    return Key(bytes(secret))


def _encode_password(password: str) -> bytes:
    """Return a password's bytes: UTF-8 as in every wallet; what is none keeps its own bytes."""
    return password.encode("utf-8", "surrogateescape")
