"""How a session opens: lines of a client, and what comes back with and without the handshake.

`python -m tests.support.opening` records `manifest.json` from the real server.
"""

import asyncio
import json
import sys
import threading
from collections.abc import Sequence
from queue import SimpleQueue
from typing import Any

from fastmcp import FastMCP

from openrouter_mcp import stdio
from openrouter_mcp.handshake import (
    CAPABILITIES,
    LEGACY,
    LISTS,
    MANIFEST,
    MODERN,
    VERSION,
    Handshake,
)
from openrouter_mcp.server import build
from openrouter_mcp.settings import Settings

PATIENCE = 15
"""Seconds."""
CLIENT = {"name": "test", "version": "1"}
ENVELOPE = {VERSION: MODERN, CAPABILITIES: {}}
INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n'


def request(request_id: Any, method: str, **params: Any) -> bytes:
    """One line of the client."""
    message = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
    return json.dumps(message).encode() + b"\n"


def initialize(request_id: Any = 0, **params: Any) -> bytes:
    """The first request of a client before 2026-07-28."""
    known = {"protocolVersion": LEGACY[-1], "capabilities": {}, "clientInfo": CLIENT}
    return request(request_id, "initialize", **(known | params))


LEGACY_OPENING = [initialize(), INITIALIZED, *(request(m, m) for m in ("ping", *LISTS))]
MODERN_OPENING = [request(m, m, _meta=ENVELOPE) for m in ("server/discover", "ping", *LISTS)]


class Client:
    """A client's end of the pipe: the lines that it sends, and those that come back."""

    def __init__(self, *lines: bytes) -> None:
        self._sent: SimpleQueue[bytes] = SimpleQueue()
        self._came = threading.Condition()
        self._all_read = threading.Event()
        self.lines: list[bytes] = []
        self.send(*lines)

    def send(self, *lines: bytes) -> None:
        """Send these; an empty one is the end."""
        for line in lines:
            self._sent.put(line)

    def readline(self) -> bytes:
        """What the server reads next."""
        if self._sent.empty():
            self._all_read.set()
        line = self._sent.get()
        if not line:
            self._sent.put(line)
        return line

    def wait_until_read(self) -> None:
        """Wait until the server wants more than was sent."""
        assert self._all_read.wait(PATIENCE)

    def write(self, line: bytes) -> None:
        """What the server writes."""
        with self._came:
            self.lines.append(line)
            self._came.notify_all()

    def wait_for(self, number: int) -> list[bytes]:
        """All lines that came, once there are this many."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.lines) >= number, PATIENCE), self.lines
        return self.lines


def asked(lines: Sequence[bytes]) -> int:
    """How many lines want an answer."""
    return sum(b'"id"' in line for line in lines)


def without_server(lines: Sequence[bytes], tools: str = "") -> list[bytes]:
    """What comes back although no real server ever reads."""
    client = Client(*lines)
    Handshake(client, client, tools)
    return client.wait_for(asked(lines))


def by_the_real_server(lines: Sequence[bytes], tools: str = "") -> list[bytes]:
    """What comes back where there is no handshake."""
    client = Client(*lines)
    return asyncio.run(_serve(client, client, asked(lines), tools))


def together(
    early: Sequence[bytes], late: Sequence[bytes], server: FastMCP | None = None
) -> list[bytes]:
    """What comes back when the real server wakes up between the early and the late lines."""
    client = Client(*early)
    handshake = Handshake(client, client, "")
    client.wait_until_read()
    client.send(*late)
    return asyncio.run(_serve(client, handshake, asked([*early, *late]), "", server))


async def _serve(
    client: Client, pipe: stdio.Pipe, answers: int, tools: str, server: FastMCP | None = None
) -> list[bytes]:
    streams = sys.stdin, sys.stdout
    names = tuple(name.strip() for name in tools.split(",") if name.strip())
    stdio.serve_on(pipe)
    server = server or build(Settings(tools=names))
    serving = asyncio.create_task(server.run_stdio_async(show_banner=False))
    try:
        return await asyncio.to_thread(client.wait_for, answers)
    finally:
        client.send(b"")
        await serving
        sys.stdin, sys.stdout = streams


def record() -> None:
    """Write down what the real server answers to the requests of both eras."""
    recorded = {}
    for era, opening in (("legacy", LEGACY_OPENING), ("modern", MODERN_OPENING)):
        methods = [json.loads(line)["method"] for line in opening if b'"id"' in line]
        replies = {reply.pop("id"): reply for reply in map(json.loads, by_the_real_server(opening))}
        recorded[era] = {method: replies.get(method, replies.get(0)) for method in methods}
        for reply in recorded[era].values():
            del reply["jsonrpc"]
    MANIFEST.write_text(json.dumps(recorded, ensure_ascii=False, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    record()
