"""Results that are files: their paths and sizes in words, a link to each, the receipt last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastmcp.tools import ToolResult
from mcp.types import ContentBlock, ImageContent, ResourceLink, TextContent

from openrouter_mcp.chat import replies
from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.files.save import Saved
from openrouter_mcp.spending import receipts
from openrouter_mcp.spending.receipts import Receipt


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
    ending = [f"[{error.message}]"] if error else []
    ending += [f"Note: {note}" for note in notes if note]
    about = {**(meta or {}), receipts.META: receipt.meta()}
    if error:
        about[replies.ERROR_META] = error.meta()
    result = listed(head, made, [*ending, receipt.line()], about)
    result.is_error = error is not None
    return result


def listed(
    head: str, made: Sequence[Made], ending: Sequence[str], meta: Mapping[str, Any]
) -> ToolResult:
    """Each file by its path and size, with a link, between two texts.

    A note that is true of several files in a row is told once, after the last of them.
    """
    lines = [head]
    blocks: list[ContentBlock] = []
    following = [*(file.saved.note for file in made[1:]), ""]
    for file, next_note in zip(made, following, strict=bool(made)):
        saved = file.saved
        where = f"{saved.path}, in memory" if saved.in_memory_of else str(saved.path)
        lines.append(f"{where} ({saved.size:,} bytes)")
        if saved.note != next_note:
            lines.append(saved.note)
        if file.preview:
            blocks.append(file.preview)
        blocks.append(link(file))
    blocks.insert(0, TextContent(type="text", text="\n".join(filter(None, lines))))
    blocks.append(TextContent(type="text", text="\n\n".join(ending)))
    return ToolResult(content=blocks, meta=dict(meta))


def receipt_line(result: ToolResult) -> str:
    """The receipt of an earlier result as it was told; empty if it has none."""
    if receipts.META not in (result.meta or {}):
        return ""
    if receipt := (result.structured_content or {}).get("receipt"):
        return receipt["line"]
    texts = [block.text for block in result.content if isinstance(block, TextContent)]
    return texts[-1].splitlines()[-1]


def link(file: Made) -> ResourceLink:
    """Where a program finds the file."""
    return ResourceLink(
        type="resource_link",
        name=file.saved.path.name,
        uri=file.saved.in_memory_of or file.saved.path.as_uri(),
        mime_type=file.mime_type,
        size=file.saved.size,
    )
