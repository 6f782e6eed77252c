"""One JSON-RPC connection to the chain: reads at a named block, logs in ranges, raw sends.

A chain that cannot be reached is Temporary, another chain than expected is Fatal, and a
contract's refusal is `Reverted` with the contract's own words.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import eth_abi
import requests
from eth_abi.exceptions import DecodingError

from oyez.chain import urls
from oyez.protocol.errors import Fatal, Invalid, Temporary
from oyez.protocol.types import Address, Hash32

#: Where a read looks: a block's number, its hash, or "latest" or "pending".
At = int | Hash32 | str

T = TypeVar("T")

TIMEOUT_SECONDS = (5, 60)
#: Blocks in one eth_getLogs; halved when a provider refuses, grown back after.
LOG_RANGE = 2_000
LOOPBACK = ("localhost", "127.0.0.1", "::1")
#: What requests makes of an address in which only it finds the fault.
UNUSABLE = (
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    UnicodeError,
)

#: Characters of the longest quantity: 0x and 32 bytes.
MAX_QUANTITY = 66
_ERROR = bytes.fromhex("08c379a0")
_PANIC = bytes.fromhex("4e487b71")


class RpcError(Temporary):
    """The node answered with an error that is no revert."""

    def __init__(self, method: str, code: int, reason: str) -> None:
        """Keep the node's code and words."""
        self.code = code
        self.reason = reason
        super().__init__(f"the node refused {method}: {reason} ({code})")


class Reverted(Invalid):
    """A contract refused; `reason` is its revert string."""

    def __init__(self, reason: str) -> None:
        """Quote the contract."""
        self.reason = reason
        super().__init__("revert", f"the contract refused: {reason}")


@dataclass(frozen=True, slots=True)
class Block:
    """A block's place in the chain; `timestamp` in seconds."""

    number: int
    hash: Hash32
    parent: Hash32
    timestamp: int
    base_fee: int


@dataclass(frozen=True, slots=True)
class Log:
    """An event as the node gives it, undecoded."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes
    block: int
    block_hash: Hash32
    index: int
    transaction: Hash32


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction's receipt on the chain."""

    hash: Hash32
    block: int
    block_hash: Hash32
    succeeded: bool
    gas_used: int
    gas_price: int
    logs: tuple[Log, ...]
    created: Address | None


class Chain:
    """A kept-alive connection; use one per thread."""

    def __init__(self, rpc: str, chain_id: int, session: requests.Session) -> None:
        """Prefer `connect`, which checks the chain id."""
        self.rpc = rpc
        self.chain_id = chain_id
        self._session = session
        self._ids = itertools.count(1)

    def request(self, method: str, *params: Any) -> Any:  # Any: JSON
        """Send one JSON-RPC request and return its result.

        Raises:
            Temporary: the chain cannot be reached or answers no JSON-RPC.
            RpcError: the node refused.
            Reverted: a contract refused.
        """
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        answer = self._post(body)
        if "error" in answer:
            raise _explain(method, answer["error"])
        if "result" not in answer:
            raise Temporary(f"{self.rpc} answered {method} without a result: is it a chain's RPC?")
        return answer["result"]

    def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        for attempt in (1, 2):
            try:
                response = self._session.post(self.rpc, json=body, timeout=TIMEOUT_SECONDS)
                answer = response.json()
            except RecursionError as error:
                raise Temporary(f"{self.rpc} answered JSON without an end: use another") from error
            except UNUSABLE as error:
                raise Invalid("CLI-11", f"{self.rpc!r} is no address: {error}") from error
            except requests.exceptions.ConnectionError as error:
                # A kept-alive connection that the node closed meanwhile: once more, afresh.
                # A repeated raw transaction is the same transaction, so this never sends twice.
                if attempt == 2:
                    raise self._down(error) from error
            except OSError as error:
                # requests' own errors are OSErrors; others are of files it is told to read
                raise self._down(error) from error
            except ValueError as error:
                raise Temporary(f"{self.rpc} answered a number too long: use another") from error
            else:
                break
        if not isinstance(answer, dict):
            raise Temporary(f"{self.rpc} answered no JSON-RPC: is it a chain's RPC?")
        return answer

    def _down(self, error: Exception) -> Temporary:
        return Temporary(
            f"no chain answers at {self.rpc} ({type(error).__name__}): "
            "start it, or correct `rpc` in the deployment file"
        )

    def fetch_block(self, at: At = "latest") -> Block:
        """Return a block; Temporary when the node does not know it."""
        found = self.find_block(at)
        if found is None:
            raise Temporary(f"the node knows no block {_show(at)}: wait until it has synced")
        return found

    def find_block(self, at: At) -> Block | None:
        """Return a block, or None when the node does not know it."""
        by_hash = isinstance(at, bytes)
        method = "eth_getBlockByHash" if by_hash else "eth_getBlockByNumber"
        found = self.request(method, encode_at(at), False)
        return None if found is None else _parse(_block, found)

    def call(
        self,
        to: Address,
        data: bytes,
        at: At = "latest",
        sender: Address | None = None,
        value: int = 0,
    ) -> bytes:
        """Return what a contract's view answers at a block; Reverted when it refuses."""
        message = {"to": to_hex(to), "data": to_hex(data)}
        if sender is not None:
            message["from"] = to_hex(sender)
        if value:
            message["value"] = hex(value)
        return _parse(from_hex, self.request("eth_call", message, encode_at(at)))

    def estimate_gas(self, sender: Address, to: Address | None, data: bytes, value: int) -> int:
        """Return the gas a transaction would use now; Reverted when it would revert."""
        message = {"from": to_hex(sender), "data": to_hex(data), "value": hex(value)}
        if to is not None:
            message["to"] = to_hex(to)
        return _parse(_quantity, self.request("eth_estimateGas", message))

    def fetch_code(self, address: Address, at: At = "latest") -> bytes:
        """Return a contract's code, empty where there is none."""
        return _parse(from_hex, self.request("eth_getCode", to_hex(address), encode_at(at)))

    def fetch_balance(self, address: Address, at: At = "latest") -> int:
        """Return an account's balance in wei."""
        return _parse(_quantity, self.request("eth_getBalance", to_hex(address), encode_at(at)))

    def fetch_nonce(self, address: Address, at: At = "pending") -> int:
        """Return the number of transactions an account has sent."""
        answer = self.request("eth_getTransactionCount", to_hex(address), encode_at(at))
        return _parse(_quantity, answer)

    def fetch_tip(self) -> int:
        """Return the priority fee that the node suggests, in wei per gas."""
        return _parse(_quantity, self.request("eth_maxPriorityFeePerGas"))

    def send_raw(self, raw: bytes) -> None:
        """Broadcast a signed transaction."""
        self.request("eth_sendRawTransaction", to_hex(raw))

    def find_mined(self, transaction: Hash32) -> Mined | None:
        """Return a transaction's receipt, or None while it is not mined."""
        found = self.request("eth_getTransactionReceipt", to_hex(transaction))
        return None if found is None else _parse(_mined, found)

    def fetch_logs(
        self,
        addresses: Sequence[Address],
        topics: Sequence[bytes],
        first: int,
        last: int,
        *,
        about: Hash32 | None = None,
    ) -> Iterator[Log]:
        """Yield the logs of these contracts in blocks first..last, in the chain's order.

        `topics` are event signatures, any of which matches; empty matches every event. With
        `about` their first indexed word must be that one. A range that the node refuses is halved
        until it answers or a single block fails.
        """
        span = LOG_RANGE
        start = first
        while start <= last:
            stop = min(last, start + span - 1)
            query: dict[str, Any] = {
                "address": [to_hex(a) for a in addresses],
                "fromBlock": hex(start),
                "toBlock": hex(stop),
            }
            if topics:
                query["topics"] = [[to_hex(t) for t in topics]]
            if about is not None:
                query["topics"] = [*query.get("topics", [None]), to_hex(about)]
            try:
                found = self.request("eth_getLogs", query)
            except RpcError:
                if stop == start:
                    raise
                span = max(1, (stop - start + 1) // 2)
                continue
            yield from sorted(_parse(_logs, found), key=lambda log: (log.block, log.index))
            start = stop + 1
            span = min(LOG_RANGE, span * 2)


def connect(rpc: str, chain_id: int) -> Chain:
    """Open a connection and check that it leads to the expected chain.

    Raises:
        Invalid: CLI-11, the address is none.
        Temporary: nothing answers.
        Fatal: another chain answers.
    """
    urls.verify_url(rpc, "the chain's address")
    session = requests.Session()
    # A proxy named in the environment cannot reach this machine's own ports.
    session.trust_env = urlsplit(rpc).hostname not in LOOPBACK
    chain = Chain(rpc, chain_id, session)
    found = _parse(_quantity, chain.request("eth_chainId"))
    if found != chain_id:
        raise Fatal(
            f"{rpc} is chain {found}, the deployment is on chain {chain_id}: "
            "correct `rpc` in the deployment file"
        )
    return chain


def to_hex(data: bytes) -> str:
    """Write bytes as JSON-RPC data."""
    return "0x" + data.hex()


def from_hex(text: str) -> bytes:
    """Read JSON-RPC data."""
    return bytes.fromhex(text.removeprefix("0x"))


def encode_at(at: At) -> str:
    """Write a block's number, hash or tag as JSON-RPC wants it."""
    if isinstance(at, bytes):
        return to_hex(at)
    return hex(at) if isinstance(at, int) else at


def decode_revert(data: bytes) -> str:
    """Read the reason out of a revert's data: Error(string), Panic(uint256) or raw."""
    try:
        if data[:4] == _ERROR:
            return str(eth_abi.abi.decode(["string"], data[4:])[0])
        if data[:4] == _PANIC:
            return f"panic {eth_abi.abi.decode(['uint256'], data[4:])[0]:#x}"
    except (DecodingError, UnicodeDecodeError):
        return f"data {to_hex(data)}"
    return f"data {to_hex(data)}" if data else "no reason given"


def _explain(method: str, error: Any) -> Temporary | Reverted:
    """Sort a JSON-RPC error: a revert is code 3, or says so in its message."""
    if not isinstance(error, dict):
        return RpcError(method, 0, str(error))
    code, message, data = error.get("code", 0), str(error.get("message", "")), error.get("data")
    if code == 3 or "execution reverted" in message.lower():
        if isinstance(data, str) and len(data) > 2:
            return Reverted(decode_revert(_parse(from_hex, data)))
        reason = message.partition("reverted")[2].strip(" :,")
        return Reverted(reason or "no reason given")
    return RpcError(method, code, message)


def _parse(reader: Callable[[Any], T], answer: Any) -> T:  # Any: JSON
    """Apply a reader to JSON; a node that answers another shape is Temporary."""
    try:
        return reader(answer)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Temporary("the node gave a malformed answer: use another RPC") from error


def _quantity(text: str) -> int:
    if len(text) > MAX_QUANTITY:
        raise ValueError("more than 32 bytes")
    return int(text, 16)


def _block(found: dict[str, Any]) -> Block:
    return Block(
        number=_quantity(found["number"]),
        hash=Hash32(from_hex(found["hash"])),
        parent=Hash32(from_hex(found["parentHash"])),
        timestamp=_quantity(found["timestamp"]),
        base_fee=_quantity(found.get("baseFeePerGas", "0x0")),
    )


def _logs(found: list[dict[str, Any]]) -> list[Log]:
    if not isinstance(found, list):
        raise TypeError("logs are a list")
    return [_log(item) for item in found]


def _log(found: dict[str, Any]) -> Log:
    return Log(
        address=Address(from_hex(found["address"])),
        topics=tuple(from_hex(t) for t in found["topics"]),
        data=from_hex(found["data"]),
        block=_quantity(found["blockNumber"]),
        block_hash=Hash32(from_hex(found["blockHash"])),
        index=_quantity(found["logIndex"]),
        transaction=Hash32(from_hex(found["transactionHash"])),
    )


def _mined(found: dict[str, Any]) -> Mined:
    created = found.get("contractAddress")
    return Mined(
        hash=Hash32(from_hex(found["transactionHash"])),
        block=_quantity(found["blockNumber"]),
        block_hash=Hash32(from_hex(found["blockHash"])),
        succeeded=_quantity(found["status"]) == 1,
        gas_used=_quantity(found["gasUsed"]),
        gas_price=_quantity(found.get("effectiveGasPrice", "0x0")),
        logs=tuple(_logs(found["logs"])),
        created=None if created is None else Address(from_hex(created)),
    )


def _show(at: At) -> str:
    return to_hex(at) if isinstance(at, bytes) else str(at)
