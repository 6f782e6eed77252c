"""Rebuild a deployment's ballot from events and views with web3 alone, and prove what it says.

An integrator's own program: it shares no line with the project but the ABI files, so it fails
when a hash, an event or a view is not what the specification says. It knows one thing about the
ballot: `mood` is the model's, `positive` and `negative` count it.

    python tests/e2e/rebuild.py .oyez/demo/deployment.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from web3 import Web3

ABI = Path(__file__).resolve().parents[2] / "contracts" / "abi"
keccak = Web3.keccak
ACCEPTED, REJECTED = 1, 2  # outcomes
FINAL = 3  # finality


def word(value: Any) -> bytes:
    if isinstance(value, int):
        return (value % 2**256).to_bytes(32, "big")
    raw = bytes.fromhex(value[2:]) if isinstance(value, str) else bytes(value)
    return raw.rjust(32, b"\0")


def tagged(name: str, *words: Any) -> bytes:
    tag = keccak(text=f"oyez.{name}.v1")
    return bytes(keccak(tag + b"".join(word(item) for item in words)))


def tree(leaves: list[bytes], height: int, index: int = 0) -> tuple[bytes, list[bytes]]:
    """Root of a fixed-height tree and the siblings of one leaf, from the leaf upwards."""
    row, empty, siblings = list(leaves), bytes(32), []
    for _ in range(height):
        row += [empty] * (len(row) % 2)
        siblings.append(row[index ^ 1] if index ^ 1 < len(row) else empty)
        row = [bytes(keccak(row[i] + row[i + 1])) for i in range(0, len(row), 2)]
        empty, index = bytes(keccak(empty + empty)), index // 2
    return (row[0] if row else empty), siblings


def read_rows(data: bytes) -> list[dict[str, Any]]:
    rows = []
    while data:
        size = int.from_bytes(data[8:10], "big")
        rows.append(
            {
                "outcome": data[0],
                "code": data[1],
                "detail": int.from_bytes(data[2:6], "big"),
                "positions": int.from_bytes(data[6:8], "big"),
                "output": data[10 : 10 + size],
                "trace": data[10 + size : 42 + size],
            }
        )
        data = data[42 + size :]
    return rows


class Ballot:
    """The ballot's one cell and its fields, read from the manifest's canonical bytes."""

    def __init__(self, manifest: bytes, action_id: bytes) -> None:
        self.hash = bytes(keccak(manifest))
        self.action_id = action_id
        self.key = tagged("cell_key", action_id, 0)
        count, constants = manifest[20], manifest[24]
        text_bytes = int.from_bytes(manifest[28:30], "big")
        text_at = 64 + 32 * constants
        field_at = text_at + text_bytes
        option_at, at = field_at + 16 * count, text_at
        self.fields: list[tuple[bytes, bytes]] = []
        for i in range(count):
            record = manifest[field_at + 16 * i : field_at + 16 * i + 16]
            name = manifest[at : at + record[0]]
            at += record[0]
            first = int.from_bytes(record[4:6], "big")
            body = b""
            if record[1] == 2:
                body = first.to_bytes(2, "big")
                for _ in range(first):
                    length = manifest[option_at]
                    body += bytes([length]) + manifest[at : at + length]
                    option_at, at = option_at + 5, at + length
            elif record[1] == 4:
                body = manifest[64 + 32 * first : 128 + 32 * first]
            type_hash = bytes(keccak(bytes([record[1], record[2]]) + b"\0\0" + body))
            self.fields.append((name, type_hash))
        self.values: dict[bytes, Any] = {}
        self.version = 0

    def vote(self, output: bytes) -> None:
        mood = json.loads(output)["mood"].encode()
        if not self.version:
            self.values = {b"positive": 0, b"negative": 0}
        self.values[b"mood"] = mood
        self.values[mood] += 1
        self.version += 1

    def words(self) -> list[bytes]:
        return [
            bytes(keccak(value)) if isinstance(value, bytes) else word(value)
            for value in (self.values[name] for name, _ in self.fields)
        ]

    def leaves(self) -> list[bytes]:
        return [
            tagged("field", index, keccak(name), type_hash, value)
            for index, ((name, type_hash), value) in enumerate(
                zip(self.fields, self.words(), strict=True)
            )
        ]

    def leaf(self) -> bytes:
        if not self.version:
            return bytes(32)
        return tagged("cell", self.key, self.hash, tree(self.leaves(), 5)[0], self.version)


def read_int32(raw: bytes) -> list[int]:
    """Lanes of a chunk of int32: in each word of 32 bytes the lowest bits first."""
    words = [int.from_bytes(raw[at : at + 32], "big") for at in range(0, 1_024, 32)]
    flat = [(found >> 32 * lane) % 2**32 for found in words for lane in range(8)]
    return [lane - (lane >> 31 << 32) for lane in flat]


def find_duel(
    contracts: dict[str, Any], chain_id: int, batch: Any, claims: list[Any], start: int
) -> dict[str, Any]:
    """How the siblings of a final batch stand, where their rows part, and the lane that decided."""
    rollup, game = contracts["Rollup"], contracts["DuelGame"]
    number, rows, statuses = batch.batch, [], []
    for claim in claims:
        recomputed = tagged(
            "assertion", chain_id, rollup.address, claim.parent, claim.attempt, number,
            batch.batch_hash, claim.trace_root, claim.state_root, claim.outbox_root,
            claim.receipts_root,
        )  # fmt: skip
        assert recomputed == claim.assertion_id
        stored = rollup.functions.assertion(recomputed).call()
        assert (stored[0], stored[4], stored[5]) == (claim.parent, claim.proposer, number)
        statuses.append(rollup.functions.status(recomputed).call())
        rows.append(read_rows(claim.batch_data))
    differing = [
        batch.first_call + index
        for index, calls in enumerate(zip(*rows, strict=True))
        if len({row["trace"] for row in calls}) > 1
    ]
    (resolved,) = [e.args for e in game.events.Resolved().get_logs(from_block=start)]
    leaves = [
        e.args
        for e in game.events.LeafRevealed().get_logs(from_block=start)
        if e.args.bout == resolved.bout
    ]
    assert [leaf.type for leaf in leaves] == [1, 1]
    first, second = (read_int32(leaf.raw) for leaf in leaves)
    parted = [lane for lane in range(256) if first[lane] != second[lane]]
    slashed = [e.args.staker for e in rollup.events.StakeSlashed().get_logs(from_block=start)]
    return {
        "batch": number,
        "siblings": ["0x" + claim.assertion_id.hex() for claim in claims],
        "proposers": [claim.proposer for claim in claims],
        "statuses": statuses,
        "first_call": differing[0],
        "outputs": [row[differing[0] - batch.first_call]["output"].decode() for row in rows],
        "lanes": parted,
        "lane": resolved.lane,
        "values": [first[parted[0]], second[parted[0]]],
        "contract": resolved.lane_value,
        "slashed": slashed,
    }


def main(path: str) -> dict[str, Any]:
    deployment = json.loads(Path(path).read_text())
    web3 = Web3(Web3.HTTPProvider(deployment["rpc"]))
    assert web3.eth.chain_id == deployment["chain_id"]
    contracts = {
        name: web3.eth.contract(
            address=Web3.to_checksum_address(address),
            abi=json.loads((ABI / f"{name}.json").read_text()),
        )
        for name, address in deployment["contracts"].items()
    }
    inbox, rollup = contracts["Inbox"], contracts["Rollup"]
    start = deployment["deployment_block"]
    queued = [e.args for e in inbox.events.CallQueued().get_logs(from_block=start)]
    closed = [e.args for e in inbox.events.BatchClosed().get_logs(from_block=start)]
    proposed = [e.args for e in rollup.events.AssertionProposed().get_logs(from_block=start)]
    finalized = [e.args for e in rollup.events.AssertionFinalized().get_logs(from_block=start)]
    head = rollup.functions.head().call()
    assert [e.call_id for e in queued] == list(range(len(queued)))

    action_ids = {e.action_id for e in queued}
    assert len(action_ids) == 1, "one ballot"
    action_id = action_ids.pop()
    pointer = contracts["ActionRegistry"].functions.manifest_pointer(queued[0].manifest_hash).call()
    manifest = bytes(web3.eth.get_code(pointer))[1:]
    assert keccak(manifest) == queued[0].manifest_hash
    ballot = Ballot(manifest, action_id)

    parent = tagged("assertion", deployment["chain_id"], rollup.address)
    assert rollup.functions.final_id(0).call() == parent
    outcomes, covered = {ACCEPTED: 0, REJECTED: 0}, []
    for number in range(1, head + 1):
        (batch,) = [e for e in closed if e.batch == number]
        entries = [e for e in queued if e.batch == number]
        assert [e.call_id for e in entries] == list(
            range(batch.first_call, batch.first_call + batch.count)
        )
        covered += [e.call_id for e in entries]
        leaves = [
            tagged(
                "entry", e.kind, e.call_id, e.timestamp, e.caller, e.value, e.fee, e.action_id,
                e.manifest_hash, keccak(e.cell), keccak(e.input),
            )
            for e in entries
        ]  # fmt: skip
        assert tree(leaves, 8)[0] == batch.entries_root
        batch_hash = tagged(
            "batch", number, batch.first_call, batch.count, batch.opened_at, batch.prevrandao,
            batch.entries_root,
        )  # fmt: skip
        assert batch_hash == batch.batch_hash == inbox.functions.batch(number).call()[0]
        (final,) = [e.assertion_id for e in finalized if e.batch == number]
        (claim,) = [e for e in proposed if e.assertion_id == final]
        recomputed = tagged(
            "assertion", deployment["chain_id"], rollup.address, parent, claim.attempt, number,
            batch_hash, claim.trace_root, claim.state_root, claim.outbox_root, claim.receipts_root,
        )  # fmt: skip
        assert recomputed == final == rollup.functions.final_id(number).call()
        parent = final
        receipts = []
        for entry, row in zip(entries, read_rows(claim.batch_data), strict=True):
            if row["outcome"] == ACCEPTED:
                ballot.vote(row["output"])
            outcomes[row["outcome"]] += 1
            receipts.append(
                (
                    entry.call_id, row["outcome"], row["code"], row["detail"],
                    entry.manifest_hash, ballot.key, ballot.leaf(), bytes(keccak(row["output"])),
                    row["positions"], entry.fee,
                )
            )  # fmt: skip
        hashes = [tagged("receipt", *receipt) for receipt in receipts]
        assert tree(hashes, 8)[0] == claim.receipts_root
        assert claim.state_root == ballot.leaf() == rollup.functions.state_root(number).call()
        for index, receipt in enumerate(receipts):
            siblings = tree(hashes, 8, index)[1]
            assert rollup.functions.verify_receipt(number, receipt, siblings).call()
            assert rollup.functions.finality(receipt[0], number).call() == FINAL
            forged = (receipt[0], 3 - receipt[1], *receipt[2:])
            assert not rollup.functions.verify_receipt(number, forged, siblings).call()
    assert covered == list(range(len(covered)))

    index = [name for name, _ in ballot.fields].index(b"positive")
    siblings = tree(ballot.leaves(), 5, index)[1]
    name, type_hash = ballot.fields[index]
    for claimed, holds in ((ballot.values[b"positive"], True), (10**6, False)):
        answer = rollup.functions.verify_field(
            head, action_id, bytes(32), index, keccak(name), type_hash, word(claimed),
            (ballot.hash, ballot.version, siblings, []),
        ).call()  # fmt: skip
        assert answer is holds
    owed = rollup.functions.total_stakes().call() + rollup.functions.total_credits().call()
    assert web3.eth.get_balance(rollup.address) >= owed
    owed = inbox.functions.escrow().call() + inbox.functions.total_credits().call()
    assert web3.eth.get_balance(inbox.address) >= owed
    duel = None
    (last,) = [e for e in closed if e.batch == head]
    claims = [e for e in proposed if e.batch == head]
    if len(claims) > 1:
        duel = find_duel(contracts, deployment["chain_id"], last, claims, start)
    return {
        "duel": duel,
        "final": len(covered),
        "accepted": outcomes[ACCEPTED],
        "rejected": outcomes[REJECTED],
        "head": head,
        "positive": ballot.values.get(b"positive", 0),
        "callers": len({e.caller for e in queued}),
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
