"""Results of media and data tools: files or rows, with the receipt last."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastmcp.tools import ToolResult

from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.results import (
    ERROR_META,
    RECEIPT_META,
    SavedFile,
    link,
    text_blocks,
    tool_result,
    with_files,
)
from openrouter_mcp.spending.receipts import Receipt, after_paying


def files(
    head: str,
    saved: Sequence[SavedFile],
    receipt: Receipt,
    *,
    notes: Iterable[str] = (),
    error: OpenRouterError | None = None,
    meta: Mapping[str, Any] | None = None,
) -> ToolResult:
    """The files with a sentence above them; `error` says why there are not more of them."""
    error = error and after_paying(error, receipt)
    ending = [f"[{error.message}]"] if error else []
    ending += [f"Note: {note}" for note in notes if note]
    about = {**(meta or {}), **_meta(receipt, error)}
    result = with_files(head, saved, [*ending, receipt.line()], about)
    result.is_error = error is not None
    return result


def data(
    rows: Mapping[str, Any],
    receipt: Receipt,
    *,
    notes: Sequence[str] = (),
    saved: Sequence[SavedFile] = (),
    error: OpenRouterError | None = None,
) -> ToolResult:
    """Data for programs, as JSON in the text too, with the receipt inside."""
    error = error and after_paying(error, receipt)
    # Clients that cut long replies show what they cost all the same.
    content = {"receipt": {"line": receipt.line(), **receipt.meta()}, **rows}
    if notes:
        content["notes"] = notes
    told = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return tool_result(
        [*text_blocks([told]), *map(link, saved)],
        structured_content=content,
        meta=_meta(receipt, error),
        is_error=error is not None,
    )


def _meta(receipt: Receipt, error: OpenRouterError | None) -> dict[str, Any]:
    return {RECEIPT_META: receipt.meta(), **({ERROR_META: error.meta()} if error else {})}
