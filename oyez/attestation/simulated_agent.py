"""The guest agent of dstack as far as an enclave needs it, served by the simulated platform.

`POST /GetQuote` and `POST /Info` over a unix socket or loopback HTTP, so that the code that runs in
a real guest runs unchanged on a development machine. There is no key and nothing to sign with.
"""

from __future__ import annotations

import json
import os
import socketserver
import stat
import threading
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from oyez import decimals
from oyez.attestation.simulated import SimulatedPlatform
from oyez.attestation.simulated_quote import (
    COMPOSE,
    EVENTS,
    ReportForm,
    compute_config_id,
    issue_quote,
)
from oyez.protocol.errors import Fatal, Invalid

#: Where a guest of real hardware has its device: no simulation beside it.
GUEST_DEVICE = Path("/dev/tdx_guest")
MAX_BODY = 4_096
TIMEOUT_SECONDS = 10
#: How long `stop` waits at most.
POLL_SECONDS = 0.02


class Agent:
    """What the endpoints answer; one simulated domain that runs one compose file."""

    def __init__(self, platform: SimulatedPlatform, compose: str = COMPOSE) -> None:
        """Measure the compose file into the domain's MRCONFIGID."""
        self._platform = platform
        self._compose = compose
        self.report = ReportForm(mr_config_id=compute_config_id(compose))

    def get_quote(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return a quote over report data of up to 64 bytes in hex, zeros added.

        Raises:
            Invalid: ENCLAVE-2, it is no such hex.
        """
        text = request.get("report_data")
        try:
            data = bytes.fromhex(text) if isinstance(text, str) else b""
        except ValueError:
            data = b""
        if not 0 < len(data) <= 64:
            raise Invalid("ENCLAVE-2", "report_data is no hex of 1 to 64 bytes")
        data = data.ljust(64, b"\0")
        form = self._platform.quote_form(data)
        quote = issue_quote(replace(form, report=replace(self.report, report_data=data)))
        return {
            "quote": quote.hex(),
            "event_log": json.dumps(list(EVENTS)),
            "report_data": data.hex(),
            "vm_config": "",
        }

    def info(self, _request: dict[str, Any]) -> dict[str, Any]:
        """Return what the domain runs, with its measurements."""
        report, digest = self.report, self.report.mr_config_id[1:33].hex()
        measured = {
            "mrtd": report.mr_td.hex(),
            "rtmr0": report.rt_mr0.hex(),
            "rtmr1": report.rt_mr1.hex(),
            "rtmr2": report.rt_mr2.hex(),
            "rtmr3": report.rt_mr3.hex(),
            "mr_aggregated": "",
            "os_image_hash": "",
            "compose_hash": digest,
            "device_id": "",
            "app_compose": self._compose,
            "event_log": list(EVENTS),
        }
        return {
            "app_id": digest[:40],
            "instance_id": "",
            "app_cert": "",
            "tcb_info": json.dumps(measured),
            "app_name": "simulated",
            "device_id": "",
            "mr_aggregated": "",
            "os_image_hash": "",
            "key_provider_info": "",
            "compose_hash": digest,
            "vm_config": "",
        }


class _UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def get_request(self) -> tuple[Any, Any]:  # Any: socketserver's own types
        """Name the peer, which a unix socket does not."""
        request, _ = super().get_request()
        return request, ("local", 0)


class _LoopbackServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True


class AgentServer:
    """Serves an agent until stopped; use as a context manager.

    Args:
        agent: what answers.
        socket: path of the unix socket; None listens on a free loopback port or on `port`.
        port: loopback port; 0 is a free one.
        device: what shows real hardware.

    Raises:
        Fatal: real hardware is there, or the address cannot be used.

    Rule: ENCLAVE-2
    """

    def __init__(
        self, agent: Agent, *, socket: Path | None = None, port: int = 0,
        device: Path = GUEST_DEVICE,
    ) -> None:  # fmt: skip
        """Listen; nothing is answered before `start`."""
        if device.exists():
            raise Fatal(
                f"{device} exists: this is a TDX guest, use its own agent, not a simulation"
            )
        handler = _build_handler({"/GetQuote": agent.get_quote, "/Info": agent.info})
        self._socket = socket
        self._server: _UnixServer | _LoopbackServer
        try:
            if socket is None:
                self._server = _LoopbackServer(("127.0.0.1", port), handler)
                self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
            else:
                _clear(socket)
                self._server = _UnixServer(str(socket), handler)
                os.chmod(socket, 0o600)
                self.endpoint = str(socket)
        except OSError as error:
            raise Fatal(
                f"cannot listen ({error.strerror or error}): give another address"
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_SECONDS,), daemon=True
        )

    def start(self) -> Self:
        """Answer requests in a thread."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Answer nothing more and remove the socket."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        if self._socket is not None:
            self._socket.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()


def _clear(socket: Path) -> None:
    """Remove a socket that an earlier process left; anything else is kept."""
    socket.parent.mkdir(parents=True, exist_ok=True)
    if socket.exists():
        if not stat.S_ISSOCK(socket.stat().st_mode):
            raise Fatal(f"{socket} is there and no socket: give another path")
        socket.unlink()


def _build_handler(
    methods: dict[str, Callable[[dict[str, Any]], dict[str, Any]]],
) -> type[BaseHTTPRequestHandler]:
    """Return a handler of POST requests whose bodies and answers are JSON objects."""

    class Handler(BaseHTTPRequestHandler):
        timeout = TIMEOUT_SECONDS

        def do_POST(self) -> None:
            """Answer one request."""
            method = methods.get(self.path)
            if method is None:
                self._answer(404, {"error": f"no {self.path} here: GetQuote and Info alone"})
                return
            size = decimals.decode_decimal(self.headers.get("Content-Length", ""))
            if size is None or size > MAX_BODY:
                self._answer(413, {"error": f"a body of at most {MAX_BODY} bytes"})
                return
            try:
                request = json.loads(self.rfile.read(size) or b"{}")
                if not isinstance(request, dict):
                    raise Invalid("ENCLAVE-2", "the body is no JSON object")
                found = method(request)
            except Invalid as error:
                self._answer(400, {"error": str(error)})
            except (ValueError, RecursionError):
                self._answer(400, {"error": "the body is not JSON"})
            else:
                self._answer(200, found)

        def _answer(self, status: int, document: dict[str, Any]) -> None:
            """Write one JSON object."""
            data = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler
