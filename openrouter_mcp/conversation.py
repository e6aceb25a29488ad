"""A chat from its arguments to its reply: the path of every tool that asks a model for text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from fastmcp.tools import ToolResult

from openrouter_mcp import estimates, replies
from openrouter_mcp.answer import Answer, Listener
from openrouter_mcp.app import App
from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.exchange import Exchange, converse
from openrouter_mcp.jobs import Handle
from openrouter_mcp.payment import after_cancelling, pay
from openrouter_mcp.progress import Progress
from openrouter_mcp.request import Ask, ChatRequest, compose


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
    app: App, tool: str, request: ChatRequest, max_cost: float, progress: Progress
) -> ToolResult:
    """Ask, and reply with the whole answer and its receipt; or with a job that goes on."""

    async def work(handle: Handle) -> ToolResult:
        exchange = await ask(app, tool, request, max_cost, handle)
        return await _reply(app, tool, exchange)

    return await app.jobs.run(tool, request.model.id, work, progress)


async def ask(
    app: App, tool: str, request: ChatRequest, max_cost: float, handle: Handle
) -> Exchange:
    """Send the request and what makes its answer whole, telling `handle` what came so far."""
    said: list[str] = []
    limit = _limit(max_cost)

    def grown(answer: Answer) -> None:
        handle.text = "".join([*said, answer.text])
        handle.billing_note = after_cancelling(answer.provider)

    async def send(request: ChatRequest) -> Answer:
        listener = Listener(report=handle.report, grown=grown)
        answer = await pay(app.client, app.budget, tool, request, limit, listener)
        said.append(answer.text)
        return answer

    return await converse(request, send, continuations=app.settings.max_continuations, limit=limit)


async def _reply(app: App, tool: str, exchange: Exchange) -> ToolResult:
    app.audit(tool, exchange.receipt, exchange.request.preview())
    text, notes = await app.shortened(exchange.text, exchange.receipt.generation_id)
    return replies.chat(exchange, text, [*notes, *app.warnings()], await app.budget_line())


def _limit(max_cost: float) -> Decimal | None:
    return Decimal(str(max_cost)) if max_cost else None


def _allowed(tag: str, routing: dict[str, list[str]]) -> bool:
    """Whether routing preferences leave this endpoint in; a base slug means all its variants."""

    def named(slugs: list[str]) -> bool:
        return tag in slugs or tag.partition("/")[0] in slugs

    only, ignored = routing.get("only"), routing.get("ignore")
    return not (only and not named(only)) and not (ignored and named(ignored))
