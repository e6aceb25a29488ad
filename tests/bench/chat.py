"""One chat after the other: what the server adds to the bare SDK."""

from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from fastmcp import Client
from openai import AsyncOpenAI

from openrouter_mcp.server import build
from openrouter_mcp.settings import Settings
from openrouter_mcp.simulator.state import INFERENCE_KEY
from tests.bench.processes import call, environment, server, upstream
from tests.bench.samples import LONG_PROMPT, MODEL, PROMPT, medians
from tests.bench.table import Row, Table

CHATS = 60
UNMEASURED = 10


async def one_at_a_time(state: Path) -> Table:
    """Median ms of a short and of a long chat: over stdio, in memory, with the bare SDK."""
    rows = []
    async with (
        upstream() as url,
        server(environment(url, state)) as process,
        in_memory(url, state) as client,
        AsyncOpenAI(api_key=INFERENCE_KEY, base_url=url, max_retries=0) as sdk,
    ):
        for length, prompt in (("short", PROMPT), ("long", LONG_PROMPT)):
            arguments = {"prompt": prompt, "model": MODEL}
            stdio, memory, bare = await medians(
                CHATS,
                partial(call, process, "chat", **arguments),
                partial(client.call_tool, "chat", arguments),
                partial(ask, sdk, prompt),
                unmeasured=UNMEASURED,
            )
            rows += [
                Row(f"{length} chat over stdio", stdio, bare, at_most=1.3),
                Row(f"{length} chat, FastMCP's client in memory", memory, bare),
            ]
    return Table(
        f"Chat, one at a time, ms (median of {CHATS})",
        "the openai SDK in this process: typed chunks of the same stream",
        rows,
        note="ours: JSON-RPC request to result, through the server's process; "
        "short = 4 chunks of text, long = 100; no latency upstream",
    )


@asynccontextmanager
async def in_memory(url: str, state: Path):
    """A client of the server without a process between."""
    settings = Settings(api_key=INFERENCE_KEY, base_url=url, state_dir=state)
    async with Client(build(settings)) as client:
        yield client


async def ask(sdk: AsyncOpenAI, prompt: str) -> str:
    """One chat with the bare SDK, read to its end."""
    stream = await sdk.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": prompt}],
        stream=True,
        stream_options={"include_usage": True},
    )
    parts = [choice.delta.content or "" async for chunk in stream for choice in chunk.choices]
    return "".join(parts)
