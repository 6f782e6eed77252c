"""A call's prompt: the manifest's segments in order, each slot filled and tokenised alone."""

from __future__ import annotations

from collections.abc import Sequence

from oyez.protocol import schema
from oyez.protocol.types import Entry, Manifest, SegmentKind, Value
from oyez.protocol.vocabulary import Vocabulary


def format_slot(
    kind: SegmentKind, manifest: Manifest, entry: Entry, values: Sequence[Value]
) -> bytes:
    """Return a slot's text: data becomes bytes, and bytes later become tokens greedily.

    The state's JSON, the input as it is, 0x and 40 lower-case hex digits, decimal wei, decimal
    seconds.

    Rule: TRANSITION-1
    """
    if kind is SegmentKind.STATE:
        return schema.format_state(manifest.fields, values)
    if kind is SegmentKind.INPUT:
        return entry.input
    if kind is SegmentKind.CALLER:
        return b"0x" + entry.caller.hex().encode()
    return str(entry.value if kind is SegmentKind.VALUE else entry.timestamp).encode()


def build_prompt(
    manifest: Manifest, entry: Entry, values: Sequence[Value], vocabulary: Vocabulary
) -> tuple[int, ...]:
    """Return a call's prompt tokens; a token never crosses from one segment into the next.

    Whatever the data spell, they never become a control token: those have no bytes.

    Raises:
        Invalid: TOKENS-2, a byte of a slot's text has no token.

    Rule: TRANSITION-2
    """
    tokens: list[int] = []
    for segment in manifest.segments:
        if segment.kind is SegmentKind.LITERAL:
            tokens += segment.tokens
        else:
            tokens += vocabulary.greedy(format_slot(segment.kind, manifest, entry, values))
    return tuple(tokens)
