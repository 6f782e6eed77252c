# pragma version 0.4.3
"""
@title Strings and integers of an output, many bytes at once
@notice Texts never go past the end of one scalar: what a token may hold. A single byte is a short text.
"""
from contracts import constants as c
from contracts.modules import machine_states as states
from contracts.modules import published
from contracts.modules import step_model

uses: step_model

QUOTE: constant(uint256) = 34
MINUS: constant(uint256) = 45
ZERO: constant(uint256) = 48
CLOSE_BRACE: constant(uint256) = 125
# A set of bytes is a word, bit b for byte b: those of a string but 22 and 5c; 80 to bf.
TEXT: constant(uint256) = 2**127 - 2**32 - 2**34 - 2**92
CONTINUATIONS: constant(uint256) = 2**192 - 2**128
FIRST_CONTINUATION: constant(uint256) = 128
LAST_CONTINUATION: constant(uint256) = 191
# What an integer's text goes on with: digits, minus, comma, brace, bracket.
INTEGER_BYTES: constant(uint256[14]) = [48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 45, 44, 125, 93]
# No byte, where one is asked for.
NO_BYTE: constant(uint256) = 256
MOST_BEFORE_DIGIT: constant(uint256) = (2**255 - 1) // 10
TEN: constant(uint256) = 10
TEXT_WORDS: constant(uint256) = c.MAX_TOKEN_BYTES // 32


# Bytes 80 to bf that the model has a token for, and lead bytes that it has none for.
SPELT: immutable(uint256)
UNSPELT: immutable(uint256)


@deploy
def __init__():
    """
    @dev After step_model's: missing bytes stand there ascending from the highest byte on, then zeros.
    """
    missing: uint256 = 0
    for i: uint256 in range(c.MAX_MISSING_BYTES):
        byte: uint256 = (convert(step_model.MISSING, uint256) >> (8 * (31 - i))) & c.M8
        missing |= 1 << byte
    SPELT = CONTINUATIONS & ~missing
    UNSPELT = missing


@internal
@view
def _sample(
    w: published.Written, s: states.State, text: uint256[TEXT_WORDS], length: uint256
) -> states.State:
    """
    @dev The state after some bytes of one scalar, or of the place between two items; 1 <= length.
         # rule: DECODE-8
    """
    first: uint256 = text[0] >> 248
    if s.phase == states.STRING:
        return self._string(w, s, text, 0, length)
    if s.phase == states.INTEGER:
        return self._integer(w, s, text, length)
    if length == 1 and (first == states.CLOSE_ARRAY or s.phase == states.NEXT):
        return states._between(w, s.field, s.items, first)
    if s.phase == states.FIRST:
        if w.type == c.TYPE_INTEGER:
            return self._integer(w, states._place(states.INTEGER, s.field, 0, 0), text, length)
        if first == QUOTE:
            if w.type == c.TYPE_STRING:
                return self._string(w, states._place(states.STRING, s.field, 0, 0), text, 1, length)
            if length == 1:
                return states._place(states.CHOICE, s.field, 0, 0)
    return states._stuck()


@internal
@view
def _string(
    w: published.Written,
    before: states.State,
    text: uint256[TEXT_WORDS],
    start: uint256,
    length: uint256,
) -> states.State:
    """
    @dev Strict UTF-8 within the limit, of bytes that the model can spell. 150 gas a byte.
         # rule: DECODE-2
    """
    limit: uint256 = w.limit
    count: uint256 = before.length
    need: uint256 = before.need
    low: uint256 = before.low
    high: uint256 = before.high
    for i: uint256 in range(start, length, bound=c.MAX_TOKEN_BYTES):
        byte: uint256 = (text[i >> 5] >> unsafe_sub(248, (i & 31) << 3)) & c.M8
        if need > 0:
            if byte < low or byte > high or (SPELT >> byte) & 1 == 0:
                return states._stuck()
            need = unsafe_sub(need, 1)
            low = FIRST_CONTINUATION if need > 0 else 0
            high = LAST_CONTINUATION if need > 0 else 0
        elif (TEXT >> byte) & 1 == 1:
            if count == limit:
                return states._stuck()
        elif byte == QUOTE:
            if unsafe_add(i, 1) == length:
                return states._after_scalar(w, before)
            return states._stuck()
        else:
            need, low, high = self._lead(byte)
            if need == 0 or unsafe_add(count, need) >= limit:
                return states._stuck()
        count = unsafe_add(count, 1)
    return states.State(
        phase=states.STRING,
        field=before.field,
        length=count,
        need=need,
        low=low,
        high=high,
        negative=0,
        value=0,
        items=before.items,
    )


@internal
@view
def _lead(byte: uint256) -> (uint256, uint256, uint256):
    """
    @dev Bytes that follow a lead byte, lowest and highest first one of them; 0 if it leads nothing that
         the model can spell.
         # rule: DECODE-3
    """
    need: uint256 = 0
    low: uint256 = FIRST_CONTINUATION
    high: uint256 = LAST_CONTINUATION
    if byte >= 194 and byte < 224:
        need = 1
    elif byte >= 224 and byte < 240:
        need = 2
        if byte == 224:
            low = 160
        elif byte == 237:
            high = 159
    elif byte >= 240 and byte < 245:
        need = 3
        if byte == 240:
            low = 144
        elif byte == 244:
            high = 143
    if (UNSPELT >> byte) & 1 == 1 or SPELT & self._range(low, high) == 0:
        need = 0
    return need, low, high


@internal
@pure
def _range(low: uint256, high: uint256) -> uint256:
    """
    @dev The set of bytes from low to high, both below 256.
    """
    if low > high:
        return 0
    return (max_value(uint256) >> unsafe_sub(255, high)) & (max_value(uint256) << low)


@internal
@view
def _integer(
    w: published.Written, before: states.State, text: uint256[TEXT_WORDS], length: uint256
) -> states.State:
    """
    @dev Whatever begins with a living magnitude's digits lives no longer than it, so only the last of
         several digits is tried.
         # rule: DECODE-6
    """
    magnitude: uint256 = before.value
    digits: uint256 = before.length
    negative: uint256 = before.negative
    grown: bool = False
    for i: uint256 in range(length, bound=c.MAX_TOKEN_BYTES):
        byte: uint256 = (text[i >> 5] >> unsafe_sub(248, (i & 31) << 3)) & c.M8
        if byte >= ZERO and byte < ZERO + TEN:
            # no digit follows a zero, and no magnitude is above 2**255 - 1
            if (digits > 0 and magnitude == 0) or magnitude > MOST_BEFORE_DIGIT:
                return states._stuck()
            magnitude = unsafe_add(unsafe_mul(magnitude, TEN), unsafe_sub(byte, ZERO))
            digits = unsafe_add(digits, 1)
            grown = True
            if magnitude == 0 and (negative == 1 or w.low > 0 or w.high < 0):
                return states._stuck()
            continue
        if byte == MINUS:
            if digits > 0 or negative == 1 or w.low >= 0:
                return states._stuck()
            negative = 1
            magnitude = 0
            continue
        if digits == 0 or unsafe_add(i, 1) < length:
            return states._stuck()
        if grown and magnitude > 0 and not self._is_alive(w, negative, magnitude, digits):
            return states._stuck()
        number: int256 = convert(magnitude, int256)
        if negative == 1:
            number = unsafe_sub(0, number)
        if number < w.low or number > w.high:
            return states._stuck()
        if w.items > 0:
            return states._between(w, before.field, before.items + 1, byte)
        if w.is_last and byte == CLOSE_BRACE:
            return states._place(states.END, before.field, 0, 0)
        if not w.is_last and byte == states.COMMA:
            return states._place(states.PREFIX, before.field + 1, 1, 0)
        return states._stuck()
    if grown and magnitude > 0 and not self._is_alive(w, negative, magnitude, digits):
        return states._stuck()
    return states.State(
        phase=states.INTEGER,
        field=before.field,
        length=digits,
        need=0,
        low=0,
        high=0,
        negative=negative,
        value=magnitude,
        items=before.items,
    )


@internal
@view
def _force_integer(w: published.Written, s: states.State) -> uint256:
    found: uint256 = NO_BYTE
    text: uint256[TEXT_WORDS] = empty(uint256[TEXT_WORDS])
    for byte: uint256 in INTEGER_BYTES:
        text[0] = byte << 248
        after: states.State = self._integer(w, s, text, 1)
        if after.phase != states.STUCK:
            if found != NO_BYTE:
                return NO_BYTE
            found = byte
    return found


@internal
@pure
def _is_alive(
    w: published.Written, negative: uint256, prefix: uint256, digits: uint256
) -> bool:
    """
    @dev Whether some magnitude of this sign begins with these digits, prefix > 0.
         # rule: DECODE-4
    """
    # no constant of an integer is -2**255
    low: int256 = w.low
    high: int256 = w.high
    if negative == 1:
        low = unsafe_sub(0, w.high)
        high = unsafe_sub(0, w.low)
    low = max(low, 1)
    if low > high:
        return False
    least: uint256 = convert(low, uint256)
    most: uint256 = convert(high, uint256)
    shortest: int256 = self._count_digits(least) - convert(digits, int256)
    longest: int256 = self._count_digits(most) - convert(digits, int256)
    for k: int256 in [shortest, shortest + 1, longest - 1, longest]:
        if k >= 0 and k <= longest:
            power: uint256 = pow_mod256(TEN, convert(k, uint256))
            if least // power <= prefix and prefix <= most // power:
                return True
    return False


@internal
@pure
def _count_digits(x: uint256) -> int256:
    """
    @dev Of x > 0 in decimal.
    """
    rest: uint256 = x
    digits: int256 = 1
    for step: uint256 in [64, 32, 16, 8, 4, 2, 1]:
        power: uint256 = pow_mod256(TEN, step)
        if rest >= power:
            rest = rest // power
            digits += convert(step, int256)
    return digits
