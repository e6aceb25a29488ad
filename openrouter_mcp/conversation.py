"""A chat from its arguments to its reply: the path of every tool that asks a model for text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from fastmcp.tools import ToolResult

from openrouter_mcp import estimates, replies
from openrouter_mcp.answer import Answer, complete
from openrouter_mcp.app import App
from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.exchange import converse
from openrouter_mcp.request import Ask, ChatRequest, compose
from openrouter_mcp.retries import Report


async def request(
    app: App, ask: Ask, model: str, fallbacks: Sequence[str], max_cost: float
) -> ChatRequest:
    """The request that these arguments mean, bounded by `max_cost` (USD, 0 = no limit).

    Raises `INVALID_INPUT`, `MODEL_NOT_FOUND` or `BUDGET_EXCEEDED` before anything is paid.
    """
    primary = await app.resolve(model or str(ask.options.get("model") or ""))
    listed = fallbacks or ask.options.get("models") or []
    others = [await app.resolve(str(name)) for name in listed]
    composed = compose(ask, primary, others, app.settings)
    if limit := _limit(max_cost):
        return estimates.within(composed, limit, datetime.now(UTC))
    return composed


async def dry_run(app: App, request: ChatRequest) -> ToolResult:
    """What the request would send and cost, with the endpoints that could serve it."""
    endpoints = []
    for candidate in (request.model, *request.fallbacks):
        try:
            endpoints += await app.catalogue.endpoints(candidate.id)
        except OpenRouterError:
            continue
    routing = request.body.get("provider") or {}
    allowed = [offer for offer in endpoints if _allowed(str(offer.get("tag")), routing)]
    return replies.dry_run(request, estimates.estimate(request, datetime.now(UTC)), allowed)


async def answer(
    app: App, tool: str, request: ChatRequest, max_cost: float, report: Report
) -> ToolResult:
    """Ask, and reply with the whole answer and its receipt."""

    async def send(request: ChatRequest) -> Answer:
        return await complete(app.client, request, report)

    exchange = await converse(
        request, send, continuations=app.settings.max_continuations, limit=_limit(max_cost)
    )
    receipt = exchange.receipt
    app.audit(tool, receipt, request.preview())
    text, note = await app.shortened(exchange.text, receipt.generation_id)
    return replies.chat(exchange, text, note)


def _limit(max_cost: float) -> Decimal | None:
    return Decimal(str(max_cost)) if max_cost else None


def _allowed(tag: str, routing: dict[str, list[str]]) -> bool:
    """Whether routing preferences leave this endpoint in; a base slug means all its variants."""

    def named(slugs: list[str]) -> bool:
        return tag in slugs or tag.partition("/")[0] in slugs

    only, ignored = routing.get("only"), routing.get("ignore")
    return not (only and not named(only)) and not (ignored and named(ignored))
