"""A whole call on both engines: the same manifest, machine, masks and code.

The manifest's prefix is cached; 50 tokens come in, and the reply is cut at 20 tokens, so both
engines run as many positions whatever they say.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from oyez.author import compiler, tokenizer
from oyez.engines import base
from oyez.engines.base import Engine
from oyez.engines.exact.engine import ExactEngine
from oyez.engines.llama import LlamaEngine
from oyez.measure.spread import compare, round_to
from oyez.protocol import execution
from oyez.protocol.decoding import Allowed
from oyez.protocol.errors import Fatal
from oyez.protocol.types import (
    ZERO_ADDRESS,
    ZERO_HASH,
    CallId,
    Entry,
    EntryKind,
    Manifest,
)

FILE = Path(__file__).resolve().parent / "call.yaml"
#: 50 tokens.
INPUT = (
    b"The lamp arrived a week late and one of its feet was loose, but the shop answered my letter "
    b"the same day, sent a new foot without asking for anything, and now it stands beside my chair "
    b"and gives a warm and steady light every evening."
)
TOKENS_OUT = 20


def measure_calls(
    path: Path, exact: ExactEngine, floats: LlamaEngine
) -> dict[str, Any]:  # Any: JSON
    """Return the ratio of whole calls a second: "call_ratio", and what belongs to it.

    What the exact engine alone does besides, its trace, is in `call_traced_ratio`.

    Raises:
        Fatal: a call has not the positions that are compared.
    """
    author = tokenizer.load_author_model(path)
    manifest = compiler.compile_yaml(FILE.read_text(), model=author).manifest
    spoken = {
        name: run_call(manifest, engine, engine.allowed)[1]
        for name, engine in (("oyez", exact), ("llama.cpp", floats))
    }
    plain = compare(
        lambda: run_untraced(manifest, exact),
        lambda: run_call(manifest, floats, floats.allowed)[0],
        1,
    )
    traced = compare(
        lambda: run_traced(manifest, exact),
        lambda: run_call(manifest, floats, floats.allowed)[0],
        1,
    )
    return {
        "call_ratio": round_to(plain.ratios.median),
        "call_traced_ratio": round_to(traced.ratios.median),
        "call": {
            "tokens_in": len(exact.vocabulary.greedy(INPUT)),
            "tokens_out": TOKENS_OUT,
            "prefix": len(manifest.prefix),
            "outputs": spoken,
        },
        "spreads": {"call_ratio": plain.to_json(), "call_traced_ratio": traced.to_json()},
    }


def run_call(manifest: Manifest, engine: Engine, allowed: Allowed) -> tuple[float, str]:
    """Run a call up to its output; return the seconds and the output.

    Raises:
        Fatal: the output has another length than what is compared.
    """
    entry = build_entry(manifest)
    start = time.perf_counter()
    call = execution.begin_call(
        entry=entry, manifest=manifest, cell=None, engine=engine, allowed=allowed
    )
    if isinstance(call, execution.Execution):
        raise Fatal(f"the measured call ended before the model ran: {call.code.name}")
    decoded = base.drive(call.steps(), engine.open(call.prefix))
    seconds = time.perf_counter() - start
    if len(decoded.tokens) != TOKENS_OUT:
        raise Fatal(f"the measured call has {len(decoded.tokens)} tokens, not {TOKENS_OUT}")
    return seconds, decoded.output.decode("utf-8", "replace")


def run_untraced(manifest: Manifest, engine: ExactEngine) -> float:
    """Run a call up to its output without a trace; return the seconds."""
    engine.traced = False
    try:
        return run_call(manifest, engine, engine.allowed)[0]
    finally:
        engine.traced = True


def run_traced(manifest: Manifest, engine: ExactEngine) -> float:
    """Run a call with its trace, as a service does; return the seconds."""
    entry = build_entry(manifest)
    start = time.perf_counter()
    execution.execute_call(
        entry=entry, manifest=manifest, cell=None, engine=engine, allowed=engine.allowed
    )
    return time.perf_counter() - start


def build_entry(manifest: Manifest) -> Entry:
    """Return the call as an inbox would have it."""
    return Entry(
        kind=EntryKind.CALL,
        call_id=CallId(0),
        timestamp=0,
        caller=ZERO_ADDRESS,
        value=0,
        fee=0,
        action_id=ZERO_HASH,
        manifest_hash=manifest.hash,
        cell=b"",
        input=INPUT,
    )
