"""The canonical manifest: total parser and encoder of an action's published bytes.

`parse_manifest` accepts and refuses exactly what `publish` does on chain (ManifestGate.vy), so
whatever the chain stored can be parsed. Layout and bounds: docs/spec/manifest.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from oyez.protocol import codec
from oyez.protocol import constants as c
from oyez.protocol.errors import Invalid
from oyez.protocol.manifest_encode import build_constants, encode_manifest
from oyez.protocol.manifest_expressions import read_expressions
from oyez.protocol.manifest_fields import Cursor, FieldsReader, TextPool, verify_text
from oyez.protocol.manifest_layout import (
    HEADER_LAYOUT,
    SLOT_POSITIONS,
    ModelLimits,
    compute_json_bytes,
    compute_output_bytes,
)
from oyez.protocol.types import (
    CellKind,
    Field,
    Hash32,
    Manifest,
    SeedRule,
    Segment,
    SegmentKind,
)

__all__ = ["ModelLimits", "build_constants", "encode_manifest", "parse_manifest"]


def parse_manifest(data: bytes, limits: ModelLimits) -> Manifest:
    """Parse canonical manifest bytes; every bound holds for what is returned.

    Rule: MANIFEST-1

    Args:
        data: any bytes.
        limits: of the model the manifest names.

    Raises:
        Invalid: the MANIFEST rule that is broken; nothing else, whatever the bytes.
    """
    if len(data) > c.MAX_MANIFEST_BYTES:
        raise Invalid("MANIFEST-1", f"a manifest has at most 12,288 bytes, not {len(data)}")
    cursor = Cursor(data)
    header = _read_header(cursor.number(32))
    seed = Hash32(cursor.take(32))
    _verify_header(header, seed)
    constants = tuple(
        int.from_bytes(cursor.take(32), "big", signed=True) for _ in range(header["constants"])
    )
    text = cursor.take(header["text_bytes"])
    verify_text(text, limits.missing)
    pool = TextPool(text)
    options = Cursor(data, cursor.at + 16 * header["fields"])
    reader = FieldsReader(fields=cursor, options=options, text=pool, constants=constants)
    fields = tuple(reader.read() for _ in range(header["fields"]))
    name = pool.cut(header["name_length"])
    description = pool.rest()
    segments = _read_segments(options, header, limits)
    expressions = read_expressions(
        options,
        fields=fields,
        constants=len(constants),
        expressions=header["expressions"],
        ops=header["ops"],
    )
    if options.at != len(data):
        raise Invalid("MANIFEST-1", f"{len(data) - options.at} bytes follow the last section")
    state_bytes, output_bytes = _compute_sizes(fields)
    _verify_fixed(header, segments, state_bytes, limits)
    return Manifest(
        model=header["model"],
        cell_kind=CellKind(header["cell_kind"]),
        upgrade_delay=header["upgrade_delay"],
        temperature=header["temperature"],
        seed_rule=SeedRule(header["seed_rule"]),
        seed=seed,
        max_input=header["max_input"],
        output_tokens=header["output_tokens"],
        fixed_positions=header["fixed_positions"],
        fields=fields,
        segments=segments,
        constants=constants,
        expressions=expressions,
        name=name,
        description=description,
        state_bytes=state_bytes,
        output_bytes=output_bytes,
        hash=codec.keccak(data),
    )


def _read_header(word: int) -> dict[str, int]:
    """Return the parts of header word 0 by name; any temperature of 32 bits is one.

    Rules: MANIFEST-2, MANIFEST-5

    Raises:
        Invalid: MANIFEST-2 unless the version is 1.
    """
    header: dict[str, int] = {}
    shift = 256
    for name, bits in HEADER_LAYOUT:
        shift -= bits
        header[name] = (word >> shift) & ((1 << bits) - 1)
    if header["version"] != c.MANIFEST_VERSION:
        raise Invalid("MANIFEST-2", f"version {header['version']} is not 1, the only one so far")
    return header


def _verify_header(header: dict[str, int], seed: bytes) -> None:
    """Check the header's parts that bind nothing else.

    Rules: MANIFEST-3, MANIFEST-4, MANIFEST-6, MANIFEST-7, MANIFEST-8
    """
    if not 1 <= header["cell_kind"] <= 3:
        raise Invalid("MANIFEST-3", f"cell kind {header['cell_kind']} is not 1, 2 or 3")
    if header["seed_rule"] > 1:
        raise Invalid("MANIFEST-4", f"seed rule {header['seed_rule']} is neither 0 nor 1")
    if header["seed_rule"] == SeedRule.BATCH and seed != bytes(32):
        raise Invalid("MANIFEST-4", "the seed is 0 when it comes from the batch")
    if header["effects"] != 0:
        raise Invalid("MANIFEST-6", "effects are not built yet: there are none")
    if header["max_input"] > c.MAX_INPUT_BYTES:
        raise Invalid("MANIFEST-7", f"max input {header['max_input']} exceeds 1,024 bytes")
    if header["output_tokens"] < 1:
        raise Invalid("MANIFEST-7", "there is at least one output token")
    bounds = (
        ("fields", 1, c.MAX_FIELDS),
        ("segments", 0, c.MAX_SEGMENTS),
        ("literal_tokens", 0, c.MAX_LITERAL_TOKENS),
        ("expressions", 0, c.MAX_EXPRESSIONS),
    )
    for name, least, most in bounds:
        if not least <= header[name] <= most:
            raise Invalid(
                "MANIFEST-8", f"{name.replace('_', ' ')}: {header[name]}, not {least} to {most}"
            )


def _read_segments(
    cursor: Cursor, header: dict[str, int], limits: ModelLimits
) -> tuple[Segment, ...]:
    """Parse SEGMENTS and LITERALS.

    Rule: MANIFEST-19
    """
    kinds: list[SegmentKind] = []
    lengths: list[int] = []
    for index in range(header["segments"]):
        kind, tokens = cursor.number(1), cursor.number(2)
        if kind > SegmentKind.TIME:
            raise Invalid("MANIFEST-19", f"segment {index} has the unknown kind {kind}")
        if kind == SegmentKind.LITERAL:
            if tokens == 0:
                raise Invalid("MANIFEST-19", f"segment {index} is an empty literal")
            if kinds and kinds[-1] is SegmentKind.LITERAL:
                raise Invalid("MANIFEST-19", f"segment {index} is a literal after a literal")
        elif tokens != 0:
            raise Invalid("MANIFEST-19", f"segment {index} is a slot: it has no tokens of its own")
        elif kind in kinds:
            raise Invalid("MANIFEST-19", f"segment {index} repeats a slot")
        kinds.append(SegmentKind(kind))
        lengths.append(tokens)
    if sum(lengths) != header["literal_tokens"]:
        raise Invalid(
            "MANIFEST-19",
            f"literals have {sum(lengths)} tokens, the header says {header['literal_tokens']}",
        )
    return tuple(
        Segment(kind, _read_literal(cursor, length, limits.vocabulary))
        for kind, length in zip(kinds, lengths, strict=True)
    )


def _read_literal(cursor: Cursor, length: int, vocabulary: int) -> tuple[int, ...]:
    """Return a literal's token ids, each below the vocabulary.

    Rule: MANIFEST-20
    """
    tokens = tuple(cursor.number(3) for _ in range(length))
    for token in tokens:
        if token >= vocabulary:
            raise Invalid("MANIFEST-20", f"token {token}: the model has {vocabulary}")
    return tokens


def _compute_sizes(fields: Sequence[Field]) -> tuple[int, int]:
    """Return the longest state JSON and output JSON in bytes.

    Rule: MANIFEST-25
    """
    state_bytes = compute_json_bytes(fields)
    if state_bytes > c.MAX_STATE_BYTES:
        raise Invalid("MANIFEST-25", f"the state may take {state_bytes} bytes: at most 4,096")
    output_bytes = compute_output_bytes(fields)
    if output_bytes == 2:
        raise Invalid("MANIFEST-25", "the model writes no field: give one the role `writes`")
    if output_bytes > c.MAX_OUTPUT_BYTES:
        raise Invalid("MANIFEST-25", f"the output may take {output_bytes} bytes: at most 1,024")
    return state_bytes, output_bytes


def _verify_fixed(
    header: dict[str, int], segments: Sequence[Segment], state_bytes: int, limits: ModelLimits
) -> None:
    """Check that the declared positions hold everything but the input.

    Rule: MANIFEST-26
    """
    positions = SLOT_POSITIONS | {SegmentKind.STATE: state_bytes}
    need = header["output_tokens"] + sum(
        len(segment.tokens) + positions.get(segment.kind, 0) for segment in segments
    )
    most = min(c.MAX_FIXED_POSITIONS, limits.context)
    if not need <= header["fixed_positions"] <= most:
        raise Invalid(
            "MANIFEST-26",
            f"fixed positions {header['fixed_positions']} lie outside {need} to {most}: "
            "shorten the prompt, the state or the output",
        )
