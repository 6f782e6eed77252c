"""Counts what a seeded run of damaged proofs did: `make test` runs little, the soak much."""

from __future__ import annotations

import random
from collections import Counter

from oyez.protocol import codec, merkle
from oyez.protocol.errors import Invalid
from tests.proof_damage import (
    KINDS,
    AbsenceClaim,
    Claim,
    FieldClaim,
    ReceiptClaim,
    ask_contract,
    ask_python,
    damage,
    fits_abi,
    has_wrong_length,
    random_claim,
)
from tests.proof_worlds import build_ledger, random_hash

STATEMENTS: dict[str, type[Claim]] = {
    "field": FieldClaim,
    "absence": AbsenceClaim,
    "receipt": ReceiptClaim,
}
PLAIN_KINDS = tuple(kind for kind in KINDS if kind != "other batch")
SHA_EMPTY = codec.sha256(b"\0\0" + bytes(1_024))


def count_damaged(rng: random.Random, each: int) -> Counter[str]:
    """Damage `each` statements of every kind in every way; none may be accepted by anybody."""
    ledger = build_ledger(rng)
    counts: Counter[str] = Counter()
    for name, kind in STATEMENTS.items():
        for how in KINDS:
            for _ in range(each):
                claim = random_claim(rng, ledger, kind)
                assert ask_contract(ledger, claim), name
                assert ask_python(ledger, claim), name
                changed = damage(rng, ledger, claim, how)
                assert not ask_python(ledger, changed), (name, how)
                if fits_abi(changed):
                    assert not ask_contract(ledger, changed), (name, how)
                counts[f"{name}, {how}"] += 1
                counts[f"{name}, {how}, by length"] += has_wrong_length(ledger, changed)
    return counts


def count_plain(rng: random.Random, each: int) -> Counter[str]:
    """The same for the trees that only Python reads by proof: entries, outbox, SHA-256."""
    counts: Counter[str] = Counter()
    shapes = {
        "entries": (merkle.keccak_tree(), 8),
        "outbox": (merkle.keccak_tree(), 32),
        "sha256": (merkle.build_tree(merkle.compute_sha256_node, SHA_EMPTY), 14),
    }
    for name, (tree, height) in shapes.items():
        leaves = [random_hash(rng) for _ in range(rng.randint(2, 20))]
        others = [random_hash(rng) for _ in leaves]
        root = merkle.compute_root(leaves, height, tree)
        for how in PLAIN_KINDS:
            for _ in range(each):
                index = rng.randrange(len(leaves))
                proof = list(merkle.build_proof(leaves, height, index, tree))
                leaf = leaves[index]
                assert merkle.fold_proof(leaf, index, proof, tree) == root
                at, level = index, rng.randrange(height)
                if how == "index":
                    at = rng.choice([index ^ 1 << level, index ^ 1, 1 << height])
                    if leaf == proof[0] or proof[min(level, height - 1)] == leaf:
                        continue
                elif how == "sibling":
                    proof[level] = rng.choice([leaf, random_hash(rng)])
                elif how == "leaf and node swapped":
                    node = merkle.fold_proof(leaf, index % (1 << level), proof[:level], tree)
                    at, proof[level] = index ^ 1 << level, node
                elif how == "other tree":
                    proof = list(merkle.build_proof(others, height, index, tree))
                elif how == "truncated":
                    del proof[level]
                    proof += [tree.empty[height]] * rng.choice([0, 1, 1])
                else:
                    proof.insert(level, rng.choice([leaf, random_hash(rng)]))
                    proof = proof[: rng.choice([height, height, height + 1])]
                by_length = len(proof) != height or at >= 1 << height
                counts[f"{name}, {how}"] += 1
                counts[f"{name}, {how}, by length"] += by_length
                try:
                    folded = merkle.fold_proof(leaf, at, proof, tree)
                except Invalid:
                    continue
                assert folded != root, (name, how, index, level)
    return counts
