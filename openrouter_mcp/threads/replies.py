"""Conversations as the results that an MCP client shows."""

from __future__ import annotations

from collections.abc import Sequence

from fastmcp.tools import ToolResult

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


def shown(row: ThreadRow, messages: Sequence[Message], limit: int) -> ToolResult:
    """One conversation, its end when all of it would be too long."""
    told = in_words(messages)
    parts = [f"[{message.get('role')}]\n{text_of(message.get('content'))}" for message in told]
    text = "\n\n".join(parts)
    if len(text) > limit:
        text = f"[... the beginning is left out ...]\n{text[-limit:]}"
    head = f"{row.title} | {row.model} | {_turns(row)} | {dollars(row.cost)}"
    return tool_result(f"{head}\n\n{text}", meta={UNTRUSTED_META: True})


def _turns(row: ThreadRow) -> str:
    return f"{row.turns} turn{'s' if row.turns != 1 else ''}"
