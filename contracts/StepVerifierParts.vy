# pragma version 0.4.3
"""
@title StepVerifierParts
@notice The steps of rows too wide for one: a product of 1,024 columns of a row of attn_output or of
        ffn_down. Twin of attention_part and down_part in oyez/protocol/step_rows.py: it opens what is
        read there, in that order.
"""
from contracts import constants as c
from contracts.interfaces import IStepOfModel
from contracts.interfaces import IStepVerifier
from contracts.modules import lanes
from contracts.modules import openings
from contracts.modules import reads
from contracts.modules import row_steps
from contracts.modules import rows
from contracts.modules import step_model

implements: IStepOfModel
implements: IStepVerifier

initializes: step_model
initializes: openings[step_model := step_model]
initializes: row_steps[step_model := step_model]
exports: step_model.model

# a row of 2,048 columns, whatever its type; a part with the hashes of 31 others is shorter
MAX_ROW: constant(uint256) = 2 * c.MAX_DIRECT
BUFFER: constant(uint256) = 32 + MAX_ROW + row_steps.TAIL
MAX_READS: constant(uint256) = 2
HASH: constant(uint256) = 32


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
    for layer: uint256 in range(step_model.LAYER_COUNT, bound=c.MAX_LAYERS):
        if row_steps._attention_parts() != 0:
            row_type: uint256 = row_steps._type(layer, row_steps.ATTN_OUTPUT)
            row_steps._check_type(row_type, row_steps._queries())
        if row_steps._down_parts() != 0:
            row_type: uint256 = row_steps._type(layer, row_steps.FFN_DOWN)
            row_steps._check_type(row_type, step_model.FEED_FORWARD)


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
    given: Proof = abi_decode(proof, Proof, unwrap_tuple=False)
    run: uint256 = row_steps.GATED
    matrix: uint256 = row_steps.FFN_DOWN
    parts: uint256 = row_steps._down_parts()
    width: uint256 = step_model.FEED_FORWARD
    if step.op == row_steps.ATTENTION_PART:
        run = row_steps.ATTENTION
        matrix = row_steps.ATTN_OUTPUT
        parts = row_steps._attention_parts()
        width = row_steps._queries()
    else:
        assert step.op == row_steps.DOWN_PART, "step: no op of parts"
    word: uint256 = step.lane + c.CHUNK_WORDS * (step.leaf - row_steps._start(step.op))
    row: uint256 = word // parts
    first: uint256 = c.PART_COLUMNS * (word % parts)
    columns: uint256 = 0
    if row < step_model.WIDTH and first < width:
        columns = min(c.PART_COLUMNS, width - first)
    wanted: openings.Wanted = openings.Wanted(at=[], types=[])
    before: uint256 = first // c.INT16_PER_CHUNK
    leaves: uint256 = row_steps._ceil(columns, c.INT16_PER_CHUNK)
    living: uint256 = row_steps._living(given.leaves)
    for k: uint256 in range(leaves, bound=MAX_READS):
        if k > living:
            break
        wanted.at.append(row_steps._start(run) + before + k)
        wanted.types.append(c.CHUNK_INT16)
    openings._check(step, given.leaves, wanted)
    is_dead: bool = living < len(given.leaves)
    row_steps._check_rows(len(given.rows), columns != 0 and not is_dead)
    if columns == 0:
        return 0
    if is_dead:
        return lanes.PAD

    layer: uint256 = reads._slot(step.record)
    row_type: uint256 = row_steps._type(layer, matrix)
    tensor: uint256 = row_steps._matrix(layer, matrix)
    header: bytes32 = openings._header(tensor, row, row_type)
    stride: uint256 = rows._row_bytes(row_type, c.INT16_PER_CHUNK)
    # where the part begins in what was opened
    at: uint256 = stride * before
    leaf: bytes32 = empty(bytes32)
    if width <= c.MAX_DIRECT:
        row_steps._check_size(len(given.rows[0].data), rows._row_bytes(row_type, width))
        leaf = sha256(concat(header, given.rows[0].data))
    else:
        count: uint256 = row_steps._ceil(width, c.PART_COLUMNS)
        size: uint256 = rows._row_bytes(row_type, columns)
        at = HASH * (count - 1)
        row_steps._check_size(len(given.rows[0].data), at + size)
        leaf = self._hash_parts(header, given.rows[0].data, count, word % parts, size)
    openings._check_row(leaf, given.rows[0].siblings, tensor, row)
    zeros: Bytes[row_steps.TAIL] = abi_encode(empty(bytes32[row_steps.TAIL_WORDS]))
    buffer: Bytes[BUFFER] = concat(header, given.rows[0].data, zeros)
    product: int256 = 0
    for k: uint256 in range(leaves, bound=MAX_READS):
        part: int256 = rows._multiply(
            row_type,
            given.leaves[k].data,
            slice(buffer, at + stride * k, rows.MAX_PIECE),
            min(c.INT16_PER_CHUNK, columns - c.INT16_PER_CHUNK * k),
        )
        product = unsafe_add(product, part)
    return product


# --- INTERNAL ---


@internal
@pure
def _hash_parts(
    header: bytes32, data: Bytes[MAX_ROW], count: uint256, part: uint256, size: uint256
) -> bytes32:
    """
    @dev The leaf of a row in `count` parts: hashes of all others stand in `data` before the one part,
         which has `size` bytes.
         # rule: MODEL-24, INNER-9
    """
    beside: uint256 = HASH * (count - 1)
    at: uint256 = HASH * part
    return sha256(
        concat(
            convert(convert(header, uint256) | count, bytes32),
            slice(data, 0, at),
            sha256(slice(data, beside, size)),
            slice(data, at, beside - at),
        )
    )
