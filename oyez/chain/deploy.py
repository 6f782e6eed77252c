"""Compiles the contracts and deploys a rollup: contracts whose links are checked on chain.

With the model's config rows the steps of its traces are deployed too, and a game over them.

Inbox and Rollup name each other as immutables, so Rollup's address is predicted from the deployer's
nonce; Rollup's constructor, the last, reverts if the prediction was wrong.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from eth_abi.abi import encode
from eth_utils import abi as abi_types
from eth_utils.crypto import keccak

from oyez.chain import step_contracts
from oyez.chain.artifacts import Abi, Artifact, load_artifact
from oyez.chain.client import Chain
from oyez.chain.contracts import Transaction
from oyez.chain.deployment import Deployment
from oyez.chain.keys import Key
from oyez.chain.sender import MemoryJournal, Sender
from oyez.protocol import constants
from oyez.protocol.codec import compute_shape_words
from oyez.protocol.errors import Fatal
from oyez.protocol.types import ZERO_ADDRESS, Address, EngineKind, Hash32, ModelShape

if TYPE_CHECKING:
    from oyez.engines.exact.step_rows import ConfigProof

ROOT = Path(__file__).resolve().parents[2]
REGISTRIES = ("ModelRegistry", "ManifestGate", "ActionRegistry")
ROLLUP = ("Inbox", "Rollup")
CONTRACTS = (*REGISTRIES, *ROLLUP)
#: Deployed after them where there is a step table.
GAME = ("DuelGame", "MovePay")
#: What judges quotes and keeps enclaves' keys: under Intel's root, and under a simulated one.
ENCLAVES = ("TdxCollateralIntel", "TdxRegistryIntel", "TdxCollateralSim", "TdxRegistrySim")
EXAMPLES = ("BallotReader",)


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model the registry lists from the start.

    Attributes:
        root: root of its SHA-256 tree.
        shape: what bounds manifests and prices positions.
    """

    root: Hash32
    shape: ModelShape
    engine: EngineKind = EngineKind.EXACT


@dataclass(frozen=True, slots=True)
class DeploySettings:
    """All that the constructors fix for ever; the defaults are the local ones.

    Attributes:
        sequencer: proposes first and may close batches early.
        models: the list, indices from 0.
        challenge_window, response_window: T and D, seconds.
        sequencer_grace, max_batch_seconds, min_batch_seconds: seconds.
        max_batch_work: work of a batch and burst of the bucket.
        leak_per_second: work per second that the bucket lets out.
        stake: wei.
        proof: the one model's config rows; with them its steps are deployed, and a DuelGame over
            their table.
        game: what may defeat assertions, where no DuelGame is deployed; zero is nobody.
        steps: without `proof`, the step table of a DuelGame to deploy; zero deploys none.
        inner_height: levels of an inner trace.
        curator, model_delay: who may list more models, after how many seconds; zero is nobody.
        enclaves: registry of enclaves' keys; zero, and nothing is attested.
        needs_enclave: whether the sequencer is first only with what an enclave signed.
    """

    sequencer: Address
    models: tuple[ListedModel, ...]
    challenge_window: int = 600
    response_window: int = 120
    sequencer_grace: int = 60
    max_batch_seconds: int = 10
    min_batch_seconds: int = 2
    max_batch_work: int = constants.MAX_BATCH_WORK
    leak_per_second: int = constants.LEAK_PER_SECOND
    stake: int = 10**18
    proof: ConfigProof | None = None
    game: Address = ZERO_ADDRESS
    steps: Address = ZERO_ADDRESS
    inner_height: int = 12
    curator: Address = ZERO_ADDRESS
    model_delay: int = 0
    enclaves: Address = ZERO_ADDRESS
    needs_enclave: bool = False

    @property
    def has_game(self) -> bool:
        """Whether a DuelGame is deployed."""
        return self.proof is not None or self.steps != ZERO_ADDRESS

    @property
    def names(self) -> tuple[str, ...]:
        """The contracts in the order in which they are created."""
        steps = () if self.proof is None else step_contracts.STEPS
        return (*REGISTRIES, *steps, *ROLLUP, *(GAME if self.has_game else ()))


@functools.cache
def compile_contract(path: str) -> Artifact:
    """Compile one file, or take what an earlier process compiled; kept in memory too.

    Args:
        path: below the repository's root, such as "contracts/Inbox.vy".
    """
    return load_artifact(ROOT, path)


@functools.cache
def compile_contracts() -> Mapping[str, Artifact]:
    """Compile every deployable contract, the examples included: name of the file -> artifact."""
    names = (*CONTRACTS, *GAME, *step_contracts.STEPS, *ENCLAVES, *EXAMPLES)
    return MappingProxyType({name: compile_named(name) for name in names})


def compile_named(name: str) -> Artifact:
    """Compile a deployable contract by the name of its file."""
    folder = "contracts/examples" if name in EXAMPLES else "contracts"
    return compile_contract(f"{folder}/{name}.vy")


def compute_create_address(deployer: Address, nonce: int) -> Address:
    """Return the address of the contract that `deployer` creates with `nonce`."""
    number = nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    item = number if len(number) == 1 and nonce < 0x80 else bytes([0x80 + len(number)]) + number
    payload = b"\x94" + deployer + item
    return Address(keccak(bytes([0xC0 + len(payload)]) + payload)[12:])


def encode_arguments(abi: Abi, arguments: tuple[Any, ...]) -> bytes:  # Any: any ABI value
    """Encode a constructor's arguments."""
    inputs: Abi = next((entry["inputs"] for entry in abi if entry["type"] == "constructor"), [])
    return encode([abi_types.collapse_if_tuple(argument) for argument in inputs], arguments)


def plan_deployment(
    settings: DeploySettings, deployer: Address, nonce: int
) -> list[tuple[str, Address, bytes]]:
    """Decide the creations, in order: (name, predicted address, creation code).

    Five; with a step table two more, DuelGame and MovePay, which the Rollup before them names.
    """
    at = {
        name: compute_create_address(deployer, nonce + i) for i, name in enumerate(settings.names)
    }
    arguments = _list_arguments(settings, at)
    return [(name, at[name], _build_code(name, arguments[name])) for name in settings.names]


def _build_code(name: str, arguments: tuple[Any, ...]) -> bytes:
    artifact = compile_named(name)
    return artifact.bytecode + encode_arguments(artifact.abi, arguments)


def _list_arguments(
    settings: DeploySettings, at: Mapping[str, Address]
) -> dict[str, tuple[Any, ...]]:
    models = [(m.root, int(m.engine), compute_shape_words(m.shape)) for m in settings.models]
    arguments: dict[str, tuple[Any, ...]] = {
        "ModelRegistry": (settings.curator, settings.model_delay, models),
        "ManifestGate": (),
        "ActionRegistry": (at["ManifestGate"], at["ModelRegistry"]),
        "Inbox": (
            at["ActionRegistry"],
            at["Rollup"],
            settings.max_batch_work,
            settings.leak_per_second,
            settings.max_batch_seconds,
            settings.min_batch_seconds,
        ),
        "Rollup": (
            at["Inbox"],
            at["DuelGame"] if settings.has_game else settings.game,
            settings.sequencer,
            settings.challenge_window,
            settings.response_window,
            settings.sequencer_grace,
            settings.stake,
            settings.enclaves,
            settings.needs_enclave,
        ),
    }
    if settings.has_game:
        steps = at.get("StepTable", settings.steps)
        links = (at["Rollup"], steps, at["MovePay"], settings.inner_height)
        arguments |= {"DuelGame": links, "MovePay": (at["DuelGame"],)}
    if settings.proof is not None:
        proof = settings.proof
        arguments["StepModel"] = (
            at["ModelRegistry"],
            at["ActionRegistry"],
            settings.inner_height,
            proof.formats,
            proof.layers,
            proof.beside,
            proof.siblings,
        )
        arguments |= {name: (at["StepModel"],) for name in step_contracts.VERIFIERS}
        arguments["StepTable"] = (at["StepModel"], *step_contracts.list_verifiers(at))
    return arguments


def deploy(chain: Chain, key: Key, settings: DeploySettings) -> Deployment:
    """Deploy a rollup and return where it lives.

    Nothing else may send from `key` meanwhile: a stray nonce breaks the predicted links, and
    Rollup's constructor refuses them.

    Raises:
        Reverted: a constructor refuses its settings, in its own words.
        Fatal: a contract landed on another address, or the account cannot pay.
    """
    plan = plan_deployment(settings, key.address, chain.fetch_nonce(key.address))
    blocks = [_create(chain, key, name, address, code) for name, address, code in plan]
    return Deployment(
        rpc=chain.rpc,
        chain_id=chain.chain_id,
        deployment_block=blocks[0],
        contracts={name: address for name, address, _ in plan},
    )


def deploy_consumer(
    chain: Chain,
    key: Key,
    *,
    rollup: Address,
    action_id: Hash32,
    index: int,
    name_hash: Hash32,
    type_hash: Hash32,
    max_age: int = 86_400,
) -> Address:
    """Deploy a BallotReader of one field of a published action's shared cell; return its address.

    The field's `index` is its place in the manifest; `name_hash` and `type_hash` are those that its
    leaf binds. It takes roots that became final at most `max_age` seconds ago.
    """
    arguments = (rollup, action_id, index, name_hash, type_hash, max_age)
    code = _build_code("BallotReader", arguments)
    address = compute_create_address(key.address, chain.fetch_nonce(key.address))
    _create(chain, key, "BallotReader", address, code)
    return address


def _create(chain: Chain, key: Key, name: str, address: Address, code: bytes) -> int:
    """Create one contract, wait for it, and return its block's number."""
    sender = Sender(chain, key, MemoryJournal())
    mined = sender.send(f"create {name}", Transaction(to=None, data=code, value=0))
    if mined.created != address:
        raise Fatal(
            f"{name} did not land on 0x{address.hex()}: something else sends from 0x"
            f"{key.address.hex()}; stop it and deploy again"
        )
    return mined.block
