"""A real engine that lies in one lane of one layer and goes on from there, and its inner traces.

Whoever runs it believes in the lie and defends it: everything after the false lane, in its record
and in all later ones, follows from it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oyez.chain.client import Chain
from oyez.chain.deployment import Deployment
from oyez.chain.duel_states import HEX_BITS
from oyez.chain.game import Game
from oyez.chain.proposals import fetch_id_preimage
from oyez.dispute.call_traces import CallGiven, CallTraces
from oyez.dispute.machine import RealMachine
from oyez.dispute.outer import OuterTraces, OuterTree, Results
from oyez.engines.exact import inner_leaves, spec
from oyez.engines.exact.engine import ExactEngine
from oyez.engines.exact.inner_layer import LayerInput, LayerTrace
from oyez.engines.exact.inner_leaves import InnerLeaves, Int64
from oyez.engines.exact.session import ExactSession
from oyez.protocol import inner


@dataclass(frozen=True)
class Lie:
    """Adds `change` to a lane, by its flat number in a region, of a layer at a position."""

    position: int
    layer: int
    region: str
    lane: int
    change: int = 1


class LyingTrace(LayerTrace):
    """The inner trace of the record with the lie."""

    lie: Lie
    told: list[Lie]

    def alter(self, name: str, lanes: Int64) -> Int64:
        if name != self.lie.region:
            return lanes
        changed = lanes.copy()
        changed.reshape(-1)[self.lie.lane] += self.lie.change
        return changed

    def alter_words(self, name: str, words: list[int]) -> list[int]:
        # asked again with more words: the lie is told once, when its word comes
        if name != self.lie.region or self.told or self.lie.lane >= len(words):
            return words
        self.told.append(self.lie)
        changed = list(words)
        changed[self.lie.lane] += self.lie.change
        return changed


def build_lie(engine: ExactEngine, lie: Lie, given: LayerInput) -> InnerLeaves:
    layout = inner.layout_layer(engine.shape)
    trace = LyingTrace(engine.model, layout, lie.layer)
    trace.lie, trace.told = lie, []
    return trace.build(given)


class LyingBackend:
    """As another backend, but for the position of the lie, which runs through plain NumPy."""

    def __init__(self, engine: ExactEngine, lie: Lie) -> None:
        self._engine = engine
        self._backend = engine.backend
        self._lie = lie

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def run(self, cache: Any, tokens: Sequence[int]) -> tuple[Any, Any]:
        at = self._lie.position - 1 - cache.count
        if not 0 <= at < len(tokens):
            return self._backend.run(cache, tokens)
        parts = []
        if at:
            parts.append(self._backend.run(cache, tokens[:at]))
        parts.append(self._lie_once(cache, tokens[at]))
        if tokens[at + 1 :]:
            parts.append(self._backend.run(cache, tokens[at + 1 :]))
        residuals, lanes = zip(*parts, strict=True)
        return np.concatenate(residuals), np.concatenate(lanes)

    def run_together(self, parts: Sequence[tuple[Any, Sequence[int]]]) -> tuple[Any, Any]:
        done = [self.run(cache, tokens) for cache, tokens in parts]
        return np.concatenate([x for x, _ in done]), np.concatenate([kv for _, kv in done])

    def _lie_once(self, cache: Any, token: int) -> tuple[Any, Any]:
        model, lie = self._engine.model, self._lie
        past = cache.get_lanes()
        x = spec.embed(model, [token])
        residuals, lanes = [], []
        for number, layer in enumerate(model.layers):
            if number == lie.layer:
                before = None if number == 0 else x[0].astype(np.int32)
                given = LayerInput(None if number else token, before, past[:, number])
                leaves = build_lie(self._engine, lie, given)
                x, fresh = read_record(leaves, model.width, 2 * inner.keys(self._engine.shape))
            else:
                x, fresh = spec.run_layer(model, layer, x, past[:, number].astype(np.int64))
            residuals.append(x)
            lanes.append(fresh)
        own = np.stack(lanes, axis=1).astype(np.int16)
        grown = self._backend.new_cache()
        grown.fill(np.concatenate([past, own]))
        cache.__dict__.update(grown.__dict__)
        return np.stack(residuals, axis=1).astype(np.int32), own


def read_record(leaves: InnerLeaves, width: int, lanes: int) -> tuple[Int64, Int64]:
    """Return x and keys and values of a record, each as one row."""

    def read(name: str, count: int) -> NDArray[np.int64]:
        region = leaves.layout.get(name)
        size = inner_leaves.LANES[region.type]
        places = inner_leaves.encode(region.type, np.arange(size)[None])
        kind = ">i4" if size == 256 else ">i2"
        order = places.reshape(-1).view(kind).astype(np.int64)
        rows = leaves.data[region.start : region.start + region.leaves]
        found = np.empty((region.leaves, size), np.int64)
        found[:, order] = np.ascontiguousarray(rows).view(kind)
        return found.reshape(1, -1)[:, :count]

    return read("output", width), read("record_key_value", lanes)


class LyingCall(CallTraces):
    """A call's records, the one with the lie made as the lie makes it."""

    lie: Lie

    def build_layer(self, layout: inner.Layout, slot: int, given: LayerInput) -> InnerLeaves:
        if (given.position, slot) == (self.lie.position, self.lie.layer):
            return build_lie(self.engine, self.lie, given)
        return super().build_layer(layout, slot, given)


class LyingMachine(RealMachine):
    """A machine over a lying engine."""

    lie: Lie

    def build_call(self, outer: OuterTree, call: int, given: CallGiven) -> CallTraces:
        made = LyingCall(self.model, self.engine, self.rows, outer, call, given)
        made.lie = self.lie
        return made


def make_liar(engine: ExactEngine, lie: Lie) -> ExactEngine:
    """Return an engine that lies, whatever call it runs."""
    backend: Any = LyingBackend(engine, lie)
    return ExactEngine(
        engine.model,
        engine.tokenizer,
        backend,
        engine.model_root,
        vocabulary=engine.vocabulary,
    )


class WorstOption(ExactSession):
    """Scores options the wrong way round: the model's last choice is made."""

    def logits(self, tokens: Sequence[int]) -> list[int]:
        return [-logit for logit in super().logits(tokens)]


class WorstChooser(ExactEngine):
    """A real engine whose sessions choose the worst option; its records say what they chose."""

    def open(self, prefix: Sequence[int]) -> ExactSession:
        session = super().open(prefix)
        session.__class__ = WorstOption
        return session


def make_chooser(engine: ExactEngine) -> ExactEngine:
    """Return an engine that makes every choice falsely."""
    return WorstChooser(
        engine.model,
        engine.tokenizer,
        engine.backend,
        engine.model_root,
        vocabulary=engine.vocabulary,
    )


def open_lying(lie: Lie) -> Any:
    """Return what opens the machine of a liar's service."""

    def open_machine(
        chain: Chain, place: Deployment, engine: ExactEngine, own: Results, traces: OuterTraces
    ) -> LyingMachine:
        levels = Game(chain, place).fetch_settings().inner_levels
        fetch_id = functools.partial(fetch_id_preimage, chain, place)
        made = LyingMachine(engine, own, traces, fetch_id, inner_height=HEX_BITS * levels)
        made.lie = lie
        return made

    return open_machine
