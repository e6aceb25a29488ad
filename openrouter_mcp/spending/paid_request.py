"""One paid chat request: bounded by what may be spent, reserved before, settled after."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

from openrouter_mcp.api import fields
from openrouter_mcp.api.client import OpenRouter
from openrouter_mcp.api.retry import Report
from openrouter_mcp.completions.answer import Answer, Listener, complete
from openrouter_mcp.completions.request import ChatRequest
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.spending import estimate, receipts
from openrouter_mcp.spending.budget import Budget
from openrouter_mcp.spending.receipts import Receipt
from openrouter_mcp.spending.reservation import Reservation

T = TypeVar("T")

# OpenRouter's documentation on cancelling streams; other providers are not mentioned there.
STOPS_BILLING = frozenset(
    {
        "Anthropic",
        "Azure",
        "Chutes",
        "Cloudflare",
        "Cohere",
        "DeepInfra",
        "DeepSeek",
        "Fireworks",
        "Friendli",
        "Hyperbolic",
        "Infermatic",
        "Mancer",
        "Novita",
        "OpenAI",
        "Together",
        "xAI",
    }
)
BILLS_ON = frozenset(
    {
        "AI21",
        "Alibaba",
        "Amazon Bedrock",
        "Featherless",
        "Google",
        "Google AI Studio",
        "Groq",
        "MiniMax",
        "Mistral",
        "Nebius",
        "Perplexity",
        "Replicate",
        "SambaNova",
    }
)
PATIENCE = 10.0
PAUSE = 0.1
"""Seconds: how long to wait for money that other calls hold, and between two looks."""


async def pay(
    client: OpenRouter,
    budget: Budget,
    tool: str,
    request: ChatRequest,
    limit: Decimal | None,
    listener: Listener,
) -> Answer:
    """Send one request for at most `limit` USD and what the caps still allow.

    Raises `BUDGET_EXCEEDED` before anything is sent, and what `complete` raises.
    """
    reserve = partial(_reserve, budget, tool, request, limit)
    request, held = await when_affordable(client, budget, reserve, listener.report)
    async with held as reservation:
        await reservation.sent()

        async def started(generation_id: str) -> None:
            await reservation.generation(generation_id)
            await listener.started(generation_id)

        watching = Listener(listener.report, started, listener.grown)
        answer = await complete(client, request, watching)
        receipt = receipts.of_chat(request, answer)
        await settle(reservation, receipt)
        return answer


async def settle(reservation: Reservation, receipt: Receipt) -> None:
    """Write into the ledger what a request that is over has cost, as its receipt tells."""
    await reservation.settle(
        receipt.cost,
        model=receipt.model,
        provider=receipt.provider,
        input_tokens=receipt.input_tokens,
        output_tokens=receipt.output_tokens,
        duration=receipt.seconds,
        generation_id=receipt.generation_id,
    )


async def cost_of(client: OpenRouter, generation_id: str) -> Decimal | None:
    """USD that a generation cost; None while OpenRouter does not know it."""
    known = await statistics(client, generation_id)
    return None if known is None else receipts.money(known.get("total_cost"))


async def statistics(client: OpenRouter, generation_id: str) -> Mapping[str, Any] | None:
    """What OpenRouter tells of a generation (`GET /generation`); None while it does not know it."""
    try:
        reply = await client.get("/generation", params={"id": generation_id})
    except OpenRouterError as error:
        if error.code is Code.NOT_FOUND:
            return None
        raise
    return fields.mapping(reply, "data")


async def when_affordable(
    client: OpenRouter, budget: Budget, attempt: Callable[[], Awaitable[T]], report: Report
) -> T:
    """What `attempt`, which reserves money, returns; made again while others hold the money.

    What calls under way hold comes back when they cost less: it is waited for a while. What dead
    processes hold is asked for. Raises what `attempt` raises at last.
    """
    deadline = time.monotonic() + PATIENCE
    settled = False
    while True:
        try:
            return await attempt()
        except OpenRouterError as error:
            if not error.retryable or time.monotonic() > deadline:
                raise
        await report("waiting for money that other calls have reserved")
        if not settled:
            settled = True
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await budget.settle_leftovers(partial(cost_of, client))
        await asyncio.sleep(PAUSE)


async def _reserve(
    budget: Budget, tool: str, request: ChatRequest, limit: Decimal | None
) -> tuple[ChatRequest, Reservation]:
    """The request, bounded by what may be spent now, and the money for it."""
    while True:
        now = datetime.now(UTC)
        allowance = await budget.allowance(limit)
        bounded = estimate.bounded(request, allowance, now)
        most = estimate.estimate(bounded, now).most
        held = await budget.reserve(tool, request.model.id, most, limit)
        if allowance is None or (most is not None and most <= allowance):
            return bounded, held
        # Money has come back meanwhile: it pays for more than the least.
        await held.release()


def after_cancelling(provider: str) -> str:
    """Whether a provider bills for an answer that nobody waits for any more."""
    if provider in STOPS_BILLING:
        return f"{provider} stops billing when a call is cancelled."
    if provider in BILLS_ON:
        return f"{provider} bills the whole answer even though the call was cancelled."
    return "The provider may bill the whole answer."
