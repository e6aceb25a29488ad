"""Processes that a test starts, and what becomes of processes."""

import asyncio
import inspect
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

PEER = str(Path(__file__).with_name("mcp_peer.py"))
"""The program of a small MCP server that misbehaves on demand."""

FORKS = "forkserver" in multiprocessing.get_all_start_methods()
PROCESSES = multiprocessing.get_context("forkserver" if FORKS else "spawn")
"""Starts processes, where the system can from one that has imported what they need."""
PROCESSES.set_forkserver_preload(
    [
        "tests.docs.test_search",
        "tests.files.test_save",
        "tests.jobs.test_jobs",
        "tests.spending.test_budget",
        "tests.state.test_document_cache",
        "tests.state.test_presence",
        "tests.state.test_store",
        "tests.threads.test_threads",
        "filelock",
        "sqlite3",
    ]
)


def runs(process: int) -> bool:
    """Whether a process with this id is there."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


async def until(condition: Callable[[], Any]) -> None:
    """Wait for what another process or thread does and no event tells; at most 20 seconds."""
    async with asyncio.timeout(20):
        while True:
            met = condition()
            if await met if inspect.isawaitable(met) else met:
                return
            await asyncio.sleep(0.005)
