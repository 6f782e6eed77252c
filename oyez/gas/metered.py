"""A local chain of one's own, and a way to send that answers with gas."""

from __future__ import annotations

from typing import Any

from oyez.chain import client as chain_client
from oyez.chain import contracts, deploy
from oyez.chain.devnet import Devnet
from oyez.chain.keys import Key
from oyez.protocol.errors import Fatal
from oyez.protocol.types import Address, Hash32

METER = "oyez/gas/CallMeter.vy"
#: Receipts are there a moment after a transaction's hash.
RECEIPT_LOOKS = 50_000
#: Of a block and of a transaction; what is not used is not paid.
GAS = 16_000_000


class MeteredChain:
    """Accounts that have done nothing before, and what their transactions cost.

    Every block is a second after the one before.
    """

    def __init__(self, devnet: Devnet) -> None:
        """Take a running chain on which nothing was done."""
        self.devnet = devnet
        devnet.request("anvil_setBlockTimestampInterval", 1)
        self.chain = chain_client.connect(devnet.rpc, devnet.chain_id)

    def key(self, who: int) -> Key:
        """Return an account's key."""
        return Key(bytes.fromhex(self.devnet.accounts[who].key[2:]))

    def address(self, who: int) -> Address:
        """Return an account's address."""
        return Address(bytes.fromhex(self.devnet.accounts[who].address[2:]))

    def pass_time(self, seconds: int) -> None:
        """Mine a block that many seconds after the last."""
        now = self.chain.fetch_block("latest").timestamp
        self.devnet.request("evm_setNextBlockTimestamp", now + seconds)
        self.devnet.mine()

    def create(self, code: bytes) -> Address:
        """Create a contract, as account 0."""
        receipt = self._send(contracts.Transaction(None, code, 0), 0)
        return Address(bytes.fromhex(receipt["contractAddress"][2:]))

    def create_meter(self) -> None:
        """Create what `measure_call` calls from."""
        meter = deploy.compile_contract(METER)
        self._meter = self.create(meter.bytecode)
        (self._measure,) = [e for e in meter.abi if e["type"] == "function"]

    def send(self, transaction: contracts.Transaction, who: int) -> int:
        """Send from an account and return the gas of the whole transaction.

        Raises:
            Fatal: it failed.
        """
        return int(self._send(transaction, who)["gasUsed"], 16)

    def send_mined(self, transaction: contracts.Transaction, who: int) -> chain_client.Mined:
        """Send from an account and return the receipt.

        Raises:
            Fatal: it failed.
        """
        receipt = self._send(transaction, who)
        mined = self.chain.find_mined(Hash32(bytes.fromhex(receipt["transactionHash"][2:])))
        assert mined is not None
        return mined

    def measure_call(self, call: contracts.Transaction, who: int) -> tuple[int, bytes]:
        """Call a view from a contract: (gas of the call alone, cold; its answer, a word)."""
        assert call.to is not None
        data = contracts.encode_call(self._measure, (call.to, call.data))
        receipt = self._send(contracts.Transaction(self._meter, data, 0), who)
        words = bytes.fromhex(receipt["logs"][0]["data"][2:])
        return int.from_bytes(words[:32], "big"), words[32:]

    def _send(
        self, transaction: contracts.Transaction, who: int
    ) -> dict[str, Any]:  # Any: JSON of a receipt
        fields = {
            "from": self.devnet.accounts[who].address,
            "data": "0x" + transaction.data.hex(),
            "value": hex(transaction.value),
            "gas": hex(GAS),
        }
        if transaction.to is not None:
            fields["to"] = "0x" + transaction.to.hex()
        sent = self.devnet.request("eth_sendTransaction", fields)
        for _ in range(RECEIPT_LOOKS):
            receipt = self.devnet.request("eth_getTransactionReceipt", sent)
            if receipt is not None:
                break
        else:
            raise Fatal(f"the local chain gives no receipt of {sent}")
        if receipt["status"] != "0x1":
            used = int(receipt["gasUsed"], 16)
            raise Fatal(f"a measured transaction failed after {used:,} gas: {transaction}")
        assert isinstance(receipt, dict)
        return receipt
