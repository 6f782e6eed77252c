"""Duels over a real model, played to the lane: a verifier recomputes it, the liar is slashed."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from oyez.dispute.own_machine import OpenMachine, open_machine
from oyez.engines.exact import loading
from oyez.engines.exact.engine import ExactEngine
from oyez.engines.exact.step_rows import build_step_model
from oyez.protocol import trace
from oyez.protocol.manifest_encode import encode_manifest
from oyez.protocol.types import Status
from tests.actors import lying_model
from tests.actors.lying_model import Lie
from tests.contracts.test_step_model import FOLDER
from tests.lies import honest_ids, status
from tests.local_rollup import LocalRollup
from tests.real_calls import build_short_action
from tests.services import ChallengerActor, SequencerActor

#: Trace position of call 0 in which the liar lies.
POSITION = 9
HONEST, LIAR = 5, 6


@dataclasses.dataclass
class Table:
    """Two honest parties and a liar that believes in its lie."""

    rollup: LocalRollup
    sequencer: SequencerActor
    honest: ChallengerActor
    liar: ChallengerActor

    def play(self) -> None:
        """Run all in turn until none sends anything more."""
        for _ in range(60):
            before = self.rollup.chain.fetch_block("latest").number
            for actor in (self.liar, self.sequencer, self.honest):
                actor.run()
            if self.rollup.chain.fetch_block("latest").number == before:
                return
        raise AssertionError("they never come to rest")

    def find_resolutions(self) -> list[int]:
        """Return the gas of each resolution that an honest party sent."""
        return [
            int(str(facts["gas"]))
            for actor in (self.sequencer, self.honest)
            for facts in actor.log.named("moved")
            if facts["move"] == "resolve"
        ]

    def find_lane(self) -> tuple[int, int, int]:
        """Return record, leaf and lane that the liar would not see resolved."""
        (why,) = {str(facts["reason"]) for facts in self.liar.log.named("unfounded")}
        found = re.fullmatch(
            r"the step of Address\(record=(\d+), leaf=(\d+), lane=(\d+)\) gives another number "
            "than this node's",
            why,
        )
        assert found, why
        record, leaf, lane = map(int, found.groups())
        return record, leaf, lane


@dataclasses.dataclass(frozen=True)
class Where:
    """The lane at which two traces part."""

    record: int
    region: str
    leaf: int
    lane: int


def sit_down(rollup: LocalRollup, liar: ExactEngine, machine: OpenMachine, home: Path) -> Table:
    """Publish an action, call it twice, post the truth; the liar has not come yet."""
    data = encode_manifest(build_short_action(rollup.engine))
    action = rollup.client(1).publish(data).action_id
    for key in (HONEST, LIAR):
        rollup.client(key).deposit_stake()
    rollup.client(1).call(action, b"one")
    rollup.client(2).call(action, b"two")
    rollup.anvil.advance(3)
    sequencer = SequencerActor(rollup, home / "s")
    sequencer.run()
    false = ChallengerActor(rollup, home / "l", key=LIAR, engine=liar, machine=machine)
    honest = ChallengerActor(rollup, home / "c", key=HONEST)
    rollup.anvil.advance(5)
    return Table(rollup, sequencer, honest, false)


def play(
    engine: ExactEngine, liar: ExactEngine, machine: OpenMachine, where: Where, home: Path
) -> int:
    """Play a duel about a lie to its end; return the gas of its resolution."""
    with LocalRollup(model=engine) as rollup:
        table = sit_down(rollup, liar, machine, home)
        table.play()

        layout = build_step_model(engine).get_layout(where.record)
        assert layout is not None
        leaf = layout.get(where.region).start + where.leaf
        assert table.find_lane() == (where.record, leaf, where.lane)
        assert rollup.client(LIAR).fetch_stake().amount == 0
        assert rollup.client(HONEST).fetch_stake().amount
        gas = table.find_resolutions()
        assert len(gas) == 1
        rollup.anvil.advance(121)  # no champion of the lie can come any more
        table.play()
        (truth,) = honest_ids(rollup)
        rollup.anvil.advance(601)
        table.play()
        assert status(rollup, truth) is Status.FINAL
        return gas[0]


def play_lie(engine: ExactEngine, lie: Lie, leaf: int, lane: int, home: Path) -> int:
    """Play a duel about a lane of a layer, and all that follows from it."""
    record = trace.compute_outer_index(0, POSITION, lie.layer)
    liar, machine = lying_model.make_liar(engine, lie), lying_model.open_lying(lie)
    return play(engine, liar, machine, Where(record, lie.region, leaf, lane), home)


@pytest.mark.parametrize(
    ("lie", "leaf", "lane"),
    [
        (Lie(POSITION, 0, "token", 0), 0, 0),
        # lane 2 of the second head's scores
        (Lie(POSITION, 1, "score", POSITION + 2, 65_536), 8, 2),
    ],
)
def test_a_lie_in_one_lane_ends_there(lie: Lie, leaf: int, lane: int, tmp_path: Path) -> None:
    """Rule: INNER-74, INNER-75, INNER-76, DUEL-13"""
    engine = loading.load_engine(FOLDER / "mixed.gguf", sha256=None)
    assert play_lie(engine, lie, leaf, lane, tmp_path) < 480_000


def test_a_choice_that_the_model_did_not_make_ends_at_its_token(tmp_path: Path) -> None:
    """Rule: INNER-75, INNER-76, DUEL-13"""
    engine = loading.load_engine(FOLDER / "mixed.gguf", sha256=None)
    prompt = 3 + len(b"one")
    # the output begins with this, a byte a token
    position = prompt + len(b'{"mood": "')
    where = Where(trace.compute_outer_index(0, position, 31), "next", 0, 1)
    liar = lying_model.make_chooser(engine)
    assert play(engine, liar, open_machine, where, tmp_path) < 480_000


def test_a_lie_about_the_real_model_ends_at_its_lane(tmp_path: Path) -> None:
    """The dearest row: 1,536 columns of the last matrix. Rule: INNER-76, DUEL-13"""
    lie = Lie(POSITION, 17, "output", 256 + 5)
    assert play_lie(loading.load_engine(), lie, 1, 5, tmp_path) < 480_000
