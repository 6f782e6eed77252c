"""All ops of layers and samplers, by number."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from oyez.protocol.step import Op

OPS: Mapping[int, Op] = MappingProxyType({})
