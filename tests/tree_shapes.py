"""Compares every kind of tree with its slow twin: the root, and the proof of every place."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from blockcerts_merkletools import MerkleTools

from oyez.protocol import codec, merkle, receipts, sparse
from oyez.protocol.entries import compute_entries_root
from oyez.protocol.state import State, compute_fields_root
from oyez.protocol.types import ZERO_HASH, Address, CallId, Cell, Entry, EntryKind, Hash32
from tests import slow_trees
from tests.proof_check import tagged
from tests.proof_worlds import FIELDS, SHARED_BITS, neighbour, random_hash, random_values

#: The types of proof_worlds.FIELDS in bytes, written by hand after docs/spec/schema.md.
DESCRIPTORS = (
    bytes.fromhex("02000000" + "0002" + "03") + b"bad" + b"\4good",
    bytes.fromhex("04000000") + (-5).to_bytes(32, "big", signed=True) + (10**9).to_bytes(32, "big"),
    bytes.fromhex("01000000" + "0028"),
    bytes.fromhex("03000000"),
)
PAD_LEAF = codec.sha256(b"\0\0" + bytes(1_024))


def count_shapes(rng: random.Random) -> Counter[str]:
    """Compare one random tree of each kind; return how many proofs of each were compared."""
    return Counter(
        {
            "compared, fields": compare_fields(rng),
            "compared, receipts": compare_receipts(rng),
            "compared, entries": compare_entries(rng),
            "compared, outbox": compare_outbox(rng),
            "compared, sha256": compare_sha256(rng),
            "compared, sha256 with blockcerts-merkletools": compare_merkletools(rng),
            "compared, state": compare_state(rng),
        }
    )


def compare_fixed(
    leaves: Sequence[bytes], height: int, tree: merkle.Tree, node: slow_trees.Node
) -> int:
    """Hold root and proofs of a fixed tree to the slow ones; return how many proofs."""
    places, empty = slow_trees.place_all(leaves), tree.empty[0]
    ours = [Hash32(leaf) for leaf in leaves]
    root = slow_trees.fixed_root(places, height, empty, node)
    assert merkle.compute_root(ours, height, tree) == root
    asked = {*range(min(len(leaves) + 1, 1 << height)), (1 << height) - 1}
    for index in asked:
        slow = slow_trees.fixed_proof(places, height, index, empty, node)
        assert list(merkle.build_proof(ours, height, index, tree)) == slow
    return len(asked)


def compare_fields(rng: random.Random) -> int:
    values = random_values(rng)
    leaves = []
    for index, (field, descriptor) in enumerate(zip(FIELDS, DESCRIPTORS, strict=True)):
        value = values[index]
        word = codec.keccak(value) if isinstance(value, bytes) else int(value) % 2**256
        names = codec.keccak(field.name), codec.keccak(descriptor)
        leaves.append(tagged("field", index, *names, word))
    places = slow_trees.place_all(leaves)
    slow = slow_trees.fixed_root(places, 5, ZERO_HASH, slow_trees.keccak_node)
    assert compute_fields_root(FIELDS, values) == slow
    return compare_fixed(leaves, 5, merkle.keccak_tree(), slow_trees.keccak_node)


def compare_receipts(rng: random.Random) -> int:
    leaves = [random_hash(rng) for _ in range(rng.choice([1, 2, 7, 40, 255, 256]))]
    for index in (0, len(leaves) - 1):
        slow = slow_trees.fixed_proof(
            slow_trees.place_all(leaves), 8, index, ZERO_HASH, slow_trees.keccak_node
        )
        assert list(receipts.build_receipt_proof(leaves, index)) == slow
    return compare_fixed(leaves[:20], 8, merkle.keccak_tree(), slow_trees.keccak_node)


def compare_entries(rng: random.Random) -> int:
    batch = [
        Entry(
            kind=EntryKind.CALL,
            call_id=CallId(index),
            timestamp=rng.getrandbits(40),
            caller=Address(rng.randbytes(20)),
            value=0,
            fee=rng.randrange(10**16),
            action_id=random_hash(rng),
            manifest_hash=random_hash(rng),
            cell=rng.randbytes(rng.randint(0, 9)),
            input=rng.randbytes(rng.randint(0, 99)),
        )
        for index in range(rng.randint(1, 12))
    ]
    leaves = [
        tagged(
            "entry",
            *(1, e.call_id, e.timestamp, e.caller, e.value, e.fee, e.action_id, e.manifest_hash),
            *(codec.keccak(e.cell), codec.keccak(e.input)),
        )
        for e in batch
    ]
    edge = merkle.Frontier.empty(8)
    for leaf in leaves:
        edge = edge.append(Hash32(leaf))
    places = slow_trees.place_all(leaves)
    slow = slow_trees.fixed_root(places, 8, ZERO_HASH, slow_trees.keccak_node)
    assert compute_entries_root(batch) == edge.root == slow
    return compare_fixed(leaves, 8, merkle.keccak_tree(), slow_trees.keccak_node)


def compare_outbox(rng: random.Random) -> int:
    """32 levels: empty subtrees are computed level by level, each once for each place asked."""
    leaves = [random_hash(rng) for _ in range(rng.randint(0, 5))]
    root = merkle.compute_root(leaves, 32)
    node, empty = slow_trees.keccak_node, ZERO_HASH
    level: list[bytes] = list(leaves)
    for _ in range(32):
        level = [*level, empty] if len(level) % 2 else level
        level = [node(level[i], level[i + 1]) for i in range(0, len(level), 2)]
        empty = Hash32(node(empty, empty))
    assert root == (level[0] if level else empty)
    slow = tagged("outbox", len(leaves), root)
    assert codec.compute_outbox_root(len(leaves), root) == slow
    return 1


def compare_sha256(rng: random.Random) -> int:
    tree = merkle.build_tree(merkle.compute_sha256_node, PAD_LEAF)
    height = rng.randint(0, 7)
    leaves = [random_hash(rng) for _ in range(rng.randint(0, min(20, 1 << height)))]
    if len(leaves) < 1 << height:
        last = random_hash(rng)
        places = slow_trees.place_all(leaves) | {(1 << height) - 1: last}
        root, siblings = merkle.fold_with_last(leaves, last, height, tree)
        node = slow_trees.sha256_node
        assert root == slow_trees.fixed_root(places, height, PAD_LEAF, node)
        assert list(siblings) == slow_trees.fixed_proof(
            places, height, (1 << height) - 1, PAD_LEAF, node
        )
    return compare_fixed(leaves, height, tree, slow_trees.sha256_node)


def compare_merkletools(rng: random.Random) -> int:
    """Full SHA-256 trees: where a leaf is missing the library has another shape."""
    height = rng.randint(1, 6)
    tree = merkle.build_tree(merkle.compute_sha256_node, PAD_LEAF)
    leaves = [random_hash(rng) for _ in range(1 << height)]
    theirs = MerkleTools(hash_type="sha256")
    theirs.add_leaf([leaf.hex() for leaf in leaves])
    theirs.make_tree()
    assert merkle.compute_root(leaves, height, tree).hex() == theirs.get_merkle_root()
    for index in range(1 << height):
        steps = [step.get("left") or step["right"] for step in theirs.get_proof(index)]
        ours = merkle.build_proof(leaves, height, index, tree)
        assert [sibling.hex() for sibling in ours] == steps
    return 1 << height


def compare_state(rng: random.Random) -> int:
    """Cells of which most share 60 bits and more with another; presence and absence alike."""
    state, leaves = State.empty(), dict[bytes, bytes]()
    keys = [random_hash(rng)]
    while len(keys) < rng.randint(2, 7):
        shared = rng.choice([0, 1, 7, SHARED_BITS, rng.randint(SHARED_BITS, 255)])
        keys.append(neighbour(rng, rng.choice(keys), shared))
    absent = [keys.pop(), neighbour(rng, keys[0], rng.randint(0, 90)), random_hash(rng)]
    for key in dict.fromkeys(keys):
        values, manifest, version = random_values(rng), random_hash(rng), rng.randint(1, 9)
        state = state.with_cell(key, Cell(manifest, version, values), FIELDS)
        fields_root = compute_fields_root(FIELDS, values)
        leaves[key] = tagged("cell", key, manifest, fields_root, version)
    assert state.root == slow_trees.sparse_root(leaves)
    compared = 0
    for key in (*keys, *absent):
        path, found = slow_trees.sparse_proof(leaves, key)
        compared += 1
        if found == key:
            assert list(state.build_field_proof(key, FIELDS, 0).siblings) == path
            assert sparse.fold_sparse(key, Hash32(leaves[key]), path) == state.root
            continue
        proof = state.build_absence_proof(key)
        assert list(proof.siblings) == path
        assert (proof.other_version == 0) == (found is None)
        if found is not None:
            assert proof.other_key == found
    return compared
