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
from contracts.modules import step_model

uses: step_model

# Rows of options in a word, 40 bits each: their lengths, and a divisor that adds them up; in a block.
ROWS_A_WORD: constant(uint256) = 6
WORD_OF_ROWS: constant(uint256) = ROWS_A_WORD * c.OPTION_ROW_BYTES
LENGTHS: constant(uint256) = (2**240 - 1) // (2**40 - 1) * c.M8
ROW_SUM: constant(uint256) = 2**40 - 1
MAX_ROW_WORDS: constant(uint256) = (c.MAX_OPTIONS + ROWS_A_WORD - 1) // ROWS_A_WORD
BLOCK_WORDS: constant(uint256) = 5
BLOCK_ROWS: constant(uint256) = BLOCK_WORDS * ROWS_A_WORD
BLOCK_BYTES: constant(uint256) = 160
MAX_BLOCKS: constant(uint256) = c.MAX_OPTIONS // BLOCK_ROWS

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
    name_length: uint256
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
def _sum_lengths(pointer: address, at: uint256, count: uint256) -> uint256:
    """
    @dev Bytes of the first so many options, up to 64, whose rows begin at `at`. In each 40 bits of `total`
         lengths of 32 at most are added up, so none runs into the next.
    """
    total: uint256 = 0
    end: uint256 = at
    left: uint256 = count
    for _: uint256 in range(MAX_BLOCKS):
        # 150 bytes of rows, and 10 of what stands before them
        if left < BLOCK_ROWS:
            break
        left = unsafe_sub(left, BLOCK_ROWS)
        end = unsafe_add(end, BLOCK_WORDS * WORD_OF_ROWS)
        rows_block: Bytes[BLOCK_BYTES] = slice(
            pointer.code, unsafe_sub(end, BLOCK_BYTES - 1), BLOCK_BYTES
        )
        for i: uint256 in range(BLOCK_WORDS):
            rows: uint256 = convert(
                extract32(rows_block, unsafe_add(8, unsafe_mul(WORD_OF_ROWS, i))), uint256
            )
            total = unsafe_add(total, (rows >> 32) & LENGTHS)
    for _: uint256 in range(MAX_ROW_WORDS):
        if left == 0:
            break
        take: uint256 = min(ROWS_A_WORD, left)
        left = unsafe_sub(left, take)
        end = unsafe_add(end, unsafe_mul(c.OPTION_ROW_BYTES, take))
        rows: uint256 = self._word(pointer, end) << unsafe_sub(256, unsafe_mul(40, take))
        # length 8 | bias 32 of each, the first one highest
        total = unsafe_add(total, (rows >> 48) & LENGTHS)
    return total % ROW_SUM


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
    if unsafe_sub(option, first) % ROWS_A_WORD == 0:
        take: uint256 = min(ROWS_A_WORD, unsafe_sub(w.options, option))
        end: uint256 = unsafe_add(option, take) * c.OPTION_ROW_BYTES
        kept = self._word(pointer, unsafe_add(w.options_at, end)) << unsafe_sub(
            256, unsafe_mul(40, take)
        )
    return kept >> 248, kept


@internal
@view
def _find(published: Published, number: uint256) -> Written:
    """
    @dev Written field `number` of a published manifest.
    """
    w: Written = empty(Written)
    shape: manifest_layout.Layout = manifest_layout._read(published.header)
    pointer: address = published.pointer
    options_at: uint256 = shape.options_at
    seen: uint256 = 0
    rows: uint256 = 0
    for i: uint256 in range(shape.fields, bound=c.MAX_FIELDS):
        row: uint256 = 0
        row, rows = self._row(pointer, shape.fields_at, i, shape.fields, rows)
        is_written: bool = (row >> 96) & c.M8 == c.ROLE_WRITES
        if w.is_written:
            if is_written:
                return w
            continue
        type: uint256 = self._base(row)
        a: uint256 = (row >> 80) & c.M16
        if is_written:
            if seen == number:
                w.is_written = True
                w.is_first = number == 0
                w.type = type
                w.items = (row >> 48) & c.M16
                w.biases = row & (2**48 - 1)
                w.index = i
                w.name_length = (row >> 120) & c.M8
                w.options_at = options_at
                if type == c.TYPE_STRING:
                    w.limit = a
                elif type == c.TYPE_ENUM:
                    w.options = a
                elif type == c.TYPE_INTEGER:
                    at: uint256 = c.HEADER_BYTES + c.CONSTANT_BYTES * a
                    w.low = self._constant(pointer, at)
                    w.high = self._constant(pointer, at + c.CONSTANT_BYTES)
                continue
            seen = unsafe_add(seen, 1)
        if type == c.TYPE_ENUM:
            options_at = unsafe_add(options_at, unsafe_mul(c.OPTION_ROW_BYTES, a))
    w.is_last = w.is_written
    return w


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
    @dev Where a field's name ends and its options' texts begin, behind those of all fields before. The
         dearest, behind 1,472 options of others, takes 95k gas.
    """
    shape: manifest_layout.Layout = manifest_layout._read(published.header)
    pointer: address = published.pointer
    text_at: uint256 = shape.text_at
    options_at: uint256 = shape.options_at
    rows: uint256 = 0
    for i: uint256 in range(w.index, bound=c.MAX_FIELDS):
        row: uint256 = 0
        row, rows = self._row(pointer, shape.fields_at, i, shape.fields, rows)
        text_at = unsafe_add(text_at, (row >> 120) & c.M8)
        type: uint256 = self._base(row)
        if type == c.TYPE_STRING:
            text_at = unsafe_add(text_at, (row >> 64) & c.M16)
        elif type == c.TYPE_ENUM:
            options: uint256 = (row >> 80) & c.M16
            text_at = unsafe_add(text_at, self._sum_lengths(pointer, options_at, options))
            options_at = unsafe_add(options_at, unsafe_mul(c.OPTION_ROW_BYTES, options))
    return unsafe_add(text_at, w.name_length)


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
def _choice(published: Published, w: Written, option: uint256) -> Bytes[MAX_CHOICE_BYTES]:
    """
    @dev The text of one of the choices, an ENUM's with its closing quote. option < _count_choices.
    """
    if w.type == c.TYPE_BOOLEAN:
        if option == 0:
            return NO
        return YES if option == 1 else CLOSE_ARRAY
    end: uint256 = self._name_end(published, w) + self._sum_lengths(
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
