"""Manifests from a grammar, changed one field at a time, judged by the parser and the contract."""

from __future__ import annotations

import random
from collections import Counter

from oyez.protocol.manifest import encode_manifest, parse_manifest
from oyez.protocol.types import Manifest
from tests.contracts.harness import gate_check
from tests.manifests import (
    LIMITS,
    Part,
    change_one_part,
    damage,
    list_parts,
    random_manifest,
    refusal,
    set_part,
)

#: Changes of one field that follow one manifest, each of the last one that was accepted.
CHANGES = 5


def compare(data: bytes) -> tuple[str | None, str | None]:
    """Return the parser's rule and the gate's reason; both None, or this fails."""
    rule, reason = refusal(data), gate_check(data)
    assert (rule is None) == (reason is None), f"parser {rule}, gate {reason}: {data.hex()}"
    assert reason is None or reason.startswith(("gate: ", "the ABI")), reason
    return rule, reason


def change_gently(rng: random.Random, manifest: Manifest, data: bytes) -> tuple[Part, bytes]:
    """Change one field to a value that is mostly legal: another letter, token, bias or number."""
    legal = {
        ("TEXT", "byte"): (0x61, 0x7A),
        ("LITERALS", "token"): (0, LIMITS.vocabulary - 1),
        ("OPTIONS", "bias"): (0, 2**32 - 1),
        ("HEADER", "max_input"): (0, 1_024),
        ("HEADER", "upgrade_delay"): (0, 2**40 - 1),
        ("HEADER", "model"): (0, 2**16 - 1),
    }
    parts = [part for part in list_parts(manifest) if (part.section, part.name) in legal]
    part = rng.choice(parts)
    return part, set_part(data, part, rng.randint(*legal[part.section, part.name]))


def count_manifests(rng: random.Random, wanted: int) -> Counter[str]:
    """Judge so many manifests and count the ends: rules of the parser, and kinds of the changes."""
    counts: Counter[str] = Counter()
    judged = 0
    while judged < wanted:
        manifest = random_manifest(rng)
        data = encode_manifest(manifest)
        rule, _ = compare(data)
        assert rule is None, rule
        counts["from the grammar, accepted"] += 1
        judged += 1
        for number in range(min(CHANGES, wanted - judged)):
            if number < CHANGES - 1:
                change = change_gently if rng.random() < 0.2 else change_one_part
                part, changed = change(rng, manifest, data)
                kind = "one field changed"
                counts[f"changed, {part.section}: {part.name}"] += 1
            else:
                changed, kind = damage(rng, data), "damaged"
            rule, _ = compare(changed)
            judged += 1
            counts[f"{kind}, {'accepted' if rule is None else 'refused'}"] += 1
            if rule is None:
                data = changed
                manifest = parse_manifest(data, LIMITS)
            else:
                counts[f"refused, {rule}"] += 1
    accepted = sum(n for name, n in counts.items() if name.endswith(", accepted"))
    counts["manifests"], counts["accepted"] = judged, accepted
    return counts
