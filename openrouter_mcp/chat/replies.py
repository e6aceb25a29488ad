"""Answers, estimates and failures as the results that an MCP client shows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from fastmcp.tools import ToolResult
from mcp.types import ContentBlock

from openrouter_mcp.chat.exchange import Exchange
from openrouter_mcp.completions.request import ChatRequest
from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.models import cards
from openrouter_mcp.money import dollars
from openrouter_mcp.results import (
    ERROR_META,
    ESTIMATE_META,
    RECEIPT_META,
    UNTRUSTED_META,
    SavedFile,
    abbreviated,
    file_lines,
    files_shown,
    paragraphs,
    text_blocks,
    tool_result,
)
from openrouter_mcp.spending import estimate as estimates
from openrouter_mcp.spending.estimate import Estimate
from openrouter_mcp.spending.receipts import Receipt
from openrouter_mcp.text import clean

MESSAGE_META = "openrouter/message"
REASONING_META = "openrouter/reasoning"
QUIET_PLUGINS = {"auto-router", "auto-beta-router", "context-compression", "file-parser"} | {
    "moderation",
    "pareto-router",
    "response-healing",
}
"""Plugins that add no words of others to what the caller gave."""
READING_MODELS = (":online", "preset/", "perplexity/", "-search-", "deep-research")
"""What ids hold of models that search the web themselves, or under a preset, which may say so."""
REASONING_LIMIT = 2000
SHOWN_ENDPOINTS = 8


def chat(
    exchange: Exchange,
    text: str,
    notes: Sequence[str] = (),
    budget: str = "",
    files: Sequence[SavedFile] = (),
) -> ToolResult:
    """A reply with its receipt as the last line; one that broke off comes as an error.

    `text` is what to show of the reply, which may have been too long to show whole; `budget` says
    what is left of the caps; `files` are the images and sound of the reply.
    """
    answer, receipt = exchange.last, replace(exchange.receipt, budget=budget)
    meta = {**_chat_meta(exchange), RECEIPT_META: receipt.meta()}
    parts = [_reasoning(answer.reasoning)] if REASONING_META in meta else []
    blocks: list[str] = []
    if exchange.is_json:
        blocks = [*parts, json.dumps(exchange.value, ensure_ascii=False)]
        parts = []
    elif answer.tool_calls:
        calls = json.dumps({"tool_calls": exchange.message["tool_calls"]}, ensure_ascii=False)
        blocks = [paragraphs([*parts, text.strip()]), calls]
        parts = []
    else:
        parts.append(text.strip())
    parts += [_ending(exchange), "\n".join(file_lines(files)), _sources(exchange)]
    parts += [f"Note: {note}" for note in (*exchange.request.notes, *exchange.notes, *notes)]
    content = with_receipt([*blocks, paragraphs(parts)], files, receipt)
    return tool_result(content, meta=meta, is_error=exchange.error is not None)


def compared(
    parts: Sequence[str],
    notes: Sequence[str],
    total: Receipt,
    each: Sequence[Receipt],
    files: Sequence[SavedFile] = (),
    error: OpenRouterError | None = None,
) -> ToolResult:
    """Answers side by side; the receipt is of all of them together, `_meta` has each.

    `error` says why there is no answer among them.
    """
    told = [*parts, *(f"Note: {note}" for note in notes)]
    content = with_receipt([paragraphs(told)], files, total)
    meta: dict[str, Any] = {
        RECEIPT_META: total.meta(),
        "openrouter/receipts": [one.meta() for one in each],
    }
    meta |= {ERROR_META: error.meta()} if error else {}
    return tool_result(content, meta=meta, is_error=error is not None)


def with_receipt(
    texts: Sequence[str], files: Sequence[SavedFile], receipt: Receipt
) -> list[ContentBlock]:
    """The texts with the receipt as their last line; files stand before it."""
    if files:
        return [*text_blocks(texts), *files_shown(files), *text_blocks([receipt.line()])]
    *others, last = texts
    return [*text_blocks([*others, paragraphs([last, receipt.line()])])]


def dry_run(
    request: ChatRequest, estimate: Estimate, endpoints: Iterable[Mapping[str, Any]]
) -> ToolResult:
    """What a request would send and cost. Long texts in it are shown by their length."""
    demand, most = estimate.demand, estimate.most
    lines = [
        "Dry run: nothing was sent.",
        f"Cost: {dollars(estimate.least)} to {_highest(request, most)}",
        *estimates.lines(estimate, is_limited=bool(request.output_limit)),
    ]
    rows = [json.dumps(cards.endpoint(row)) for row in endpoints]
    if rows:
        lines += ["Endpoints (USD per million tokens):", *rows[:SHOWN_ENDPOINTS]]
    lines.append(f"Request: {json.dumps(abbreviated(request.body), ensure_ascii=False)}")
    lines += [f"Note: {note}" for note in request.notes]
    meta = {
        "model": request.model.id,
        "input_tokens": demand.input_tokens,
        "output_tokens": demand.output_tokens,
        "usd_least": f"{estimate.least:f}",
        "usd_most": None if most is None else f"{most:f}",
    }
    return tool_result(text_blocks(["\n".join(lines)]), meta={ESTIMATE_META: meta})


def _highest(request: ChatRequest, most: Decimal | None) -> str:
    """The end of a range of costs, and what it holds for."""
    if most is None:
        return "no limit known: set max_tokens or max_cost"
    if "max_price" in (request.body.get("provider") or {}):
        return dollars(most)
    return f"{dollars(most)} at the catalogue's prices; an endpoint can be dearer"


def _chat_meta(exchange: Exchange) -> dict[str, Any]:
    answer = exchange.last
    meta: dict[str, Any] = {}
    if exchange.error:
        meta[ERROR_META] = exchange.error.meta()
    if answer.tool_calls:
        meta[MESSAGE_META] = exchange.message
    shown = exchange.request.show_reasoning or not (exchange.text or answer.tool_calls)
    if shown and answer.reasoning:
        meta[REASONING_META] = answer.reasoning
    if is_untrusted(exchange):
        meta[UNTRUSTED_META] = True
    return meta


def is_untrusted(exchange: Exchange) -> bool:
    """Whether an answer may hold words of the web, or of whatever OpenRouter ran for it."""
    body = exchange.request.body
    named = [body.get("model"), *(body.get("models") or []), exchange.receipt.model]
    return (
        any(each.annotations or each.citations for each in exchange.answers)
        or any(mark in str(model) for model in named for mark in READING_MODELS)
        or bool(exchange.receipt.web_searches or body.get("preset"))
        or bool(body.get("web_search_options"))
        or any(_brings_text(entry) for entry in body.get("plugins") or [])
        or any(_is_of_a_server(tool) for tool in body.get("tools") or [])
    )


def _brings_text(plugin: object) -> bool:
    """Whether a plugin reads for the model; routers and repairs of JSON do not."""
    if not isinstance(plugin, dict) or plugin.get("enabled") is False:
        return False
    return plugin.get("id") not in QUIET_PLUGINS


def _is_of_a_server(tool: object) -> bool:
    """Whether OpenRouter or the provider runs a tool, and not the caller."""
    return isinstance(tool, dict) and tool.get("type", "function") != "function"


def _reasoning(text: str) -> str:
    cut = " [...]" if len(text) > REASONING_LIMIT else ""
    return f"[reasoning]\n{text[:REASONING_LIMIT].strip()}{cut}\n[end of reasoning]"


def _sources(exchange: Exchange) -> str:
    """The pages that a web search brought, each once, by title and address."""
    found = [source for answer in exchange.answers for source in answer.sources]
    pages = {source["url"]: source["title"] for source in reversed(found)}
    lines = [
        f"{n}. {' '.join(filter(None, (clean(pages[url], 120), url)))}"
        for n, url in enumerate(dict.fromkeys(source["url"] for source in found), 1)
    ]
    return "\n".join(["Sources:", *lines]) if lines else ""


def _ending(exchange: Exchange) -> str:
    """How the reply ended, when it did not simply end, and what to change."""
    answer = exchange.last
    if exchange.error:
        where = "The answer stops here. " if answer.error and exchange.text else ""
        return f"[{where}{exchange.error.message}]"
    if answer.tool_calls:
        return (
            "[The model calls tools of yours. Run them, then call chat with messages: the "
            "conversation so far, its assistant message (_meta openrouter/message) and one tool "
            "message for each call.]"
        )
    if answer.finish_reason == "length":
        limit = exchange.request.output_limit
        asked = f" (it was {limit:,})" if limit else ""
        if not exchange.text:
            return (
                "[No answer: the output limit was used up by reasoning. Raise max_tokens"
                f"{asked} or lower effort.]"
            )
        return f"[Cut off at the output limit. Raise max_tokens{asked}, or ask for the rest.]"
    if answer.finish_reason == "content_filter":
        return "[Cut off by the provider's content filter. Rephrase, or choose another model.]"
    return ""
