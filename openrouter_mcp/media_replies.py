"""Results that are files: their paths and sizes in words, a link to each, the receipt last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastmcp.tools import ToolResult
from mcp.types import ContentBlock, ImageContent, ResourceLink, TextContent

from openrouter_mcp import receipts, replies
from openrouter_mcp.destinations import Saved
from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.receipts import Receipt


@dataclass(frozen=True)
class Made:
    """A file that was made: where it is, what it is, and what to show of it."""

    saved: Saved
    mime_type: str
    preview: ImageContent | None = None


def files(
    head: str,
    made: Sequence[Made],
    receipt: Receipt,
    *,
    notes: Iterable[str] = (),
    error: OpenRouterError | None = None,
    meta: Mapping[str, Any] | None = None,
) -> ToolResult:
    """The files with a sentence above them; `error` says why there are not more of them."""
    lines = [head]
    blocks: list[ContentBlock] = []
    for file in made:
        lines.append(f"{file.saved.path} ({file.saved.size:,} bytes)")
        if file.saved.note:
            lines.append(file.saved.note)
        if file.preview:
            blocks.append(file.preview)
        blocks.append(_link(file))
    ending = [f"[{error.message}]"] if error else []
    ending += [f"Note: {note}" for note in notes if note]
    blocks.insert(0, TextContent(type="text", text="\n".join(lines)))
    blocks.append(TextContent(type="text", text="\n\n".join([*ending, receipt.line()])))
    about = {**(meta or {}), receipts.META: receipt.meta()}
    if error:
        about[replies.ERROR_META] = error.meta()
    return ToolResult(content=blocks, meta=about, is_error=error is not None)


def _link(file: Made) -> ResourceLink:
    return ResourceLink(
        type="resource_link",
        name=file.saved.path.name,
        uri=file.saved.path.as_uri(),
        mime_type=file.mime_type,
        size=file.saved.size,
    )
