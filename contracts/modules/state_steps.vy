# pragma version 0.4.3
"""
@title What the steps of a state's record share: what is given to them, what they found
@notice A step decides by what is given to it what it wants opened, and whether it wants a preimage.
        Whether that was given is checked afterwards: until then what is missing counts as dead.
"""
from contracts import constants as c
from contracts.interfaces import IStepVerifier
from contracts.modules import frame
from contracts.modules import lanes
from contracts.modules import published
from contracts.modules import published_fields

uses: published

# --- First leaves of the record's regions: twin of oyez/protocol/inner_frame.py ---
CELL: constant(uint256) = 0
NODE: constant(uint256) = 1
STORED_NAME: constant(uint256) = 3
STORED_TYPE: constant(uint256) = 4
STORED: constant(uint256) = 5
VALUE: constant(uint256) = 6
ITEM: constant(uint256) = 7
COUNT: constant(uint256) = 71
LENGTH: constant(uint256) = 72
END: constant(uint256) = 80
OWNER: constant(uint256) = 88
# chunk of the record in which the JSON begins
JSON: constant(uint256) = 2

# --- The entry's record ---
ENTRY_HEAD: constant(uint256) = 0
ENTRY_WORDS: constant(uint256) = 1
MANIFEST: constant(uint256) = 7
CELL_LEAF: constant(uint256) = 10

# Leaves that a step reads beside the gate.
# rule: FRAME-34
MAX_READS: constant(uint256) = 5
MAX_LEAVES: constant(uint256) = MAX_READS + 1
PLACES: constant(uint256) = c.MAX_FIELDS * c.MAX_ITEMS
MOST: constant(int256) = 2**31 - 1


# No step reads a row of the model, so what one would hold is not decoded.
struct Proof:
    leaves: DynArray[IStepVerifier.Opening, MAX_LEAVES]
    rows: DynArray[bytes32, 1]
    hint: uint256
    preimages: DynArray[Bytes[c.MAX_PREIMAGE_BYTES], 1]


# What is given: data of the leaves in order, the gate's left out, empty where dead or missing; the
# step's own leaf; the preimage, empty if none is given.
struct Given:
    x: DynArray[Bytes[c.CHUNK_BYTES], MAX_READS]
    own: Bytes[c.CHUNK_BYTES]
    preimage: Bytes[c.MAX_PREIMAGE_BYTES]


# What a step wants opened, the digest it wants to know the bytes of, and its answer if both are given.
struct Found:
    wanted: uint256
    is_asking: bool
    digest: bytes32
    answer: int256


@internal
@view
def _begin(record: uint256, lane: uint256, filler: int256) -> Found:
    """
    @dev What a step has found that knows of no value yet: lane 0 wants the gate opened.
         # rule: FRAME-20
    """
    f: Found = empty(Found)
    f.answer = filler
    if lane == 0:
        f.answer = lanes.PAD
        f.wanted = frame._chunk(0, frame._first(record, frame.ENTRY), ENTRY_HEAD, c.CHUNK_INT32)
    return f


@internal
@pure
def _check(f: Found, rows: uint256, preimages: uint256, digest: bytes32):
    """
    @dev A proof brings no row, and a preimage iff one is wanted, and that one; `digest` is the one's
         that is given.
         # rule: FRAME-3
    """
    assert rows == 0, "step: no row of the state"
    if f.is_asking:
        assert preimages == 1, "step: a preimage of the state"
        assert digest == f.digest, "step: another preimage"
    else:
        assert preimages == 0, "step: no preimage of the state"


@internal
@pure
def _ask(f: Found, word: int256) -> Found:
    """
    @dev The bytes that a word is the hash of are wanted too.
    """
    g: Found = f
    g.is_asking = True
    g.digest = convert(word, bytes32)
    return g


@internal
@view
def _entry_words(f: Found, record: uint256) -> uint256:
    """
    @dev What is wanted, then the words of the entry's record.
    """
    entry: uint256 = frame._first(record, frame.ENTRY)
    return frame._chunk(f.wanted, entry, ENTRY_WORDS, c.CHUNK_BYTES32)


@internal
@view
def _manifest(words: Bytes[c.CHUNK_BYTES]) -> published.Published:
    """
    @dev The entry's manifest; none if its words are dead, or nobody published it.
    """
    if len(words) == 0:
        return empty(published.Published)
    return published._open(extract32(words, 32 * MANIFEST))


@internal
@view
def _field(words: Bytes[c.CHUNK_BYTES], index: uint256) -> published_fields.Field:
    """
    @dev A field of the entry's manifest, if it is there.
    """
    return published_fields._find(self._manifest(words), index)


@internal
@pure
def _items(preimage: Bytes[c.MAX_PREIMAGE_BYTES]) -> uint256:
    """
    @dev How many items an array's joined words are; none if they are no run of words.
         # rule: FRAME-25
    """
    return 0 if len(preimage) % 32 != 0 else len(preimage) // 32
