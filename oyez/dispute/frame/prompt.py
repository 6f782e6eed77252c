"""Makes the inner trace of a prompt's record, from what a call's prompt is made of.

Written from docs/spec/transition.md and tokens.md, apart from the steps in
`oyez.protocol.step_prompt`, which it is checked against.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

import numpy as np

from oyez.engines.exact.inner_leaves import InnerLeaves
from oyez.protocol import prompt, trace_records
from oyez.protocol.constants import LAST_POSITION
from oyez.protocol.inner import Layout
from oyez.protocol.trace import PAD_INT32
from oyez.protocol.trace_records import Prologue
from oyez.protocol.types import Manifest, SegmentKind
from oyez.protocol.vocabulary import Vocabulary

#: Tokens that the region has lanes for.
_MOST_TOKENS = LAST_POSITION + 1


def build_prompt(
    layout: Layout, call: Prologue, manifest: Manifest, vocabulary: Vocabulary
) -> InnerLeaves:
    """Return the leaves of a prompt's record.

    Args:
        layout: of such records.
        call: what it begins with.
        manifest: the one that its entry names.
        vocabulary: of the model, which has a token for every byte of the call's state.

    Rule: FRAME-42
    """
    leaves = InnerLeaves(layout)
    leaves.put_record(trace_records.build_prologue_chunks(call)[2])
    if call.bad is not None:
        return leaves
    lanes: list[int] = []
    for token, after in _iterate_tokens(call, manifest, vocabulary):
        if len(lanes) == 2 * _MOST_TOKENS:
            break
        lanes += [token, after]
    count = len(lanes) // 2
    end = PAD_INT32, -1 - count
    leaves.put("cursor", np.array([*lanes, *end * (_MOST_TOKENS - count)], np.int64))
    return leaves


def _iterate_tokens(
    call: Prologue, manifest: Manifest, vocabulary: Vocabulary
) -> Iterator[tuple[int, int]]:
    """Yield each token of the prompt, and where the prompt stands after it."""
    for number, segment in enumerate(manifest.segments):
        if segment.kind is SegmentKind.LITERAL:
            tokens = segment.tokens
            sizes = [1] * len(tokens)
        else:
            text = prompt.format_slot(segment.kind, manifest, call.entry, call.values)
            tokens = vocabulary.greedy(text)
            sizes = [len(vocabulary.bytes_of(token)) for token in tokens]
        ends = list(accumulate(sizes))
        for token, end in zip(tokens, ends, strict=True):
            yield token, (number + 1) << 16 if end == ends[-1] else number << 16 | end
