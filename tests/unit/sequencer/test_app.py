"""The service's port: bound at once, or refused with the option that mends it."""

from __future__ import annotations

import socket
import urllib.request

import pytest
from fastapi import FastAPI

from oyez.protocol.errors import Fatal
from sequencer.app import Server


def test_a_client_waits_from_the_moment_the_port_is_known() -> None:
    server = Server(FastAPI(), "127.0.0.1", 0)
    with socket.create_connection(("127.0.0.1", server.port), 5):
        server.start()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{server.port}/openapi.json", timeout=20) as answer:
        assert answer.status == 200
    server.stop()


def test_a_taken_port_asks_for_another_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Fatal, match=rf"port {port} \(Address already in use\): give another"):
            Server(FastAPI(), "127.0.0.1", port)


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host", "::2", "a..b", "x" * 70, "é.é"])
def test_a_host_that_is_none_of_this_machine_asks_for_another_host(host: str) -> None:
    with pytest.raises(Fatal, match="--host must be an address of this machine"):
        Server(FastAPI(), host, 0)


@pytest.mark.parametrize("port", [-1, 65_536, 99_999])
def test_a_port_out_of_range_asks_for_one_in_range(port: int) -> None:
    with pytest.raises(Fatal, match="give a --port from 0 to 65535"):
        Server(FastAPI(), "127.0.0.1", port)
