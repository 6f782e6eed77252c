"""What a client writes: actions, calls, stakes; each becomes one transaction."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from oyez import refusal
from oyez.answers import Published, Queued
from oyez.chain import contracts, record_files, records
from oyez.chain.client import Chain, Mined, Reverted
from oyez.chain.deployment import Deployment
from oyez.chain.keys import Key
from oyez.chain.signing import read_transaction
from oyez.protocol import codec
from oyez.protocol.errors import Invalid
from oyez.protocol.types import ZERO_HASH, Hash32
from oyez.reader import Reader
from oyez.sending import Sending

#: What is sent above the quote is 1/8 of it: other calls may raise the price meanwhile.
FEE_MARGIN = 8


def open_records(chain: Chain, journal: Path | None) -> records.Records:
    """Return the records of a chain in a folder, or in memory."""
    if journal is None:
        return records.Records()
    # a local chain that starts anew has the same id and addresses: its first block differs
    first = chain.fetch_block(0).hash
    return record_files.FileRecords(journal / f"{chain.chain_id}-{first[:8].hex()}")


class Writer:
    """Builds a client's transactions and reads what became of them."""

    def __init__(
        self,
        reader: Reader,
        sending: Sending,
        chain: Chain,
        deployment: Deployment,
        *,
        is_kept: bool,
    ) -> None:
        """Take what reads and what sends; `is_kept`: records outlive this process."""
        self._reader = reader
        self._sending = sending
        self._inbox = contracts.Inbox(chain, deployment)
        self._rollup = contracts.Rollup(chain, deployment)
        self._actions = contracts.ActionRegistry(chain, deployment)
        self._is_kept = is_kept

    def publish(self, key: Key, data: bytes, confirmations: int | None) -> Published:
        """Publish a manifest that was found valid; see `Client.publish`."""
        manifest_hash = codec.keccak(data)
        transaction = self._actions.build_publish(data)
        record, mined = self.send(
            key, "publish", transaction.data, lambda: transaction, confirmations
        )
        return Published(
            action_id=codec.compute_action_id(key.address, manifest_hash),
            manifest_hash=manifest_hash,
            transaction=mined.hash,
            block=mined.block,
            gas_used=mined.gas_used,
            record=record.name,
        )

    def call(
        self,
        key: Key,
        action_id: Hash32,
        data: bytes,
        cell: bytes,
        fee: int | None,
        confirmations: int | None,
        again: bool,
    ) -> Queued:
        """Queue a call; see `Client.call`."""
        # a wish is the same whatever the manifest and the price are when it is sent
        wish = self._inbox.build_submit(
            action_id=action_id, cell=cell, data=data, manifest_hash=ZERO_HASH, fee=0
        )
        record, mined = self.send(
            key,
            "call",
            wish.data,
            lambda: self._build_call(action_id, data, cell, fee),
            confirmations,
            again,
        )
        place = self._sending.read_place(mined)
        return Queued(
            call_id=place.call_id,
            batch=place.batch,
            fee=place.fee,
            paid=read_transaction(record.signed).value,
            transaction=mined.hash,
            block=mined.block,
            record=record.name,
        )

    def deposit(self, key: Key, decide: Callable[[], int], confirmations: int | None) -> None:
        """Deposit a stake of as many wei as `decide` says; see `Client.deposit_stake`."""
        record, _ = self.send(
            key,
            "deposit_stake",
            self._rollup.build_deposit(0).data,
            lambda: self._rollup.build_deposit(decide()),
            confirmations,
        )
        self._sending.records.end(record.name)

    def send(
        self,
        key: Key,
        intent: str,
        wish: bytes,
        build: Callable[[], contracts.Transaction],
        confirmations: int | None = None,
        again: bool = False,
    ) -> tuple[records.Record, Mined]:
        """Send a transaction; a contract's refusal is explained."""
        try:
            record, mined = self._sending.send(
                intent, wish, build, key=key, confirmations=confirmations, again=again
            )
        except Reverted as error:
            raise refusal.explain(error) from error
        if not self._is_kept:
            self._sending.records.end(record.name)
        return record, mined

    def _build_call(
        self, action_id: Hash32, data: bytes, cell: bytes, fee: int | None
    ) -> contracts.Transaction:
        """Return a new call's transaction.

        Rule: SDK-1
        """
        expected = self._reader.fetch_current_manifest(action_id)
        try:
            quote = self._inbox.fetch_quote(action_id, len(data))
        except Reverted as error:
            raise refusal.explain(error) from error
        paid = quote + quote // FEE_MARGIN if fee is None else fee
        if paid < quote:
            raise Invalid(
                "SDK-1", f"a fee of {paid} wei is too low, the inbox asks {quote}: leave --fee out"
            )
        return self._inbox.build_submit(
            action_id=action_id, cell=cell, data=data, manifest_hash=expected, fee=paid
        )
