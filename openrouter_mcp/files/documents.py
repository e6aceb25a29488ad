"""Documents of office programs, and books: converted into text by the extra `documents`."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, BinaryIO

from openrouter_mcp.api import responses
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files.kinds import HEAD
from openrouter_mcp.text import parse_json

SECONDS = 60
"""How long a conversion may take."""
LARGEST_UNPACKED = 500_000_000
"""Bytes that a document may unpack to."""
MOST_ENTRIES = 20_000


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
NOTEBOOK = Document("a Jupyter notebook", "application/x-ipynb+json")
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
    if head.lstrip()[:1] == b"{" and b'"cells"' in head and _is_notebook(file, head):
        return NOTEBOOK
    if not head.startswith(b"PK\x03\x04"):
        return None
    try:
        with zipfile.ZipFile(file) as archive:
            names = {entry.filename for entry in archive.infolist()[:MOST_ENTRIES]}
            named = archive.read("mimetype")[:100].strip() if "mimetype" in names else b""
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        return None
    found = (document for member, document in MEMBERS.items() if member in names)
    return next(found, TYPES.get(named))


def is_convertible(document: Document) -> bool:
    """Whether it is converted here, or refused for want of the library, and not read as it is."""
    return document is not RTF or find_spec("kreuzberg") is not None


def text_of(label: str, document: Document, data: bytes) -> str:
    """The text of a document as Markdown. Blocks. Raises `UNSUPPORTED_FORMAT`, `TOO_LARGE`."""
    if document is NOTEBOOK:
        return _of_notebook(data)
    if document is not RTF:
        _check_size(label, data)
    try:
        from kreuzberg import ExtractionConfig, extract_bytes_sync
    except ImportError:
        raise OpenRouterError(
            Code.UNSUPPORTED_FORMAT,
            f"{label} is {document.words}, which takes a converter to read. Install "
            "openrouter-mcp[documents], or save it as PDF or as text.",
        ) from None
    config = ExtractionConfig(
        output_format="markdown", use_cache=False, extraction_timeout_secs=SECONDS
    )
    try:
        return str(extract_bytes_sync(data, document.mime, config).content)
    except BaseException as error:
        # A library written in Rust may raise what is no `Exception`.
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise OpenRouterError(
            Code.UNSUPPORTED_FORMAT,
            f"{label} is {document.words} that cannot be read: it is damaged or locked. Save it "
            "anew, or as PDF.",
        ) from None


def _of_notebook(data: bytes) -> str:
    """The cells of a notebook and what they put out, pictures left out."""
    try:
        cells = responses.mappings(parse_json(data), "cells")
    except ValueError:
        return data.decode(errors="replace")
    return "\n\n".join(filter(None, map(_of_cell, cells)))


def _of_cell(cell: Mapping[str, Any]) -> str:
    source = _lines(cell.get("source"))
    if cell.get("cell_type") != "code":
        return source
    shown = [f"```\n{source}\n```"]
    for output in responses.mappings(cell, "outputs"):
        plain = _lines(responses.mapping(output, "data").get("text/plain"))
        failed = ": ".join(filter(None, (responses.text(output, n) for n in ("ename", "evalue"))))
        shown.append(_lines(output.get("text")) or plain or failed)
    return "\n".join(filter(None, shown))


def _lines(source: object) -> str:
    return "".join(map(str, source)) if isinstance(source, list) else str(source or "")


def _check_size(label: str, data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
    if len(entries) > MOST_ENTRIES or sum(e.file_size for e in entries) > LARGEST_UNPACKED:
        raise OpenRouterError(
            Code.TOO_LARGE,
            f"{label} unpacks to more than {LARGEST_UNPACKED:,} bytes. Save a part of it.",
        )


def _is_notebook(file: BinaryIO, head: bytes) -> bool:
    """Whether the format stands where it does in notebooks: at the beginning or at the end."""
    file.seek(max(0, file.seek(0, io.SEEK_END) - HEAD))
    return b'"nbformat"' in head or b'"nbformat"' in file.read(HEAD)
