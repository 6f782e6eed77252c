"""One step of the Inbox's stateful test: sent to the contract and to its model, and compared."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine

from oyez.protocol import codec, merkle
from oyez.protocol.types import BatchHeader, BatchNumber, CallId, Hash32
from scripts.economics.inbox import Inbox, Refused, Rules
from tests.contracts.conftest import publish
from tests.contracts.harness import (
    CALLER,
    ETHER,
    GRAVE,
    SEQUENCER,
    STRANGER,
    Contract,
    Reverted,
    World,
    settings,
)
from tests.contracts.manifests import BALLOT, Draft, string
from tests.contracts.proposals import ZERO
from tests.contracts.test_batches import entry_of
from tests.contracts.test_money import ACCEPT, CALL_BACK, call_of

OLD, YOUNG = 10, 2
RULES = Rules(burst=4_096, leak=100, max_seconds=OLD, min_seconds=YOUNG)
WIDE = Draft(rows=(string(b"a", 512), string(b"b", 494))).change(output_tokens=1)
DRAFTS = {
    "cheap": BALLOT.change(output_tokens=1),
    "wide": WIDE,
    "heavy": BALLOT.change(fixed=1_500),
}
PEOPLE = [SEQUENCER, CALLER, STRANGER]
PEOPLE_END = len(PEOPLE)
CONTRACTS = 3
#: creates code that answers any call with 128 KB of zeros: PUSH3 size, PUSH1 0, RETURN
CREATE_BOMB = bytes.fromhex("66620200006000f360005260076019f3")


def fixed(draft: Draft) -> int:
    """Declared positions of a draft without its input; this model's position costs 1."""
    declared = draft.header.get("fixed", draft.need(draft.header.get("output_tokens", 64)))
    assert isinstance(declared, int)
    return declared


class QueueSteps(RuleBasedStateMachine):
    """A rollup's inbox, its model, and every name: accounts first, then contracts."""

    def start(self) -> None:
        self.world = World(settings(max_batch_work=RULES.burst, leak_per_second=RULES.leak))
        self.inbox = self.world.inbox
        self.ids = {kind: publish(self.world, draft) for kind, draft in DRAFTS.items()}
        self.model = Inbox(RULES)
        self.contracts = [
            self.world.deploy("tests/contracts/Attacker.vy") for _ in range(CONTRACTS)
        ]
        for contract in self.contracts:
            self.world.fund(contract.address, 1_000 * ETHER)
        self.bomb = self.world.create(CREATE_BOMB, STRANGER)
        self.names = [*PEOPLE, *(contract.address for contract in self.contracts)]
        self.leaves: dict[int, list[Hash32]] = {}
        self.hashes: list[bytes] = []
        self.texts: list[tuple[bytes, bytes]] = []
        self.staked = False

    def send(
        self, who: int, name: str, *arguments: Any, value: int = 0, gas: int | None = None
    ) -> None:
        """Call the inbox, from an account or from inside a contract."""
        if who < PEOPLE_END:
            getattr(self.inbox, name)(*arguments, sender=PEOPLE[who], value=value, gas=gas)
        else:
            data = call_of(self.inbox, name, *arguments)
            contract = self.contracts[who - PEOPLE_END]
            contract.do(self.inbox.address, data, sender=STRANGER, value=value, gas=gas)

    def agree(self, send: Callable[[], None], told: Callable[[], object], *, short: bool) -> bool:
        """Send; it must be refused exactly as the model says. A call `short` of gas may fail."""
        before = copy.deepcopy(self.model)
        try:
            told()
            reason = None
        except Refused as refusal:
            reason = refusal.reason
        try:
            send()
        except Reverted as refusal:
            if short and refusal.reason.startswith("no reason"):
                self.model = before
                return False
            assert refusal.reason == reason  # noqa: PT017 - the reason is the point
            return False
        assert reason is None
        return True

    def do_submit(self, who: int, kind: str, size: int, extra: int, gas: int | None = None) -> bool:
        draft = DRAFTS[kind]
        work, text = fixed(draft) + size, bytes([65 + size % 26]) * size
        try:
            fee = self.model.quote(work, self.world.now)
        except Refused:
            fee = ETHER
        opened = len(self.model.batches)
        done = self.agree(
            lambda: self.send(
                who, "submit", self.ids[kind], b"", text, ZERO, 0, value=fee + extra, gas=gas
            ),
            lambda: self.model.submit(
                self.names[who],
                work,
                draft.output_bytes(),
                fee + extra,
                self.world.now,
                self.world.block,
            ),
            short=gas is not None,
        )
        if done:
            self.note_closing(opened)
            self.note_call(fee)
        return done

    def note_call(self, fee: int) -> None:
        """Compare the event with the model's newest entry, and keep its leaf."""
        queued = self.world.event("CallQueued")
        batch = self.model.batches[-1]
        entry = batch.entries[-1]
        assert (queued["call_id"], queued["batch"]) == (entry.call_id, batch.number)
        assert (queued["caller"], queued["fee"]) == (entry.caller, fee) == (entry.caller, entry.fee)
        assert queued["timestamp"] == entry.at == self.world.now
        leaf = codec.compute_entry_hash(entry_of(queued))
        self.leaves.setdefault(batch.number, []).append(leaf)

    def note_closing(self, opened: int) -> None:
        """Hold a batch that was just closed to the hash of exactly its entries, in order."""
        closings = [log.args for log in self.world.logs if log.name == "BatchClosed"]
        assert len(closings) == len(self.model.batches) - opened
        for closing in closings:
            batch = self.model.batches[opened - 1]
            leaves = self.leaves[batch.number]
            root = merkle.compute_root(leaves, 8)
            header = BatchHeader(
                BatchNumber(batch.number),
                CallId(batch.first_call),
                len(leaves),
                batch.opened_at,
                Hash32(self.world.prevrandao),
                root,
            )
            assert closing["entries_root"] == root
            assert closing["batch_hash"] == codec.compute_batch_hash(header)
            self.hashes.append(closing["batch_hash"])

    def do_close(self, who: int, gas: int | None = None) -> bool:
        opened = len(self.model.batches)
        done = self.agree(
            lambda: self.send(who, "close_batch", gas=gas),
            lambda: self.model.close_batch(
                self.world.now,
                self.world.block,
                by_sequencer=self.staked and self.names[who] == SEQUENCER,
            ),
            short=gas is not None,
        )
        if done:
            self.note_closing(opened)
        return done

    def do_withdraw(self, who: int, to: bytes, gas: int | None = None) -> bool:
        before, owed = self.world.balance(to), self.model.credits.get(self.names[who], 0)
        done = self.agree(
            lambda: self.send(who, "withdraw", to, gas=gas),
            lambda: self.model.withdraw(self.names[who]),
            short=gas is not None,
        )
        if done:
            assert self.world.event("CreditWithdrawn")["amount"] == owed
            assert self.world.balance(to) == before + owed
        return done

    def do_burn(self, who: int, gas: int | None = None) -> bool:
        grave, surplus = self.world.balance(GRAVE), self.model.surplus
        done = self.agree(
            lambda: self.send(who, "burn", gas=gas), self.model.burn, short=gas is not None
        )
        if done:
            assert self.world.event("SurgeBurned") == {"amount": surplus}
            assert self.world.balance(GRAVE) == grave + surplus
        return done

    def do_reenter(self, attacker: Contract, data: bytes, price: int) -> None:
        """Withdraw to an attacker that calls back with `data`; its credit is paid once."""
        attacker.set(CALL_BACK, self.inbox.address, data)
        attacker.set_price(price)
        self.do_withdraw_quietly(PEOPLE_END + self.contracts.index(attacker), attacker.address)
        logs = self.world.logs
        attacker.set(ACCEPT, bytes(20), b"")
        self.world.logs = logs

    def do_withdraw_quietly(self, who: int, to: bytes) -> None:
        """As do_withdraw, for a receiver that spends while it is paid."""
        self.agree(
            lambda: self.send(who, "withdraw", to),
            lambda: self.model.withdraw(self.names[who]),
            short=False,
        )
