"""`python -m tests.bench`: how fast the server is here and now, beside a reference in the same run.

Every figure is a median, both sides are measured in turn, and no time is asserted.
"""

import asyncio
import gc
import os
import platform
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import chat, concurrency, media, models, start
from tests.bench.table import Table


def show(text: str) -> None:
    """Write at once: somebody is watching."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def main() -> None:
    """Measure one thing after the other, each alone on the machine."""
    started = time.monotonic()
    load = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "load unknown"
    show(f"Python {platform.python_version()}, {os.cpu_count()} cores, {load} before the start")
    with TemporaryDirectory() as directory:
        for number, measure in enumerate(
            (
                start.handshake,
                start.at_rest,
                start.first_chat,
                chat.one_at_a_time,
                concurrency.at_once,
                models.find,
                media.memory,
            )
        ):
            measured: Table | list[Table] = await measure(Path(directory) / str(number))
            for table in measured if isinstance(measured, list) else [measured]:
                show(f"\n{table}")
    show(f"\nmeasured in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    # The server does the same: what is imported is never garbage, here no more than there.
    gc.freeze()
    asyncio.run(main())
