"""All ops of layers and samplers, by number."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from oyez.protocol import (
    step_attention,
    step_layer,
    step_machine,
    step_rows,
    step_sampler,
    step_scores,
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
    }
)
