"""The SDK: one object for publishing, calling, reading, proving and verifying.

Writing needs a key; reading needs neither key nor model; only `verify` runs a model.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oyez import (
    answers,
    cell_state,
    explaining,
    full_verification,
    proof,
    proving,
    unposted,
    verification,
    waiting,
)
from oyez import status as statuses
from oyez.answers import Action, Published, Queued, Stake
from oyez.chain import client as chain_client
from oyez.chain import contracts, urls
from oyez.protocol import transition
from oyez.protocol.errors import Fatal, Invalid
from oyez.protocol.types import Address, CallId, Hash32, Manifest
from oyez.reader import Reader
from oyez.sending import Sending
from oyez.writer import Writer, open_records

if TYPE_CHECKING:
    from oyez.chain.deployment import Deployment
    from oyez.chain.keys import Key
    from oyez.engines.base import Engine


class Client:
    """One deployment, seen through one chain connection."""

    def __init__(
        self,
        deployment: Deployment,
        key: Key | None = None,
        engine: Engine | None = None,
        *,
        sequencer: str | None = None,
        model: Path | None = None,
        journal: Path | None = None,
        report: Callable[[str], None] = lambda _: None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Connect.

        Args:
            deployment: where the rollup lives.
            key: signs transactions; None: this client only reads.
            engine: runs the model in `verify`; None: loaded when first needed.
            sequencer: address of the sequencer's service, for what is not posted yet.
            model: GGUF file to load in place of the installed one.
            journal: folder that keeps signed transactions over this client's end; None: they are
                kept in memory, and sent again after a re-org as long as this client lives.
            report: is told what a long command is doing.
            pause: waits these seconds between two looks at the chain.

        Raises:
            Invalid: CLI-11, an address is none.
            Temporary: the chain does not answer.
            Fatal: it is another chain.
        """
        if sequencer is not None:
            urls.verify_url(sequencer, "--sequencer")
        self.deployment = deployment
        self.chain = chain_client.connect(deployment.rpc, deployment.chain_id)
        self.inbox = contracts.Inbox(self.chain, deployment)
        self.rollup = contracts.Rollup(self.chain, deployment)
        self.actions = contracts.ActionRegistry(self.chain, deployment)
        self.reader = Reader(self.chain, deployment)
        self.records = open_records(self.chain, journal)
        self._sending = Sending(
            self.chain, self.inbox.address, key, self.records, report=report, pause=pause
        )
        self._writer = Writer(
            self.reader, self._sending, self.chain, deployment, is_kept=bool(journal)
        )
        self._key = key
        self._engine = engine
        self._model = model
        self._sequencer = sequencer
        self._report = report
        self._pause = pause

    @property
    def address(self) -> Address:
        """The key's account; Invalid when there is no key."""
        return self._need_key().address

    def load_engine(self) -> Engine:
        """Return the model, loaded when first used.

        Raises:
            Fatal: the file is missing, cut short, or another than the pinned one.
        """
        if self._engine is None:
            from oyez.engines import exact

            self._engine = exact.load_engine(self._model)
        return self._engine

    def publish(self, data: bytes, *, confirmations: int | None = None) -> Published:
        """Publish an action's manifest bytes under the key's account.

        The bytes are parsed here first, by the rules that the chain applies. `confirmations` are
        those of `call`.

        Raises:
            Invalid: the manifest breaks a rule, or this author has published it already.
            InsufficientBalance: the key's account cannot pay.
        """
        self.parse_manifest(data)
        return self._writer.publish(self._need_key(), data, confirmations)

    def parse_manifest(self, data: bytes) -> Manifest:
        """Parse manifest bytes by the bounds of the model that they name.

        Raises:
            Invalid: the manifest breaks a rule, or names a model that is not listed.
        """
        return self.reader.parse_manifest(data)

    def fetch_action(self, action_id: Hash32) -> Action:
        """Return an action with its current manifest; Invalid: it was never published here."""
        manifest_hash = self.reader.fetch_current_manifest(action_id)
        data = self.reader.fetch_manifest_bytes(manifest_hash)
        manifest = self.reader.fetch_manifest(manifest_hash)
        return Action(
            action_id=action_id,
            author=Address(self.actions.read("author", action_id)),
            manifest_hash=manifest_hash,
            manifest=manifest,
            data=data,
            missing=self.reader.models.fetch_shape(manifest.model).missing,
        )

    def find_bad_byte(self, action: Action, data: bytes) -> int | None:
        """Return the offset of the byte for which a call would end REJECTED(BAD_INPUT)."""
        return transition.check_input(data, action.missing)

    def call(
        self,
        action_id: Hash32,
        data: bytes,
        *,
        cell: bytes = b"",
        fee: int | None = None,
        confirmations: int | None = None,
        again: bool = False,
    ) -> Queued:
        """Queue a call of the current manifest and return it once it is mined and confirmed.

        If a re-org removes it meanwhile, or later while `wait` or `status` looks, the same signed
        bytes are sent again: the id is always that of the chain as it stands.

        Args:
            action_id: the action.
            data: the input.
            cell: the cell's name, for an action with named cells.
            fee: sent in wei, else the inbox's quote and a small margin; what is too much is
                credited.
            confirmations: blocks on top of its own to wait for; None: 0 on a local chain, else 8.
            again: send a new call even though a kept journal holds one like it that no command
                ended; see `acknowledge`.

        Raises:
            Invalid: the inbox refuses it.
            InsufficientBalance: the key's account cannot pay.
            NonceTaken: another transaction of the account came in its place; nothing was paid.
            Temporary: not mined yet; with a kept journal the same call goes on with it.
        """
        return self._writer.call(self._need_key(), action_id, data, cell, fee, confirmations, again)

    def acknowledge(self, record: str) -> None:
        """Note that a sent transaction's result has arrived: asked again, it is sent anew.

        Until then a client with a kept `journal` takes the same wish for the same transaction,
        should this process end. `record` is that of `Queued` or `Published`.
        """
        self.records.end(record)

    def status(self, subject: CallId | Hash32) -> statuses.CallStatus:
        """Return what became of a call, by the chain alone, by its id or its transaction's hash.

        A call of ours that a re-org moved is found at its new id; one that it removed is sent
        again first.

        Raises:
            Invalid: there is no such call, or it cannot come into the chain any more.
        """
        waiter, call_id = self._build_waiter(subject)
        return waiter.fetch(call_id)

    def wait(
        self,
        subject: CallId | Hash32,
        *,
        until: str = "executed",
        timeout: float | None = None,
        report: Callable[[statuses.CallStatus], None] = lambda _: None,
    ) -> statuses.CallStatus:
        """Wait for a call, named by its id or its transaction's hash, and return its status.

        `until` is "executed" (its outcome is known: from the sequencer's service where one was
        given, else from the chain), "posted" or "final"; `timeout` in seconds, None waits for
        ever; `report` is told the status at every look.

        Raises:
            Temporary: the time is over; the call itself is not lost.
        """
        waiter, call_id = self._build_waiter(subject)
        return waiter.wait(call_id, until, timeout, report, self._pause)

    def state(
        self, action_id: Hash32, cell: str = "", *, level: str = "final"
    ) -> cell_state.CellState:
        """Return a cell's fields, rebuilt from posted batch data that hashes to the roots.

        `cell` is the cell's name or 0x address; empty: the shared one, or the key's own. `level`
        is "final" or "posted".
        """
        return cell_state.fetch_cell(
            self.reader, action_id, self.compute_k(action_id, cell), level=level
        )

    def unposted_state(self, action_id: Hash32, cell: str = "") -> dict[str, Any]:
        """Return what the sequencer's service says of a cell; nothing checks it.

        Raises:
            Invalid: no service was named.

        Rule: SDK-2
        """
        if self._sequencer is None:
            raise Invalid("SDK-2", "give the address of the sequencer's service: --sequencer URL")
        action = self.fetch_action(action_id)
        own = self._key.address if self._key is not None else None
        return unposted.fetch_state(self._sequencer, action, cell, own)

    def compute_k(self, action_id: Hash32, cell: str) -> bytes:
        """Return the word that names a cell; Invalid: the name does not fit the action."""
        own = self._key.address if self._key is not None else None
        kind = self.fetch_action(action_id).manifest.cell_kind
        return cell_state.compute_k(kind, cell, own)

    def prove_field(
        self, action_id: Hash32, field: str, *, cell: str = "", batch: int | None = None
    ) -> proof.FieldDocument | proof.AbsenceDocument:
        """Return the proof of one field under a final root, ready for `verify_field`."""
        k = self.compute_k(action_id, cell)
        return proving.prove_field(self.reader, action_id, k, field, batch=batch)

    def prove_absent(
        self, action_id: Hash32, *, cell: str = "", batch: int | None = None
    ) -> proof.AbsenceDocument:
        """Return the proof that a cell is absent under a final root; the chain was asked of it.

        Raises:
            Invalid: the cell exists there, or the batch is not final.
            Fatal: the Rollup's view refuses the proof.
        """
        k = self.compute_k(action_id, cell)
        document = proving.prove_absent(self.reader, action_id, k, batch=batch)
        if not self.check(document):
            raise Fatal(
                f"the Rollup's verify_absent refuses the proof for batch {document.batch}: the "
                "deployment file names another contract, or the chain changed: try once more"
            )
        return document

    def prove_receipt(self, call_id: CallId) -> proof.ReceiptDocument:
        """Return the proof of a call's receipt, ready for `verify_receipt`."""
        return proving.prove_receipt(self.reader, call_id)

    def check(self, document: proof.Document) -> bool:
        """Ask the Rollup's view whether a proof holds."""
        return bool(self.rollup.read(document.view, *document.arguments))

    def verify(self, call_id: CallId, manifest_data: bytes | None = None) -> verification.Verdict:
        """Re-execute a final call and all earlier ones of its cell, and compare."""
        verifier = verification.Verifier(self.reader, self.load_engine, self._report)
        return verifier.verify_call(call_id, manifest_data)

    def explain(self, call_id: CallId) -> explaining.Explanation:
        """Re-execute a call and say what the model decided in it, and how narrowly.

        Raises:
            Invalid: EXPLAIN-1 there is no such call, or it is sampled and its batch still open.
        """
        history = self.reader.fetch_history(tolerant=True)
        found = explaining.explain_call(
            history.entries,
            call_id,
            self.reader.fetch_manifest,
            self.load_engine(),
            find_header=history.find_header,
            report=lambda entry: self._report(f"replaying call {entry.call_id} of {call_id}"),
        )
        batch = history.find_batch(call_id)
        attested = batch is not None and self.reader.fetch_attested(history, batch.number)
        return replace(found, attested=attested)

    def verify_full(
        self, *, batch: int | None = None, call_id: int | None = None
    ) -> full_verification.FullVerdict:
        """Re-execute everything up to a final batch and compare all roots."""
        return full_verification.verify_batches(
            self.reader, self.load_engine, batch=batch, call_id=call_id, report=self._report
        )

    def fetch_stake(self, owner: Address | None = None) -> Stake:
        """Return an account's stake, the key's by default."""
        account = self.address if owner is None else owner
        required = self.rollup.fetch_settings().stake
        return answers.build_stake(account, self.rollup.fetch_stake(account), required)

    def deposit_stake(
        self, amount: int | None = None, *, confirmations: int | None = None
    ) -> Stake:
        """Deposit the key's stake, in wei what the Rollup requires by default, and return it.

        Raises:
            Invalid: another amount than is required, slashed, or there is a stake already.
            InsufficientBalance: the key's account cannot pay.
        """
        self._writer.deposit(self._need_key(), lambda: self._decide(amount), confirmations)
        return self.fetch_stake()

    def _decide(self, amount: int | None) -> int:
        return answers.decide_deposit(self.fetch_stake(), amount)

    def _need_key(self) -> Key:
        """Return the key that signs.

        Rule: SDK-4
        """
        if self._key is None:
            raise Invalid("SDK-4", "this needs a key: give --keystore FILE or set OYEZ_KEY")
        return self._key

    def _build_waiter(self, subject: CallId | Hash32) -> tuple[waiting.Waiter, CallId]:
        call_id, locate = self._sending.follow(subject)
        return waiting.Waiter(self.reader, self._sequencer, self._report, locate), call_id
