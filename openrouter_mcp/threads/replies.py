"""Conversations as the results that an MCP client shows."""

from __future__ import annotations

from collections.abc import Sequence

from fastmcp.tools import ToolResult

from openrouter_mcp.files.save import Shown
from openrouter_mcp.money import dollars
from openrouter_mcp.results import UNTRUSTED_META, tool_result
from openrouter_mcp.text import duration
from openrouter_mcp.threads.history import Message, in_words, text_of
from openrouter_mcp.threads.threads import ThreadRow


def listed(rows: Sequence[ThreadRow], now: float) -> ToolResult:
    """One line for each conversation: id, title, model, turns, cost, age."""
    if not rows:
        return tool_result('No conversations yet. chat(thread_id="new") begins one.')
    lines = [
        f"{row.id} | {row.title} | {row.model} | {_turns(row)} | {dollars(row.cost)} | "
        f"{duration(max(0.0, now - row.updated))} ago"
        for row in rows
    ]
    return tool_result("\n".join(lines))


def whole(messages: Sequence[Message]) -> str:
    """All that was said in a conversation."""
    told = in_words(messages)
    parts = [f"[{message.get('role')}]\n{text_of(message.get('content'))}" for message in told]
    return "\n\n".join(parts)


def shown(row: ThreadRow, end: Shown) -> ToolResult:
    """One conversation, its end when all of it would be too long."""
    head = f"{row.title} | {row.model} | {_turns(row)} | {dollars(row.cost)}"
    left_out = ["[... the beginning is left out ...]"] if end.path else []
    parts = [head, *left_out, end.text, *end.notes]
    return tool_result("\n\n".join(parts), meta={UNTRUSTED_META: True, **end.meta})


def _turns(row: ThreadRow) -> str:
    return f"{row.turns} turn{'s' if row.turns != 1 else ''}"
