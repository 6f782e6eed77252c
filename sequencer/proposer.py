"""What the sequencer knows of its forks: handed to the same client that challengers run."""

from __future__ import annotations

from oyez.derivation.follow import Checkpoint
from oyez.dispute.agent import Facts
from oyez.dispute.duels import Duels
from oyez.protocol.errors import Fatal
from oyez.protocol.types import Hash32
from sequencer.rows import Contradiction
from sequencer.store import Store


def gather(
    store: Store, genesis_id: Hash32, checkpoint: Checkpoint, duels: Duels | None = None
) -> Facts:
    """Return the chain as it was read and the results that were built, for a decision.

    Raises:
        SkippedLog: the logs of assertions were incomplete.

    Rule: SEQ-10
    """
    tree = store.assertions.load_tree(genesis_id)
    built = store.count_results()
    return Facts(
        block=checkpoint,
        time=store.get_time(),
        tree=tree,
        own=store.list_own(after=tree.head),
        # Every final batch that was built here has its own roots: `verify_head` holds that.
        head_is_true=tree.head <= built,
        is_complete=built == store.count_batches(),
        duels=duels,
    )


def verify_head(contradiction: Contradiction | None) -> None:
    """Stop when a batch became final that this node derives otherwise.

    Raises:
        Fatal: going on would stake on a history that the contracts have refused.

    Rule: SEQ-13
    """
    if contradiction is not None:
        raise Fatal(
            f"batch {contradiction.batch} became final as 0x{contradiction.final.hex()}, this "
            f"node derives 0x{contradiction.ours.hex()}: run `oyez verify --full` before "
            "anything else"
        )
