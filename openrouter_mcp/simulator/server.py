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
from uvicorn.server import ServerState

from openrouter_mcp.simulator import app
from openrouter_mcp.simulator.state import Simulator

HOST = "127.0.0.1"
PATIENCE = 60.0
"""Seconds after which starting or stopping has gone wrong; neither waits for any clock."""


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
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Serve in a thread; connections are accepted from now on (the socket listens already)."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, open connections included. Raises RuntimeError if that does not succeed."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(PATIENCE)
        if self._thread.is_alive():
            raise RuntimeError(f"The simulator at {self.origin} does not stop.")

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        """Serve until told to stop; then close the socket, and end all that is connected to it."""
        config = uvicorn.Config(
            app.build(self.simulator),
            http=Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            log_level="error",
        )
        config.load()
        state = ServerState()
        listener = await self._loop.create_server(
            lambda: Protocol(config, state, {}), sock=self._socket, backlog=512
        )
        await self._stopping.wait()
        listener.close()
        while True:
            for connection in [*state.connections]:
                connection.transport.abort()
            # What was accepted just before becomes a connection, what was aborted ends.
            await asyncio.sleep(0)
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            if tasks:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            elif not state.connections:
                return


@contextlib.contextmanager
def serve(simulator: Simulator | None = None, port: int = 0) -> Generator[SimulatorServer]:
    """A running server for the length of a `with` block."""
    server = SimulatorServer(simulator or Simulator(), port)
    server.start()
    try:
        yield server
    finally:
        server.stop()
