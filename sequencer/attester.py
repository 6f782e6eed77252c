"""Has an enclave's key sign what is proposed here, and brings the signatures onto the chain.

The key signs; the sequencer's own account sends and pays. What to attest is decided from the chain
alone, so a crash or a re-org needs no case of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from oyez.attestation.signer import EnclaveSigner, Statement
from oyez.chain.client import Mined, Reverted
from oyez.chain.contracts import Rollup, RollupSettings
from oyez.chain.sender import Sender
from oyez.dispute.agent import Facts
from oyez.protocol.errors import Fatal, Invalid, Temporary
from oyez.protocol.types import BatchNumber, Hash32, Status
from oyez.service import Log
from sequencer.store import Store


@dataclass(frozen=True, slots=True)
class Truth:
    """An own result on the true branch, and what the chain makes of it.

    Attributes:
        is_first: whether its parent has no child yet.
    """

    statement: Statement
    assertion_id: Hash32
    status: Status
    is_first: bool


class Attester:
    """One enclave's key, beside one sequencer."""

    def __init__(
        self, rollup: Rollup, signer: EnclaveSigner, sender: Sender, store: Store, log: Log
    ) -> None:
        """Take the key, which has looked at the chain already.

        Raises:
            Fatal: the key is for another rollup or registry.
        """
        settings = rollup.fetch_settings()
        domain = signer.domain
        if (domain.rollup, domain.registry) != (rollup.address, settings.enclaves):
            raise Fatal(
                f"this rollup's registry of enclaves is 0x{settings.enclaves.hex()}, the enclave's "
                f"key is for 0x{domain.registry.hex()}: correct the deployment file"
            )
        self._rollup = rollup
        self._signer = signer
        self._sender = sender
        self._store = store
        self._log = log
        self._is_needed = settings.needs_enclave
        #: what the key refuses, and what it said: the same for ever
        self._said: set[tuple[Hash32, str]] = set()
        self.reset()

    def reset(self) -> None:
        """Decide anew, whatever was decided before: the chain may be another."""
        #: what was sent here, whether its log was read yet or not
        self._sent: set[Hash32] = set()
        self._decided: tuple[bytes, int] | None = None

    def prepare(self, facts: Facts) -> Mined | None:
        """Attest the next proposal before it is made, where this rollup needs that.

        What cannot be sent now holds up no other move: the proposal waits, nothing else.

        Rule: SEQ-34
        """
        if not self._is_needed:
            return None
        for item in self._list(facts):
            if item.status is Status.NONE and item.is_first and self._is_missing(item.assertion_id):
                try:
                    return self._attest(item)
                except Reverted as error:
                    self._say(item, error.reason)
                except Temporary as error:
                    self._say(item, str(error))
        return None

    def act(self, facts: Facts) -> Mined | None:
        """Attest one PENDING assertion that is this node's own result; None: there is none.

        Raises:
            Temporary: it is not mined yet, or the account cannot pay.

        Rule: SEQ-33
        """
        if facts.state == self._decided:
            return None
        for item in self._list(facts):
            if item.status is Status.PENDING and self._is_missing(item.assertion_id):
                try:
                    mined = self._attest(item)
                except Reverted as error:
                    self._say(item, error.reason)
                    break  # one refusal a block: the next block is decided anew
                if mined is not None:
                    return mined
        self._decided = facts.state
        return None

    def _list(self, facts: Facts) -> Iterator[Truth]:
        """Yield own results after the head: those that are PENDING, then the next."""
        parent, batch = facts.tree.head_id, facts.tree.head + 1
        while (own := facts.own.get(batch)) is not None:
            attempt, status = 0, Status.DEFEATED
            while status is Status.DEFEATED:
                statement = Statement(parent, attempt, own.batch, own.batch_hash, own.claim)
                assertion_id = statement.compute_id(self._signer.domain)
                status = facts.tree.get_status(assertion_id)
                attempt += 1
            is_first = not facts.tree.list_children(parent)
            yield Truth(statement, assertion_id, status, is_first)
            if status is not Status.PENDING:
                return
            parent, batch = assertion_id, BatchNumber(batch + 1)

    def _is_missing(self, assertion_id: Hash32) -> bool:
        return assertion_id not in self._sent and not self._store.assertions.is_attested(
            assertion_id
        )

    def _attest(self, item: Truth) -> Mined | None:
        """Have one signed and send it; None where the key refuses.

        Raises:
            Reverted: the contract refuses.
            Temporary: not mined yet, or the account cannot pay.
        """
        assertion_id = item.assertion_id
        key = f"attest 0x{assertion_id.hex()}"
        flight = self._sender.open_flight()
        if not flight.resume(key):
            try:
                signature = self._signer.sign(item.statement)
            except Invalid as error:
                self._say(item, error.what)
                return None
            flight.begin(key, self._rollup.build_attest(assertion_id, signature))
        mined = flight.finish(key)
        self._sent.add(assertion_id)
        self._log(
            "attested",
            batch=item.statement.batch,
            assertion=assertion_id,
            signer=self._signer.address,
            block=mined.block,
            gas=mined.gas_used,
        )
        return mined

    def _say(self, item: Truth, reason: str) -> None:
        """Say why something is not attested, once for each reason."""
        if (item.assertion_id, reason) not in self._said:
            self._said.add((item.assertion_id, reason))
            self._log(
                "unattested",
                batch=item.statement.batch,
                assertion=item.assertion_id,
                reason=reason,
            )


def verify_enclave(settings: RollupSettings, signer: EnclaveSigner | None) -> None:
    """Check that there is an enclave's key where the sequencer is first only with one.

    Raises:
        Fatal: there is none.

    Rule: SEQ-34
    """
    if settings.needs_enclave and signer is None:
        raise Fatal(
            "this rollup takes the sequencer's first proposals only with an enclave's signature: "
            "give --enclave DIR, with a key that `oyez enclave register` has registered"
        )
