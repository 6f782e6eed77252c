# pragma version 0.4.3
"""
@title StepVerifierRows
@notice Steps that multiply whole rows of the model's matrices, and the rotation of what they give.
"""
from contracts import constants as c
from contracts.interfaces import IStepOfModel
from contracts.interfaces import IStepVerifier
from contracts.modules import lanes
from contracts.modules import openings
from contracts.modules import reads
from contracts.modules import row_plans
from contracts.modules import row_steps
from contracts.modules import rows
from contracts.modules import step_model

implements: IStepOfModel
implements: IStepVerifier

initializes: step_model
initializes: openings[step_model := step_model]
initializes: row_steps[step_model := step_model]
initializes: row_plans[step_model := step_model, row_steps := row_steps]
exports: step_model.model

MAX_ROW: constant(uint256) = row_plans.MAX_ROW
# behind its header and before the zeros that fill its last piece
BUFFER: constant(uint256) = 32 + MAX_ROW + row_steps.TAIL


struct Row:
    data: Bytes[MAX_ROW]
    siblings: DynArray[bytes32, c.MAX_STEP_SIBLINGS]


struct Proof:
    leaves: DynArray[IStepVerifier.Opening, row_plans.MAX_READS]
    rows: DynArray[Row, 1]
    hint: uint256


@deploy
def __init__(model: address):
    """
    @custom:rule INNER-17
    @param model StepModel.
    """
    step_model.__init__(model)
    row_steps._check_type(step_model.EMBEDDING_TYPE, step_model.WIDTH)
    row_steps._check_type(step_model.HEAD_TYPE, step_model.WIDTH)
    for layer: uint256 in range(step_model.LAYER_COUNT, bound=c.MAX_LAYERS):
        for matrix: uint256 in range(step_model.LAYER_TENSORS):
            columns: uint256 = step_model.WIDTH
            parts: uint256 = 0
            if matrix == row_steps.ATTN_OUTPUT:
                columns = row_steps._queries()
                parts = row_steps._attention_parts()
            elif matrix == row_steps.FFN_DOWN:
                columns = step_model.FEED_FORWARD
                parts = row_steps._down_parts()
            # wide ones are multiplied in parts, elsewhere
            if parts == 0:
                row_steps._check_type(row_steps._type(layer, matrix), columns)


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
    @param raw Its own leaf, of which it needs nothing.
    @param proof What the step reads.
    @return The number, PAD if the leaf is dead.
    """
    given: Proof = abi_decode(proof, Proof, unwrap_tuple=False)
    plan: row_plans.Plan = row_plans._plan(step)
    living: uint256 = row_steps._living(given.leaves)
    openings._check(step, given.leaves, row_plans._list(plan, living))
    is_dead: bool = living < len(given.leaves)
    if plan.how == row_plans.WEIGHT and not is_dead:
        token: int256 = lanes._read(given.leaves[0].data, c.CHUNK_INT32, 0)
        is_dead = token < 0 or token >= convert(step_model.TOKEN_COUNT, int256)
        if not is_dead:
            plan.row = convert(token, uint256)
    if plan.how == row_plans.ROTATED and reads._position(step.record) > step_model.CONTEXT:
        is_dead = True
    row_steps._check_rows(len(given.rows), plan.has_row and not is_dead)
    if plan.how == row_plans.WITHOUT:
        return plan.answer
    if is_dead:
        return lanes.PAD

    buffer: Bytes[BUFFER] = b""
    if plan.has_row:
        row_steps._check_size(len(given.rows[0].data), plan.size)
        header: bytes32 = openings._header(plan.tensor, plan.row, plan.row_type)
        openings._check_row(
            sha256(concat(header, given.rows[0].data)),
            given.rows[0].siblings,
            plan.tensor,
            plan.row,
        )
        zeros: Bytes[row_steps.TAIL] = abi_encode(empty(bytes32[row_steps.TAIL_WORDS]))
        buffer = concat(header, given.rows[0].data, zeros)
    if plan.how == row_plans.ROTATED:
        row: Bytes[32 + row_plans.MAX_ROPE] = slice(buffer, 0, 32 + row_plans.MAX_ROPE)
        return row_plans._rotate(given.leaves[0].data, row, plan.lane, plan.q)

    stride: uint256 = rows._row_bytes(plan.row_type, c.INT16_PER_CHUNK)
    if plan.how == row_plans.WEIGHT:
        k: uint256 = plan.lane >> 9
        return row_plans._weight(
            plan.row_type,
            slice(buffer, unsafe_mul(stride, k), rows.MAX_PIECE),
            plan.lane & 511,
            min(c.INT16_PER_CHUNK, unsafe_sub(plan.columns, k << 9)),
        )
    product: int256 = 0
    if plan.has_row:
        first: uint256 = unsafe_sub(len(given.leaves), plan.run_leaves)
        for k: uint256 in range(plan.run_leaves, bound=row_plans.MAX_RUN):
            part: int256 = rows._multiply(
                plan.row_type,
                given.leaves[unsafe_add(first, k)].data,
                slice(buffer, unsafe_mul(stride, k), rows.MAX_PIECE),
                min(c.INT16_PER_CHUNK, unsafe_sub(plan.columns, k << 9)),
            )
            product = unsafe_add(product, part)
    else:
        product = row_plans._add_parts(given.leaves[2].data, plan.lane, plan.parts)
    if plan.how == row_plans.PRODUCT:
        return row_plans._scale(product, given.leaves[0].data, plan.y, plan.q, plan.limit)
    return row_plans._add(
        lanes._read(given.leaves[1].data, c.CHUNK_INT32, step.lane),
        product,
        plan.y,
        given.leaves[0].data,
        row_steps._ceil(plan.columns, c.INT32_PER_CHUNK),
    )
