"""The shipped client against many lies at once on a node whose blocks come every few seconds.

Each wait of the client is a block, and so is each look at which it has nothing to do: time passes
by blocks alone. The liars send into the same pool; what they send is never refused for its price.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from oyez.chain import contracts
from oyez.gas.duels import DuelWorld
from oyez.protocol.types import Address
from tests.actors.duels import records as rec
from tests.actors.duels import trees
from tests.actors.duels.board import Board
from tests.actors.duels.forkers import SiblingSpammer
from tests.actors.duels.judge import find_liars
from tests.actors.duels.moves import Act
from tests.actors.duels.party import is_true
from tests.actors.duels.process import NAMES, RemoteNode, Seat
from tests.devnet import Anvil

#: Gas of an adversary's move, of a block, and seconds of one.
GAS, BLOCK_GAS, BLOCK = 500_000, 60_000_000, 5
#: Of the accounts the one that deploys: the first liar's.
SEQUENCER = 0
#: Blocks after T by which the truth is final.
ROUNDS = 14


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        blocks: from the first lie until the truth was final, less those of T.
        moves: the client's, by kind.
        most: of them in one block.
        left: the least seconds that a clock of the truth had when its duel was over.
    """

    blocks: int
    moves: Counter[str]
    most: int
    left: int


class Onslaught:
    """A rollup, one honest client, and liars with two stakes for each lie."""

    def __init__(self, node: Anvil, home: Path, lies: int, window: int, response: int) -> None:
        self.node = node
        self.window = window
        self.world = DuelWorld(node, window=window, response=response)
        stakes = tuple(bytes(self.world.address(who)) for who in range(2 * lies))
        self.liar = SiblingSpammer(sequencer=stakes[SEQUENCER], stakes=stakes)
        self.liar.window = window
        close_short_batch(node, self.world, [self.liar.get_nth(i) for i in range(lies)])
        stake = self.world.rollup.build_deposit(self.world.rollup.fetch_settings().stake)
        self.honest = self.world.key(2 * lies)
        for who in range(2 * lies + 1):
            self.world.send(stake, who)
        place = self.world.deployment
        self.seat = Seat(place, [])
        self.client = RemoteNode(self.seat, place, self.honest, home, self.pass_block)
        node.request("evm_setAutomine", False)
        node.request("evm_setBlockGasLimit", hex(BLOCK_GAS))
        self.asked: set[tuple[object, ...]] = set()

    def pass_block(self, _seconds: float = 0) -> None:
        """The liars see the newest block and send; five seconds later there is another."""
        self.seat.look()
        for act in list(self.liar.decide(self.seat.board)):
            self.send(act)
        now = self.world.chain.fetch_block("latest").timestamp
        self.node.request("evm_setNextBlockTimestamp", now + BLOCK)
        self.node.mine()

    def send(self, act: Act) -> None:
        """Put an act into the pool, once."""
        element = contracts.find_abi(NAMES[act.contract], "function", act.name)
        data = contracts.encode_call(element, act.args)
        if (act.sender, data) in self.asked:
            return
        self.asked.add((act.sender, data))
        self.node.request(
            "eth_sendTransaction",
            {
                "from": "0x" + act.sender.hex(),
                "to": "0x" + self.seat.addresses[act.contract].hex(),
                "data": "0x" + data.hex(),
                "value": hex(act.value),
                "gas": hex(GAS),
            },
        )

    def play(self) -> Board:
        """Until the batch is final and the client has nothing left to do."""
        end = self.world.fetch_time() + 3 * self.window
        self.pass_block()
        while self.world.fetch_time() < end:
            if not self.client.act():
                if self.seat.board.finals:
                    return self.seat.board
                self.pass_block()
            self.seat.look()
        raise AssertionError("the batch is not final")

    def check(self, board: Board) -> Outcome:
        """The truth is final in time, every liar slashed once, the honest stake free."""
        ((final, time),) = board.finals
        assert is_true(board, board.assertions[final])
        lies = [a for a in board.assertions.values() if a.id != final]
        assert len(lies) == len(self.liar.stakes) // 2
        assert {a.status for a in lies} == {rec.DEFEATED}
        liars, _ = find_liars(board)
        assert liars == set(board.slashed) == set(self.liar.stakes)
        assert len(board.slashed) == len(liars)
        stake = self.world.rollup.fetch_stake(self.honest.address)
        assert (stake.status, stake.proposals, stake.championships) == (1, 0, 0)
        began = min(a.created_at for a in lies)
        assert time <= began + self.window + ROUNDS * BLOCK
        games = [(duel.descent, duel.ids.index(final)) for duel in own(board, final)]
        games += [
            (bout.descent, duel.ids.index(final))
            for duel in own(board, final)
            for bout in duel.bouts.values()
        ]
        mined = list_mined(self.node, self.honest.address)
        return Outcome(
            blocks=(time - began - self.window) // BLOCK,
            moves=Counter(self.client.moves),
            most=max(mined.values()),
            left=min(descent.rem(side) for descent, side in games),
        )


def own(board: Board, truth: bytes) -> list[rec.Duel]:
    """The duels of the truth; liars have others among themselves."""
    return [duel for duel in board.duels.values() if truth in duel.ids]


def list_mined(node: Anvil, who: Address) -> Counter[int]:
    """How many transactions of an account each block holds."""
    last = int(node.request("eth_blockNumber"), 16)
    return Counter(
        number
        for number in range(last + 1)
        for sent in node.request("eth_getBlockByNumber", hex(number), True)["transactions"]
        if sent["from"] == "0x" + who.hex()
    )


def close_short_batch(node: Anvil, world: DuelWorld, changes: Sequence[trees.Change]) -> None:
    """Close a batch whose machine halts in time, and of which the changed runs are lies.

    Other blocks make other batches.
    """
    for _ in range(200):
        kept = node.snapshot()
        world.close_batch()
        found = world.inbox.fetch_batch(1).batch_hash
        if trees.is_short(found) and trees.are_false(found, changes):
            return
        node.restore(kept)
        node.mine()
    raise AssertionError("no run halts in time")


def play(lies: int, *, window: int = 600, response: int = 120) -> Outcome:
    """So many lies with a champion each, on a node of their own."""
    with tempfile.TemporaryDirectory() as home, Anvil(accounts=2 * lies + 1) as node:
        onslaught = Onslaught(node, Path(home), lies, window, response)
        return onslaught.check(onslaught.play())
