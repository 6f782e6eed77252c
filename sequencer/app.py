"""The HTTP service in a thread of its own: it reads the store while the loop writes it."""

from __future__ import annotations

import errno
import socket
import threading

import uvicorn
from fastapi import FastAPI

from oyez.protocol.errors import Fatal
from oyez.protocol.types import ModelShape
from sequencer import routes
from sequencer.metrics import Metrics
from sequencer.store import Store

STOP_SECONDS = 5


def build_app(store: Store, shape: ModelShape, metrics: Metrics) -> FastAPI:
    """Return the application."""
    app = FastAPI(title="Oyez sequencer", docs_url=None, redoc_url=None)
    app.include_router(routes.build_router(routes.Reader(store, shape), metrics))
    return app


class Server:
    """Serves an application on a port that is bound before `__init__` returns."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        """Bind the port, 0 for a free one.

        Raises:
            Fatal: it is taken or not allowed, or the host is no address of this machine.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
            # Listening at once: who reads the port may connect before the thread serves.
            self._socket.listen()
        except (OSError, OverflowError, UnicodeError) as error:
            self._socket.close()
            raise _explain(host, port, error) from error
        self.port: int = self._socket.getsockname()[1]
        # The loop has its own log, one line per decision; uvicorn's would drown it.
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="http", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and close the port."""
        self._server.should_exit = True
        self._thread.join(STOP_SECONDS)
        self._socket.close()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])


def _explain(host: str, port: int, error: OSError | OverflowError | UnicodeError) -> Fatal:
    """Say whether another port or another host would do."""
    if isinstance(error, OSError) and error.errno in (errno.EADDRINUSE, errno.EACCES):
        fix = "give another --port"
    elif isinstance(error, OverflowError):
        fix = "give a --port from 0 to 65535"
    else:
        fix = "--host must be an address of this machine, as 127.0.0.1, ::1 or 0.0.0.0"
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return Fatal(f"cannot listen on {host!r} port {port} ({reason}): {fix}")
