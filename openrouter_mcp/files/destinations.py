"""Where a result is saved: checked before anything is paid."""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import sandbox
from openrouter_mcp.files import save as media
from openrouter_mcp.settings import Settings, variable

SPELLED_ABSOLUTE = re.compile(r"~|file:|[A-Za-z]:[\\/]", re.IGNORECASE)
ADDRESS = re.compile(r"(?!file:)(?:[a-z][a-z\d+.-]+://|data:)", re.IGNORECASE)
ENDING = re.compile(r"\.[a-z][a-z\d]{0,9}")
ROOM = 32 * 2**20
"""Bytes that must be free before something is bought that has to be saved."""


@dataclass(frozen=True)
class Saved:
    """A file that was written; `note` says where it differs from what was asked for."""

    path: Path
    size: int
    note: str = ""
    in_memory_of: str = ""
    """The job that has it in memory, as a URI, where there is no file: `path` is only its name."""


Save = Callable[[bytes, str], Saved]
"""Writes bytes to a file with this suffix. Blocks."""


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
                f"Nothing can be written to {sandbox.display(self.directory)} "
                f"({error.strerror or error}). Name another place with save_to, or set "
                f"{variable('output_dir')}.",
            ) from None
        if free < ROOM:
            raise OpenRouterError(
                Code.INVALID_INPUT,
                f"Only {free:,} bytes are free at {sandbox.display(self.directory)}. Make room, or "
                "name another place with save_to.",
            )

    def save(self, data: bytes, suffix: str) -> Saved:
        """Write a result under a free name. Blocks. Raises `OSError`."""
        return self.copy(io.BytesIO(data), suffix)

    def copy(self, source: BinaryIO, suffix: str) -> Saved:
        """Write what can be read there under a free name. Blocks. Raises `OSError`."""
        with media.draft(self.directory) as file:
            shutil.copyfileobj(source, file.content)
            size = file.content.tell()
            path = file.publish(self.stem, suffix)
        return Saved(path, size, self.renaming(suffix))

    def renaming(self, suffix: str) -> str:
        """What to tell of a file that ends with `suffix` here; empty if the caller expects that."""
        if self.suffix in {"", suffix}:
            return ""
        return f"Named {suffix}, because that is what it is."

    def named(self, stem: str) -> Destination:
        """The same place, with `stem` for what is saved there where the caller gave no name."""
        return self if self.stem else replace(self, stem=stem)


def destination(settings: Settings, save_to: str, stem: str, *known: str) -> Destination:
    """The place that `save_to` means: a file or folder in the output directory. Blocks.

    Where it names no file, `stem` does; an ending counts as suffix if it is one of the `known`
    ones, or looks like one where none are known. Raises `UNSAFE_PATH` for what is outside and
    `INVALID_INPUT` for what is no path.
    """
    root = sandbox.absolute(str(settings.output_dir))
    if ADDRESS.match(save_to.strip()):
        raise OpenRouterError(
            Code.INVALID_INPUT, "save_to takes the path of a file or folder, not an address."
        )
    spelled = save_to.strip()
    named = spelled if SPELLED_ABSOLUTE.match(spelled) else str(root / spelled)
    path = sandbox.absolute(named)
    is_folder = not spelled or spelled.endswith(("/", os.sep)) or sandbox.is_folder(path)
    directory = Path(os.path.realpath(path if is_folder else path.parent))
    inside = directory.is_relative_to(os.path.realpath(root))
    if not inside and not settings.allow_unsafe_paths:
        raise OpenRouterError(
            Code.UNSAFE_PATH,
            f"{sandbox.display(path)} is outside the output directory "
            f"({sandbox.display(root)}). Give a path inside it, or set {variable('output_dir')} "
            "to another one.",
        )
    if is_folder:
        return Destination(directory, stem)
    suffix = path.suffix.lower().replace(".jpeg", ".jpg")
    if suffix in known or (not known and ENDING.fullmatch(suffix)):
        return Destination(directory, path.stem, suffix)
    return Destination(directory, path.name)
