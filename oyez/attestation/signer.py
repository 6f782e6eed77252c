"""The key that is made in an enclave and never leaves it, and what it agrees to sign.

It signs assertions of one rollup, each from its whole content, at most one for each parent and
batch, none below the newest batch that the chain knows.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from eth_account import Account

from oyez.attestation.sealing import SealedFile
from oyez.protocol import codec
from oyez.protocol.enclaves import compute_attestation, compute_binding
from oyez.protocol.errors import Fatal, Invalid
from oyez.protocol.types import Address, BatchNumber, Claim, Hash32


@dataclass(frozen=True, slots=True)
class Domain:
    """For whom an enclave signs: a rollup, and the registry that knows its key."""

    chain_id: int
    rollup: Address
    registry: Address


@dataclass(frozen=True, slots=True)
class Statement:
    """An assertion's content, from which its id follows."""

    parent: Hash32
    attempt: int
    batch: BatchNumber
    batch_hash: Hash32
    claim: Claim

    def compute_id(self, domain: Domain) -> Hash32:
        """Return the assertion's id on a domain's rollup."""
        return codec.compute_assertion_id(
            chain_id=domain.chain_id,
            rollup=domain.rollup,
            parent=self.parent,
            attempt=self.attempt,
            batch=self.batch,
            batch_hash=self.batch_hash,
            claim=self.claim,
        )


@dataclass(frozen=True, slots=True)
class Signed:
    """What the chain has of this key: an assertion that it attested."""

    parent: Hash32
    batch: BatchNumber
    assertion_id: Hash32


class EnclaveSigner:
    """A key with a memory of what it signed.

    No method returns the key, and no text shows it; it is kept in the sealed file alone.

    Rule: ENCLAVE-6
    """

    __slots__ = ("_file", "_floor", "_ready", "_secret", "_signed", "address", "domain")

    def __init__(self, file: SealedFile, domain: Domain) -> None:
        """Take up the key that the sealed file holds, or make one.

        Args:
            file: where key and memory outlive a crash.
            domain: for whom it signs; a file of another domain is refused.

        Raises:
            Fatal: the file cannot be used, or is of another domain.
        """
        self._file, self.domain = file, domain
        self._ready = False
        kept = file.load()
        if kept is None:
            self._secret, self._floor = secrets.token_bytes(32), 0
            self._signed: dict[tuple[int, bytes], bytes] = {}
        else:
            self._restore(json.loads(kept))
        self.address = Address(bytes.fromhex(Account.from_key(self._secret).address[2:]))
        if kept is None:
            self._save()

    def __repr__(self) -> str:
        return f"EnclaveSigner(0x{self.address.hex()})"

    @property
    def floor(self) -> BatchNumber:
        """The lowest batch that it may still sign."""
        return BatchNumber(self._floor)

    def resume(self, newest: BatchNumber, attested: Iterable[Signed] = ()) -> None:
        """Learn what the chain knows; nothing is signed before.

        Args:
            newest: the highest batch that anybody has proposed, 0 for none.
            attested: what the chain has of this key, in batches from `newest` on; it takes the
                place of a memory that was lost.

        Raises:
            Fatal: the chain has an assertion of this key that the key does not remember so: it
                signs no more.

        Rule: ENCLAVE-8
        """
        for one in attested:
            place = (one.batch, one.parent)
            if self._signed.setdefault(place, one.assertion_id) != one.assertion_id:
                raise Fatal(
                    f"the chain has 0x{one.assertion_id.hex()} of this key for batch {one.batch}, "
                    f"signed was 0x{self._signed[place].hex()}: revoke the key, make another"
                )
        self._floor = max(self._floor, newest)
        self._signed = {place: id for place, id in self._signed.items() if place[0] >= self._floor}
        self._save()
        self._ready = True

    def sign(self, statement: Statement) -> bytes:
        """Return r, s, v in 65 bytes over an assertion, s low; the same for the same assertion.

        What is signed is kept before it is given away.

        Raises:
            Invalid: ENCLAVE-8: `resume` was not called, the batch is below the newest one, or
                another assertion was signed for this parent and batch.

        Rule: ENCLAVE-7, ENCLAVE-8
        """
        if not self._ready:
            raise Invalid("ENCLAVE-8", "enclave: it has not looked at the chain yet")
        if statement.batch < self._floor:
            raise Invalid(
                "ENCLAVE-8",
                f"enclave: batch {statement.batch} is below {self._floor}, the newest on the chain",
            )
        assertion_id = statement.compute_id(self.domain)
        place = (statement.batch, statement.parent)
        kept = self._signed.get(place)
        if kept is None:
            self._signed[place] = assertion_id
            self._save()
        elif kept != assertion_id:
            raise Invalid(
                "ENCLAVE-8",
                f"enclave: it signed 0x{kept.hex()} for this parent and batch {statement.batch}",
            )
        return self._sign(compute_attestation(self.domain.registry, assertion_id))

    def bind(self, ref_block: int, block_hash: Hash32) -> Hash32:
        """Return the first half of the report data that names this key to its registry.

        Args:
            ref_block: number of a recent block.
            block_hash: its hash.

        Rule: ENCLAVE-5
        """
        domain = self.domain
        return compute_binding(
            domain.chain_id, domain.registry, self.address, ref_block, block_hash
        )

    def prove_possession(self, ref_block: int, block_hash: Hash32) -> bytes:
        """Return r, s, v in 65 bytes over what `bind` returns: the key registers itself.

        Rule: ENCLAVE-5
        """
        return self._sign(self.bind(ref_block, block_hash))

    def _sign(self, digest: bytes) -> bytes:
        """Return r, s, v over 32 bytes."""
        return bytes(Account.unsafe_sign_hash(digest, self._secret).signature)

    def _save(self) -> None:
        """Keep key and memory."""
        signed = [[batch, parent.hex(), id.hex()] for (batch, parent), id in self._signed.items()]
        document = {
            "key": self._secret.hex(),
            "domain": _describe(self.domain),
            "floor": self._floor,
            "signed": signed,
        }
        self._file.save(json.dumps(document).encode())

    def _restore(self, document: dict[str, Any]) -> None:
        """Take up what was kept."""
        if document["domain"] != _describe(self.domain):
            raise Fatal("this enclave's key is for another rollup or registry: use another home")
        self._secret = bytes.fromhex(document["key"])
        self._floor = document["floor"]
        self._signed = {
            (batch, bytes.fromhex(parent)): bytes.fromhex(id)
            for batch, parent, id in document["signed"]
        }


def _describe(domain: Domain) -> list[Any]:
    """Return a domain as JSON."""
    return [domain.chain_id, domain.rollup.hex(), domain.registry.hex()]
