"""The files of one call: all are found and weighed before the first is read."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from openrouter_mcp import addresses, folders, media_parts, paths
from openrouter_mcp.decoding import decode
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.fetch import Spool
from openrouter_mcp.folders import Pattern, Skipped, Walk, short
from openrouter_mcp.media_kinds import HEAD, Kind, Way, byte_limit, kind_of, other_kind
from openrouter_mcp.media_parts import Part
from openrouter_mcp.paths import Guard, is_folder, open_file
from openrouter_mcp.settings import Settings, variable

SKIPS = {
    Code.UNSUPPORTED_FORMAT: "binary file",
    Code.UNSAFE_PATH: "protected file",
    Code.NOT_FOUND: "unreadable file",
}
PRIVATE_KEY = re.compile(r"\s*-----BEGIN [A-Z ]*PRIVATE KEY")
SUFFIX = re.compile(r"\.[^.]*\w[^.]*$")

Source = Path | str
"""The real path of a file, or its address."""


@dataclass(frozen=True)
class _File:
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
class _Weight:
    kind: Kind | None
    size: int
    state: tuple[int, ...]
    """What changes when the file does."""


class FileSelection:
    """What one call names: `find` it, put into `received` what the `addresses` gave, `read` it."""

    def __init__(
        self, settings: Settings, stop: threading.Event, image_detail: str, media_in_folders: bool
    ) -> None:
        self._settings = settings
        self._stop = stop
        self._image_detail = image_detail
        self._media_in_folders = media_in_folders
        self._guard = Guard(settings)
        self._skipped = Skipped()
        self._order: dict[Source, None] = {}
        self._files: dict[Source, _File] = {}
        self._weights: dict[Source, _Weight] = {}
        self._guesses: list[str] = []
        self.received: dict[str, Part | Spool] = {}
        """For each address its content part, or its bytes."""

    @property
    def addresses(self) -> list[str]:
        """What is to be `received` before the files are read."""
        return [source for source in self._order if isinstance(source, str)]

    @property
    def notes(self) -> list[str]:
        """Sentences for the reply: what was skipped or guessed."""
        return [note for note in [self._skipped.sentence(), *self._guesses] if note]

    def find(self, names: Sequence[str]) -> None:
        """Find and weigh the local files. Blocks."""
        for name in names:
            if addresses.is_address(name):
                self._order.setdefault(addresses.unquoted(name))
            else:
                self._find(name)

    def read(self) -> tuple[list[Part], list[Source]]:
        """The parts of all files, and where each is from. Blocks."""
        parts: list[Part] = []
        sources: list[Source] = []
        for source in self._order:
            folders.check(self._stop)
            received = self.received.get(str(source))
            if isinstance(received, dict):
                parts.append(received)
                sources.append(source)
                continue
            file = self._files.get(source) or self._spooled(str(source), received)
            with _skipping(file, self._skipped):
                parts.append(self._part(file))
                sources.append(file.source)
        return parts, sources

    def _find(self, name: str) -> None:
        path = paths.absolute(name)
        # Before anything is looked up: a refusal must not tell what exists.
        real = self._guard.resolve(path)
        folder, pattern = folders.split(path)
        if not pattern or os.path.lexists(path):
            folder, pattern = path, folders.ALL_INSIDE
        else:
            real = self._guard.resolve(folder)
        if is_folder(real):
            self._find_inside(path, Walk(folder, real, self._guard, self._stop), pattern)
        elif folder == path:
            self._add([self._local(path, real, named=True)])
        else:
            raise folders.missing(path, self._guard)

    def _find_inside(self, path: Path, walk: Walk, pattern: Pattern) -> None:
        files = []
        media = self._media_in_folders or SUFFIX.search(pattern[-1]) is not None
        for found, real in walk.files(pattern):
            file = self._local(found, real, named=False, media=media)
            with _skipping(file, walk.skipped):
                self._weigh(file)
                files.append(file)
        self._skipped.update(walk.skipped)
        if not files:
            raise folders.missing(path, self._guard, walk.skipped.sentence())
        self._add(sorted(files, key=lambda file: file.path.parts))

    def _add(self, files: Sequence[_File]) -> None:
        for file in files:
            self._weigh(file)
            self._order.setdefault(file.source)
            self._files.setdefault(file.source, file)

    def _local(self, path: Path, real: Path, *, named: bool, media: bool = True) -> _File:
        def opened() -> BinaryIO:
            return _opened(path, real, self._guard)

        return _File(short(path), real, opened, named, media, path=path)

    def _spooled(self, address: str, spool: Spool | None) -> _File:
        """What was received from an address, weighed."""
        assert spool is not None  # noqa: S101 - all addresses are received before
        data = addresses.is_data(address)
        label = f"data URL ({spool.size:,} bytes)" if data else addresses.shown(address)
        way: Way = "max_data_url_bytes" if data else "max_download_bytes"
        # A thread keeps an address to read it again, but no data.
        file = _File(label, label if data else address, spool.open, way=way)
        self._weigh(file)
        return file

    def _weigh(self, file: _File) -> None:
        """Refuse by size and first bytes alone what nobody takes, or more than the limits."""
        folders.check(self._stop)
        if file.source in self._weights:
            return
        with file.open() as opened:
            state = os.fstat(opened.fileno())
            head = opened.read(HEAD)
        kind = kind_of(head)
        if other := (other_kind(head) if kind is None else "" if file.media else kind.name):
            raise _unsupported(file.label, other)
        self._check_size(file, kind, state.st_size)
        weight = _Weight(kind, state.st_size, _state(state))
        self._weights[file.source] = weight
        self._check_total()

    def _check_size(self, file: _File, kind: Kind | None, size: int) -> None:
        name = byte_limit(kind, file.way)
        limit = getattr(self._settings, name)
        if size > limit:
            raise OpenRouterError(
                Code.TOO_LARGE,
                f"{file.label} has {size:,} bytes, and {variable(name)} allows {limit:,}. Leave it "
                f"out with a narrower glob, give a part of it, or raise {variable(name)}.",
            )

    def _check_total(self) -> None:
        """The number of all files and the bytes of the texts, which a model reads in full."""
        texts = {source: w.size for source, w in self._weights.items() if w.kind is None}
        count, total = len(self._weights), sum(texts.values())
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

    def _part(self, file: _File) -> Part:
        weight = self._weights[file.source]
        if weight.kind is None:
            return {"type": "text", "text": f"File: {file.label}\n{self._text(file)}"}

        def opened() -> BinaryIO:
            again = file.open()
            if _state(os.fstat(again.fileno())) != weight.state:
                again.close()
                raise OSError(errno.ESTALE, "it was written to")
            return again

        return media_parts.part(
            file.label, weight.kind, weight.size, opened, self._settings, self._image_detail
        )

    def _text(self, file: _File) -> str:
        with file.open() as opened:
            # It may have grown since it was weighed.
            data = opened.read(self._settings.max_file_bytes + 1)
        self._check_size(file, None, len(data))
        decoded = decode(data)
        if decoded is None:
            raise _unsupported(file.label, other_kind(data, sure=True))
        text, guess = decoded
        if PRIVATE_KEY.match(text) and not self._settings.allow_unsafe_paths:
            raise OpenRouterError(
                Code.UNSAFE_PATH,
                f"{file.label} is a private key. Set {variable('allow_unsafe_paths')}=1 to "
                "read it anyway.",
            )
        if guess:
            self._guesses.append(f"Read {file.label} as {guess}, which is a guess.")
        return text


@contextlib.contextmanager
def _skipping(file: _File, skipped: Skipped) -> Generator[None]:
    """What the caller named is refused, what was only found is skipped."""
    try:
        yield
    except OpenRouterError as error:
        if file.named or error.code not in SKIPS:
            raise
        skipped.add(SKIPS[error.code], file.path)


def _state(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _opened(path: Path, real: Path, guard: Guard) -> BinaryIO:
    try:
        return open_file(real)
    except (FileNotFoundError, NotADirectoryError):
        raise folders.missing(path, guard) from None
    except OSError as error:
        special = error.errno in (errno.EINVAL, errno.ENXIO)
        raise OpenRouterError(
            Code.UNSUPPORTED_FORMAT if special else Code.NOT_FOUND,
            f"{short(path)} cannot be read: {error.strerror}. Name a regular file that this "
            "user may read.",
        ) from None


def _unsupported(label: str, kind: str) -> OpenRouterError:
    return OpenRouterError(
        Code.UNSUPPORTED_FORMAT,
        f"{label} looks like {kind}, which models do not take. Give text, an image, audio, a "
        "video or a PDF.",
    )
