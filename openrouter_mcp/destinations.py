"""Where a result is saved: checked before anything is paid, and never lost afterwards."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from openrouter_mcp import media, paths
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.settings import Settings, variable

SPELLED_ABSOLUTE = re.compile(r"~|file:|[A-Za-z]:[\\/]", re.IGNORECASE)
ADDRESS = re.compile(r"(?!file:)(?:[a-z][a-z\d+.-]+://|data:)", re.IGNORECASE)
SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z\d]{1,4}")
ROOM = 32 * 2**20
"""Bytes that must be free before something is bought that has to be saved."""


@dataclass(frozen=True)
class Saved:
    """A file that was written; `note` says where it differs from what was asked for."""

    path: Path
    size: int
    note: str = ""


@dataclass(frozen=True)
class Destination:
    """A directory that may be written to, and the name that a file will have there."""

    directory: Path
    """Its real path; it may not exist yet."""
    stem: str
    suffix: str = ""
    """What the caller's name ends with, as `.png`; empty if it does not say."""

    def prepare(self) -> None:
        """Make sure that a file can be written here. Blocks.

        Raises `INVALID_INPUT`.
        """
        try:
            with media.draft(self.directory):
                free = shutil.disk_usage(self.directory).free
        except OSError as error:
            raise OpenRouterError(
                Code.INVALID_INPUT,
                f"Nothing can be written to {paths.display(self.directory)} "
                f"({error.strerror or error}). Name another place with save_to, or set "
                f"{variable('output_dir')}.",
            ) from None
        if free < ROOM:
            raise OpenRouterError(
                Code.INVALID_INPUT,
                f"Only {free:,} bytes are free at {paths.display(self.directory)}. Make room, or "
                "name another place with save_to.",
            )

    def save(self, data: bytes, suffix: str, ending: str = "") -> Saved:
        """Write a result under a free name; `ending` comes between name and suffix. Blocks.

        What cannot be written here is kept in the temporary directory, and `note` says so. Raises
        `INTERNAL` when that fails too.
        """
        stem = media.safe(self.stem) + ending
        try:
            path = media.save(data, self.directory, stem, suffix) if False else self._write(
                self.directory, data, stem, suffix
            )
        except OSError as error:
            kept = self._keep(data, stem, suffix)
            reason = error.strerror or error
            place = paths.display(self.directory)
            return Saved(kept, len(data), f"It could not be saved in {place} ({reason}); kept here.")
        renamed = self.suffix and self.suffix != suffix
        note = f"It is {suffix[1:].upper()}, not {self.suffix[1:].upper()}." if renamed else ""
        return Saved(path, len(data), note)
