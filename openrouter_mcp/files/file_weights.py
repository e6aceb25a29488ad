"""What the files of one call weigh: each is judged by size and first bytes before it is read."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import addresses, walk
from openrouter_mcp.files.kinds import HEAD, Kind, Way, byte_limit, kind_of, other_kind
from openrouter_mcp.files.parts import Purpose
from openrouter_mcp.files.walk import short
from openrouter_mcp.settings import Settings, variable

Source = Path | str
"""The real path of a file, or its address."""


@dataclass(frozen=True)
class File:
    """A file that a call means."""

    label: str
    """What it is called before people and models."""
    source: Source
    open: Callable[[], BinaryIO]
    """Opens it from its beginning. Raises `OpenRouterError`."""
    named: bool = True
    """Whether the caller named this very file: then it is refused rather than skipped."""
    media: bool = True
    """Whether the caller wants it though it may be no text."""
    way: Way = "max_bytes"
    path: Path = Path()
    """As the caller spelled it, made absolute."""


@dataclass(frozen=True)
class Weight:
    """What was found out about a file without reading it."""

    kind: Kind | None
    size: int
    state: tuple[int, ...]
    """What changes when the file does."""


class FileWeights:
    """The files of one call, as far as they were weighed."""

    def __init__(self, settings: Settings, stop: threading.Event, purpose: Purpose) -> None:
        self._settings = settings
        self._stop = stop
        self._purpose = purpose
        self._weights: dict[Source, Weight] = {}
        self._text_bytes = 0

    def of(self, file: File) -> Weight:
        """The weight of a file that was weighed."""
        return self._weights[file.source]

    def weigh(self, file: File) -> None:
        """Refuse by size and first bytes alone what nobody takes, or more than the limits. Blocks.

        Raises `UNSUPPORTED_FORMAT`, `TOO_LARGE`, `CANCELLED` and what opening it raises.
        """
        walk.check(self._stop)
        if file.source in self._weights:
            return
        with file.open() as opened:
            status = os.fstat(opened.fileno())
            head = opened.read(HEAD)
        kind = kind_of(head)
        self.check_kind(file.label, kind.name if kind else None)
        if other := (other_kind(head) if kind is None else "" if file.media else kind.name):
            raise unsupported(file.label, other)
        self.check_size(file, kind, status.st_size)
        self._weights[file.source] = Weight(kind, status.st_size, state(status))
        if kind is None:
            self._text_bytes += status.st_size

    def check_kind(self, label: str, kind: str | None) -> None:
        """Refuse what the call has no use for. Raises `UNSUPPORTED_FORMAT`."""
        if (kinds := self._purpose.kinds) and kind not in kinds:
            raise OpenRouterError(
                Code.UNSUPPORTED_FORMAT,
                f"{label} is no {' or '.join(kinds)}, which is needed here. Leave it out, or "
                "convert it and call again.",
            )

    def check_size(self, file: File, kind: Kind | None, size: int) -> None:
        """Hold the bytes of a file against the settings. Raises `TOO_LARGE`."""
        name = byte_limit(kind, file.way)
        limit = getattr(self._settings, name)
        if size > limit:
            raise OpenRouterError(
                Code.TOO_LARGE,
                f"{file.label} has {size:,} bytes, and {variable(name)} allows {limit:,}. Leave it "
                f"out with a narrower glob, give a part of it, or raise {variable(name)}.",
            )

    def check_total(self) -> None:
        """Limit the number of all files, and the bytes of the texts, which a model reads in full.

        Raises `TOO_LARGE`.
        """
        count, total = len(self._weights), self._text_bytes
        most, most_bytes = self._settings.max_files, self._settings.max_files_bytes
        if count <= most and total <= most_bytes:
            return
        sizes = {source: weight.size for source, weight in self._weights.items()}
        largest = max(sizes, key=lambda source: sizes[source])
        shown = short(largest) if isinstance(largest, Path) else addresses.shown(largest)
        name = "max_files" if count > most else "max_files_bytes"
        limit = getattr(self._settings, name)
        raise OpenRouterError(
            Code.TOO_LARGE,
            f"That is too much to attach: the first {count:,} files come to "
            f"{sum(sizes.values()):,} bytes (the largest, {shown}, has {sizes[largest]:,}), and "
            f"{variable(name)} allows {limit:,}. Name fewer files, or a narrower glob such as "
            f"src/**/*.py, or raise {variable(name)}.",
        )


def state(status: os.stat_result) -> tuple[int, ...]:
    """What changes when a file does."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def unsupported(label: str, kind: str) -> OpenRouterError:
    """The refusal of what no model takes."""
    return OpenRouterError(
        Code.UNSUPPORTED_FORMAT,
        f"{label} looks like {kind}, which models do not take. Give text, an image, audio, a "
        "video or a PDF.",
    )
