"""The program that converts one document into text.

A library that reads what strangers wrote may take gigabytes or hours, or break down with its whole
process: that is this one, never the server. It reads the document from stdin, and writes its text
to stdout as UTF-8.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from openrouter_mcp.text import parse_json

NOTEBOOK = "application/x-ipynb+json"
MOST_MEMORY = 1_000_000_000
"""Bytes of memory that a conversion may take, where the system can limit them."""
MOST_SECONDS = 60
"""Seconds of computing after which it ends, even if nobody waits for it."""


def main() -> None:
    """Convert a document of the type `argv[1]`; write at most `argv[2]` bytes of its text."""
    mime, most = sys.argv[1], int(sys.argv[2])
    _limit()
    data = sys.stdin.buffer.read()
    text = of_notebook(data) if mime == NOTEBOOK else _of_document(data, mime)
    sys.stdout.buffer.write(text.encode("utf-8", "replace")[:most])


def of_notebook(data: bytes) -> str:
    """The cells of a notebook and what they put out, without pictures.

    What is damaged, or no notebook after all, is left as it is.
    """
    notebook: dict[str, Any] = {}
    with contextlib.suppress(ValueError):
        notebook = _mapping(parse_json(data))
    if not isinstance(notebook.get("nbformat"), int):
        return data.decode("utf-8", "replace")
    # Until format 3, cells were in worksheets.
    sheets = [notebook, *_mappings(notebook.get("worksheets"))]
    cells = [cell for sheet in sheets for cell in _mappings(sheet.get("cells"))]
    return "\n\n".join(filter(None, map(_of_cell, cells)))


def _limit() -> None:
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        limits = {
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_CPU: MOST_SECONDS,
            resource.RLIMIT_AS: MOST_MEMORY,
        }
        for name, limit in limits.items():
            resource.setrlimit(name, (limit, limit))


def _of_document(data: bytes, mime: str) -> str:
    from kreuzberg import ExtractionConfig, extract_bytes_sync

    config = ExtractionConfig(output_format="markdown", use_cache=False)
    return str(extract_bytes_sync(data, mime, config).content)


def _of_cell(cell: dict[str, Any]) -> str:
    source = _lines(cell.get("source") or cell.get("input"))
    if cell.get("cell_type") != "code":
        return source
    shown = [f"```\n{source}\n```"]
    for output in _mappings(cell.get("outputs")):
        plain = _lines(_mapping(output.get("data")).get("text/plain"))
        failed = ": ".join(filter(None, (_lines(output.get(name)) for name in ("ename", "evalue"))))
        shown.append(_lines(output.get("text")) or plain or failed)
    return "\n".join(filter(None, shown))


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: object) -> Iterator[dict[str, Any]]:
    return (
        (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())
    )


def _lines(source: object) -> str:
    return "".join(map(str, source)) if isinstance(source, list) else str(source or "")


if __name__ == "__main__":
    main()
