"""One call run again, every layer's lanes kept: what its records' inner traces follow from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from oyez.derivation import calls
from oyez.engines import base
from oyez.engines.exact import inner_leaves
from oyez.engines.exact.backend import Lanes, Residuals
from oyez.engines.exact.engine import ExactEngine
from oyez.engines.exact.inner_layer import LayerInput
from oyez.engines.exact.inner_sampler import SamplerInput
from oyez.engines.exact.session import BLOCK
from oyez.protocol import trace, trace_records
from oyez.protocol.constants import CHUNKS_PER_RECORD, LAST_SLOT
from oyez.protocol.decoding import Decoded
from oyez.protocol.trace import Chunk, ChunkType
from oyez.protocol.transition import Execution
from oyez.protocol.types import Hash32, Manifest


@dataclass(frozen=True, slots=True)
class CallRun:
    """A call whose model ran.

    Attributes:
        tokens: of positions 1 on; the first `prompt_length` of them are the prompt's.
        residuals: int32 [positions, layers, width], every layer's output.
        lanes: int16 [positions, layers, 2 * kv_heads * head_size], its keys, then its values.
        samplers: chunks of the sampler records from position `prompt_length` on.
        seed: of the noise; None at temperature 0.
    """

    manifest: Manifest
    prompt_length: int
    tokens: tuple[int, ...]
    residuals: Residuals
    lanes: Lanes
    decoded: Decoded
    samplers: Sequence[Sequence[Chunk]]
    seed: Hash32 | None

    def get_chunks(self, position: int, slot: int) -> Sequence[Chunk]:
        """Return a record's chunks, those after the last one PAD; no record has none.

        Args:
            position: of a token, or 0 for the sampler that stands there.
            slot: of a layer, or the last one.
        """
        if not 0 <= position <= len(self.tokens):
            return ()
        if slot == LAST_SLOT:
            if position >= self.prompt_length:
                return self.samplers[position - self.prompt_length]
            return trace_records.build_prompt_sampler() if position else ()
        if position == 0 or slot >= self.residuals.shape[1]:
            return ()
        x, lanes = self.residuals[position - 1, slot], self.lanes[position - 1, slot]
        return [
            Chunk(kind, data.tobytes())
            for kind, part in ((ChunkType.INT32, x), (ChunkType.INT16_REVERSED, lanes))
            for data in inner_leaves.encode(kind, part.astype(np.int64)[None])[0]
        ]

    def get_input(self, position: int, slot: int) -> LayerInput:
        """Return what a layer's record follows from; there is a token at the position."""
        return LayerInput(
            token=None if slot else self.tokens[position - 1],
            x=self.residuals[position - 1, slot - 1] if slot else None,
            past=self.lanes[: position - 1, slot],
        )

    def get_sampler_input(self, position: int) -> SamplerInput:
        """Return what a sampler's record follows from; it stands in the position."""
        return SamplerInput(
            manifest=self.manifest,
            position=position,
            prompt_length=self.prompt_length,
            steps=self.decoded.steps,
            samplers=self.samplers,
            seed=self.seed,
            x=self.residuals[position - 1, -1] if position else None,
        )


def run_again(
    execution: Execution, fetch_manifest: Callable[[Hash32], Manifest], engine: ExactEngine
) -> CallRun | None:
    """Run a call again and keep all lanes; None if the model never ran.

    It decodes first, from a prefix that may be cached, for the steps; then all tokens run once
    more, in blocks. 92 KB a position for the 135M model.

    Rule: INNER-74
    """
    call = calls.begin_seeded(
        execution.entry, execution.cell_before, fetch_manifest, engine, execution.seed
    )
    if isinstance(call, Execution):
        return None
    decoded = base.drive(call.steps(), engine.open(call.prefix))
    tokens = (*call.tokens, *decoded.tokens)
    cache = engine.backend.new_cache()
    blocks = [
        engine.backend.run(cache, tokens[at : at + BLOCK]) for at in range(0, len(tokens), BLOCK)
    ]
    return CallRun(
        manifest=fetch_manifest(execution.manifest_hash),
        prompt_length=len(call.tokens),
        tokens=tokens,
        residuals=np.concatenate([residuals for residuals, _ in blocks]),
        lanes=np.concatenate([lanes for _, lanes in blocks]),
        decoded=decoded,
        samplers=trace_records.build_sampler_chunks(decoded.steps),
        seed=execution.seed,
    )


def hash_chunks(chunks: Sequence[Chunk]) -> list[bytes]:
    """Return the 16 leaves of a record."""
    leaves: list[bytes] = [trace.compute_chunk_leaf(chunk) for chunk in chunks]
    empty = trace.pad_tree().empty[0]
    return [*leaves, *[empty] * (CHUNKS_PER_RECORD - len(leaves))]
