"""The scripted engine keeps the engine seam's promises."""

from __future__ import annotations

import pytest

from oyez.engines.base import Engine
from oyez.testing.scripted import MISSING, VOCABULARY_SIZE, Mode, ScriptedEngine, build_vocabulary


def test_vocabulary_has_what_a_listed_model_must_have() -> None:
    vocabulary = build_vocabulary()
    assert vocabulary.size == VOCABULARY_SIZE == len(vocabulary.tokens)
    for byte in [*range(0x20, 0x7F), *range(0x80, 0xC0)]:
        assert vocabulary.single(byte) is not None
    assert vocabulary.missing == MISSING
    assert vocabulary.tokens.count(None) > 1
    assert any(len(ids) > 1 for ids in vocabulary.ids_by_bytes.values())


@pytest.mark.parametrize("mode", list(Mode))
def test_engine_is_a_function_of_the_tokens_alone(mode: Mode) -> None:
    first: Engine = ScriptedEngine(mode, seed=3)
    second: Engine = ScriptedEngine(mode, seed=3)
    one, two = first.open([7, 8]), second.open([])
    one.extend([9])
    two.extend([7])
    two.extend([8, 9])

    allowed = [10, 40, 200]
    assert one.best(allowed) == two.best(allowed)
    assert one.logits(allowed) == two.logits(allowed)
    assert [one.layer_roots(i) for i in range(3)] == [two.layer_roots(i) for i in range(3)]
    assert len(set(one.layer_roots(0)) | set(one.layer_roots(1))) == 2 * first.shape.layers
    best = one.best(allowed)
    assert one.logits([best])[0] == max(one.logits(allowed))


def test_modes_differ_and_pick_what_they_say() -> None:
    vocabulary = build_vocabulary()
    allowed = [t for t, data in enumerate(vocabulary.tokens) if data is not None]
    picks = {mode: ScriptedEngine(mode).open([1]).best(allowed) for mode in Mode}
    lengths = [len(vocabulary.bytes_of(token)) for token in allowed]
    assert len(vocabulary.bytes_of(picks[Mode.SHORTEST])) == min(lengths)
    assert len(vocabulary.bytes_of(picks[Mode.LONGEST])) == max(lengths)
    assert vocabulary.bytes_of(picks[Mode.HIGH_BYTES])[0] >= 0xF0
    assert b'"' in vocabulary.bytes_of(picks[Mode.PUNCTUATION])


def test_misuse_of_the_seam_is_refused() -> None:
    session = ScriptedEngine().open([])
    for tokens in ([], [-1], [VOCABULARY_SIZE]):
        with pytest.raises(ValueError, match="extend takes"):
            session.extend(tokens)
    for allowed in ([], [5, 4], [4, 4]):
        with pytest.raises(ValueError, match="best takes"):
            session.best(allowed)
