# pragma version 0.4.3
"""
@title The expressions of a manifest: computed fields and guards
@notice manifest.md items 15 and 16: every stack is proven to stay between 1 and 16 deep.
"""
from contracts import constants as c
from contracts.modules import manifest_fields as fields
from contracts.modules import manifest_layout as layout

OP_CONST: constant(uint256) = 1
OP_OLD: constant(uint256) = 2
OP_NEW: constant(uint256) = 3
OP_TIME: constant(uint256) = 6
OP_NEG: constant(uint256) = 8
OP_NOT: constant(uint256) = 9
OP_ADD: constant(uint256) = 16
OP_OR: constant(uint256) = 29
OP_SELECT: constant(uint256) = 30
OPS_A_WORD: constant(uint256) = 16


@internal
@pure
def _count_operands(code: uint256) -> uint256:
    """
    @dev How many stack values an op takes; each op gives one.
    """
    if code >= OP_ADD and code <= OP_OR:
        return 2
    if code >= OP_CONST and code <= OP_TIME:
        return 0
    if code == OP_NEG or code == OP_NOT:
        return 1
    assert code == OP_SELECT, "gate: unknown opcode"
    return 3


@internal
@pure
def _check(
    manifest: Bytes[c.MAX_MANIFEST_BYTES],
    expressions_at: uint256,
    shape: layout.Layout,
    uses: uint256,
):
    """
    @dev The sections' end <= len is the caller's to check. About 500 gas an op.
    """
    left: uint256 = uses
    at: uint256 = expressions_at + c.EXPRESSION_BYTES * shape.expressions
    total: uint256 = 0
    for i: uint256 in range(shape.expressions, bound=c.MAX_EXPRESSIONS):
        # target 8 | ops 8
        row: uint256 = convert(
            extract32(manifest, expressions_at + c.EXPRESSION_BYTES * i - 30), uint256
        )
        target: uint256 = (row >> 8) & c.M8
        ops: uint256 = row & c.M8
        assert ops >= 1 and ops <= c.MAX_EXPRESSION_OPS, "gate: ops not 1 to 64"
        total += ops
        assert total <= shape.ops, "gate: more ops than declared"
        if target != c.GUARD_TARGET:
            assert target < shape.fields, "gate: no such target"
            assert (left >> (8 * target)) & fields.UNSET != 0, "gate: target not to be computed"
            left ^= fields.UNSET << (8 * target)

        depth: uint256 = 0
        word: uint256 = 0
        for j: uint256 in range(ops, bound=c.MAX_EXPRESSION_OPS):
            if j % OPS_A_WORD == 0:
                # the next sixteen ops or fewer, from the word that ends with them
                take: uint256 = min(OPS_A_WORD, ops - j)
                at += c.OP_BYTES * take
                word = convert(extract32(manifest, at - 32), uint256) << (256 - 16 * take)
            code: uint256 = word >> 248
            operand: uint256 = (word >> 240) & c.M8
            word = word << 16

            takes: uint256 = self._count_operands(code)
            if code == OP_CONST:
                assert operand < shape.constants, "gate: no such constant"
            elif code == OP_OLD or code == OP_NEW:
                assert operand < shape.fields, "gate: no such field"
                assert (left >> (8 * operand)) & fields.READABLE != 0, "gate: string in an expression"
            else:
                assert operand == 0, "gate: operand not 0"
            assert depth >= takes, "gate: stack underflow"
            depth = depth - takes + 1
            assert depth <= c.MAX_STACK, "gate: stack above 16"
        assert depth == 1, "gate: stack does not end at 1"

    assert total == shape.ops, "gate: fewer ops than declared"
    for i: uint256 in range(shape.fields, bound=c.MAX_FIELDS):
        assert (left >> (8 * i)) & fields.UNSET == 0, "gate: computed field never set"
