"""The contracts in process (pyrevm): a world with the five deployed, calls by name, logs decoded.

`gate_check(manifest)` answers None or the gate's reason. `World()` takes a few milliseconds; only
the first compilation in a process is slow.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyrevm
import pytest
from eth_abi.abi import decode, encode
from eth_utils.abi import collapse_if_tuple
from eth_utils.address import to_canonical_address, to_checksum_address
from eth_utils.crypto import keccak

from oyez.chain import deploy
from oyez.chain.artifacts import Abi
from oyez.protocol.types import Address, Hash32, ModelShape
from tests.devnet import check_size

ETHER = 10**18
START = 1_700_000_000
#: What a transaction may hold (EIP-7825); without a limit a receiver can eat the memory instead.
TRANSACTION_GAS = 2**24
SHAPE = ModelShape(
    layers=30,
    width=576,
    feed_forward=1_536,
    heads=9,
    kv_heads=3,
    head_size=64,
    vocabulary=49_152,
    context=2_046,
    position_cost=1,
    model_height=20,
    formats=1,
    missing=bytes([0xC0, 0xC1, 0xF1, 0xF2, *range(0xF5, 0x100)]),
)
ROOT = Hash32(hashlib.sha256(b"weights").digest())


def actor(name: str) -> Address:
    return Address(keccak(text=name)[12:])


DEPLOYER, SEQUENCER, AUTHOR, CALLER, STRANGER, GAME, CURATOR = map(
    actor, ("deployer", "sequencer", "author", "caller", "stranger", "game", "curator")
)
GRAVE = Address(bytes(18) + b"\xde\xad")


class Reverted(Exception):
    """A call failed; `reason` is its string, or the failure in words."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@contextlib.contextmanager
def reverts(reason: str) -> Iterator[None]:
    """Expect a call inside to revert with exactly this reason."""
    with pytest.raises(Reverted) as refusal:
        yield
    assert refusal.value.reason == reason


@dataclass(frozen=True)
class Event:
    name: str
    address: Address
    args: dict[str, Any]


class World:
    """One chain in memory. `logs` holds the last call's events, `gas` its execution gas."""

    def __init__(
        self,
        settings: deploy.DeploySettings | None = None,
        prepare: Callable[[World], None] = lambda _: None,
        chain_id: int = 1,
    ) -> None:
        env = pyrevm.Env(cfg=pyrevm.CfgEnv(chain_id=chain_id))
        self.evm = pyrevm.EVM(env=env, spec_id="PRAGUE")
        self.now = START
        self.block = 1
        self.prevrandao = bytes(32)
        self.nonces: dict[Address, int] = {}
        self.abis: dict[Address, Abi] = {}
        self.logs: list[Event] = []
        self.seen: set[str] = set()
        self.gas = 0
        for who in (DEPLOYER, SEQUENCER, AUTHOR, CALLER, STRANGER, GAME, CURATOR):
            self.fund(who, 1_000 * ETHER)
        self._set_block()
        prepare(self)
        if settings is not None:
            self.settings = settings
            created = deploy.plan_deployment(settings, DEPLOYER, self.nonces.get(DEPLOYER, 0))
            for name, address, code in created:
                assert self.create(code, DEPLOYER) == address
                self.abis[address] = deploy.compile_named(name).abi
            self.parts = {name: Contract(self, address) for name, address, _ in created}
            parts = [self.parts[name] for name in deploy.CONTRACTS]
            self.models, self.gate, self.actions, self.inbox, self.rollup = parts

    def fund(self, who: Address, wei: int) -> None:
        self.evm.set_balance(to_checksum_address(who), wei)

    def balance(self, who: Address) -> int:
        return int(self.evm.get_balance(to_checksum_address(who)))

    def code(self, who: Address) -> bytes:
        """Deployed code; revm pads what it has analysed with 33 zeros of its own."""
        return bytes(self.evm.get_code(to_checksum_address(who)) or b"")[:-33]

    def create(self, code: bytes, sender: Address, value: int = 0) -> Address:
        """Create a contract; a failed creation burns no nonce here, so predictions hold."""
        check_size(code)
        checkpoint = self.evm.snapshot()
        try:
            at = self.evm.deploy(to_checksum_address(sender), code, value)
        except RuntimeError as failure:
            self.evm.revert(checkpoint)
            raise Reverted(_reason(failure)) from None
        self._read_logs()
        self.nonces[sender] = self.nonces.get(sender, 0) + 1
        return Address(to_canonical_address(at))

    def deploy(self, path: str, *arguments: Any, sender: Address = DEPLOYER) -> Contract:
        artifact = deploy.compile_contract(path)
        data = artifact.bytecode + deploy.encode_arguments(artifact.abi, arguments)
        address = self.create(data, sender)
        self.abis[address] = artifact.abi
        return Contract(self, address)

    def call(
        self,
        to: Address,
        data: bytes,
        *,
        sender: Address,
        value: int,
        view: bool,
        gas: int | None = None,
    ) -> bytes:
        check_size(data)
        try:
            output = self.evm.message_call(
                to_checksum_address(sender),
                to_checksum_address(to),
                data,
                value,
                TRANSACTION_GAS if gas is None else gas,
                is_static=view,
            )
        except RuntimeError as failure:
            raise Reverted(_reason(failure)) from None
        finally:
            self.evm.reset_transient_storage()
        result = self.evm.result
        assert result is not None
        self.gas = int(result.gas_used)
        if not view:
            self._read_logs()
        return bytes(output)

    def pass_time(self, seconds: int, blocks: int = 1) -> None:
        self.now += seconds
        self.block += blocks
        self.prevrandao = bytes(keccak(self.prevrandao))
        self._set_block()

    def event(self, name: str) -> dict[str, Any]:
        """Return the last call's one event of that name."""
        (found,) = [log for log in self.logs if log.name == name]
        return found.args

    def solvent(self) -> None:
        """Assert that both contracts can pay all they owe."""
        inbox, rollup = self.inbox, self.rollup
        assert self.balance(inbox.address) >= inbox.escrow() + inbox.total_credits()
        assert self.balance(rollup.address) >= rollup.total_stakes() + rollup.total_credits()

    def _set_block(self) -> None:
        self.evm.set_block_env(
            pyrevm.BlockEnv(
                number=self.block,
                timestamp=self.now,
                prevrandao=self.prevrandao,
                gas_limit=60_000_000,
            )
        )

    def _read_logs(self) -> None:
        self.logs = []
        result = self.evm.result
        assert result is not None
        for log in result.logs:
            address = Address(to_canonical_address(log.address))
            topics = [bytes.fromhex(str(topic).removeprefix("0x")) for topic in log.topics]
            data = b"".join(bytes(part) for part in log.data[1:2])
            event = decode_event(self.abis.get(address, []), address, topics, data)
            if event is not None:
                self.logs.append(event)
                self.seen.add(event.name)


class Contract:
    """A deployed contract: `inbox.submit(..., sender=CALLER, value=1)` returns what it returns."""

    def __init__(self, world: World, address: Address) -> None:
        self.world = world
        self.address = address

    def __getattr__(self, name: str) -> Callable[..., Any]:
        entries = [e for e in self.world.abis[self.address] if e.get("name") == name]
        (entry,) = [e for e in entries if e["type"] == "function"]
        view = entry["stateMutability"] in ("view", "pure")

        def call(
            *arguments: Any, sender: Address = CALLER, value: int = 0, gas: int | None = None
        ) -> Any:
            data = encode_call(entry, *arguments)
            output = self.world.call(
                self.address, data, sender=sender, value=value, view=view, gas=gas
            )
            results = decode([collapse_if_tuple(o) for o in entry["outputs"]], output)
            named = tuple(_name_parts(o, r) for o, r in zip(entry["outputs"], results, strict=True))
            return named[0] if len(named) == 1 else named or None

        return call


class Named(dict[str, Any]):
    """A decoded struct: `batch.count`."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


def encode_call(entry: dict[str, Any], *arguments: Any) -> bytes:
    types = [collapse_if_tuple(i) for i in entry["inputs"]]
    selector = keccak(text=f"{entry['name']}({','.join(types)})")[:4]
    return bytes(selector) + encode(types, arguments)


def settings(**changes: Any) -> deploy.DeploySettings:
    """Local settings with one listed model."""
    plain = deploy.DeploySettings(sequencer=SEQUENCER, models=(deploy.ListedModel(ROOT, SHAPE),))
    return replace(plain, **changes)


def gate_check(manifest: bytes, shape: ModelShape = SHAPE) -> str | None:
    """Ask ManifestGate about a manifest: None if it passes, else the revert string."""
    _, gate = _gate()
    limits = (shape.vocabulary, shape.context, shape.missing.ljust(32, b"\0"))
    if len(manifest) > 12_288:
        return "the ABI refuses more than 12,288 bytes"
    try:
        gate.check(manifest, limits)
    except Reverted as refusal:
        return refusal.reason
    return None


@functools.cache
def _gate() -> tuple[World, Contract]:
    world = World()
    return world, world.deploy("contracts/ManifestGate.vy")


def _reason(failure: RuntimeError) -> str:
    found = re.search(r"output: 0x08c379a0([0-9a-f]*)", str(failure))
    if found:
        return str(decode(["string"], bytes.fromhex(found.group(1)))[0])
    return f"no reason: {failure}"


def _name_parts(entry: dict[str, Any], value: Any) -> Any:
    if entry["type"] == "tuple":
        parts = zip(entry["components"], value, strict=True)
        return Named({part["name"]: _name_parts(part, v) for part, v in parts})
    if entry["type"] == "address":
        return Address(to_canonical_address(value))
    return value


def decode_event(abi: Abi, address: Address, topics: list[bytes], data: bytes) -> Event | None:
    for entry in abi:
        if entry["type"] != "event":
            continue
        types = [collapse_if_tuple(i) for i in entry["inputs"]]
        if keccak(text=f"{entry['name']}({','.join(types)})") != topics[0]:
            continue
        indexed = [i for i in entry["inputs"] if i["indexed"]]
        plain = [i for i in entry["inputs"] if not i["indexed"]]
        args = {
            i["name"]: _name_parts(i, decode([collapse_if_tuple(i)], topic)[0])
            for i, topic in zip(indexed, topics[1:], strict=True)
        }
        values = decode([collapse_if_tuple(i) for i in plain], data)
        args |= {i["name"]: _name_parts(i, v) for i, v in zip(plain, values, strict=True)}
        return Event(entry["name"], address, args)
    return None
