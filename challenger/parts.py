"""What a challenger is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from challenger.store import Store
from oyez.chain.client import Chain
from oyez.chain.deployment import Deployment
from oyez.chain.sender import Sender
from oyez.dispute.own_machine import OpenMachine, open_machine
from oyez.engines.base import Engine
from oyez.service import Log

#: Receives what is decided, as JSON: {"event": "verdict", ...}.
Report = Callable[[dict[str, Any]], None]  # Any: JSON


@dataclass(frozen=True, slots=True)
class Parts:
    """What a challenger is made of; each is a seam that a test can replace.

    Without a `sender` it only watches; where `open_machine` gives none it plays all of a duel but
    champions' moves.
    """

    chain: Chain
    deployment: Deployment
    engine: Engine
    store: Store
    sender: Sender | None
    log: Log
    report: Report
    open_machine: OpenMachine = open_machine
