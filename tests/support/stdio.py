"""The real server process over stdio, spoken to in raw JSON-RPC lines."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

PATIENCE = 50.0
"""Seconds: a busy machine takes long to start a process, and a test ends after 60."""
MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
}


class Process:
    """One server process; `lines` is everything that it wrote to stdout."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[bytes] = []
        self._ids = 0
        self._replies: dict[int | None, dict[str, Any]] = {}

    async def initialize(self) -> dict[str, Any]:
        """Shake hands as clients before 2026-07-28 do."""
        reply = await self.request(
            "initialize",
            {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "test", "version": "1"},
            },
        )
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return reply

    async def request(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a request and return its reply."""
        return await self.reply(self.ask(method, params))

    def ask(self, method: str, params: dict[str, Any] | None = None) -> int:
        """Send a request and return its id at once."""
        self._ids += 1
        self.send({"jsonrpc": "2.0", "id": self._ids, "method": method, "params": params or {}})
        return self._ids

    def call(self, tool: str, **arguments: Any) -> int:
        """Ask for a tool call and return its id at once."""
        return self.ask(
            "tools/call",
            {"name": tool, "arguments": arguments, "_meta": {"progressToken": self._ids + 1}},
        )

    async def reply(self, identity: int) -> dict[str, Any]:
        """Read until the reply to the request with this id."""
        async with asyncio.timeout(PATIENCE):
            while identity not in self._replies:
                if not (line := await self.process.stdout.readline()):
                    raise EOFError((await self.process.stderr.read()).decode())
                self.lines.append(line)
                message = json.loads(line)
                self._replies[message.get("id")] = message
        return self._replies.pop(identity)

    def send(self, message: dict[str, Any]) -> None:
        """Write one line."""
        self.process.stdin.write(json.dumps(message).encode() + b"\n")

    async def close(self) -> tuple[int, str]:
        """Close stdin; return the exit code and what was written to stderr."""
        self.process.stdin.close()
        async with asyncio.timeout(PATIENCE):
            out, err = await asyncio.gather(self.process.stdout.read(), self.process.stderr.read())
            self.lines += out.splitlines(keepends=True)
            return await self.process.wait(), err.decode()


@asynccontextmanager
async def server(environment: dict[str, str], *arguments: str) -> AsyncIterator[Process]:
    """Start `python -m openrouter_mcp` with these variables and no other OPENROUTER_* ones."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("OPENROUTER_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "openrouter_mcp", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**inherited, **environment},
        limit=1 << 24,
    )
    try:
        yield Process(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
