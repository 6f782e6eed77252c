"""Warnings about a manifest: what is allowed but probably not meant."""

from __future__ import annotations

from collections.abc import Iterator

from oyez.author.reading import Section
from oyez.protocol import constants as c
from oyez.protocol.manifest_layout import compute_output_bytes
from oyez.protocol.types import Field, FieldType, Manifest, Role, SeedRule
from oyez.protocol.vocabulary import Vocabulary

#: Q16: above it even what the model finds absurd has its chance at almost every token.
_HOT = 2 << 16


def iterate_cautions(top: Section, manifest: Manifest, vocabulary: Vocabulary) -> Iterator[str]:
    """Yield a sentence for each, with line and column.

    Rule: AUTHOR-14
    """
    for index in manifest.written:
        field = manifest.fields[index]
        shared = _find_shared_option(field, vocabulary)
        if shared is not None:
            yield (
                f"{top.get_mark('state')}: options of {field.name.decode()!r} begin with the same "
                f"token ({shared}): calibration is not exact; choose words that begin apart"
            )
    positions = manifest.fixed_positions + manifest.max_input
    if positions > c.MAX_FIXED_POSITIONS:
        yield (
            f"{top.get_mark('limits')}: fixed positions and the longest input may take {positions} "
            "positions, more than 2,046: a long input can end in CONTEXT_OVERFLOW; lower "
            "'input_bytes'"
        )
    declared = compute_output_bytes(manifest.fields)
    if manifest.output_tokens < declared:
        yield (
            f"{top.get_mark('limits')}: the longest output has {declared} bytes, 'output_tokens' "
            f"is {manifest.output_tokens}: an output can end in OUT_OF_TOKENS; raise it to "
            f"{declared} to be sure"
        )
    yield from _iterate_sampling_cautions(top, manifest)


def _iterate_sampling_cautions(top: Section, manifest: Manifest) -> Iterator[str]:
    """Yield what is odd about temperature and seed.

    Rule: AUTHOR-23
    """
    is_constant = manifest.seed_rule is SeedRule.CONSTANT
    if is_constant and manifest.temperature:
        yield (
            f"{top.get_mark('sampling')}: under a constant seed a call's output is known before it "
            "is sent: whoever calls can try words until one suits him; write 'seed: batch' unless "
            "that is meant"
        )
    if is_constant and not manifest.temperature:
        yield f"{top.get_mark('sampling')}: at temperature 0 no seed has an effect: leave it out"
    if manifest.temperature > _HOT:
        yield (
            f"{top.get_mark('sampling')}: above a temperature of 2 the model's opinion counts for "
            "little: outputs become noise; use 0.3 to 1.2"
        )


def _find_shared_option(field: Field, vocabulary: Vocabulary) -> str | None:
    """Return two options of an enum whose first canonical tokens are equal, None if none are."""
    if field.base is not FieldType.ENUM or field.role is not Role.WRITES:
        return None
    first: dict[int, bytes] = {}
    for option in field.options:
        token = vocabulary.greedy(option + b'"')[0]
        if token in first:
            return f"{first[token].decode()}, {option.decode()}"
        first[token] = option
    return None
