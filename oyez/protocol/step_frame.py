"""What steps around a call's tokens share: gates, words of preimages, the way to a cell.

A word is a lane of a chunk of words, a signed integer. Where a leaf that a step reads is dead, it
reads nothing more, and its lane has no value.
"""

from __future__ import annotations

from oyez.protocol import assertions
from oyez.protocol.constants import KEY_BITS
from oyez.protocol.inner_frame import Frame, get_record
from oyez.protocol.step import Lanes, Step
from oyez.protocol.trace import WORDS, ChunkType
from oyez.protocol.types import Hash32

#: Bytes of an inner node of a Keccak tree; of the id of batch 0 (CODEC-2).
NODE_BYTES = 64
_GENESIS_BYTES = 96
#: Words of an assertion's id: its state root, then its outbox root.
_ASSERTION_ROOTS = 8
_END_WORD = 1 << KEY_BITS


def to_hash(word: int) -> Hash32:
    """Return a word's 32 bytes."""
    return Hash32((word % _END_WORD).to_bytes(32, "big"))


def to_word(data: bytes) -> int:
    """Return 32 bytes as a word."""
    return int.from_bytes(data, "big", signed=True)


def pick(data: bytes, index: int) -> int:
    """Return a word of a preimage; 0 past its last whole one.

    Rule: FRAME-17
    """
    word = data[32 * index : 32 * index + 32]
    return to_word(word) if len(word) == 32 else 0


def ask(step: Step, word: int) -> bytes:
    """Return the bytes that a word is the hash of; of the word 0 none, which is not asked for.

    Rule: FRAME-17
    """
    return step.reads.read_preimage(to_hash(word)) if word else b""


def get_bit(key: int, depth: int) -> int:
    """Return a bit of a word, from its highest."""
    return key >> (KEY_BITS - 1 - depth) & 1


def is_shut(step: Step, gate: Frame | None) -> bool:
    """Say whether a leaf's lane 0 finds its gate dead; other lanes do not look.

    Args:
        step: any.
        gate: the record of the same call whose first chunk it is; None: the leaf *alive*.

    Rule: FRAME-10, FRAME-70
    """
    if step.lane:
        return False
    if gate is None:
        return step.read("alive") is None
    return read_record(step, gate, 0, ChunkType.INT32) is None


def read_record(step: Step, frame: Frame, chunk: int, kind: ChunkType) -> Lanes | None:
    """Read a chunk of another record around the same call's tokens."""
    return step.reads.read_outer(get_record(step.address.call, frame), chunk, kind)


def read_roots_before(step: Step) -> Lanes | None:
    """Read the words of the record ROOTS of the call before, of a call that is not the first."""
    before = get_record(step.address.call - 1, Frame.ROOTS)
    return step.reads.read_outer(before, 1, ChunkType.BYTES32)


def find_root_before(step: Step, root: int) -> int:
    """Return the state root (0) or the outbox root (1) that a call begins with.

    Of the first call it is that of the assertion before, whose id the game knows; batch 0 has an
    empty state and an empty outbox.

    Rule: FRAME-18
    """
    if step.address.call:
        words = read_roots_before(step)
        return step.filler if words is None else words[root]
    data = step.reads.read_preimage(step.reads.get_context().parent)
    if len(data) == _GENESIS_BYTES:
        return to_word(assertions.compute_empty_outbox_root()) if root else 0
    return pick(data, _ASSERTION_ROOTS + root)


def find_node(step: Step, begin: tuple[str, int], key: tuple[Frame | None, int]) -> int:
    """Return the node at a depth on the way to a key: what ended the way is repeated.

    Args:
        step: whose place in its region is the depth.
        begin: region of the same trace, and its word that is the state root.
        key: record (None: region *words*) and word that is the key.

    Rule: FRAME-19
    """
    region, root = begin
    if step.leaf == 0 and step.lane == 0:
        words = step.read(region)
        return step.filler if words is None else words[root]
    if step.lane:
        above = step.own[step.lane - 1]
    else:
        leaf = step.read(step.region.name, step.leaf - 1)
        if leaf is None:
            return step.filler
        above = leaf[WORDS - 1]
    node, _ = descend(step, above, step.leaf * WORDS + step.lane - 1, key)
    return node


def descend(
    step: Step, node: int, depth: int, key: tuple[Frame | None, int]
) -> tuple[int, bytes | None]:
    """Return a node's child on the way to a key; what is no node, and the bytes it is the hash of.

    The arguments are those of `find_node`. Where no key can be read there is no child: 0.

    Rule: FRAME-19, FRAME-81
    """
    data = ask(step, node)
    if len(data) != NODE_BYTES:
        return node, data
    words = _read_key(step, key[0])
    return (0 if words is None else pick(data, get_bit(words[key[1]], depth))), None


def _read_key(step: Step, frame: Frame | None) -> Lanes | None:
    if frame is None:
        return step.read("words")
    return read_record(step, frame, 1, ChunkType.BYTES32)
