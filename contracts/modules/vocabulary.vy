# pragma version 0.4.3
"""
@title The longest token that some bytes begin with, between two records of the sorted vocabulary
@notice A record is length 2 | bytes | count 2 | count x (length 2 | id 4): the tokens that its bytes
        begin with, shortest first, MODEL-15. Records are rows of the listed model, so well-formed.
"""
from contracts import constants as c
from contracts.interfaces import IStepVerifier
from contracts.modules import openings
from contracts.modules import step_model

uses: openings
uses: step_model

MOST_ROWS: constant(uint256) = 2
# a text, or a record, and room to load a word at its last byte
PADDED: constant(uint256) = c.CHUNK_BYTES + 64
PADDED_ROW: constant(uint256) = c.MAX_ROW_BYTES + 32
# a record lists no more tokens than it has bytes: so it fits a proof
# rule: INNER-50
MAX_PREFIXES: constant(uint256) = c.MAX_TOKEN_BYTES
ONES: constant(uint256) = max_value(uint256) // 255
HIGHS: constant(uint256) = 128 * ONES


struct Match:
    is_found: bool
    length: uint256
    token: uint256


@internal
@view
def _find(
    text: Bytes[PADDED],
    start: uint256,
    end: uint256,
    rows: DynArray[IStepVerifier.Row, MOST_ROWS],
    hint: uint256,
) -> Match:
    """
    @dev start < end. Record `hint` is the last that is not after the text, or the first and after it.
         # rule: INNER-56, MODEL-15
    """
    assert hint < step_model.RECORDS, "step: no such record"
    assert len(rows) > 0, "step: no record"
    first: Bytes[PADDED_ROW] = concat(rows[0].data, empty(bytes32))
    openings._check_row(
        self._leaf(rows[0].data, hint), rows[0].siblings, step_model.VOCABULARY, hint
    )
    size: uint256 = self._length(first)
    shared: uint256 = self._count_shared(text, start, end, first, size)
    if self._is_after(text, start, end, first, size, shared):
        assert hint == 0, "step: a record after the text"
        assert len(rows) == 1, "step: one record is enough"
        return empty(Match)

    if hint + 1 < step_model.RECORDS:
        assert len(rows) == 2, "step: the next record too"
        second: Bytes[PADDED_ROW] = concat(rows[1].data, empty(bytes32))
        openings._check_next_row(
            self._leaf(rows[1].data, hint + 1),
            rows[1].siblings,
            step_model.VOCABULARY,
            hint + 1,
            rows[0].siblings,
            hint,
        )
        next_size: uint256 = self._length(second)
        next_shared: uint256 = self._count_shared(text, start, end, second, next_size)
        is_after: bool = self._is_after(text, start, end, second, next_size, next_shared)
        assert is_after, "step: not the last record"
    else:
        assert len(rows) == 1, "step: no record follows"
    return self._pick(first, size, shared)


@internal
@pure
def _leaf(data: Bytes[c.MAX_ROW_BYTES], number: uint256) -> bytes32:
    header: bytes32 = openings._header(
        step_model.VOCABULARY, number, step_model.VOCABULARY_TYPE
    )
    return sha256(concat(header, data))


@internal
@pure
def _length(row: Bytes[PADDED_ROW]) -> uint256:
    return convert(extract32(row, 0), uint256) >> 240


@internal
@pure
def _count_shared(
    text: Bytes[PADDED], start: uint256, end: uint256, row: Bytes[PADDED_ROW], size: uint256
) -> uint256:
    """
    @dev How many bytes the text and a record's begin with alike.
    """
    most: uint256 = min(unsafe_sub(end, start), size)
    for i: uint256 in range(c.CHUNK_WORDS):
        at: uint256 = unsafe_mul(32, i)
        if at >= most:
            break
        apart: uint256 = convert(extract32(text, unsafe_add(start, at)), uint256) ^ convert(
            extract32(row, unsafe_add(2, at)), uint256
        )
        if apart != 0:
            return min(most, unsafe_add(at, self._count_zero_bytes(apart)))
    return most


@internal
@pure
def _count_zero_bytes(word: uint256) -> uint256:
    """
    @dev How many zero bytes a word other than 0 begins with.
    """
    x: uint256 = word
    n: uint256 = 0
    if x < 2**128:
        x = x << 128
        n = 16
    if x < 2**192:
        x = x << 64
        n = unsafe_add(n, 8)
    if x < 2**224:
        x = x << 32
        n = unsafe_add(n, 4)
    if x < 2**240:
        x = x << 16
        n = unsafe_add(n, 2)
    if x < 2**248:
        n = unsafe_add(n, 1)
    return n


@internal
@pure
def _is_after(
    text: Bytes[PADDED],
    start: uint256,
    end: uint256,
    row: Bytes[PADDED_ROW],
    size: uint256,
    shared: uint256,
) -> bool:
    """
    @dev Whether a record is above the text, bytewise: a beginning of it is not.
    """
    if shared == size:
        return False
    if shared == unsafe_sub(end, start):
        return True
    a: uint256 = convert(extract32(row, unsafe_add(2, shared)), uint256) >> 248
    b: uint256 = convert(extract32(text, unsafe_add(start, shared)), uint256) >> 248
    return a > b


@internal
@pure
def _pick(row: Bytes[PADDED_ROW], size: uint256, shared: uint256) -> Match:
    """
    @dev The longest listed token within the bytes that are shared.
    """
    at: uint256 = unsafe_add(2, size)
    count: uint256 = convert(extract32(row, at), uint256) >> 240
    for i: uint256 in range(count, bound=MAX_PREFIXES):
        # the last one first
        place: uint256 = 2 + size + 2 + 6 * (count - 1 - i)
        entry: uint256 = convert(extract32(row, place), uint256) >> 208
        if entry >> 32 <= shared:
            return Match(is_found=True, length=entry >> 32, token=entry & c.M32)
    return empty(Match)


@internal
@pure
def _find_zero(text: Bytes[PADDED], start: uint256) -> uint256:
    """
    @dev Where the first zero byte at or after `start` < 1,024 stands, at latest that after the chunk.
    """
    for i: uint256 in range(c.CHUNK_WORDS):
        at: uint256 = unsafe_add(start, unsafe_mul(32, i))
        if at >= c.CHUNK_BYTES:
            break
        word: uint256 = convert(extract32(text, at), uint256)
        # the high bit of each byte below which all are others, and of the first zero
        low: uint256 = word & ~HIGHS
        zeros: uint256 = ~(unsafe_add(low, ~HIGHS) | word) & HIGHS
        if zeros != 0:
            return unsafe_add(at, self._count_zero_bytes(zeros))
    return c.CHUNK_BYTES
