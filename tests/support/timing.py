"""Servers that wait for nothing that a test does not wait for."""

import asyncio
from dataclasses import replace

from openrouter_mcp.timing import Timing


async def at_once(_seconds: float) -> None:
    """Lets others run, and that is all."""
    await asyncio.sleep(0)


FAST = Timing(sleep=at_once, statistics=(0, 0, 0))


def waiting_for(released: asyncio.Event) -> Timing:
    """The timing of a server that does not learn what a call cost before the event is set."""

    async def sleep(_seconds: float) -> None:
        await released.wait()

    return replace(FAST, sleep=sleep)
