"""All that a decision looks at: the chain at one block, this node's own results, its own stake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from oyez.chain.contracts import Stake
from oyez.dispute.duels import Duels
from oyez.dispute.tree import Node, Tree
from oyez.protocol import codec
from oyez.protocol.types import Address, BatchNumber, Claim, Hash32

#: `Stake.status` of a stake that may be put behind something.
LIVE = 1
SLASHED = 2
#: D holds more than so many latencies of the honest party: one to replay and post, seven moves.
LATENCIES = 8


@dataclass(frozen=True, slots=True)
class Own:
    """What this node's own replay makes of a closed batch; `opened_at` in seconds."""

    batch: BatchNumber
    batch_hash: Hash32
    opened_at: int
    claim: Claim


@dataclass(frozen=True, slots=True)
class Periods:
    """The deployment's periods, in seconds, and its stake.

    Attributes:
        challenge: T, how long an assertion stands and a fork may be joined.
        response: D, all the honest party's own time in one fork.
        first_child: after its batch's opening only the sequencer may be first for so long.
        stake: wei.
    """

    challenge: int
    response: int
    first_child: int
    stake: int

    @property
    def latency(self) -> int:
        """The longest that one move of the honest party may take."""
        return self.response // LATENCIES


@dataclass(frozen=True, slots=True)
class GameView:
    """The game at that block.

    Attributes:
        has_machine: whether this node makes inner traces, and so can put up champions.
        credit: wei that it may withdraw for moves.
        quarter: wei that all moves against one stake are worth at most.
    """

    duels: Duels
    has_machine: bool
    credit: int
    quarter: int


@dataclass(frozen=True, slots=True)
class View:
    """The chain's present state, and this node's opinion of it.

    Attributes:
        time: of the block looked at, in seconds.
        own: the results by batch: of every batch after the head, as far as they are built.
        head_is_true: whether the last final assertion, with all before it, is this node's own.
        me, stake: this node's address and stake.
        sequencer, sequencer_stake: who is first, and whether he can be.
        game: None where the rollup was deployed without one.
    """

    chain_id: int
    rollup: Address
    time: int
    periods: Periods
    tree: Tree
    own: Mapping[int, Own]
    head_is_true: bool
    me: Address
    stake: Stake
    sequencer: Address
    sequencer_stake: Stake
    game: GameView | None = None

    def get_own(self, batch: int) -> Own | None:
        """Return this node's result for a batch, None while it is not closed or not built."""
        return self.own.get(batch)

    def compute_id(self, parent: Hash32, attempt: int, own: Own) -> Hash32:
        """Return the id that this node's claim has on a parent."""
        return codec.compute_assertion_id(
            chain_id=self.chain_id,
            rollup=self.rollup,
            parent=parent,
            attempt=attempt,
            batch=own.batch,
            batch_hash=own.batch_hash,
            claim=own.claim,
        )

    def list_lies(self, parent: Hash32, truth: Hash32 | None) -> list[Node]:
        """Return the living children of a true parent that are not the true one."""
        return [node for node in self.tree.list_pending(parent) if node.assertion_id != truth]
