"""`complete_text`: raw text completion, by the same path as a chat."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from fastmcp.tools import ToolResult
from mcp.types import InputRequiredResult

from openrouter_mcp.app import App
from openrouter_mcp.chat import conversation
from openrouter_mcp.chat.conversation import Call
from openrouter_mcp.completions.request import ChatRequest, compose_text
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.jobs.jobs import Handle
from openrouter_mcp.progress import Progress
from openrouter_mcp.spending import estimate


async def compose(
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
    if question := await conversation.question_of(app, call, request, progress):
        return question

    async def work(handle: Handle) -> ToolResult:
        try:
            exchange = await conversation.ask(app, call, request, handle)
        except OpenRouterError as error:
            if error.http_status != 404:
                raise
            raise OpenRouterError(
                Code.MODEL_UNAVAILABLE,
                f"{request.model.id}, or this account, has no text completions. Use chat, or "
                "choose another model.",
                http_status=404,
            ) from error
        return await conversation.reply(app, call, exchange)

    return await app.jobs.run(call.tool, request.model.id, work, progress)
