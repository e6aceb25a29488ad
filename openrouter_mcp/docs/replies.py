"""Passages and pages as results: what is ours in the first block, the website's text in another."""

from __future__ import annotations

from datetime import UTC, datetime

from fastmcp.tools import ToolResult
from mcp.types import TextContent

from openrouter_mcp.docs.index import Passage
from openrouter_mcp.docs.search import Edition, Found, Reading
from openrouter_mcp.results import UNTRUSTED_META, tool_result


def found(answer: Found) -> ToolResult:
    """The passages that answer a query, each with the address that `page` takes."""
    edition = _edition(answer.edition)
    if not answer.passages:
        return tool_result(
            f"Nothing found in OpenRouter's documentation ({edition}). Use other words."
        )
    if missing := len(answer.edition.missing):
        edition += f", without {missing} pages of skills that could not be fetched"
    how = f'The best passages ({edition}). Read on: search_docs(page="<address>").'
    entries = [_entry(number, passage) for number, passage in enumerate(answer.passages, 1)]
    return _result(how, "\n\n".join(entries))


def read(answer: Reading) -> ToolResult:
    """A piece of a page, and the call that gets the next."""
    page, edition = answer.page, _edition(answer.edition)
    where = f"{page.url} ({edition})"
    if answer.count > 1:
        where += f", piece {answer.number} of {answer.count}"
    if answer.number < answer.count:
        where += f'. Next: search_docs(page="{page.path}#{answer.number + 1}")'
    return _result(where, f"# {page.title}\n\n{answer.text}")


def _result(ours: str, theirs: str) -> ToolResult:
    untrusted = {UNTRUSTED_META: True}
    return tool_result(
        [
            TextContent(type="text", text=ours),
            TextContent(type="text", text=theirs, _meta=untrusted),
        ],
        meta=untrusted,
    )


def _entry(number: int, passage: Passage) -> str:
    title = passage.title
    if passage.heading and passage.heading != title:
        title += f": {passage.heading}"
    address = passage.url if passage.piece == 1 else f"{passage.url}#{passage.piece}"
    return f"{number}. {title}\n{address}\n{passage.text}"


def _edition(edition: Edition) -> str:
    said = f"as of {datetime.fromtimestamp(edition.checked_at, UTC):%Y-%m-%d}"
    if edition.stale:
        said += ", not renewed since"
    if not edition.whole:
        said += ", searching titles and descriptions only"
    return said
