"""Opens the machine of a service where its rollup verifies steps; NumPy comes with it."""

from __future__ import annotations

import functools
from collections.abc import Callable

from oyez.chain.client import Chain
from oyez.chain.deployment import Deployment
from oyez.chain.duel_states import HEX_BITS
from oyez.chain.game import Game
from oyez.chain.proposals import fetch_id_preimage
from oyez.dispute.outer import OuterTraces, Results
from oyez.dispute.traces import Machine
from oyez.engines.base import Engine

#: Makes a service's machine of its rollup, its engine, its results and their outer traces.
OpenMachine = Callable[[Chain, Deployment, Engine, Results, OuterTraces], Machine | None]


def open_machine(
    chain: Chain, deployment: Deployment, engine: Engine, results: Results, traces: OuterTraces
) -> Machine | None:
    """Return the machine; None if no step is verified there, or this engine has no exact layers.

    Rule: INNER-76
    """
    if not deployment.has_steps:
        return None
    from oyez.dispute.machine import RealMachine
    from oyez.engines.exact.engine import ExactEngine

    if not isinstance(engine, ExactEngine):
        return None
    levels = Game(chain, deployment).fetch_settings().inner_levels
    fetch_id = functools.partial(fetch_id_preimage, chain, deployment)
    return RealMachine(engine, results, traces, fetch_id, inner_height=HEX_BITS * levels)
