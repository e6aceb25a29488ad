"""The files of one call: all are found and weighed before the first is read."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import threading
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import BinaryIO

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import addresses, sandbox
from openrouter_mcp.files import parts as media_parts
from openrouter_mcp.files import walk as folders
from openrouter_mcp.files.decoding import decode
from openrouter_mcp.files.fetch import Spool
from openrouter_mcp.files.file_weights import File, FileWeights, Source, state, unsupported
from openrouter_mcp.files.kinds import Way, other_kind
from openrouter_mcp.files.parts import Part, Purpose
from openrouter_mcp.files.sandbox import Guard, is_folder, open_file
from openrouter_mcp.files.walk import Pattern, Skipped, Walk, short
from openrouter_mcp.settings import Settings, variable

SKIPS = {
    Code.UNSUPPORTED_FORMAT: "binary file",
    Code.UNSAFE_PATH: "protected file",
    Code.NOT_FOUND: "unreadable file",
    Code.TOO_LARGE: "oversized file",
}
KINDS = {"image_url": "image", "video_url": "video"}
"""What is named by an address that OpenRouter reads by itself."""
PRIVATE_KEY = re.compile(r"\s*-----BEGIN [A-Z ]*PRIVATE KEY")
SUFFIX = re.compile(r"\.[^.]*\w[^.]*$")


class FileSelection:
    """What one call names: `find` it, put into `received` what the `addresses` gave, `read` it."""

    def __init__(self, settings: Settings, stop: threading.Event, purpose: Purpose) -> None:
        self._settings = settings
        self._stop = stop
        self._purpose = purpose
        self._guard = Guard(settings)
        self._skipped = Skipped()
        self._order: dict[Source, None] = {}
        self._files: dict[Source, File] = {}
        self._weights = FileWeights(settings, stop, purpose)
        self._remarks: list[str] = []
        self._data_urls = 0
        self._oversized: OpenRouterError | None = None
        self.received: dict[str, Part | Spool] = {}
        """For each address its content part, or its bytes."""

    @property
    def addresses(self) -> list[str]:
        """What is to be `received` before the files are read."""
        return [source for source in self._order if isinstance(source, str)]

    @property
    def notes(self) -> list[str]:
        """Sentences for the reply: what was skipped, is empty or was guessed."""
        return [note for note in [self._skipped.sentence(), *self._remarks] if note]

    def find(self, names: Sequence[str]) -> None:
        """Find and weigh the local files. Blocks."""
        for name in names:
            if addresses.is_address(name):
                self._order.setdefault(addresses.unquoted(name))
            else:
                self._find_alternatives(name)
        most = self._purpose.most
        if most and len(self._order) > most:
            raise OpenRouterError(
                Code.INVALID_INPUT,
                f"These are {len(self._order)} files, and at most {most} can be used here. Name "
                "fewer.",
            )

    def read(self) -> tuple[list[Part], list[Source]]:
        """The parts of all files, and where each is from. Blocks."""
        parts: list[Part] = []
        sources: list[Source] = []
        for source in self._order:
            folders.check(self._stop)
            received = self.received.get(str(source))
            if isinstance(received, dict):
                self._weights.check_kind(addresses.shown(str(source)), KINDS[received["type"]])
                parts.append(received)
                sources.append(source)
                continue
            file = self._files.get(source) or self._spooled(str(source), received)
            with self._skipping(file, self._skipped):
                parts.append(self._part(file))
                sources.append(file.source)
        return parts, sources

    def _find_alternatives(self, name: str) -> None:
        """What a name means whose braces stand for several; not all of its globs need match."""
        names = folders.alternatives(name)
        if names == [name] or self._is_there(name):
            self._find(name)
            return
        unmatched = []
        for each in names:
            try:
                self._find(each)
            except OpenRouterError as error:
                if error.code is not Code.NOT_FOUND or not folders.split(sandbox.absolute(each))[1]:
                    raise
                unmatched.append(error)
        if len(unmatched) == len(names):
            raise unmatched[0]

    def _is_there(self, name: str) -> bool:
        """Whether a file really is called so, braces and all."""
        path = sandbox.absolute(name)
        self._guard.resolve(path)
        return os.path.lexists(path)

    def _find(self, name: str) -> None:
        path = sandbox.absolute(name)
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
        self._oversized = None
        media = self._purpose.media_in_folders or SUFFIX.search(pattern[-1]) is not None
        for found, real in walk.files(pattern):
            file = self._local(found, real, named=False, media=media)
            with self._skipping(file, walk.skipped):
                self._weights.weigh(file)
                files.append(file)
            self._weights.check_total()
        self._skipped.update(walk.skipped)
        if not files:
            raise self._oversized or folders.missing(path, self._guard, walk.skipped.sentence())
        self._add(sorted(files, key=lambda file: file.path.parts))

    def _add(self, files: Sequence[File]) -> None:
        for file in files:
            self._weights.weigh(file)
            self._weights.check_total()
            self._order.setdefault(file.source)
            self._files.setdefault(file.source, file)

    def _local(self, path: Path, real: Path, *, named: bool, media: bool = True) -> File:
        def opened() -> BinaryIO:
            return _opened(path, real, self._guard)

        return File(short(path), real, opened, named, media, path=path)

    def _spooled(self, address: str, spool: Spool | None) -> File:
        """What was received from an address, weighed."""
        assert spool is not None  # noqa: S101 - all addresses are received before
        data = addresses.is_data(address)
        self._data_urls += data
        label = addresses.shown(address)
        if data:
            label = f"data URL {self._data_urls} ({spool.size:,} bytes)"
        way: Way = "max_data_url_bytes" if data else "max_download_bytes"
        # A thread keeps an address to read it again, but no data.
        file = File(label, label if data else address, spool.open, way=way)
        self._weights.weigh(file)
        self._weights.check_total()
        return file

    def _part(self, file: File) -> Part:
        weight = self._weights.of(file)
        if weight.kind is None:
            return {"type": "text", "text": f"File: {file.label}\n{self._text(file)}"}

        def opened() -> BinaryIO:
            again = file.open()
            if state(os.fstat(again.fileno())) != weight.state:
                again.close()
                raise OSError(errno.ESTALE, "it was written to")
            return again

        return media_parts.part(
            file.label, weight.kind, weight.size, opened, self._settings, self._purpose
        )

    @contextlib.contextmanager
    def _skipping(self, file: File, skipped: Skipped) -> Generator[None]:
        """What the caller named is refused, what was only found is skipped."""
        try:
            yield
        except OpenRouterError as error:
            if file.named or error.code not in SKIPS:
                raise
            if error.code is Code.TOO_LARGE:
                self._oversized = error
            other = self._purpose.kinds and error.code is Code.UNSUPPORTED_FORMAT
            skipped.add("unsuitable file" if other else SKIPS[error.code], file.path)

    def _text(self, file: File) -> str:
        with file.open() as opened:
            # It may have grown since it was weighed.
            data = opened.read(self._settings.max_file_bytes + 1)
        self._weights.check_size(file, None, len(data))
        decoded = decode(data)
        if decoded is None:
            raise unsupported(file.label, other_kind(data, sure=True))
        text, guess = decoded
        if PRIVATE_KEY.match(text) and not self._settings.allow_unsafe_paths:
            raise OpenRouterError(
                Code.UNSAFE_PATH,
                f"{file.label} is a private key. Set {variable('allow_unsafe_paths')}=1 to "
                "read it anyway.",
            )
        if file.named and not text:
            self._remarks.append(f"{file.label} is empty.")
        if guess:
            self._remarks.append(f"Read {file.label} as {guess}, which is a guess.")
        return text


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
