"""The one path of every paid tool: an answer in time, or a job that goes on and is kept."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

from fastmcp.tools import ToolResult

from openrouter_mcp import replies
from openrouter_mcp.errors import NEXT_STEP, Code, OpenRouterError, duration
from openrouter_mcp.job_table import JobRow, JobTable, State
from openrouter_mcp.progress import Progress
from openrouter_mcp.settings import Settings
from openrouter_mcp.store import Store

logger = logging.getLogger("openrouter_mcp")

META = "openrouter/job"
ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
ID_LENGTH = 10
TAIL = 500
"""Characters shown of a text that still grows."""

# Seconds.
SAVE_EVERY = 2.0
LOOK_EVERY = 1.0
STOPPING = 5.0
CLOSING = 0.7


class Handle:
    """What the work of a call tells about itself while it runs."""

    def __init__(self, title: str, keep: Callable[[], Awaitable[None]]) -> None:
        self.text = ""
        """What it gave so far; setting it is cheap."""
        self.billing_note = ""
        """A sentence for who cancels it: whether the provider bills on."""
        self._message = f"{title}: working"
        self._upstream_id = ""
        self._keep = keep
        self._changed = asyncio.Event()

    async def report(self, message: str) -> None:
        """Tell whoever is waiting now, in one sentence, what is going on."""
        self._message = message
        self._wake()

    async def upstream(self, upstream_id: str) -> None:
        """Keep the id under which OpenRouter goes on with this work; it is a job from now on."""
        self._upstream_id = upstream_id
        await self._keep()
