"""A chat from its arguments to its reply: the path of every tool that asks a model for text."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from fastmcp.tools import ToolResult
from mcp.types import InputRequiredResult

from openrouter_mcp.app import App
from openrouter_mcp.chat import replies
from openrouter_mcp.chat.exchange import Exchange, converse, most_further
from openrouter_mcp.completions.answer import Answer, Listener
from openrouter_mcp.completions.options import models
from openrouter_mcp.completions.request import Ask, ChatRequest, compose, compose_text
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files.attach import Attachments
from openrouter_mcp.jobs.jobs import Handle
from openrouter_mcp.models import choose, prices
from openrouter_mcp.progress import Progress
from openrouter_mcp.results import UNTRUSTED_META
from openrouter_mcp.spending import consent, estimate
from openrouter_mcp.spending.paid_request import after_cancelling, pay
from openrouter_mcp.threads import history
from openrouter_mcp.threads.threads import NEW, Thread

NO_FILES = Attachments([], [], [])
MORE_REQUESTS = (
    "Up to {more} more requests may follow, to go on with an answer that was cut off or to mend "
    "its JSON; max_cost holds for all together."
)


@dataclass(frozen=True)
class Call:
    """One call of a tool that chats. `max_cost` is USD, 0 = no limit."""

    tool: str
    ask: Ask
    model: str = ""
    fallbacks: Sequence[str] = ()
    max_cost: float = 0
    thread_id: str = ""
    attached: Attachments = NO_FILES
    how: str = ""
    """How the model was chosen where the caller named none."""

    @property
    def limit(self) -> Decimal | None:
        """What the caller allows it to cost."""
        return Decimal(str(self.max_cost)) if self.max_cost else None


async def answer(app: App, call: Call, progress: Progress) -> ToolResult | InputRequiredResult:
    """Ask, and reply with the whole answer and its receipt; or with a job that goes on.

    Raises `INVALID_INPUT`, `MODEL_NOT_FOUND`, `NOT_FOUND` or `BUDGET_EXCEEDED` before anything is
    paid.
    """
    if question := await _question(app, call, progress):
        return question

    async def work(handle: Handle) -> ToolResult:
        async with AsyncExitStack() as stack:
            if not call.thread_id:
                return await reply(app, call, await _exchange(app, call, handle))
            thread = await stack.enter_async_context(app.threads.open(call.thread_id))
            continued = await _continued(app, call, thread)
            exchange = await _exchange(app, continued, handle)
            await _keep(thread, call, exchange)
            return await reply(app, continued, exchange, thread.id)

    return await app.jobs.run(call.tool, call.model or app.settings.default_model, work, progress)


async def dry_run(app: App, call: Call) -> ToolResult:
    """What the call would send and cost, with the endpoints that could serve it."""
    return await dry_run_of(app, await compose_for(app, await _so_far(app, call)))


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


async def compose_for(app: App, call: Call) -> ChatRequest:
    """The request that a call means, its history fitted to the model, its cost to `max_cost`.

    Raises `INVALID_INPUT` with models that can where one cannot take the media in it.
    """
    named = call.model or str(call.ask.options.get("model") or "")
    primary = await app.resolve(named)
    if call.how:
        primary = replace(primary, how=call.how)
    others = [await app.resolve(name) for name in call.fallbacks or models(call.ask.options)]
    request = _fitted(compose(call.ask, primary, others, app.settings))
    needed = choose.of_messages(request.messages)
    for row in (candidate.model for candidate in (primary, *others)):
        if row and not choose.takes(row, needed):
            raise choose.refusal(await app.catalogue.models(), row, needed)
    if call.limit:
        cap = app.settings.max_cost_per_call
        return estimate.within(request, call.limit, datetime.now(UTC), cap)
    return request


async def ask(app: App, call: Call, request: ChatRequest, handle: Handle) -> Exchange:
    """Send the request and what makes its answer whole, telling `handle` what came so far."""
    said: list[str] = []

    def grown(answer: Answer) -> None:
        handle.text = "".join([*said, answer.text])
        handle.billing_note = after_cancelling(answer.provider)

    async def send(request: ChatRequest) -> Answer:
        listener = Listener(report=handle.report, grown=grown)
        answer = await pay(app.client, app.budget, call.tool, request, call.limit, listener)
        said.append(answer.text)
        return answer

    turns = app.settings.max_continuations
    return await converse(request, send, continuations=turns, limit=call.limit)


async def question_of(
    app: App, call: Call, request: ChatRequest, progress: Progress
) -> InputRequiredResult | None:
    """What to ask the user before this request is paid; None = nothing."""
    most = estimate.at_worst(request, datetime.now(UTC)).most
    what = f"{call.tool} with {request.model.id}"
    return await consent.question(app.settings, progress, what, most, call.limit)


async def _question(app: App, call: Call, progress: Progress) -> InputRequiredResult | None:
    """What to ask the user before this call; None = nothing."""
    if not app.settings.confirm_above:
        return None
    return await question_of(app, call, await compose_for(app, await _so_far(app, call)), progress)


async def _so_far(app: App, call: Call) -> Call:
    """The call with its thread's messages, without waiting for its turn."""
    if not call.thread_id or call.thread_id == NEW:
        return call
    _, messages = await app.threads.show(call.thread_id)
    return await _with_history(app, call, messages)


async def _exchange(app: App, call: Call, handle: Handle) -> Exchange:
    return await ask(app, call, await compose_for(app, call), handle)


async def _continued(app: App, call: Call, thread: Thread) -> Call:
    return await _with_history(app, call, thread.messages) if thread.messages else call


async def _with_history(app: App, call: Call, messages: Sequence[history.Message]) -> Call:
    """The call with the thread's messages before its own, their files read again.

    Raises `INVALID_INPUT` where the model still waits for the results of its tools.
    """
    if waiting := history.unanswered([*messages, *call.ask.messages]):
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"The model waits for the results of its tool calls {', '.join(waiting)}. Call chat "
            'with this thread_id and messages: one {"role": "tool", "tool_call_id", "content"} '
            "for each.",
        )
    earlier, notes = await history.restored(messages, app.files.parts)
    answers = any(message.get("role") == "tool" for message in call.ask.messages)
    if not answers and not call.ask.options.get("tools"):
        earlier = history.in_words(earlier)
    asked = replace(call.ask, history=earlier, notes=[*call.ask.notes, *notes])
    return replace(call, ask=asked)


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


async def _keep(thread: Thread, call: Call, exchange: Exchange) -> None:
    """Add the turn to its thread, unless it failed; files are kept as paths."""
    if exchange.error:
        return
    asked = exchange.request.messages[-1]
    own = [dict(message) for message in call.ask.messages[:-1]]
    if call.ask.system:
        own = [{"role": "system", "content": call.ask.system}, *own] if not thread.messages else own
    said = {**exchange.last.message(), "content": exchange.text or None}
    await thread.append(
        [*own, history.by_reference(asked, call.attached), said],
        model=exchange.receipt.model,
        cost=exchange.receipt.cost,
    )


async def reply(app: App, call: Call, exchange: Exchange, thread_id: str = "") -> ToolResult:
    """The whole answer with its receipt; a long one is saved and its head shown."""
    app.audit(call.tool, exchange.receipt, exchange.request.preview())
    text, notes = exchange.text, []
    if exchange.value is None:
        # JSON stays whole: its head alone could not be parsed.
        text, notes = await app.shortened(exchange.text, exchange.receipt.generation_id)
    if thread_id and call.thread_id == NEW:
        notes.append(f'Continue this conversation with thread_id="{thread_id}".')
    if thread_id and exchange.last.tool_calls:
        notes.append("This conversation is kept: of its messages, send the tool messages alone.")
    result = replies.chat(exchange, text, [*notes, *app.warnings()], await app.budget_line())
    if call.attached.untrusted and result.meta is not None:
        result.meta[UNTRUSTED_META] = True
    return result


def _allowed(tag: str, routing: dict[str, list[str]]) -> bool:
    """Whether routing preferences leave this endpoint in; a base slug means all its variants."""

    def named(slugs: list[str]) -> bool:
        return tag in slugs or tag.partition("/")[0] in slugs

    only, ignored = routing.get("only"), routing.get("ignore")
    return not (only and not named(only)) and not (ignored and named(ignored))


async def compose_completion(
    app: App, call: Call, prompt: str, max_tokens: int, stop: Sequence[str]
) -> ChatRequest:
    """The request that goes on where `prompt` ends, within the call's `max_cost`.

    Raises `INVALID_INPUT` for a router, `MODEL_NOT_FOUND` or `BUDGET_EXCEEDED`.
    """
    model = await app.resolve(call.model or str(call.ask.options.get("model") or ""))
    if model.model and model.model.is_router:
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"{model.id} chooses by a conversation and takes no raw text. Name the model that is "
            "to complete it (find_models), or use chat.",
        )
    request = compose_text(prompt, model, max_tokens, stop, call.ask.options, app.settings)
    if call.limit:
        cap = app.settings.max_cost_per_call
        return estimate.within(request, call.limit, datetime.now(UTC), cap)
    return request


async def complete(
    app: App, call: Call, request: ChatRequest, progress: Progress
) -> ToolResult | InputRequiredResult:
    """The completion and its receipt. Source: `POST /completions`."""
    if question := await question_of(app, call, request, progress):
        return question

    async def work(handle: Handle) -> ToolResult:
        try:
            exchange = await ask(app, call, request, handle)
        except OpenRouterError as error:
            if error.http_status != 404:
                raise
            raise OpenRouterError(
                Code.MODEL_UNAVAILABLE,
                f"{request.model.id}, or this account, has no text completions. Use chat, or "
                "choose another model.",
                http_status=404,
            ) from error
        return await reply(app, call, exchange)

    return await app.jobs.run(call.tool, request.model.id, work, progress)
