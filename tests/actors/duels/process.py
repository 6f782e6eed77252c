"""One party as a process of its own: honest, or any adversary, over a chain's JSON-RPC.

    OYEZ_KEYS=0x..,0x.. python -m tests.actors.duels.process --deployment FILE --role Withholder

It deposits a stake for each key, then decides at every new block. Whenever it has nothing to do
at a block it prints `idle NUMBER`; it runs until it is told to end.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from oyez.chain import contracts, deployment, keys
from oyez.chain.client import Chain, Reverted, connect
from oyez.chain.contracts import Transaction
from oyez.chain.delivery import PATIENCE_SECONDS
from oyez.chain.sender import MemoryJournal, Sender
from oyez.protocol.errors import Rewind, Temporary
from tests.actors.duels import catalog
from tests.actors.duels import records as rec
from tests.actors.duels.board import Board
from tests.actors.duels.moves import Act
from tests.actors.duels.party import Liar, Party, make_truth
from tests.actors.duels.solver import Terms
from tests.duel_node import DuelNode
from tests.services import Lines

LOOK_SECONDS = 0.05
NAMES = {"inbox": "Inbox", "rollup": "Rollup", "game": "DuelGame", "pay": "MovePay"}


class RemoteNode(DuelNode):
    """The shipped agent with its sender and journal, its own results those of the toy."""

    def __init__(
        self,
        seat: Seat,
        place: deployment.Deployment,
        key: keys.Key,
        home: Path,
        pause: Callable[[float], object] = lambda _: None,
    ) -> None:
        seat.look()
        self.chain, self.key, self.home, self.deployment = seat.chain, key, home, place
        self.truths = {batch.number: make_truth(batch) for batch in seat.board.batches.values()}
        self.machine = True
        self.log = Lines()
        self.moves = []
        self.pause, self.patience = pause, PATIENCE_SECONDS
        self.restart()

    def act(self) -> bool:
        """Make the moves that are due; what cannot be told now is asked again."""
        try:
            return bool(self.step())
        except Rewind:
            self.rewind()
        except Temporary:
            pass
        return True


class Seat:
    """A party's place at the chain: what it sees, and its hands."""

    def __init__(self, place: deployment.Deployment, own: list[keys.Key]) -> None:
        self.chain: Chain = connect(place.rpc, place.chain_id)
        self.addresses = {name: place.address(file) for name, file in NAMES.items()}
        rollup = contracts.Rollup(self.chain, place)
        settings = rollup.fetch_settings()
        open_seconds = contracts.Inbox(self.chain, place).fetch_period("max_batch_seconds")
        self.terms = Terms(
            chain_id=place.chain_id,
            rollup=rollup.address,
            game=place.address("DuelGame"),
            pay=place.address("MovePay"),
            sequencer=rollup.fetch_sequencer(),
            window=settings.challenge_window,
            response=settings.response_window,
            first_child=open_seconds + settings.sequencer_grace,
            stake=settings.stake,
        )
        self.board = Board(rollup.fetch_final_id(0))
        self.next = place.deployment_block
        self._senders = {
            bytes(key.address): Sender(self.chain, key, MemoryJournal()) for key in own
        }
        self._topics = {
            contracts.compute_topic(file, entry["name"]): (file, entry["name"])
            for file in NAMES.values()
            for entry in contracts.load_abi(file)
            if entry["type"] == "event"
        }
        self._count = itertools.count()

    def look(self) -> int:
        """Bring the board up to the newest block; return its number."""
        newest = self.chain.fetch_block("latest")
        found = list(
            self.chain.fetch_logs(list(self.addresses.values()), [], self.next, newest.number)
        )
        times = {n: self.chain.fetch_block(n).timestamp for n in {log.block for log in found}}
        for log in found:
            file, name = self._topics[log.topics[0]]
            args = contracts.decode_log(file, name, log)
            self.board.apply(rec.Seen(name, args, times[log.block]))
        self.next = newest.number + 1
        self.board.now = newest.timestamp
        return newest.number

    def perform(self, act: Act) -> bool:
        """Send one act and see it mined; False: the chain refuses it."""
        element = contracts.find_abi(NAMES[act.contract], "function", act.name)
        data = contracts.encode_call(element, act.args)
        call = Transaction(self.addresses[act.contract], data, act.value)
        try:
            self._senders[act.sender].send(f"act {next(self._count)}", call)
        except Reverted:
            return False
        return True


def make_party(options: argparse.Namespace, own: tuple[bytes, ...], terms: Terms) -> Party:
    """The party of a role."""
    if options.role in catalog.HONEST_PARTIES:
        return catalog.HONEST_PARTIES[options.role](own[0], terms, options.sequencer)
    sequencer = own[0] if options.sequencer else None
    made = catalog.ADVERSARIES[options.role](options.seed, sequencer=sequencer, stakes=own)
    if isinstance(made, Liar):
        made.window = terms.window
        if made.late is not None:
            made.late = options.late
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deployment", type=Path, required=True)
    roles = ("agent", *catalog.HONEST_PARTIES, *catalog.ADVERSARIES)
    parser.add_argument("--role", choices=roles, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sequencer", action="store_true", help="the first key is its")
    parser.add_argument("--late", type=int, default=5, help="seconds that are the last moment")
    options = parser.parse_args()
    own = [keys.Key(bytes.fromhex(text[2:])) for text in os.environ["OYEZ_KEYS"].split(",")]
    place = deployment.load_deployment(options.deployment)
    seat = Seat(place, own)
    addresses = tuple(bytes(key.address) for key in own)
    for address in addresses:
        deposit = Act(address, "rollup", "deposit_stake", value=seat.terms.stake)
        assert seat.perform(deposit)
    with tempfile.TemporaryDirectory() as home:
        if options.role == "agent":
            node = RemoteNode(seat, place, own[0], Path(home))
            run(seat, lambda: int(node.act()))
        party = make_party(options, addresses, seat.terms)
        run(seat, lambda: sum(seat.perform(act) for act in list(party.decide(seat.board))))


def run(seat: Seat, act: Callable[[], int]) -> NoReturn:
    """Act at every new block, and say at which there was nothing to do."""
    said = -1
    while True:
        number = seat.look()
        done = act()
        if not done and number != said:
            print(f"idle {number}", flush=True)
            said = number
        if not done:
            time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    main()
