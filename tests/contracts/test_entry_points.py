"""Gas of every function of every contract: a golden file.

Of what changes state the whole transaction, of a view the call alone, from a contract and cold: as
a transaction many a view would show nothing but what its calldata costs at least (EIP-7623).

Where a function costs more in one case than in another, `test_gas.py` has the worst; here is the
plain case, so that no change of any entry point goes unseen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from oyez.chain import deploy, step_contracts
from oyez.chain.client import connect
from oyez.chain.keys import Key
from oyez.gas.metered import METER
from oyez.protocol import codec, merkle
from oyez.protocol.codec import compute_shape_words
from oyez.protocol.types import Address, Hash32
from tests.contracts.harness import ETHER, ROOT, SHAPE, encode_call
from tests.contracts.manifests import BALLOT
from tests.contracts.proposals import ZERO, make_proposal
from tests.contracts.solidity import compile_solidity
from tests.contracts.test_gas import GAME, Bench, proof_of
from tests.contracts.test_proofs import MANIFEST, receipt_of
from tests.devnet import Anvil
from tests.snapshots import check_snapshot

READERS = ("BallotReader", "BallotReader.sol")
#: accounts; 0 is the sequencer
CALLER, AUTHOR, ANYONE, CURATOR, LIAR, TRUTH, CHILD, GUEST = 1, 2, 3, 4, 5, 6, 7, 8


class EntryBench(Bench):
    """The contracts with a curator and a game, and what each function was seen to cost."""

    def __init__(self, node: Anvil) -> None:
        self.node = node
        self.sequencer = 0
        self.chain = connect(node.rpc, node.chain_id)
        self.key = Key(bytes.fromhex(node.accounts[0].key[2:]))
        settings = deploy.DeploySettings(
            self.key.address,
            (deploy.ListedModel(ROOT, SHAPE),),
            game=self.address(GAME),
            curator=self.address(CURATOR),
            model_delay=600,
            max_batch_seconds=10**6,
        )
        self.deployment = deploy.deploy(self.chain, self.key, settings)
        self.abis = {name: item.abi for name, item in deploy.compile_contracts().items()}
        self.abis["BallotReader.sol"] = compile_solidity("contracts/examples/BallotReader.sol").abi
        self.create(METER)
        self.gas: dict[str, int] = {}

    def address(self, who: int) -> Address:
        return Address(bytes.fromhex(self.node.accounts[who].address[2:]))

    def see(
        self, contract: str, name: str, *arguments: Any, value: int = 0, who: int = ANYONE
    ) -> None:
        """Send, or call a view; keep the gas under the contract's and the function's names."""
        (entry,) = [e for e in self.abis[contract] if e.get("name") == name]
        if entry["stateMutability"] in ("view", "pure"):
            gas = self.measure(self.deployment.contracts[contract], encode_call(entry, *arguments))
        else:
            gas = self.send(contract, name, *arguments, value=value, who=who)
        assert self.gas.setdefault(f"{contract}.{name}", gas) == gas, f"{name} is seen twice"

    def measure(self, target: Address, data: bytes) -> int:
        meter = {"to": "0x" + self.deployment.contracts[METER].hex(), "gas": hex(10**7)}
        sent = "0x" + self.data(METER, "measure", target, data).hex()
        receipt = self.node.send(**{"from": self.node.accounts[ANYONE].address}, data=sent, **meter)
        (log,) = receipt["logs"]
        return int(log["data"][:66], 16)

    def see_views(self, contract: str, *names: str) -> None:
        for name in names:
            self.see(contract, name)

    def read(self, contract: str, name: str, *arguments: Any) -> bytes:  # type: ignore[override]  # answers, not gas
        data = self.data(contract, name, *arguments)
        return self.chain.call(self.deployment.contracts[contract], data)


@pytest.fixture(scope="module")
def bench() -> Iterator[EntryBench]:
    with Anvil() as node:
        yield EntryBench(node)


def see_registries(bench: EntryBench) -> bytes:
    """Publish, upgrade, list a model; return the id of an action that calls go to."""
    models = "ModelRegistry"
    bench.see(models, "announce", (Hash32(ROOT[::-1]), 1, compute_shape_words(SHAPE)), who=CURATOR)
    bench.see(models, "models", 0)
    bench.see(models, "shape", 0)
    bench.see_views(models, "model_count", "curator", "delay")
    limits = (SHAPE.vocabulary, SHAPE.context, SHAPE.missing.ljust(32, b"\0"))
    bench.see("ManifestGate", "check", BALLOT.encode(), limits)

    actions = "ActionRegistry"
    slow = BALLOT.change(delay=100)
    bench.see(actions, "publish", slow.encode(), who=AUTHOR)
    action_id = codec.compute_action_id(bench.address(AUTHOR), codec.keccak(slow.encode()))
    upgrade = BALLOT.change(delay=100, max_input=200).encode()
    bench.see(actions, "announce_upgrade", action_id, upgrade, who=AUTHOR)
    for name in ("terms", "author", "pending_upgrade"):
        bench.see(actions, name, action_id)
    bench.see(actions, "manifest_pointer", codec.keccak(slow.encode()))
    bench.see_views(actions, "models", "gate")
    return bench.publish(BALLOT)[0]


def see_inbox(bench: EntryBench, action_id: bytes) -> None:
    """Two batches of one call; the books' functions; what only the Rollup may call, as it."""
    inbox = "Inbox"
    bench.see(inbox, "quote", action_id, 512)
    arguments = (action_id, b"", b"a lovely evening", ZERO, 0)
    bench.see(inbox, "submit", *arguments, value=2 * ETHER, who=CALLER)
    bench.node.advance(5)
    bench.see(inbox, "close_batch", who=0)
    bench.see(inbox, "batch", 1)
    bench.see(inbox, "credit", bench.address(CALLER))
    bench.see(inbox, "withdraw", bench.address(GUEST), who=CALLER)
    inbox_at = "0x" + bench.deployment.contracts[inbox].hex()
    held = int(bench.node.request("eth_getBalance", inbox_at, "latest"), 16)
    bench.node.request("anvil_setBalance", inbox_at, hex(held + ETHER))
    bench.see(inbox, "burn")
    bench.see_views(inbox, "open_batch", "call_count", "escrow", "total_credits", "actions")
    bench.see_views(inbox, "rollup", "messenger", "max_batch_work")
    bench.see_views(inbox, "max_batch_seconds", "min_batch_seconds")

    mark = bench.node.snapshot()
    rollup_at = "0x" + bench.deployment.contracts["Rollup"].hex()
    bench.node.request("anvil_impersonateAccount", rollup_at)
    bench.node.request("anvil_setBalance", rollup_at, hex(ETHER))
    settle = bench.data(inbox, "settle", 1, bench.address(0))
    receipt = bench.node.send(
        **{"from": rollup_at, "to": inbox_at, "data": "0x" + settle.hex(), "gas": hex(10**6)}
    )
    assert receipt["status"] == "0x1"
    bench.gas["Inbox.settle"] = int(receipt["gasUsed"], 16)
    bench.node.request("anvil_stopImpersonatingAccount", rollup_at)
    bench.node.restore(mark)


def see_stakes(bench: EntryBench) -> None:
    rollup = "Rollup"
    bench.see(rollup, "deposit_stake", value=ETHER, who=GUEST)
    bench.see(rollup, "request_withdrawal", who=GUEST)
    bench.see(rollup, "cancel_withdrawal", who=GUEST)
    bench.send(rollup, "request_withdrawal", who=GUEST)
    bench.node.advance(120)
    bench.see(rollup, "withdraw_stake", bench.address(GUEST), who=GUEST)
    for who in (0, LIAR, TRUTH, CHILD, GUEST):
        bench.send(rollup, "deposit_stake", value=ETHER, who=who)


def see_final(bench: EntryBench, action_id: bytes) -> bytes:
    """Make batch 1 final with a state and a receipt, and read both; return its id."""
    rollup = "Rollup"
    state_root, field = proof_of(20, action_id)
    receipts = [codec.compute_receipt_leaf(receipt_of(0))]
    proposal = make_proposal(state_root, merkle.compute_root(receipts, 8))
    found, gas = bench.propose(bench.read(rollup, "final_id", 0), 1, proposal)
    bench.gas["Rollup.propose"] = gas
    bench.see(rollup, "posted", [found])
    bench.node.advance(600)
    bench.see(rollup, "finalize", found)
    for name in ("final_id", "state_root", "outbox_root", "receipts_root", "finalized_at"):
        bench.see(rollup, name, 1)
    bench.see(rollup, "finality", 0, 1)
    bench.see(rollup, "verify_field", 1, *field)
    # an empty place, which the root does not hold: folded all the same, and found to be false
    absent = (ZERO, ZERO, ZERO, 0, [Hash32(MANIFEST)] * 20)
    bench.see(rollup, "verify_absent", 1, action_id, ZERO, absent)
    receipt = receipt_of(0)
    words = (0, *(getattr(receipt, name) for name in list(receipt.__dataclass_fields__)[1:]))
    bench.see(rollup, "verify_receipt", 1, words, merkle.build_proof(receipts, 8, 0))
    bench.see(rollup, "assertion", found)
    bench.see(rollup, "status", found)
    bench.see(rollup, "attested", found)
    return found


def see_fork(bench: EntryBench, action_id: bytes, head: bytes) -> None:
    """A lie with a child and the truth beside it; championships, a defeat, a void, move pay."""
    rollup = "Rollup"
    for _ in range(2):
        bench.submit(action_id, b"x")
        bench.node.advance(5)
        bench.send("Inbox", "close_batch")
    _, _ = bench.propose(head, 2, make_proposal(salt="first"))
    lie, _ = bench.propose(head, 2, make_proposal(salt="lie"), who=LIAR)
    truth, _ = bench.propose(head, 2, make_proposal(salt="truth"), who=TRUTH)
    child, _ = bench.propose(lie, 3, make_proposal(salt="child"), who=CHILD)
    bench.see(rollup, "step_down", [child], who=LIAR)
    bench.see(rollup, "lock", bench.address(GUEST), truth, who=GAME)
    bench.see(rollup, "unlock", bench.address(GUEST), who=GAME)
    bench.see(rollup, "defeat", lie, who=GAME)
    bench.see(rollup, "burn")
    bench.see(rollup, "mark_void", child)
    bench.see(rollup, "slash", bench.address(GUEST), who=GAME)
    bench.see(rollup, "stake", bench.address(GUEST))
    bench.see(rollup, "credit", bench.address(GAME))
    bench.see(rollup, "withdraw", bench.address(ANYONE), who=GAME)
    bench.see_views(rollup, "head", "total_stakes", "total_credits", "settings", "sequencer")
    bench.see_views(rollup, "sequencer_live", "live_sequencer")
    bench.see(rollup, "transfer_sequencer", bench.address(TRUTH), who=0)


def see_readers(bench: EntryBench, action_id: bytes) -> None:
    _, field = proof_of(20, action_id)
    _, _, index, name_hash, type_hash, word, proof = field
    fixed = (bench.deployment.contracts["Rollup"], action_id, index, name_hash, type_hash, 10**6)
    for reader in READERS:
        path = f"contracts/examples/{reader}"
        made = (
            compile_solidity(path)
            if reader.endswith(".sol")
            else deploy.compile_contract(f"{path}.vy")
        )
        code = made.bytecode + deploy.encode_arguments(made.abi, fixed)
        sent = bench.node.send(
            **{"from": bench.node.accounts[0].address, "data": "0x" + code.hex(), "gas": hex(10**7)}
        )
        bench.deployment.contracts[reader] = Address(bytes.fromhex(sent["contractAddress"][2:]))
        bench.see(reader, "record", 1, word, proof)
        bench.see_views(reader, "batch", "count", "fresh_count")
    bench.see_views("BallotReader.sol", "rollup", "action_id", "index", "name_hash")
    bench.see_views("BallotReader.sol", "type_hash", "max_age")


def test_gas_of_every_entry_point_moves_only_on_purpose(bench: EntryBench) -> None:
    action_id = see_registries(bench)
    see_stakes(bench)
    see_inbox(bench, action_id)
    head = see_final(bench, action_id)
    see_fork(bench, action_id, head)
    see_readers(bench, action_id)

    declared = {
        f"{contract}.{entry['name']}"
        for contract, abi in bench.abis.items()
        # the game's moves are in test_duel_gas.py, steps beside each verifier's own tests, what
        # judges quotes in test_tdx_gas.py
        if contract not in (METER, *deploy.GAME, *step_contracts.STEPS, *deploy.ENCLAVES)
        for entry in abi
        if entry["type"] == "function"
    }
    # needs a registry of enclaves: in test_tdx_gas.py
    declared.remove("Rollup.attest")
    assert sorted(declared ^ set(bench.gas)) == [], "see each function here, and none that is gone"
    # ids are hashes of times: a zero byte more or less in the calldata is 12 gas
    check_snapshot("entry_points", dict(sorted(bench.gas.items())), tolerance=0.01)
