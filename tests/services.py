"""Sequencer and challenger of a local rollup, driven step by step: no thread, no sleep."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from challenger import parts as challenger_parts
from challenger import service as challenger_service
from challenger import store as challenger_store
from oyez.attestation.enclave import build_domain
from oyez.attestation.sealing import SealedFile
from oyez.attestation.signer import EnclaveSigner
from oyez.chain import client
from oyez.chain.delivery import PATIENCE_SECONDS
from oyez.chain.sender import Sender
from oyez.dispute.own_machine import OpenMachine, open_machine
from oyez.engines.exact.engine import ExactEngine
from oyez.protocol.errors import Invalid, Rewind, Temporary
from sequencer import service as sequencer_service
from sequencer import store as sequencer_store
from sequencer.batcher import Policy
from sequencer.metrics import Metrics
from tests.local_rollup import LocalRollup


class Lines:
    """A log in memory."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, object]]] = []

    def __call__(self, event: str, /, **facts: object) -> None:
        self.lines.append((event, facts))

    def named(self, event: str) -> list[dict[str, object]]:
        return [facts for name, facts in self.lines if name == event]


class Counting:
    """An engine that counts the contexts it opens."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.opened = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def open(self, prefix: Any) -> Any:
        self.opened += 1
        return self._engine.open(prefix)


def count(engine: Any) -> Any:
    """Return an engine that counts; a real one as it is, since its machine wants it."""
    return engine if isinstance(engine, ExactEngine) else Counting(engine)


class KilledError(BaseException):
    """The process is gone: no handler of the service may see it."""


def kill() -> None:
    raise KilledError


class Cut:
    """Does something once, before a service's durable operation after `left` others.

    With `kill` that is what SIGKILL comes to: whatever was not written is lost.
    """

    WRITES = ("apply_window", "put_execution", "put_result", "put_signed", "drop_signed")

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, store: object, do: Callable[[], None], left: int = 1
    ) -> None:
        self.left = left
        self.log: list[str] = []
        self._do = do
        owner = type(store)
        for name in self.WRITES:
            if hasattr(owner, name):
                monkeypatch.setattr(owner, name, self._wrap(name, getattr(owner, name)))
        monkeypatch.setattr(SealedFile, "save", self._wrap("save", SealedFile.save))
        original = client.Chain.send_raw
        monkeypatch.setattr(client.Chain, "send_raw", self._wrap("send_raw", original))

    def _wrap(self, name: str, original: Any) -> Any:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if self.left == 0:
                self.left = -1
                self._do()
            self.left -= 1
            self.log.append(name)
            return original(*args, **kwargs)

        return wrapped


class SequencerActor:
    """An honest sequencer; `restart` is what a kill and a new process come to."""

    def __init__(
        self, rollup: LocalRollup, home: Path, *, rpc: str | None = None, enclave: bool = False
    ) -> None:
        """With `enclave` a key in the home attests; to register it is the caller's."""
        self.rollup = rollup
        self.home = home
        self.rpc = rpc or rollup.anvil.rpc
        self.has_enclave = enclave
        self.log = Lines()
        self.engine = count(rollup.engine)
        self.metrics = Metrics()
        self.restart()

    def restart(self) -> None:
        self.chain = client.connect(self.rpc, self.rollup.anvil.chain_id)
        self.store = sequencer_store.open_store(self.home / "sequencer.db")
        sender = Sender(self.chain, self.rollup.keys[0], self.store, pause=lambda _: None)
        self.sender = sender
        self.service = sequencer_service.SequencerService(
            sequencer_service.Parts(
                chain=self.chain,
                deployment=self.rollup.deployment,
                engine=self.engine,
                store=self.store,
                sender=sender,
                metrics=self.metrics,
                clock=lambda: 0.0,
                log=self.log,
                signer=self.open_signer() if self.has_enclave else None,
            ),
            Policy(close_after=2),
        )

    def run(self) -> None:
        run(self.service)

    def open_signer(self) -> EnclaveSigner:
        """Take up the key as a new process does."""
        file = SealedFile(self.home / "enclave" / "state", self.home / "enclave" / "seal")
        return EnclaveSigner(file, build_domain(self.chain, self.rollup.deployment))


class ChallengerActor:
    """An honest challenger; with `key`, an account's index, it acts, else it only watches."""

    def __init__(
        self,
        rollup: LocalRollup,
        home: Path,
        *,
        rpc: str | None = None,
        key: int | None = None,
        patience: float = PATIENCE_SECONDS,
        engine: Any = None,
        machine: OpenMachine = open_machine,
    ) -> None:
        self.rollup = rollup
        self.home = home
        self.key = key
        self.patience = patience
        self.rpc = rpc or rollup.anvil.rpc
        self.log = Lines()
        self.reports: list[dict[str, Any]] = []
        self.machine = machine
        self.engine = count(rollup.engine if engine is None else engine)
        self.restart()

    def restart(self) -> None:
        chain = client.connect(self.rpc, self.rollup.anvil.chain_id)
        self.store = challenger_store.open_store(self.home)
        sender = None
        if self.key is not None:
            key = self.rollup.keys[self.key]
            sender = Sender(chain, key, self.store, pause=lambda _: None, patience=self.patience)
        self.service = challenger_service.ChallengerService(
            challenger_parts.Parts(
                chain=chain,
                deployment=self.rollup.deployment,
                engine=self.engine,
                store=self.store,
                sender=sender,
                log=self.log,
                report=self.reports.append,
                open_machine=self.machine,
            )
        )

    def run(self) -> None:
        run(self.service)


def run(service: Any) -> None:
    """Step until there is nothing to do, as `oyez.service.run` would with a patient clock."""
    failures = 0
    for _ in range(2_000):
        try:
            if not service.step():
                return
        except Rewind:
            service.rewind()
        except (Temporary, Invalid):
            failures += 1
            if failures == 5:
                raise
    raise AssertionError("the service never comes to rest")


def run_through(actor: SequencerActor | ChallengerActor) -> None:
    """Run to rest, again after a kill or a passing trouble."""
    try:
        actor.run()
    except KilledError:
        actor.store.close()
        actor.restart()
        actor.run()
    except Temporary:
        actor.run()
