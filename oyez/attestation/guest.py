"""Where a quote comes from inside a guest: dstack's agent, or Linux' own reports in configfs.

dstack's agent is spoken to directly, since its Python package would bring five more into what is
measured. Neither knows anything of what is bound: 64 bytes go in, a quote comes out.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from oyez.attestation.quote import DESCRIPTOR, HEADER, MAX_QUOTE
from oyez.protocol.errors import Fatal, Temporary

#: As dstack's own client: names the agent's address where there is no socket at its places.
ENDPOINT_VARIABLE = "DSTACK_SIMULATOR_ENDPOINT"
SOCKETS = (
    Path("/var/run/dstack.sock"), Path("/run/dstack.sock"), Path("/var/run/dstack/dstack.sock"),
    Path("/run/dstack/dstack.sock"),
)  # fmt: skip
REPORTS = Path("/sys/kernel/config/tsm/report")
#: What the kernel calls itself there on TDX.
PROVIDER = "tdx_guest"
TIMEOUT_SECONDS = 30
MAX_ANSWER = 1 << 20
#: Where a TD report has its report data.
REPORT_DATA = 520


class Guest(Protocol):
    """A trust domain seen from inside."""

    def fetch_quote(self, report_data: bytes) -> bytes:
        """Return a quote over 64 bytes.

        Raises:
            Temporary: no answer now.
            Fatal: the answer cannot be right, so asking again will not help.
        """
        ...


def _check(report_data: bytes, quote: bytes) -> bytes:
    """Return the quote; Fatal unless it is over these 64 bytes, of version 4 or 5."""
    start = HEADER + REPORT_DATA + (DESCRIPTOR if quote[:2] == b"\5\0" else 0)
    if len(quote) > MAX_QUOTE or quote[start : start + 64] != report_data:
        raise Fatal("the guest's quote is not over the data it was asked for: it attests nothing")
    return quote


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        """Remember the socket's path."""
        super().__init__("localhost", timeout=TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket in place of the host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_SECONDS)
        self.sock.connect(self._path)


def _is_socket(endpoint: str) -> bool:
    """Tell a socket's path from an http URL; anything else is Fatal."""
    wrong = f"{endpoint} is no address of an agent: give a socket's path or http://..."
    try:
        parts = urlsplit(endpoint)
        # a port may be no number, or have more digits than Python reads
        is_usable = parts.scheme == "" or (parts.scheme == "http" and parts.port != 0)
    except ValueError as error:
        raise Fatal(wrong) from error
    if not is_usable or (parts.scheme and not parts.hostname):
        raise Fatal(wrong)
    return parts.scheme == ""


class DstackGuest:
    """A guest of dstack, or the simulated platform's agent.

    Rule: ENCLAVE-3
    """

    def __init__(self, endpoint: str) -> None:
        """Take the agent's address: a socket's path or an http URL of this machine."""
        self._endpoint = endpoint
        self._is_socket = _is_socket(endpoint)

    def fetch_quote(self, report_data: bytes) -> bytes:
        """Return a quote over 64 bytes; see `Guest`."""
        answer = self._request("GetQuote", {"report_data": report_data.hex()})
        try:
            quote = bytes.fromhex(answer["quote"].removeprefix("0x"))
        except (KeyError, AttributeError, ValueError):
            raise Fatal(f"the agent at {self._endpoint} answered no quote") from None
        return _check(report_data, quote)

    def fetch_info(self) -> dict[str, Any]:
        """Return what the agent says the domain runs: a claim, until a quote says the same."""
        return self._request("Info", {})

    def _request(self, method: str, request: dict[str, Any]) -> dict[str, Any]:
        """Return the JSON object that the agent answers."""
        parts = urlsplit(self._endpoint)
        connection = (
            _UnixConnection(self._endpoint)
            if self._is_socket
            else http.client.HTTPConnection(str(parts.hostname), parts.port, TIMEOUT_SECONDS)
        )
        path = f"{parts.path.rstrip('/') if not self._is_socket else ''}/{method}"
        with contextlib.closing(connection):
            try:
                body = json.dumps(request)
                connection.request("POST", path, body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                data = response.read(MAX_ANSWER)
            except (OSError, http.client.HTTPException) as error:
                raise Temporary(f"no agent answers at {self._endpoint} ({error})") from error
        try:
            answer = json.loads(data)
        except (ValueError, RecursionError):
            answer = None
        if response.status != 200 or not isinstance(answer, dict):
            raise Temporary(f"the agent at {self._endpoint} refused {method} ({response.status})")
        return answer


class Configfs:
    """The kernel's files as they are; tests have their own kernel in this place."""

    def make(self, folder: Path) -> None:
        """Make a report's folder; the kernel puts its files there."""
        folder.mkdir()

    def write(self, file: Path, data: bytes) -> None:
        """Write a file at once, as the kernel wants it."""
        descriptor = os.open(file, os.O_WRONLY)
        try:
            if os.write(descriptor, data) != len(data):
                raise OSError(f"{file} took a part alone")
        finally:
            os.close(descriptor)

    def read(self, file: Path) -> bytes:
        """Return a file's bytes."""
        return file.read_bytes()

    def remove(self, folder: Path) -> None:
        """Remove a report's folder."""
        folder.rmdir()


class ConfigfsGuest:
    """A guest whose kernel makes reports (Linux 6.7 and later, CONFIG_TDX_GUEST_DRIVER).

    Rule: ENCLAVE-3
    """

    def __init__(self, reports: Path = REPORTS, files: Configfs | None = None) -> None:
        """Take the folder of reports."""
        self._reports = reports
        self._files = files or Configfs()

    def fetch_quote(self, report_data: bytes) -> bytes:
        """Return a quote over 64 bytes; see `Guest`.

        The kernel counts writes: had another written into this report meanwhile, the count says so
        and the quote is not used.
        """
        with self._report() as folder:
            try:
                provider = self._files.read(folder / "provider").decode("ascii", "replace").strip()
                if provider != PROVIDER:
                    raise Fatal(f"this guest's reports are of {provider}, not of {PROVIDER}")
                before = int(self._files.read(folder / "generation"))
                self._files.write(folder / "inblob", report_data)
                quote = self._files.read(folder / "outblob")
                after = int(self._files.read(folder / "generation"))
            except (OSError, ValueError) as error:
                raise Temporary(f"the kernel gave no report ({error})") from error
        if after != before + 1:
            raise Temporary("another wrote into this report meanwhile: ask again")
        return _check(report_data, quote)

    @contextlib.contextmanager
    def _report(self) -> Iterator[Path]:
        """Yield a new report's folder, of a name that nobody else takes."""
        folder = self._reports / f"oyez-{secrets.token_hex(8)}"
        try:
            self._files.make(folder)
        except OSError as error:
            raise Temporary(f"cannot make {folder} ({error.strerror})") from error
        try:
            yield folder
        finally:
            with contextlib.suppress(OSError):  # a folder left behind harms nobody
                self._files.remove(folder)


def find_guest(
    environment: Mapping[str, str],
    endpoint: str | None = None,
    reports: Path = REPORTS,
    sockets: Sequence[Path] = SOCKETS,
) -> Guest:
    """Return this guest: of a named agent, of dstack's socket, or of the kernel's reports.

    Raises:
        Fatal: this machine is no guest.

    Rule: ENCLAVE-3
    """
    named = endpoint or environment.get(ENDPOINT_VARIABLE)
    if named:
        return DstackGuest(named)
    for path in sockets:
        if path.exists():
            return DstackGuest(str(path))
    if reports.is_dir():
        return ConfigfsGuest(reports)
    raise Fatal(
        f"this machine is no TDX guest: neither an agent's socket nor {reports} is there; on a "
        f"development chain start `oyez enclave simulate` and set {ENDPOINT_VARIABLE}"
    )
