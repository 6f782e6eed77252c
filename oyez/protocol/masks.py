"""Which tokens may be sampled: the reference, a walk over the byte trie.

Engines have vectorised twins that are tested equal to this one.
"""

from __future__ import annotations

from oyez.protocol.machine import FREE_PHASES, SAMPLED_PHASES, Machine, MachineState
from oyez.protocol.vocabulary import Vocabulary


def allowed_tokens(machine: Machine, state: MachineState, vocabulary: Vocabulary) -> list[int]:
    """Return the ids of the tokens whose bytes keep the machine alive, ascending.

    A token never goes past the end of one scalar: the last byte it may hold is a string's closing
    quote, or the single byte after an integer. A comma or bracket after another item stands alone,
    and so does the quote that opens an enum's. Of tokens with equal bytes each is allowed. Where
    nothing is sampled (choices, forced bytes, the end) there are none.

    Rule: DECODE-8
    """
    if state.phase not in SAMPLED_PHASES:
        return []
    allowed: list[int] = []
    walk = [(vocabulary.trie, state)]
    while walk:
        node, before = walk.pop()
        for byte, child in node.children.items():
            after = machine.step(before, byte)
            if after is None:
                continue
            allowed.extend(child.ids)
            if after.phase in FREE_PHASES:
                walk.append((child, after))
    allowed.sort()
    return allowed
