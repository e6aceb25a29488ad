"""What all replies have in common: the names in `_meta`, failures, texts and saved files.

The names under which a reply carries data for programs are MCP `_meta` keys.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastmcp.tools import ToolResult
from mcp.types import ContentBlock, ImageContent, ResourceLink, TextContent

from openrouter_mcp import credentials
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.text import parse_json, showable, showable_json

ERROR_META = "openrouter/error"
ESTIMATE_META = "openrouter/estimate"
RECEIPT_META = "openrouter/receipt"
UNTRUSTED_META = "openrouter/untrusted"
"""The reply holds words of websites, files or other programs."""

WHOLE_META = "openrouter/whole"
"""The path of the file that has all of a reply which is shown in part."""

UNKNOWN_TYPE = "application/octet-stream"
MOST_PREVIEWS = 800_000
"""Characters of base64 that the previews of one reply have: 600 KB of them."""
MOST_FILES = 100
"""Files that one reply lists."""
SHOWN_TEXT = 200
"""Characters that a dry run shows of each text in a request."""
SHOWN_ITEMS = 50
"""Items that a dry run shows of each list and object in a request."""
LARGEST_REPLY = 8_000_000
"""Bytes that a reply may have as JSON: clients drop a connection that sends 10 MB in a line."""
SHOWN_EVERYWHERE = 2000
"""Characters of a reply that even those clients show which cut replies."""
HEAD = 20_000
"""Characters that are shown of a reply that is larger than that."""
LARGEST_META = 20_000
"""Bytes that an entry of `_meta` may have in such a reply."""


@dataclass(frozen=True)
class SavedFile:
    """A file that was written; `note` says where it differs from what the caller asked for."""

    path: Path
    size: int
    """Bytes."""
    mime_type: str = UNKNOWN_TYPE
    note: str = ""
    preview: ImageContent | None = None
    in_memory_of: str = ""
    """The job that has it in memory, as a URI, where there is no file: `path` is only its name."""


def tool_result(
    content: str | Sequence[ContentBlock] = (),
    structured_content: Mapping[str, Any] | None = None,
    meta: Mapping[str, Any] | None = None,
    *,
    is_error: bool = False,
) -> ToolResult:
    """A result that every client can be sent and the store can hold; the one way to make one.

    Names of files and the words of models can hold halves of characters, which JSON as UTF-8
    cannot: FastMCP would raise here, after the call was paid. They can also hold what controls the
    terminal of whoever reads them.
    """
    if isinstance(content, str):
        content = [TextContent(type="text", text=content)]
    return ToolResult(
        content=[_showable(block) for block in content],
        structured_content=showable_json(structured_content),
        meta=showable_json(meta),
        is_error=is_error,
    )


def _showable(block: ContentBlock) -> ContentBlock:
    if isinstance(block, TextContent):
        return block.model_copy(update={"text": showable(block.text)})
    if isinstance(block, ResourceLink):
        return block.model_copy(update={"name": showable(block.name)})
    return block


def without_keys(result: ToolResult, keys: Sequence[str]) -> ToolResult:
    """The result without our own keys, however they came into it."""
    texts = [block.text for block in result.content if isinstance(block, TextContent)]
    if not credentials.held_in([texts, result.structured_content, result.meta], keys):
        return result
    content = [
        block.model_copy(update={"text": credentials.hidden(block.text, keys)})
        if isinstance(block, TextContent)
        else block
        for block in result.content
    ]
    return tool_result(
        content,
        credentials.hidden(result.structured_content, keys),
        credentials.hidden(result.meta, keys),
        is_error=result.is_error,
    )


def failed(
    error: OpenRouterError, ending: str = "", meta: Mapping[str, Any] | None = None
) -> ToolResult:
    """A call that gave nothing: the sentence to read, the code to switch on."""
    about = {ERROR_META: error.meta(), **(meta or {})}
    return tool_result(paragraphs([error.message, ending]), is_error=True, meta=about)


def paragraphs(parts: Iterable[str]) -> str:
    """The parts that are not empty, with a blank line between them."""
    return "\n\n".join(part for part in parts if part)


def text_blocks(texts: Iterable[str]) -> list[TextContent]:
    """The texts that are not empty, each as a content block of its own."""
    return [TextContent(type="text", text=text) for text in texts if text]


def abbreviated(value: Any) -> Any:
    """A request as a dry run shows it: long texts cut, since they go to the model alone."""
    if isinstance(value, str) and len(value) > SHOWN_TEXT:
        return f"{value[:SHOWN_TEXT]}... ({len(value):,} characters)"
    more = f"... and {len(value) - SHOWN_ITEMS:,} more" if _is_long(value) else ""
    if isinstance(value, list):
        shown = [abbreviated(item) for item in value[:SHOWN_ITEMS]]
        return [*shown, more] if more else shown
    if isinstance(value, Mapping):
        items = itertools.islice(value.items(), SHOWN_ITEMS)
        shown = {abbreviated(str(name)): abbreviated(item) for name, item in items}
        return {**shown, "...": more} if more else shown
    # What is no JSON is the content of a file, which names itself.
    return value if value is None or isinstance(value, str | int | float) else str(value)


def _is_long(value: Any) -> bool:
    return isinstance(value, list | Mapping) and len(value) > SHOWN_ITEMS


def as_json(result: ToolResult) -> bytes:
    """A reply as it is sent."""
    from pydantic_core import to_json

    return to_json([result.content, result.structured_content, result.meta])


def without_bulk(result: ToolResult, where: str) -> ToolResult:
    """What a client can take of a reply that is too large: its beginning, `where`, its receipt.

    Data without a part of it would be no data of that tool: then the reply is an error.
    """
    from pydantic_core import to_json

    texts = [block.text for block in result.content if isinstance(block, TextContent)]
    files = [block for block in result.content if not isinstance(block, TextContent)]
    data = result.structured_content
    entries = dict(result.meta or {})
    if receipt := (data or {}).get("receipt"):
        entries.setdefault(RECEIPT_META, receipt)
    meta = {name: entry for name, entry in entries.items() if len(to_json(entry)) <= LARGEST_META}
    if data is not None:
        meta[ERROR_META] = OpenRouterError(Code.TOO_LARGE, where).meta()
    head = "" if data is not None else paragraphs(texts)[:HEAD]
    ending = receipt_line(ToolResult(content=result.content, structured_content=data, meta=entries))
    blocks = [*text_blocks([paragraphs([where, head])]), *files]
    blocks += text_blocks([paragraphs([where if head else "", ending[:HEAD]])])
    return tool_result(blocks, meta=meta, is_error=result.is_error or data is not None)


def shortened(result: ToolResult, path: str, most: int) -> ToolResult:
    """A reply that is saved in `path`, its longest text cut so that `most` characters are left.

    JSON stays whole: its beginning alone could not be read.
    """
    texts = [block.text for block in result.content if isinstance(block, TextContent)]
    longest = max((text for text in texts if not _is_json(text)), key=len, default="")
    rest = sum(map(len, texts)) - len(longest)
    ending = receipt_line(result) if longest is texts[-1] else ""
    text = longest.removesuffix(ending).rstrip()
    shown = text[: max(most - rest, SHOWN_EVERYWHERE // 2)]
    where = f"All of this reply is in {path} too."
    if len(shown) < len(text):
        where = f"These are {len(shown):,} of {len(text):,} characters; all are in {path}"
    whole = with_text(result, longest, paragraphs([shown, where, ending]))
    whole.meta = {**(result.meta or {}), WHOLE_META: path}
    return whole


def with_head(result: ToolResult) -> ToolResult:
    """A long reply that begins with its receipt, how it ended and where all of it is.

    Some clients show nothing else of it. Data has its receipt inside, and JSON stands first.
    """
    texts = [block.text for block in result.content if isinstance(block, TextContent)]
    meta = result.meta or {}
    is_data = result.structured_content is not None or (texts and _is_json(texts[0]))
    if is_data or sum(map(len, texts)) <= SHOWN_EVERYWHERE:
        return result
    receipt, error = meta.get(RECEIPT_META) or {}, meta.get(ERROR_META)
    head = [receipt_line(result)]
    if receipt.get("finish_reason") == "length":
        head.append("This reply was cut off at the output limit.")
    if error and receipt:
        head.append(f"It broke off ({error['code']}), as told below.")
    if job := meta.get("openrouter/job"):
        head += [f"Job: {job['job_id']}"] if isinstance(job, Mapping) else []
    if path := meta.get(WHOLE_META):
        head.append(f"What follows is a part; all of it is in {path}")
    told = "\n".join(filter(None, head))
    return with_text(result, texts[0], paragraphs([told, texts[0]]))


def with_text(result: ToolResult, old: str, new: str) -> ToolResult:
    """The result with one of its texts replaced."""
    return replaced(
        result,
        [
            block.model_copy(update={"text": new})
            if isinstance(block, TextContent) and block.text is old
            else block
            for block in result.content
        ],
    )


def replaced(result: ToolResult, content: Sequence[ContentBlock]) -> ToolResult:
    """The result with other content."""
    return tool_result(content, result.structured_content, result.meta, is_error=result.is_error)


def without_previews(result: ToolResult) -> ToolResult:
    """The result without the images in it, which are all small copies of files that it names."""
    return replaced(
        result, [block for block in result.content if not isinstance(block, ImageContent)]
    )


def _is_json(text: str) -> bool:
    if not text.startswith(("{", "[")):
        return False
    try:
        parse_json(text)
    except ValueError:
        return False
    return True


def with_files(
    head: str, files: Sequence[SavedFile], ending: Iterable[str], meta: Mapping[str, Any]
) -> ToolResult:
    """Each file by its path and size, with a link, between two texts.

    A note that is true of several files in a row is told once, after the last of them.
    """
    text = "\n".join(filter(None, [head, *file_lines(files)]))
    blocks = [*text_blocks([text]), *files_shown(files), *text_blocks([paragraphs(ending)])]
    return tool_result(blocks, meta=meta)


def file_lines(files: Sequence[SavedFile]) -> list[str]:
    """Each file by its path and size; a note of several in a row stands after the last of them."""
    lines = []
    shown = files[:MOST_FILES]
    following = [*(file.note for file in shown[1:]), ""]
    for file, next_note in zip(shown, following, strict=bool(shown)):
        where = f"{file.path}, in memory" if file.in_memory_of else str(file.path)
        lines.append(f"{where} ({file.size:,} bytes)")
        if file.note and file.note != next_note:
            lines.append(file.note)
    if len(files) > len(shown):
        lines.append(f"... and {len(files) - len(shown):,} more in {files[-1].path.parent}")
    return lines


def files_shown(files: Sequence[SavedFile]) -> list[ContentBlock]:
    """A link to each file that is listed, and previews as long as they are few bytes together."""
    blocks: list[ContentBlock] = []
    room = MOST_PREVIEWS
    for file in files[:MOST_FILES]:
        if file.preview and len(file.preview.data) <= room:
            room -= len(file.preview.data)
            blocks.append(file.preview)
        blocks.append(link(file))
    return blocks


def link(file: SavedFile) -> ResourceLink:
    """Where a program finds the file."""
    return ResourceLink(
        type="resource_link",
        name=file.path.name,
        uri=file.in_memory_of or file.path.as_uri(),
        mime_type=file.mime_type,
        size=file.size,
    )


def receipt_line(result: ToolResult) -> str:
    """The receipt of an earlier result as it was told; empty if it has none."""
    if RECEIPT_META not in (result.meta or {}):
        return ""
    if receipt := (result.structured_content or {}).get("receipt"):
        return receipt["line"]
    texts = [block.text for block in result.content if isinstance(block, TextContent)]
    return texts[-1].splitlines()[-1]
