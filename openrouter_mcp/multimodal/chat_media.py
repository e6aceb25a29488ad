"""Images and sound that a model is asked for in a chat. Source: `POST /chat/completions`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from openrouter_mcp.api.responses import cut_stream, perhaps_billed
from openrouter_mcp.app import App
from openrouter_mcp.completions import options as request_options
from openrouter_mcp.completions.answer import Answer
from openrouter_mcp.completions.request import CHAT, ChatRequest
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.models.names import Resolution
from openrouter_mcp.spending import estimate
from openrouter_mcp.spending.paid_request import PaidRequest, Purchase
from openrouter_mcp.text import clean


async def taken_from(
    app: App, extra: dict[str, Any]
) -> tuple[dict[str, Any], tuple[Resolution, ...], bool]:
    """What the options of a chat say of its length and its models, which are taken out of them.

    The fields of the body for that, the fallbacks, and whether the caller gave the output limit.
    Raises `INVALID_INPUT`, `MODEL_NOT_FOUND`.
    """
    limit = request_options.output_limit(extra)
    names = request_options.models(extra)
    extra.pop("models", None)
    fallbacks = tuple([await app.catalogue.resolve(name) for name in names])
    body: dict[str, Any] = {"max_completion_tokens": limit} if limit else {}
    if fallbacks:
        body["models"] = [fallback.id for fallback in fallbacks]
    return body, fallbacks, bool(limit)


def request_of(
    body: Mapping[str, Any],
    model: Resolution,
    fallbacks: tuple[Resolution, ...] = (),
    *,
    is_limited: bool = False,
) -> ChatRequest:
    """A chat for images or sound, as every chat is priced."""
    return ChatRequest(
        body=dict(body),
        headers={},
        model=model,
        fallbacks=fallbacks,
        schema={},
        show_reasoning=False,
        notes=(),
        is_limited=is_limited,
    )


def most_of(request: ChatRequest) -> Decimal | None:
    """USD that the chat can cost at most; None where the catalogue lists no price."""
    if not request.output_limit:
        body = {**request.body, request.limit_name: estimate.media_tokens(request)}
        request = replace(request, body=body)
    return estimate.of_chat(request, datetime.now(UTC)).most


async def receive(purchase: Purchase, paid: PaidRequest) -> Answer:
    """Send a chat inside a paid request and read its answer, which has media.

    Raises `OpenRouterError`, also for an answer that broke off or that has no media.
    """
    answer = Answer()
    async with purchase.client.stream(
        CHAT, {**paid.body, "stream": True}, on_headers=paid.on_headers, report=purchase.report
    ) as stream:
        async for chunk in stream:
            answer.add(chunk)
            paid.read_answer(answer)
            if size := answer.media.sound_size:
                await purchase.report(f"{paid.model.id}: {size:,} bytes of sound")
        whole = stream.done
    answer.text = answer.media.take_out(answer.text)
    if answer.media.images:
        # What broke off behind them takes nothing from them.
        return answer
    if answer.error:
        raise perhaps_billed(answer.error) if answer.has_come and not answer.usage else answer.error
    if not (whole or answer.finish_reason):
        raise cut_stream()
    if not answer.media:
        said = clean(answer.refusal or answer.text or answer.media.transcript)
        raise OpenRouterError(
            Code.REFUSED,
            f"The model answered in words only: {said or 'nothing at all'}. Rephrase the request "
            "or choose another model.",
        )
    return answer
