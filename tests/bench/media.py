"""Memory above idle while videos of 100 MB pass through the server, in and out."""

import asyncio
from pathlib import Path
from typing import Any

from tests.bench.processes import call, environment, resident, server, upstream
from tests.bench.samples import VIDEO
from tests.bench.table import Row, Table
from tests.support.stdio import Process

HEAD = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"
AT_ONCE = 8
SEES = "google/gemini-3.5-flash"
FILMS = "google/veo-3.1"


async def memory(state: Path) -> Table:
    """One video and eight at once, in each direction; a small one beforehand loads the code."""
    state.mkdir(mode=0o700)
    small, large = state / "small.mp4", state / "large.mp4"
    small.write_bytes(HEAD)
    with large.open("wb") as file:
        file.write(HEAD)
        file.truncate(VIDEO)
    variables = {
        "OPENROUTER_INPUT_DIRS": str(state),
        "OPENROUTER_OUTPUT_DIR": str(state / "output"),
        "OPENROUTER_WAIT_SECONDS": "0",
        "OPENROUTER_VIDEO_POLL_INTERVAL_MS": "100",
    }
    rows = []
    async with (
        upstream() as url,
        server(environment(url, state / "state") | variables) as process,
    ):
        await call(process, "analyze_media", files=[str(small)], model=SEES)
        for count, most in ((1, 32), (AT_ONCE, 256)):
            seen = await peak(process, "analyze_media", count, files=[str(large)], model=SEES)
            rows.append(Row(f"{count} in at once, MB", seen, None, "figure", at_most=most))
        for count, most in ((1, 32), (AT_ONCE, 256)):
            made = await peak(process, "generate_video", count, prompt="a fox", model=FILMS)
            rows.append(Row(f"{count} out at once, MB", made, None, "figure", at_most=most))
    return Table(f"Memory above idle for videos of {VIDEO // 10**6} MB", "none", rows)


async def peak(process: Process, tool: str, count: int, **arguments: Any) -> float:
    """Megabytes above idle at the most while `count` calls of a tool run at once."""
    idle = highest = resident(process)
    calling = asyncio.create_task(call(process, tool, count, **arguments))
    while not calling.done():
        await asyncio.wait({calling}, timeout=0.01)
        highest = max(highest, resident(process))
    await calling
    return highest - idle
