"""Writes what of an output's inner trace says how the output is spelled and parsed.

Written from docs/spec/decode.md, apart from the steps in `oyez.protocol.step_output`, which it is
checked against.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from oyez.engines.exact.inner_leaves import InnerLeaves
from oyez.protocol.constants import MAX_OUTPUT_BYTES
from oyez.protocol.inner import WALK_WORDS
from oyez.protocol.machine import Machine
from oyez.protocol.machine_words import pack_state
from oyez.protocol.trace import INT32_LANES, PAD_INT32
from oyez.protocol.types import Manifest
from oyez.protocol.vocabulary import Vocabulary

#: Tokens that `ends` has lanes for.
_MOST_TOKENS = 5 * INT32_LANES


def put_output(
    leaves: InnerLeaves, manifest: Manifest, vocabulary: Vocabulary, tokens: Sequence[int]
) -> None:
    """Write the regions from `ends` to `parse`.

    Args:
        leaves: of an output's record.
        manifest: the one that the call's entry names.
        vocabulary: of the model.
        tokens: of the output; none if the model never ran.

    Rule: FRAME-51
    """
    pieces = [vocabulary.bytes_of(token) for token in tokens]
    ends = np.cumsum([len(piece) for piece in pieces], dtype=np.int64)
    rest = np.full(_MOST_TOKENS - len(tokens), -1 - len(tokens), np.int64)
    leaves.put("ends", np.concatenate([ends, rest]))

    owners = [token for token, piece in enumerate(pieces) for _ in piece]
    past = [PAD_INT32] * (MAX_OUTPUT_BYTES - len(owners))
    leaves.put("output_owner", np.array([*owners, *past], np.int64))

    text = b"".join(pieces)
    leaves.put_bytes("text", text)

    machine = Machine(manifest.fields, vocabulary.missing)
    state = machine.start()
    words = []
    for byte in text:
        state = machine.walk(state, bytes([byte]))
        words += [pack_state(state, byte), state.value]
    leaves.put_words("parse", [*words, *[0] * (WALK_WORDS * MAX_OUTPUT_BYTES - len(words))])
