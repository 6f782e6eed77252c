# pragma version 0.4.3
"""
@title The expressions of a published manifest, in the order in which they run, and their fields
@notice They stand at its end: expressions, then ops. All computed fields run before all guards.
"""
from contracts import constants as c
from contracts.modules import expression_ops as ops
from contracts.modules import manifest_layout
from contracts.modules import option_rows
from contracts.modules import published


ROWS_A_WORD: constant(uint256) = 16
EXPRESSION_WORDS: constant(uint256) = c.MAX_EXPRESSIONS // ROWS_A_WORD
MAX_ROW_WORDS: constant(uint256) = (
    c.MAX_OPTIONS + option_rows.ROWS_A_WORD - 1
) // option_rows.ROWS_A_WORD
OP_WORDS: constant(uint256) = c.MAX_EXPRESSION_OPS // ROWS_A_WORD


# One expression; none of that place if it has no ops.
struct Expression:
    index: uint256  # in the manifest
    target: uint256
    ops: uint256
    ops_at: uint256


# An op, and the ops of the same expression that it takes from: a byte each, the deepest one highest.
struct Op:
    code: uint256
    operand: uint256
    operands: uint256
    taken: uint256


# A field: its role, its type (an array is one), and what `published` asks for.
struct Field:
    role: uint256
    type: uint256
    low: int256  # of an INTEGER, else of the numbers that it may be
    high: int256
    written: published.Written


@internal
@view
def _rows(p: published.Published) -> (uint256, uint256, uint256[EXPRESSION_WORDS]):
    """
    @dev How many expressions there are, where their ops begin, and their rows, sixteen in a word from the
         highest bits on: target 8 | ops 8.
    """
    shape: manifest_layout.Layout = manifest_layout._read(p.header)
    # a STOP byte stands before the manifest
    ops_at: uint256 = unsafe_sub(unsafe_sub(p.pointer.codesize, 1), c.OP_BYTES * shape.ops)
    rows: uint256[EXPRESSION_WORDS] = empty(uint256[EXPRESSION_WORDS])
    at: uint256 = unsafe_sub(ops_at, c.EXPRESSION_BYTES * shape.expressions)
    left: uint256 = shape.expressions
    for i: uint256 in range(EXPRESSION_WORDS):
        take: uint256 = min(ROWS_A_WORD, left)
        if take == 0:
            break
        left = unsafe_sub(left, take)
        at = unsafe_add(at, unsafe_mul(c.EXPRESSION_BYTES, take))
        rows[i] = published._word(p.pointer, at) << unsafe_sub(256, unsafe_mul(16, take))
    return shape.expressions, ops_at, rows


@internal
@pure
def _row(rows: uint256[EXPRESSION_WORDS], i: uint256) -> uint256:
    return (rows[i >> 4] >> unsafe_sub(240, (i & 15) << 4)) & c.M16


@internal
@view
def _find(p: published.Published, rank: uint256) -> Expression:
    """
    @dev The expression that runs after so many others.
         # rule: EXPR-5
    """
    count: uint256 = 0
    ops_at: uint256 = 0
    rows: uint256[EXPRESSION_WORDS] = empty(uint256[EXPRESSION_WORDS])
    count, ops_at, rows = self._rows(p)
    left: uint256 = rank
    for is_guard: bool in [False, True]:
        at: uint256 = ops_at
        word: uint256 = 0
        for i: uint256 in range(count, bound=c.MAX_EXPRESSIONS):
            if i % ROWS_A_WORD == 0:
                word = rows[i // ROWS_A_WORD]
            row: uint256 = word >> 240
            word = word << 16
            if (row >> 8 == c.GUARD_TARGET) == is_guard:
                if left == 0:
                    return Expression(index=i, target=row >> 8, ops=row & c.M8, ops_at=at)
                left = unsafe_sub(left, 1)
            at = unsafe_add(at, unsafe_mul(c.OP_BYTES, row & c.M8))
    return empty(Expression)


@internal
@view
def _find_rank(p: published.Published, target: uint256) -> (uint256, uint256):
    """
    @dev How many expressions run before that of a computed field, and how many ops it has.
    """
    count: uint256 = 0
    ops_at: uint256 = 0
    rows: uint256[EXPRESSION_WORDS] = empty(uint256[EXPRESSION_WORDS])
    count, ops_at, rows = self._rows(p)
    rank: uint256 = 0
    for i: uint256 in range(count, bound=c.MAX_EXPRESSIONS):
        row: uint256 = self._row(rows, i)
        if row >> 8 == target:
            return rank, row & c.M8
        if row >> 8 != c.GUARD_TARGET:
            rank = unsafe_add(rank, 1)
    return c.MAX_EXPRESSIONS, 0


@internal
@view
def _op(p: published.Published, e: Expression, number: uint256) -> Op:
    """
    @dev An op of an expression that has one of that number. The stack holds numbers of ops, the top one
         lowest: sixteen at most. 150 gas an op.
         # rule: EXPR-1
    """
    stack: uint256 = 0
    at: uint256 = e.ops_at
    left: uint256 = e.ops
    k: uint256 = 0
    for _: uint256 in range(OP_WORDS):
        take: uint256 = min(ROWS_A_WORD, left)
        left = unsafe_sub(left, take)
        at = unsafe_add(at, unsafe_mul(c.OP_BYTES, take))
        word: uint256 = published._word(p.pointer, at) << unsafe_sub(256, unsafe_mul(16, take))
        for _j: uint256 in range(take, bound=ROWS_A_WORD):
            code: uint256 = word >> 248
            bits: uint256 = ((ops.OPERANDS >> unsafe_mul(2, code)) & 3) << 3
            if k == number:
                return Op(
                    code=code,
                    operand=(word >> 240) & c.M8,
                    operands=bits >> 3,
                    taken=stack & ((1 << bits) - 1),
                )
            stack = ((stack >> bits) << 8) | k
            word = word << 16
            k = unsafe_add(k, 1)
    return empty(Op)


@internal
@view
def _field(p: published.Published, index: uint256) -> Field:
    """
    @dev A field by its index, below the manifest's number of them.
    """
    shape: manifest_layout.Layout = manifest_layout._read(p.header)
    f: Field = empty(Field)
    before: uint256 = 0
    pair: uint256 = index // 2
    for k: uint256 in range(pair, bound=published.MAX_PAIRS):
        two: uint256 = published._two(p.pointer, shape.fields_at, k, shape.fields)
        before = unsafe_add(before, published._count_before(two))
    both: uint256 = published._two(p.pointer, shape.fields_at, pair, shape.fields)
    row: uint256 = both >> published.ROW_BITS
    if index % 2 == 1:
        before = unsafe_add(before, published._count_before(row << published.ROW_BITS))
        row = both & published.ROW
    f.written.options_at = unsafe_add(
        shape.options_at, unsafe_mul(c.OPTION_ROW_BYTES, before >> 32)
    )
    a: uint256 = (row >> 80) & c.M16
    f.role = (row >> 96) & c.M8
    f.type = (row >> 112) & c.M8
    f.written.index = index
    f.written.type = published._base(row)
    f.written.name_length = (row >> 120) & c.M8
    f.high = 1
    if f.type == c.TYPE_ENUM:
        f.written.options = a
        f.high = convert(a, int256) - 1
    elif f.type == c.TYPE_INTEGER:
        at: uint256 = c.HEADER_BYTES + c.CONSTANT_BYTES * a
        f.low = published._constant(p.pointer, at)
        f.high = published._constant(p.pointer, at + c.CONSTANT_BYTES)
    return f


@internal
@view
def _to_number(p: published.Published, f: Field, at: int256, word: int256) -> int256:
    """
    @dev An enum's value word as an expression reads it: the index of the option that it is the hash of, 0
         if there is none. `at` is where the options are said to be spelt. 600 gas an option.
         # rule: FRAME-64
    """
    if not self._is_spelt(p, f, at):
        return 0
    wanted: bytes32 = convert(word, bytes32)
    end: uint256 = convert(at, uint256)
    pointer: address = p.pointer
    rows_end: uint256 = f.written.options_at
    left: uint256 = f.written.options
    option: int256 = 0
    for _: uint256 in range(MAX_ROW_WORDS):
        take: uint256 = min(option_rows.ROWS_A_WORD, left)
        left = unsafe_sub(left, take)
        rows_end = unsafe_add(rows_end, unsafe_mul(c.OPTION_ROW_BYTES, take))
        # length 8 | bias 32 of each, the first one highest
        rows: uint256 = published._word(pointer, rows_end) << unsafe_sub(
            256, unsafe_mul(40, take)
        )
        for _j: uint256 in range(take, bound=option_rows.ROWS_A_WORD):
            size: uint256 = rows >> 248
            rows = rows << 40
            # the option's text stands at the end of what is loaded
            text: Bytes[32] = slice(pointer.code, unsafe_sub(unsafe_add(end, size), 31), 32)
            end = unsafe_add(end, size)
            if keccak256(slice(text, unsafe_sub(32, size), size)) == wanted:
                return option
            option = unsafe_add(option, 1)
    return 0


@internal
@view
def _to_word(p: published.Published, f: Field, at: int256, number: int256) -> int256:
    """
    @dev The word of an enum's option, 0 if it is spelt nowhere. 0 <= number < the options.
         # rule: EXPR-4
    """
    if not self._is_spelt(p, f, at):
        return 0
    option: uint256 = convert(number, uint256)
    end: uint256 = convert(at, uint256) + option_rows._sum_lengths(
        p.pointer, f.written.options_at, option + 1
    )
    size: uint256 = published._option_row(p.pointer, f.written, option) >> 32
    return convert(self._hash(p.pointer, end, size), int256)


@internal
@view
def _is_spelt(p: published.Published, f: Field, at: int256) -> bool:
    """
    @dev Whether all options of an enum would stand there in the manifest, which a STOP byte precedes.
    """
    if at < convert(c.HEADER_BYTES, int256):
        return False
    size: uint256 = option_rows._sum_lengths(p.pointer, f.written.options_at, f.written.options)
    return convert(at, uint256) + size < p.pointer.codesize


@internal
@view
def _hash(pointer: address, end: uint256, size: uint256) -> bytes32:
    """
    @dev Of the text of so many bytes, up to 32, that ends there.
    """
    text: uint256 = published._word(pointer, end) << unsafe_sub(256, unsafe_mul(8, size))
    return keccak256(slice(convert(text, bytes32), 0, size))
