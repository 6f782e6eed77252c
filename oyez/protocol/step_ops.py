"""All ops by number: of layers, of samplers, and of the records around the tokens."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from oyez.protocol import (
    step_attention,
    step_compute,
    step_entry,
    step_layer,
    step_machine,
    step_output,
    step_prompt,
    step_roots,
    step_rows,
    step_sampler,
    step_scalars,
    step_scores,
    step_state,
    step_vocabulary,
)
from oyez.protocol.step import Op

OPS: Mapping[int, Op] = MappingProxyType(
    {
        **step_rows.OPS,
        **step_layer.OPS,
        **step_attention.OPS,
        **step_rows.OPS,
        **step_machine.OPS,
        **step_vocabulary.OPS,
        **step_scores.OPS,
        **step_sampler.OPS,
        **step_entry.OPS,
        **step_state.OPS,
        **step_prompt.OPS,
        **step_output.OPS,
        **step_scalars.OPS,
        **step_compute.OPS,
        **step_roots.OPS,
    }
)
