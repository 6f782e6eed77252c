"""The simulated agent through dstack's own client, and our clients of agent and kernel."""

from __future__ import annotations

import http.client
import importlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oyez.attestation import guest as guests
from oyez.attestation.appraisal import appraise
from oyez.attestation.collateral import parse_collateral
from oyez.attestation.guest import ConfigfsGuest, DstackGuest, find_guest
from oyez.attestation.quote import parse_quote
from oyez.attestation.simulated import SimulatedPlatform
from oyez.attestation.simulated_agent import Agent, AgentServer
from oyez.attestation.simulated_quote import COMPOSE, compute_config_id
from oyez.protocol.errors import Fatal, Temporary

NOW = 1_780_000_000
DATA = bytes(range(64))
PLATFORM = SimulatedPlatform()
NOWHERE = Path("/nowhere/tdx_guest")


@pytest.fixture(params=["socket", "loopback"])
def endpoint(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    path = tmp_path / "run" / "dstack.sock" if request.param == "socket" else None
    with AgentServer(Agent(PLATFORM), socket=path, device=NOWHERE) as server:
        yield server.endpoint


@pytest.fixture
def loopback() -> Iterator[str]:
    with AgentServer(Agent(PLATFORM), device=NOWHERE) as server:
        yield server.endpoint


def test_dstacks_own_client_works_against_it(endpoint: str) -> None:
    """Rule: ENCLAVE-2"""
    sdk = importlib.import_module("dstack_sdk")
    client = sdk.DstackClient(endpoint)
    answer = client.get_quote(DATA[:32])
    quote = answer.decode_quote()
    given = parse_collateral(PLATFORM.collateral(NOW))
    found = appraise(quote, given, NOW, PLATFORM.root_key)
    assert found.report.report_data == DATA[:32] + bytes(32)
    assert answer.report_data == (DATA[:32] + bytes(32)).hex()
    replayed = answer.replay_rtmrs()
    assert tuple(bytes.fromhex(replayed[i]) for i in range(4)) == found.report.rt_mr
    info = client.info()
    assert info.tcb_info.rtmr3 == found.report.rt_mr[3].hex()
    assert info.tcb_info.mrtd == found.report.mr_td.hex()
    digest = sdk.get_compose_hash(json.loads(info.tcb_info.app_compose))
    assert info.compose_hash == digest
    assert found.report.mr_config_id == b"\1" + bytes.fromhex(digest) + bytes(15)


def test_our_client_gets_the_same(endpoint: str) -> None:
    """Rule: ENCLAVE-3"""
    guest = DstackGuest(endpoint)
    quote = guest.fetch_quote(DATA)
    assert parse_quote(quote).report.report_data == DATA
    assert guest.fetch_info()["compose_hash"] == compute_config_id(COMPOSE)[1:33].hex()
    assert isinstance(find_guest({guests.ENDPOINT_VARIABLE: endpoint}), DstackGuest)


def test_a_compose_file_is_measured() -> None:
    """Rule: ENCLAVE-2"""
    agent = Agent(PLATFORM, "services: {}")
    quote = parse_quote(bytes.fromhex(agent.get_quote({"report_data": "01"})["quote"]))
    assert quote.report.mr_config_id == compute_config_id("services: {}")
    assert quote.report.mr_config_id != compute_config_id(COMPOSE)


def post(endpoint: str, path: str, body: bytes, **headers: str) -> tuple[int, Any]:
    host = endpoint.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request("POST", path, body, headers)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, answer


def test_nothing_else_is_answered(loopback: str) -> None:
    """Rule: ENCLAVE-2"""
    for method in ("GetKey", "GetTlsKey", "Sign", "Attest", "EmitEvent", "Verify", "Version"):
        assert post(loopback, f"/{method}", b"{}")[0] == 404
    for body in (
        b"", b"{", b"[]", b"1", b"{}", b'{"report_data": 1}', b'{"report_data": ""}',
        b'{"report_data": "0"}', b'{"report_data": "zz"}',
        json.dumps({"report_data": "00" * 65}).encode(), b"[" * 4_000, b"\xff",
    ):  # fmt: skip
        status, answer = post(loopback, "/GetQuote", body)
        assert (status, list(answer)) == (400, ["error"]), body
    for size in ("4097", "-1", "9" * 4_301):
        assert post(loopback, "/GetQuote", b"", **{"Content-Length": size})[0] == 413
    assert len(DstackGuest(loopback).fetch_quote(DATA)) > 4_000


def test_it_does_not_start_beside_real_hardware(tmp_path: Path) -> None:
    """Rule: ENCLAVE-2"""
    device = tmp_path / "tdx_guest"
    device.touch()
    with pytest.raises(Fatal, match="this is a TDX guest"):
        AgentServer(Agent(PLATFORM), device=device)
    kept = tmp_path / "kept"
    kept.write_text("mine")
    with pytest.raises(Fatal, match="no socket"):
        AgentServer(Agent(PLATFORM), socket=kept, device=NOWHERE)
    assert kept.read_text() == "mine"
    with pytest.raises(Fatal, match="cannot listen"):
        AgentServer(Agent(PLATFORM), socket=tmp_path / ("x" * 200), device=NOWHERE)


def test_a_socket_left_by_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    """Rule: ENCLAVE-2"""
    path = tmp_path / "agent.sock"
    left = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    left.bind(str(path))
    left.close()
    with AgentServer(Agent(PLATFORM), socket=path, device=NOWHERE) as server:
        assert path.stat().st_mode & 0o777 == 0o600
        DstackGuest(server.endpoint).fetch_quote(DATA)
    assert not path.exists()


class LyingAgent(Agent):
    """Answers something else."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(PLATFORM)
        self.answer = answer

    def get_quote(self, request: dict[str, Any]) -> dict[str, Any]:
        return self.answer


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ({}, "no quote"),
        ({"quote": 7}, "no quote"),
        ({"quote": "zz"}, "no quote"),
        ({"quote": ""}, "not over the data"),
        ({"quote": PLATFORM.quote(DATA)[:631].hex()}, "not over the data"),
        ({"quote": PLATFORM.quote(bytes(64)).hex()}, "not over the data"),
        ({"quote": (PLATFORM.quote(DATA) + bytes(12_000)).hex()}, "not over the data"),
        ({"quote": PLATFORM.quote(bytes(64), version=5, td15=True).hex()}, "not over the data"),
    ],
)
def test_a_quote_over_other_data_is_not_used(answer: dict[str, Any], what: str) -> None:
    """Rule: ENCLAVE-3"""
    server = AgentServer(LyingAgent(answer), device=NOWHERE)
    with server, pytest.raises(Fatal, match=what):
        DstackGuest(server.endpoint).fetch_quote(DATA)


@pytest.mark.parametrize(("version", "td15"), [(4, False), (5, False), (5, True)])
def test_quotes_of_every_version_are_used(version: int, td15: bool) -> None:
    """Rule: ENCLAVE-3"""
    quote = PLATFORM.quote(DATA, version=version, td15=td15)
    with AgentServer(LyingAgent({"quote": "0x" + quote.hex()}), device=NOWHERE) as server:
        assert DstackGuest(server.endpoint).fetch_quote(DATA) == quote
    longest = quote.ljust(16_384, b"\0")
    with AgentServer(LyingAgent({"quote": longest.hex()}), device=NOWHERE) as server:
        assert DstackGuest(server.endpoint).fetch_quote(DATA) == longest


def test_an_agent_that_is_not_there_is_waited_for(tmp_path: Path, loopback: str) -> None:
    """Rule: ENCLAVE-3"""
    for address in (str(tmp_path / "none.sock"), "http://127.0.0.1:9"):
        with pytest.raises(Temporary, match="no agent answers"):
            DstackGuest(address).fetch_quote(DATA)
    with pytest.raises(Temporary, match=r"refused GetQuote \(404\)"):
        DstackGuest(f"{loopback}/elsewhere").fetch_quote(DATA)
    ports = [f"http://127.0.0.1:{port}" for port in ("x", "0", "65536", "9" * 4_301)]
    for address in ("https://127.0.0.1", "ftp://x", "http://", "http://[", *ports):
        with pytest.raises(Fatal, match="no address of an agent"):
            DstackGuest(address)


class Kernel(guests.Configfs):
    """Reports as Linux' documentation describes them: files appear with the folder."""

    def __init__(self, provider: str = "tdx_guest") -> None:
        self.provider, self.folders = provider, list[Path]()
        self.generation, self.inblob, self.intruder = 0, b"", False
        self.fails: str | None = None

    def _may_fail(self, what: str) -> None:
        if what == self.fails:
            raise OSError(16, "Device or resource busy")

    def make(self, folder: Path) -> None:
        self._may_fail("make")
        self.folders.append(folder)

    def write(self, file: Path, data: bytes) -> None:
        self._may_fail("write")
        assert (file.parent, file.name) == (self.folders[-1], "inblob")
        self.inblob, self.generation = data, self.generation + 1

    def read(self, file: Path) -> bytes:
        self._may_fail(file.name)
        if file.name == "outblob":
            self.generation += self.intruder
            return PLATFORM.quote(self.inblob)
        return {"provider": f"{self.provider}\n", "generation": f"{self.generation}\n"}[
            file.name
        ].encode()

    def remove(self, folder: Path) -> None:
        self.folders.remove(folder)


def test_the_kernels_reports() -> None:
    """Rule: ENCLAVE-3"""
    kernel = Kernel()
    guest = ConfigfsGuest(files=kernel)
    assert parse_quote(guest.fetch_quote(DATA)).report.report_data == DATA
    assert kernel.folders == []
    kernel.intruder = True
    with pytest.raises(Temporary, match="another wrote"):
        guest.fetch_quote(DATA)
    kernel.intruder = False
    for place in ("make", "write", "provider", "generation", "outblob"):
        kernel.fails = place
        with pytest.raises(Temporary):
            guest.fetch_quote(DATA)
        assert kernel.folders == []
    kernel.fails = None
    kernel.provider = "sev_guest"
    with pytest.raises(Fatal, match="of sev_guest"):
        guest.fetch_quote(DATA)


def test_the_kernels_files_are_written_as_they_are(tmp_path: Path) -> None:
    """Rule: ENCLAVE-3"""
    files, folder = guests.Configfs(), tmp_path / "report"
    files.make(folder)
    with pytest.raises(OSError, match="No such file"):
        files.write(folder / "inblob", DATA)
    (folder / "inblob").touch()
    files.write(folder / "inblob", DATA)
    assert files.read(folder / "inblob") == DATA
    (folder / "inblob").unlink()
    files.remove(folder)
    assert not folder.exists()
    with pytest.raises(Temporary, match="cannot make"):
        ConfigfsGuest(tmp_path / "none").fetch_quote(DATA)
    with pytest.raises(Temporary, match="no report"):
        ConfigfsGuest(tmp_path).fetch_quote(DATA)


def test_a_machine_that_is_no_guest_is_told(tmp_path: Path) -> None:
    """Rule: ENCLAVE-3"""
    places = {"reports": tmp_path, "sockets": (tmp_path / "agent.sock",)}
    assert isinstance(find_guest({}, **places), ConfigfsGuest)
    assert isinstance(find_guest({}, "/x.sock", **places), DstackGuest)
    with pytest.raises(Fatal, match="no TDX guest"):
        find_guest({}, **places | {"reports": tmp_path / "none"})
    (tmp_path / "agent.sock").touch()
    assert isinstance(find_guest({}, **places), DstackGuest)
