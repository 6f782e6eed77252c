"""Reads a GGUF file's own bytes: metadata and the place of every tensor, nothing converted.

Total: any byte string ends in a `GgufFile` or in `Invalid`, and no count read from the file is
trusted before it is compared with the bytes that are left. Words of this module: a *tensor* is a
named matrix in the file, its *row* the quantised blocks of one output lane, a *block* the weights
that are packed together.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from oyez.protocol.errors import Invalid

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MAX_TENSORS = 65_536
MAX_PAIRS = 4_096
MAX_ALIGNMENT = 65_536
DEFAULT_ALIGNMENT = 32

#: GGUF value type => struct code, for the fixed-size ones.
_SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
_STRING, _ARRAY = 8, 9
#: A string's length.
_LENGTH = struct.Struct("<Q")

#: A metadata value: integers, floats, bools, bytes (strings, not decoded) or a tuple of these.
MetadataValue = int | float | bool | bytes | tuple[int | float | bool | bytes, ...]


class BlockType(IntEnum):
    """GGML's codes of the row formats this engine reads; also the codes in the model tree."""

    F32 = 0
    F16 = 1
    Q4_0 = 2
    Q4_1 = 3
    Q5_0 = 6
    Q5_1 = 7
    Q8_0 = 8
    Q4_K = 12
    Q5_K = 13
    Q6_K = 14


#: Row format => (weights a block, bytes a block).
BLOCK_LAYOUT = {
    BlockType.F32: (1, 4),
    BlockType.F16: (1, 2),
    BlockType.Q4_0: (32, 18),
    BlockType.Q4_1: (32, 20),
    BlockType.Q5_0: (32, 22),
    BlockType.Q5_1: (32, 24),
    BlockType.Q8_0: (32, 34),
    BlockType.Q4_K: (256, 144),
    BlockType.Q5_K: (256, 176),
    BlockType.Q6_K: (256, 210),
}

#: GGML's names of the row formats it has and this engine does not read.
OTHER_FORMATS = {
    9: "Q8_1",
    10: "Q2_K",
    11: "Q3_K",
    15: "Q8_K",
    16: "IQ2_XXS",
    17: "IQ2_XS",
    18: "IQ3_XXS",
    19: "IQ1_S",
    20: "IQ4_NL",
    21: "IQ3_S",
    22: "IQ2_S",
    23: "IQ4_XS",
    24: "I8",
    25: "I16",
    26: "I32",
    27: "I64",
    28: "F64",
    29: "IQ1_M",
    30: "BF16",
    34: "TQ1_0",
    35: "TQ2_0",
    39: "MXFP4",
}


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor's place in the file.

    Attributes:
        rows: number of rows; 1 for a vector.
        columns: weights in a row.
        row_bytes: bytes of one row; row i begins at `offset + i * row_bytes`.
        offset: from the file's first byte.
    """

    name: str
    type: BlockType
    rows: int
    columns: int
    row_bytes: int
    offset: int


@dataclass(frozen=True, slots=True)
class GgufFile:
    """A parsed file; `data` is the whole file, mapped."""

    metadata: Mapping[str, MetadataValue]
    tensors: Mapping[str, Tensor]
    data: memoryview


def open_gguf(path: Path) -> GgufFile:
    """Map a file and parse it.

    Raises:
        Invalid: the file is not there, not GGUF, cut short or of a kind this engine cannot run.
    """
    return parse_gguf(map_file(path))


def map_file(path: Path) -> memoryview:
    """Map a whole model file; what is not read of it takes no memory.

    Raises:
        Invalid: the file is not there or empty.
    """
    try:
        with path.open("rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:
        raise Invalid(
            "MODEL-1", f"cannot read the model file {path}: {error}; fix the path"
        ) from error


def parse_gguf(data: memoryview) -> GgufFile:
    """Parse a whole file's bytes.

    Rule: MODEL-1

    Raises:
        Invalid: MODEL-1 for bytes that are not a whole GGUF file, MODEL-2 for row formats.
    """
    reader = _Reader(data)
    if reader.take(4) != MAGIC:
        raise Invalid("MODEL-1", "the model file does not begin with GGUF; download it again")
    version = reader.number("I")
    if version not in VERSIONS:
        raise Invalid("MODEL-1", f"GGUF version {version} is not supported; use a version 3 file")
    tensor_count, pair_count = reader.number("Q"), reader.number("Q")
    if tensor_count > MAX_TENSORS or pair_count > MAX_PAIRS:
        raise Invalid("MODEL-1", "the model file's counts are absurd; download it again")
    metadata: dict[str, MetadataValue] = {}
    for _ in range(pair_count):
        key = reader.text("a metadata key")
        if key in metadata:
            raise Invalid("MODEL-1", f"the model file states {key} twice; use another file")
        metadata[key] = reader.value(reader.number("I"))
    heads = [reader.tensor_head() for _ in range(tensor_count)]
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or not 0 < alignment <= MAX_ALIGNMENT:
        raise Invalid("MODEL-1", "general.alignment is not a usable number; use another file")
    start = -(-reader.position // alignment) * alignment
    tensors: dict[str, Tensor] = {}
    for name, code, dimensions, offset in heads:
        if name in tensors:
            raise Invalid("MODEL-1", f"the model file holds tensor {name} twice; use another file")
        tensors[name] = _place_tensor(name, code, dimensions, start + offset, len(data))
    return GgufFile(metadata, tensors, data)


def _place_tensor(name: str, code: int, dimensions: list[int], offset: int, size: int) -> Tensor:
    """Check one tensor's format and extent.

    Rule: MODEL-2
    """
    if code not in BLOCK_LAYOUT:
        known = ", ".join(kind.name for kind in BlockType)
        raise Invalid(
            "MODEL-2",
            f"tensor {name} has the format {OTHER_FORMATS.get(code, f'number {code}')}; this "
            f"engine reads {known}: quantise the model to one of them, say Q4_1",
        )
    kind = BlockType(code)
    weights, block_bytes = BLOCK_LAYOUT[kind]
    columns = dimensions[0]
    rows = dimensions[1] if len(dimensions) == 2 else 1
    if len(dimensions) > 2 or columns == 0 or rows == 0 or columns % weights:
        raise Invalid(
            "MODEL-2",
            f"tensor {name} has the shape {dimensions}, and {kind.name} wants two dimensions and "
            f"rows of a multiple of {weights}; use another model",
        )
    row_bytes = columns // weights * block_bytes
    if offset + rows * row_bytes > size:
        raise Invalid(
            "MODEL-1",
            f"the model file ends inside tensor {name}: it is cut short; download it again",
        )
    return Tensor(name, kind, rows, columns, row_bytes, offset)


class _Reader:
    """A cursor over the file that never reads past its end."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.position = 0

    def take(self, count: int) -> memoryview:
        """Return the next bytes and step over them."""
        self._require(count)
        begin = self.position
        self.position += count
        return self.data[begin : self.position]

    def number(self, code: str) -> int:
        """Return one little-endian integer."""
        value = struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0]
        return int(value)

    def string(self) -> bytes:
        """Return one length-prefixed string, undecoded."""
        return bytes(self.take(self.number("Q")))

    def text(self, what: str) -> str:
        """Return one string that must be UTF-8."""
        raw = self.string()
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise Invalid("MODEL-1", f"{what} is not UTF-8; use another model file") from error

    def value(self, kind: int) -> MetadataValue:
        """Return one metadata value of a GGUF value type."""
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            return self._array(self.number("I"), self.number("Q"))
        code = _SCALARS.get(kind)
        if code is None:
            raise Invalid("MODEL-1", f"unknown metadata type {kind}; the file is damaged")
        value: int | float | bool = struct.unpack(
            "<" + code, self.take(struct.calcsize("<" + code))
        )[0]
        return value

    def tensor_head(self) -> tuple[str, int, list[int], int]:
        """Return a tensor's name, type code, dimensions (columns first) and relative offset."""
        name = self.text("a tensor's name")
        count = self.number("I")
        if not 1 <= count <= 4:
            raise Invalid("MODEL-1", f"tensor {name} has {count} dimensions; the file is damaged")
        dimensions = [self.number("Q") for _ in range(count)]
        while len(dimensions) > 1 and dimensions[-1] == 1:
            dimensions.pop()
        return name, self.number("I"), dimensions, self.number("Q")

    def _array(self, kind: int, count: int) -> tuple[int | float | bool | bytes, ...]:
        """Return an array of scalars or strings; arrays of arrays are refused."""
        if kind == _STRING:
            self._require(8 * count)
            return self._strings(count)
        code = _SCALARS.get(kind)
        if code is None:
            raise Invalid("MODEL-1", f"unknown array type {kind}; the file is damaged")
        size = struct.calcsize("<" + code)
        self._require(size * count)
        return struct.unpack(f"<{count}{code}", self.take(size * count))

    def _strings(self, count: int) -> tuple[bytes, ...]:
        """Return a list of strings: `string` for each, without its calls."""
        data, at, size = self.data, self.position, len(self.data)
        read, found = _LENGTH.unpack_from, []
        for _ in range(count):
            begin = at + _LENGTH.size
            if begin > size:
                break
            at = begin + read(data, at)[0]
            if at > size:
                break
            found.append(data[begin:at].tobytes())
        else:
            self.position = at
            return tuple(found)
        return tuple(self.string() for _ in range(count))  # says where it is cut short

    def _require(self, count: int) -> None:
        left = len(self.data) - self.position
        if count > left:
            raise Invalid(
                "MODEL-1",
                f"the model file ends {count - left} bytes early: it is cut short; "
                "download it again",
            )
