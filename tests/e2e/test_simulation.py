"""`oyez dispute sim`: one number of a real call broken on a copy of the chain, and defeated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from oyez.chain.deployment import Deployment
from oyez.dispute.choosing import Wish
from oyez.dispute.simulation import Simulated, simulate
from oyez.engines.exact.engine import ExactEngine
from oyez.protocol.errors import Invalid
from oyez.protocol.manifest_encode import encode_manifest
from oyez.protocol.types import CallId, Status
from tests.contracts.test_step_model import tiny
from tests.local_rollup import LocalRollup
from tests.real_calls import build_short_action


@pytest.fixture(scope="module")
def engine() -> ExactEngine:
    return tiny("mixed")[0]


@pytest.fixture(scope="module")
def rollup(engine: ExactEngine) -> Iterator[LocalRollup]:
    with LocalRollup(model=engine) as made:
        action = made.client(1).publish(encode_manifest(build_short_action(engine))).action_id
        for text in (b"one", b"\n", b"two"):
            made.client(2).call(action, text)
            made.close_batch()
        made.propose()
        made.finalize()
        made.client(2).call(action, b"open")
        yield made


def simulated(rollup: LocalRollup, engine: ExactEngine, call: int, wish: Wish) -> Simulated:
    before = rollup.chain.fetch_block("latest").hash
    found = simulate(
        rollup.deployment, engine, CallId(call), wish, log=lambda _event, /, **_facts: None
    )
    assert rollup.chain.fetch_block("latest").hash == before
    return found


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (0, "gate row"),
        (2, "mode"),
        (2, "kv copy"),
        (0, "entry word"),
        (2, "state byte"),
        (1, "output head"),
        (2, "last word"),
    ],
)
def test_a_broken_number_dies_on_a_copy_of_the_chain(
    rollup: LocalRollup, engine: ExactEngine, call: int, kind: str
) -> None:
    """Rule: INNER-82"""
    found = simulated(rollup, engine, call, Wish(kind))
    told = found.build_json()

    assert found.judged.status is Status.DEFEATED
    assert (told["call"], told["op"], told["defeated"]) == (call, kind, True)
    assert told["ours"] == told["contract"] != told["theirs"]
    (bout,) = found.judged.story.bouts
    assert bout.lane is not None
    assert (bout.lane.leaf, bout.lane.lane) == (
        found.judged.lie.spot.leaf,
        found.judged.lie.spot.lane_in_leaf,
    )
    assert found.gas > 500_000


def test_what_cannot_be_disputed_is_refused_in_words(
    rollup: LocalRollup, engine: ExactEngine
) -> None:
    """Rule: INNER-82"""
    with pytest.raises(Invalid, match="call 3 is in no closed batch"):
        simulated(rollup, engine, 3, Wish("mode"))
    with pytest.raises(Invalid, match="the model never ran in this call"):
        simulated(rollup, engine, 1, Wish("mode"))
    bare: Deployment = replace(
        rollup.deployment,
        contracts={n: a for n, a in rollup.deployment.contracts.items() if n != "DuelGame"},
    )
    with pytest.raises(Invalid, match="without a DuelGame"):
        simulate(bare, engine, CallId(0), Wish("mode"), log=lambda _event, /, **_facts: None)
