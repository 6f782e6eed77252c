"""Duels over what a sampler did: played to the lane, on the chain's own verifiers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from oyez.engines.exact.engine import ExactEngine
from oyez.protocol import inner
from oyez.protocol.constants import LAST_SLOT
from oyez.protocol.machine import Machine, MachineState
from oyez.protocol.manifest_encode import encode_manifest
from oyez.protocol.types import Field, FieldType, Role
from oyez.protocol.vocabulary import Vocabulary
from tests import sampler_traces
from tests.e2e.test_real_duels import HONEST, LIAR, Table
from tests.local_rollup import LocalRollup
from tests.real_calls import build_short_action
from tests.services import ChallengerActor, SequencerActor

#: The tiny model has tokens of two letters.
FIELDS = (Field(b"abab", FieldType.STRING, Role.WRITES, b"", limit=5),)


class SpellingVocabulary(Vocabulary):
    """Spells texts that begin so letter by letter, where there are longer tokens."""

    begins = b""

    def greedy(self, data: bytes) -> tuple[int, ...]:
        if not data.startswith(self.begins):
            return super().greedy(data)
        singles = [self.single(byte) for byte in data]
        return tuple(token for token in singles if token is not None)


class Liar(ExactEngine):
    """An engine that may not sample what its lie leaves out."""

    forbids: Callable[[Sequence[int]], Sequence[int]]

    def allowed(
        self, machine: Machine, state: MachineState, vocabulary: Vocabulary
    ) -> Sequence[int]:
        return self.forbids(super().allowed(machine, state, vocabulary))


class Partial:
    """A backend to which one token is the best everywhere."""

    def __init__(self, backend: Any, token: int) -> None:
        self._backend, self._token = backend, token

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def logits(self, last: Any) -> Any:
        found = self._backend.logits(last).copy()
        found[..., self._token] = 2**31 - 1
        return found

    def logits_of(self, last: Any, ids: Any) -> Any:
        return self.logits(last)[..., ids]


def spell(engine: ExactEngine, begins: bytes) -> ExactEngine:
    vocabulary = SpellingVocabulary(engine.vocabulary.tokens)
    vocabulary.begins = begins
    return build(engine, vocabulary=vocabulary)


def prefer(engine: ExactEngine, token: int) -> ExactEngine:
    return build(engine, backend=Partial(engine.backend, token))


def forbid(engine: ExactEngine, forbids: Callable[[Sequence[int]], Sequence[int]]) -> ExactEngine:
    made = build(engine)
    made.forbids = forbids
    return made


def build(
    engine: ExactEngine, *, vocabulary: Vocabulary | None = None, backend: Any = None
) -> Liar:
    made = Liar(
        engine.model,
        engine.tokenizer,
        engine.backend if backend is None else backend,
        engine.model_root,
        vocabulary=engine.vocabulary if vocabulary is None else vocabulary,
    )
    made.forbids = lambda tokens: tokens
    return made


#: What the liar does otherwise -> the region that shows it.
LIES: dict[str, tuple[str, Callable[[ExactEngine], ExactEngine]]] = {
    "spells the forced run": ("run_tokens", lambda engine: spell(engine, b"{")),
    "prefers a token": ("logits", lambda engine: prefer(engine, ord("z"))),
    "ends early": ("mask", lambda engine: forbid(engine, lambda tokens: tokens[:0])),
}


@pytest.mark.parametrize("lie", [*LIES])
def test_a_lie_about_a_token_ends_at_its_lane(lie: str, tmp_path: Path) -> None:
    """Rule: INNER-66, INNER-75, INNER-76, DUEL-13"""
    engine = sampler_traces.engine()
    region, make_liar = LIES[lie]
    with LocalRollup(model=engine) as rollup:
        data = encode_manifest(build_short_action(engine, fields=FIELDS))
        action = rollup.client(1).publish(data).action_id
        for key in (HONEST, LIAR):
            rollup.client(key).deposit_stake()
        rollup.client(1).call(action, b"one")
        rollup.anvil.advance(3)
        sequencer = SequencerActor(rollup, tmp_path / "s")
        sequencer.run()
        liar = ChallengerActor(rollup, tmp_path / "l", key=LIAR, engine=make_liar(engine))
        honest = ChallengerActor(rollup, tmp_path / "c", key=HONEST)
        rollup.anvil.advance(5)
        table = Table(rollup, sequencer, honest, liar)
        table.play()

        record, leaf, _ = table.find_lane()
        assert inner.get_slot(record) == LAST_SLOT
        found = inner.layout_sampler(engine.shape).find(leaf)
        assert found is not None
        assert found.name == region
        assert rollup.client(LIAR).fetch_stake().amount == 0
        assert rollup.client(HONEST).fetch_stake().amount
        (gas,) = table.find_resolutions()
        assert gas < 480_000
