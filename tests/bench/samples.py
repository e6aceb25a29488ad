"""What is asked and what is answered."""

from collections.abc import Awaitable, Callable
from statistics import median
from time import perf_counter

MODEL = "acme-labs/anvil-1"
CATALOGUE = 600
"""Rows, about as many as OpenRouter has."""
VIDEO = 100_000_000
"""Bytes of a video."""
PROMPT = "Say in one sentence why the sea is salty"
"""The simulator echoes it: four chunks of text."""
LONG_PROMPT = "Say it at length"
LONG_ANSWER = "Rivers carry dissolved salts. " * 75
"""300 words, a hundred chunks: what a chat answer usually is."""

Measured = Callable[[], Awaitable[object]]


async def timed(action: Measured) -> float:
    """How long `action` took, in ms."""
    started = perf_counter()
    await action()
    return (perf_counter() - started) * 1000


async def medians(times: int, *actions: Measured, unmeasured: int = 3) -> list[float]:
    """The median ms of each action; they take turns, after some rounds that do not count."""
    rounds = [[await timed(action) for action in actions] for _ in range(unmeasured + times)]
    return [median(column) for column in zip(*rounds[unmeasured:], strict=True)]
