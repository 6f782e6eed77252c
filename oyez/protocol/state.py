"""The rollup's state: cells under a compact sparse Merkle tree, each cell a tree of fields.

A cell that was never written is absent and stands for its action's initial values. Cells are
never deleted, and a state never changes: `with_cell` returns another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from oyez.protocol import codec, merkle, schema, sparse
from oyez.protocol.constants import FIELDS_HEIGHT
from oyez.protocol.errors import Invalid
from oyez.protocol.types import ZERO_HASH, Cell, Field, Hash32, Value


@dataclass(frozen=True, slots=True)
class StoredCell:
    """A cell with its key, and the hashes computed when it was stored."""

    key: Hash32
    cell: Cell
    fields_root: Hash32
    leaf: Hash32


@dataclass(frozen=True, slots=True)
class FieldProof:
    """Proof of one field for `Rollup.verify_field`; all siblings from the leaf upwards."""

    manifest_hash: Hash32
    version: int
    field_siblings: tuple[Hash32, ...]
    siblings: tuple[Hash32, ...]


@dataclass(frozen=True, slots=True)
class AbsenceProof:
    """Proof for `Rollup.verify_absent`; `other_version` 0 says that nothing is there."""

    other_key: Hash32
    other_manifest: Hash32
    other_fields: Hash32
    other_version: int
    siblings: tuple[Hash32, ...]


@dataclass(frozen=True, slots=True)
class StatePath:
    """The way from the root towards a key.

    Attributes:
        branches: both children of each node on it, from the root on.
        met: the cell that it ends at, which may be another key's; None: nothing is there.
    """

    branches: tuple[tuple[Hash32, Hash32], ...]
    met: StoredCell | None


class State:
    """All cells at one point; immutable."""

    __slots__ = ("_tree",)

    def __init__(self, tree: sparse.SparseTree[StoredCell]) -> None:
        """Wrap a tree; begin with `State.empty()`."""
        self._tree = tree

    @classmethod
    def empty(cls) -> State:
        """Return the state of batch 0."""
        return cls(sparse.SparseTree())

    @property
    def root(self) -> Hash32:
        """The state root."""
        return self._tree.root

    def get(self, key: Hash32) -> Cell | None:
        """Return the cell at `key`, None when it is absent."""
        stored = self._tree.get(key)
        return stored.cell if stored is not None else None

    def get_leaf(self, key: Hash32) -> Hash32:
        """Return the cell's leaf, 0 when it is absent."""
        stored = self._tree.get(key)
        return stored.leaf if stored is not None else ZERO_HASH

    def cells(self) -> Iterator[tuple[Hash32, Cell]]:
        """Yield (key, cell) in ascending order of keys."""
        for key, stored in self._tree.items():
            yield key, stored.cell

    def with_cell(self, key: Hash32, cell: Cell, fields: Sequence[Field]) -> State:
        """Return the state in which `key` holds `cell`, whose manifest has these fields.

        Raises:
            ValueError: another number of values than of fields, or a version below 1.

        Rule: STATE-8
        """
        if cell.version < 1:
            raise ValueError("a stored cell counts at least one accepted call")
        fields_root = compute_fields_root(fields, cell.values)
        leaf = codec.compute_cell_leaf(key, cell.manifest_hash, fields_root, cell.version)
        return State(self._tree.insert(key, leaf, StoredCell(key, cell, fields_root, leaf)))

    def find_path(self, key: Hash32) -> StatePath:
        """Return the way from the root towards `key`, whether it is there or not."""
        branches, met = self._tree.list_path(key)
        return StatePath(tuple(branches), met)

    def build_field_proof(self, key: Hash32, fields: Sequence[Field], index: int) -> FieldProof:
        """Return the proof of field `index` of the cell at `key`.

        Raises:
            KeyError: the cell is absent; prove that with `build_absence_proof`.
            ValueError: no such field.
        """
        stored = self._tree.get(key)
        if stored is None:
            raise KeyError(key)
        if not 0 <= index < len(fields):
            raise ValueError(f"no field {index} of {len(fields)}")
        leaves = compute_field_leaves(fields, stored.cell.values)
        return FieldProof(
            manifest_hash=stored.cell.manifest_hash,
            version=stored.cell.version,
            field_siblings=merkle.build_proof(leaves, FIELDS_HEIGHT, index),
            siblings=self._tree.build_proof(key).siblings,
        )

    def build_absence_proof(self, key: Hash32) -> AbsenceProof:
        """Return the proof that no cell is at `key`.

        Raises:
            ValueError: the cell exists.
        """
        proof = self._tree.build_proof(key)
        if proof.found is None:
            return AbsenceProof(ZERO_HASH, ZERO_HASH, ZERO_HASH, 0, proof.siblings)
        other = self._tree.get(proof.found[0])
        if proof.found[0] == key or other is None:
            raise ValueError("the cell exists")
        return AbsenceProof(
            other_key=proof.found[0],
            other_manifest=other.cell.manifest_hash,
            other_fields=other.fields_root,
            other_version=other.cell.version,
            siblings=proof.siblings,
        )


def compute_field_leaves(fields: Sequence[Field], values: Sequence[Value]) -> list[Hash32]:
    """Return the leaves of a cell's fields, in order."""
    if len(fields) != len(values):
        raise ValueError(f"{len(values)} values for {len(fields)} fields")
    return [
        codec.compute_field_leaf(
            index,
            field.name,
            schema.compute_type_hash(field),
            schema.compute_value_word(field, value),
        )
        for index, (field, value) in enumerate(zip(fields, values, strict=True))
    ]


def compute_fields_root(fields: Sequence[Field], values: Sequence[Value]) -> Hash32:
    """Return the root of a cell's five-level field tree.

    Rule: STATE-9
    """
    return merkle.compute_root(compute_field_leaves(fields, values), FIELDS_HEIGHT)


def verify_field(
    *,
    root: Hash32,
    key: Hash32,
    index: int,
    name: bytes,
    type_hash: Hash32,
    word: codec.Word,
    proof: FieldProof,
) -> None:
    """Check that the proof shows this field in the cell at `key` under `root`.

    The twin of `Rollup.verify_field`, which answers false where this raises.

    Raises:
        Invalid: CODEC-8, STATE-6 or STATE-10.

    Rule: STATE-10
    """
    if len(proof.field_siblings) != FIELDS_HEIGHT:
        raise Invalid("STATE-10", f"a field has {FIELDS_HEIGHT} siblings in its cell's tree")
    leaf = codec.compute_field_leaf(index, name, type_hash, word)
    fields_root = merkle.fold_proof(leaf, index, proof.field_siblings)
    cell = codec.compute_cell_leaf(key, proof.manifest_hash, fields_root, proof.version)
    if sparse.fold_sparse(key, cell, proof.siblings) != root:
        raise Invalid("STATE-10", "the proof does not lead from this field to the state root")


def verify_absent(*, root: Hash32, key: Hash32, proof: AbsenceProof) -> None:
    """Check that the proof shows no cell at `key` under `root`.

    The twin of `Rollup.verify_absent`. Another cell's leaf proves absence only if its key leads
    to the same place and is another key.

    Raises:
        Invalid: STATE-6, STATE-7 or STATE-11.

    Rule: STATE-11
    """
    found = None
    if proof.other_version != 0:
        if proof.other_key == key:
            raise Invalid("STATE-11", "the proof shows the cell itself: it is not absent")
        leaf = codec.compute_cell_leaf(
            proof.other_key, proof.other_manifest, proof.other_fields, proof.other_version
        )
        found = (proof.other_key, leaf)
    sparse.verify_sparse(root, key, sparse.SparseProof(proof.siblings, found))
