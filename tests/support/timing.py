"""Servers that wait for nothing that a test does not wait for."""

import asyncio

from openrouter_mcp.timing import Timing


async def at_once(_seconds: float) -> None:
    """Lets others run, and that is all."""
    await asyncio.sleep(0)


FAST = Timing(sleep=at_once)
