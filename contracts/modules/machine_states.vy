# pragma version 0.4.3
"""
@title The byte machine's states, and what ends a value
@notice Twin of oyez/protocol/machine.py's, packed as machine_words.py does.
"""
from contracts import constants as c
from contracts.modules import published

PREFIX: constant(uint256) = 0
STRING: constant(uint256) = 1
CHOICE: constant(uint256) = 2
INTEGER: constant(uint256) = 3
CLOSE: constant(uint256) = 4
END: constant(uint256) = 5
FIRST: constant(uint256) = 6
NEXT: constant(uint256) = 7
STUCK: constant(uint256) = 15

COMMA: constant(uint256) = 44
CLOSE_ARRAY: constant(uint256) = 93

ALIVE: constant(uint256) = 2**80


# Where an output stands. `field` counts the written ones; items: those of its array that have ended.
struct State:
    phase: uint256
    field: uint256
    length: uint256
    need: uint256
    low: uint256
    high: uint256
    negative: uint256
    value: uint256
    items: uint256


@internal
@pure
def _field_of(word: uint256) -> uint256:
    """
    @dev Number of the written field in a packed state, of any word.
    """
    return (word >> 56) & c.M8


@internal
@pure
def _place(phase: uint256, field: uint256, length: uint256, items: uint256) -> State:
    return State(
        phase=phase,
        field=field,
        length=length,
        need=0,
        low=0,
        high=0,
        negative=0,
        value=0,
        items=items,
    )


@internal
@pure
def _stuck() -> State:
    s: State = empty(State)
    s.phase = STUCK
    return s


@internal
@pure
def _after(w: published.Written, field: uint256) -> State:
    """
    @dev After the last byte of a value that ends by itself.
    """
    if w.is_last:
        return self._place(CLOSE, field, 0, 0)
    return self._place(PREFIX, field + 1, 0, 0)


@internal
@pure
def _after_scalar(w: published.Written, s: State) -> State:
    if w.items > 0:
        return self._place(NEXT, s.field, 0, s.items + 1)
    return self._after(w, s.field)


@internal
@pure
def _between(w: published.Written, field: uint256, items: uint256, byte: uint256) -> State:
    """
    @dev After a bracket or comma where so many items have ended.
         # rule: DECODE-13
    """
    if byte == CLOSE_ARRAY:
        return self._after(w, field)
    if byte == COMMA and items != w.items:
        return self._place(PREFIX, field, 1, items)
    return self._stuck()


@internal
@pure
def _pack(s: State, byte: uint256) -> uint256:
    """
    @dev items 8 | negative 8 | high 8 | low 8 | need 8 | length 16 | field 8 | phase 8 | byte 8 | 1, from
         the lowest bit up. The magnitude is a word of its own.
    """
    return (
        ALIVE
        | (byte << 72)
        | (s.phase << 64)
        | (s.field << 56)
        | (s.length << 40)
        | (s.need << 32)
        | (s.low << 24)
        | (s.high << 16)
        | (s.negative << 8)
        | s.items
    )
