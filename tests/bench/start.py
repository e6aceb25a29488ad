"""From the spawn of the process to its first replies."""

import asyncio
from pathlib import Path
from statistics import median
from time import perf_counter

from tests.bench.processes import ONE_TOOL, OURS, call, environment, python, server, upstream
from tests.bench.samples import CATALOGUE, MODEL, PROMPT, timed
from tests.bench.table import Row, Table

STARTS = 9
FIRST_CHATS = 5
WARM_CHATS = 9
HEAD_START = 3.0


async def handshake(state: Path) -> Table:
    """Spawn to the replies to `initialize` and `tools/list`."""
    variables = environment("http://127.0.0.1:9", state)
    ours, one_tool = [], []
    for number in range(1 + STARTS):
        # The first of each fills the disk's cache and does not count.
        for command, times in ((OURS, ours), (ONE_TOOL, one_tool)):
            took = await spawn(command, variables)
            if number:
                times.append(took)
    initialized, listed = zip(middle(ours), middle(one_tool), strict=True)
    return Table(
        f"Start, ms (median of {STARTS})",
        "a FastMCP server with one tool",
        [
            Row("spawn to initialize", *initialized),
            Row("spawn to tools/list", *listed, at_most=0.75),
        ],
    )


async def spawn(command: tuple[str, ...], variables: dict[str, str]) -> tuple[float, float]:
    """One start: ms to the reply to `initialize` and to `tools/list`."""
    started = perf_counter()
    async with python(command, variables) as process:
        await process.initialize()
        initialized = perf_counter() - started
        await process.request("tools/list")
        listed = perf_counter() - started
        await process.close()
    return initialized * 1000, listed * 1000


def middle(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    """The median of each half of the pairs."""
    return median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)


async def first_chat(state: Path) -> Table:
    """The first chat of a process that is three seconds old, and those after it."""
    async with upstream(models=CATALOGUE) as url:
        variables = environment(url, state)
        very_first, _ = await early_and_warm(variables)
        pairs = [await early_and_warm(variables) for _ in range(FIRST_CHATS)]
    first, warm = middle(pairs)
    return Table(
        f"First paid chat, {HEAD_START:.0f} s after the spawn, ms (median of {FIRST_CHATS})",
        "a warm chat of the same process",
        [
            Row("first chat, catalogue on disk", first, warm, "difference", at_most=30),
            Row("first chat ever, catalogue fetched (once)", very_first, warm, "difference"),
        ],
        note=f"catalogue of {CATALOGUE} rows",
    )


async def early_and_warm(variables: dict[str, str]) -> tuple[float, float]:
    """Ms of a process's first chat and its median ms after that."""

    async def chat() -> object:
        return await call(process, "chat", prompt=PROMPT, model=MODEL)

    started = perf_counter()
    async with server(variables) as process:
        await asyncio.sleep(HEAD_START - (perf_counter() - started))
        first, _, *warm = [await timed(chat) for _ in range(2 + WARM_CHATS)]
    return first, median(warm)
