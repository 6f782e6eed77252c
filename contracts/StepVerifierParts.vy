# pragma version 0.4.3
"""
@title StepVerifierParts
@notice The step of rows too wide for one: a product of 1,024 columns of a row of ffn_down. Twin of
        down_part in oyez/protocol/step_rows.py: it opens what is read there, in that order.
"""
from contracts import constants as c
from contracts.interfaces import IStepVerifier
from contracts.modules import lanes
from contracts.modules import openings
from contracts.modules import reads
from contracts.modules import row_steps
from contracts.modules import rows
from contracts.modules import step_model

implements: IStepVerifier

initializes: step_model
initializes: openings[step_model := step_model]
initializes: row_steps[step_model := step_model]

# as much as fits a proof: 16,384 columns of Q8_0, 8,704 of F16
MAX_ROW: constant(uint256) = c.MAX_WIDE_ROW_BYTES
BUFFER: constant(uint256) = 32 + MAX_ROW + row_steps.TAIL
MAX_READS: constant(uint256) = 2


struct Row:
    data: Bytes[MAX_ROW]
    siblings: DynArray[bytes32, c.MAX_STEP_SIBLINGS]


struct Proof:
    leaves: DynArray[IStepVerifier.Opening, MAX_READS]
    rows: DynArray[Row, 1]
    hint: uint256


@deploy
def __init__(model: address):
    """
    @custom:rule INNER-17
    @param model StepModel. One whose products have no parts is taken too: no step of it comes here.
    """
    step_model.__init__(model)
    if row_steps._parts() != 0:
        for layer: uint256 in range(step_model.LAYER_COUNT, bound=c.MAX_LAYERS):
            row_steps._check_type(
                row_steps._type(layer, row_steps.FFN_DOWN), step_model.FEED_FORWARD, MAX_ROW
            )


@view
@external
def recompute(
    step: IStepVerifier.Step,
    raw: Bytes[c.CHUNK_BYTES],
    proof: Bytes[c.MAX_STEP_PROOF_BYTES],
) -> int256:
    """
    @notice One word.
    @custom:rule INNER-16
    @param step Where it stands.
    @param raw Its own leaf, of which it needs nothing.
    @param proof What the step reads.
    @return The number, PAD if the leaf is dead.
    """
    assert step.op == row_steps.DOWN_PART, "step: no op of parts"
    given: Proof = abi_decode(proof, Proof, unwrap_tuple=False)
    parts: uint256 = row_steps._parts()
    word: uint256 = step.lane + c.CHUNK_WORDS * (
        step.leaf - row_steps._start(row_steps.DOWN_PART)
    )
    row: uint256 = word // parts
    first: uint256 = c.PART_COLUMNS * (word % parts)
    columns: uint256 = 0
    if row < step_model.WIDTH and first < step_model.FEED_FORWARD:
        columns = min(c.PART_COLUMNS, step_model.FEED_FORWARD - first)
    wanted: openings.Wanted = openings.Wanted(at=[], types=[])
    before: uint256 = first // c.INT16_PER_CHUNK
    leaves: uint256 = row_steps._ceil(columns, c.INT16_PER_CHUNK)
    living: uint256 = row_steps._living(given.leaves)
    for k: uint256 in range(leaves, bound=MAX_READS):
        if k > living:
            break
        wanted.at.append(row_steps._start(row_steps.GATED) + before + k)
        wanted.types.append(c.CHUNK_INT16)
    openings._check(step, given.leaves, wanted)
    is_dead: bool = living < len(given.leaves)
    row_steps._check_rows(len(given.rows), columns != 0 and not is_dead)
    if columns == 0:
        return 0
    if is_dead:
        return lanes.PAD

    layer: uint256 = reads._slot(step.record)
    row_type: uint256 = row_steps._type(layer, row_steps.FFN_DOWN)
    row_steps._check_size(
        len(given.rows[0].data), rows._row_bytes(row_type, step_model.FEED_FORWARD)
    )
    tensor: uint256 = row_steps._matrix(layer, row_steps.FFN_DOWN)
    header: bytes32 = openings._header(tensor, row, row_type)
    openings._check_row(
        sha256(concat(header, given.rows[0].data)), given.rows[0].siblings, tensor, row
    )
    zeros: Bytes[row_steps.TAIL] = abi_encode(empty(bytes32[row_steps.TAIL_WORDS]))
    buffer: Bytes[BUFFER] = concat(header, given.rows[0].data, zeros)
    stride: uint256 = rows._row_bytes(row_type, c.INT16_PER_CHUNK)
    product: int256 = 0
    for k: uint256 in range(leaves, bound=MAX_READS):
        part: int256 = rows._multiply(
            row_type,
            given.leaves[k].data,
            slice(buffer, stride * (before + k), rows.MAX_PIECE),
            min(c.INT16_PER_CHUNK, columns - c.INT16_PER_CHUNK * k),
        )
        product = unsafe_add(product, part)
    return product
