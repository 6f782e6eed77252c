"""Makes the inner traces of ROOTS and of the last record: the cell after a call, the new roots.

Written from docs/spec/state.md and receipt.md with what execution itself uses, apart from the steps
in `oyez.protocol.step_roots`, which they are checked against.
"""

from __future__ import annotations

import numpy as np

from oyez.dispute.frame.entry import add_batch, list_path, put_words
from oyez.dispute.frame.facts import CallFacts, Preimages
from oyez.engines.exact.inner_leaves import InnerLeaves
from oyez.protocol import codec, merkle, schema, state, trace, trace_records
from oyez.protocol.constants import KEY_BITS, MAX_FIELDS
from oyez.protocol.inner import Layout
from oyez.protocol.trace import WORDS
from oyez.protocol.types import ZERO_HASH, Hash32


def build_roots(layout: Layout, facts: CallFacts, preimages: Preimages) -> InnerLeaves:
    """Return all leaves of a call's record ROOTS.

    Args:
        layout: of such a record.
        facts: of the call.
        preimages: take what proofs of these lanes bring.

    Rule: FRAME-80
    """
    prologue, epilogue = facts.prologue, facts.epilogue
    leaves = InnerLeaves(layout)
    parts = [(codec.keccak(f.name), schema.compute_type_hash(f)) for f in epilogue.fields]
    put_words(leaves, "field_part", [part for pair in parts for part in pair])
    put_words(leaves, "field", _list_nodes(facts))
    receipt = codec.compute_receipt_leaf(epilogue.receipt)
    after = (epilogue.receipt.cell_leaf, epilogue.version, facts.roots.state, receipt)
    put_words(leaves, "cell_after", after)
    before, _ = list_path(facts.before, prologue.cell_key, preimages)
    put_words(leaves, "path", before[:KEY_BITS])
    nodes, beside = list_path(facts.after, prologue.cell_key, preimages)
    put_words(leaves, "path_end", (before[KEY_BITS], nodes[KEY_BITS]))
    length = len(facts.before.find_path(prologue.cell_key).branches)
    depths = [min(length, end) for end in range(WORDS, KEY_BITS + WORDS, WORDS)]
    depths.append(len(facts.after.find_path(prologue.cell_key).branches))
    leaves.put("depth", np.array(depths, np.int64))
    put_words(leaves, "sibling", beside)
    put_words(leaves, "new_path", nodes[::-1])
    leaves.put_record(trace_records.build_epilogue_chunks(epilogue)[1])
    return leaves


def _list_nodes(facts: CallFacts) -> list[Hash32]:
    """Return the leaves of the values after the call, then the levels of nodes above them.

    Rule: STATE-9
    """
    epilogue = facts.epilogue
    level = state.compute_field_leaves(epilogue.fields, epilogue.values)
    level += [ZERO_HASH] * (MAX_FIELDS - len(level))
    nodes = list(level)
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=True)
        level = [merkle.compute_keccak_node(*pair) for pair in pairs]
        nodes += level
    return nodes


def build_last(layout: Layout, facts: CallFacts, preimages: Preimages) -> InnerLeaves:
    """Return all leaves of a batch's last record.

    The arguments are those of `build_roots`; the facts are the batch's last call's.

    Rule: FRAME-80, FRAME-85
    """
    leaves = InnerLeaves(layout)
    epilogue = facts.epilogue
    roots = (epilogue.state_root, epilogue.outbox_root, epilogue.receipts.root)
    leaves.put_record([trace.encode_words(roots)])
    add_batch(facts.header, facts.entries, preimages)
    return leaves
