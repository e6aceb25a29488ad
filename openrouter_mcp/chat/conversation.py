"""A chat from its arguments to its reply: the path of every tool that asks a model for text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from fastmcp.tools import ToolResult

from openrouter_mcp.app import App
from openrouter_mcp.chat import replies
from openrouter_mcp.chat.exchange import Exchange, ask, most_further
from openrouter_mcp.chat.media import save_media
from openrouter_mcp.completions.options import models
from openrouter_mcp.completions.request import CallerRequest, ChatRequest, compose, compose_text
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import save
from openrouter_mcp.jobs.jobs import Handle
from openrouter_mcp.jobs.paid_calls import PaidCall
from openrouter_mcp.models import choose, prices
from openrouter_mcp.models.names import Resolution
from openrouter_mcp.results import UNTRUSTED_META
from openrouter_mcp.spending import estimate
from openrouter_mcp.spending.budget import LOWER_MAX_TOKENS
from openrouter_mcp.spending.consent import Expense
from openrouter_mcp.spending.paid_request import MAY_BILL, Purchase
from openrouter_mcp.threads import history
from openrouter_mcp.threads.threads import NEW, Thread

MORE_REQUESTS = (
    "Up to {more} more requests may follow, to go on with an answer that was cut off or to correct "
    "its JSON; max_cost holds for all together."
)


class ChatCall(PaidCall):
    """One answer from any model, in a thread or without one. Used by `chat` and `analyze_media`."""

    less = LOWER_MAX_TOKENS

    def __init__(self, app: App, asked: CallerRequest) -> None:
        self._app = app
        self._asked = asked
        self.tool = asked.tool
        self.limit = asked.limit

    @property
    def title(self) -> str:
        """The model as it was named."""
        return self._asked.model or self._app.settings.default_model

    async def dry_run(self) -> ToolResult:
        """What the call would send and cost, with the endpoints that could serve it."""
        return await dry_run_of(self._app, await self._composed(self._asked))

    async def fit(self, limit: Decimal) -> bool:
        """Derive the output limit from `limit` USD where the caller gave none."""
        asked = replace(self._asked, max_cost=float(limit))
        await self._composed(asked)
        self._asked, self.limit = asked, limit
        return True

    async def expense(self) -> Expense:
        """The whole answer, with what may follow to complete it."""
        request = await self._composed(self._asked)
        most = self.at_most(most_of(self._app, request))
        return Expense(self.tool, request.model.id, most, request.preview())

    async def perform(self, purchase: Purchase, handle: Handle) -> ToolResult:
        """Ask, and reply with the whole answer and its receipt."""
        app, asked = self._app, self._asked
        if not asked.thread_id:
            exchange = await ask(purchase, await compose_for(app, asked), written_to(handle))
            return await reply(app, asked, exchange, purchase, handle)
        async with app.threads.open(asked.thread_id) as thread:
            if thread.messages:
                asked = await _with_history(app, asked, thread.messages)
            exchange = await ask(purchase, await compose_for(app, asked), written_to(handle))
            await _keep(thread, asked, exchange)
            return await reply(app, asked, exchange, purchase, handle, thread)

    async def _composed(self, asked: CallerRequest) -> ChatRequest:
        """The request as it would be now, without waiting for the thread's turn."""
        if asked.thread_id and asked.thread_id != NEW:
            _, messages = await self._app.threads.show(asked.thread_id)
            asked = await _with_history(self._app, asked, messages)
        return await compose_for(self._app, asked)


def written_to(handle: Handle) -> Callable[[str], None]:
    """Keeps the text so far in a job; whoever cancels it then is told that it may be billed."""

    def on_text(text: str) -> None:
        handle.text = text
        handle.billing_note = MAY_BILL

    return on_text


async def dry_run_of(app: App, request: ChatRequest) -> ToolResult:
    """What this request would send and cost."""
    endpoints: list[dict[str, Any]] = []
    for candidate in (request.model, *request.fallbacks):
        try:
            endpoints += await app.catalogue.endpoints(candidate.id)
        except OpenRouterError:
            continue
    routing = request.body.get("provider") or {}
    allowed = [offer for offer in endpoints if _allowed(str(offer.get("tag")), routing)]
    if more := most_further(request, app.settings.max_continuations):
        note = MORE_REQUESTS.format(more=more)
        request = replace(request, notes=(*request.notes, note))
    return replies.dry_run(request, estimate.at_worst(request, datetime.now(UTC)), allowed)


async def compose_for(app: App, asked: CallerRequest) -> ChatRequest:
    """The request that a caller means, its history fitted to the model, its cost to `max_cost`.

    Raises `INVALID_INPUT` with models that can where one cannot take the media in it.
    """
    primary = await app.catalogue.resolve(asked.named_model)
    if asked.how:
        primary = replace(primary, how=asked.how)
    others = await fallbacks_of(app, asked)
    request = _fitted(compose(asked, primary, others, app.settings))
    needed = choose.of_messages(request.messages)
    for row in (candidate.model for candidate in (primary, *others)):
        if row and not choose.takes(row, needed):
            raise choose.refusal(await app.catalogue.models(), row, needed)
    return _within_limit(request, asked, app)


async def fallbacks_of(app: App, asked: CallerRequest) -> list[Resolution]:
    """The models to try next, by the argument or the option. Raises `MODEL_NOT_FOUND`."""
    names = asked.fallbacks or models(asked.options)
    return [await app.catalogue.resolve(name) for name in names]


def most_of(app: App, request: ChatRequest) -> Decimal | None:
    """USD that the request and those that may follow it can cost; None where nothing bounds it."""
    most = estimate.at_worst(request, datetime.now(UTC)).most
    further = most_further(request, app.settings.max_continuations)
    return None if most is None else most * (1 + further)


async def _with_history(
    app: App, asked: CallerRequest, messages: Sequence[history.Message]
) -> CallerRequest:
    """The request with the thread's messages before its own, their files read again.

    Raises `INVALID_INPUT` where the model still waits for the results of its tools.
    """
    if waiting := history.unanswered([*messages, *asked.messages]):
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"The model waits for the results of its tool calls {', '.join(waiting)}. Call chat "
            'with this thread_id and messages: one {"role": "tool", "tool_call_id", "content"} '
            "for each.",
        )
    earlier, notes = await history.restored(messages, app.files.parts)
    answers = any(message.get("role") == "tool" for message in asked.messages)
    if not answers and not asked.options.get("tools"):
        earlier = history.in_words(earlier)
    return replace(asked, history=earlier, history_notes=notes)


def _fitted(request: ChatRequest) -> ChatRequest:
    """The request without the oldest turns where all would not fit the model's context."""
    row = request.model.model
    if row is None or not row.context_length:
        return request
    room = row.context_length - (request.output_limit or min(row.max_completion_tokens, 4096))
    messages, dropped = history.trimmed(
        request.messages, room, lambda message: prices.count_tokens([message])
    )
    if not dropped:
        return request
    note = f"The {dropped} oldest messages were left out to fit the model's context."
    body = {**request.body, "messages": messages}
    return replace(request, body=body, notes=(*request.notes, note))


async def _keep(thread: Thread, asked: CallerRequest, exchange: Exchange) -> None:
    """Add the turn to its thread, unless it failed; files are kept as paths."""
    if exchange.error:
        return
    question = exchange.request.messages[-1]
    own = [dict(message) for message in asked.messages[:-1]]
    if asked.system:
        own = [{"role": "system", "content": asked.system}, *own] if not thread.messages else own
    said = exchange.message
    said = {**said, "content": exchange.text or said["content"]}
    await thread.append(
        [*own, history.by_reference(question, asked.attached), said],
        model=exchange.receipt.model,
        cost=exchange.receipt.cost,
        untrusted=asked.attached.untrusted or replies.is_untrusted(exchange),
    )


async def reply(
    app: App,
    asked: CallerRequest,
    exchange: Exchange,
    purchase: Purchase,
    handle: Handle,
    thread: Thread | None = None,
) -> ToolResult:
    """The whole answer with its receipt; a long one is saved and its head shown."""
    purchase.audit(exchange.receipt, exchange.request.preview())
    files, unsaved = await save_media(app.settings, handle, exchange.request, exchange.answers)
    shown = save.Shown(exchange.text, [])
    if not exchange.is_json:
        # JSON stays whole: its head alone could not be parsed.
        shown = await save.shown_text(app.settings, exchange.text, exchange.receipt.generation_id)
    notes = [*shown.notes]
    if thread and asked.thread_id == NEW and not exchange.error:
        notes.append(f'Continue this conversation with thread_id="{thread.id}".')
    if thread and exchange.last.tool_calls:
        notes.append("This conversation is kept: of its messages, send the tool messages alone.")
    notes = [*unsaved, *notes, *app.warnings()]
    result = replies.chat(exchange, shown.text, notes, await app.budget.line(), files)
    untrusted = asked.attached.untrusted or bool(thread and thread.untrusted)
    result.meta = {**(result.meta or {}), **shown.meta}
    if untrusted:
        result.meta[UNTRUSTED_META] = True
    return result


def _allowed(tag: str, routing: dict[str, list[str]]) -> bool:
    """Whether routing preferences leave this endpoint in; a base slug means all its variants."""

    def named(slugs: list[str]) -> bool:
        return tag in slugs or tag.partition("/")[0] in slugs

    only, ignored = routing.get("only"), routing.get("ignore")
    return not (only and not named(only)) and not (ignored and named(ignored))


class TextCompletion(PaidCall):
    """Raw text that goes on where a prompt ends. Source: `POST /completions`."""

    tool = "complete_text"
    less = LOWER_MAX_TOKENS

    def __init__(self, app: App, asked: CallerRequest, request: ChatRequest) -> None:
        self._app = app
        self._asked = asked
        self._request = request
        self.limit = asked.limit

    @property
    def title(self) -> str:
        """The model."""
        return self._request.model.id

    async def dry_run(self) -> ToolResult:
        """What the call would send and cost, with the endpoints that could serve it."""
        return await dry_run_of(self._app, self._request)

    async def fit(self, limit: Decimal) -> bool:
        """Derive the output limit from `limit` USD where the caller gave none."""
        asked, sent = replace(self._asked, max_cost=float(limit)), self._request
        request = compose_text(asked, sent.model, sent.fallbacks, self._app.settings)
        self._request = _within_limit(request, asked, self._app)
        self._asked, self.limit = asked, limit
        return True

    async def expense(self) -> Expense:
        """The whole completion."""
        most = self.at_most(most_of(self._app, self._request))
        return Expense(self.tool, self.title, most, self._request.preview())

    async def perform(self, purchase: Purchase, handle: Handle) -> ToolResult:
        """Complete the text, and reply with it and its receipt."""
        try:
            exchange = await ask(purchase, self._request, written_to(handle))
        except OpenRouterError as error:
            if error.http_status != 404:
                raise
            raise OpenRouterError(
                Code.MODEL_UNAVAILABLE,
                f"{self._request.model.id}, or this account, has no text completions. Use chat, "
                "or choose another model.",
                http_status=404,
            ) from error
        return await reply(self._app, self._asked, exchange, purchase, handle)


async def plan_completion(app: App, asked: CallerRequest) -> TextCompletion:
    """The completion that is asked for, within its `max_cost`.

    Raises `INVALID_INPUT` for a router, `MODEL_NOT_FOUND` or `BUDGET_EXCEEDED`.
    """
    model = await app.catalogue.resolve(asked.named_model)
    if model.model and model.model.is_router:
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"{model.id} chooses by a conversation and takes no raw text. Name the model that is "
            "to complete it (find_models), or use chat.",
        )
    request = compose_text(asked, model, await fallbacks_of(app, asked), app.settings)
    return TextCompletion(app, asked, _within_limit(request, asked, app))


def _within_limit(request: ChatRequest, asked: CallerRequest, app: App) -> ChatRequest:
    """The request, bounded by `max_cost` and the cap per call. Raises `BUDGET_EXCEEDED`."""
    limit = app.budget.limit(asked.limit)
    if limit is None:
        return request
    return estimate.within(request, limit, datetime.now(UTC), app.settings.max_cost_per_call)
