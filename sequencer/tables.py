"""The sequencer's tables, on SQLite: what was read from the chain, and what was made of it.

checkpoints   blocks that were read, to notice a re-org and find where to go on
entries       the inbox
batches       closed batches
executions    one record per executed call; never made twice
results       one row per built batch: its claim, batch data and last record's proof
assertions    what was proposed, by anyone, and what became of it
attestations  what an enclave signed, perhaps before it was proposed
manifests     canonical bytes by their hash
identity      one row: which rollup and model this store belongs to
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, String, Table

metadata = MetaData()

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("hash", LargeBinary, nullable=False),
    Column("time", Integer, nullable=False),
)

entries = Table(
    "entries",
    metadata,
    Column("call_id", Integer, primary_key=True),
    Column("batch", Integer, nullable=False, index=True),
    Column("block", Integer, nullable=False, index=True),
    Column("kind", Integer, nullable=False),
    Column("timestamp", Integer, nullable=False),
    Column("caller", LargeBinary, nullable=False),
    Column("value", String, nullable=False),  # decimal: SQLite's integers end at 2^63
    Column("fee", String, nullable=False),
    Column("action_id", LargeBinary, nullable=False, index=True),
    Column("manifest_hash", LargeBinary, nullable=False),
    Column("cell", LargeBinary, nullable=False),
    Column("input", LargeBinary, nullable=False),
)

batches = Table(
    "batches",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("block", Integer, nullable=False, index=True),
    Column("first_call", Integer, nullable=False),
    Column("count", Integer, nullable=False),
    Column("opened_at", Integer, nullable=False),
    Column("prevrandao", LargeBinary, nullable=False),
    Column("entries_root", LargeBinary, nullable=False),
    Column("batch_hash", LargeBinary, nullable=False),
)

executions = Table(
    "executions",
    metadata,
    Column("call_id", Integer, primary_key=True),
    Column("cell_key", LargeBinary, nullable=False),
    Column("outcome", Integer, nullable=False),
    Column("record", LargeBinary, nullable=False),
    Index("executions_by_cell", "cell_key", "call_id"),
)

results = Table(
    "results",
    metadata,
    Column("batch", Integer, primary_key=True),
    Column("parent", LargeBinary, nullable=False),
    Column("assertion_id", LargeBinary, nullable=False),
    Column("trace_root", LargeBinary, nullable=False),
    Column("state_root", LargeBinary, nullable=False),
    Column("outbox_root", LargeBinary, nullable=False),
    Column("receipts_root", LargeBinary, nullable=False),
    Column("last_record_proof", LargeBinary, nullable=False),  # 32 bytes a sibling
    Column("batch_data", LargeBinary, nullable=False),
)

assertions = Table(
    "assertions",
    metadata,
    Column("assertion_id", LargeBinary, primary_key=True),
    Column("parent", LargeBinary, nullable=False),
    Column("batch", Integer, nullable=False, index=True),
    Column("proposer", LargeBinary, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("trace_root", LargeBinary, nullable=False),
    Column("state_root", LargeBinary, nullable=False),
    Column("outbox_root", LargeBinary, nullable=False),
    Column("receipts_root", LargeBinary, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("block", Integer, nullable=False),
    Column("place", Integer, nullable=False),  # in its block
    Column("status", Integer, nullable=False),
    Column("ended_block", Integer),  # None while it is PENDING
    Column("ended_place", Integer),
)

attestations = Table(
    "attestations",
    metadata,
    Column("assertion_id", LargeBinary, primary_key=True),
    Column("block", Integer, nullable=False),  # of the first one
)

manifests = Table(
    "manifests",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

identity = Table(
    "identity",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)
