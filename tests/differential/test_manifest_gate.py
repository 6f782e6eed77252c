"""The Python parser and the on-chain gate accept and refuse the same bytes."""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import replace

import pytest

from oyez.protocol.errors import Invalid
from oyez.protocol.manifest import encode_manifest, parse_manifest
from oyez.protocol.types import FieldType
from tests.contracts.harness import gate_check
from tests.manifest_cases import SMALLEST, build_cases
from tests.manifests import LIMITS, change_one_part, damage, random_manifest

SEED = int(os.environ.get("OYEZ_SEED", "1"))
#: Kinds of fields of the layout: 19 of the header, 1 constant, 1 text, 9 + 2 + 2 + 1 + 2 + 2.
KINDS = 39


def refuse(data: bytes) -> str | None:
    """Return the parser's rule against the bytes, or None if it accepts them."""
    try:
        parse_manifest(data, LIMITS)
    except Invalid as error:
        return error.rule
    return None


def compare(data: bytes) -> tuple[str | None, str | None]:
    """Return the parser's rule and the gate's reason; both None, or the test fails."""
    rule, reason = refuse(data), gate_check(data)
    assert (rule is None) == (reason is None), f"parser {rule}, gate {reason}: {data.hex()}"
    return rule, reason


def test_a_thousand_manifests_are_judged_alike(capsys: pytest.CaptureFixture[str]) -> None:
    """Rules: MANIFEST-1 to MANIFEST-26: a third valid, a third with one field changed, the rest
    damaged; every refusal of the gate has a reason of its own, never a bare revert.
    """
    rng = random.Random(SEED)
    counts: Counter[str] = Counter()
    rules: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    kinds: set[tuple[str, str]] = set()
    arrays: Counter[FieldType] = Counter()
    for number in range(1_000):
        manifest = random_manifest(rng)
        data = encode_manifest(manifest)
        kind = ("valid", "one field changed", "damaged")[number % 3]
        if kind == "one field changed":
            part, data = change_one_part(rng, manifest, data)
            kinds.add((part.section, part.name))
        elif kind == "damaged":
            data = damage(rng, data)
        rule, reason = compare(data)
        counts[f"{kind}, {'accepted' if rule is None else 'refused'}"] += 1
        if rule is None:
            arrays.update(f.element for f in parse_manifest(data, LIMITS).fields if f.element)
        if rule is not None and reason is not None:
            rules[rule] += 1
            reasons[reason] += 1
    with capsys.disabled():
        print(f"\nseed {SEED}: {dict(sorted(counts.items()))}; {dict(rules.most_common())}")
    assert all(reason.startswith("gate: ") for reason in reasons), reasons
    assert counts["valid, accepted"] == 334
    assert counts["one field changed, accepted"] >= 40
    assert counts["one field changed, refused"] >= 150
    assert counts["damaged, accepted"] >= 10
    assert counts["damaged, refused"] >= 200
    assert len(rules) >= 18
    assert min(arrays[element] for element in list(FieldType)[:4]) >= 50
    assert len(kinds) >= KINDS - 3


@pytest.mark.parametrize("case", sorted(build_cases()))
def test_the_vectors_are_judged_alike(case: str) -> None:
    compare(build_cases()[case])


def test_text_is_judged_alike_at_every_place_in_a_word() -> None:
    """Rule: MANIFEST-9: the gate reads 32 bytes at a time; edges of UTF-8 fall on its borders."""
    rng = random.Random(SEED)
    edges = [0x1F, 0x20, 0x22, 0x5C, 0x7E, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1]
    edges += [0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF]
    characters = ["é", "日", "😀", "ࠀ", "\ud7ff", "\ue000", "\U00010000", "\U0010ffff"]
    judged: Counter[bool] = Counter()
    for number in range(600):
        before = "".join(rng.choice(["a", "é", "日", "😀"]) for _ in range(rng.randint(0, 24)))
        middle = rng.choice(characters).encode()
        if number % 2:
            middle = bytes(rng.choice(edges) for _ in range(rng.randint(1, 4)))
        text = before.encode() + middle + b"z" * rng.randint(0, 40)
        rule, _ = compare(encode_manifest(replace(SMALLEST, description=text)))
        judged[rule is None] += 1
    assert min(judged.values()) > 150
