# pragma version 0.4.3
"""
@title The expressions of a manifest: computed fields and guards
@notice manifest.md items 15 and 16: every stack is proven to stay between 1 and 16 deep.
"""
from contracts import constants as c
from contracts.modules import manifest_fields as fields
from contracts.modules import manifest_layout as layout

# CONST, 1, is below OLD and has a constant for its operand; OLD and NEW have a field.
OP_OLD: constant(uint256) = 2
OP_CALLER: constant(uint256) = 4
OPS_A_WORD: constant(uint256) = 16
WORDS_A_RUN: constant(uint256) = c.MAX_EXPRESSION_OPS // OPS_A_WORD

# What an op does to the stack's depth, a byte for each code: STEADY + 1 - the values it takes, since
# each op gives one; 0 for an unknown code, which no depth survives. 1 to 6 take none, 8 and 9 (NEG,
# NOT) one, 16 to 29 two, 30 (SELECT) three.
STEADY: constant(uint256) = 31
ONES: constant(uint256) = max_value(uint256) // 255
CHANGES: constant(uint256) = (
    ((ONES >> 208) << 8) * (STEADY + 1)
    + ((ONES >> 240) << 64) * STEADY
    + ((ONES >> 144) << 128) * (STEADY - 1)
    + (1 << 240) * (STEADY - 2)
)


@internal
@pure
def _check(
    manifest: Bytes[c.MAX_MANIFEST_BYTES],
    expressions_at: uint256,
    shape: layout.Layout,
    uses: uint256,
):
    """
    @dev The sections' end <= len is the caller's to check. About 280 gas an op, of which 4 KB can
         hold 1,950: hence no checked sums on depths, which are at most 16 before each op. One that
         would go below 0 wraps to a number far above 16.
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
        rest: uint256 = ops
        for k: uint256 in range(WORDS_A_RUN):
            if rest == 0:
                break
            # the next sixteen ops or fewer, from the word that ends with them
            take: uint256 = min(OPS_A_WORD, rest)
            rest -= take
            at += c.OP_BYTES * take
            word: uint256 = convert(extract32(manifest, at - 32), uint256) << (256 - 16 * take)
            for j: uint256 in range(take, bound=OPS_A_WORD):
                # code 8 | operand 8
                op: uint256 = word >> 240
                word = word << 16
                change: uint256 = (CHANGES >> unsafe_mul(op >> 8, 8)) & c.M8
                depth = unsafe_sub(unsafe_add(depth, change), STEADY)
                if unsafe_sub(depth, 1) >= c.MAX_STACK:
                    assert change != 0, "gate: unknown opcode"
                    assert depth > c.MAX_STACK and depth < STEADY, "gate: stack underflow"
                    raise "gate: stack above 16"
                if op >= OP_CALLER << 8:
                    assert op & c.M8 == 0, "gate: operand not 0"
                elif op < OP_OLD << 8:
                    assert op & c.M8 < shape.constants, "gate: no such constant"
                elif (left >> unsafe_mul(op & c.M8, 8)) & fields.READABLE == 0:
                    # no bits are set for fields that there are not
                    assert op & c.M8 < shape.fields, "gate: no such field"
                    raise "gate: field without a number"
        assert depth == 1, "gate: stack does not end at 1"

    assert total == shape.ops, "gate: fewer ops than declared"
    for i: uint256 in range(shape.fields, bound=c.MAX_FIELDS):
        assert (left >> (8 * i)) & fields.UNSET == 0, "gate: computed field never set"
