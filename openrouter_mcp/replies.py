"""Answers and failures as the results that an MCP client shows."""

from __future__ import annotations

import json
from typing import Any

from fastmcp.tools import ToolResult
from mcp.types import TextContent

from openrouter_mcp import receipts
from openrouter_mcp.answer import Answer
from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.receipts import Receipt
from openrouter_mcp.request import ChatRequest

ERROR_META = "openrouter/error"
MESSAGE_META = "openrouter/message"
REASONING_META = "openrouter/reasoning"
REASONING_LIMIT = 2000


def failed(error: OpenRouterError) -> ToolResult:
    """A call that gave nothing: the sentence to read, the code to switch on."""
    return ToolResult(content=error.message, is_error=True, meta={ERROR_META: error.meta()})


def chat(request: ChatRequest, answer: Answer, receipt: Receipt) -> ToolResult:
    """An answer with its receipt as the last line; one that broke off comes as an error."""
    meta: dict[str, Any] = {receipts.META: receipt.meta()}
    if answer.error:
        meta[ERROR_META] = answer.error.meta()
    if answer.tool_calls:
        meta[MESSAGE_META] = answer.message()
    show_reasoning = request.show_reasoning or not (answer.text or answer.tool_calls)
    if show_reasoning and answer.reasoning:
        meta[REASONING_META] = answer.reasoning
    blocks = []
    parts = [_reasoning(answer.reasoning)] if REASONING_META in meta else []
    parts.append(answer.text.strip())
    if answer.tool_calls:
        blocks = [*_joined(parts), json.dumps({"tool_calls": answer.message()["tool_calls"]})]
        parts = []
    parts += [_ending(request, answer), *(f"Note: {note}" for note in request.notes)]
    blocks += ["\n\n".join([*_joined(parts), receipt.line()])]
    return ToolResult(
        content=[TextContent(type="text", text=block) for block in blocks],
        meta=meta,
        is_error=answer.error is not None,
    )


def _joined(parts: list[str]) -> list[str]:
    text = "\n\n".join(part for part in parts if part)
    return [text] if text else []


def _reasoning(text: str) -> str:
    cut = " [...]" if len(text) > REASONING_LIMIT else ""
    return f"[reasoning]\n{text[:REASONING_LIMIT].strip()}{cut}\n[end of reasoning]"


def _ending(request: ChatRequest, answer: Answer) -> str:
    """How the answer ended, when it did not simply end, and what to change."""
    if answer.error:
        where = "The answer stops here. " if answer.text else ""
        return f"[{where}{answer.error.message}]"
    if answer.tool_calls:
        return (
            "[The model calls tools of yours. Run them, then call chat with messages: the "
            "conversation so far, its assistant message (_meta openrouter/message) and one tool "
            "message for each call.]"
        )
    if answer.finish_reason == "length":
        limit = request.body.get("max_completion_tokens")
        asked = f" (it was {limit:,})" if limit else ""
        if not answer.text:
            return (
                "[No answer: the output limit was used up by reasoning. Raise max_tokens"
                f"{asked} or lower effort.]"
            )
        return f"[Cut off at the output limit. Raise max_tokens{asked}, or ask for the rest.]"
    if answer.finish_reason == "content_filter":
        return "[Cut off by the provider's content filter. Rephrase, or choose another model.]"
    return ""
