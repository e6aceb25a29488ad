"""The client that waits for a call: kept patient with progress, asked what its user decides."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import TracebackType

from mcp.types import InputRequiredResult

from openrouter_mcp.timing import Timing

Report = Callable[[str], Awaitable[None]]
"""Tells a waiting person, in one sentence, what is going on."""
Send = Callable[[float, str], Awaitable[None]]
Answer = bool | InputRequiredResult | None
"""Yes or no; a question that the tool has to return; None from a client that cannot ask."""
Confirm = Callable[[str, str], Awaitable[Answer]]


async def nobody(_key: str, _message: str) -> Answer:
    """A `Confirm` for a client that cannot ask its user."""
    return None


async def silent(_message: str) -> None:
    """A `Report` for whom nobody listens."""


class Progress:
    """A `Report` that sends each message with the seconds since the start, strictly increasing.

    Use it as a context manager: inside, a pulse repeats the last message while nothing new comes.
    """

    def __init__(
        self,
        send: Send,
        clock: Callable[[], float] = time.monotonic,
        confirm: Confirm = nobody,
        timing: Timing = Timing(),
    ) -> None:
        self._timing = timing
        self.confirm = confirm
        self._send = send
        self._clock = clock
        self._started = clock()
        self._sent_at = self._started
        self._value = 0.0
        self._message = ""
        self._pulse: asyncio.Task[None] | None = None

    async def __call__(self, message: str) -> None:
        """Send `message`, unless the start or another one was less than half a second ago."""
        self._message = message
        if self._clock() - self._sent_at >= self._timing.progress_interval:
            await self._notify(message)

    async def __aenter__(self) -> Progress:
        self._pulse = asyncio.create_task(self._beat())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._pulse:
            self._pulse.cancel()
            await asyncio.gather(self._pulse, return_exceptions=True)

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
        await self._send(self._value, message)
