"""Progress of a call: what its client is told while it waits, and how its user is asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import Enum, auto

from mcp.types import InputRequiredResult

from openrouter_mcp.text import showable, without_middle
from openrouter_mcp.timing import Timing

LONGEST_MESSAGE = 500
"""Characters: names and words that OpenRouter sends may have any length."""
Report = Callable[[str], Awaitable[None]]
"""Tells a waiting person, in one sentence, what is going on."""
Send = Callable[[float, str], Awaitable[None]]


class Decision(Enum):
    """What became of a question to the user."""

    YES = auto()
    DECLINED = auto()
    CANCELLED = auto()
    """The user closed the question without an answer."""
    CANNOT_ASK = auto()
    """The client has no way to ask its user."""
    FAILED = auto()
    """The client answered the question with an error."""


Confirm = Callable[[str], Awaitable[Decision | InputRequiredResult]]
"""Asks the user a question; gives the decision, or the question that the tool has to return."""


async def nobody(_message: str) -> Decision:
    """A `Confirm` for a client that cannot ask its user."""
    return Decision.CANNOT_ASK


async def silent(_message: str) -> None:
    """A `Report` for whom nobody listens."""


class Progress:
    """A `Report` that sends each message with the seconds since the start, strictly increasing.

    It is no context manager itself: FastMCP enters each that it injects, whether or not the tool
    does so too.
    """

    def __init__(
        self,
        send: Send,
        clock: Callable[[], float] = time.monotonic,
        confirm: Confirm = nobody,
        timing: Timing = Timing(),
        age: float = 0.0,
    ) -> None:
        """`age`: the seconds that the client has waited for this call already."""
        self._timing = timing
        self.confirm = confirm
        self._send = send
        self._clock = clock
        self._started = clock() - age
        self._sent_at = self._started
        self._value = 0.0
        self._message = ""

    @property
    def seconds(self) -> float:
        """How long the client has waited."""
        return self._clock() - self._started

    async def __call__(self, message: str) -> None:
        """Send `message`, unless the start or another one was less than half a second ago."""
        self._message = message
        if self._clock() - self._sent_at >= self._timing.progress_interval:
            await self._notify(message)

    @asynccontextmanager
    async def pulse(self) -> AsyncGenerator[None]:
        """Inside, repeat the last message while nothing new comes."""
        beat = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)

    async def _beat(self) -> None:
        while True:
            silent = self._clock() - max(self._sent_at, self._started)
            if silent < self._timing.progress_pulse:
                await asyncio.sleep(self._timing.progress_pulse - silent)
            elif self._message:
                await self._notify(f"{self._message} ({self._clock() - self._started:.0f} s)")
            else:
                await asyncio.sleep(self._timing.progress_interval)

    async def _notify(self, message: str) -> None:
        now = self._clock()
        self._sent_at = now
        self._value = max(round(now - self._started, 3), self._value + 0.001)
        await self._send(self._value, without_middle(showable(message), LONGEST_MESSAGE))
