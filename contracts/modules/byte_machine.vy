# pragma version 0.4.3
"""
@title The byte machine: which bytes may follow in an output, and where they lead
@notice Twin of oyez/protocol/machine.py and step_machine.py. What is no state of the manifest's machine
        is stuck, and so is what a byte leads to that no output goes on with.
"""
from contracts import constants as c
from contracts.modules import machine_scalars as scalars
from contracts.modules import machine_states as states
from contracts.modules import option_rows
from contracts.modules import published

uses: scalars

# STRING, INTEGER, FIRST and NEXT, a bit each.
SAMPLED: constant(uint256) = 2**1 + 2**3 + 2**6 + 2**7

# Before a name a comma, a space and a quote; after it a quote, a colon and a space: lowest byte first.
HEAD: constant(uint256) = 44 + 32 * 2**8 + 34 * 2**16
TAIL: constant(uint256) = 34 + 58 * 2**8 + 32 * 2**16
OPEN_ARRAY: constant(uint256) = 91
OPEN_BRACE: constant(uint256) = 123
# false, true and the bracket that ends an array: their letters, highest byte first, and lengths
BOOLEANS: constant(bytes32[3]) = [
    0x66616c7365000000000000000000000000000000000000000000000000000000,
    0x7472756500000000000000000000000000000000000000000000000000000000,
    0x5d00000000000000000000000000000000000000000000000000000000000000,
]
BOOLEAN_LENGTHS: constant(uint256[3]) = [5, 4, 1]


@internal
@view
def _unpack(
    p: published.Published, w: published.Written, word: uint256, magnitude: int256
) -> states.State:
    """
    @dev The state that a word and a magnitude are; `w` is the word's field. What a phase does not use
         is 0, the rest is in bounds.
         # rule: INNER-40
    """
    if word & states.ALIVE == 0 or not w.is_written or magnitude < 0:
        return states._stuck()
    s: states.State = states.State(
        phase=(word >> 64) & c.M8,
        field=states._field_of(word),
        length=(word >> 40) & c.M16,
        need=(word >> 32) & c.M8,
        low=(word >> 24) & c.M8,
        high=(word >> 16) & c.M8,
        negative=(word >> 8) & c.M8,
        value=convert(magnitude, uint256),
        items=word & c.M8,
    )
    # what no phase below allows: need, low, high; negative; value
    utf8: bool = s.need | s.low | s.high != 0
    fits: bool = False
    if s.phase <= states.INTEGER and s.items >= max(w.items, 1):
        return states._stuck()
    if s.phase == states.PREFIX:
        fits = s.length < self._prefix_length(w, s.items) and not utf8
        fits = fits and s.negative | s.value == 0
    elif s.phase == states.STRING:
        fits = w.type == c.TYPE_STRING and s.need <= 3 and s.length + s.need <= w.limit
        fits = fits and (s.need > 0 or not utf8) and s.negative | s.value == 0
    elif s.phase == states.CHOICE:
        fits = s.value < published._count_choices(w, s.items) and not utf8 and s.negative == 0
        if fits:
            fits = s.length < self._choice_length(p, w, s.value)
    elif s.phase == states.INTEGER:
        fits = w.type == c.TYPE_INTEGER and not utf8 and s.negative <= 1
    else:
        fits = not utf8 and s.negative | s.value | s.length == 0
        if s.phase == states.FIRST:
            fits = fits and w.items > 0 and w.type != c.TYPE_BOOLEAN and s.items == 0
        elif s.phase == states.NEXT:
            fits = fits and s.items >= 1 and s.items <= w.items
        else:
            fits = fits and s.phase <= states.END and w.is_last and s.items == 0
    return s if fits else states._stuck()


@internal
@view
def _step(p: published.Published, w: published.Written, s: states.State, byte: uint256) -> states.State:
    """
    @dev The state after a byte.
         # rule: DECODE-1
    """
    if self._is_sampled(s.phase):
        text: uint256[scalars.TEXT_WORDS] = empty(uint256[scalars.TEXT_WORDS])
        text[0] = byte << 248
        return scalars._sample(w, s, text, 1)
    if s.phase == states.PREFIX and byte == self._prefix_byte(p, w, s):
        return self._past_prefix(w, s)
    if s.phase == states.CHOICE:
        return self._choose(p, w, s, byte)
    if s.phase == states.CLOSE and byte == scalars.CLOSE_BRACE:
        return states._place(states.END, s.field, 0, 0)
    return states._stuck()


@internal
@view
def _step_forced(
    p: published.Published, w: published.Written, s: states.State, byte: uint256
) -> states.State:
    """
    @dev The state after the byte that `_force` gave.
    """
    if s.phase == states.PREFIX:
        return self._past_prefix(w, s)
    return self._step(p, w, s, byte)


@internal
@pure
def _past_prefix(w: published.Written, s: states.State) -> states.State:
    """
    @dev The state after one more byte of what stands before a value or item.
    """
    length: uint256 = unsafe_add(s.length, 1)
    if length < self._prefix_length(w, s.items):
        return states._place(states.PREFIX, s.field, length, s.items)
    phase: uint256 = states.CHOICE
    if w.type == c.TYPE_STRING:
        phase = states.STRING
    elif w.type == c.TYPE_INTEGER:
        phase = states.INTEGER
    if w.items > 0 and s.items == 0 and w.type != c.TYPE_BOOLEAN:
        phase = states.FIRST
    return states._place(phase, s.field, 0, s.items)


@internal
@pure
def _is_sampled(phase: uint256) -> bool:
    """
    @dev Whether the model samples tokens there, where no byte is forced.
    """
    return (SAMPLED >> phase) & 1 == 1


@internal
@view
def _force(p: published.Published, w: published.Written, s: states.State) -> uint256:
    """
    @dev The byte that is the only one allowed, or NO_BYTE; in a CHOICE always NO_BYTE.
         # rule: DECODE-7
    """
    if s.phase == states.PREFIX:
        return self._prefix_byte(p, w, s)
    if s.phase == states.STRING:
        if s.need == 0:
            return scalars.QUOTE if s.length == w.limit else scalars.NO_BYTE
        allowed: uint256 = scalars.SPELT & scalars._range(s.low, s.high)
        if allowed == 0 or allowed & unsafe_sub(allowed, 1) != 0:
            return scalars.NO_BYTE
        for byte: uint256 in range(scalars.FIRST_CONTINUATION, scalars.LAST_CONTINUATION):
            if allowed >> byte == 1:
                return byte
        return scalars.LAST_CONTINUATION
    if s.phase == states.INTEGER:
        return scalars._force_integer(w, s)
    if s.phase == states.CLOSE:
        return scalars.CLOSE_BRACE
    if s.phase == states.NEXT and s.items == w.items:
        return states.CLOSE_ARRAY
    # after an opening bracket the closing one is allowed, and an item
    return scalars.NO_BYTE


@internal
@pure
def _is_quoted(w: published.Written) -> bool:
    return w.type == c.TYPE_STRING or w.type == c.TYPE_ENUM


@internal
@pure
def _prefix_length(w: published.Written, items: uint256) -> uint256:
    """
    @dev Of what stands before a value, or between two items.
    """
    quote: uint256 = 1 if self._is_quoted(w) else 0
    if items > 0:
        return unsafe_add(2, quote)
    if w.items > 0:
        quote = 1  # a bracket
    head: uint256 = 5 if w.is_first else 6
    return unsafe_add(unsafe_add(head, w.name_length), quote)


@internal
@view
def _prefix_byte(p: published.Published, w: published.Written, s: states.State) -> uint256:
    """
    @dev Of `{"name": ` or `, "name": ` and a bracket or quote; of `, ` and a quote between two items.
         length < _prefix_length.
    """
    at: uint256 = s.length
    if s.items == 0 and w.is_first:
        if at == 0:
            return OPEN_BRACE
        at = unsafe_add(at, 1)
    # before a value a comma, a space and a quote, then the name, then the rest
    if at < 3:
        return (HEAD >> (at << 3)) & c.M8
    at = unsafe_sub(at, 3)
    if at < w.name_length:
        name: uint256 = published._word(p.pointer, published._name_end(p, w))
        return (name >> (unsafe_sub(unsafe_sub(w.name_length, 1), at) << 3)) & c.M8
    at = unsafe_sub(at, w.name_length)
    if at < 3:
        return (TAIL >> (at << 3)) & c.M8
    return OPEN_ARRAY if w.items > 0 else scalars.QUOTE


@internal
@view
def _choice_length(p: published.Published, w: published.Written, option: uint256) -> uint256:
    """
    @dev Bytes of a choice's text, an ENUM's with its closing quote.
    """
    if w.type == c.TYPE_BOOLEAN:
        return BOOLEAN_LENGTHS[option]
    return (published._option_row(p.pointer, w, option) >> 32) + 1


@internal
@view
def _choose(
    p: published.Published, w: published.Written, s: states.State, byte: uint256
) -> states.State:
    """
    @dev The first choice from option `value` on whose text begins with that one's first `length` bytes
         and this one. 1,200 gas an option.
         # rule: DECODE-5
    """
    is_boolean: bool = w.type == c.TYPE_BOOLEAN
    length: uint256 = s.length
    end: uint256 = 0
    if not is_boolean:
        end = unsafe_add(
            published._name_end(p, w), option_rows._sum_lengths(p.pointer, w.options_at, s.value)
        )
    begun: uint256 = 0
    rows: uint256 = 0
    for i: uint256 in range(s.value, published._count_choices(w, s.items), bound=c.MAX_OPTIONS):
        size: uint256 = 0
        text: uint256 = 0
        if is_boolean:
            size = BOOLEAN_LENGTHS[i]
            text = convert(BOOLEANS[i], uint256)
        else:
            size, rows = published._next_length(p.pointer, w, s.value, i, rows)
            end = unsafe_add(end, size)
            text = published._word(p.pointer, end) << unsafe_sub(256, size << 3)
        if i == s.value:
            begun = text >> unsafe_sub(256, length << 3)
        if text >> unsafe_sub(256, length << 3) != begun:
            # it ends earlier, in zeros, or goes on otherwise; texts ascend, so all of the rest do
            break
        next: uint256 = scalars.QUOTE
        if size > length:
            next = (text >> unsafe_sub(248, length << 3)) & c.M8
        if next != byte:
            continue
        length = unsafe_add(length, 1)
        if length < size or (length == size and not is_boolean):
            after: states.State = states._place(states.CHOICE, s.field, length, s.items)
            after.value = i
            return after
        if byte == states.CLOSE_ARRAY and is_boolean:
            return states._after(w, s.field)
        return states._after_scalar(w, s)
    return states._stuck()
