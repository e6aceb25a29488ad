"""A finished video, from OpenRouter to disk in pieces; what breaks off is taken up again.

Source: `GET /videos/{id}/content`.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from openrouter_mcp.api.responses import typed
from openrouter_mcp.api.retry import Report
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import kept, save
from openrouter_mcp.files.destinations import Destination, Saved
from openrouter_mcp.files.kinds import HEAD
from openrouter_mcp.files.save import Draft
from openrouter_mcp.files.signatures import MediaType, media_type
from openrouter_mcp.multimodal.replies import Made
from openrouter_mcp.settings import variable

if TYPE_CHECKING:
    import httpx2

    from openrouter_mcp.app import App
    from openrouter_mcp.jobs.handle import Handle

FRUITLESS = 4
"""Attempts in a row that bring nothing, after which a download is given up."""
PAUSE = 0.5
"""Seconds before the second attempt; doubled each time."""
RANGE = re.compile(r"bytes (\d+)-\d*/(\d+|\*)")


async def download(app: App, job_id: str, index: int, place: Destination, handle: Handle) -> Made:
    """Save one video of a job; where it cannot be written, where such files are kept.

    Raises `UPSTREAM_ERROR`, `NETWORK`, `TOO_LARGE`, `INTERNAL`, all of them worth another call.
    """
    try:
        return await _into(app, job_id, index, place, handle.report)
    except OSError as error:
        for directory in await asyncio.to_thread(handle.kept_in):
            with suppress(OSError):
                instead = replace(place, directory=directory)
                made = await _into(app, job_id, index, instead, handle.report)
                note = kept.note(handle.job_id, place, error)
                return replace(made, saved=replace(made.saved, note=note))
        raise OpenRouterError(
            Code.INTERNAL,
            f"The video is done, but could not be saved in {kept.reason(place, error)} nor "
            f"anywhere else. {kept.next_call(handle.job_id, place)}",
            retryable=True,
        ) from None


async def _into(app: App, job_id: str, index: int, place: Destination, report: Report) -> Made:
    with ExitStack() as stack:
        file = await asyncio.to_thread(_opened, stack, place.directory)
        size = await _Download(app, job_id, index, file, report).whole()
        kind = await asyncio.to_thread(_kind, file)
        path = await asyncio.to_thread(file.publish, place.stem, kind.suffix)
    return Made(Saved(path, size, place.renaming(kind.suffix)), kind.mime)


def _opened(stack: ExitStack, directory: Path) -> Draft:
    return stack.enter_context(save.draft(directory))


def _kind(file: Draft) -> MediaType:
    """What was downloaded, told from its bytes. Raises `UPSTREAM_ERROR` if it is no video."""
    file.content.seek(0)
    head = file.content.read(HEAD)
    file.content.seek(0, 2)
    found = media_type(head)
    if found is None or not found.mime.startswith("video/"):
        raise OpenRouterError(
            Code.UPSTREAM_ERROR,
            "What OpenRouter sent is no video.",
            retryable=True,
        )
    return found


class _Download:
    """One file on its way; `size` bytes of it are there."""

    def __init__(self, app: App, job_id: str, index: int, file: Draft, report: Report) -> None:
        self._app = app
        self._path = f"/videos/{quote(job_id, safe='')}/content?index={index}"
        self._file = file
        self._report = report
        self._size = 0
        self._total = 0

    async def whole(self) -> int:
        """Fetch it, again from where it broke off; its size."""
        fruitless = 0
        while True:
            before = self._size
            try:
                await self._attempt()
            except OpenRouterError as error:
                fruitless = 0 if self._size > before else fruitless + 1
                if not error.retryable or fruitless >= FRUITLESS:
                    raise
                await self._report(f"the download broke off at {self._size:,} bytes; going on")
                await asyncio.sleep(PAUSE * 2**fruitless)
            else:
                return self._size

    async def _attempt(self) -> None:
        headers = {"Range": f"bytes={self._size}-"} if self._size else {}
        async with self._app.client.open("get", self._path, headers=headers) as response:
            await self._begin(response)
            await typed(partial(self._read, response))
        if self._total and self._size < self._total:
            raise OpenRouterError(Code.NETWORK, "The download broke off.", retryable=True)

    async def _begin(self, response: httpx2.Response) -> None:
        """Go on where it broke off; from the beginning if that is what is sent."""
        part = RANGE.fullmatch(response.headers.get("content-range", ""))
        length = response.headers.get("content-length", "")
        if response.status_code == 206 and part and int(part[1]) == self._size:
            self._total = 0 if part[2] == "*" else int(part[2])
        else:
            self._size = 0
            self._total = int(length) if length.isdecimal() else 0
            await asyncio.to_thread(self._file.content.seek, 0)
            await asyncio.to_thread(self._file.content.truncate)
        self._check(self._total)

    async def _read(self, response: httpx2.Response) -> None:
        async for piece in response.aiter_bytes():
            self._check(self._size + len(piece))
            await asyncio.to_thread(self._file.content.write, piece)
            self._size += len(piece)
            await self._report(f"downloading the video: {self._size:,} bytes")

    def _check(self, size: int) -> None:
        limit = self._app.settings.video_gen_max_bytes
        if size > limit:
            raise OpenRouterError(
                Code.TOO_LARGE,
                f"The video has more than the {limit:,} bytes that "
                f"{variable('video_gen_max_bytes')} allows. Raise that and restart this server.",
                retryable=True,
            )
