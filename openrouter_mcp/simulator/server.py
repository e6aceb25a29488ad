"""The simulator as a real HTTP server on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Generator
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from openrouter_mcp.simulator import app
from openrouter_mcp.simulator.state import Simulator

HOST = "127.0.0.1"


class Protocol(H11Protocol):
    """uvicorn's HTTP with one more power for the application: to cut its connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Offer the cut in the scope of every request of this connection."""
        super().connection_made(transport)
        application = self.app

        async def cuttable(scope: Any, receive: Any, send: Any) -> None:
            scope["extensions"] = {"simulator.cut": transport.close}
            await application(scope, receive, send)

        self.app = cuttable


class Server(uvicorn.Server):
    """uvicorn that does not wait for stalled connections."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Abort what is open, then shut down."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await super().shutdown(sockets)


def listening(port: int) -> socket.socket:
    """A socket that listens on loopback.

    It names its protocol because asyncio sends without delay (40 ms) only on sockets that do.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    listener.listen(512)
    return listener


class SimulatorServer:
    """A running simulator: `url` is its base URL, `simulator` what to steer and to look at."""

    def __init__(self, simulator: Simulator, port: int = 0) -> None:
        self.simulator = simulator
        self._socket = listening(port)
        self.port: int = self._socket.getsockname()[1]
        self.origin = f"http://{HOST}:{self.port}"
        self.url = self.origin + app.BASE
        config = uvicorn.Config(
            app.build(simulator),
            http=Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            log_level="error",
            timeout_graceful_shutdown=1,
        )
        self._server = Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )

    def start(self) -> None:
        """Serve in a thread; connections are accepted from now on (the socket listens already)."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, open connections included."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


@contextlib.contextmanager
def serve(simulator: Simulator | None = None, port: int = 0) -> Generator[SimulatorServer]:
    """A running server for the length of a `with` block."""
    server = SimulatorServer(simulator or Simulator(), port)
    server.start()
    try:
        yield server
    finally:
        server.stop()
