# pragma version 0.4.3
"""
@title A published manifest's byte machine in a state that some leaf holds
"""
from contracts import constants as c
from contracts.modules import byte_machine
from contracts.modules import lanes
from contracts.modules import machine_scalars as scalars
from contracts.modules import machine_states as states
from contracts.modules import published

uses: published
uses: scalars
uses: byte_machine

# A row of the vocabulary by id: type 1, length 2, bytes.
TOKEN_HEADER: constant(uint256) = 3
MAX_TOKEN_ROW: constant(uint256) = TOKEN_HEADER + c.MAX_TOKEN_BYTES


# The machine of a manifest in a state: stuck where there is none.
struct Machine:
    is_published: bool
    manifest: published.Published
    written: published.Written
    state: states.State


@internal
@pure
def _bits(word: int256) -> uint256:
    return convert(convert(word, bytes32), uint256)


@internal
@view
def _machine(context: Bytes[c.CHUNK_BYTES]) -> Machine:
    """
    @dev The machine as a leaf of context has it; not published if that is dead.
    """
    return self._machine_at(context, False, 0, 0)


@internal
@view
def _machine_at(
    context: Bytes[c.CHUNK_BYTES], is_begun: bool, begun: uint256, begun_magnitude: int256
) -> Machine:
    """
    @dev The same in another state, if it is not the first.
    """
    m: Machine = empty(Machine)
    if len(context) == 0:
        return m
    m.manifest = published._open(extract32(context, 64))
    if m.manifest.pointer == empty(address):
        return m
    m.is_published = True
    word: uint256 = begun
    magnitude: int256 = begun_magnitude
    if not is_begun:
        word = self._bits(lanes._read(context, c.CHUNK_BYTES32, 0))
        magnitude = lanes._read(context, c.CHUNK_BYTES32, 1)
    m.written = published._find(m.manifest, states._field_of(word))
    m.state = byte_machine._unpack(m.manifest, m.written, word, magnitude)
    return m


@internal
@view
def _after(m: Machine, byte: uint256, lane: uint256) -> int256:
    """
    @dev The state after a byte as one of its two words.
    """
    after: states.State = byte_machine._step(m.manifest, m.written, m.state, byte)
    if lane % 2 == 1:
        return convert(after.value, int256)
    return convert(states._pack(after, byte), int256)


@internal
@view
def _may_sample(m: Machine, row: Bytes[MAX_TOKEN_ROW]) -> bool:
    """
    @dev Whether the token of a row may be sampled; a row without bytes is never sampled.
    """
    if len(row) <= TOKEN_HEADER:
        return False
    length: uint256 = len(row) - TOKEN_HEADER
    padded: Bytes[MAX_TOKEN_ROW + 32] = concat(row, empty(bytes32))
    text: uint256[scalars.TEXT_WORDS] = empty(uint256[scalars.TEXT_WORDS])
    for i: uint256 in range((length + 31) // 32, bound=scalars.TEXT_WORDS):
        text[i] = convert(extract32(padded, TOKEN_HEADER + 32 * i), uint256)
    after: states.State = scalars._sample(m.written, m.state, text, length)
    return after.phase != states.STUCK
