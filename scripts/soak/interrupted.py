"""An honest agent killed and the chain taken back around every move of whole duels."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

from scripts.soak.part import Block, Part, Result
from tests.contracts.interrupted import Interruption, Outcome, Play, Setting, list_interruptions
from tests.embedded_reorgs import DEPTH

#: More than a play has moments: a full run takes all.
ALL = 200


def run(block: Block) -> Result:
    """Interrupt plays at so many moments of each setting; the block's number is the depth.

    Raises:
        AssertionError: the truth lost, or a move was made twice; the interruption is named.
    """
    counts: Counter[str] = Counter()
    rng = block.rng()
    for setting in Setting:
        moments = _play(setting, None).moments
        chosen = set(rng.sample(range(len(moments)), min(block.items, len(moments))))
        for how in list_interruptions(moments, block.number):
            if how.place not in chosen:
                continue
            outcome = _play(setting, how)
            moment = moments[how.place]
            counts["plays"] += 1
            counts[f"killed, blocks undone: {how.depth}"] += how.dies
            counts[f"alive, blocks undone: {how.depth}"] += not how.dies
            counts[f"{moment.sender}: {moment.stage.value}"] += 1
            for kind in moment.kind.split("+"):
                counts[f"{moment.sender}: {kind}"] += 1
            counts["transactions undone"] += len(outcome.undone)
            counts["honest transactions"] += outcome.done.total() + outcome.failed.total()
            counts["honest transactions of the branch before, failed"] += outcome.failed.total()
    return Result(+counts)


def _play(setting: Setting, how: Interruption | None) -> Outcome:
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # nobody cuts the power here
    with tempfile.TemporaryDirectory(dir=memory) as home:
        try:
            return Play(Path(home), setting, how).run()
        except AssertionError as failure:
            raise AssertionError(f"{setting.name}, {how}: {failure}") from failure


PART = Part(
    "interrupted", "kills and re-orgs of depth 1 to 8 at every move of a duel", run, DEPTH + 1, ALL
)
