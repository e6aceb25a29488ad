"""What the first call would wait for is imported and fetched while the client still thinks."""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from openrouter_mcp.app import App

NEEDED_BY_THE_FIRST_CALL = (
    "openrouter_mcp.chat.conversation",
    "openrouter_mcp.multimodal.video_job",
    "openrouter_mcp.state.store",
    "filelock",
    "sqlite3",
    "tenacity",
)


@asynccontextmanager
async def warming_up(app: App, delay: float) -> AsyncGenerator[None]:
    """Warm up after this many seconds, or not at all where the block ends before."""
    # The task is nobody's request: it gets a context of its own.
    running = asyncio.create_task(_run(app, delay), context=contextvars.Context())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait({running})


async def _run(app: App, delay: float) -> None:
    await asyncio.sleep(delay)
    warm_up = app.client.warm_up
    threading.Thread(target=_import_for_the_first_call, args=[warm_up], daemon=True).start()
    await app.catalogue.preload()


def _import_for_the_first_call(warm_up: Callable[[], object]) -> None:
    for module in NEEDED_BY_THE_FIRST_CALL:
        importlib.import_module(module)
    warm_up()
