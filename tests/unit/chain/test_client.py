from __future__ import annotations

import socket
from typing import Any

import eth_abi
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from oyez.chain import client
from oyez.chain.client import Reverted, RpcError, connect, decode_revert
from oyez.protocol.errors import Fatal, Temporary
from oyez.protocol.types import Address
from tests.devnet import Anvil
from tests.unit.chain.scripted_rpc import RpcFailure, build_chain, connection_reset

SOMEONE = Address(b"\x0a" * 20)


def build_log(block: int, index: int) -> dict[str, Any]:
    return {
        "address": "0x" + SOMEONE.hex(),
        "topics": ["0x" + "11" * 32],
        "data": "0x",
        "blockNumber": hex(block),
        "blockHash": "0x" + "22" * 32,
        "logIndex": hex(index),
        "transactionHash": "0x" + "33" * 32,
    }


def test_a_chain_that_is_down_is_temporary_and_names_the_fix() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(Temporary, match=f"no chain answers at http://127.0.0.1:{port}.*start it"):
        connect(f"http://127.0.0.1:{port}", 31_337)


def test_another_chain_is_fatal_and_names_the_fix() -> None:
    with Anvil(chain_id=31_338) as node:
        assert connect(node.rpc, 31_338).fetch_block().number == 0
        with pytest.raises(Fatal, match=r"is chain 31338, .* on chain 31337: correct `rpc`"):
            connect(node.rpc, 31_337)


def test_a_dropped_connection_is_tried_once_more() -> None:
    failures = [1]

    def answer(_method: str, _params: Any) -> Any:
        if failures.pop():
            failures.append(0)
            raise requests.exceptions.ConnectionError("reset by peer")
        return "0x5"

    chain, session = build_chain(answer)
    assert chain.fetch_balance(SOMEONE) == 5
    assert len(session.asked) == 2


def test_a_connection_that_stays_down_is_temporary() -> None:
    chain, _ = build_chain(connection_reset)
    with pytest.raises(Temporary, match="ConnectionError"):
        chain.fetch_block()


@pytest.mark.parametrize(
    "document", [None, 7, "text", [], {}, {"number": "0x1"}, {"number": "zz"}, {"hash": 4}]
)
def test_a_malformed_answer_is_temporary(document: Any) -> None:
    chain, _ = build_chain(lambda _method, _params: document)
    with pytest.raises(Temporary):
        chain.fetch_block()
    if document != []:
        with pytest.raises(Temporary):
            list(chain.fetch_logs([SOMEONE], [], 0, 0))


def test_an_answer_that_is_no_json_is_temporary() -> None:
    chain, _ = build_chain(lambda _m, _p: requests.exceptions.JSONDecodeError("no", "", 0))
    with pytest.raises(Temporary):
        chain.fetch_block()


def test_a_quantity_has_at_most_32_bytes() -> None:
    chain, _ = build_chain(lambda _method, _params: "0x" + "f" * 64)
    assert chain.fetch_balance(SOMEONE) == 2**256 - 1
    chain, _ = build_chain(lambda _method, _params: "0x1" + "0" * 64)
    with pytest.raises(Temporary, match="malformed"):
        chain.fetch_balance(SOMEONE)


def test_a_revert_carries_the_contracts_words() -> None:
    data = "0x08c379a0" + eth_abi.abi.encode(["string"], ["inbox: fee too low"]).hex()

    def answer(_method: str, _params: Any) -> Any:
        raise RpcFailure({"code": 3, "message": "execution reverted", "data": data})

    chain, _ = build_chain(answer)
    with pytest.raises(Reverted, match="inbox: fee too low") as caught:
        chain.call(SOMEONE, b"")
    assert caught.value.reason == "inbox: fee too low"


@pytest.mark.parametrize("data", ["0xzz", "zzz", "0x123"])
def test_a_revert_whose_data_is_no_hex_is_temporary(data: str) -> None:
    def answer(_method: str, _params: Any) -> Any:
        raise RpcFailure({"code": 3, "message": "execution reverted", "data": data})

    chain, _ = build_chain(answer)
    with pytest.raises(Temporary, match="malformed"):
        chain.call(SOMEONE, b"")


def test_json_without_an_end_is_temporary() -> None:
    chain, _ = build_chain(lambda _m, _p: RecursionError("too deep"))
    with pytest.raises(Temporary, match="JSON without an end"):
        chain.fetch_block()


def test_another_error_keeps_the_nodes_words() -> None:
    def answer(_method: str, _params: Any) -> Any:
        raise RpcFailure({"code": -32000, "message": "header not found"})

    chain, _ = build_chain(answer)
    with pytest.raises(RpcError, match="header not found"):
        chain.fetch_code(SOMEONE)


@given(st.binary(max_size=120))
def test_decoding_a_revert_is_total(data: bytes) -> None:
    for head in (b"", bytes.fromhex("08c379a0"), bytes.fromhex("4e487b71")):
        assert isinstance(decode_revert(head + data), str)


@given(
    blocks=st.lists(st.integers(0, 9_000), max_size=30),
    first=st.integers(0, 9_000),
    length=st.integers(0, 9_000),
    most=st.integers(1, 3_000),
)
def test_logs_come_whole_and_in_order_whatever_range_the_node_accepts(
    blocks: list[int], first: int, length: int, most: int
) -> None:
    last = first + length
    chain_logs = [build_log(block, index) for index, block in enumerate(sorted(blocks))]

    def answer(method: str, params: Any) -> Any:
        assert method == "eth_getLogs"
        start, stop = int(params[0]["fromBlock"], 16), int(params[0]["toBlock"], 16)
        if stop - start + 1 > most:
            raise RpcFailure({"code": -32005, "message": "range too wide"})
        found = [log for log in chain_logs if start <= int(log["blockNumber"], 16) <= stop]
        return list(reversed(found))

    chain, _ = build_chain(answer)
    found = list(chain.fetch_logs([SOMEONE], [], first, last))
    assert [log.block for log in found] == [b for b in sorted(blocks) if first <= b <= last]
    assert [log.index for log in found] == sorted(log.index for log in found)


def test_a_single_block_that_the_node_refuses_is_an_error() -> None:
    def answer(_method: str, _params: Any) -> Any:
        raise RpcFailure({"code": -32005, "message": "no"})

    chain, session = build_chain(answer)
    with pytest.raises(RpcError):
        list(chain.fetch_logs([SOMEONE], [], 0, client.LOG_RANGE))
    assert len(session.asked) <= 13
