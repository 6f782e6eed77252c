# pragma version 0.4.3
"""
@title What a step reads of a published manifest: header, one written field, its choices
@notice A manifest lies in the code of a contract, behind a STOP byte, and has passed the gate; so all
        that stands there is well-formed. Loads are of the word that ends at a position: since the
        header is 64 bytes long, none begins before the manifest.
"""
from contracts import constants as c
from contracts.interfaces import IActionRegistry
from contracts.modules import manifest_layout
from contracts.modules import option_rows
from contracts.modules import step_model

uses: step_model

# Rows of fields in a word, and the lowest bit of each.
ROW_BITS: constant(uint256) = 8 * c.FIELD_BYTES
ROW: constant(uint256) = 2**ROW_BITS - 1
EACH: constant(uint256) = 2**ROW_BITS + 1
MAX_PAIRS: constant(uint256) = c.MAX_FIELDS // 2

QUOTE: constant(Bytes[1]) = b'"'
NO: constant(Bytes[5]) = b"false"
YES: constant(Bytes[4]) = b"true"
CLOSE_ARRAY: constant(Bytes[1]) = b"]"
# An option and the quote after it.
MAX_CHOICE_BYTES: constant(uint256) = c.MAX_OPTION_BYTES + 1


# A published manifest; a pointer of zero says that there is none of that hash.
struct Published:
    pointer: address
    header: uint256


# One of the fields that the model writes, numbered 0, 1, ... among themselves.
struct Written:
    is_written: bool  # else there is no field of that number, and the rest is empty
    is_first: bool
    is_last: bool
    type: uint256  # an array's is that of its items
    items: uint256  # most items of an array, 0 for a scalar
    limit: uint256  # of a STRING
    low: int256  # of an INTEGER
    high: int256
    biases: uint256  # of a BOOLEAN: false 24 | true 24
    index: uint256  # among all fields
    name_at: uint256  # where its name would begin if no field before had options
    name_length: uint256
    before: uint256  # options of the fields before
    options: uint256  # of an ENUM: how many, and where their rows begin
    options_at: uint256


@internal
@view
def _open(manifest_hash: bytes32) -> Published:
    """
    @dev Where a manifest is, and its header.
         # rule: INNER-41
    """
    pointer: address = staticcall IActionRegistry(step_model.ACTIONS).manifest_pointer(manifest_hash)
    if pointer == empty(address):
        return empty(Published)
    return Published(pointer=pointer, header=self._word(pointer, 32))


@internal
@pure
def _output_tokens(header: uint256) -> uint256:
    return (header >> 112) & c.M16


@internal
@pure
def _temperature(header: uint256) -> uint256:
    """
    @dev Q16.
    """
    return (header >> 152) & c.M32


@internal
@view
def _word(pointer: address, end: uint256) -> uint256:
    """
    @dev The 32 bytes before byte `end` of a manifest, which is in it and at least 32.
    """
    return convert(convert(slice(pointer.code, unsafe_sub(end, 31), 32), bytes32), uint256)


@internal
@view
def _next_length(
    pointer: address, w: Written, first: uint256, option: uint256, rows: uint256
) -> (uint256, uint256):
    """
    @dev The length of an option, asked for one by one from `first` on: rows are loaded as many at once as
         fit, and kept for the next.
    """
    kept: uint256 = rows << 40
    if unsafe_sub(option, first) % option_rows.ROWS_A_WORD == 0:
        take: uint256 = min(option_rows.ROWS_A_WORD, unsafe_sub(w.options, option))
        end: uint256 = unsafe_add(option, take) * c.OPTION_ROW_BYTES
        kept = self._word(pointer, unsafe_add(w.options_at, end)) << unsafe_sub(
            256, unsafe_mul(40, take)
        )
    return kept >> 248, kept


@internal
@view
def _find(published: Published, number: uint256) -> Written:
    """
    @dev Written field `number` of a published manifest. Rows are taken two by two: 550 gas a field.
    """
    w: Written = empty(Written)
    shape: manifest_layout.Layout = manifest_layout._read(published.header)
    seen: uint256 = 0
    before: uint256 = 0
    row: uint256 = 0
    for pair: uint256 in range(MAX_PAIRS):
        if unsafe_mul(2, pair) >= shape.fields:
            break
        two: uint256 = self._two(published.pointer, shape.fields_at, pair, shape.fields)
        # of the roles that of a written field alone has the lowest bit
        written: uint256 = unsafe_add((two >> 224) & 1, (two >> 96) & 1)
        if w.is_written:
            w.is_last = w.is_last and written == 0
            continue
        if unsafe_add(seen, written) > number:
            w.is_written = True
            lower: uint256 = two & ROW
            row = two >> ROW_BITS
            if seen == number and (row >> 96) & 1 == 1:
                w.is_last = written == 1
                two = 0
            else:
                w.is_last = True
                w.index = unsafe_add(w.index, 1)
                two = row << ROW_BITS
                row = lower
        else:
            w.index = unsafe_add(w.index, 2)
        seen = unsafe_add(seen, written)
        before = unsafe_add(before, self._count_before(two))
    if not w.is_written:
        return empty(Written)
    w.is_first = number == 0
    w.type = self._base(row)
    w.items = (row >> 48) & c.M16
    w.biases = row & (2**48 - 1)
    w.name_at = unsafe_add(shape.text_at, before & c.M32)
    w.name_length = row >> 120
    w.before = before >> 32
    w.options_at = unsafe_add(shape.options_at, unsafe_mul(c.OPTION_ROW_BYTES, w.before))
    a: uint256 = (row >> 80) & c.M16
    if w.type == c.TYPE_STRING:
        w.limit = a
    elif w.type == c.TYPE_ENUM:
        w.options = a
    elif w.type == c.TYPE_INTEGER:
        at: uint256 = c.HEADER_BYTES + c.CONSTANT_BYTES * a
        w.low = self._constant(published.pointer, at)
        w.high = self._constant(published.pointer, at + c.CONSTANT_BYTES)
    return w


@internal
@view
def _two(pointer: address, fields_at: uint256, pair: uint256, fields: uint256) -> uint256:
    """
    @dev Rows 2 * pair and the next of so many fields, zeros where there is no next one.
    """
    end: uint256 = unsafe_add(fields_at, unsafe_mul(2 * c.FIELD_BYTES, unsafe_add(pair, 1)))
    if unsafe_add(unsafe_mul(2, pair), 1) == fields:
        return self._word(pointer, unsafe_sub(end, c.FIELD_BYTES)) << ROW_BITS
    return self._word(pointer, end)


@internal
@pure
def _count_before(two: uint256) -> uint256:
    """
    @dev What stands before the fields that follow two: bytes of names and initial strings in the lower 32
         bits, options above them. By the bits of types: enums have the second lowest, in the type or the
         element (of what is no array that is 0), and so have booleans alone, which have no options; a
         string has the lowest and none of the next two. A row of zeros adds none.
    """
    types: uint256 = two >> 112
    enums: uint256 = (types >> 1 | two >> 105) & EACH
    strings: uint256 = types & ~(types >> 1 | types >> 2) & EACH
    # b is an initial string's length, a the number of options
    found: uint256 = unsafe_add(
        unsafe_add((two >> 120) & (EACH * c.M8), (two >> 64) & unsafe_mul(strings, c.M16)),
        (two >> 48) & unsafe_mul(enums, c.M16 << 32),
    )
    return unsafe_add(found & ROW, found >> ROW_BITS)


@internal
@view
def _row(
    pointer: address, fields_at: uint256, i: uint256, fields: uint256, rows: uint256
) -> (uint256, uint256):
    """
    @dev Row i of so many fields in the lower 128 bits; two are loaded at once, and kept for the next.
         name length 8 | type 8 | element 8 | role 8 | a 16 | b 16 | c 16 | bias 24 | bias 24
    """
    if i & 1 == 1:
        return rows, 0
    end: uint256 = unsafe_add(fields_at, unsafe_mul(c.FIELD_BYTES, unsafe_add(i, 1)))
    if unsafe_add(i, 1) == fields:
        return self._word(pointer, end), 0
    two: uint256 = self._word(pointer, unsafe_add(end, c.FIELD_BYTES))
    return two >> 128, two


@internal
@pure
def _base(row: uint256) -> uint256:
    """
    @dev The type of a field's scalars.
    """
    type: uint256 = (row >> 112) & c.M8
    return (row >> 104) & c.M8 if type == c.TYPE_ARRAY else type


@internal
@view
def _name_end(published: Published, w: Written) -> uint256:
    """
    @dev Where a field's name ends and its options' texts begin, behind those of all fields before.
    """
    first_at: uint256 = unsafe_sub(w.options_at, unsafe_mul(c.OPTION_ROW_BYTES, w.before))
    texts: uint256 = option_rows._sum_lengths(published.pointer, first_at, w.before)
    return unsafe_add(unsafe_add(w.name_at, texts), w.name_length)


@internal
@view
def _constant(pointer: address, at: uint256) -> int256:
    return convert(convert(self._word(pointer, at + c.CONSTANT_BYTES), bytes32), int256)


@internal
@pure
def _count_choices(w: Written, items: uint256) -> uint256:
    """
    @dev How many texts a choice in this field is between when so many items of its array have ended: a
         first BOOLEAN item has the closing bracket for a third. 0 where there is no choice.
         # rule: DECODE-9
    """
    if w.type == c.TYPE_ENUM:
        return w.options
    if w.type == c.TYPE_BOOLEAN:
        return 3 if w.items > 0 and items == 0 else 2
    return 0


@internal
@view
def _choices_at(published: Published, w: Written) -> uint256:
    """
    @dev Where in the manifest the texts of a field's choices begin; 0 if they stand elsewhere.
    """
    return self._name_end(published, w) if w.type == c.TYPE_ENUM else 0


@internal
@view
def _choice(
    published: Published, w: Written, choices_at: uint256, option: uint256
) -> Bytes[MAX_CHOICE_BYTES]:
    """
    @dev The text of one of the choices, an ENUM's with its closing quote; they begin at `choices_at`.
         option < _count_choices.
    """
    if w.type == c.TYPE_BOOLEAN:
        if option == 0:
            return NO
        return YES if option == 1 else CLOSE_ARRAY
    end: uint256 = choices_at + option_rows._sum_lengths(
        published.pointer, w.options_at, option + 1
    )
    length: uint256 = self._option_row(published.pointer, w, option) >> 32
    word: uint256 = self._word(published.pointer, end) << (256 - 8 * length)
    return concat(slice(convert(word, bytes32), 0, length), QUOTE)


@internal
@view
def _bias(published: Published, w: Written, option: uint256) -> int256:
    """
    @dev The bias of one of the choices, Q16. option < _count_choices.
    """
    if w.type == c.TYPE_BOOLEAN:
        if option == 2:
            return 0
        return self._signed(w.biases >> (24 * (1 - option)), 24)
    return self._signed(self._option_row(published.pointer, w, option), 32)


@internal
@view
def _option_row(pointer: address, w: Written, option: uint256) -> uint256:
    """
    @dev length 8 | bias 32
    """
    return self._word(pointer, w.options_at + c.OPTION_ROW_BYTES * (option + 1)) & (2**40 - 1)


@internal
@pure
def _signed(bits: uint256, width: uint256) -> int256:
    unused: uint256 = 256 - width
    return convert(convert(bits << unused, bytes32), int256) >> unused
