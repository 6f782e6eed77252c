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

# A row of the vocabulary by id: type 1, length 2, bytes.
TOKEN_HEADER: constant(uint256) = 3
MAX_TOKEN_ROW: constant(uint256) = TOKEN_HEADER + c.MAX_TOKEN_BYTES
# Thirty-two bytes of 1, and of 80.
ONES: constant(uint256) = max_value(uint256) // 255
TOPS: constant(uint256) = ONES * 128


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
@pure
def _after(after: states.State, byte: uint256, lane: uint256) -> int256:
    """
    @dev The state after a byte as one of its two words.
    """
    if lane % 2 == 1:
        return convert(after.value, int256)
    return convert(states._pack(after, byte), int256)


@internal
@view
def _may_sample(m: Machine, row: Bytes[MAX_TOKEN_ROW]) -> bool:
    """
    @dev Whether the token of a row may be sampled; a row without bytes is never sampled. Within a string
         words of plain text are taken whole, other bytes cost 150 gas each.
    """
    if len(row) <= TOKEN_HEADER:
        return False
    length: uint256 = unsafe_sub(len(row), TOKEN_HEADER)
    padded: Bytes[MAX_TOKEN_ROW + 32] = concat(row, empty(bytes32))
    text: uint256[scalars.TEXT_WORDS] = empty(uint256[scalars.TEXT_WORDS])
    s: states.State = m.state
    is_plain: bool = s.phase == states.STRING and s.need == 0
    words: uint256 = 0
    for i: uint256 in range(scalars.TEXT_WORDS):
        if i * 32 >= len(row) - TOKEN_HEADER:
            break
        word: uint256 = convert(extract32(padded, TOKEN_HEADER + 32 * i), uint256)
        is_plain = is_plain and length >= 32 and self._is_plain(word)
        if is_plain:
            length = unsafe_sub(length, 32)
            s.length = unsafe_add(s.length, 32)
        else:
            text[words] = word
            words += 1
    if s.length > m.written.limit and s.phase == states.STRING:
        return False
    if length == 0:
        return True
    after: states.State = scalars._sample(m.written, s, text, length)
    return after.phase != states.STUCK


@internal
@pure
def _is_plain(word: uint256) -> bool:
    """
    @dev Whether all 32 bytes are text: below 80, from 20 on, and neither 7f nor 22 nor 5c. No sum of two
         bytes below 80 and at most 7f carries into the next.
    """
    return word & TOPS == 0 and (
        unsafe_add(word, ONES * 96)
        & ~unsafe_add(word, ONES)
        & unsafe_add(word ^ (ONES * scalars.QUOTE), ONES * 127)
        & unsafe_add(word ^ (ONES * 92), ONES * 127)
        & TOPS
    ) == TOPS
