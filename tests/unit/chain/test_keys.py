from __future__ import annotations

import json
import os
import traceback
from pathlib import Path

import pytest
from eth_keyfile.keyfile import decode_keyfile_json

from oyez.chain.keys import Key, load_key, write_keystore
from oyez.protocol.errors import Fatal

SECRET = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
ADDRESS = "f39fd6e51aad88f6f4ce6ab8827279cfffb92266"


def assert_silent(error: BaseException, *secrets: str) -> None:
    text = "".join(traceback.format_exception(error))
    assert not any(secret in text for secret in secrets)


def test_a_key_shows_its_address_alone() -> None:
    key = Key(SECRET)
    assert key.address.hex() == ADDRESS
    for text in (repr(key), str(key), f"{key}", repr([key]), repr(vars(type(key)))):
        assert SECRET.hex() not in text.lower()
    assert ADDRESS in repr(key).lower()


def test_the_environment_holds_a_key() -> None:
    for text in (SECRET.hex(), "0x" + SECRET.hex(), f" {SECRET.hex()}\n"):
        assert load_key(None, {"OYEZ_KEY": text}).address.hex() == ADDRESS


@pytest.mark.parametrize(
    "text", ["", "0x", "zz" * 32, SECRET.hex()[:-2], SECRET.hex() + "00", "00" * 32, "ff" * 32]
)
def test_a_wrong_key_in_the_environment_is_named_and_never_shown(text: str) -> None:
    with pytest.raises(Fatal) as caught:
        load_key(None, {"OYEZ_KEY": text})
    if len(text) > 4:
        assert text not in str(caught.value)


def test_a_keystore_opens_with_its_password_alone(tmp_path: Path) -> None:
    path = tmp_path / "home" / "key.json"
    write_keystore(path, SECRET, "right horse", iterations=2)
    assert SECRET.hex() not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    environment = {"OYEZ_KEYSTORE_PASSWORD": "right horse", "OYEZ_KEY": "11" * 32}
    assert load_key(path, environment).address.hex() == ADDRESS
    assert load_key(path, {}, lambda _text: "right horse").address.hex() == ADDRESS
    guess = "-".join(["wrong", "horse"])  # so that the traceback's own lines do not show it
    with pytest.raises(Fatal, match="wrong password") as caught:
        load_key(path, {"OYEZ_KEYSTORE_PASSWORD": guess})
    assert_silent(caught.value, guess, SECRET.hex())
    with pytest.raises(Fatal, match="set OYEZ_KEYSTORE_PASSWORD"):
        load_key(path, {})
    with pytest.raises(Fatal, match="exists"):
        write_keystore(path, SECRET, "another", iterations=2)


LONG = f"""{{"version": 3, "crypto": {{
    "cipher": "aes-128-ctr", "cipherparams": {{"iv": "{"00" * 16}"}}, "ciphertext": "00",
    "kdf": "pbkdf2", "kdfparams":
        {{"c": {"9" * 21}, "dklen": 32, "prf": "hmac-sha256", "salt": "00"}}, "mac": "00"}}}}"""


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "7", "null", "{}", '{"version": 3}', '{"version": 3, "crypto": {}}'),
        *(LONG, "9" * 4_301),
    ],
)
def test_a_damaged_keystore_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key.json"
    path.write_text(text)
    with pytest.raises(Fatal, match=r"key\.json"):
        load_key(path, {"OYEZ_KEYSTORE_PASSWORD": "x"})


def test_a_missing_keystore_and_a_missing_key_are_named(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="correct its path"):
        load_key(tmp_path / "none.json", {})
    with pytest.raises(Fatal, match="OYEZ_KEY"):
        load_key(None, {})


@pytest.mark.parametrize(
    "password", ["\u043f\u0430\u0440\u043e\u043b\u044c", "\u00e9\u20ac", "\udcff", ""]
)
def test_a_password_may_be_any_text_and_counts_as_utf_8(tmp_path: Path, password: str) -> None:
    path = tmp_path / "key.json"
    write_keystore(path, SECRET, password, iterations=2)
    assert load_key(path, {"OYEZ_KEYSTORE_PASSWORD": password}).address.hex() == ADDRESS
    raw = decode_keyfile_json(json.loads(path.read_text()), os.fsencode(password))
    assert bytes(raw) == SECRET


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Fatal, match=r"cannot make .*: choose another place"):
        write_keystore(tmp_path / "file" / "key.json", SECRET, "x", iterations=2)


def test_json_without_an_end_is_no_keystore(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text("[" * 100_000)
    with pytest.raises(Fatal, match="it holds no JSON"):
        load_key(path, {})
