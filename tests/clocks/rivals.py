"""So many rivals at once, each with its champion, against one honest stake."""

from __future__ import annotations

from tests.clocks import contents
from tests.clocks.attacks import D, Script, T
from tests.clocks.game import Chain
from tests.clocks.honest import Honest
from tests.clocks.mirror import Mirror
from tests.clocks.rollup import attempt
from tests.clocks.schedule import Outcome, play


def play_rivals(count: int, kind: type[Chain] = Mirror) -> Outcome:
    """The truth is posted first; `count` lies join in the second before they no longer could.

    Each plays at once and stops before its champion's last move, so that its clock must run out.
    """
    chain = kind(window=T, response=D, batches=1, sequencer="h")
    script = Script(chain, stakes=2 * count)
    late = T // 2

    def join() -> None:
        for i in range(count):
            attempt(chain.propose, f"z{i}", 0, 0, contents.FIRST_OF_MANY + i)

    def move() -> None:
        for i, duel in enumerate(list(chain.duels.values())):
            if not duel.is_found and duel.turn == 1:
                attempt(chain.outer, duel)
            elif duel.is_found and len(duel.champions) < 2:
                attempt(chain.commit, duel, 1, f"z{count + i}")
            for (x, y), bout in duel.bouts.items():
                if bout.turn == 1 and bout.moves < 2:
                    attempt(chain.bout_move, duel, x, y)

    script.timed.append((late, join))
    script.always.append(move)
    outcome = play(chain, Honest(chain), script)
    if isinstance(chain, Mirror):
        chain.check()
    return outcome
