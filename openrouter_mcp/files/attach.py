"""Files, folders, globs and addresses that a caller names, as content parts of a message."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from openrouter_mcp.files import addresses, fetch
from openrouter_mcp.files import parts as media_parts
from openrouter_mcp.files.fetch import Fetcher, Spool
from openrouter_mcp.files.file_selection import FileSelection
from openrouter_mcp.files.images import Fit
from openrouter_mcp.files.kinds import Name
from openrouter_mcp.files.parts import Part, Purpose
from openrouter_mcp.settings import Settings


@dataclass(frozen=True)
class Attachments:
    """What the model is given, in the order in which it was named, folders sorted by path."""

    parts: list[Part]
    """OpenRouter's content parts, one for each file; those of texts begin with its name."""
    notes: list[str]
    """Sentences for the reply: what was skipped, is empty or was guessed."""
    paths: list[Path | str]
    """The real paths of the files, or their addresses, in the same order."""

    @property
    def untrusted(self) -> bool:
        """Whether a model that reads them speaks of media, or of what others put on the web."""
        return any(part["type"] != "text" for part in self.parts) or any(
            isinstance(path, str) for path in self.paths
        )


class Files:
    """Reads what callers name, within the limits of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._fetcher = Fetcher(settings)

    async def parts(
        self, names: Sequence[str], *, image_detail: str = "", media_in_folders: bool = False
    ) -> Attachments:
        """The content of files, folders, globs and addresses; each file once.

        `image_detail` is OpenRouter's: with "original" images are not scaled. Folders and globs
        without a suffix bring texts alone unless `media_in_folders`. Raises `UNSAFE_PATH`,
        `UNSAFE_URL`, `NOT_FOUND`, `UNSUPPORTED_FORMAT`, `TOO_LARGE`, `INVALID_INPUT`, `NETWORK`,
        `UPSTREAM_TIMEOUT`.
        """
        return await self._read(
            names, Purpose(image_detail=image_detail, media_in_folders=media_in_folders)
        )

    async def references(
        self, names: Sequence[str], kinds: tuple[Name, ...], most: int = 0, image_detail: str = ""
    ) -> Attachments:
        """Media of these kinds, which new ones are to be made from, at most so many (0 = any).

        Images keep their size; they are turned upright and freed of metadata, unless
        `image_detail` is "original". Raises what `parts` raises.
        """
        purpose = Purpose(image_detail, Fit.DRAWN_FROM, kinds, most, media_in_folders=True)
        return await self._read(names, purpose)

    async def _read(self, names: Sequence[str], purpose: Purpose) -> Attachments:
        if not names:
            return Attachments([], [], [])
        stop = threading.Event()
        selection = FileSelection(self._settings, stop, purpose)
        try:
            await asyncio.to_thread(selection.find, names)
            for address in selection.addresses:
                selection.received[address] = await self._received(address, purpose.image_detail)
            parts, sources = await asyncio.to_thread(selection.read)
        finally:
            stop.set()
        return Attachments(parts, selection.notes, sources)

    async def _received(self, address: str, image_detail: str) -> Part | Spool:
        """The part of an address that OpenRouter reads by itself, else its bytes."""
        if addresses.is_data(address):
            return await asyncio.to_thread(fetch.decoded, address, self._settings)
        private = self._settings.allow_private_urls
        parts = addresses.parsed(address, private=private)
        if addresses.is_youtube(parts):
            return media_parts.video_url(address)
        # Nobody but this computer can reach what may be private.
        if addresses.is_image(parts) and not private:
            return media_parts.image_url(address, image_detail)
        return await self._fetcher.fetch(address)
