"""Files, folders and globs that a caller names, as content parts of a message."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import errno
import os
import re
import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from openrouter_mcp import folders, paths
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.folders import Pattern, Skipped, Walk, short
from openrouter_mcp.paths import Guard, is_folder, open_file
from openrouter_mcp.settings import Settings, variable

HEAD = 8192  # bytes that show what a file is
SAMPLE = 65_536  # bytes that show its encoding
# The longer first: the mark of UTF-32 begins like that of UTF-16.
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
SIGNATURES = (
    (rb"%PDF-", "a PDF"),
    (rb"\x89PNG", "a PNG image"),
    (rb"\xff\xd8\xff", "a JPEG image"),
    (rb"GIF8", "a GIF image"),
    (rb"RIFF....WEBP", "a WebP image"),
    (rb"RIFF....WAVE", "WAV audio"),
    (rb"ID3|\xff[\xf2\xf3\xfa\xfb]", "MP3 audio"),
    (rb"fLaC", "FLAC audio"),
    (rb"OggS", "Ogg audio"),
    (rb"....ftyp", "MP4 video or audio"),
    (rb"\x1aE\xdf\xa3", "WebM or Matroska video"),
    (rb"PK\x03\x04", "a ZIP archive or an Office document"),
    (rb"\x1f\x8b", "a gzip archive"),
)
SKIPS = {
    Code.UNSUPPORTED_FORMAT: "binary file",
    Code.UNSAFE_PATH: "protected file",
    Code.NOT_FOUND: "unreadable file",
}
PRIVATE_KEY = re.compile(r"\s*-----BEGIN [A-Z ]*PRIVATE KEY")


@dataclass(frozen=True)
class Attachments:
    """What the model is given, in the order in which it was named, folders sorted by path."""

    parts: list[dict[str, Any]]
    """OpenRouter's content parts, one for each file, which begin with a line that names it."""
    notes: list[str]
    """Sentences for the reply: what was skipped or guessed."""
    paths: list[Path]
    """The real paths of the files, in the same order."""


class Files:
    """Reads what callers name, within the limits of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def parts(self, names: Sequence[str]) -> Attachments:
        """The content of files, folders and globs; each file once.

        Raises `UNSAFE_PATH`, `NOT_FOUND`, `UNSUPPORTED_FORMAT`, `TOO_LARGE`, `INVALID_INPUT`.
        """
        stop = threading.Event()
        try:
            return await asyncio.to_thread(lambda: _Selection(self._settings, stop).read(names))
        finally:
            stop.set()


@dataclass(frozen=True)
class _File:
    path: Path
    """As the caller spelled it, made absolute."""
    real: Path
    named: bool
    """Whether the caller named this very file: then it is refused rather than skipped."""


class _Selection:
    """The files of one call: all are found and weighed before the first is read."""

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        self._settings = settings
        self._stop = stop
        self._guard = Guard(settings)
        self._skipped = Skipped()
        self._files: dict[Path, _File] = {}
        self._sizes: dict[Path, int] = {}
        self._total = 0
        self._guesses: list[str] = []

    def read(self, names: Sequence[str]) -> Attachments:
        for name in names:
            self._find(name)
        texts: dict[_File, str] = {}
        for file in self._files.values():
            folders.check(self._stop)
            with _skipping(file, self._skipped):
                texts[file] = self._text(file)
        parts = [
            {"type": "text", "text": f"File: {short(file.path)}\n{text}"}
            for file, text in texts.items()
        ]
        notes = [note for note in [self._skipped.sentence(), *self._guesses] if note]
        return Attachments(parts, notes, [file.real for file in texts])

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
            file = _File(path, real, named=True)
            self._weigh(file)
            self._files.setdefault(real, file)
        else:
            raise folders.missing(path, self._guard)

    def _find_inside(self, path: Path, walk: Walk, pattern: Pattern) -> None:
        files = []
        for found, real in walk.files(pattern):
            file = _File(found, real, named=False)
            with _skipping(file, walk.skipped):
                self._weigh(file)
                files.append(file)
        self._skipped.update(walk.skipped)
        if not files:
            raise folders.missing(path, self._guard, walk.skipped.sentence())
        for file in sorted(files, key=lambda file: file.path.parts):
            self._files.setdefault(file.real, file)

    def _weigh(self, file: _File) -> None:
        """Refuse by size and first bytes alone what is no text, or more than the limits."""
        folders.check(self._stop)
        if file.real in self._sizes:
            return
        with _opened(file, self._guard) as opened:
            size = os.fstat(opened.fileno()).st_size
            head = opened.read(HEAD)
        if kind := binary_kind(head):
            raise _unsupported(file.path, kind)
        self._check_size(file, size)
        self._sizes[file.real] = size
        self._total += size
        count, total = len(self._sizes), self._total
        most, most_bytes = self._settings.max_files, self._settings.max_files_bytes
        if count > most or total > most_bytes:
            largest = max(self._sizes, key=lambda real: self._sizes[real])
            name = "max_files" if count > most else "max_files_bytes"
            limit = getattr(self._settings, name)
            raise OpenRouterError(
                Code.TOO_LARGE,
                f"That is too much to attach: the first {count:,} files come to {total:,} bytes "
                f"(the largest, {short(largest)}, has {self._sizes[largest]:,}), and "
                f"{variable(name)} allows {limit:,}. Name fewer files, or a narrower glob such as "
                f"src/**/*.py, or raise {variable(name)}.",
            )

    def _check_size(self, file: _File, size: int) -> None:
        limit = self._settings.max_file_bytes
        if size > limit:
            raise OpenRouterError(
                Code.TOO_LARGE,
                f"{short(file.path)} has {size:,} bytes, and {variable('max_file_bytes')} allows "
                f"{limit:,}. Leave it out with a narrower glob, give a part of it, or raise "
                f"{variable('max_file_bytes')}.",
            )

    def _text(self, file: _File) -> str:
        with _opened(file, self._guard) as opened:
            # It may have grown since it was weighed.
            data = opened.read(self._settings.max_file_bytes + 1)
        self._check_size(file, len(data))
        decoded = decode(data)
        if decoded is None:
            raise _unsupported(file.path, binary_kind(data, sure=True))
        text, guess = decoded
        if PRIVATE_KEY.match(text) and not self._settings.allow_unsafe_paths:
            raise OpenRouterError(
                Code.UNSAFE_PATH,
                f"{short(file.path)} is a private key. Set {variable('allow_unsafe_paths')}=1 to "
                "read it anyway.",
            )
        if guess:
            self._guesses.append(f"Read {short(file.path)} as {guess}, which is a guess.")
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


def _opened(file: _File, guard: Guard) -> BinaryIO:
    try:
        return open_file(file.real)
    except (FileNotFoundError, NotADirectoryError):
        raise folders.missing(file.path, guard) from None
    except OSError as error:
        special = error.errno in (errno.EINVAL, errno.ENXIO)
        raise OpenRouterError(
            Code.UNSUPPORTED_FORMAT if special else Code.NOT_FOUND,
            f"{short(file.path)} cannot be read: {error.strerror}. Name a regular file that this "
            "user may read.",
        ) from None


def _unsupported(path: Path, kind: str) -> OpenRouterError:
    return OpenRouterError(
        Code.UNSUPPORTED_FORMAT,
        f"{short(path)} looks like {kind}, and only text is taken. Name text files.",
    )


def binary_kind(data: bytes, *, sure: bool = False) -> str:
    """What data look like ("a PNG image"); empty for what may be text, unless `sure` it is not."""
    marked = any(data.startswith(mark) for mark, _ in BYTE_ORDER_MARKS)
    if not sure and not data.startswith(b"%PDF-") and (marked or b"\0" not in data):
        return ""
    looks = (kind for signature, kind in SIGNATURES if re.match(signature, data, re.DOTALL))
    return next(looks, "binary data")


def decode(data: bytes) -> tuple[str, str] | None:
    r"""Text with \n for every kind of line end, and its encoding if that is a guess.

    None if it is no text.
    """
    guess = ""
    encoding = next((name for mark, name in BYTE_ORDER_MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8" or b"\0" in data:
            return None
        guess = _guess_encoding(data)
        text = data.decode(guess, "replace") if guess else "\0"
    if "\0" in text or (guess and "\ufffd" in text):
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n"), guess


def _guess_encoding(data: bytes) -> str:
    """The likely encoding of the lines around the first letters that are not ASCII; or empty."""
    from charset_normalizer import from_bytes

    first = re.search(rb"[\x80-\xff]", data)
    start = data.rfind(b"\n", 0, first.start()) + 1 if first else 0
    sample = data[start : start + SAMPLE]
    if start + SAMPLE < len(data):
        sample = sample.rpartition(b"\n")[0] or sample
    best = from_bytes(sample).best()
    return best.encoding if best else ""
