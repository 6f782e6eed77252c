"""What integrators build on: the Solidity interface, and the same consumer in both languages."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.abi import collapse_if_tuple
from eth_utils.crypto import keccak

from oyez.chain import deploy
from oyez.chain.artifacts import Abi
from oyez.protocol import codec, schema
from oyez.protocol.state import State
from oyez.protocol.types import Cell, Finality, Outcome
from tests.contracts.conftest import publish
from tests.contracts.harness import CALLER, STRANGER, Contract, Reverted, World
from tests.contracts.manifests import BALLOT
from tests.contracts.proposals import ZERO, finalize_one, make_proposal
from tests.contracts.solidity import compile_solidity
from tests.contracts.test_proofs import ACTION, FIELDS, MANIFEST, finalized

INTERFACE = "contracts/interfaces/solidity/IOyezRollup.sol"
MAX_AGE = 900
VYPER, SOLIDITY = "contracts/examples/BallotReader.vy", "contracts/examples/BallotReader.sol"

#: the same refusals, as each language says them
NAMES = {
    "ballot: rollup has no code": "RollupHasNoCode(address)",
    "ballot: not newer": "NotNewer(uint256,uint256)",
    "ballot: root too old": "RootTooOld(uint256,uint256,uint256)",
    "ballot: proof does not hold": "ProofDoesNotHold(uint256)",
    "ballot: nothing recorded": "NothingRecorded()",
}


def create(world: World, path: str, rollup: bytes) -> Contract:
    field = FIELDS[1]
    arguments = (rollup, ACTION, 1, keccak(field.name), schema.compute_type_hash(field), MAX_AGE)
    if path == VYPER:
        return world.deploy(path, *arguments)
    made = compile_solidity(path)
    address = world.create(made.bytecode + deploy.encode_arguments(made.abi, arguments), CALLER)
    world.abis[address] = made.abi
    return Contract(world, address)


@contextlib.contextmanager
def refused(path: str, reason: str) -> Iterator[None]:
    """Expect exactly this refusal; the Rollup's own reasons pass through both readers."""
    with pytest.raises(Reverted) as refusal:
        yield
    if path == VYPER or reason not in NAMES:
        assert refusal.value.reason == reason
    else:
        assert f"output: 0x{keccak(text=NAMES[reason])[:4].hex()}" in refusal.value.reason


def state_with_count(count: int) -> tuple[State, bytes, Any]:
    """A state whose one shared cell has this count; the value's word and its proof."""
    key = codec.compute_cell_key_of(ACTION, ZERO)
    cell = Cell(MANIFEST, 1, (b"good", count, b"", True))
    state = State.empty().with_cell(key, cell, FIELDS)
    proof = dataclasses.astuple(state.build_field_proof(key, FIELDS, 1))
    return state, codec.encode_word(count), proof


@pytest.mark.parametrize("path", [VYPER, SOLIDITY])
def test_a_consumer_keeps_a_final_count(path: str) -> None:
    (first, three, proof_3), (second, eight, proof_8) = state_with_count(3), state_with_count(8)
    world = finalized(first.root)
    reader = create(world, path, world.rollup.address)

    with refused(path, "ballot: nothing recorded"):
        reader.fresh_count()
    with refused(path, "rollup: batch not final"):
        reader.record(2, eight, proof_8)
    with refused(path, "ballot: proof does not hold"):
        reader.record(1, eight, proof_3)
    reader.record(1, three, proof_3, sender=STRANGER)
    assert world.event("CountRecorded") == {"batch": 1, "count": 3}
    assert (reader.batch(), reader.count(), reader.fresh_count()) == (1, 3, 3)
    action_id = publish(world, BALLOT.change(max_input=1))
    finalize_one(world, action_id, make_proposal(second.root, salt="more"))
    with refused(path, "ballot: proof does not hold"):
        reader.record(2, three, proof_3)
    reader.record(2, eight, proof_8)
    assert (reader.batch(), reader.count(), reader.fresh_count()) == (2, 8, 8)
    with refused(path, "ballot: rollup has no code"):
        create(world, path, CALLER)


@pytest.mark.parametrize("path", [VYPER, SOLIDITY])
def test_no_consumer_goes_back_or_stands_still(path: str) -> None:
    """Neither the batch it has nor an older one, though both are final and fresh."""
    (first, three, proof_3), (second, eight, proof_8) = state_with_count(3), state_with_count(8)
    world = finalized(first.root)
    action_id = publish(world, BALLOT.change(max_input=1))
    finalize_one(world, action_id, make_proposal(second.root, salt="more"))
    reader = create(world, path, world.rollup.address)

    reader.record(2, eight, proof_8)
    with refused(path, "ballot: not newer"):
        reader.record(2, eight, proof_8)
    with refused(path, "ballot: not newer"):
        reader.record(1, three, proof_3)
    assert (reader.batch(), reader.count()) == (2, 8)


@pytest.mark.parametrize("path", [VYPER, SOLIDITY])
def test_a_root_is_taken_up_to_its_age_and_a_count_grows_old(path: str) -> None:
    first, three, proof_3 = state_with_count(3)
    world = finalized(first.root)
    reader, late = (create(world, path, world.rollup.address) for _ in range(2))
    final = world.rollup.finalized_at(1)

    world.pass_time(final + MAX_AGE - world.now)
    reader.record(1, three, proof_3)
    assert reader.fresh_count() == 3
    world.pass_time(1)
    with refused(path, "ballot: root too old"):
        late.record(1, three, proof_3)
    with refused(path, "ballot: root too old"):
        reader.fresh_count()
    assert (reader.count(), late.count()) == (3, 0)


def functions(abi: Abi) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in abi if entry["type"] == "function"}


def shape(parameter: dict[str, Any]) -> Any:
    """A parameter without what languages add: its name, type and, of a struct, its members."""
    parts = [shape(part) for part in parameter.get("components", [])]
    return parameter["name"], parameter["type"], parts


def selector(entry: dict[str, Any]) -> bytes:
    types = ",".join(collapse_if_tuple(i) for i in entry["inputs"])
    return bytes(keccak(text=f"{entry['name']}({types})")[:4])


def test_the_solidity_interface_is_the_rollups_abi() -> None:
    """Selector by selector, struct by struct; only the names of plain results are Solidity's."""
    theirs = functions(compile_solidity(INTERFACE).abi)
    ours = functions(deploy.compile_contracts()["Rollup"].abi)
    assert set(theirs) == {
        *("head", "final_id", "state_root", "receipts_root", "finalized_at", "finality"),
        *("verify_field", "verify_absent", "verify_receipt"),
    }
    for name, entry in theirs.items():
        assert selector(entry) == selector(ours[name])
        assert [shape(i) for i in entry["inputs"]] == [shape(i) for i in ours[name]["inputs"]]
        assert [o["type"] for o in entry["outputs"]] == [o["type"] for o in ours[name]["outputs"]]
        assert entry["stateMutability"] == ours[name]["stateMutability"] == "view"


@pytest.mark.parametrize(
    ("name", "struct"),
    [
        ("verify_field", (MANIFEST, 7, [ACTION] * 5, [MANIFEST] * 3)),
        ("verify_absent", (ACTION, MANIFEST, ACTION, 9, [MANIFEST] * 2)),
        ("verify_receipt", (1, 2, 3, 4, MANIFEST, ACTION, MANIFEST, ACTION, 9, 10)),
    ],
)
def test_structs_are_encoded_alike(name: str, struct: tuple[Any, ...]) -> None:
    """The same words at the same offsets: members are told apart by value."""
    encoded = []
    for abi in (compile_solidity(INTERFACE).abi, deploy.compile_contracts()["Rollup"].abi):
        (entry,) = [i for i in functions(abi)[name]["inputs"] if i["type"] == "tuple"]
        encoded.append(encode([collapse_if_tuple(entry)], [struct]))
    assert encoded[0] == encoded[1]


def test_the_vyper_interface_reads_all_that_the_solidity_one_does() -> None:
    text = (deploy.ROOT / "contracts/interfaces/IRollup.vyi").read_text()
    views = set(re.findall(r"@view\n@external\ndef (\w+)\(", text))
    assert set(functions(compile_solidity(INTERFACE).abi)) <= views


def test_the_interfaces_constants_are_the_protocols() -> None:
    text = (deploy.ROOT / INTERFACE).read_text()
    found = {n: int(v) for n, v in re.findall(r"^uint256 constant (\w+) = (\d+);$", text, re.M)}
    assert found == {f"FINALITY_{kind.name}": int(kind) for kind in Finality} | {
        f"OUTCOME_{kind.name}": int(kind) for kind in Outcome if kind is not Outcome.NONE
    }


def test_both_consumers_have_one_interface() -> None:
    """A front end's call of one is a call of the other."""
    vyper = functions(deploy.compile_contracts()["BallotReader"].abi)
    solidity = functions(compile_solidity(SOLIDITY).abi)
    for name, entry in vyper.items():
        assert selector(entry) == selector(solidity[name])
        assert [shape(i) for i in entry["inputs"]] == [shape(i) for i in solidity[name]["inputs"]]
