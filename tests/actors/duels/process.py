"""One party as a process of its own: honest, or any adversary, over a chain's JSON-RPC.

    OYEZ_KEYS=0x..,0x.. python -m tests.actors.duels.process --deployment FILE --role Withholder

It deposits a stake for each key, then decides at every new block. Whenever it has nothing to do
at a block it prints `idle NUMBER`; it runs until it is told to end.
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
from pathlib import Path

from oyez.chain import contracts, deployment, keys
from oyez.chain.client import Chain, Reverted, connect
from oyez.chain.contracts import Transaction
from oyez.chain.sender import MemoryJournal, Sender
from tests.actors.duels import catalog
from tests.actors.duels import records as rec
from tests.actors.duels.board import Board
from tests.actors.duels.moves import Act
from tests.actors.duels.party import Liar, Party
from tests.actors.duels.solver import Terms

LOOK_SECONDS = 0.05
NAMES = {"inbox": "Inbox", "rollup": "Rollup", "game": "DuelGame", "pay": "MovePay"}


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
    parser.add_argument(
        "--role", choices=(*catalog.HONEST_PARTIES, *catalog.ADVERSARIES), required=True
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sequencer", action="store_true", help="the first key is its")
    parser.add_argument("--late", type=int, default=5, help="seconds that are the last moment")
    options = parser.parse_args()
    own = [keys.Key(bytes.fromhex(text[2:])) for text in os.environ["OYEZ_KEYS"].split(",")]
    seat = Seat(deployment.load_deployment(options.deployment), own)
    addresses = tuple(bytes(key.address) for key in own)
    party = make_party(options, addresses, seat.terms)
    for address in addresses:
        deposit = Act(address, "rollup", "deposit_stake", value=seat.terms.stake)
        assert seat.perform(deposit)
    said = -1
    while True:
        number = seat.look()
        done = sum(seat.perform(act) for act in list(party.decide(seat.board)))
        if not done and number != said:
            print(f"idle {number}", flush=True)
            said = number
        if not done:
            time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    main()
