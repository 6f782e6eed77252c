# pragma version 0.4.3
"""
@title The scan of an input, byte by byte: is it text that a model may be asked with
@notice A state, from its lowest bits on: bytes that a begun character needs 2 | that it has 2 | what its
        second may be 4 | one more than the lowest bad offset, or 0, 11.
"""
from contracts import constants as c
from contracts.modules import step_model

uses: step_model

SEEN_AT: constant(uint256) = 2
BOUNDS_AT: constant(uint256) = 4
BAD_AT: constant(uint256) = 8
BAD: constant(uint256) = 2**11 - 1


@internal
@view
def _after(state: int256, at: uint256, byte: uint256) -> int256:
    """
    @dev The state after byte `at` < 1,024.
         # rule: FRAME-14
    """
    # any number is a state; of it only the lowest 19 bits count
    bits: uint256 = convert(state & (2**19 - 1), uint256)
    need: uint256 = bits & 3
    seen: uint256 = (bits >> SEEN_AT) & 3
    bounds: uint256 = (bits >> BOUNDS_AT) & 15
    bad: uint256 = bits >> BAD_AT
    if bad > 0 and need == 0:
        return state
    fault: uint256 = c.MAX_INPUT_BYTES
    if byte < 32 or byte == 127 or self._is_missing(byte):
        fault = at
    if need > 0:
        if self._is_within(bounds, byte):
            need -= 1
            seen += 1
        else:
            need = 0
            fault = at - min(seen, at)
    elif byte >= 128:
        seen = 1
        if byte >= 194 and byte <= 244:
            need = 1
            if byte >= 224:
                need = 2
            if byte >= 240:
                need = 3
        else:
            fault = at
    bounds = 0
    if need == 0:
        seen = 0
    elif seen == 1:
        bounds = self._bounds_of(byte)
    if fault < c.MAX_INPUT_BYTES and (bad == 0 or fault + 1 < bad):
        bad = fault + 1
    after: uint256 = need | (seen << SEEN_AT) | (bounds << BOUNDS_AT) | (bad << BAD_AT)
    return convert(after, int256)


@internal
@pure
def _fault(state: int256, length: uint256) -> int256:
    """
    @dev The lowest bad offset of a text that ends here; -1 if it is good. length > 0.
         # rule: FRAME-15
    """
    bits: uint256 = convert(state & (2**19 - 1), uint256)
    if bits & 3 == 0:
        return convert(bits >> BAD_AT, int256) - 1
    seen: uint256 = (bits >> SEEN_AT) & 3
    return convert(length - min(seen, length), int256)


@internal
@view
def _is_missing(byte: uint256) -> bool:
    """
    @dev The model has no token for a byte; those listed are 128 and above, and 0 ends them.
    """
    listed: uint256 = convert(step_model.MISSING, uint256)
    for _: uint256 in range(c.MAX_MISSING_BYTES):
        if listed == 0:
            break
        if listed >> 248 == byte:
            return True
        listed = listed << 8
    return False


@internal
@pure
def _bounds_of(lead: uint256) -> uint256:
    if lead == 224:
        return 1
    if lead == 237:
        return 2
    if lead == 240:
        return 3
    if lead == 244:
        return 4
    return 0


@internal
@pure
def _is_within(bounds: uint256, byte: uint256) -> bool:
    """
    @dev A character goes on with this byte.
    """
    low: uint256 = 128
    high: uint256 = 191
    if bounds == 1:
        low = 160
    elif bounds == 2:
        high = 159
    elif bounds == 3:
        low = 144
    elif bounds == 4:
        high = 143
    return byte >= low and byte <= high
