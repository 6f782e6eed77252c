"""True statements with their proofs, and seven kinds of damage that none may survive.

`damage` changes one thing; `judge` asks the contract and Python. A change that dies because a list
has the wrong length, or an index lies outside its tree, is told apart: it shows little.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from oyez.protocol import codec, merkle, receipts, schema, state
from oyez.protocol.errors import Invalid
from oyez.protocol.types import ZERO_HASH, CallId, Hash32, Receipt
from tests.proof_worlds import FIELDS, Ledger, Page, random_hash, word_of

KINDS = (
    "index",
    "sibling",
    "leaf and node swapped",
    "other batch",
    "other tree",
    "truncated",
    "extended",
)


@dataclass(frozen=True)
class FieldClaim:
    """After batch n, field `index` of cell k had this word."""

    n: int
    k: bytes
    index: int
    name: bytes
    type_hash: Hash32
    word: bytes
    proof: state.FieldProof


@dataclass(frozen=True)
class AbsenceClaim:
    """After batch n, there was no cell k."""

    n: int
    k: bytes
    proof: state.AbsenceProof


@dataclass(frozen=True)
class ReceiptClaim:
    """Batch n has this receipt, at its call's place."""

    n: int
    receipt: Receipt
    siblings: tuple[Hash32, ...]


Claim = FieldClaim | AbsenceClaim | ReceiptClaim


def random_claim(rng: random.Random, ledger: Ledger, kind: type[Claim]) -> Claim:
    """A true statement of one kind about any batch."""
    page = rng.choice(ledger.pages)
    if kind is ReceiptClaim:
        index = rng.randrange(len(page.receipts))
        proof = merkle.build_proof(page.leaves, 8, index)
        return ReceiptClaim(page.number, page.receipts[index], proof)
    if kind is AbsenceClaim:
        k = rng.choice(page.absent)
        key = codec.compute_cell_key_of(ledger.action, k)
        return AbsenceClaim(page.number, k, page.state.build_absence_proof(key))
    return field_claim(ledger, page, rng.choice(page.present), rng.randrange(len(FIELDS)))


def field_claim(ledger: Ledger, page: Page, k: bytes, index: int) -> FieldClaim:
    key = codec.compute_cell_key_of(ledger.action, k)
    return FieldClaim(
        page.number,
        k,
        index,
        FIELDS[index].name,
        schema.compute_type_hash(FIELDS[index]),
        word_of(page, key, index),
        page.state.build_field_proof(key, FIELDS, index),
    )


def ask_contract(ledger: Ledger, claim: Claim) -> bool:
    """What Rollup answers; the claim's lists must have the lengths that its ABI knows."""
    rollup = ledger.world.rollup
    if isinstance(claim, ReceiptClaim):
        words = dataclasses.astuple(claim.receipt)
        return bool(rollup.verify_receipt(claim.n, words, claim.siblings))
    proof = dataclasses.astuple(claim.proof)
    if isinstance(claim, AbsenceClaim):
        return bool(rollup.verify_absent(claim.n, ledger.action, claim.k, proof))
    name_hash = codec.keccak(claim.name)
    question = (claim.index, name_hash, claim.type_hash, claim.word, proof)
    return bool(rollup.verify_field(claim.n, ledger.action, claim.k, *question))


def ask_python(ledger: Ledger, claim: Claim) -> bool:
    """What oyez.protocol answers about the same root."""
    page = ledger.pages[claim.n - 1] if 1 <= claim.n <= len(ledger.pages) else None
    root = page.state.root if page else ZERO_HASH
    try:
        if isinstance(claim, ReceiptClaim):
            receipts.verify_receipt(
                root=page.receipts_root if page else ZERO_HASH,
                first_call=page.receipts[0].call_id if page else 0,
                receipt=claim.receipt,
                siblings=claim.siblings,
            )
            return True
        key = codec.compute_cell_key_of(ledger.action, claim.k)
        if isinstance(claim, AbsenceClaim):
            state.verify_absent(root=root, key=key, proof=claim.proof)
            return True
        state.verify_field(
            root=root,
            key=key,
            index=claim.index,
            name=claim.name,
            type_hash=claim.type_hash,
            word=claim.word,
            proof=claim.proof,
        )
    except Invalid:
        return False
    return True


def has_wrong_length(ledger: Ledger, claim: Claim) -> bool:
    """Whether a length or range check alone refuses the claim; the ABI may not even carry it."""
    if isinstance(claim, ReceiptClaim):
        page = ledger.pages[claim.n - 1] if 1 <= claim.n <= len(ledger.pages) else None
        calls = [receipt.call_id for receipt in page.receipts] if page else []
        return not fits_abi(claim) or claim.receipt.call_id not in calls
    outside = isinstance(claim, FieldClaim) and not 0 <= claim.index < 32
    return outside or not fits_abi(claim)


def fits_abi(claim: Claim) -> bool:
    """Whether the contract's argument types can hold the claim at all."""
    if isinstance(claim, ReceiptClaim):
        return len(claim.siblings) == 8
    if isinstance(claim, FieldClaim) and len(claim.proof.field_siblings) != 5:
        return False
    return len(claim.proof.siblings) <= 256


def damage(rng: random.Random, ledger: Ledger, claim: Claim, kind: str) -> Claim:
    """A false statement: the claim with one thing changed; never the claim itself."""
    while True:
        if kind == "index":
            changed = change_index(rng, ledger, claim)
        elif kind == "other batch":
            changed = move_to_other_batch(rng, ledger, claim)
        elif kind == "other tree":
            changed = take_other_tree(rng, ledger, claim)
        elif kind == "leaf and node swapped":
            changed = swap_leaf(rng, ledger, claim)
        else:
            changed = change_lists(claim, LISTS[kind], rng)
        if changed != claim:
            return changed


def change_index(rng: random.Random, ledger: Ledger, claim: Claim) -> Claim:
    """Another place: a field's, a call's, or a cell that is there, perhaps shown by itself."""
    if isinstance(claim, FieldClaim):
        return replace(claim, index=rng.choice([0, 1, 2, 3, claim.index ^ 4, claim.index ^ 16, 33]))
    page = ledger.pages[claim.n - 1]
    if isinstance(claim, ReceiptClaim):
        first = page.receipts[0].call_id
        other = CallId(rng.choice([*range(first, first + len(page.receipts)), first + 9]))
        return replace(claim, receipt=replace(claim.receipt, call_id=other))
    k = rng.choice(page.present)
    return replace(claim, k=k, proof=rng.choice([claim.proof, own_leaf(ledger, page, k)]))


def own_leaf(ledger: Ledger, page: Page, k: bytes) -> state.AbsenceProof:
    """A cell's own leaf at its own place, as if it were another's that stands in the way."""
    key = codec.compute_cell_key_of(ledger.action, k)
    cell = page.state.get(key)
    assert cell is not None
    return state.AbsenceProof(
        other_key=key,
        other_manifest=cell.manifest_hash,
        other_fields=state.compute_fields_root(FIELDS, cell.values),
        other_version=cell.version,
        siblings=page.state.build_field_proof(key, FIELDS, 0).siblings,
    )


def move_to_other_batch(rng: random.Random, ledger: Ledger, claim: Claim) -> Claim:
    """The same of another batch, batch 0 among them; a receipt mostly takes a number there."""
    pages = range(1, len(ledger.pages) + 1)
    n = rng.choice([n for n in (0, *pages, *pages) if n != claim.n])
    if not isinstance(claim, ReceiptClaim):
        return replace(claim, n=n)
    moved = claim.receipt
    if n > 0 and rng.random() < 0.9:
        place = moved.call_id - ledger.pages[claim.n - 1].receipts[0].call_id
        there = ledger.pages[n - 1].receipts
        moved = replace(moved, call_id=there[min(place, len(there) - 1)].call_id)
    return replace(claim, n=n, receipt=moved)


def swap_leaf(rng: random.Random, ledger: Ledger, claim: Claim) -> Claim:
    """The path's own node at some level where its sibling should be, and the sibling's side."""
    if isinstance(claim, ReceiptClaim):
        page = ledger.pages[claim.n - 1]
        level = rng.randrange(2)
        place = claim.receipt.call_id - page.receipts[0].call_id
        node = fold(codec.compute_receipt_leaf(claim.receipt), place, claim.siblings[:level])
        moved = page.receipts[0].call_id + (place ^ 1 << level)
        receipt = replace(claim.receipt, call_id=CallId(moved))
        return replace(claim, receipt=receipt, siblings=put(claim.siblings, level, node))
    key = codec.compute_cell_key_of(ledger.action, claim.k)
    if isinstance(claim, FieldClaim):
        leaf = codec.compute_field_leaf(claim.index, claim.name, claim.type_hash, claim.word)
        level = rng.randrange(5)
        node = fold(leaf, claim.index, claim.proof.field_siblings[:level])
        levels = put(claim.proof.field_siblings, level, node)
        if rng.random() < 0.5:
            proof = replace(claim.proof, field_siblings=levels)
            return replace(claim, index=claim.index ^ 1 << level, proof=proof)
        root = fold(leaf, claim.index, claim.proof.field_siblings)
        cell = codec.compute_cell_leaf(key, claim.proof.manifest_hash, root, claim.proof.version)
        up = put(claim.proof.siblings, rng.randrange(len(claim.proof.siblings)), cell)
        return replace(claim, proof=replace(claim.proof, siblings=up))
    shown, siblings = claim.proof, claim.proof.siblings
    level = rng.randrange(len(siblings))
    return rng.choice(
        [
            # a node of the path stands as the other cell's leaf, or as its fields
            replace(claim, proof=replace(shown, other_fields=siblings[level], other_version=1)),
            replace(claim, proof=replace(shown, other_key=siblings[level], other_version=1)),
            replace(claim, proof=replace(shown, other_version=0, other_key=ZERO_HASH))
            if shown.other_version
            else replace(claim, proof=replace(shown, other_key=key, other_version=1)),
            replace(claim, proof=replace(shown, siblings=put(siblings, level, shown.other_fields))),
        ]
    )


def take_other_tree(rng: random.Random, ledger: Ledger, claim: Claim) -> Claim:
    """Siblings of the same shape from another tree: another cell's, batch's or kind's."""
    page = rng.choice(ledger.pages)
    if isinstance(claim, ReceiptClaim):
        other = random_claim(rng, ledger, ReceiptClaim)
        assert isinstance(other, ReceiptClaim)
        levels = page.state.build_field_proof(
            codec.compute_cell_key_of(ledger.action, page.present[0]), FIELDS, 0
        ).field_siblings
        mixed = (*levels, *claim.siblings[5:])
        return replace(claim, siblings=rng.choice([other.siblings, mixed]))
    if isinstance(claim, AbsenceClaim):
        other_claim = random_claim(rng, ledger, AbsenceClaim)
        assert isinstance(other_claim, AbsenceClaim)
        if other_claim.n == claim.n:
            return claim  # of the same tree: may be true
        return replace(claim, proof=other_claim.proof)
    other_field = field_claim(
        ledger, page, rng.choice(page.present), rng.randrange(len(FIELDS))
    ).proof
    if rng.random() < 0.5:
        return replace(claim, proof=replace(claim.proof, field_siblings=other_field.field_siblings))
    return replace(claim, proof=replace(claim.proof, siblings=other_field.siblings))


Lists = Callable[[random.Random, tuple[Hash32, ...], bool], tuple[Hash32, ...]]


def change_lists(claim: Claim, change: Lists, rng: random.Random) -> Claim:
    """One of a claim's lists of siblings changed; True says that its length is fixed."""
    if isinstance(claim, ReceiptClaim):
        return replace(claim, siblings=change(rng, claim.siblings, True))
    if isinstance(claim, FieldClaim) and rng.random() < 0.5:
        levels = change(rng, claim.proof.field_siblings, True)
        return replace(claim, proof=replace(claim.proof, field_siblings=levels))
    siblings = change(rng, claim.proof.siblings, False)
    if isinstance(claim, FieldClaim):
        return replace(claim, proof=replace(claim.proof, siblings=siblings))
    return replace(claim, proof=replace(claim.proof, siblings=siblings))


def change_sibling(rng: random.Random, siblings: tuple[Hash32, ...], _: bool) -> tuple[Hash32, ...]:
    """A bit flipped, a node put in another's place, or nothing where something was."""
    at, other = rng.randrange(len(siblings)), rng.choice(siblings)
    flipped = bytearray(siblings[at])
    flipped[rng.randrange(32)] ^= 1 << rng.randrange(8)
    return put(siblings, at, rng.choice([Hash32(bytes(flipped)), other, ZERO_HASH]))


def truncate(rng: random.Random, siblings: tuple[Hash32, ...], fixed: bool) -> tuple[Hash32, ...]:
    """Cut somewhere; a list of fixed length is mostly filled up again at its other end."""
    at = rng.choice([0, len(siblings) - 1, rng.randrange(len(siblings))])
    shorter = siblings[:at] + siblings[at + 1 :]
    if fixed and rng.random() < 0.7:
        return (*shorter, ZERO_HASH) if at < len(siblings) - 1 else (ZERO_HASH, *shorter)
    return shorter


def extend(rng: random.Random, siblings: tuple[Hash32, ...], fixed: bool) -> tuple[Hash32, ...]:
    """One more somewhere; a list of fixed length mostly loses its last."""
    at = rng.choice([0, len(siblings), rng.randrange(len(siblings))])
    more = rng.choice([ZERO_HASH, random_hash(rng), *siblings[:2]])
    longer = (*siblings[:at], more, *siblings[at:])
    return longer[: len(siblings)] if fixed and rng.random() < 0.7 else longer


LISTS: dict[str, Lists] = {"sibling": change_sibling, "truncated": truncate, "extended": extend}


def put(siblings: tuple[Hash32, ...], at: int, node: Hash32) -> tuple[Hash32, ...]:
    return (*siblings[:at], node, *siblings[at + 1 :])


def fold(leaf: Hash32, index: int, siblings: tuple[Hash32, ...]) -> Hash32:
    """The node at the level that the siblings reach."""
    return merkle.fold_proof(leaf, index % (1 << len(siblings)), siblings)
