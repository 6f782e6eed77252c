"""Sends a client's transactions, and finds them again when the chain was re-organised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from oyez.chain import events
from oyez.chain.client import Chain, Mined, Reverted, RpcError
from oyez.chain.contracts import Transaction
from oyez.chain.delivery import Delivery, NonceTaken, Signed
from oyez.chain.keys import Key
from oyez.chain.records import Record, Records
from oyez.chain.sender import Sender
from oyez.chain.signing import read_transaction
from oyez.protocol import codec
from oyez.protocol.errors import Fatal, Invalid, Temporary
from oyez.protocol.types import Address, BatchNumber, CallId, Hash32

#: Chains of one machine: nothing but their owner re-organises them.
LOCAL_CHAINS = (1_337, 31_337)
#: Blocks on top of a transaction before it is told, on every other chain.
CONFIRMATIONS = 8
#: A record is kept until its transaction lies this deep: two epochs of the beacon chain.
KEEP_BLOCKS = 64


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call's transaction stands in the chain now; `fee` in wei."""

    call_id: CallId
    batch: BatchNumber
    fee: int
    mined: Mined


def compute_confirmations(chain_id: int) -> int:
    """Return how many blocks to wait for where the user does not say."""
    return 0 if chain_id in LOCAL_CHAINS else CONFIRMATIONS


class Sending:
    """One client's transactions: signed once, broadcast as often as the chain loses them."""

    def __init__(
        self,
        chain: Chain,
        inbox: Address,
        key: Key | None,
        records: Records,
        *,
        report: Callable[[str], None],
        pause: Callable[[float], object],
    ) -> None:
        """Take the connection, the inbox's address, who signs, and where records are kept."""
        self.records = records
        self._chain = chain
        self._inbox = inbox
        self._key = key
        self._report = report
        self._pause = pause

    def send(
        self,
        intent: str,
        wish: bytes,
        build: Callable[[], Transaction],
        *,
        key: Key,
        confirmations: int | None,
        again: bool = False,
    ) -> tuple[Record, Mined]:
        """Send a transaction and wait until it is mined and confirmed.

        What a command signed for the same wish and did not end is sent in place of a new one,
        unless `again`: then, and only then, it may be paid a second time.

        Args:
            intent: a word for the record.
            wish: the bytes that say what the user wants, without fees.
            build: makes the transaction, if a new one is needed.
            key: pays and signs.
            confirmations: blocks on top of its own; None is the chain's default.
            again: send a new one in any case.

        Raises:
            Reverted: the contract refuses; found before anything is sent where possible.
            NonceTaken: another transaction of the account came first; nothing was paid.
            Temporary: not mined or confirmed in time; the same wish goes on with it.
        """
        digest = codec.keccak(intent.encode() + key.address + wish)
        record = None if again else self._resume(digest)
        if record is None:
            record = self._sign(intent, digest, build, key)
        depth = compute_confirmations(self._chain.chain_id)
        delivery = self._build_delivery(record)
        try:
            mined = delivery.confirm(
                record.signed,
                depth if confirmations is None else confirmations,
                self._build_raise(record),
            )
        except NonceTaken:
            self._displace(record)
            raise
        if not mined.succeeded:
            self.records.drop(record.name)
            raise Reverted(delivery.find_reason(read_transaction(record.signed), mined))
        now = replace(self.records.get(record.name), block=mined.block)
        if intent == "call":
            now = _tell(now, self.read_place(mined).call_id)
        self.records.put(now)
        return now, mined

    def locate(self, record: Record) -> Place:
        """Return where a call's transaction stands; one that a re-org removed is sent again.

        Raises:
            Invalid: SDK-12, it cannot come into the chain any more, or failed there.
            Temporary: it was sent again and is not mined yet.

        Rule: SDK-11
        """
        delivery = self._build_delivery(record)
        mined = delivery.find(record.signed)
        if mined is None:
            mined = self._deliver_again(record, delivery)
        place = self.read_place(mined)
        before = self.records.get(record.name)
        now = _tell(replace(before, block=mined.block), place.call_id)
        if now != before:
            self.records.note(now)
        return place

    def read_place(self, mined: Mined) -> Place:
        """Return what a mined call's log says; Fatal when it queued nothing."""
        for log in mined.logs:
            found = events.decode(log) if log.address == self._inbox else None
            if isinstance(found, events.CallQueued):
                return Place(found.entry.call_id, found.batch, found.entry.fee, mined)
        raise Fatal("the inbox queued nothing: the deployment file names another contract")

    def follow(self, subject: CallId | Hash32) -> tuple[CallId, Callable[[], CallId]]:
        """Return the id of a call, named by id or transaction, and what tells where it is later.

        A call of ours is followed through re-orgs; of others the id stays as it is.

        Raises:
            Invalid: there is no such transaction, or the id may mean two calls.
        """
        if isinstance(subject, bytes):
            record = self._find_transaction(subject)
            first = self._find_foreign(subject) if record is None else None
        else:
            record, first = self._find(subject), subject
        if record is None:
            assert first is not None, "a transaction without a record was looked up"
            return first, lambda: first
        name, known = record.name, self.locate(record).call_id

        def look() -> CallId:
            now = self.records.find(name)
            # forgotten: it lies too deep to move
            return known if now is None else self.locate(now).call_id

        return known, look

    def _find(self, call_id: CallId) -> Record | None:
        """Return the record of the call that was told under an id, None where it is not ours.

        Raises:
            Invalid: SDK-11, after a re-org the id means one call and meant another.
        """
        found = [record for record in self.records.list_records() if call_id in record.call_ids]
        # of one that is out for good its sender was told
        found = [record for record in found if not record.displaced] or found[-1:]
        if len(found) > 1:
            hashes = " or ".join(f"0x{record.signed.hash.hex()}" for record in found)
            raise Invalid(
                "SDK-11",
                f"the chain was re-organised and call {call_id} may be either of two: ask by its "
                f"transaction, {hashes}",
            )
        return found[0] if found else None

    def _find_foreign(self, digest: Hash32) -> CallId:
        """Return the call that another's transaction queued."""
        mined = self._chain.find_mined(digest)
        if mined is None or not mined.succeeded:
            raise Invalid(
                "SDK-11", f"no call was queued by a transaction 0x{digest.hex()}: check the hash"
            )
        return self.read_place(mined).call_id

    def _find_transaction(self, digest: Hash32) -> Record | None:
        """Return the record of a transaction at any of its fees."""
        for record in self.records.list_records():
            if digest in (record.signed.hash, *record.signed.replaced):
                return record
        return None

    def _deliver_again(self, record: Record, delivery: Delivery) -> Mined:
        """Broadcast what the chain lost until it is mined.

        Rule: SDK-12
        """
        name = f"call {record.call_ids[-1]}" if record.call_ids else f"the {record.intent}"
        digest = f"0x{record.signed.hash.hex()}"
        gone = Invalid(
            "SDK-12",
            f"{name} is no longer in the inbox: the chain was re-organised and nonce "
            f"{record.signed.nonce} of 0x{record.account.hex()} went to another transaction than "
            f"{digest}; nothing was paid for it: send it again",
        )
        if record.displaced:
            raise gone
        self._report(f"a re-org removed {name}: sending the same transaction {digest} again")
        try:
            with self.records.lock():
                self._broadcast_waiting(record.account)
            mined, _ = delivery.deliver(record.signed, self._build_raise(record))
        except NonceTaken as error:
            self._displace(record)
            raise gone from error
        except Temporary as error:
            raise Temporary(
                f"a re-org removed {name}; its transaction {digest} was sent again and is not "
                f"mined yet ({error}); it is not lost: ask again"
            ) from error
        if not mined.succeeded:
            reason = delivery.find_reason(read_transaction(record.signed), mined)
            raise Invalid(
                "SDK-12",
                f"a re-org removed {name}, and the contract refused it the second time "
                f"({reason}): its fee was not taken; send it again",
            )
        return mined

    def _resume(self, wish: Hash32) -> Record | None:
        """Return what an earlier command signed for a wish and did not end."""
        record = self.records.take(wish)
        if record is None:
            return None
        if record.displaced and self._build_delivery(record).find(record.signed) is None:
            # its nonce is another's: whoever was told so sends it again now
            self.records.end(record.name)
            return None
        self._report(
            f"going on with transaction 0x{record.signed.hash.hex()}, which an earlier command "
            "signed and did not end; give --again to send another"
        )
        return record

    def _displace(self, record: Record) -> None:
        """Note that a nonce is another's: what was told not to be paid is never sent again."""
        head = self._chain.fetch_block("latest").number
        now = self.records.get(record.name)
        self.records.note(replace(now, displaced=True, block=head))

    def _sign(
        self, intent: str, wish: Hash32, build: Callable[[], Transaction], key: Key
    ) -> Record:
        """Sign at the next nonce, keep it, and only then broadcast it.

        Rule: SDK-13
        """
        with self.records.lock():
            self._forget_settled(key.address)
            self._broadcast_waiting(key.address)
            signed = Sender(self._chain, key, self.records).sign(build())
            record = Record(signed.hash.hex(), intent, wish, key.address, signed)
            self.records.put(record)
            try:
                self._build_delivery(record).broadcast_at_any_fee(signed, self._build_raise(record))
            except RpcError:
                # the node has it not, and says so: there is nothing to go on with
                self.records.drop(record.name)
                raise
        return self.records.get(record.name)

    def _broadcast_waiting(self, account: Address) -> None:
        """Send again what a re-org removed, lowest nonce first, so that no nonce is given twice."""
        used = self._chain.fetch_nonce(account, "latest")
        for record in self.records.list_records():
            if record.account != account or record.displaced or record.signed.nonce < used:
                continue
            try:
                self._build_delivery(record).broadcast_at_any_fee(
                    record.signed, self._build_raise(record)
                )
            except RpcError as error:
                raise Temporary(
                    f"the node refuses an earlier transaction of 0x{account.hex()}, "
                    f"nonce {record.signed.nonce} ({error.reason}): try again later; to give it up "
                    f"for good remove {self.records.describe(record)}"
                ) from error

    def _forget_settled(self, account: Address) -> None:
        """Drop what re-orgs can no longer undo.

        Rule: SDK-14
        """
        head = self._chain.fetch_block("latest").number
        for record in self.records.list_records():
            if record.block is None or head - record.block <= KEEP_BLOCKS or not record.ended:
                continue
            mined = self._build_delivery(record).find(record.signed)
            if record.displaced or (mined is not None and head - mined.block > KEEP_BLOCKS):
                self.records.drop(record.name)

    def _build_delivery(self, record: Record) -> Delivery:
        return Delivery(self._chain, record.account, pause=self._pause)

    def _build_raise(self, record: Record) -> Callable[[Signed], Signed]:
        """Return what signs at a higher fee: nothing does without the account's key."""
        key = self._key
        if key is None or key.address != record.account:
            return lambda signed: signed
        way = Sender(self._chain, key, self.records, pause=self._pause)
        return lambda signed: way.raise_fee(record.name, signed)


def _tell(record: Record, call_id: CallId) -> Record:
    """Put an id last among those that were told."""
    others = tuple(told for told in record.call_ids if told != call_id)
    return replace(record, call_ids=(*others, call_id))
