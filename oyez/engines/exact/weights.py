"""Turns a GGUF file into a model: matrices as views, norm weights as integers, pinned tables.

Words: *format* is Q, the number of fractional bits of a fixed-point lane; `shape` has the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from oyez.engines.exact import blocks, shape, tables
from oyez.engines.exact.blocks import Matrix
from oyez.engines.exact.gguf import GgufFile, Tensor
from oyez.engines.exact.shape import Shape
from oyez.protocol.errors import Invalid

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

    Raises:
        Invalid: see `shape.read_shape`; or a value that is no number, a bound that is broken.
            Each message names the fix.
    """
    sizes = shape.read_shape(file)
    matrices = {name: _load_matrix(file, name) for name, _, _ in sizes.list_matrices()}
    output_norm = _load_norm(file, shape.OUTPUT_NORM)
    layers = tuple(_load_layer(file, matrices, index) for index in range(sizes.layers))
    cosines, sines = tables.compute_rope_tables(
        sizes.rope_base, sizes.head_size, sizes.context, _load_rope_divisors(file, sizes)
    )
    embedding = matrices[shape.EMBEDDING]
    return Model(
        width=sizes.width,
        feed_forward=sizes.feed_forward,
        heads=sizes.heads,
        kv_heads=sizes.kv_heads,
        head_size=sizes.head_size,
        vocabulary=sizes.vocabulary,
        context=sizes.context,
        epsilon=math.floor(sizes.epsilon * (1 << 44) + Fraction(1, 2)),
        score_scale=tables.compute_score_scale(sizes.head_size),
        embedding=embedding,
        layers=layers,
        output_norm=output_norm,
        head=embedding if sizes.tied else matrices[shape.HEAD],
        tied=sizes.tied,
        cosines=cosines,
        sines=sines,
    )


def _load_layer(file: GgufFile, matrices: dict[str, Matrix], index: int) -> Layer:
    """Return one layer."""
    q, k, v, output, gate, up, down = (
        matrices[shape.name_part(index, part)] for part in shape.MATRICES
    )
    attn_norm, ffn_norm = (_load_norm(file, shape.name_part(index, part)) for part in shape.NORMS)
    return Layer(
        attn_norm=attn_norm,
        q=q,
        k=k,
        v=v,
        output=output,
        ffn_norm=ffn_norm,
        gate=gate,
        up=up,
        down=down,
        q_format=compute_format(q, attn_norm, pairs=True),
        k_format=compute_format(k, attn_norm, pairs=True),
        v_format=compute_format(v, attn_norm, pairs=False),
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


def _load_matrix(file: GgufFile, name: str) -> Matrix:
    """Return a matrix as a view of the file."""
    tensor = shape.get_tensor(file, name)
    data = _view(file, tensor)
    bound = blocks.compute_row_bound(name, tensor.type, data)
    return Matrix(name, tensor.type, tensor.rows, tensor.columns, data, bound)


def _load_rope_divisors(file: GgufFile, sizes: Shape) -> list[Fraction]:
    """Return what the angle of each pair of lanes is divided by, exactly.

    Rule: MODEL-21

    Raises:
        Invalid: a factor of the file is not a number from 1 to 2**16.
    """
    if not sizes.rope_factors:
        return [sizes.rope_scale] * (sizes.head_size // 2)
    real = _read_floats(file, shape.ROPE_FACTORS)
    if not ((real >= 1) & (real <= shape.MAX_ROPE_DIVISOR)).all():
        raise Invalid(
            "MODEL-21",
            f"tensor {shape.ROPE_FACTORS} has a factor outside 1 to {shape.MAX_ROPE_DIVISOR}; use "
            "another model",
        )
    return [Fraction(float(factor)) * sizes.rope_scale for factor in real]


def _load_norm(file: GgufFile, name: str) -> Norm:
    """Return a norm's weights as integers with one power of two.

    Rule: MODEL-8

    w = sat16(round half up(real * 2**e)), e = 15 - ceil(log2 max |real|), clamped to 0 to 24.
    """
    real = _read_floats(file, name)
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


def _read_floats(file: GgufFile, name: str) -> NDArray[np.float64]:
    """Return a vector of binary32 numbers, exactly."""
    data = _view(file, shape.get_tensor(file, name))
    return data.reshape(-1).view("<f4").astype(np.float64)


def _view(file: GgufFile, tensor: Tensor) -> NDArray[np.uint8]:
    """Return a tensor's rows, uint8 [rows, bytes of a row], without copying."""
    count = tensor.rows * tensor.row_bytes
    whole = np.frombuffer(file.data, np.uint8, count, tensor.offset)
    return whole.reshape(tensor.rows, tensor.row_bytes)
