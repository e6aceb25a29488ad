"""From the spawn of the process to its first replies."""

import asyncio
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import median
from time import perf_counter

from tests.bench.processes import (
    ONE_TOOL,
    OURS,
    call,
    environment,
    python,
    resident,
    server,
    upstream,
)
from tests.bench.samples import CATALOGUE, MODEL, PROMPT, timed
from tests.bench.table import Row, Table

STARTS = 9
FIRST_CHATS = 5
WARM_CHATS = 9
HEAD_START = 3.0
PATIENCE = {"@ai-sdk/mcp": 1.0, "Cline": 3.0, "Codex": 10.0}
"""Seconds that clients wait for a server to start."""
AT_REST = 83.0
"""MB: 1.05 times what the smallest of its peers takes, a server for Node."""


async def handshake(state: Path) -> list[Table]:
    """Spawn to the first replies; which clients would have given up meanwhile."""
    variables = environment("http://127.0.0.1:9", state)
    commands = {"ours": (OURS, "nonsense"), "one tool": (ONE_TOOL, "add")}
    starts: dict[str, list[Start]] = {name: [] for name in commands}
    bare: list[float] = []
    for number in range(1 + STARTS):
        # The first of each fills the disk's cache and does not count.
        for name, (command, tool) in commands.items():
            started = await spawn(command, tool, variables)
            starts[name] += [started] if number else []
        took = await timed(bare_python)
        bare += [took] if number else []
    ours, one_tool = (middle(each) for each in starts.values())
    floor = median(bare)
    slowest = [max(start.listed for start in each) for each in starts.values()]
    return [
        Table(
            f"Start, ms (median of {STARTS})",
            "bare Python, spawn to its first line; a FastMCP server with one tool",
            [
                Row("spawn to initialize, beside bare Python", ours.initialized, floor),
                Row("spawn to tools/list, beside bare Python", ours.listed, floor, at_most=4),
                Row("spawn to initialize, beside one tool", ours.initialized, one_tool.initialized),
                Row(
                    "spawn to tools/list, beside one tool",
                    ours.listed,
                    one_tool.listed,
                    at_most=0.1,
                ),
                Row("spawn to a first call's result", ours.called, one_tool.called, at_most=0.75),
            ],
        ),
        Table(
            f"Who would have given up (slowest of {STARTS} to tools/list, ms)",
            "a FastMCP server with one tool",
            [
                Row(f"{name}: {seconds:.0f} s", *slowest, "figure", at_most=seconds * 1000)
                for name, seconds in PATIENCE.items()
            ],
        ),
    ]


@dataclass(frozen=True)
class Start:
    """Ms from the spawn of a process to its replies, the last one to a call of a tool."""

    initialized: float
    listed: float
    called: float


async def spawn(command: tuple[str, ...], tool: str, variables: dict[str, str]) -> Start:
    """One start. A call with no arguments is answered, by a refusal too, once all is imported."""
    started = perf_counter()
    async with python(command, variables) as process:
        await process.initialize()
        initialized = perf_counter()
        await process.request("tools/list")
        listed = perf_counter()
        await process.reply(process.call(tool))
        called = perf_counter()
        await process.close()
    moments = (initialized, listed, called)
    return Start(*(1000 * (moment - started) for moment in moments))


async def bare_python() -> None:
    """A Python that imports nothing and writes a line."""
    async with python(("-c", "print(flush=True)")) as process:
        await process.process.stdout.readline()


def middle(starts: list[Start]) -> Start:
    """The median of each moment."""
    return Start(*(median(getattr(each, name.name) for each in starts) for name in fields(Start)))


async def at_rest(state: Path) -> Table:
    """Memory of a server that nobody has called, as soon as it is ready and some seconds later."""
    variables = environment("http://127.0.0.1:9", state)
    rows = []
    for what, seconds in (("ready", 0.0), ("warmed up for the first call", HEAD_START)):
        sizes = []
        for command, tool in ((OURS, "nonsense"), (ONE_TOOL, "add")):
            async with python(command, variables) as process:
                await process.initialize()
                await process.reply(process.call(tool))
                await asyncio.sleep(seconds)
                sizes.append(resident(process))
        rows.append(Row(what, *sizes, "figure", at_most=None if seconds else AT_REST))
    return Table("Memory at rest, MB", "a FastMCP server with one tool", rows)


async def first_chat(state: Path) -> Table:
    """The first chat of a process that is three seconds old, and those after it."""
    async with upstream(models=CATALOGUE) as url:
        variables = environment(url, state)
        very_first, _ = await early_and_warm(variables)
        pairs = [await early_and_warm(variables) for _ in range(FIRST_CHATS)]
    first, warm = (median(side) for side in zip(*pairs, strict=True))
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
