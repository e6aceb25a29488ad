"""How long the server waits: a value that is passed to whatever waits, so that tests need not."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Waiting that is no setting of the user's, all in seconds."""

    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    """Waits before another attempt at what failed or was not there yet."""

    longest_retry_wait: float = 20.0
    """A request that OpenRouter lets wait longer fails instead: whether to wait is the caller's."""
