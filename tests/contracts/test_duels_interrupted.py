"""An honest agent killed, or the chain taken back, around the moves of a whole duel.

scripts/soak runs every interruption; here are some of each setting, and what all of them cover.
"""

from __future__ import annotations

import functools
import random
import tempfile
from pathlib import Path

import pytest

from tests.contracts.interrupted import (
    Interruption,
    Moment,
    Play,
    Setting,
    Stage,
    list_interruptions,
)
from tests.embedded_reorgs import DEPTH, Fate

#: Interruptions of each setting: a kill alone, and one re-org of each depth.
DEPTHS = range(DEPTH + 1)
#: What an honest agent can do where one lie stands and falls.
KINDS = (
    *("propose", "open_duel", "start", "advance", "last", "commit", "inner", "advance_bout"),
    *("leaf", "resolve", "timeout_bout", "defeat", "finalize", "release"),
    *("pay_duel", "pay_bout", "withdraw_pay"),
)


@functools.cache
def list_moments(setting: Setting) -> tuple[Moment, ...]:
    """The moments of a play that nothing interrupts."""
    with tempfile.TemporaryDirectory() as home:
        return tuple(Play(Path(home), setting).run().moments)


def test_every_move_has_every_stage() -> None:
    """Both sides of a duel: all that a client does can be interrupted at each step of its way."""
    passed = [moment for setting in Setting for moment in list_moments(setting)]
    for kind in KINDS:
        for stage in Stage:
            assert any(
                (m.sender, m.stage) == ("honest", stage) and kind in m.kind.split("+")
                for m in passed
            ), (kind, stage)
    assert {m.kind for m in passed if m.sender == "liar"} >= {"commit", "leaf", "last", "propose"}


def choose(setting: Setting, depth: int) -> Interruption:
    """One of a setting's interruptions; a kill, while the agent's own transaction waits."""
    moments = list_moments(setting)
    found = list_interruptions(moments, depth)
    if depth == 0:
        waiting = [
            i for i, m in enumerate(moments) if (m.sender, m.stage) == ("honest", Stage.SENT)
        ]
        found = [how for how in found if how.place in waiting and how.fate is Fate.BACK]
    return random.Random(f"{setting.name} {depth}").choice(found)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("setting", Setting)
def test_an_interruption_costs_nothing(tmp_path: Path, setting: Setting, depth: int) -> None:
    """Killed anywhere or with blocks undone, it wins, and makes no move twice.

    Rule: CHAL-20, CHAL-41, SEQ-6
    """
    chosen = choose(setting, depth)
    play = Play(tmp_path, setting, chosen)
    outcome = play.run()
    assert len(outcome.moments) > chosen.place
    assert outcome.moments[: chosen.place] == list(list_moments(setting))[: chosen.place]
