"""What the work of a job tells about itself while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class Handle:
    """What the work tells about itself while it runs."""

    def __init__(self, title: str, keep: Callable[[], Awaitable[None]], job_id: str = "") -> None:
        self.job_id = job_id
        self.text = ""
        """What it gave so far; setting it is cheap."""
        self.billing_note = ""
        """A sentence for who cancels it: whether the provider bills on."""
        self.message = f"{title}: waiting"
        self.lasting = False
        """Whether it goes on when the call that began it is cancelled: OpenRouter does so too."""
        self.upstream_id = ""
        self.details = ""
        """What a later process has to know to go on, beside the id."""
        self.changed = asyncio.Event()
        self.keep = keep

    async def report(self, message: str) -> None:
        """Tell whoever is waiting now, in one sentence, what is going on."""
        self.message = message
        self.wake()

    async def upstream(self, upstream_id: str) -> None:
        """Keep the id under which OpenRouter goes on with the work; it is a job from now on."""
        self.upstream_id = upstream_id
        self.lasting = True
        await self.keep()

    def go_on(self, text: str, upstream_id: str, details: str) -> None:
        """Be what the handle of a process that died was."""
        self.text, self.upstream_id, self.details = text, upstream_id, details
        self.lasting = True

    def wake(self) -> None:
        """Let everybody who waits for `changed` look again."""
        self.changed.set()
        self.changed = asyncio.Event()
