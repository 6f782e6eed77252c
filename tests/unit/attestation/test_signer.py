"""An enclave's key: what it signs, what it refuses, what a crash or a file set back does to it."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from oyez.attestation import sealing
from oyez.attestation.engine_build import FOLDERS, ROOT, compute_engine_build, list_sources
from oyez.attestation.sealing import SealedFile
from oyez.attestation.signer import Domain, EnclaveSigner, Signed, Statement
from oyez.protocol import codec, enclaves
from oyez.protocol.errors import Fatal, Invalid
from oyez.protocol.types import Address, BatchNumber, Claim, Hash32

DOMAIN = Domain(31_337, Address(b"\1" * 20), Address(b"\2" * 20))
HALF_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 // 2


def word(number: int) -> Hash32:
    return Hash32(number.to_bytes(32))


def build(batch: int = 5, parent: int = 1, root: int = 7, attempt: int = 0) -> Statement:
    claim = Claim(word(root), word(8), word(9), word(10))
    return Statement(word(parent), attempt, BatchNumber(batch), word(batch), claim)


def open_signer(home: Path, domain: Domain = DOMAIN) -> EnclaveSigner:
    return EnclaveSigner(SealedFile(home / "state", home / "seal"), domain)


def ready(home: Path, newest: int = 5) -> EnclaveSigner:
    signer = open_signer(home)
    signer.resume(BatchNumber(newest))
    return signer


def refused(what: str, act: Callable[..., object], *inputs: Any) -> None:
    with pytest.raises(Invalid, match=what) as caught:
        act(*inputs)
    assert caught.value.rule == "ENCLAVE-8"


def test_it_signs_the_registrys_and_the_assertions_digest(tmp_path: Path) -> None:
    """Rule: ENCLAVE-7"""
    signer = ready(tmp_path)
    statement = build()
    signature = signer.sign(statement)
    assertion_id = codec.compute_assertion_id(
        chain_id=31_337, rollup=DOMAIN.rollup, parent=statement.parent, attempt=0,
        batch=statement.batch, batch_hash=statement.batch_hash, claim=statement.claim,
    )  # fmt: skip
    assert statement.compute_id(DOMAIN) == assertion_id
    digest = codec.keccak(
        codec.keccak(b"oyez.attest.v1") + bytes(12) + DOMAIN.registry + assertion_id
    )
    assert enclaves.compute_attestation(DOMAIN.registry, assertion_id) == digest
    assert len(signature) == 65
    assert signature[64] in (27, 28)
    assert int.from_bytes(signature[32:64]) <= HALF_ORDER
    found = Account._recover_hash(digest, signature=signature)
    assert bytes.fromhex(found[2:]) == signer.address
    assert signer.sign(statement) == signature


def test_another_chain_rollup_or_registry_is_another_digest() -> None:
    """Rule: ENCLAVE-7"""
    digests = set()
    for domain in (
        DOMAIN, replace(DOMAIN, chain_id=1), replace(DOMAIN, rollup=Address(b"\3" * 20)),
        replace(DOMAIN, registry=Address(b"\3" * 20)),
    ):  # fmt: skip
        assertion_id = build().compute_id(domain)
        digests.add(enclaves.compute_attestation(domain.registry, assertion_id))
    assert len(digests) == 4
    ids = {build().compute_id(DOMAIN)} | {
        replace(build(), **{one.name: value}).compute_id(DOMAIN)
        for one, value in zip(
            fields(Statement), (word(2), 1, 6, word(6), build(root=8).claim), strict=True
        )
    }
    assert len(ids) == 6


def test_two_ids_for_one_parent_and_batch_are_never_signed(tmp_path: Path) -> None:
    """Rule: ENCLAVE-8"""
    signer = ready(tmp_path)
    first = signer.sign(build())
    refused("it signed 0x", signer.sign, build(root=8))
    refused("it signed 0x", signer.sign, build(attempt=1))
    assert signer.sign(build()) == first
    assert signer.sign(build(parent=2, root=8)) != first
    assert signer.sign(build(batch=6, root=8)) != first
    again = ready(tmp_path)
    assert again.address == signer.address
    refused("it signed 0x", again.sign, build(root=8))
    assert again.sign(build()) == first


def test_nothing_is_signed_below_the_newest_batch_or_before_a_look_at_the_chain(
    tmp_path: Path,
) -> None:
    """Rule: ENCLAVE-8"""
    signer = open_signer(tmp_path)
    refused("not looked at the chain", signer.sign, build())
    signer.resume(BatchNumber(6))
    refused("below 6", signer.sign, build(5))
    signer.sign(build(6))
    signer.resume(BatchNumber(3))  # the chain was set back: the memory was not
    assert signer.floor == 6
    refused("below 6", signer.sign, build(5))
    refused("it signed 0x", signer.sign, build(6, root=8))
    again = open_signer(tmp_path)
    refused("not looked at the chain", again.sign, build(6))
    again.resume(BatchNumber(0))
    refused("below 6", again.sign, build(5))


def test_a_lost_memory_is_taken_from_the_chain(tmp_path: Path) -> None:
    """Rule: ENCLAVE-8"""
    signer = ready(tmp_path)
    signed = build(6)
    signature = signer.sign(signed)
    on_chain = Signed(signed.parent, signed.batch, signed.compute_id(DOMAIN))
    later = ready(tmp_path / "other", 0)
    later.resume(BatchNumber(6), [on_chain])
    refused("it signed 0x", later.sign, build(6, root=8))
    assert later.sign(signed) != signature  # another key, the same assertion
    signer.resume(BatchNumber(6), [on_chain])
    stranger = replace(on_chain, assertion_id=word(9))
    with pytest.raises(Fatal, match="revoke the key"):
        signer.resume(BatchNumber(6), [stranger])


def test_what_is_below_the_floor_is_forgotten(tmp_path: Path) -> None:
    """Rule: ENCLAVE-8"""
    signer = ready(tmp_path, 0)
    for batch in range(1, 30):
        signer.sign(build(batch))
    size = (tmp_path / "state").stat().st_size
    signer.resume(BatchNumber(29))
    assert (tmp_path / "state").stat().st_size < size / 4
    refused("it signed 0x", signer.sign, build(29, root=8))


def test_the_key_leaves_nothing_but_the_sealed_file(tmp_path: Path) -> None:
    """Rule: ENCLAVE-6"""
    signer = ready(tmp_path)
    secret = signer._secret
    assert len(secret) == 32
    assert not any(secret in path.read_bytes() for path in tmp_path.iterdir())
    assert not any(secret.hex().encode() in path.read_bytes() for path in tmp_path.iterdir())
    for text in (repr(signer), str(signer), repr(SealedFile(tmp_path / "a", tmp_path / "b"))):
        assert secret.hex() not in text
    public = [name for name in dir(signer) if not name.startswith("_")]
    assert public == ["address", "bind", "domain", "floor", "prove_possession", "resume", "sign"]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())
    assert ready(tmp_path / "other").address != signer.address
    with pytest.raises(Fatal, match="another rollup or registry"):
        open_signer(tmp_path, replace(DOMAIN, chain_id=1))


class KilledError(BaseException):
    """The process is gone."""


def killing(monkeypatch: pytest.MonkeyPatch, left: int) -> None:
    """Let `left` writes through and end the process at the next, once."""
    write, done = sealing.write_durably, [left]

    def wrapped(path: Path, data: bytes) -> None:
        if done[0] == 0:
            done[0] = -1
            raise KilledError
        done[0] -= 1
        write(path, data)

    monkeypatch.setattr(sealing, "write_durably", wrapped)


@pytest.mark.parametrize("left", range(10))
def test_a_crash_before_any_write_signs_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    """Rule: ENCLAVE-8"""
    given: list[tuple[Address, Hash32, int, Hash32]] = []

    def work(root: int) -> None:
        signer = ready(tmp_path)
        for batch in (5, 6):
            statement = build(batch, root=root)
            signer.sign(statement)
            place = (signer.address, statement.parent, batch)
            given.append((*place, statement.compute_id(DOMAIN)))

    with monkeypatch.context() as patched:
        killing(patched, left)
        try:
            work(root=7)
        except KilledError:
            assert left < 9
        else:
            assert left == 9
    for root in (8, 7):
        with contextlib.suppress(Invalid):
            work(root)
    assert given
    signed: dict[Any, Hash32] = {}
    for address, parent, batch, assertion_id in given:
        assert signed.setdefault((address, parent, batch), assertion_id) == assertion_id


def test_a_state_set_back_or_taken_away_is_refused(tmp_path: Path) -> None:
    """Rule: ENCLAVE-9"""
    signer = ready(tmp_path)
    shutil.copy(tmp_path / "state", tmp_path / "old")
    signer.sign(build())
    shutil.copy(tmp_path / "state", tmp_path / "new")
    shutil.copy(tmp_path / "old", tmp_path / "state")
    with pytest.raises(Fatal, match="set back"):
        open_signer(tmp_path)
    (tmp_path / "state").unlink()
    with pytest.raises(Fatal, match="is gone"):
        open_signer(tmp_path)
    shutil.copy(tmp_path / "new", tmp_path / "state")
    assert open_signer(tmp_path).address == signer.address
    ready(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "state", tmp_path / "state")
    with pytest.raises(Fatal, match="of another seal"):
        open_signer(tmp_path)
    (tmp_path / "seal").write_bytes(b"short")
    with pytest.raises(Fatal, match="no seal"):
        open_signer(tmp_path)
    (tmp_path / "seal").unlink()
    assert open_signer(tmp_path).address != signer.address
    (tmp_path / "seal").unlink()
    (tmp_path / "seal").mkdir()
    with pytest.raises(Fatal, match="cannot read"):
        open_signer(tmp_path)


def test_no_bit_of_a_state_can_be_changed(tmp_path: Path) -> None:
    """Rule: ENCLAVE-9"""
    ready(tmp_path).sign(build())
    whole = (tmp_path / "state").read_bytes()
    document = SealedFile(tmp_path / "state", tmp_path / "seal").load()
    assert document is not None
    assert json.loads(document)["floor"] == 5
    for place in (*range(40), *range(40, len(whole), 37), len(whole) - 1):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        (tmp_path / "state").write_bytes(changed)
        with pytest.raises(Fatal, match="damaged"):
            SealedFile(tmp_path / "state", tmp_path / "seal").load()
    for size in (0, 8, 35, len(whole) - 1):
        (tmp_path / "state").write_bytes(whole[:size])
        with pytest.raises(Fatal, match="damaged"):
            SealedFile(tmp_path / "state", tmp_path / "seal").load()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Rule: ENCLAVE-9"""
    (tmp_path / "file").touch()
    with pytest.raises(Fatal, match=r"cannot (read|write)"):
        open_signer(tmp_path / "file")


def test_the_application_is_build_model_and_version(tmp_path: Path) -> None:
    """Rule: ENCLAVE-4"""
    assert enclaves.compute_application(word(1), word(2)) == codec.keccak(
        codec.keccak(b"oyez.application.v1") + word(1) + word(2) + word(enclaves.PROTOCOL_VERSION)
    )
    found = list_sources()
    assert {path.relative_to(ROOT).parts[1] for path in found} == {
        folder.split("/")[1] for folder in FOLDERS
    }
    assert ROOT / "oyez/engines/exact/kernels.c" in found
    assert len(found) > 40
    for path in found:
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    build_id = compute_engine_build()
    assert compute_engine_build(tmp_path) == build_id
    (tmp_path / "oyez/protocol/notes.txt").write_text("not a source")
    assert compute_engine_build(tmp_path) == build_id
    kernels = tmp_path / "oyez/engines/exact/kernels.c"
    kernels.write_bytes(kernels.read_bytes() + b"\n")
    changed = compute_engine_build(tmp_path)
    assert changed != build_id
    kernels.rename(kernels.with_name("kernel.c"))
    assert compute_engine_build(tmp_path) not in (build_id, changed)
