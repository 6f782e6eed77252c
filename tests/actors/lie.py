"""The cleverest lie about one call: a single wrong choice, everything else as the model has it.

At the first place of the false call where the model decides between tokens, its second best is
taken for its best. The layers after it ran honestly on that token, the rows fold to the roots,
the last record proves, and the calls after it are honest on the false state. So in the whole
trace one sampler record is false; what no challenger can see without running the model itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oyez.derivation import replay
from oyez.derivation.history import Batch
from oyez.engines.base import Engine, Session
from oyez.protocol.errors import Invalid
from oyez.protocol.noise import Noise
from oyez.protocol.state import State
from oyez.protocol.transition import BatchResult, Execution
from oyez.protocol.types import CallId, Hash32, Manifest

#: Above any difference of two scores.
DISGRACE = 2**60


class ContrarySession:
    """A session that disowns its own best token once, where there is another."""

    def __init__(self, session: Session, length: int, honest: Sequence[int]) -> None:
        """Take the honest session of `length` tokens, and all the tokens that the call ran."""
        self._session = session
        self._length = length
        self._honest = honest
        self._has_lied = False

    def __getattr__(self, name: str) -> Any:  # Any: whatever else the session has
        return getattr(self._session, name)

    def extend(self, tokens: Sequence[int]) -> None:
        self._session.extend(tokens)
        self._length += len(tokens)

    def best(self, allowed: Sequence[int], noise: Noise | None = None) -> int:
        others = self._refuse(allowed)
        return self._session.best(others or allowed, noise)

    def logits(self, tokens: Sequence[int]) -> list[int]:
        found = self._session.logits(tokens)
        others = self._refuse(tokens)
        if not others:
            return found
        return [
            logit if token in others else logit - DISGRACE
            for token, logit in zip(tokens, found, strict=True)
        ]

    def _refuse(self, tokens: Sequence[int]) -> list[int]:
        """The tokens without the honest one, the first time that this leaves any."""
        if self._has_lied:
            return []
        others = [int(token) for token in tokens if token != self._honest[self._length]]
        self._has_lied = bool(others)
        return others


class ContraryEngine:
    """The honest engine, but for one choice of one call; its trace is the model's own."""

    def __init__(self, engine: Engine, honest: Execution) -> None:
        """Take the engine and what it honestly makes of the call."""
        self._engine = engine
        self._tokens = (*(honest.prompt or ()), *honest.tokens)

    def __getattr__(self, name: str) -> Any:  # Any: whatever else the engine has
        return getattr(self._engine, name)

    def open(self, prefix: Sequence[int]) -> ContrarySession:
        return ContrarySession(self._engine.open(prefix), len(prefix), self._tokens)


@dataclass(frozen=True)
class FalseRun:
    """A batch's result with one false call: its executions, the engine that lies in that call."""

    result: BatchResult
    executions: tuple[Execution, ...]
    engine: ContraryEngine
    honest: Execution


def derive_false(
    state: State,
    batch: Batch,
    manifests: Mapping[Hash32, Manifest],
    engine: Engine,
    false_call: int,
) -> BatchResult:
    """What a batch makes of a state when one of its calls, by its id, is a lie."""
    return run_false(state, batch, manifests, engine, false_call).result


def run_false(
    state: State,
    batch: Batch,
    manifests: Mapping[Hash32, Manifest],
    engine: Engine,
    false_call: int,
) -> FalseRun:
    """Run a batch with a lie in one of its calls, and keep how it was run.

    Raises:
        Invalid: the model decides nothing in that call, so there is nothing to lie about.
    """
    before = [entry for entry in batch.entries if entry.call_id < false_call]
    (target,) = [entry for entry in batch.entries if entry.call_id == false_call]
    executions = replay.execute_all(state, before, manifests, engine, header=batch.header)
    known: dict[CallId, Execution] = {item.entry.call_id: item for item in executions}
    met = replay.fold_state(state, executions, manifests)
    (honest,) = replay.execute_all(met, [target], manifests, engine, header=batch.header)
    contrary = ContraryEngine(engine, honest)
    (lie,) = replay.execute_all(met, [target], manifests, contrary, header=batch.header)
    if lie.output == honest.output:
        raise Invalid("LIE", f"the model decides nothing in call {false_call}: choose another")
    known[target.call_id] = lie
    executed = replay.execute_all(state, batch.entries, manifests, engine, known, batch.header)
    known = {item.entry.call_id: item for item in executed}
    result = replay.derive(state, batch, manifests, engine, known)
    return FalseRun(result, tuple(executed), contrary, honest)
