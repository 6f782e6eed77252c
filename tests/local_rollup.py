"""A whole rollup on a local chain with the scripted engine: `with LocalRollup() as rollup:`.

An honest sequencer in a few lines: what it posts is what `oyez.derivation` derives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from oyez.chain import client as chain_client
from oyez.chain import contracts, deploy, sender
from oyez.chain.enclave_deploy import EnclaveSettings, deploy_enclaves
from oyez.chain.keys import Key
from oyez.client import Client
from oyez.derivation import history, replay
from oyez.engines.exact.engine import ExactEngine
from oyez.engines.exact.step_rows import prove_engine
from oyez.protocol import manifest_layout
from oyez.protocol.constants import UPGRADE_IMMUTABLE
from oyez.protocol.manifest import build_constants, encode_manifest
from oyez.protocol.manifest_layout import OpCode
from oyez.protocol.transition import BatchResult
from oyez.protocol.types import (
    ZERO_ADDRESS,
    ZERO_HASH,
    Address,
    CellKind,
    Expression,
    Field,
    FieldType,
    Hash32,
    Manifest,
    Op,
    Role,
    SeedRule,
    Segment,
    SegmentKind,
)
from oyez.testing.scripted import ScriptedEngine
from tests.devnet import Anvil


def build_counter(kind: CellKind = CellKind.SHARED, *, name: bytes = b"counter") -> bytes:
    """Return the bytes of an action: the model picks `mood` and a `note`, the code counts."""
    fields = (
        Field(
            b"mood", FieldType.ENUM, Role.WRITES, b"bad", options=(b"bad", b"good"), biases=(0, 0)
        ),
        Field(b"note", FieldType.STRING, Role.WRITES, b"", limit=6),
        Field(b"good", FieldType.INTEGER, Role.COMPUTE, 0, low=0, high=999, digits=3),
        Field(b"bad", FieldType.INTEGER, Role.COMPUTE, 0, low=0, high=999, digits=3),
    )
    constants = build_constants(fields, [1])
    one = constants.index(1)
    # mood is its option's index: 1 is good
    good = (Op(OpCode.OLD, 2), Op(OpCode.NEW, 0), Op(OpCode.ADD))
    bad = (
        Op(OpCode.OLD, 3),
        Op(OpCode.CONST, one),
        Op(OpCode.NEW, 0),
        Op(OpCode.SUB),
        Op(OpCode.ADD),
    )
    segments = (
        Segment(SegmentKind.LITERAL, (40, 41, 42)),
        Segment(SegmentKind.STATE),
        Segment(SegmentKind.INPUT),
        Segment(SegmentKind.LITERAL, (43,)),
    )
    draft = Manifest(
        model=0,
        cell_kind=kind,
        upgrade_delay=UPGRADE_IMMUTABLE,
        temperature=0,
        seed_rule=SeedRule.BATCH,
        seed=ZERO_HASH,
        max_input=64,
        output_tokens=60,
        fixed_positions=4 + manifest_layout.compute_json_bytes(fields) + 60,
        fields=fields,
        segments=segments,
        constants=constants,
        expressions=(Expression(2, good), Expression(3, bad)),
        name=name,
        description=b"",
        state_bytes=0,
        output_bytes=0,
        hash=ZERO_HASH,
    )
    return encode_manifest(draft)


class LocalRollup:
    """Five contracts on anvil, a scripted model, and the sequencer's key."""

    def __init__(
        self,
        *,
        has_game: bool = False,
        model: ExactEngine | None = None,
        challenge_window: int = 600,
        response_window: int = 120,
        enclaves: Callable[[Sequence[Key]], EnclaveSettings] | None = None,
        needs_enclave: bool = False,
    ) -> None:
        """With `has_game` there is a DuelGame over the toy's step table; else account 9 is it.

        With a `model` that runs, and a DuelGame over its own steps. The windows are in seconds.
        With `enclaves`, which is given the accounts' keys, a registry of them is deployed first.
        """
        self.challenge_window = challenge_window
        self.response_window = response_window
        self.enclaves = enclaves
        self.needs_enclave = needs_enclave
        self.has_game = has_game
        self.model = model
        self.engine: Any = ScriptedEngine(seed=3) if model is None else model
        self.anvil = Anvil()

    def __enter__(self) -> Self:
        self.anvil.start()
        self.keys = [Key(bytes.fromhex(account.key[2:])) for account in self.anvil.accounts]
        self.chain = chain_client.connect(self.anvil.rpc, self.anvil.chain_id)
        listed = deploy.ListedModel(self.engine.model_root, self.engine.shape)
        registry = self._deploy_enclaves()
        settings = deploy.DeploySettings(
            sequencer=self.keys[0].address,
            models=(listed,),
            game=self.keys[9].address,
            steps=self._deploy_steps() if self.has_game else ZERO_ADDRESS,
            proof=None if self.model is None else prove_engine(self.model),
            challenge_window=self.challenge_window,
            response_window=self.response_window,
            enclaves=registry.get("TdxRegistrySim", ZERO_ADDRESS),
            needs_enclave=self.needs_enclave,
        )
        made = deploy.deploy(self.chain, self.keys[0], settings)
        self.deployment = replace(made, contracts=made.contracts | registry)
        self.sequencer = self.client(0)
        self.sequencer.deposit_stake()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.anvil.stop()

    def _deploy_enclaves(self) -> dict[str, Address]:
        if self.enclaves is None:
            return {}
        return deploy_enclaves(self.chain, self.keys[0], self.enclaves(self.keys))

    def _deploy_steps(self) -> Address:
        code = deploy.compile_contract("contracts/mocks/ToyMachine.vy").bytecode
        way = sender.Sender(self.chain, self.keys[8], sender.MemoryJournal())
        created = way.send("steps", contracts.Transaction(None, code)).created
        assert created is not None
        return created

    def client(self, index: int, *, rpc: str | None = None) -> Client:
        """Return a client that signs with an account's key."""
        place = self.deployment if rpc is None else replace(self.deployment, rpc=rpc)
        return Client(place, self.keys[index], self.engine, pause=lambda _: None)

    def send(self, transaction: contracts.Transaction) -> None:
        """Send one of the sequencer's transactions."""
        self.act(0, transaction)

    def act(self, index: int, transaction: contracts.Transaction) -> None:
        """Send a transaction from an account."""
        way = sender.Sender(self.chain, self.keys[index], sender.MemoryJournal())
        way.send("test", transaction)

    def close_batch(self) -> None:
        """Close the open batch, as the sequencer."""
        self.anvil.advance(3)
        self.send(self.sequencer.inbox.build_close())

    def derive(self) -> list[BatchResult]:
        """Return the results of all closed batches."""
        found = history.fetch_history(self.chain, self.deployment)
        return list(replay.derive_all(found.batches, self.sequencer.reader.collect, self.engine))

    def propose(self, *, damage: bool = False) -> list[Hash32]:
        """Propose every closed batch that is not proposed yet; return their ids.

        `damage` changes a byte of the batch data, which no claim covers.
        """
        found = history.fetch_history(self.chain, self.deployment)
        reader = self.sequencer.reader
        known = [event.assertion_id for event in found.proposed]
        parent = known[-1] if known else reader.genesis_id
        made = []
        for batch, result in list(zip(found.batches, self.derive(), strict=True))[len(known) :]:
            data = bytearray(result.batch_data)
            if damage:
                data[-1] ^= 1
            self.send(
                self.sequencer.rollup.build_propose(
                    parent=parent,
                    attempt=0,
                    batch_hash=batch.batch_hash,
                    claim=result.claim,
                    last_record_proof=result.last_record_proof,
                    batch_data=bytes(data),
                )
            )
            parent = reader.compute_id(parent, 0, batch, result.claim)
            made.append(parent)
        return made

    def finalize(self) -> None:
        """Move the clock over the challenge window and finalize what is pending."""
        self.anvil.advance(601)
        found = history.fetch_history(self.chain, self.deployment)
        for event in found.proposed[self.sequencer.rollup.fetch_head() :]:
            self.send(self.sequencer.rollup.build_finalize(event.assertion_id))

    def defeat(self, assertion_id: Hash32) -> None:
        """Defeat an assertion, as the game that duels will be."""
        self.act(9, self.sequencer.rollup.build("defeat", assertion_id))

    def settle(self) -> None:
        """Close, propose and finalize."""
        self.close_batch()
        self.propose()
        self.finalize()
