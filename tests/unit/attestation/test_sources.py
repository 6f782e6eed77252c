"""Collateral from files, from a service of Intel's interface, from the simulated platform."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from oyez.attestation.appraisal import appraise
from oyez.attestation.collateral import parse_collateral
from oyez.attestation.simulated import FMSPC, SimulatedPlatform
from oyez.attestation.sources import FileSource, PccsSource, SimulatedSource, build_source
from oyez.protocol.errors import Fatal, Invalid, Temporary

NOW = 1_780_000_000
PLATFORM = SimulatedPlatform()
FOREIGN = bytes.fromhex("51d051d051d1")


class Service:
    """Answers as Intel's interface does; every answer can be replaced."""

    def __init__(self, as_hex: bool) -> None:
        found = json.loads(PLATFORM.collateral(NOW))
        other = json.loads(SimulatedPlatform(fmspc=FOREIGN).collateral(NOW))
        sgx, tdx = "/sgx/certification/v4", "/tdx/certification/v4"
        lists = [bytes.fromhex(found[name]) for name in ("pck_crl", "root_ca_crl")]
        lists = [one.hex().encode() for one in lists] if as_hex else lists
        info = f"{tdx}/tcb?fmspc="
        self.answers: dict[str, tuple[int, bytes, dict[str, str]]] = {
            f"{sgx}/pckcrl?ca=platform&encoding=der": self.build(
                lists[0], "SGX-PCK-CRL", found["pck_crl_issuer_chain"]
            ),
            f"{sgx}/rootcacrl": (200, lists[1], {}),
            f"{tdx}/qe/identity": self.wrap(found, "enclaveIdentity", "qe_identity",
                                            "SGX-Enclave-Identity"),
            info + FMSPC.hex(): self.wrap(found, "tcbInfo", "tcb_info", "TCB-Info"),
            info + FOREIGN.hex(): self.wrap(other, "tcbInfo", "tcb_info", "TCB-Info"),
        }  # fmt: skip
        self.info = info + FMSPC.hex()

    @staticmethod
    def build(data: bytes, header: str, chain: str) -> tuple[int, bytes, dict[str, str]]:
        return 200, data, {f"{header}-Issuer-Chain": quote(chain.rstrip("\n"))}

    @classmethod
    def wrap(
        cls, found: dict[str, str], name: str, member: str, header: str
    ) -> tuple[int, bytes, dict[str, str]]:
        text = f'{{"{name}":{found[member]},"signature":"{found[f"{member}_signature"]}"}}'
        return cls.build(text.encode(), header, found[f"{member}_issuer_chain"])


@pytest.fixture(params=[False, True], ids=["der", "hex"])
def service(request: pytest.FixtureRequest) -> Iterator[tuple[Service, str]]:
    answers = Service(request.param)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, data, headers = answers.answers.get(self.path, (404, b"", {}))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield answers, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def judge(text: str, platform: SimulatedPlatform = PLATFORM) -> None:
    given = parse_collateral(text)
    appraise(platform.quote(bytes(64)), given, NOW, platform.root_key)


def test_a_service_gives_the_same_as_the_platform(service: tuple[Service, str]) -> None:
    """Rule: ENCLAVE-10"""
    _, url = service
    source = build_source(f"{url}/", [FMSPC, FOREIGN])
    assert isinstance(source, PccsSource)
    first, second = source.fetch(NOW)
    assert json.loads(first) == json.loads(PLATFORM.collateral(NOW))
    judge(first)
    judge(second, SimulatedPlatform(fmspc=FOREIGN))


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ((404, b"", {}), "status 404"),
        ((200, b"x" * 262_145, {}), "status 200"),
        ((200, b"{}", {}), "without its issuer's chain"),
        ((200, b"{}", {"TCB-Info-Issuer-Chain": "x"}), "no signed tcbInfo"),
        (
            (200, b'{"enclaveIdentity":{},"signature":"' + b"0" * 128 + b'"}',
             {"TCB-Info-Issuer-Chain": "x"}),
            "no signed tcbInfo",
        ),
        ((200, b'{"tcbInfo":{},"signature":"00"}', {"TCB-Info-Issuer-Chain": "x"}), "no signed"),
    ],
)  # fmt: skip
def test_a_service_that_answers_otherwise_is_asked_again_later(
    service: tuple[Service, str], answer: tuple[int, bytes, dict[str, str]], what: str
) -> None:
    """Rule: ENCLAVE-10"""
    answers, url = service
    answers.answers[answers.info] = answer
    with pytest.raises(Temporary, match=what):
        PccsSource(url, [FMSPC]).fetch(NOW)


def test_sources_that_cannot_be(tmp_path: Path) -> None:
    """Rule: ENCLAVE-10"""
    with pytest.raises(Temporary, match="ConnectionError"):
        PccsSource("http://127.0.0.1:9", [FMSPC]).fetch(NOW)
    with pytest.raises(Fatal, match="--fmspc"):
        build_source("http://127.0.0.1:9")
    with pytest.raises(Invalid, match="address"):
        build_source("http://", [FMSPC])
    with pytest.raises(Invalid, match="no collateral is named"):
        build_source("")
    for path in (tmp_path, tmp_path / "none.json"):
        with pytest.raises(Temporary):
            FileSource(path).fetch(NOW)
    (tmp_path / "bad.json").write_bytes(b"\xff")
    with pytest.raises(Temporary, match="cannot read"):
        FileSource(tmp_path).fetch(NOW)


def test_files_and_folders(tmp_path: Path) -> None:
    """Rule: ENCLAVE-10"""
    (tmp_path / "a.json").write_text(PLATFORM.collateral(NOW))
    (tmp_path / "b.json").write_text("second")
    (tmp_path / "c.txt").write_text("no collateral")
    assert build_source(str(tmp_path)).fetch(NOW) == [PLATFORM.collateral(NOW), "second"]
    assert build_source(str(tmp_path / "b.json")).fetch(NOW) == ["second"]
    simulated = build_source("simulated")
    assert isinstance(simulated, SimulatedSource)
    for text in simulated.fetch(NOW):
        judge(text)
