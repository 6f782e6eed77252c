# pragma version 0.4.3
"""
@title What the steps behind an output's parse read
@notice A step decides by what is given to it what it wants opened; items are those of frame.vy.
"""
from contracts import constants as c
from contracts.modules import frame
from contracts.modules import output_layout as layout
from contracts.modules import published

uses: published

# a step reads no more leaves
MAX_READS: constant(uint256) = 5


# Data of the leaves in order, empty where dead or missing.
struct Given:
    x: DynArray[Bytes[c.CHUNK_BYTES], MAX_READS]


# What a step wants opened, and its answer if that is given.
struct Found:
    wanted: uint256
    answer: int256


@internal
@pure
def _ask(wanted: uint256, item: uint256) -> (uint256, uint256):
    """
    @dev What is wanted with one more item, once, and that one's place.
    """
    count: uint256 = 0
    found: uint256 = 0
    rest: uint256 = wanted
    for _: uint256 in range(MAX_READS):
        if rest == 0:
            break
        count = unsafe_add(count, 1)
        if rest & c.M32 == item:
            found = count
        rest = rest >> 32
    if found > 0:
        return wanted, unsafe_sub(count, found)
    return (wanted << 32) | item, count


@internal
@pure
def _prompt(record: uint256) -> uint256:
    """
    @dev The head of the call's prompt, alone.
    """
    return frame._chunk(0, frame._first(record, frame.PROMPT), 0, c.CHUNK_INT32)


@internal
@pure
def _entry(record: uint256) -> uint256:
    """
    @dev The words of the call's entry.
    """
    return frame._chunk(0, frame._first(record, frame.ENTRY), 1, c.CHUNK_BYTES32)


@internal
@pure
def _met(record: uint256) -> uint256:
    """
    @dev The value words that the call met.
    """
    return frame._chunk(0, frame._first(record, frame.STATE), 1, c.CHUNK_BYTES32)


@internal
@view
def _manifest(words: Bytes[c.CHUNK_BYTES]) -> published.Published:
    """
    @dev The manifest that an entry's words name.
    """
    if len(words) == 0:
        return empty(published.Published)
    return published._open(extract32(words, 32 * layout.MANIFEST))
