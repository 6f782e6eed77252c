"""Makes the inner trace of ENTRY: the inbox entry, its input byte by byte, the way to its cell.

Written from docs/spec/batch.md, state.md and transition.md with what execution itself uses, apart
from the steps in `oyez.protocol.step_entry`, which it is checked against.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from oyez.dispute.frame.facts import CallFacts, Preimages
from oyez.engines.exact.inner_leaves import InnerLeaves
from oyez.protocol import codec, merkle, trace_records
from oyez.protocol.constants import ENTRIES_HEIGHT, KEY_BITS, MAX_INPUT_BYTES
from oyez.protocol.inner import Layout
from oyez.protocol.state import State
from oyez.protocol.types import BatchHeader, Entry, Hash32

#: States of the scan: bytes that a sequence still needs, that it has, what its second may be.
_SEEN, _BOUNDS, _BAD = 4, 16, 256
_BOUNDS_OF = {0xE0: 1, 0xED: 2, 0xF0: 3, 0xF4: 4}
_CUT = "unexpected end of data"


def build_entry(layout: Layout, facts: CallFacts, preimages: Preimages) -> InnerLeaves:
    """Return all leaves of a call's record ENTRY.

    Args:
        layout: of such a record.
        facts: of the call.
        preimages: take what proofs of these lanes bring.

    Rule: FRAME-80
    """
    entry, prologue = facts.prologue.entry, facts.prologue
    leaves = InnerLeaves(layout)
    leaves.put("alive", np.array([1], np.int64))
    words: list[codec.Word] = [
        add_entry(entry, preimages),
        *(entry.call_id, entry.timestamp, entry.caller, entry.value, entry.fee),
        *(entry.action_id, entry.manifest_hash, prologue.seed, prologue.cell_key),
        *(preimages.add(entry.cell), preimages.add(entry.input)),
        facts.roots.state,
    ]
    put_words(leaves, "words", words)
    leaves.put_bytes("input", entry.input)
    scan = list_scan(entry.input, facts.vocabulary.missing)
    leaves.put("scan", np.array(scan, np.int64))
    put_words(leaves, "path", list_path(facts.before, prologue.cell_key, preimages)[0][:KEY_BITS])
    leaves.put_record(trace_records.build_prologue_chunks(prologue)[0])
    add_batch(facts.header, facts.entries, preimages)
    return leaves


def put_words(leaves: InnerLeaves, name: str, words: Sequence[codec.Word]) -> None:
    """Write words of any kind from a region's first leaf on."""
    encoded = (codec.encode_word(word) for word in words)
    leaves.put_words(name, [int.from_bytes(word, "big", signed=True) for word in encoded])


def add_entry(entry: Entry, preimages: Preimages) -> Hash32:
    """Remember what an entry's leaf is the hash of; return the leaf.

    Rule: BATCH-1
    """
    return preimages.add(
        codec.encode_hashed(
            "ENTRY",
            entry.kind,
            *(entry.call_id, entry.timestamp, entry.caller, entry.value, entry.fee),
            *(entry.action_id, entry.manifest_hash),
            *(codec.keccak(entry.cell), codec.keccak(entry.input)),
        )
    )


def add_batch(header: BatchHeader, entries: Sequence[Entry], preimages: Preimages) -> None:
    """Remember the batch's hash, and all nodes above its entries.

    Rule: BATCH-2, BATCH-4
    """
    preimages.add(codec.encode_batch(header))
    level = [codec.compute_entry_hash(entry) for entry in entries]
    for height in range(ENTRIES_HEIGHT):
        level += [merkle.keccak_tree().empty[height]] * (len(level) % 2)
        level = [preimages.add(level[i] + level[i + 1]) for i in range(0, len(level), 2)]


def list_path(state: State, key: Hash32, preimages: Preimages) -> tuple[list[Hash32], list[Hash32]]:
    """Return the nodes at depths 0 to 256 on the way to a key, and what stands beside them.

    The node that ends the way stands at every depth below, with nothing beside it. What the
    nodes are the hashes of is remembered.

    Rule: STATE-5
    """
    path = state.find_path(key)
    node, nodes, beside = state.root, [], []
    for depth, pair in enumerate(path.branches):
        nodes.append(node)
        preimages.add(pair[0] + pair[1])
        bit = key[depth // 8] >> (7 - depth % 8) & 1
        node = pair[bit]
        beside.append(pair[1 - bit])
    if path.met is not None:
        cell = path.met.cell
        words = (path.met.key, cell.manifest_hash, path.met.fields_root, cell.version)
        preimages.add(codec.encode_hashed("CELL", *words))
    missing = KEY_BITS - len(nodes)
    return nodes + [node] * (missing + 1), beside + [Hash32(bytes(32))] * missing


def list_scan(data: bytes, missing: bytes) -> list[int]:
    """Return the state of the scan after each of 1,024 bytes, zeros after the input's last.

    Rule: TRANSITION-5
    """
    text, states = data.ljust(MAX_INPUT_BYTES, b"\0"), []
    forbidden = (at for at, b in enumerate(text) if b < 0x20 or b == 0x7F or b in missing)
    first = next(forbidden, MAX_INPUT_BYTES)
    for at in range(len(text)):
        begun, bad = 0, first if first <= at else MAX_INPUT_BYTES
        try:
            text[: at + 1].decode("utf-8", "strict")
        except UnicodeDecodeError as error:
            if error.reason == _CUT:
                begun = _describe_sequence(text[error.start : at + 1])
            else:
                bad = error.start
        states.append(begun + _BAD * (bad + 1) * (bad < MAX_INPUT_BYTES))
        if bad < MAX_INPUT_BYTES and not begun:
            break
    return states + states[-1:] * (len(text) - len(states))


def _describe_sequence(begun: bytes) -> int:
    """Return the lowest parts of the state in a character that has begun.

    Args:
        begun: its bytes so far, the first of them a lead byte.
    """
    lead, seen = begun[0], len(begun)
    need = 2 + (lead >= 0xE0) + (lead >= 0xF0) - seen
    return need + _SEEN * seen + _BOUNDS * (_BOUNDS_OF.get(lead, 0) if seen == 1 else 0)
