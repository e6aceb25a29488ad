"""One paid chat request: bounded by what may be spent, reserved before, settled after."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from fastmcp.tools import ToolResult
from mcp.types import InputRequiredResult, TextContent

from openrouter_mcp.api import responses
from openrouter_mcp.api.client import OpenRouter
from openrouter_mcp.completions.answer import Answer, Listener, complete
from openrouter_mcp.completions.request import ChatRequest
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.jobs.handle import Handle
from openrouter_mcp.models.names import Resolution
from openrouter_mcp.money import dollars, parse_usd
from openrouter_mcp.progress import Report
from openrouter_mcp.results import ESTIMATE_META, abbreviated, tool_result
from openrouter_mcp.spending import consent, estimate, receipts
from openrouter_mcp.spending.budget import ASK_FOR_LESS, Budget, Reservation
from openrouter_mcp.spending.receipts import Receipt

if TYPE_CHECKING:
    from openrouter_mcp.app import App
    from openrouter_mcp.progress import Progress

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
    return None if known is None else parse_usd(known.get("total_cost"))


async def statistics(client: OpenRouter, generation_id: str) -> Mapping[str, Any] | None:
    """What OpenRouter tells of a generation (`GET /generation`); None while it does not know it."""
    try:
        reply = await client.get("/generation", params={"id": generation_id})
    except OpenRouterError as error:
        if error.code is Code.NOT_FOUND:
            return None
        raise
    return responses.mapping(reply, "data")


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


LOOK_UPS = (0.5, 1.0, 2.0, 3.0)
"""Seconds before each question what a generation cost: its statistics appear only after a while."""
SHOWN_REQUEST = 2000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a call would do, decided and checked before anything is paid."""

    tool: str
    model: Resolution
    path: str
    """The endpoint that is paid."""
    request: Mapping[str, Any]
    """What a dry run shows of the request: its parameters, media by their names."""
    most: Decimal | None
    """USD that it can cost at most; None where nothing bounds it."""
    subject: str
    """Whose first characters are the preview in the audit line."""
    notes: tuple[str, ...] = ()


@dataclass
class Bill:
    """What OpenRouter told about one paid request; filled in while it runs."""

    reservation: Reservation
    usage: Mapping[str, Any] = field(default_factory=dict)
    model: str = ""
    provider: str = ""
    generation_id: str = ""
    name_provider: bool = False
    """Whether to ask for the provider too, which some replies do not name."""

    @property
    def incomplete(self) -> bool:
        """Whether something is left to ask for."""
        unnamed = self.name_provider and not self.provider
        return parse_usd(self.usage.get("cost")) is None or unnamed

    def complete(self, known: Mapping[str, Any]) -> None:
        """Take what the statistics of the generation say and the reply did not."""
        self.model = self.model or responses.text(known, "model")
        self.provider = self.provider or responses.text(known, "provider_name")
        if parse_usd(self.usage.get("cost")) is None:
            self.usage = {**self.usage, "cost": known.get("total_cost")}

    async def identify(self, headers: Mapping[str, str]) -> None:
        """Keep the generation id that comes with the headers: by it the cost can be asked."""
        self.generation_id = headers.get("x-generation-id", "") or self.generation_id
        if self.generation_id:
            await self.reservation.generation(self.generation_id)

    def read(self, reply: Mapping[str, Any]) -> None:
        """Take model, provider and usage from a reply that has them."""
        self.usage = responses.mapping(reply, "usage")
        self.model = responses.text(reply, "model")
        self.provider = responses.text(reply, "provider")
        self.generation_id = self.generation_id or responses.text(reply, "id")

    def read_chunk(self, answer: Answer) -> None:
        """Take the same from what a streamed chat has told so far."""
        self.usage = answer.usage
        self.model = answer.model
        self.provider = answer.provider
        self.generation_id = self.generation_id or answer.generation_id


class Purchase:
    """The paid requests of one call: each is reserved before it is sent and settled after it."""

    def __init__(self, app: App, plan: Plan, limit: Decimal | None, report: Report) -> None:
        self.app = app
        self.limit = limit
        """USD for all requests together; None if nothing limits them."""
        self.report = report
        self._plan = plan
        self._receipts: list[Receipt] = []

    async def bounded(
        self, body: Mapping[str, Any], most: Decimal | None, units: int = 1
    ) -> tuple[Mapping[str, Any], Decimal | None]:
        """The body and the USD that it can cost at most.

        Where the catalogue lists no price and a limit is set, the body gets a ceiling: what may
        be spent, divided by the units that are billed. Only for endpoints that know `max_price`.
        """
        if most is not None:
            return body, most
        allowance = await self.app.budget.allowance(self.limit)
        if allowance is None:
            return body, None
        ceiling = (allowance / units).quantize(Decimal("0.000001"), ROUND_FLOOR)
        provider = body.get("provider") or {}
        own = provider.get("max_price") or {}
        lowest = min(ceiling, Decimal(own.get("request", ceiling)))
        prices = {**own, "request": f"{lowest:f}"}
        return {**body, "provider": {**provider, "max_price": prices}}, allowance

    @asynccontextmanager
    async def request(self, most: Decimal | None) -> AsyncGenerator[Bill]:
        """One paid request, sent inside the block, which can cost `most` USD.

        Raises `BUDGET_EXCEEDED` before it begins.
        """
        app, plan, limit = self.app, self._plan, self._left(most)
        reserve = partial(
            app.budget.reserve, plan.tool, plan.model.id, most, limit, less=ASK_FOR_LESS
        )
        async with await when_affordable(
            app.client, app.budget, reserve, self.report
        ) as reservation:
            await reservation.sent()
            bill = Bill(reservation)
            begun = time.monotonic()
            yield bill
            self._receipts.append(await self._settled(bill, time.monotonic() - begun))

    def _left(self, most: Decimal | None) -> Decimal | None:
        """What is left for the next request. Raises `BUDGET_EXCEEDED` when that is too little."""
        if self.limit is None or not self._receipts:
            return self.limit
        spent = sum((receipt.cost or Decimal(0) for receipt in self._receipts), Decimal(0))
        left = self.limit - spent
        if left <= 0 or (most is not None and most > left):
            raise OpenRouterError(
                Code.BUDGET_EXCEEDED,
                f"{dollars(spent)} of the {dollars(self.limit)} that this call may cost are spent: "
                "that does not leave enough for the rest. Raise max_cost, or ask for less.",
            )
        return left

    async def _settled(self, bill: Bill, seconds: float) -> Receipt:
        """The receipt of a request that is done, written into the ledger."""
        await self._look_up(bill)
        receipt = receipts.of_usage(
            self._plan.model,
            bill.usage,
            answered=bill.model,
            provider=bill.provider,
            generation_id=bill.generation_id,
            seconds=seconds,
        )
        await settle(bill.reservation, receipt)
        pending = receipt.cost is None and bool(receipt.generation_id)
        return replace(receipt, cost_pending=pending)

    async def receipt(self, quantity: str = "") -> Receipt:
        """One receipt for all requests, once they are done, and the audit line for it."""
        receipt = receipts.together(self._receipts)
        receipt = replace(receipt, quantity=quantity, budget=await self.app.budget_line())
        self.app.audit(self._plan.tool, receipt, self._plan.subject)
        return receipt

    async def _look_up(self, bill: Bill) -> None:
        """Complete the bill with what only `GET /generation` tells, if it does so in time."""
        for wait in LOOK_UPS if bill.generation_id and bill.incomplete else ():
            await asyncio.sleep(wait)
            try:
                known = await statistics(self.app.client, bill.generation_id)
            except OpenRouterError:
                return
            if known is not None:
                bill.complete(known)
                return


Perform = Callable[[Purchase, Handle], Coroutine[Any, Any, ToolResult]]


async def carry_out(
    app: App,
    plan: Plan,
    perform: Perform,
    *,
    max_cost: float,
    dry_run: bool,
    progress: Progress,
) -> ToolResult | InputRequiredResult:
    """Do what was planned for at most `max_cost` USD (0 = no limit), or only show it.

    Raises `BUDGET_EXCEEDED` before anything is paid.
    """
    if dry_run:
        return shown(plan)
    limit = app.budget.limit(Decimal(str(max_cost)))
    # What nothing bounds yet may be bounded by the requests themselves.
    if plan.most is not None:
        app.budget.check(plan.model.id, plan.most, limit, less=ASK_FOR_LESS)
    what = f"{plan.tool} with {plan.model.id}"
    if question := await consent.question(app.settings, progress, what, plan.most, limit):
        return question
    return await app.jobs.run(
        plan.tool,
        plan.model.id,
        lambda handle: perform(Purchase(app, plan, limit, handle.report), handle),
        progress,
    )


def shown(plan: Plan) -> ToolResult:
    """What a plan would send and cost, without sending it."""
    price = "not listed" if plan.most is None else f"{dollars(plan.most)} at most"
    parameters = abbreviated({"model": plan.model.id, **plan.request})
    request = json.dumps(parameters, ensure_ascii=False)
    if len(request) > SHOWN_REQUEST:
        request = f"{request[:SHOWN_REQUEST]}... ({len(request):,} characters)"
    how = f" ({plan.model.how})" if plan.model.how else ""
    lines = [
        "Dry run: nothing was sent.",
        f"Model: {plan.model.id}{how}",
        f"Cost: {price}",
        f"Request to {plan.path}: {request}",
        *(f"Note: {note}" for note in plan.notes),
    ]
    meta = {
        "model": plan.model.id,
        "usd_most": None if plan.most is None else f"{plan.most:f}",
    }
    return tool_result(
        [TextContent(type="text", text="\n".join(lines))],
        meta={ESTIMATE_META: meta},
    )
