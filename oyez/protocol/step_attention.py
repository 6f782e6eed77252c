"""Steps of attention: scores, their exponentials, sums over all positions, quotients.

The twin of contracts/StepVerifierAttention.vy, which opens exactly what is read here, in order.
Leaf h * 8 + b holds head h's positions 256 b + 1 on, of values 512 b + 1 on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from oyez.protocol import inner
from oyez.protocol.inner import DEAD, POSITIONS
from oyez.protocol.step import Lanes, Op, Step
from oyez.protocol.step_integers import (
    SAT32,
    clip,
    compute_exponential,
    shift_right,
)
from oyez.protocol.step_layer import count_chunks, cut_to_input
from oyez.protocol.trace import (
    INT16_LANES,
    INT32_LANES,
    PAD_INT32,
    WORDS,
    ChunkType,
    compute_outer_index,
)

SCORE_BLOCKS = POSITIONS // INT32_LANES
VALUE_BLOCKS = POSITIONS // INT16_LANES
#: A partial sum is cut to this before use: an honest one is far below.
_PART_LIMIT = 1 << 60


def read_key_value(step: Step, position: int, chunk: int) -> Lanes | None:
    """Read a chunk of keys and values: the record's own lanes, or those of an earlier position.

    Rule: INNER-32
    """
    if position == step.address.position:
        return step.read("key_value", chunk)
    record = compute_outer_index(step.address.call, position, step.address.slot)
    at = count_chunks(step.model.shape) + chunk
    return step.reads.read_outer(record, at, ChunkType.INT16_REVERSED)


def _read_head(read: Callable[[int], Lanes | None], first: int, size: int) -> Sequence[int]:
    """Return lanes that lie in one leaf or in two; nothing if one that is read is dead."""
    found: list[int] = []
    last = first + size
    for leaf in range(first // INT16_LANES, (last - 1) // INT16_LANES + 1):
        lanes = read(leaf)
        if lanes is None:
            return ()
        start = leaf * INT16_LANES
        found += [
            lanes[lane - start] for lane in range(max(first, start), min(last, start + INT16_LANES))
        ]
    return found


def _get_group(step: Step, head: int) -> int:
    """Return the key head that a query head looks at."""
    shape = step.model.shape
    return head * shape.kv_heads // shape.heads


def compute_score(step: Step) -> int:
    """Return the score of a head against a position.

    Rule: INNER-33
    """
    head, block = divmod(step.leaf, SCORE_BLOCKS)
    position = block * INT32_LANES + step.lane + 1
    if position > step.address.position:
        return step.filler
    size, model = step.model.shape.head_size, step.model
    q = _read_head(lambda leaf: step.read("query", leaf), head * size, size)
    if not q:
        return DEAD
    first = _get_group(step, head) * size
    k = _read_head(lambda chunk: read_key_value(step, position, chunk), first, size)
    if not k:
        return DEAD
    formats = model.layers[step.address.slot]
    product = sum(a * b for a, b in zip(q, k, strict=True)) * model.score_scale
    return shift_right(product, 2 + formats.q + formats.k, SAT32)


def _count_block(step: Step, block: int) -> int:
    """Return the positions, up to the record's own, whose lanes stand in a leaf of int32."""
    return min(INT32_LANES, step.address.position - INT32_LANES * block)


def _reduce(name: str, reduce: Callable[[list[int]], int]) -> Op:
    def compute(step: Step) -> int:
        head, block = divmod(step.lane, SCORE_BLOCKS)
        count = _count_block(step, block)
        if head >= step.model.shape.heads or count <= 0:
            return step.filler
        lanes = step.read(name, step.lane)
        return DEAD if lanes is None else reduce([lanes[lane] for lane in range(count)])

    return compute


def find_maximum(step: Step) -> int:
    """Return the largest score of a head in a block of positions.

    Rule: INNER-34
    """
    return _reduce("score", max)(step)


def add_weights(step: Step) -> int:
    """Return the sum of a head's weights in a block of positions.

    Rule: INNER-34
    """
    return _reduce("weight", lambda lanes: clip(sum(lanes), -SAT32, SAT32))(step)


def compute_weight(step: Step) -> int:
    """Return a position's weight under a head, Q16.

    Rule: INNER-35
    """
    head, block = divmod(step.leaf, SCORE_BLOCKS)
    if step.lane >= _count_block(step, block):
        return step.filler
    scores = step.read("score", step.leaf)
    maxima = None if scores is None else step.read("maximum")
    if scores is None or maxima is None:
        return DEAD
    first = head * SCORE_BLOCKS
    largest = max(maxima[lane] for lane in range(first, first + SCORE_BLOCKS))
    distance = max(0, largest - scores[step.lane])
    return shift_right(compute_exponential(distance), 14, SAT32)


def copy_value(step: Step) -> int:
    """Return a value's lane at a position; a dead record has none, whatever came before it.

    Rule: INNER-36
    """
    lane, block = divmod(step.leaf, VALUE_BLOCKS)
    position = block * INT16_LANES + step.lane + 1
    if position > step.address.position:
        return step.filler
    chunk, at = divmod(inner.keys(step.model.shape) + lane, INT16_LANES)
    if step.lane == 0 and step.read("key_value", chunk) is None:
        return DEAD
    lanes = read_key_value(step, position, chunk)
    return DEAD if lanes is None else lanes[at]


def add_part(step: Step) -> int:
    """Return the exact sum of weights times values over 512 positions: a word.

    Rule: INNER-37
    """
    query, block = divmod(step.leaf * WORDS + step.lane, VALUE_BLOCKS)
    count = min(INT16_LANES, step.address.position - INT16_LANES * block)
    if query >= inner.queries(step.model.shape) or count <= 0:
        return 0
    head, lane = divmod(query, step.model.shape.head_size)
    first = head * SCORE_BLOCKS + 2 * block
    weights: list[int] = []
    for leaf in range(first, first + (2 if count > INT32_LANES else 1)):
        lanes = step.read("weight", leaf)
        if lanes is None:
            return step.filler
        weights += [lanes[at] for at in range(min(INT32_LANES, count - len(weights)))]
    row = _get_group(step, head) * step.model.shape.head_size + lane
    values = step.read("value", row * VALUE_BLOCKS + block)
    if values is None:
        return step.filler
    return sum(weight * values[at] for at, weight in enumerate(weights))


def divide_mixed(step: Step) -> int:
    """Return a head's lane: the quotient of two sums over all positions.

    Rule: INNER-38
    """
    lane = step.leaf * INT32_LANES + step.lane
    if lane >= inner.queries(step.model.shape):
        return step.filler
    totals = step.read("total")
    first = VALUE_BLOCKS * lane
    parts = None if totals is None else step.read("part", first // WORDS)
    if totals is None or parts is None:
        return DEAD
    head = lane // step.model.shape.head_size
    blocks = [totals[SCORE_BLOCKS * head + block] for block in range(SCORE_BLOCKS)]
    divisor = max(1, sum(total for total in blocks if total != PAD_INT32))
    words = [parts[first % WORDS + block] for block in range(VALUE_BLOCKS)]
    total = sum(clip(word, -_PART_LIMIT, _PART_LIMIT) for word in words)
    quotient = min(SAT32, ((abs(total) << 8) + divisor // 2) // divisor)
    return quotient if total >= 0 else -quotient


def measure_mixed(step: Step) -> int:
    """Return the bit length of the largest lane of a leaf.

    Rule: INNER-39
    """
    left = inner.queries(step.model.shape) - INT32_LANES * step.lane
    if left <= 0:
        return step.filler
    mixed = step.read("mixed", step.lane)
    if mixed is None:
        return DEAD
    return max(abs(mixed[lane]) for lane in range(min(INT32_LANES, left))).bit_length()


def cut_mixed(step: Step) -> int:
    """Return a lane of the output matrix's input.

    Rule: INNER-39
    """
    lanes = inner.queries(step.model.shape)
    lane = step.leaf * INT16_LANES + step.lane
    if lane >= lanes:
        return step.filler
    mixed = step.read("mixed", lane // INT32_LANES)
    bits = None if mixed is None else step.read("mixed_bits")
    if mixed is None or bits is None:
        return DEAD
    return cut_to_input(mixed[lane % INT32_LANES], bits, lanes)


OPS: Mapping[int, Op] = MappingProxyType(
    {
        7: compute_score,
        8: find_maximum,
        9: compute_weight,
        10: add_weights,
        11: copy_value,
        12: add_part,
        13: divide_mixed,
        14: measure_mixed,
        15: cut_mixed,
    }
)
