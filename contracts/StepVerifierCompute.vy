# pragma version 0.4.3
"""
@title StepVerifierCompute
@notice Steps that compute: each op of an expression, what failed, the merged values, and an output's
        record. Twin of oyez/protocol/step_expressions.py and step_compute.py: it opens what is read there,
        in that order.
"""
from contracts import constants as c
from contracts.interfaces import IStepOfModel
from contracts.interfaces import IStepVerifier
from contracts.modules import expression_ops as ops
from contracts.modules import frame
from contracts.modules import lanes
from contracts.modules import openings
from contracts.modules import output_layout as layout
from contracts.modules import output_reads as reads
from contracts.modules import output_record as record
from contracts.modules import published
from contracts.modules import published_expressions as expressions
from contracts.modules import step_model

implements: IStepOfModel
implements: IStepVerifier

initializes: step_model
initializes: openings[step_model := step_model]
initializes: frame[step_model := step_model, openings := openings]
initializes: published[step_model := step_model]
initializes: reads[published := published]
initializes: record[frame := frame]
exports: step_model.model

MAX_OPENINGS: constant(uint256) = 5
OP_LEAVES: constant(uint256) = c.MAX_EXPRESSION_OPS // c.CHUNK_WORDS
FAIL_EXPRESSIONS: constant(uint256) = c.INT32_PER_CHUNK // c.MAX_EXPRESSION_OPS


# Neither rows nor preimages are read. A leaf more than is read is decoded, to be refused by name.
struct Proof:
    leaves: DynArray[IStepVerifier.Opening, MAX_OPENINGS]
    rows: DynArray[uint256, 1]
    hint: uint256
    preimages: DynArray[uint256, 1]


# An op that was run, if there is one of its place; no result is NOTHING.
struct Run:
    wanted: uint256
    is_there: bool
    result: int256
    operands: uint256
    taken: uint256


@deploy
def __init__(model: address):
    """
    @param model StepModel.
    """
    step_model.__init__(model)


@view
@external
def recompute(
    step: IStepVerifier.Step,
    raw: Bytes[c.CHUNK_BYTES],
    proof: Bytes[c.MAX_STEP_PROOF_BYTES],
) -> int256:
    """
    @notice One lane.
    @param step Where it stands.
    @param raw Its own leaf.
    @param proof What the step reads.
    @return The number, PAD if the leaf is dead.
    """
    opened: Proof = abi_decode(proof, Proof, unwrap_tuple=False)
    assert len(opened.rows) == 0, "step: no row of an output"
    assert len(opened.preimages) == 0, "step: no preimage of an output"
    given: reads.Given = empty(reads.Given)
    for k: uint256 in range(reads.MAX_READS):
        given.x.append(opened.leaves[k].data if k < len(opened.leaves) else b"")
    found: reads.Found = empty(reads.Found)
    if step.op == layout.OP_OP:
        found = self._op(step, raw, given)
    elif step.op == layout.FAIL_OP:
        found = self._fail(step, raw, given)
    elif step.op == layout.VERDICT_OP:
        found = self._verdict(step, raw, given)
    elif step.op == layout.MERGED_OP:
        found = self._merged(step, given)
    elif step.op == layout.HEAD_OP:
        found = record._head(step, raw, given)
    elif step.op == layout.VALUES_OP:
        found = record._values(step, given)
    else:
        assert step.op == layout.TEXT_OP, "step: no computing"
        found = record._text(step, given)

    openings._check(step, opened.leaves, frame._list(found.wanted))
    return found.answer


# --- OPS ---


@internal
@view
def _op(step: IStepVerifier.Step, raw: Bytes[c.CHUNK_BYTES], given: reads.Given) -> reads.Found:
    """
    @dev The result of an op, 0 if it has none.
         # rule: FRAME-61
    """
    leaf: uint256 = step.leaf - layout.OP
    number: uint256 = (leaf % OP_LEAVES) * c.CHUNK_WORDS + step.lane
    r: Run = self._run(step, raw, given, leaf // OP_LEAVES, number)
    if not r.is_there:
        return reads.Found(wanted=r.wanted, answer=lanes.PAD if step.lane == 0 else 0)
    return reads.Found(wanted=r.wanted, answer=0 if r.result == ops.NOTHING else r.result)


@internal
@view
def _fail(step: IStepVerifier.Step, raw: Bytes[c.CHUNK_BYTES], given: reads.Given) -> reads.Found:
    """
    @dev 1 if an op, or one that it takes from, has no result; else 0.
         # rule: FRAME-62
    """
    part: uint256 = step.lane // c.MAX_EXPRESSION_OPS
    rank: uint256 = FAIL_EXPRESSIONS * (step.leaf - layout.FAIL) + part
    r: Run = self._run(step, raw, given, rank, step.lane % c.MAX_EXPRESSION_OPS)
    f: reads.Found = reads.Found(wanted=r.wanted, answer=0)
    if not r.is_there:
        f.answer = lanes.PAD if step.lane == 0 else frame.FILLER
        return f
    if r.result == ops.NOTHING:
        f.answer = 1
    for i: uint256 in range(r.operands, bound=3):
        lane: uint256 = part * c.MAX_EXPRESSION_OPS + ((r.taken >> (8 * i)) & c.M8)
        if lanes._read(raw, c.CHUNK_INT32, lane) == 1:
            f.answer = 1
    return f


@internal
@view
def _run(
    step: IStepVerifier.Step,
    raw: Bytes[c.CHUNK_BYTES],
    given: reads.Given,
    rank: uint256,
    number: uint256,
) -> Run:
    """
    @dev Run an op of the expression of that rank.
    """
    r: Run = empty(Run)
    is_dead: bool = False
    r.wanted, is_dead = self._gate(step, given)
    if is_dead:
        return r
    k: uint256 = 0
    r.wanted, k = reads._ask(r.wanted, reads._entry(step.record))
    p: published.Published = reads._manifest(given.x[k])
    if p.pointer == empty(address):
        return r
    e: expressions.Expression = expressions._find(p, rank)
    if number >= e.ops:
        return r
    r.is_there = True
    op: expressions.Op = expressions._op(p, e, number)
    r.operands = op.operands
    r.taken = op.taken
    if op.code == ops.OP_CONST:
        r.result = published._constant(
            p.pointer, c.HEADER_BYTES + c.CONSTANT_BYTES * op.operand
        )
    elif op.code == ops.OP_OLD or op.code == ops.OP_NEW:
        field: expressions.Field = expressions._field(p, op.operand)
        is_new: bool = op.code == ops.OP_NEW
        before: uint256 = c.MAX_EXPRESSIONS
        before_ops: uint256 = 0
        if is_new and field.role == c.ROLE_COMPUTE:
            before, before_ops = expressions._find_rank(p, op.operand)
        if before < rank:
            r.wanted, r.result = self._read_op(
                r.wanted, step, raw, given, before, before_ops - 1
            )
            return r
        item: uint256 = reads._met(step.record)
        if is_new and field.role == c.ROLE_WRITES:
            item = frame._leaf(0, layout.WRITTEN, c.CHUNK_BYTES32)
        r.wanted, k = reads._ask(r.wanted, item)
        if len(given.x[k]) > 0:
            r.result = lanes._read(given.x[k], c.CHUNK_BYTES32, op.operand)
            if field.type == c.TYPE_ENUM:
                at: int256 = 0
                r.wanted, at = self._spelt(r.wanted, given, op.operand)
                r.result = expressions._to_number(p, field, at, r.result)
    elif op.operands == 0:
        at: uint256 = layout.CALLER
        if op.code == ops.OP_VALUE:
            at = layout.VALUE
        elif op.code == ops.OP_TIME:
            at = layout.TIMESTAMP
        r.result = lanes._read(given.x[k], c.CHUNK_BYTES32, at)
        if r.result < 0:
            # from 2**255 on
            r.result = ops.NOTHING
    else:
        values: int256[3] = empty(int256[3])
        for i: uint256 in range(op.operands, bound=3):
            deeper: uint256 = 8 * (op.operands - 1 - i)
            r.wanted, values[i] = self._read_op(
                r.wanted, step, raw, given, rank, (op.taken >> deeper) & c.M8
            )
        r.result = ops._apply(op.code, values[0], values[1], values[2])
    return r


@internal
@view
def _verdict(step: IStepVerifier.Step, raw: Bytes[c.CHUNK_BYTES], given: reads.Given) -> reads.Found:
    """
    @dev The first expression so far that failed, or the first guard that does not hold.
         # rule: FRAME-65
         # rule: EXPR-6
    """
    f: reads.Found = reads.Found(wanted=0, answer=frame.FILLER)
    if step.lane > layout.FALSE_GUARD:
        return f
    is_dead: bool = False
    f.wanted, is_dead = self._gate(step, given)
    f.answer = lanes.PAD
    if is_dead:
        return f
    f.answer = -1
    if step.lane > 1:
        before: int256 = lanes._read(raw, c.CHUNK_INT32, step.lane - 2)
        if before >= 0:
            f.answer = before
            return f
    k: uint256 = 0
    f.wanted, k = reads._ask(f.wanted, reads._entry(step.record))
    p: published.Published = reads._manifest(given.x[k])
    if p.pointer == empty(address):
        return f
    rank: uint256 = step.lane // 2
    e: expressions.Expression = expressions._find(p, rank)
    if e.ops == 0:
        return f
    is_guard: bool = e.target == c.GUARD_TARGET
    result: int256 = 0
    is_met: bool = False
    if step.lane % 2 == 1:
        if is_guard:
            f.wanted, result = self._read_op(f.wanted, step, raw, given, rank, e.ops - 1)
            is_met = result == 0
    else:
        leaf: uint256 = layout.FAIL + rank // FAIL_EXPRESSIONS
        f.wanted, k = reads._ask(f.wanted, frame._leaf(0, leaf, c.CHUNK_INT32))
        lane: uint256 = c.MAX_EXPRESSION_OPS * (rank % FAIL_EXPRESSIONS) + e.ops - 1
        is_met = frame._int32(given.x[k], lane) == 1
        if not is_met and not is_guard:
            f.wanted, result = self._read_op(f.wanted, step, raw, given, rank, e.ops - 1)
            field: expressions.Field = expressions._field(p, e.target)
            is_met = result < field.low or result > field.high
    if is_met:
        f.answer = convert(e.index, int256)
    return f


@internal
@view
def _merged(step: IStepVerifier.Step, given: reads.Given) -> reads.Found:
    """
    @dev The value word of a field after the output is merged.
         # rule: FRAME-66
    """
    f: reads.Found = reads.Found(wanted=0, answer=lanes.PAD)
    is_dead: bool = False
    f.wanted, is_dead = self._gate(step, given)
    if is_dead:
        return f
    f.answer = 0
    k: uint256 = 0
    f.wanted, k = reads._ask(f.wanted, reads._entry(step.record))
    p: published.Published = reads._manifest(given.x[k])
    if p.pointer == empty(address) or step.lane >= (p.header >> 88) & c.M8:
        return f
    field: expressions.Field = expressions._field(p, step.lane)
    if field.role == c.ROLE_COMPUTE:
        rank: uint256 = 0
        count: uint256 = 0
        rank, count = expressions._find_rank(p, step.lane)
        number: int256 = 0
        f.wanted, number = self._read_op(f.wanted, step, b"", given, rank, count - 1)
        if number >= field.low and number <= field.high:
            f.answer = number
            if field.type == c.TYPE_ENUM:
                at: int256 = 0
                f.wanted, at = self._spelt(f.wanted, given, step.lane)
                f.answer = expressions._to_word(p, field, at, number)
        return f
    item: uint256 = reads._met(step.record)
    if field.role == c.ROLE_WRITES:
        item = frame._leaf(0, layout.WRITTEN, c.CHUNK_BYTES32)
    f.wanted, k = reads._ask(f.wanted, item)
    if len(given.x[k]) > 0:
        f.answer = lanes._read(given.x[k], c.CHUNK_BYTES32, step.lane)
    return f


# --- WHAT IS READ ---


@internal
@view
def _gate(step: IStepVerifier.Step, given: reads.Given) -> (uint256, bool):
    """
    @dev At lane 0 `written` is wanted, and the leaf dead if that is.
         # rule: FRAME-60
    """
    if step.lane > 0:
        return 0, False
    return frame._leaf(0, layout.WRITTEN, c.CHUNK_BYTES32), len(given.x[0]) == 0


@internal
@pure
def _spelt(wanted: uint256, given: reads.Given, field: uint256) -> (uint256, int256):
    """
    @dev Where a field's options are said to be spelt.
    """
    w: uint256 = 0
    k: uint256 = 0
    w, k = reads._ask(wanted, frame._leaf(0, layout.PLACE, c.CHUNK_INT32))
    return w, frame._int32(given.x[k], layout.SPELT + field)


@internal
@view
def _read_op(
    wanted: uint256,
    step: IStepVerifier.Step,
    raw: Bytes[c.CHUNK_BYTES],
    given: reads.Given,
    rank: uint256,
    number: uint256,
) -> (uint256, int256):
    """
    @dev The result of an op that ran before, 0 where none stands.
    """
    leaf: uint256 = layout.OP + rank * OP_LEAVES + number // c.CHUNK_WORDS
    lane: uint256 = number % c.CHUNK_WORDS
    if step.op == layout.OP_OP and leaf == step.leaf:
        return wanted, lanes._read(raw, c.CHUNK_BYTES32, lane)
    w: uint256 = 0
    k: uint256 = 0
    w, k = reads._ask(wanted, frame._leaf(0, leaf, c.CHUNK_BYTES32))
    if len(given.x[k]) == 0:
        return w, 0
    return w, lanes._read(given.x[k], c.CHUNK_BYTES32, lane)
