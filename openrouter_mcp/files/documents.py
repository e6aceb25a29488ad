"""Documents of office programs, and books: converted into text by the extra `documents`."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
import zlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import converter
from openrouter_mcp.files.kinds import HEAD
from openrouter_mcp.settings import PREFIX, environment

SECONDS = 30
"""How long a conversion may take."""
SECONDS_OF_ALL = 120
"""How long those of one call may take together."""
LOOK_EVERY = 0.1
"""Seconds after which a conversion is looked at again."""
LARGEST_LISTING = 4_000_000
"""Bytes of the list of what is in an archive."""
LARGEST_UNPACKED = 500_000_000
"""Bytes that a document may unpack to."""
MOST_ENTRIES = 20_000
LONGEST_MIMETYPE = 100
UNPACKED_BY_PIECES = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
BROKEN = (zipfile.BadZipFile, zlib.error, OSError, ValueError, RuntimeError)
"""What archives that are none, or damaged, raise."""
PROGRAM = converter.__name__
PACKAGE = str(Path(converter.__file__).parents[2])
"""The directory that our package is in."""


@dataclass(frozen=True)
class Document:
    """A kind of document that is converted."""

    words: str
    mime: str


OFFICE = "application/vnd.openxmlformats-officedocument"
OPEN = "application/vnd.oasis.opendocument"
WORD = Document("a Word document", f"{OFFICE}.wordprocessingml.document")
EXCEL = Document("an Excel workbook", f"{OFFICE}.spreadsheetml.sheet")
SLIDES = Document("a PowerPoint presentation", f"{OFFICE}.presentationml.presentation")
EPUB = Document("an EPUB book", "application/epub+zip")
TEXT = Document("an OpenDocument text", f"{OPEN}.text")
SHEET = Document("an OpenDocument spreadsheet", f"{OPEN}.spreadsheet")
RTF = Document("an RTF document", "application/rtf")
NOTEBOOK = Document("a Jupyter notebook", converter.NOTEBOOK)
MEMBERS = {
    "word/document.xml": WORD,
    "xl/workbook.xml": EXCEL,
    "ppt/presentation.xml": SLIDES,
}
"""By what is in the archive that a document is."""
TYPES = {each.mime.encode(): each for each in (EPUB, TEXT, SHEET)}
"""By what the archive says of itself."""


def document_in(head: bytes, file: BinaryIO) -> Document | None:
    """The kind of document in a file that begins with `head`; None if it is none."""
    if head.startswith(b"{\\rtf"):
        return RTF
    if (
        head.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"{"
        and b'"cells"' in head
        and _is_notebook(file, head)
    ):
        return NOTEBOOK
    if not head.startswith(b"PK\x03\x04"):
        return None
    try:
        with zipfile.ZipFile(_Archive(file)) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()[:MOST_ENTRIES]}
            named = b""
            # Other methods than these unpack all that there is at once.
            if (entry := entries.get("mimetype")) and entry.compress_type in UNPACKED_BY_PIECES:
                named = archive.open(entry).read(LONGEST_MIMETYPE).strip()
    except BROKEN:
        return None
    found = (document for member, document in MEMBERS.items() if member in entries)
    return next(found, TYPES.get(named))


def is_convertible(document: Document) -> bool:
    """Whether it is converted here, or refused for want of the library, and not read as it is."""
    return document is not RTF or find_spec("kreuzberg") is not None


class Converter:
    """Makes texts of the documents of one call, each in a process of its own. Blocks."""

    def __init__(self, stop: threading.Event, most: int) -> None:
        self._stop = stop
        self._most = most
        self._ends = 0.0

    def text_of(self, label: str, document: Document, file: BinaryIO) -> str:
        """The text of a document as Markdown, cut behind `most` bytes.

        Raises `UNSUPPORTED_FORMAT`, `TOO_LARGE`, and `CANCELLED` when `stop` is set meanwhile.
        """
        if document is not NOTEBOOK and find_spec("kreuzberg") is None:
            raise OpenRouterError(
                Code.UNSUPPORTED_FORMAT,
                f"{label} is {document.words}, which takes a converter to read. Install "
                "openrouter-mcp with its extra `documents`, or save it as PDF or as text.",
            )
        if document not in {NOTEBOOK, RTF}:
            _check_size(label, file)
        text = self._run(label, document, file)
        if text is None:
            raise OpenRouterError(
                Code.UNSUPPORTED_FORMAT,
                f"{label} is {document.words} that cannot be read: it is damaged, locked, or too "
                "large for its converter. Save it again, or as PDF.",
            )
        return text

    def _run(self, label: str, document: Document, file: BinaryIO) -> str | None:
        """What the converter makes of a document; None if it fails."""
        now = time.monotonic()
        self._ends = self._ends or now + SECONDS_OF_ALL
        ends = min(self._ends, now + SECONDS)
        file.seek(0)
        with tempfile.TemporaryFile() as made:
            process = subprocess.Popen(  # noqa: S603 - this very Python
                (sys.executable, "-P", "-m", PROGRAM, document.mime, str(self._most)),
                stdin=file.fileno(),
                stdout=made.fileno(),
                stderr=subprocess.DEVNULL,
                env=_environment(),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
            try:
                while process.poll() is None:
                    self._check(label, ends)
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(LOOK_EVERY)
            finally:
                process.kill()
                process.wait()
            made.seek(0)
            return None if process.returncode else made.read(self._most).decode("utf-8", "replace")

    def _check(self, label: str, ends: float) -> None:
        if self._stop.is_set():
            raise OpenRouterError(Code.CANCELLED, "Reading files was cancelled. Call again.")
        if time.monotonic() > ends:
            raise OpenRouterError(
                Code.TOO_LARGE,
                f"{label} takes longer to convert than {SECONDS} seconds (all documents of a call: "
                f"{SECONDS_OF_ALL}). Save a part of it, or save it as text.",
            )


def _environment() -> dict[str, str]:
    """The environment of the converter, which needs none of our variables."""
    inherited = {k: v for k, v in environment().items() if not k.startswith(PREFIX)}
    places = [PACKAGE, *filter(None, [inherited.get("PYTHONPATH")])]
    return {**inherited, "PYTHONPATH": os.pathsep.join(places), "PYTHONIOENCODING": "utf-8"}


class _Archive(io.BufferedIOBase):
    """A file for `zipfile`, which reads the list of what is inside at once, however long it is."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int | None = LARGEST_LISTING) -> bytes:
        if size is None or not 0 <= size <= LARGEST_LISTING:
            raise zipfile.BadZipFile("its list of contents is too long")
        return self._file.read(size)


def _check_size(label: str, file: BinaryIO) -> None:
    try:
        with zipfile.ZipFile(_Archive(file)) as archive:
            entries = archive.infolist()
    except BROKEN:
        return
    if len(entries) > MOST_ENTRIES or sum(e.file_size for e in entries) > LARGEST_UNPACKED:
        raise OpenRouterError(
            Code.TOO_LARGE,
            f"{label} unpacks to more than {LARGEST_UNPACKED:,} bytes. Save a part of it.",
        )


def _is_notebook(file: BinaryIO, head: bytes) -> bool:
    """Whether the format stands where it does in notebooks: at the beginning or at the end."""
    file.seek(max(0, file.seek(0, io.SEEK_END) - HEAD))
    return b'"nbformat"' in head or b'"nbformat"' in file.read(HEAD)
