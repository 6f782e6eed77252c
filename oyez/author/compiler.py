"""Compiles an action's YAML to canonical manifest bytes.

What is wrong is said with line, column and a fix; what is right parses on chain as it does here:
the bytes pass `parse_manifest` before they are returned. docs/guides/manifest-yaml.md is the
format's description.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from oyez.author import cautions, expression_compile, fields_text, prompt_text
from oyez.author.expression_compile import BOOLEAN, kind_of
from oyez.author.expression_text import ExpressionError
from oyez.author.reading import (
    Section,
    read_choice,
    read_integer,
    read_list,
    read_string,
    read_temperature,
    read_text,
)
from oyez.author.tokenizer import AuthorModel
from oyez.author.yaml_tree import Document, InvalidYaml, MapNode, Mark, Node, parse_yaml
from oyez.protocol import constants as c
from oyez.protocol.errors import Invalid
from oyez.protocol.manifest import build_constants, encode_manifest, parse_manifest
from oyez.protocol.manifest_layout import SLOT_POSITIONS, compute_json_bytes
from oyez.protocol.types import (
    ZERO_HASH,
    CellKind,
    Expression,
    Field,
    Hash32,
    Manifest,
    SeedRule,
    Segment,
    SegmentKind,
)

_KEYS = (
    "name",
    "description",
    "model",
    "upgrade",
    "cell",
    "prompt",
    "state",
    "writes",
    "compute",
    "guards",
    "limits",
    "sampling",
)
_MAX_NAME_BYTES = 64
_MAX_DESCRIPTION_BYTES = 1_000
_MAX_CONSTANTS = 255
_CELLS = {
    "shared": CellKind.SHARED,
    "per_caller": CellKind.PER_CALLER,
    "named": CellKind.NAMED,
}
_SEED = re.compile(r"0x[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class Compiled:
    """What a YAML file compiles to.

    Attributes:
        manifest: as parsed from `data`.
        data: the canonical bytes to publish.
        warnings: what is allowed but probably not meant, each with line and column.
    """

    manifest: Manifest
    data: bytes
    warnings: tuple[str, ...]


def compile_yaml(text: str, *, model: AuthorModel) -> Compiled:
    """Compile an action's YAML.

    Raises:
        InvalidYaml: with line, column and what to write instead; nothing else, whatever the text.
    """
    document = parse_yaml(text)
    top = Section(document.root, "the file", _KEYS)
    try:
        draft = _read_manifest(document, top, model)
        data = encode_manifest(draft)
        manifest = parse_manifest(data, model.limits)
    except InvalidYaml:
        raise
    except Invalid as error:
        raise _place(error, top) from error
    return Compiled(
        manifest, data, tuple(cautions.iterate_cautions(top, manifest, model.vocabulary))
    )


def _place(error: Invalid, top: Section) -> InvalidYaml:
    """Return a bound that only the protocol knows, at the part of the file it is about.

    Rule: AUTHOR-12
    """
    part = {
        "MANIFEST-17": "state",
        "MANIFEST-25": "state",
        "MANIFEST-26": "prompt",
        "MANIFEST-8": "prompt",
        "AUTHOR-8": "prompt",
        "TOKENS-2": "prompt",
        "TOKENS-4": "prompt",
    }.get(error.rule)
    mark = Mark(1, 1, 0) if part is None else top.get_mark(part)
    return InvalidYaml(error.rule, mark, error.what)


def _read_manifest(document: Document, top: Section, model: AuthorModel) -> Manifest:
    """Return the manifest that the file describes; sizes and hash are not filled in."""
    missing = model.limits.missing
    name = read_string(
        document,
        top.require("name", "ballot"),
        "'name'",
        missing=missing,
        least=1,
        most=_MAX_NAME_BYTES,
    )
    description = b""
    node = top.get("description")
    if node is not None:
        description = read_string(
            document, node, "'description'", missing=missing, least=0, most=_MAX_DESCRIPTION_BYTES
        )
    state = top.require("state", "{count: {type: integer, low: 0, high: 100, initial: 0}}")
    written = top.require("writes", "[field]")
    writes = read_list(written, "'writes'", c.MAX_FIELDS)
    if not writes:
        raise InvalidYaml(
            "AUTHOR-11", written.mark, "the model writes no field: name at least one in 'writes'"
        )
    roles = fields_text.read_roles(state, writes, _get_compute(top))
    fields = fields_text.read_fields(document, state, roles, missing)
    max_input, output_tokens = _read_limits(top)
    prompt = top.require("prompt", '{turn: "{input}{output}"}')
    segments = prompt_text.read_segments(document, prompt, fields, max_input, model)
    expressions, constants = _read_expressions(document, top, fields)
    temperature, seed_rule, seed = _read_sampling(top)
    return Manifest(
        model=read_integer(top.require("model", "0"), "'model'", 0, (1 << 16) - 1),
        cell_kind=_CELLS[read_choice(top.require("cell", "shared"), "'cell'", tuple(_CELLS))],
        upgrade_delay=_read_upgrade(top.require("upgrade", "immutable")),
        temperature=temperature,
        seed_rule=seed_rule,
        seed=seed,
        max_input=max_input,
        output_tokens=output_tokens,
        fixed_positions=_compute_fixed(top, fields, segments, output_tokens),
        fields=fields,
        segments=segments,
        constants=constants,
        expressions=expressions,
        name=name,
        description=description,
        state_bytes=0,
        output_bytes=0,
        hash=ZERO_HASH,
    )


def _get_compute(top: Section) -> MapNode | None:
    """Return the mapping from computed fields to expressions, None if there is none."""
    node = top.get("compute")
    if node is None or isinstance(node, MapNode):
        return node
    raise InvalidYaml(
        "AUTHOR-3", node.mark, "'compute' is a mapping: write lines 'field: expression' below it"
    )


def _read_upgrade(node: Node) -> int:
    """Return the upgrade delay in seconds; all ones means never."""
    if read_text(node, "'upgrade'").value == "immutable":
        return c.UPGRADE_IMMUTABLE
    return read_integer(
        node, "'upgrade' (immutable, or a delay in seconds)", 0, c.UPGRADE_IMMUTABLE - 1
    )


def _read_limits(top: Section) -> tuple[int, int]:
    """Return the most input bytes and the most output tokens."""
    node = top.require("limits", "{input_bytes: 256, output_tokens: 32}")
    section = Section(node, "'limits'", ("input_bytes", "output_tokens"))
    return (
        read_integer(section.require("input_bytes", "256"), "'input_bytes'", 0, c.MAX_INPUT_BYTES),
        read_integer(
            section.require("output_tokens", "32"), "'output_tokens'", 1, c.MAX_FIXED_POSITIONS
        ),
    )


def _read_sampling(top: Section) -> tuple[int, SeedRule, Hash32]:
    """Return the temperature in Q16, the seed rule and the seed."""
    node = top.get("sampling")
    if node is None:
        return 0, SeedRule.BATCH, ZERO_HASH
    section = Section(node, "'sampling'", ("temperature", "seed"))
    written = section.get("temperature")
    temperature = 0 if written is None else read_temperature(written)
    seed = section.get("seed")
    if seed is None or read_text(seed, "'seed'").value == "batch":
        return temperature, SeedRule.BATCH, ZERO_HASH
    text = read_text(seed, "'seed'")
    if not _SEED.match(text.value):
        raise InvalidYaml(
            "AUTHOR-4", seed.mark, "'seed' is 'batch', or 0x and 64 lower-case hex digits"
        )
    return temperature, SeedRule.CONSTANT, Hash32(bytes.fromhex(text.value[2:]))


def _read_expressions(
    document: Document, top: Section, fields: Sequence[Field]
) -> tuple[tuple[Expression, ...], tuple[int, ...]]:
    """Return all expressions, computes first, and the manifest's constants."""
    targets: list[tuple[int | None, Node]] = []
    compute = _get_compute(top)
    names = [field.name.decode() for field in fields]
    if compute is not None:
        targets += [(names.index(name), node) for name, (_, node) in compute.entries.items()]
    guards = top.get("guards")
    if guards is not None:
        targets += [(None, node) for node in read_list(guards, "'guards'", c.MAX_EXPRESSIONS)]
    if len(targets) > c.MAX_EXPRESSIONS:
        raise InvalidYaml(
            "AUTHOR-7", targets[-1][1].mark, f"{len(targets)} expressions, at most 32: join some"
        )
    compiled = []
    for target, node in targets:
        text = read_text(node, "an expression")
        wanted = BOOLEAN if target is None else kind_of(fields[target])
        try:
            ops = expression_compile.compile_expression(text.value, fields, wanted)
        except ExpressionError as error:
            raise InvalidYaml(
                "AUTHOR-7", document.locate(text, error.offset), error.what
            ) from error
        compiled.append((target, ops))
    values = [v for _, ops in compiled for v in expression_compile.list_constants(ops)]
    constants = build_constants(fields, values)
    if len(constants) > _MAX_CONSTANTS:
        raise InvalidYaml(
            "AUTHOR-7",
            top.get_mark("state"),
            f"{len(constants)} different numbers in all, at most 255: let fields share some",
        )
    expressions = tuple(
        Expression(target, expression_compile.place_constants(ops, constants))
        for target, ops in compiled
    )
    return expressions, constants


def _compute_fixed(
    top: Section, fields: Sequence[Field], segments: Sequence[Segment], output_tokens: int
) -> int:
    """Return the fewest positions that hold everything but the input.

    Rule: AUTHOR-13
    """
    literals = sum(len(segment.tokens) for segment in segments)
    if literals > c.MAX_LITERAL_TOKENS:
        raise InvalidYaml(
            "AUTHOR-13",
            top.get_mark("prompt"),
            f"the prompt's own text makes {literals} tokens, at most 1,536: drop some examples",
        )
    sizes = SLOT_POSITIONS | {SegmentKind.STATE: compute_json_bytes(fields)}
    slots = sum(sizes.get(segment.kind, 0) for segment in segments)
    fixed = literals + slots + output_tokens
    if fixed > c.MAX_FIXED_POSITIONS:
        raise InvalidYaml(
            "AUTHOR-13",
            top.get_mark("prompt"),
            f"{literals} literal tokens, slots of up to {slots} and {output_tokens} output tokens "
            f"are {fixed} positions, at most 2,046: shorten the prompt or the state",
        )
    return fixed
