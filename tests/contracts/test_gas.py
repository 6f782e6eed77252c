"""Gas of whole transactions on anvil, from receipts, against the budgets that must hold.

Steady state, slots existing, unless the name says what a transaction creates. One scenario, since
each step prepares the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from eth_abi.abi import decode

from oyez.chain import deploy
from oyez.chain.client import connect
from oyez.chain.contracts import Transaction
from oyez.chain.keys import Key
from oyez.chain.sender import MemoryJournal, Sender
from oyez.protocol import codec
from oyez.protocol.types import Address, BatchNumber, Hash32
from tests.contracts.harness import ETHER, ROOT, SHAPE, encode_call
from tests.contracts.manifests import BALLOT, Draft, boolean, enum, string
from tests.contracts.proposals import ZERO, Proposal, make_proposal, noise
from tests.devnet import Anvil
from tests.snapshots import check_snapshot

MUST = {
    "submit, 512 bytes, exact fee, worst": 88_000,
    "submit, 512 bytes, overpaid, worst": 88_000,
    "submit, extra of closing a batch of 255": 70_000,
    # the worst: eight cold reads of the frontier
    "close_batch, 255 entries": 100_000,
    "close_batch, 254 entries": 100_000,
    "close_batch, 1 entry": 100_000,
    "propose, no data": 280_000,
    "propose, a byte of data": 26,
    "finalize": 95_000,
    "finalize, first credit": 112_000,
    "propose, a sibling": 280_000,
    "defeat": 90_000,
    "mark_void": 45_000,
    "verify_field, 20 levels": 25_000,
    "verify_field, 40 levels": 30_000,
    "publish, 1.3 KB": 600_000,
    "publish, 4 KB": 1_700_000,
    "publish, 12 KB": 5_500_000,
}
WORK = BALLOT.need(64) + 512
TEXT = (b"The quick brown fox jumps over the lazy dog, and then some. " * 9)[:512]


# whose account plays the game
GAME = 9


class Bench:
    """The contracts on anvil, sent to from unlocked accounts."""

    def __init__(self, node: Anvil) -> None:
        self.node = node
        self.sequencer = 0
        self.chain = connect(node.rpc, node.chain_id)
        self.key = Key(bytes.fromhex(node.accounts[0].key[2:]))
        listed = deploy.ListedModel(ROOT, SHAPE)
        # room for 255 calls of the length below, and only the sequencer closes
        settings = deploy.DeploySettings(
            self.key.address,
            (listed,),
            game=Address(bytes.fromhex(node.accounts[GAME].address[2:])),
            max_batch_seconds=10**6,
            max_batch_work=256 * WORK - 1,
        )
        self.deployment = deploy.deploy(self.chain, self.key, settings)
        self.abis = {name: item.abi for name, item in deploy.compile_contracts().items()}

    def data(self, contract: str, name: str, *arguments: Any) -> bytes:
        (entry,) = [e for e in self.abis[contract] if e.get("name") == name]
        return encode_call(entry, *arguments)

    def send(self, contract: str, name: str, *arguments: Any, value: int = 0, who: int = 0) -> int:
        """Send, and return the gas of the whole transaction."""
        transaction = {
            "from": self.node.accounts[who].address,
            "to": "0x" + self.deployment.contracts[contract].hex(),
            "data": "0x" + self.data(contract, name, *arguments).hex(),
            "value": hex(value),
            "gas": hex(16_000_000),
        }
        receipt = self.node.send(**transaction)
        assert receipt["status"] == "0x1", (name, self.node.request("eth_call", transaction))
        return int(receipt["gasUsed"], 16)

    def view(self, contract: str, name: str, *arguments: Any) -> Any:
        output = self.chain.call(
            self.deployment.contracts[contract], self.data(contract, name, *arguments)
        )
        return decode(["uint256"], output)[0] if len(output) == 32 else output

    def fee(self, action_id: bytes, text: bytes) -> int:
        return int(self.view("Inbox", "quote", action_id, len(text)))

    def submit(self, action_id: bytes, text: bytes, extra: int = 0, who: int = 1) -> int:
        fee = self.fee(action_id, text) + extra
        return self.send(
            "Inbox",
            "submit",
            action_id,
            b"",
            text,
            codec.keccak(BALLOT.encode()),
            0,
            value=fee,
            who=who,
        )

    def create(self, path: str) -> Address:
        """Deploy a test contract."""
        code = deploy.compile_contract(path).bytecode
        mined = Sender(self.chain, self.key, MemoryJournal()).send(
            f"create {path}", Transaction(to=None, data=code)
        )
        assert mined.created is not None
        self.abis[path] = deploy.compile_contract(path).abi
        self.deployment.contracts[path] = mined.created
        return mined.created

    def propose(
        self, parent: bytes, n: int, proposal: Proposal, data: bytes = b"", who: int | None = None
    ) -> tuple[bytes, int]:
        """Propose for batch n; return the id and the gas."""
        batch = self.chain.call(self.deployment.contracts["Inbox"], self.data("Inbox", "batch", n))
        arguments = parent, 0, batch[:32], proposal.words, proposal.proof, data
        who = self.sequencer if who is None else who
        gas = self.send("Rollup", "propose", *arguments, who=who)
        found = codec.compute_assertion_id(
            chain_id=self.node.chain_id,
            rollup=self.deployment.contracts["Rollup"],
            parent=Hash32(parent),
            attempt=0,
            batch=BatchNumber(n),
            batch_hash=Hash32(batch[:32]),
            claim=proposal.claim,
        )
        return found, gas

    def hand_over(self) -> None:
        """Make another account the sequencer, with a stake and no credit yet."""
        other = self.node.accounts[4].address
        self.send("Rollup", "transfer_sequencer", other, who=self.sequencer)
        self.sequencer = 4
        self.send("Rollup", "deposit_stake", value=ETHER, who=4)

    def read(self, path: str, n: int, arguments: tuple[Any, ...]) -> int:
        """Verify a field inside a transaction; return what the call alone used."""
        self.send(path, "read", self.deployment.contracts["Rollup"], n, *arguments)
        return int(self.view(path, "used"))

    def publish(self, draft: Draft) -> tuple[bytes, int]:
        manifest = draft.encode()
        gas = self.send("ActionRegistry", "publish", manifest, who=2)
        author = Address(bytes.fromhex(self.node.accounts[2].address[2:]))
        return codec.compute_action_id(author, codec.keccak(manifest)), gas


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Anvil() as node:
        yield Bench(node)


def realistic(size: int, description: str) -> Draft:
    """A manifest of exactly this many bytes: a prompt of literals, a few fields, the rest text."""
    rows = (
        enum(b"mood", *(b"option %02d" % i for i in range(8))),
        boolean(b"spam"),
        string(b"note", 40),
        string(b"summary", 120),
    )
    literals = tuple((i * 7_919) % 49_152 for i in range(300))
    draft = Draft(rows, ((0, 300), (2, 0)), literals, title=b"t", story=b"")
    room = size - len(draft.encode())
    story = description.encode() * (room // len(description.encode()) + 1)
    return Draft(rows, ((0, 300), (2, 0)), literals, title=b"t", story=cut(story, room))


def cut(story: bytes, room: int) -> bytes:
    """Cut to at most `room` bytes between characters, filled up with spaces."""
    whole = story[:room].decode("utf-8", errors="ignore").encode()
    return whole + b" " * (room - len(whole))


def proof_of(levels: int, action_id: bytes) -> tuple[bytes, tuple[Any, ...]]:
    """A state root with one INTEGER field `levels` deep, and verify_field's arguments."""
    key = codec.compute_cell_key_of(Hash32(action_id), ZERO)
    siblings = [noise("level", levels, i) for i in range(levels)]
    fields = [noise("field", i) for i in range(5)]
    node = codec.compute_field_leaf(3, b"count", noise("type"), 7)
    for depth, sibling in enumerate(fields):
        pair = (sibling, node) if 3 >> depth & 1 else (node, sibling)
        node = codec.keccak(pair[0] + pair[1])
    node = codec.compute_cell_leaf(key, noise("manifest"), node, 9)
    bits = int.from_bytes(key, "big") >> (256 - levels)
    for depth, sibling in enumerate(siblings):
        pair = (sibling, node) if bits >> depth & 1 else (node, sibling)
        node = codec.keccak(pair[0] + pair[1])
    proof = (noise("manifest"), 9, fields, siblings)
    names = codec.keccak(b"count"), noise("type"), codec.encode_word(7)
    return node, (action_id, ZERO, 3, *names, proof)


def measure_publish(bench: Bench) -> dict[str, int]:
    return {
        "publish, 1.3 KB": bench.publish(realistic(1_300, "counts moods. "))[1],
        "publish, 4 KB": bench.publish(realistic(4_096, "数える。"))[1],
        "publish, 12 KB": bench.publish(realistic(12_288, "数える。"))[1],
    }


def measure_inbox(bench: Bench, action_id: bytes) -> dict[str, int]:
    """Batches of 255, exact and overpaid, closed by submit and by hand."""
    runs: list[list[int]] = []
    for extra in (0, 1, 0, 1):
        run = []
        for _ in range(255):
            bench.node.advance(5)
            run.append(bench.submit(action_id, TEXT, extra=extra))
        runs.append(run)
    # a run's first call closes the batch before it; the first two runs create slots
    exact, overpaid = runs[2][1:], runs[3][1:]
    by_hand = bench.send("Inbox", "close_batch")
    for _ in range(254):
        bench.node.advance(5)
        bench.submit(action_id, TEXT)
    by_hand_254 = bench.send("Inbox", "close_batch")
    for _ in range(3):
        bench.submit(action_id, TEXT)
        bench.node.advance(5)
        single = bench.send("Inbox", "close_batch")
    return {
        "submit, 512 bytes, exact fee, worst": max(exact),
        "submit, 512 bytes, exact fee, mean": sum(exact) // len(exact),
        "submit, 512 bytes, overpaid, worst": max(overpaid),
        "submit, 512 bytes, overpaid, mean": sum(overpaid) // len(overpaid),
        "submit, extra of closing a batch of 255": runs[2][0] - sum(exact) // len(exact),
        "close_batch, 255 entries": by_hand,
        "close_batch, 254 entries": by_hand_254,
        "close_batch, 1 entry": single,
    }


def measure_rollup(bench: Bench, action_id: bytes) -> dict[str, int]:
    """Propose and finalize six batches on each other; read two of them by proof."""
    proofs = {1: proof_of(20, action_id), 2: proof_of(40, action_id)}
    reader = "tests/contracts/GasReader.vy"
    bench.create(reader)
    parent = bench.chain.call(
        bench.deployment.contracts["Rollup"], bench.data("Rollup", "final_id", 0)
    )
    spent, ids = [], []
    for n in range(1, 7):
        if n == 6:
            bench.hand_over()
        proposal = make_proposal(proofs[n][0] if n in proofs else noise("root", n), salt=n)
        data = b"".join(noise("data", i) for i in range(256)) if n == 5 else b""
        parent, gas = bench.propose(parent, n, proposal, data)
        spent.append(gas)
        ids.append(parent)
    bench.node.advance(600)
    finals = [bench.send("Rollup", "finalize", found, who=3) for found in ids]
    reads = {n: bench.read(reader, n, arguments) for n, (_, arguments) in proofs.items()}
    return {
        "propose, no data": max(spent[:4]),
        "propose, a byte of data": round((spent[4] - spent[3]) / 8_192),
        "finalize, first credit": finals[5],
        "finalize": max(finals[1:5]),
        "verify_field, 20 levels": reads[1],
        "verify_field, 40 levels": reads[2],
    }


def measure_forks(bench: Bench) -> dict[str, int]:
    """Two lies on the head with children, and a truth: void, defeat, step down, champion."""
    for who in (5, 6, 7):
        bench.send("Rollup", "deposit_stake", value=ETHER, who=who)
    head = bench.chain.call(
        bench.deployment.contracts["Rollup"], bench.data("Rollup", "final_id", 6)
    )
    first, _ = bench.propose(head, 7, make_proposal(salt="first"))
    second, _ = bench.propose(head, 7, make_proposal(salt="second"), who=5)
    truth, sibling = bench.propose(head, 7, make_proposal(salt="truth"), who=6)
    child, _ = bench.propose(second, 8, make_proposal(salt="child"), who=7)
    step = bench.send("Rollup", "step_down", [child], who=5)
    other = bench.node.accounts[7].address
    locks = [bench.send("Rollup", "lock", other, truth, who=GAME) for _ in range(2)]
    unlock = bench.send("Rollup", "unlock", other, who=GAME)
    bench.send("Rollup", "defeat", first, who=GAME)
    defeat = bench.send("Rollup", "defeat", second, who=GAME)
    return {
        "propose, a sibling": sibling,
        "step_down, 1 step": step,
        "lock, first of a fork": locks[0],
        "lock, again": locks[1],
        "unlock": unlock,
        "defeat": defeat,
        "mark_void": bench.send("Rollup", "mark_void", child, who=3),
    }


def test_budgets_hold(bench: Bench) -> None:
    """Also kept as a snapshot: a change of more than 2 percent shows as a diff.

    Audit 2 L2, Audit 2 L7
    """
    bench.send("Rollup", "deposit_stake", value=ETHER)
    action_id, _ = bench.publish(BALLOT)
    measured = measure_publish(bench)
    measured |= measure_inbox(bench, action_id)
    measured |= measure_rollup(bench, action_id)
    measured |= measure_forks(bench)

    over = {name: measured[name] for name, must in MUST.items() if measured[name] > must}
    assert over == {}
    check_snapshot("gas", measured, tolerance=0.02)
