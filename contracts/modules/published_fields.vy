# pragma version 0.4.3
"""
@title What a step reads of any field of a published manifest: name, type, initial value
@notice As published.vy, which reads the written ones alone: a manifest has passed the gate.
"""
from contracts import constants as c
from contracts.modules import manifest_layout
from contracts.modules import option_rows
from contracts.modules import published

# A type's descriptor: its head, and of an ENUM all options behind their lengths.
HEAD_BYTES: constant(uint256) = 6
TYPE_WORDS: constant(uint256) = (
    HEAD_BYTES + c.MAX_OPTIONS * (c.MAX_OPTION_BYTES + 1) + 31
) // 32
STRING_WORDS: constant(uint256) = c.MAX_STRING_BYTES // 32
# Words of options' texts that are loaded at once.
TEXT_BLOCK: constant(uint256) = 8
TEXT_BLOCK_BYTES: constant(uint256) = 32 * TEXT_BLOCK
# Rows of fields that are loaded at once, two a word.
ROWS_A_RUN: constant(uint256) = 8
RUN_WORDS: constant(uint256) = ROWS_A_RUN // 2
RUN_BYTES: constant(uint256) = ROWS_A_RUN * c.FIELD_BYTES
MAX_RUNS: constant(uint256) = c.MAX_FIELDS // ROWS_A_RUN
NO_ITEMS: constant(bytes32) = keccak256(b"")


# Field `index` of a manifest; of none that there is, the rest is empty.
struct Field:
    is_there: bool
    is_array: bool
    is_after_array: bool  # the field before it is one
    type: uint256  # an array's is that of its items
    row: uint256  # name length 8 | type 8 | element 8 | role 8 | a 16 | b 16 | c 16 | biases 48
    name_length: uint256
    name_end: uint256  # where its name ends, and its options or its initial string begin
    options_at: uint256  # where the rows of its options begin


@internal
@view
def _count(manifest: published.Published) -> uint256:
    """
    @dev Fields of a manifest; 0 if nobody published it.
    """
    return (manifest.header >> 88) & c.M8


@internal
@view
def _find(manifest: published.Published, index: uint256) -> Field:
    """
    @dev A field, and where its texts stand: behind those of all fields before.
    """
    f: Field = empty(Field)
    count: uint256 = self._count(manifest)
    if index >= count:
        return f
    shape: manifest_layout.Layout = manifest_layout._read(manifest.header)
    before: uint256 = 0
    two: uint256 = 0
    runs: uint256 = index // ROWS_A_RUN
    for k: uint256 in range(runs, bound=MAX_RUNS):
        # behind the code's first byte, which is no manifest's
        at: uint256 = unsafe_add(unsafe_add(shape.fields_at, 1), unsafe_mul(RUN_BYTES, k))
        run: uint256[RUN_WORDS] = abi_decode(
            slice(manifest.pointer.code, at, RUN_BYTES), uint256[RUN_WORDS]
        )
        for rows: uint256 in run:
            before = unsafe_add(before, published._count_before(rows))
            two = rows
    pair: uint256 = index // 2
    for k: uint256 in range(unsafe_mul(RUN_WORDS, runs), pair, bound=RUN_WORDS):
        two = published._two(manifest.pointer, shape.fields_at, k, count)
        before = unsafe_add(before, published._count_before(two))
    # the row of the field before, whatever stands above it
    last: uint256 = two
    two = published._two(manifest.pointer, shape.fields_at, pair, count)
    f.row = two >> published.ROW_BITS
    if index % 2 == 1:
        last = f.row
        f.row = two & published.ROW
        before = unsafe_add(before, published._count_before(last << published.ROW_BITS))
    f.is_there = True
    f.is_array = self._is_array(f.row)
    f.is_after_array = self._is_array(last)
    f.type = published._base(f.row)
    f.name_length = f.row >> 120
    options: uint256 = before >> 32
    f.options_at = shape.options_at + c.OPTION_ROW_BYTES * options
    f.name_end = (
        shape.text_at
        + (before & c.M32)
        + f.name_length
        + option_rows._sum_lengths(manifest.pointer, shape.options_at, options)
    )
    return f


@internal
@pure
def _is_array(row: uint256) -> bool:
    return (row >> 112) & c.M8 == c.TYPE_ARRAY


@internal
@view
def _is_array_at(manifest: published.Published, index: uint256) -> bool:
    """
    @dev Whether a field that is there is an array: its row alone is read.
    """
    shape: manifest_layout.Layout = manifest_layout._read(manifest.header)
    end: uint256 = shape.fields_at + c.FIELD_BYTES * (index + 1)
    return self._is_array(published._word(manifest.pointer, end))


@internal
@view
def _name(manifest: published.Published, f: Field) -> uint256:
    """
    @dev A field's name, from the highest byte on.
    """
    return published._word(manifest.pointer, f.name_end) << (256 - 8 * f.name_length)


@internal
@view
def _name_hash(manifest: published.Published, f: Field) -> bytes32:
    return keccak256(slice(convert(self._name(manifest, f), bytes32), 0, f.name_length))


@internal
@view
def _type_hash(manifest: published.Published, f: Field) -> bytes32:
    """
    @dev # rule: SCHEMA-1
    """
    # type 8 | element 8 | items 16
    head: uint256 = (((f.row >> 104) & c.M16) << 16) | ((f.row >> 48) & c.M16)
    a: uint256 = (f.row >> 80) & c.M16
    if f.type == c.TYPE_BOOLEAN:
        return keccak256(slice(convert(head << 224, bytes32), 0, 4))
    if f.type == c.TYPE_STRING:
        return keccak256(slice(convert(((head << 16) | a) << 208, bytes32), 0, 6))
    if f.type == c.TYPE_INTEGER:
        low_end: uint256 = c.HEADER_BYTES + c.CONSTANT_BYTES * (a + 1)
        return keccak256(
            concat(
                slice(convert(head << 224, bytes32), 0, 4),
                convert(published._word(manifest.pointer, low_end), bytes32),
                convert(published._word(manifest.pointer, low_end + c.CONSTANT_BYTES), bytes32),
            )
        )
    return self._enum_hash(manifest.pointer, f, ((head << 16) | a) << 208, a)


@internal
@view
def _enum_hash(pointer: address, f: Field, head: uint256, options: uint256) -> bytes32:
    """
    @dev An ENUM's descriptor is its head, of six bytes, then each option behind its length. 500 gas an
         option.
    """
    words: uint256[TYPE_WORDS] = empty(uint256[TYPE_WORDS])
    # the word that is being filled, its number, and the bits that are in it
    word: uint256 = head
    number: uint256 = 0
    filled: uint256 = 8 * HEAD_BYTES
    # what is left of the word that texts are taken from, its bits, and the number of the next one
    texts: uint256[TEXT_BLOCK] = empty(uint256[TEXT_BLOCK])
    source: uint256 = 0
    left: uint256 = 0
    next: uint256 = 0
    rows: uint256 = 0
    until: uint256 = 0
    for option: uint256 in range(options, bound=c.MAX_OPTIONS):
        rows = rows << 40
        if option == until:
            take: uint256 = min(option_rows.ROWS_A_WORD, unsafe_sub(options, option))
            until = unsafe_add(until, take)
            rows = published._word(
                pointer, unsafe_add(f.options_at, unsafe_mul(c.OPTION_ROW_BYTES, until))
            ) << unsafe_sub(256, unsafe_mul(40, take))
        size: uint256 = rows >> 248
        bits: uint256 = size << 3
        # its text, from the highest byte on
        text: uint256 = source
        if bits <= left:
            source = source << bits
            left = unsafe_sub(left, bits)
        else:
            place: uint256 = next % TEXT_BLOCK
            if place == 0:
                at: uint256 = unsafe_mul(32, next)
                texts = self._text_block(pointer, unsafe_add(f.name_end, at))
            source = texts[place]
            next = unsafe_add(next, 1)
            text |= source >> left
            source = source << unsafe_sub(bits, left)
            left = unsafe_sub(unsafe_add(256, left), bits)
        unused: uint256 = unsafe_sub(256, bits)
        text = (text >> unused) << unused
        # its length, then the text, of which nothing fits where the length was the word's last byte
        word |= size << unsafe_sub(248, filled)
        filled = unsafe_add(filled, 8)
        word |= text >> filled
        filled = unsafe_add(filled, bits)
        if filled >= 256:
            words[number] = word
            number = unsafe_add(number, 1)
            filled = unsafe_sub(filled, 256)
            word = text << unsafe_sub(bits, filled)
            if filled == 256:
                # 32 bytes of text behind a length that was the word's last byte
                words[number] = word
                number = unsafe_add(number, 1)
                filled = 0
                word = 0
    if filled > 0:
        words[number] = word
    length: uint256 = unsafe_add(unsafe_mul(32, number), filled >> 3)
    return keccak256(slice(abi_encode(words), 0, length))


@internal
@view
def _text_block(pointer: address, at: uint256) -> uint256[TEXT_BLOCK]:
    """
    @dev The next 256 bytes of a manifest, or zeros behind those that there are. It does not end at `at`.
    """
    # behind the code's first byte, which is no manifest's
    begin: uint256 = unsafe_add(at, 1)
    left: uint256 = unsafe_sub(pointer.codesize, begin)
    if left >= TEXT_BLOCK_BYTES:
        return abi_decode(slice(pointer.code, begin, TEXT_BLOCK_BYTES), uint256[TEXT_BLOCK])
    texts: uint256[TEXT_BLOCK] = empty(uint256[TEXT_BLOCK])
    for i: uint256 in range(TEXT_BLOCK):
        offset: uint256 = unsafe_mul(32, i)
        if offset >= left:
            break
        texts[i] = self._text_word(pointer, unsafe_add(at, offset), unsafe_sub(left, offset))
    return texts


@internal
@view
def _text_word(pointer: address, at: uint256, left: uint256) -> uint256:
    """
    @dev The next 32 bytes of a text, or the `left` ones that there are, from the highest on. left > 0.
    """
    if left >= 32:
        return published._word(pointer, unsafe_add(at, 32))
    return published._word(pointer, unsafe_add(at, left)) << unsafe_sub(256, left << 3)


@internal
@view
def _initial_word(manifest: published.Published, f: Field) -> bytes32:
    """
    @dev The word of a field's initial value.
         # rule: SCHEMA-2
    """
    a: uint256 = (f.row >> 80) & c.M16
    b: uint256 = (f.row >> 64) & c.M16
    if f.is_array:
        return NO_ITEMS
    if f.type == c.TYPE_BOOLEAN:
        return convert(b, bytes32)
    if f.type == c.TYPE_INTEGER:
        at: uint256 = c.HEADER_BYTES + c.CONSTANT_BYTES * (a + 3)
        return convert(published._word(manifest.pointer, at), bytes32)
    if f.type == c.TYPE_STRING:
        return self._hash_text(manifest.pointer, f.name_end, b)
    end: uint256 = f.name_end + option_rows._sum_lengths(manifest.pointer, f.options_at, b + 1)
    row_end: uint256 = f.options_at + c.OPTION_ROW_BYTES * (b + 1)
    size: uint256 = (published._word(manifest.pointer, row_end) >> 32) & c.M8
    option: uint256 = published._word(manifest.pointer, end) << (256 - 8 * size)
    return keccak256(slice(convert(option, bytes32), 0, size))


@internal
@view
def _hash_text(pointer: address, at: uint256, length: uint256) -> bytes32:
    """
    @dev Of a string of the text, up to 512 bytes; each word ends within it.
    """
    words: uint256[STRING_WORDS] = empty(uint256[STRING_WORDS])
    for i: uint256 in range(STRING_WORDS):
        if 32 * i >= length:
            break
        words[i] = self._text_word(pointer, at + 32 * i, length - 32 * i)
    return keccak256(slice(abi_encode(words), 0, length))
