# pragma version 0.4.3
"""
@title The very last record of an outer trace
@notice It holds state, outbox and receipts root, so a trace root alone decides the other three.
"""
from contracts import constants as c
from contracts.interfaces import IRollup

LEAF_BYTES3: constant(Bytes[2]) = x"0003"

# Roots of 1, 2, 4 and 8 PAD chunks: leaf = sha256(00 ‖ type 0 ‖ 1,024 zeros).
PADS: immutable(bytes32[c.RECORD_HEIGHT])


@deploy
def __init__():
    zeros: bytes32[c.CHUNK_WORDS] = empty(bytes32[c.CHUNK_WORDS])
    pads: bytes32[c.RECORD_HEIGHT] = empty(bytes32[c.RECORD_HEIGHT])
    pads[0] = sha256(concat(x"0000", slice(abi_encode(zeros), 0, c.CHUNK_BYTES)))
    for i: uint256 in range(1, c.RECORD_HEIGHT):
        pads[i] = sha256(concat(pads[i - 1], pads[i - 1]))
    PADS = pads


@internal
@view
def _fold_last_record(claim: IRollup.Claim, proof: bytes32[c.OUTER_HEIGHT]) -> bytes32:
    """
    @dev The trace root whose last record states the claim's other roots. The record's chunk 0 is
         of type 3 (bytes32 words), the other fifteen are PAD; the last leaf is always a right child.
    """
    words: bytes32[c.CHUNK_WORDS] = empty(bytes32[c.CHUNK_WORDS])
    words[0] = claim.state_root
    words[1] = claim.outbox_root
    words[2] = claim.receipts_root
    node: bytes32 = sha256(concat(LEAF_BYTES3, slice(abi_encode(words), 0, c.CHUNK_BYTES)))
    for pad: bytes32 in PADS:
        node = sha256(concat(node, pad))
    for sibling: bytes32 in proof:
        node = sha256(concat(sibling, node))
    return node
