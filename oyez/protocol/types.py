"""The protocol's nouns: enums and frozen records that several rules share.

Bytes inside, hex at the edge: hashes and addresses are `bytes` here, never strings.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NewType

Hash32 = NewType("Hash32", bytes)
Address = NewType("Address", bytes)
CallId = NewType("CallId", int)
BatchNumber = NewType("BatchNumber", int)
TokenId = NewType("TokenId", int)

#: A field's value: STRING and ENUM are UTF-8 bytes, BOOLEAN is bool, INTEGER is int,
#: ARRAY is a tuple of one of these.
Scalar = bytes | bool | int
Value = Scalar | tuple[Scalar, ...]

ZERO_HASH = Hash32(bytes(32))
ZERO_ADDRESS = Address(bytes(20))


class EntryKind(IntEnum):
    """What an inbox entry is; 2 to 4 come with the attested profile."""

    CALL = 1
    RESULT = 2
    MATURE = 3
    EXPIRY = 4


class Outcome(IntEnum):
    """How a call ended."""

    NONE = 0
    ACCEPTED = 1
    REJECTED = 2
    EXPIRED = 3


class Code(IntEnum):
    """Why a call was rejected; the first that applies, in this order."""

    NONE = 0
    BUSY = 1
    BAD_INPUT = 2
    CONTEXT_OVERFLOW = 3
    OUT_OF_TOKENS = 4
    COMPUTE = 5
    GUARD = 6
    NONDETERMINISTIC = 7


class Finality(IntEnum):
    """How far a call has come on chain."""

    UNKNOWN = 0
    QUEUED = 1
    POSTED = 2
    FINAL = 3


class Status(IntEnum):
    """What became of an assertion."""

    NONE = 0
    PENDING = 1
    FINAL = 2
    DEFEATED = 3
    VOID = 4


class EngineKind(IntEnum):
    """How a model is run."""

    EXACT = 1
    ATTESTED = 2


class CellKind(IntEnum):
    """How an action's state is divided into cells."""

    SHARED = 1
    PER_CALLER = 2
    NAMED = 3


class FieldType(IntEnum):
    """The type of a state field."""

    STRING = 1
    ENUM = 2
    BOOLEAN = 3
    INTEGER = 4
    ARRAY = 5


class Role(IntEnum):
    """Who decides a field: nobody (kept), the model (writes) or an expression (compute)."""

    KEPT = 0
    WRITES = 1
    COMPUTE = 2


class SegmentKind(IntEnum):
    """A piece of the prompt: literal tokens or a typed slot."""

    LITERAL = 0
    STATE = 1
    INPUT = 2
    CALLER = 3
    VALUE = 4
    TIME = 5


class SeedRule(IntEnum):
    """Where a call's seed comes from."""

    BATCH = 0
    CONSTANT = 1


@dataclass(frozen=True, slots=True)
class Field:
    """One top-level field of an action's state (manifest.md items 6 to 11).

    Attributes:
        limit: STRING: most bytes, 0 to 512.
        options: ENUM: 1 to 64 options of 1 to 32 bytes, strictly ascending bytewise.
        biases: Q16, added to an option's logit: one per ENUM option, (false, true) for BOOLEAN.
        low, high: INTEGER: inclusive range.
        digits: INTEGER: characters reserved for the longest value, sign included, 1 to 78.
        items: ARRAY: most items, 1 to 64.
        initial: value of an absent cell; ENUM: the option's bytes; ARRAY: ().
    """

    name: bytes
    type: FieldType
    role: Role
    initial: Value
    element: FieldType | None = None
    limit: int = 0
    options: tuple[bytes, ...] = ()
    biases: tuple[int, ...] = ()
    low: int = 0
    high: int = 0
    digits: int = 0
    items: int = 0

    @property
    def base(self) -> FieldType:
        """The scalar type: the element's for an ARRAY, else the field's own."""
        return self.element if self.element is not None else self.type


@dataclass(frozen=True, slots=True)
class Segment:
    """A literal (tokens not empty) or a slot (tokens empty)."""

    kind: SegmentKind
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Op:
    """One stack instruction; operand is 0 unless CONST, OLD or NEW."""

    code: int
    operand: int = 0


@dataclass(frozen=True, slots=True)
class Expression:
    """A computed field (target is its index) or a guard (target is None)."""

    target: int | None
    ops: tuple[Op, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A parsed manifest; every bound of manifest.md holds for it.

    Attributes:
        upgrade_delay: seconds; 2**40 - 1 means immutable.
        temperature: Q16.
        fixed_positions: declared positions besides one per input byte.
        state_bytes, output_bytes: manifest.md item 18: the longest state and output JSON.
        hash: keccak256 of the canonical bytes.
    """

    model: int
    cell_kind: CellKind
    upgrade_delay: int
    temperature: int
    seed_rule: SeedRule
    seed: Hash32
    max_input: int
    output_tokens: int
    fixed_positions: int
    fields: tuple[Field, ...]
    segments: tuple[Segment, ...]
    constants: tuple[int, ...]
    expressions: tuple[Expression, ...]
    name: bytes
    description: bytes
    state_bytes: int
    output_bytes: int
    hash: Hash32

    @property
    def prefix(self) -> tuple[int, ...]:
        """Tokens before the first slot: the same for every call, so cached."""
        return self.segments[0].tokens if self.segments else ()

    @property
    def written(self) -> tuple[int, ...]:
        """Indices of the fields the model decides, in state order."""
        return tuple(i for i, f in enumerate(self.fields) if f.role is Role.WRITES)


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What a model's registry record commits besides its root (twelve words, in this order).

    Attributes:
        context: min(the file's, 2**position bits - 2).
        position_cost: integer cost of one position; 1 for a 135M model.
        model_height: levels of the model tree.
        formats: version of the numeric formats; 1.
        missing: bytes 80..ff without a token of their own, ascending, at most 32.
    """

    layers: int
    width: int
    feed_forward: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    context: int
    position_cost: int
    model_height: int
    formats: int
    missing: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of the inbox, as its hash binds it."""

    kind: EntryKind
    call_id: CallId
    timestamp: int
    caller: Address
    value: int
    fee: int
    action_id: Hash32
    manifest_hash: Hash32
    cell: bytes
    input: bytes


@dataclass(frozen=True, slots=True)
class BatchHeader:
    """A closed batch, as `BatchClosed` states it."""

    number: BatchNumber
    first_call: CallId
    count: int
    opened_at: int
    prevrandao: Hash32
    entries_root: Hash32


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell's content. `version` counts accepted calls, so it is at least 1."""

    manifest_hash: Hash32
    version: int
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """How one call ended; its hash is a leaf of the receipts tree.

    `cell_leaf` is 0 when the cell is absent after the call; `positions` is 0 when the model
    never ran.
    """

    call_id: CallId
    outcome: Outcome
    code: Code
    detail: int
    manifest_hash: Hash32
    cell_key: Hash32
    cell_leaf: Hash32
    output_hash: Hash32
    positions: int
    fee: int


@dataclass(frozen=True, slots=True)
class Claim:
    """The four roots an assertion states."""

    trace_root: Hash32
    state_root: Hash32
    outbox_root: Hash32
    receipts_root: Hash32
