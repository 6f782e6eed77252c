# pragma version 0.4.3
"""
@title The JSON of a state, byte by byte: scalars, and what stands before a field's first one
"""
from contracts import constants as c
from contracts.modules import published
from contracts.modules import published_fields

NO: constant(Bytes[5]) = b"false"
YES: constant(Bytes[5]) = b"true"
SPACE: constant(int256) = 32
QUOTE: constant(int256) = 34
COMMA: constant(int256) = 44
MINUS: constant(int256) = 45
ZERO: constant(uint256) = 48
COLON: constant(int256) = 58
OPEN_ARRAY: constant(int256) = 91
CLOSE_ARRAY: constant(int256) = 93
OPEN: constant(int256) = 123
# Beside a name: two quotes, the colon, a space.
NAME_FRAME: constant(uint256) = 4



@internal
@pure
def _is_text(type: uint256) -> bool:
    """
    @dev Of a string or an option, whose word is a hash.
    """
    return type == c.TYPE_STRING or type == c.TYPE_ENUM


@internal
@pure
def _count_head(field: published_fields.Field, index: uint256) -> uint256:
    """
    @dev Bytes of what stands before a field's first scalar.
    """
    count: uint256 = field.name_length + NAME_FRAME + (2 if index > 0 else 1)
    if field.is_array:
        count += 1
    if field.is_after_array:
        count += 1
    return count


@internal
@view
def _head_byte(
    manifest: published.Published,
    field: published_fields.Field,
    index: uint256,
    offset: uint256,
) -> int256:
    """
    @dev A byte of what stands before a field's first scalar: ], "name": [ at most. offset is in it.
    """
    at: uint256 = offset
    if field.is_after_array:
        if at == 0:
            return CLOSE_ARRAY
        at -= 1
    if index == 0:
        if at == 0:
            return OPEN
    else:
        if at == 0:
            return COMMA
        at -= 1
        if at == 0:
            return SPACE
    at -= 1
    if at == 0:
        return QUOTE
    at -= 1
    if at < field.name_length:
        name: uint256 = published_fields._name(manifest, field)
        return convert((name >> (248 - 8 * at)) & c.M8, int256)
    at -= field.name_length
    after: int256[4] = [QUOTE, COLON, SPACE, OPEN_ARRAY]
    return after[at]


@internal
@pure
def _count_bytes(
    type: uint256, word: int256, preimage: Bytes[c.MAX_PREIMAGE_BYTES]
) -> uint256:
    """
    @dev Bytes of a scalar's JSON.
         # rule: FRAME-27
    """
    if type == c.TYPE_BOOLEAN:
        return len(NO) if word == 0 else len(YES)
    if type == c.TYPE_INTEGER:
        return self._count_digits(self._magnitude(word)) + (1 if word < 0 else 0)
    return 2 + self._text_length(preimage)


@internal
@pure
def _scalar_byte(
    type: uint256, word: int256, preimage: Bytes[c.MAX_PREIMAGE_BYTES], at: uint256
) -> int256:
    """
    @dev A byte of a scalar's JSON. `at` is in it.
    """
    if type == c.TYPE_BOOLEAN:
        text: Bytes[5] = NO if word == 0 else YES
        return convert(convert(slice(text, at, 1), uint256), int256)
    if type == c.TYPE_INTEGER:
        if word < 0 and at == 0:
            return MINUS
        magnitude: uint256 = self._magnitude(word)
        digit: uint256 = at - 1 if word < 0 else at
        power: uint256 = self._count_digits(magnitude) - 1 - digit
        return convert(ZERO + magnitude // 10**power % 10, int256)
    if at == 0 or at == 1 + self._text_length(preimage):
        return QUOTE
    return convert(convert(slice(preimage, at - 1, 1), uint256), int256)


@internal
@pure
def _text_length(preimage: Bytes[c.MAX_PREIMAGE_BYTES]) -> uint256:
    """
    @dev Bytes of a string or an option; what is longer than a string may be counts as empty.
    """
    return len(preimage) if len(preimage) <= c.MAX_STRING_BYTES else 0


@internal
@pure
def _magnitude(word: int256) -> uint256:
    """
    @dev The absolute value, of every number.
    """
    bits: uint256 = convert(convert(word, bytes32), uint256)
    return unsafe_sub(0, bits) if word < 0 else bits


@internal
@pure
def _count_digits(magnitude: uint256) -> uint256:
    """
    @dev Decimal digits, at most 77 of the greatest magnitude.
    """
    left: uint256 = magnitude // 10
    digits: uint256 = 1
    for _: uint256 in range(c.MAX_DIGITS):
        if left == 0:
            break
        left = left // 10
        digits += 1
    return digits
