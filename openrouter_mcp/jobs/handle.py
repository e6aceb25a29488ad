"""What the work of a job tells about itself while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from openrouter_mcp.files import save
from openrouter_mcp.files.save import Destination
from openrouter_mcp.jobs import unsaved
from openrouter_mcp.results import UNKNOWN_TYPE, SavedFile


class Handle:
    """What the work tells about itself while it runs."""

    def __init__(
        self,
        title: str,
        keep: Callable[[], Awaitable[None]],
        job_id: str = "",
        kept_in: Callable[[], Sequence[Path]] = tuple,
    ) -> None:
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
        self.place: Destination | None = None
        """Where who goes on with it wants its files."""
        self.unsaved = False
        """Whether a file could not be saved and is kept instead: then the call is a job."""
        self.in_memory: dict[str, bytes] = {}
        """Files that could not be written anywhere."""
        self.kept_in = kept_in
        """The directories for files that cannot be saved, best first. Blocks."""
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

    def save(
        self, place: Destination, data: bytes, suffix: str, mime_type: str = UNKNOWN_TYPE
    ) -> SavedFile:
        """Save what was paid. What cannot be saved is kept, and its note says so. Blocks."""
        try:
            return place.save(data, suffix, mime_type)
        except OSError as error:
            self.unsaved = True
            for directory in self.kept_in():
                with suppress(OSError):
                    instead = replace(place, directory=directory)
                    saved = instead.save(data, suffix, mime_type)
                    return replace(saved, note=unsaved.note(self.job_id, place, error))
            note = unsaved.note(self.job_id, place, error, in_memory=True)
        name = next(name for name in save.names(place.stem, suffix) if name not in self.in_memory)
        self.in_memory[name] = data
        uri = f"openrouter://jobs/{self.job_id}"
        return SavedFile(Path(name), len(data), mime_type, note, in_memory_of=uri)

    def resume(self, text: str, upstream_id: str, details: str) -> None:
        """Be what the handle of a process that died was."""
        self.text, self.upstream_id, self.details = text, upstream_id, details
        self.lasting = True

    def wake(self) -> None:
        """Let everybody who waits for `changed` look again."""
        self.changed.set()
        self.changed = asyncio.Event()
