"""Many chats at once: whether they wait for each other."""

import asyncio
from functools import partial
from pathlib import Path

from openai import AsyncOpenAI

from openrouter_mcp.simulator.state import INFERENCE_KEY
from tests.bench.chat import ask
from tests.bench.processes import call, environment, server, upstream
from tests.bench.samples import MODEL, PROMPT, medians
from tests.bench.table import Row, Table

LATENCY = 0.2
ROUNDS = 9
GOALS = {1: None, 16: 1.0, 64: 1.0}
"""How many at once, and the least share of the bare SDK's share."""


async def at_once(state: Path) -> Table:
    """The share of the ideal wall time (one latency) that 1, 16 and 64 chats at once reach."""
    rows = []
    async with (
        upstream(latency=LATENCY) as url,
        server(environment(url, state)) as process,
        AsyncOpenAI(api_key=INFERENCE_KEY, base_url=url, max_retries=0) as sdk,
    ):
        for count, goal in GOALS.items():
            ours, bare = await medians(
                ROUNDS,
                partial(call, process, "chat", count, prompt=PROMPT, model=MODEL),
                partial(ask_at_once, sdk, count),
            )
            ideal = LATENCY * 1000
            rows += [
                Row(f"{count} at once, wall ms", ours, bare),
                Row("   share of ideal, %", 100 * ideal / ours, 100 * ideal / bare, at_least=goal),
            ]
    return Table(
        f"Chats at once (median of {ROUNDS})",
        "the openai SDK in this process, as many at once",
        rows,
        note=f"every answer takes {LATENCY * 1000:.0f} ms upstream: share = that / wall",
    )


async def ask_at_once(sdk: AsyncOpenAI, count: int) -> None:
    """`count` chats with the bare SDK."""
    await asyncio.gather(*(ask(sdk, PROMPT) for _ in range(count)))
