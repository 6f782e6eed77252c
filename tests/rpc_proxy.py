"""An RPC proxy that changes answers on the way: `with RpcProxy(rpc, {old: new})`."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


class RpcProxy:
    """Forwards JSON-RPC and replaces byte strings, in hex, in logs.

    With `is_text` only where they end in a zero byte, as a text does in its padded words. `edit`
    turns a request's and an answer's bytes into the answer to give, before that; `ask` sees the
    request before the chain does, and may keep it waiting.
    """

    def __init__(
        self,
        target: str,
        changes: Mapping[bytes, bytes] | None = None,
        *,
        is_text: bool = True,
        edit: Callable[[bytes, bytes], bytes] = lambda request, answer: answer,
        ask: Callable[[bytes], None] = lambda request: None,
    ) -> None:
        self.changed = 0
        end = b"\0" if is_text else b""
        pairs = [
            ((old + end).hex().encode(), (new + end).hex().encode())
            for old, new in (changes or {}).items()
        ]
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                ask(body)
                request = urllib.request.Request(target, body, {"Content-Type": "application/json"})
                opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
                with opener.open(request) as response:
                    answer = edit(body, response.read())
                if b"eth_getLogs" in body:
                    for old, new in pairs:
                        proxy.changed += answer.count(old)
                        answer = answer.replace(old, new)
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
