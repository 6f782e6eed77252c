"""Turns a GGUF file into a model: checked shapes, matrices as views, norm weights as integers.

Words: *heads* are query heads, *kv_heads* the key and value heads they share, *head_size* their
lanes; *format* is Q, the number of fractional bits of a fixed-point lane.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from oyez.engines.exact import blocks, tables
from oyez.engines.exact.blocks import Matrix
from oyez.engines.exact.gguf import BlockType, GgufFile, MetadataValue, Tensor
from oyez.protocol.constants import POSITION_BITS, SLOT_BITS
from oyez.protocol.errors import Invalid

RECORD_CHUNKS = 16
MAX_HEAD_SIZE = 256
MAX_COLUMNS = 1 << 16
SAT_NORM = 32_767
MAX_NORM_EXPONENT = 24
MAX_FORMAT = 15


@dataclass(frozen=True, slots=True)
class Norm:
    """A norm's weights: int32 [width] of at most 32,767, real value times 2**exponent."""

    weights: NDArray[np.int32]
    exponent: int


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer; the formats hold for q and k after rotation, and v."""

    attn_norm: Norm
    q: Matrix
    k: Matrix
    v: Matrix
    output: Matrix
    ffn_norm: Norm
    gate: Matrix
    up: Matrix
    down: Matrix
    q_format: int
    k_format: int
    v_format: int

    @property
    def matrices(self) -> tuple[Matrix, ...]:
        """The seven matrices in the model tree's order."""
        return (self.q, self.k, self.v, self.output, self.gate, self.up, self.down)


@dataclass(frozen=True, slots=True)
class Model:
    """Everything a forward pass reads.

    Attributes:
        epsilon: round(eps * 2**44), at least 1.
        context: positions the model may use, and rows of the rotation tables.
        head: the output matrix; the embedding itself when `tied`.
        cosines, sines: int16 [context, head_size / 2], Q14.
    """

    width: int
    feed_forward: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    context: int
    epsilon: int
    score_scale: int
    embedding: Matrix
    layers: tuple[Layer, ...]
    output_norm: Norm
    head: Matrix
    tied: bool
    cosines: NDArray[np.int16]
    sines: NDArray[np.int16]

    @property
    def bound(self) -> int:
        """The largest partial sum of any lane of any matrix, units of 2**-24."""
        inner = max(matrix.bound for layer in self.layers for matrix in layer.matrices)
        return max(inner, self.head.bound)


def load_model(file: GgufFile) -> Model:
    """Check a parsed file and build its model.

    Rule: MODEL-6

    Raises:
        Invalid: another architecture, an absent entry or tensor, shapes that disagree, a value
            that is no number, a bound that is broken. Each message names the fix.
    """
    if file.metadata.get("general.architecture") != b"llama":
        raise Invalid("MODEL-6", "the model is not of the llama architecture; use one that is")
    scaling = file.metadata.get("llama.rope.scaling.type", b"none")
    if scaling != b"none":
        raise Invalid("MODEL-6", f"rope scaling {scaling!r} is not supported; use another model")
    layer_count = _integer(file, "llama.block_count", 1, (1 << SLOT_BITS) - 1)
    width = _integer(file, "llama.embedding_length", 32, MAX_COLUMNS)
    feed_forward = _integer(file, "llama.feed_forward_length", 32, MAX_COLUMNS)
    heads = _integer(file, "llama.attention.head_count", 1, MAX_COLUMNS)
    kv_heads = _integer(file, "llama.attention.head_count_kv", 1, heads, heads)
    head_size = _integer(
        file, "llama.attention.key_length", 2, MAX_HEAD_SIZE, max(width // heads, 1)
    )
    value_size = _integer(file, "llama.attention.value_length", 2, MAX_HEAD_SIZE, head_size)
    rotated = _integer(file, "llama.rope.dimension_count", 2, MAX_HEAD_SIZE, head_size)
    context = min(_integer(file, "llama.context_length", 1, 1 << 31), (1 << POSITION_BITS) - 2)
    _check_shape(width, heads, kv_heads, head_size)
    if {value_size, rotated} != {head_size}:
        raise Invalid("MODEL-7", "key, value and rotated sizes differ; use another model")

    used: set[str] = set()

    def matrix(name: str, rows: int | None, columns: int) -> Matrix:
        used.add(name)
        return _load_matrix(file, name, rows, columns)

    def norm(name: str) -> Norm:
        used.add(name)
        return _load_norm(file, name, width)

    embedding = matrix("token_embd.weight", None, width)
    tied = "output.weight" not in file.tensors
    head = embedding if tied else matrix("output.weight", embedding.rows, width)
    queries, keys = heads * head_size, kv_heads * head_size
    shapes = {
        "attn_q": (queries, width),
        "attn_k": (keys, width),
        "attn_v": (keys, width),
        "attn_output": (width, queries),
        "ffn_gate": (feed_forward, width),
        "ffn_up": (feed_forward, width),
        "ffn_down": (width, feed_forward),
    }
    layers = []
    for index in range(layer_count):
        named = {part: matrix(f"blk.{index}.{part}.weight", *shapes[part]) for part in shapes}
        attn_norm = norm(f"blk.{index}.attn_norm.weight")
        layers.append(
            Layer(
                attn_norm=attn_norm,
                q=named["attn_q"],
                k=named["attn_k"],
                v=named["attn_v"],
                output=named["attn_output"],
                ffn_norm=norm(f"blk.{index}.ffn_norm.weight"),
                gate=named["ffn_gate"],
                up=named["ffn_up"],
                down=named["ffn_down"],
                q_format=compute_format(named["attn_q"], attn_norm, pairs=True),
                k_format=compute_format(named["attn_k"], attn_norm, pairs=True),
                v_format=compute_format(named["attn_v"], attn_norm, pairs=False),
            )
        )
    output_norm = norm("output_norm.weight")
    unknown = sorted(set(file.tensors) - used)
    if unknown:
        raise Invalid("MODEL-7", f"tensor {unknown[0]} has no place here; use another model")
    cosines, sines = tables.compute_rope_tables(
        _positive(file, "llama.rope.freq_base", Fraction(2), Fraction(1 << 40), Fraction(10_000)),
        head_size,
        context,
    )
    epsilon = _positive(
        file, "llama.attention.layer_norm_rms_epsilon", Fraction(1, 1 << 44), Fraction(1)
    )
    return Model(
        width=width,
        feed_forward=feed_forward,
        heads=heads,
        kv_heads=kv_heads,
        head_size=head_size,
        vocabulary=embedding.rows,
        context=context,
        epsilon=math.floor(epsilon * (1 << 44) + Fraction(1, 2)),
        score_scale=tables.compute_score_scale(head_size),
        embedding=embedding,
        layers=tuple(layers),
        output_norm=output_norm,
        head=head,
        tied=tied,
        cosines=cosines,
        sines=sines,
    )


def compute_format(matrix: Matrix, norm: Norm, *, pairs: bool) -> int:
    """Return the Q of a layer's q, k or v that no input can saturate.

    Rule: ENGINE-9

    A normed vector is at most sqrt(width) long, so a lane is at most sqrt(width) times its
    row's norm (for q and k the norm of both rows that rotate together); 1.002 covers the
    rounding of the vector. Products weight * norm weight are rounded up to 24 bits of the
    largest, so that the squares add up in int64.

    Raises:
        Invalid: the lanes may exceed 32,767 in absolute value.
    """
    largest, products = 0, np.abs(blocks.decode_weights(matrix, matrix.data))
    products *= np.abs(norm.weights.astype(np.int64))
    largest = int(products.max())
    shift = max(0, largest.bit_length() - 24)
    scaled = -(-products >> shift)
    squares = np.einsum("ij,ij->i", scaled, scaled)
    if pairs:
        squares = squares[0::2] + squares[1::2]
    longest = int(squares.max())
    # 2**Q * 1.002 * sqrt(width * longest) * 2**(shift - 24 - exponent) <= 32,767, squared.
    limit = Fraction(32_767 * 1000, 1002) ** 2
    unit = Fraction(2) ** (2 * (shift - 24 - norm.exponent))
    for bits in range(MAX_FORMAT, -1, -1):
        if (1 << 2 * bits) * matrix.columns * longest * unit <= limit:
            return bits
    raise Invalid("ENGINE-9", f"the lanes of {matrix.name} may leave 16 bits; use another model")


def _check_shape(width: int, heads: int, kv_heads: int, head_size: int) -> None:
    """Check what the kernels and the trace records need of a shape.

    Rule: MODEL-7
    """
    if heads % kv_heads or head_size % 4:
        raise Invalid("MODEL-7", "the head counts or size disagree; use another model")
    chunks = -(-width // 256) + -(-2 * kv_heads * head_size // 512)
    if chunks > RECORD_CHUNKS:
        raise Invalid(
            "MODEL-7",
            f"a layer record takes {chunks} chunks of {RECORD_CHUNKS}; use a smaller model",
        )


def _load_matrix(file: GgufFile, name: str, rows: int | None, columns: int) -> Matrix:
    """Return a matrix as a view of the file; `rows` None takes the file's."""
    tensor = _tensor(file, name)
    if tensor.type is BlockType.F32:
        raise Invalid("MODEL-7", f"tensor {name} is F32; convert the model to F16 or quantise it")
    if tensor.columns != columns or rows not in (None, tensor.rows):
        raise Invalid(
            "MODEL-7",
            f"tensor {name} is {tensor.rows} x {tensor.columns}, the metadata asks for "
            f"{tensor.rows if rows is None else rows} x {columns}; use another model file",
        )
    data = _view(file, tensor)
    bound = blocks.compute_row_bound(name, tensor.type, data)
    return Matrix(name, tensor.type, tensor.rows, tensor.columns, data, bound)


def _load_norm(file: GgufFile, name: str, width: int) -> Norm:
    """Return a norm's weights as integers with one power of two.

    Rule: MODEL-8

    w = sat16(round half up(real * 2**e)), e = 15 - ceil(log2 max |real|), clamped to 0 to 24.
    """
    tensor = _tensor(file, name)
    if tensor.type is not BlockType.F32 or (tensor.rows, tensor.columns) != (1, width):
        raise Invalid("MODEL-7", f"tensor {name} is no vector of {width} floats; use another model")
    real = _view(file, tensor).reshape(-1).view("<f4").astype(np.float64)
    if not np.isfinite(real).all() or np.abs(real).max() > SAT_NORM:
        raise Invalid(
            "MODEL-3",
            f"tensor {name} has an infinite, undefined or absurd weight; use another file",
        )
    mantissa, power = math.frexp(float(np.abs(real).max()))  # max = mantissa * 2**power, exactly
    ceiling = power - 1 if mantissa == 0.5 else power
    exponent = MAX_NORM_EXPONENT if mantissa == 0 else min(max(15 - ceiling, 0), MAX_NORM_EXPONENT)
    # Exact in float64: a float32 has 24 bits, and the scale is a power of two.
    rounded = np.floor(np.ldexp(real, exponent) + 0.5)
    return Norm(np.clip(rounded, -SAT_NORM, SAT_NORM).astype(np.int32), exponent)


def _tensor(file: GgufFile, name: str) -> Tensor:
    tensor = file.tensors.get(name)
    if tensor is None:
        raise Invalid("MODEL-7", f"the model file has no tensor {name}; use another model file")
    return tensor


def _view(file: GgufFile, tensor: Tensor) -> NDArray[np.uint8]:
    """Return a tensor's rows, uint8 [rows, bytes of a row], without copying."""
    count = tensor.rows * tensor.row_bytes
    whole = np.frombuffer(file.data, np.uint8, count, tensor.offset)
    return whole.reshape(tensor.rows, tensor.row_bytes)


def _integer(file: GgufFile, key: str, low: int, high: int, default: int | None = None) -> int:
    """Return an integer of the metadata within [low, high]."""
    value: MetadataValue | None = file.metadata.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise Invalid(
            "MODEL-6", f"{key} is {value!r}, not an integer from {low} to {high}; use another model"
        )
    return value


def _positive(
    file: GgufFile, key: str, low: Fraction, high: Fraction, default: Fraction | None = None
) -> Fraction:
    """Return a float of the metadata, exactly, within [low, high]."""
    value = file.metadata.get(key, default)
    if isinstance(value, float) and math.isfinite(value):
        value = Fraction(value)
    if not isinstance(value, Fraction) or not low <= value <= high:
        raise Invalid("MODEL-6", f"{key} is {value!r}, outside its range; use another model")
    return value
