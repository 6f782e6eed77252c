"""Reads a model's shape from a file's metadata and checks every tensor's place against it.

Nothing of the weights is read here: whatever this engine cannot run is refused by its name before
anything is allocated. Words: *heads* are query heads, *kv_heads* the key and value heads they
share, *head_size* their lanes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from oyez.engines.exact import metadata
from oyez.engines.exact.gguf import BlockType, GgufFile, MetadataValue, Tensor
from oyez.protocol.constants import POSITION_BITS
from oyez.protocol.errors import Invalid

MAX_HEAD_SIZE = 256
MAX_COLUMNS = 1 << 16
MAX_VOCABULARY = 1 << 20
MAX_LAYERS = 1 << 10
MAX_ROPE_DIVISOR = 1 << 16

#: What would change the arithmetic => the values that change nothing. Absent is always neutral.
NEUTRAL: dict[str, tuple[MetadataValue, ...]] = {
    "split.count": (0, 1),
    "general.quantization_version": (2,),
    "llama.expert_count": (0,),
    "llama.attention.causal": (True,),
    "llama.attention.clamp_kqv": (0,),
    "llama.attention.max_alibi_bias": (0,),
    "llama.attention.scale": (),
    "llama.attn_logit_softcapping": (0,),
    "llama.final_logit_softcapping": (0,),
    "llama.logit_scale": (1,),
    "llama.embedding_scale": (1,),
    "llama.residual_scale": (1,),
    "llama.use_parallel_residual": (False,),
    "llama.rope.scaling.attn_factor": (1,),
}

#: A layer's matrices in the model tree's order, and its norms.
MATRICES = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
NORMS = ("attn_norm", "ffn_norm")
EMBEDDING, HEAD, OUTPUT_NORM = "token_embd.weight", "output.weight", "output_norm.weight"
ROPE_FACTORS = "rope_freqs.weight"


@dataclass(frozen=True, slots=True)
class Shape:
    """A model's sizes and scalars, as its file states them.

    Attributes:
        context: positions the model may use.
        tied: the embedding is the output matrix too.
        epsilon: of the norms, exactly.
        rope_base: base of the rotation's angles, exactly.
        rope_scale: what every angle is divided by (linear scaling), exactly.
        rope_factors: the file has a tensor of divisors, one for each pair of lanes.
    """

    layers: int
    width: int
    feed_forward: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    context: int
    tied: bool
    epsilon: Fraction
    rope_base: Fraction
    rope_scale: Fraction
    rope_factors: bool

    def list_matrices(self) -> Iterator[tuple[str, int, int]]:
        """Yield every matrix's name, rows and columns."""
        queries, keys = self.heads * self.head_size, self.kv_heads * self.head_size
        yield EMBEDDING, self.vocabulary, self.width
        if not self.tied:
            yield HEAD, self.vocabulary, self.width
        sizes = {
            "attn_q": (queries, self.width),
            "attn_k": (keys, self.width),
            "attn_v": (keys, self.width),
            "attn_output": (self.width, queries),
            "ffn_gate": (self.feed_forward, self.width),
            "ffn_up": (self.feed_forward, self.width),
            "ffn_down": (self.width, self.feed_forward),
        }
        for layer in range(self.layers):
            for part in MATRICES:
                yield (name_part(layer, part), *sizes[part])

    def list_vectors(self) -> Iterator[tuple[str, int]]:
        """Yield every vector's name and size."""
        for layer in range(self.layers):
            for part in NORMS:
                yield name_part(layer, part), self.width
        yield OUTPUT_NORM, self.width
        if self.rope_factors:
            yield ROPE_FACTORS, self.head_size // 2


def name_part(layer: int, part: str) -> str:
    """Return the name of a layer's tensor."""
    return f"blk.{layer}.{part}.weight"


def read_shape(file: GgufFile) -> Shape:
    """Read the metadata and check the file's tensors against it.

    Rule: MODEL-6

    Raises:
        Invalid: what is absent, not supported or disagrees, and the fix.
    """
    architecture = file.metadata.get("general.architecture")
    if architecture != b"llama":
        raise Invalid(
            "MODEL-6",
            f"the model's architecture is {metadata.show(architecture)}; this engine runs the "
            "llama architecture: use a model of it",
        )
    _refuse_variants(file)
    layers = metadata.get_integer(file, "llama.block_count", 1, MAX_LAYERS)
    width = metadata.get_integer(file, "llama.embedding_length", 1, MAX_COLUMNS)
    heads = metadata.get_integer(file, "llama.attention.head_count", 1, MAX_COLUMNS)
    head_size = metadata.get_integer(
        file, "llama.attention.key_length", 2, MAX_HEAD_SIZE, max(width // heads, 1)
    )
    embedding = get_tensor(file, EMBEDDING)
    shape = Shape(
        layers=layers,
        width=width,
        feed_forward=metadata.get_integer(file, "llama.feed_forward_length", 1, MAX_COLUMNS),
        heads=heads,
        kv_heads=metadata.get_integer(file, "llama.attention.head_count_kv", 1, heads, heads),
        head_size=head_size,
        vocabulary=embedding.rows,
        context=min(
            metadata.get_integer(file, "llama.context_length", 1, 1 << 40), (1 << POSITION_BITS) - 2
        ),
        tied=HEAD not in file.tensors,
        epsilon=metadata.get_number(
            file, "llama.attention.layer_norm_rms_epsilon", Fraction(1, 1 << 44), Fraction(1)
        ),
        rope_base=metadata.get_number(
            file, "llama.rope.freq_base", Fraction(2), Fraction(1 << 40), Fraction(10_000)
        ),
        rope_scale=_read_rope_scale(file),
        rope_factors=ROPE_FACTORS in file.tensors,
    )
    for key in ("llama.attention.value_length", "llama.rope.dimension_count"):
        size = metadata.get_integer(file, key, 1, MAX_HEAD_SIZE, head_size)
        if size != head_size:
            raise Invalid(
                "MODEL-7",
                f"{key} is {size} and the heads have {head_size} lanes: key, value and rotated "
                "sizes must be one; use another model",
            )
    stated = metadata.get_integer(file, "llama.vocab_size", 1, 1 << 40, shape.vocabulary)
    if stated != shape.vocabulary:
        raise Invalid(
            "MODEL-7",
            f"llama.vocab_size is {stated} and {EMBEDDING} has {shape.vocabulary} rows; use "
            "another model file",
        )
    _check_sizes(shape)
    _check_window(file, shape)
    _check_tensors(file, shape)
    return shape


def _refuse_variants(file: GgufFile) -> None:
    """Refuse whatever changes the arithmetic of a llama model.

    Rule: MODEL-19
    """
    if file.metadata.get("general.type", b"model") != b"model":
        kind = metadata.show(file.metadata["general.type"])
        raise Invalid("MODEL-19", f"the file holds a {kind}, not a model; use the model's file")
    for key, neutral in NEUTRAL.items():
        value = file.metadata.get(key)
        if value is not None and value not in neutral:
            raise Invalid(
                "MODEL-19",
                f"{key} is {metadata.show(value)}, which is not supported; use another model",
            )


def _read_rope_scale(file: GgufFile) -> Fraction:
    """Return what all angles are divided by: 1 without scaling.

    Rule: MODEL-20

    As llama.cpp reads it: the factor counts unless the type is "none", and 0 means none.
    """
    kind = file.metadata.get("llama.rope.scaling.type", b"linear")
    if kind not in (b"none", b"linear"):
        raise Invalid(
            "MODEL-20",
            f"rope scaling {metadata.show(kind)} is not supported, only none, linear and llama3's "
            f"factors ({ROPE_FACTORS}); use another model",
        )
    for key in ("llama.rope.scaling.factor", "llama.rope.scale_linear"):
        if kind == b"linear" and file.metadata.get(key, 0) != 0:
            return metadata.get_number(file, key, Fraction(1), Fraction(MAX_ROPE_DIVISOR))
    return Fraction(1)


def _check_sizes(shape: Shape) -> None:
    """Check what the kernels need of a shape.

    Rule: MODEL-7
    """
    if shape.heads % shape.kv_heads:
        raise Invalid(
            "MODEL-7",
            f"{shape.heads} heads cannot share {shape.kv_heads} key-value heads; use another model",
        )
    if shape.head_size % 4:
        raise Invalid(
            "MODEL-7",
            f"heads of {shape.head_size} lanes are not supported, only multiples of 4 up to "
            f"{MAX_HEAD_SIZE}; use another model",
        )
    if shape.heads * shape.head_size > MAX_COLUMNS or shape.vocabulary > MAX_VOCABULARY:
        raise Invalid(
            "MODEL-7",
            f"{shape.heads} heads of {shape.head_size} lanes or {shape.vocabulary} tokens are more "
            f"than {MAX_COLUMNS} lanes or {MAX_VOCABULARY} tokens; use a smaller model",
        )


def _check_window(file: GgufFile, shape: Shape) -> None:
    """Refuse a sliding window that would hide a position."""
    key = "llama.attention.sliding_window"
    window = metadata.get_integer(file, key, 0, 1 << 40, 0)
    if 0 < window < shape.context:
        raise Invalid(
            "MODEL-19",
            f"{key} is {window}, shorter than the context of {shape.context}: sliding windows are "
            "not supported; use another model",
        )


def _check_tensors(file: GgufFile, shape: Shape) -> None:
    """Check that the file has the shape's tensors and no other."""
    known = set()
    for name, rows, columns in shape.list_matrices():
        tensor = get_tensor(file, name)
        if tensor.type is BlockType.F32:
            raise Invalid(
                "MODEL-7", f"tensor {name} is F32; convert the model to F16 or quantise it"
            )
        if (tensor.rows, tensor.columns) != (rows, columns):
            raise Invalid(
                "MODEL-7",
                f"tensor {name} is {tensor.rows} x {tensor.columns}, the metadata asks for "
                f"{rows} x {columns}; use another model file",
            )
        known.add(name)
    for name, size in shape.list_vectors():
        tensor = get_tensor(file, name)
        if tensor.type is not BlockType.F32 or (tensor.rows, tensor.columns) != (1, size):
            raise Invalid(
                "MODEL-7", f"tensor {name} is no vector of {size} F32 numbers; use another model"
            )
        known.add(name)
    unknown = sorted(set(file.tensors) - known)
    if unknown:
        raise Invalid(
            "MODEL-7",
            f"tensor {metadata.show(unknown[0].encode())} has no place in a llama model here "
            "(biases, experts and merged matrices have none); use another model",
        )


def get_tensor(file: GgufFile, name: str) -> Tensor:
    """Return a tensor by name.

    Raises:
        Invalid: the file has none of that name.
    """
    tensor = file.tensors.get(name)
    if tensor is None:
        raise Invalid("MODEL-7", f"the model file has no tensor {name}; use another model file")
    return tensor
