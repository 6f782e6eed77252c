"""Compiles the contracts and deploys a rollup: five contracts whose links are checked on chain.

Inbox and Rollup name each other as immutables, so Rollup's address is predicted from the deployer's
nonce; Rollup's constructor, the last, reverts if the prediction was wrong.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import web3
from eth_abi.abi import encode
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_canonical_address, to_checksum_address
from eth_utils.crypto import keccak
from vyper.compiler import compile_from_file_input
from vyper.compiler.input_bundle import FileInput, FilesystemInputBundle
from web3.types import TxParams

from oyez.chain.deployment import Deployment
from oyez.protocol.codec import compute_shape_words
from oyez.protocol.errors import Fatal
from oyez.protocol.types import ZERO_ADDRESS, Address, EngineKind, Hash32, ModelShape

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ("ModelRegistry", "ManifestGate", "ActionRegistry", "Inbox", "Rollup")
EXAMPLES = ("BallotReader",)
RECEIPT_SECONDS = 120

Abi = list[dict[str, Any]]  # Any: JSON as the compiler gives it


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled contract: bare ABI array, creation code, deployed code without immutables."""

    abi: Abi
    bytecode: bytes
    runtime: bytes


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
        game: the DuelGame; zero until duels exist.
        curator, model_delay: who may list more models, after how many seconds; zero is nobody.
    """

    sequencer: Address
    models: tuple[ListedModel, ...]
    challenge_window: int = 600
    response_window: int = 120
    sequencer_grace: int = 60
    max_batch_seconds: int = 10
    min_batch_seconds: int = 2
    max_batch_work: int = 65_536
    leak_per_second: int = 250
    stake: int = 10**18
    game: Address = ZERO_ADDRESS
    curator: Address = ZERO_ADDRESS
    model_delay: int = 0


@functools.cache
def compile_contract(path: str) -> Artifact:
    """Compile one file, kept in memory for this process.

    Args:
        path: below the repository's root, such as "contracts/Inbox.vy".
    """
    source = (ROOT / path).read_text(encoding="utf-8")
    output = compile_from_file_input(
        FileInput(
            contents=source, source_id=0, path=Path(path), resolved_path=(ROOT / path).resolve()
        ),
        input_bundle=FilesystemInputBundle([ROOT]),
        output_formats=["abi", "bytecode", "bytecode_runtime"],
    )
    return Artifact(
        abi=output["abi"],
        bytecode=bytes.fromhex(output["bytecode"][2:]),
        runtime=bytes.fromhex(output["bytecode_runtime"][2:]),
    )


@functools.cache
def compile_contracts() -> Mapping[str, Artifact]:
    """Compile every deployable contract, the examples included: name of the file -> artifact."""
    compiled = {name: compile_contract(f"contracts/{name}.vy") for name in CONTRACTS}
    compiled |= {name: compile_contract(f"contracts/examples/{name}.vy") for name in EXAMPLES}
    return MappingProxyType(compiled)


def compute_create_address(deployer: Address, nonce: int) -> Address:
    """Return the address of the contract that `deployer` creates with `nonce`."""
    number = nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    item = number if len(number) == 1 and nonce < 0x80 else bytes([0x80 + len(number)]) + number
    payload = b"\x94" + deployer + item
    return Address(keccak(bytes([0xC0 + len(payload)]) + payload)[12:])


def encode_arguments(abi: Abi, arguments: tuple[Any, ...]) -> bytes:  # Any: any ABI value
    """Encode a constructor's arguments."""
    inputs: Abi = next((entry["inputs"] for entry in abi if entry["type"] == "constructor"), [])
    return encode([_type_of(argument) for argument in inputs], arguments)


def plan_deployment(
    settings: DeploySettings, deployer: Address, nonce: int
) -> list[tuple[str, Address, bytes]]:
    """Decide the five creations, in order: (name, predicted address, creation code)."""
    at = {name: compute_create_address(deployer, nonce + i) for i, name in enumerate(CONTRACTS)}
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
            settings.game,
            settings.sequencer,
            settings.challenge_window,
            settings.response_window,
            settings.sequencer_grace,
            settings.stake,
        ),
    }
    compiled = compile_contracts()
    return [
        (
            name,
            at[name],
            compiled[name].bytecode + encode_arguments(compiled[name].abi, arguments[name]),
        )
        for name in CONTRACTS
    ]


def deploy(w3: web3.Web3, account: LocalAccount, settings: DeploySettings) -> Deployment:
    """Deploy a rollup and return where it lives.

    Nothing else may send from `account` meanwhile: a stray nonce breaks the predicted links, and
    Rollup's constructor refuses them.

    Raises:
        Fatal: a creation reverted, or landed on another address.
    """
    deployer = Address(to_canonical_address(account.address))
    nonce = w3.eth.get_transaction_count(account.address)
    contracts: dict[str, Address] = {}
    first_block = 0
    for i, (name, address, code) in enumerate(plan_deployment(settings, deployer, nonce)):
        block = _create(w3, account, nonce + i, name, address, code)
        first_block = first_block or block
        contracts[name] = address
    provider = w3.provider
    if not isinstance(provider, web3.HTTPProvider):
        raise Fatal("deploy over an HTTP endpoint: its URL stands in the deployment file")
    return Deployment(
        rpc=str(provider.endpoint_uri),
        chain_id=w3.eth.chain_id,
        deployment_block=first_block,
        contracts=contracts,
    )


def deploy_consumer(
    w3: web3.Web3,
    account: LocalAccount,
    *,
    rollup: Address,
    action_id: Hash32,
    index: int,
    name_hash: Hash32,
    type_hash: Hash32,
) -> Address:
    """Deploy a BallotReader of one field of a published action's shared cell; return its address.

    The field's `index` is its place in the manifest; `name_hash` and `type_hash` are those that its
    leaf binds.
    """
    deployer = Address(to_canonical_address(account.address))
    nonce = w3.eth.get_transaction_count(account.address)
    artifact = compile_contracts()["BallotReader"]
    arguments = (rollup, action_id, index, name_hash, type_hash)
    code = artifact.bytecode + encode_arguments(artifact.abi, arguments)
    address = compute_create_address(deployer, nonce)
    _create(w3, account, nonce, "BallotReader", address, code)
    return address


def _create(
    w3: web3.Web3, account: LocalAccount, nonce: int, name: str, address: Address, code: bytes
) -> int:
    """Send one creation, wait for it, and return its block's number."""
    fee = 2 * w3.eth.get_block("latest").get("baseFeePerGas", 0) + w3.eth.max_priority_fee
    request: dict[str, Any] = {  # Any: the fields of a transaction
        "from": account.address,
        "nonce": nonce,
        "value": 0,
        "data": "0x" + code.hex(),
        "chainId": w3.eth.chain_id,
        "maxFeePerGas": fee,
        "maxPriorityFeePerGas": w3.eth.max_priority_fee,
    }
    try:
        gas = w3.eth.estimate_gas(cast(TxParams, request))
    except web3.exceptions.Web3RPCError as error:
        raise Fatal(f"{name} cannot be deployed: {error}") from error
    except web3.exceptions.ContractLogicError as error:
        raise Fatal(f"{name} refuses these settings: {error}") from error
    signed = account.sign_transaction({**request, "gas": gas})
    sent = w3.eth.send_raw_transaction(signed.raw_transaction)
    receipt = w3.eth.wait_for_transaction_receipt(sent, timeout=RECEIPT_SECONDS)
    created = receipt["contractAddress"]
    if receipt["status"] != 1 or created != to_checksum_address(address):
        raise Fatal(f"{name} was not deployed at {to_checksum_address(address)}: start again")
    return int(receipt["blockNumber"])


def _type_of(argument: dict[str, Any]) -> str:
    """Return an ABI argument's type with its tuples spelled out."""
    kind = str(argument["type"])
    if not kind.startswith("tuple"):
        return kind
    parts = ",".join(_type_of(part) for part in argument["components"])
    return f"({parts}){kind[len('tuple') :]}"
