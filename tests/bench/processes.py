"""The processes that are measured: a server over stdio, and the simulator apart from it."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from openrouter_mcp.simulator.state import INFERENCE_KEY
from tests.support.stdio import Process

OURS = ("-m", "openrouter_mcp")
ONE_TOOL = (str(Path(__file__).with_name("one_tool.py")),)
UPSTREAM = ("-m", "tests.bench.upstream")


def environment(url: str, state: Path) -> dict[str, str]:
    """The variables of a server that talks to the simulator at `url`."""
    return {
        "OPENROUTER_API_KEY": INFERENCE_KEY,
        "OPENROUTER_BASE_URL": url,
        "OPENROUTER_STATE_DIR": str(state),
    }


@asynccontextmanager
async def python(
    arguments: tuple[str, ...], variables: dict[str, str] | None = None
) -> AsyncIterator[Process]:
    """A Python process with these variables and no other OPENROUTER_* ones; killed at the end."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("OPENROUTER_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**inherited, **(variables or {})},
        limit=1 << 24,
    )
    try:
        yield Process(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def server(variables: dict[str, str]) -> AsyncIterator[Process]:
    """Our server after the handshake and the tool list."""
    async with python(OURS, variables) as process:
        await process.initialize()
        await process.request("tools/list")
        yield process


@asynccontextmanager
async def upstream(*, latency: float = 0.0, models: int = 0) -> AsyncIterator[str]:
    """A simulator's base URL; its chats wait `latency` seconds, `models` 0 = its own catalogue."""
    async with python((*UPSTREAM, str(latency), str(models))) as process:
        yield (await process.process.stdout.readline()).decode().strip()


async def call(process: Process, tool: str, count: int = 1, **arguments: Any) -> list[Any]:
    """Call a tool `count` times at once; the results, once all are there."""
    waiting = {process.call(tool, **arguments) for _ in range(count)}
    results = []
    while waiting:
        line = await process.process.stdout.readline()
        if not line:
            raise EOFError((await process.process.stderr.read()).decode())
        message = json.loads(line)
        if message.get("id") in waiting:
            waiting.remove(message["id"])
            results.append(message["result"])
    for result in results:
        if result.get("isError"):
            raise RuntimeError(result["content"][0]["text"])
    return results


def resident(process: Process) -> float:
    """Megabytes that a process has in memory now (Linux)."""
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1000
