"""Every request that costs money: its price reserved before it is sent, its cost settled after."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from openrouter_mcp.api import responses
from openrouter_mcp.api.client import OpenRouter
from openrouter_mcp.api.delivery import watched
from openrouter_mcp.completions.answer import Answer
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import fetch
from openrouter_mcp.models.model import Model
from openrouter_mcp.models.names import Resolution
from openrouter_mcp.money import dollars, parse_usd
from openrouter_mcp.progress import Report
from openrouter_mcp.settings import Settings
from openrouter_mcp.spending import cost as costs
from openrouter_mcp.spending import receipts
from openrouter_mcp.spending.budget import ASK_FOR_LESS, Budget, Reservation
from openrouter_mcp.spending.cost import Cost
from openrouter_mcp.spending.estimate import Bound
from openrouter_mcp.spending.ledger import Prices, State
from openrouter_mcp.spending.receipts import Receipt
from openrouter_mcp.text import showable_json

MAY_BILL = "The provider may bill the whole answer."
"""What to tell of a request that was cancelled: not every provider stops billing then."""
PAUSE = 0.1
"""Seconds between two attempts to reserve it."""
LARGEST_FEE = Decimal("0.1")
"""OpenRouter takes less than this share of the price where a provider bills the user's own key."""
ASK_AGAIN = 1.0
"""Seconds after which a cost that OpenRouter had not told is asked for again meanwhile."""
PREVIEW = 80
"""Characters of the prompt in the audit line."""

Listed = Callable[[str], Model | None]
"""Finds a model of the catalogue by its id or slug, as far as it is known without a request."""

audit_log = logging.getLogger("openrouter_mcp.audit")


@dataclass(eq=False)
class PaidRequest:
    """A request that is being paid: what to send, and what OpenRouter has told about it so far."""

    reservation: Reservation
    model: Resolution
    body: Mapping[str, Any]
    """What to send, bounded by what may be spent."""
    usage: Mapping[str, Any] = field(default_factory=dict)
    answered_by: str = ""
    """The model that OpenRouter names in its answer."""
    provider: str = ""
    generation_id: str = ""
    name_provider: bool = False
    """Whether to ask for the provider too, which some replies do not name."""
    receipt: Receipt | None = None
    """Given by a caller that knows more of the answer than its usage."""
    goes_on: bool = False
    """Whether OpenRouter works on whatever happens here: another look can bring the result."""
    begun: float = field(default_factory=time.monotonic)

    async def on_headers(self, headers: Mapping[str, str]) -> None:
        """Keep the generation id that comes with the headers of a reply."""
        if generation_id := responses.identifier(headers, "x-generation-id"):
            await self.identify(generation_id)

    async def identify(self, generation_id: str) -> None:
        """Keep the generation id in the ledger: by it any process can ask for the cost."""
        self.generation_id = generation_id
        await self.reservation.generation(generation_id)

    def read(self, reply: object) -> None:
        """Take model, provider and usage from a reply that has them, if it is one at all."""
        self.usage = responses.mapping(reply, "usage")
        self.answered_by = responses.text(reply, "model")
        self.provider = responses.text(reply, "provider")
        self.generation_id = self.generation_id or responses.identifier(reply, "id")

    def read_answer(self, answer: Answer) -> None:
        """Take the same from what a streamed chat has told so far."""
        self.usage = answer.usage
        self.answered_by = answer.model
        self.provider = answer.provider
        self.generation_id = self.generation_id or answer.generation_id

    def read_statistics(self, statistics: Mapping[str, Any]) -> None:
        """Take what the statistics of the generation say and the reply did not."""
        self.answered_by = self.answered_by or responses.text(statistics, "model")
        self.provider = self.provider or responses.text(statistics, "provider_name")
        self.usage = costs.completed(self.usage, statistics)

    def known(self) -> Receipt:
        """The receipt as far as the reply has told by now."""
        return receipts.of_usage(
            self.model,
            self.usage,
            answered=self.answered_by,
            provider=self.provider,
            generation_id=self.generation_id,
            seconds=time.monotonic() - self.begun,
        )

    @property
    def has_cost(self) -> bool:
        """Whether the reply has told what it cost."""
        return costs.of_usage(self.usage).total is not None

    @property
    def is_complete(self) -> bool:
        """Whether the reply has told all that a receipt says.

        A charge far below the price may be the fee for a key of the user's own, which not every
        endpoint tells in its reply.
        """
        charged = costs.of_usage(self.usage).total
        if charged is None or (self.name_provider and not self.provider):
            return False
        tells_key = isinstance(self.usage.get("is_byok"), bool)
        return tells_key or charged >= LARGEST_FEE * self.reservation.entry.reserved


@dataclass
class Purchase:
    """What one call of a tool pays for: one limit for all its requests, and their receipts."""

    settings: Settings
    client: OpenRouter
    budget: Budget
    tool: str
    limit: Decimal | None
    """USD for all requests together; None if nothing but the caps limits them."""
    report: Report
    subject: str = ""
    """The text whose first characters stand in the audit line."""
    less: str = ASK_FOR_LESS
    """What makes such a call cheaper, for the sentence that refuses it."""
    listed: Listed | None = None
    """Finds the listed model that answered, to remember its prices."""
    receipts: list[Receipt] = field(default_factory=list, init=False)
    open: list[PaidRequest] = field(default_factory=list, init=False)
    """The requests under way."""
    _reservations: list[Reservation] = field(default_factory=list, init=False)
    """The money of every request so far."""
    _reserving: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    @asynccontextmanager
    async def request(self, model: Resolution, bound: Bound) -> AsyncGenerator[PaidRequest]:
        """One paid request: send the `body` of what this gives inside the block.

        The most that it can cost is reserved first, and what it did cost settled at the end. A
        request that fails inside the block is released where OpenRouter bills nothing for it, else
        its cost is asked for later. Raises `BUDGET_EXCEEDED` before anything is sent.
        """
        body, held = await self._reserve_in_time(model, bound)
        async with held as reservation:
            await reservation.sent()
            paid = PaidRequest(reservation, model, body)
            self.open.append(paid)
            try:
                with watched() as delivery:
                    yield paid
            except BaseException as error:
                failed = isinstance(error, OpenRouterError)
                if failed and not paid.has_cost:
                    paid.read(error.reply)
                answered = delivery.may_cost and bool(paid.generation_id) and not paid.goes_on
                if failed and (paid.has_cost or (answered and error.http_status is None)):
                    # The reply cannot be used: it is paid for all the same.
                    await self._settle(paid)
                elif not delivery.may_cost:
                    await reservation.release()
                elif answered:
                    self.receipts.append(paid.known())
                raise
            finally:
                self.open.remove(paid)
            await self._settle(paid)

    def part(self, limit: Decimal | None, report: Report | None = None) -> Purchase:
        """A share of this purchase with a limit of its own; the receipts are those of the whole."""
        own = replace(self, limit=limit, report=report or self.report)
        own.receipts, own.open = self.receipts, self.open
        return own

    def so_far(self) -> Receipt | None:
        """One receipt for all that is paid by now, what is under way included; None if nothing."""
        under_way = [each.known() for each in self.open if each.generation_id]
        every = [*self.receipts, *under_way]
        return receipts.together(every) if every else None

    async def receipt(self, quantity: str = "") -> Receipt:
        """One receipt for all requests, once they are done, and the audit line for it."""
        whole = receipts.together(self.receipts)
        whole = replace(whole, quantity=quantity, budget=await self.budget.line())
        self.audit(whole, self.subject)
        return whole

    def audit(self, receipt: Receipt, prompt: str) -> None:
        """Write the line of this call in the audit log."""
        audit(self.settings, self.tool, receipt, prompt)

    async def _reserve_in_time(
        self, model: Resolution, bound: Bound
    ) -> tuple[Mapping[str, Any], Reservation]:
        """Reserve the money, again and again while other requests hold it.

        What those under way hold comes back when they cost less: it is waited for a while, and for
        as long as they belong to this call. What those that are over cost is asked for meanwhile.
        """
        deadline = time.monotonic() + self.client.timing.reservation
        settling: asyncio.Task[None] | None = None
        try:
            while True:
                try:
                    # Side by side, two of them would each take what is left for both.
                    async with self._reserving:
                        return await self._reserve(model, bound)
                except OpenRouterError as error:
                    late = time.monotonic() > deadline and not self._under_way
                    if late or not error.retryable:
                        raise
                settling = settling or asyncio.create_task(self._keep_settling())
                await self.report("waiting for money that other calls have reserved")
                await asyncio.sleep(PAUSE)
        finally:
            if settling:
                settling.cancel()

    async def _keep_settling(self) -> None:
        """Ask for the costs that OpenRouter has not told yet, each second."""
        while True:
            with suppress(OpenRouterError):
                await settle_leftovers(self.client, self.budget)
            await self.client.timing.sleep(ASK_AGAIN)

    async def _reserve(
        self, model: Resolution, bound: Bound
    ) -> tuple[Mapping[str, Any], Reservation]:
        """The body, bounded by what may be spent now, and the money for it."""
        while True:
            limit = await self._remaining()
            allowance = await self.budget.allowance(limit)
            priced = bound(allowance)
            fetch.check_parts(priced.body, private=self.settings.allow_private_urls)
            most = priced.most
            if limit != self.limit and limit is not None and most is not None and most > limit:
                if limit != self._left:
                    # Another request of this call turned out to cost something else.
                    continue
                raise self._used_up()
            held = await self.budget.reserve(self.tool, model.id, most, limit, less=self.less)
            if allowance is None or (most is not None and most <= allowance):
                self._reservations.append(held)
                return priced.body, held
            # It could be reserved only because other calls gave money back since the allowance
            # was read: the larger allowance pays for a larger body.
            await held.release()

    async def _remaining(self) -> Decimal | None:
        """What is left of the limit. Raises `BUDGET_EXCEEDED` when that is nothing."""
        if self.limit is not None:
            for reservation in self._reservations:
                await reservation.refresh()
        if self._left is not None and self._left <= 0:
            raise self._used_up()
        return self._left

    @property
    def _left(self) -> Decimal | None:
        return None if self.limit is None else self.limit - self._spent

    @property
    def _spent(self) -> Decimal:
        """USD of all requests so far; one that has not told its cost counts as its reservation."""
        return sum((each.counted for each in self._reservations), Decimal(0))

    @property
    def _under_way(self) -> bool:
        """Whether another request of this call is not over."""
        return any(each.entry.state is State.RESERVED for each in self._reservations)

    def _used_up(self) -> OpenRouterError:
        unknown = any(each.entry.cost is None and each.counted for each in self._reservations)
        untold = ", counting the most where OpenRouter has not told the cost"
        return OpenRouterError(
            Code.BUDGET_EXCEEDED,
            f"{dollars(self._spent)} of the {dollars(self.limit or Decimal(0))} that this call may "
            f"cost are spent{untold if unknown else ''}: that does not leave enough for the rest. "
            "Raise max_cost, or ask for less.",
            retryable=any(each.open for each in self._reservations),
        )

    async def _settle(self, paid: PaidRequest) -> None:
        """Write into the ledger what a request that is over has cost, and keep its receipt."""
        receipt = paid.receipt or await self._receipt_of(paid)
        free = receipt.from_cache and receipt.cost is None
        await paid.reservation.settle(
            Decimal(0) if free else receipt.cost,
            upstream_cost=receipt.upstream_cost,
            prices=self._prices_of(receipt.model),
            model=receipt.model,
            provider=receipt.provider,
            input_tokens=receipt.input_tokens,
            output_tokens=receipt.output_tokens,
            duration=receipt.seconds,
            generation_id=receipt.generation_id,
        )
        self.receipts.append(receipt)

    def _prices_of(self, model: str) -> Prices | None:
        row = self.listed(model) if self.listed else None
        return Prices.of(row.pricing) if row else None

    async def _receipt_of(self, paid: PaidRequest) -> Receipt:
        """The receipt of a request that is done; what its reply did not tell is asked for."""
        seconds = time.monotonic() - paid.begun
        if paid.generation_id and not paid.is_complete:
            with suppress(OpenRouterError):
                paid.read_statistics(
                    await statistics_in_time(self.client, paid.generation_id) or {}
                )
        return replace(paid.known(), seconds=seconds)


def audit(settings: Settings, tool: str, receipt: Receipt, prompt: str) -> None:
    """Write one line of JSON on stderr for a paid call."""
    line = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "tool": tool,
        "model": receipt.model,
        "usd": None if receipt.cost is None else str(receipt.cost),
        "generation_id": receipt.generation_id,
    }
    if settings.audit_prompts:
        line["prompt"] = prompt[:PREVIEW]
    audit_log.info(json.dumps(showable_json(line), ensure_ascii=False))


async def settle_leftovers(client: OpenRouter, budget: Budget) -> int:
    """Ask OpenRouter what unfinished requests cost; the number of those that are settled."""
    return await budget.settle_leftovers(partial(cost_of, client))


async def cost_of(client: OpenRouter, generation_id: str) -> Cost | None:
    """What a generation cost; None while OpenRouter does not know it."""
    found = await statistics(client, generation_id)
    if found is None or parse_usd(found.get("total_cost")) is None:
        return None
    return costs.of_statistics(found)


async def statistics_in_time(client: OpenRouter, generation_id: str) -> Mapping[str, Any] | None:
    """The statistics of a generation once they appear; None if that takes more than a few seconds.

    Raises `OpenRouterError` where OpenRouter cannot be asked.
    """
    for wait in client.timing.statistics:
        await client.timing.sleep(wait)
        found = await statistics(client, generation_id)
        if found is not None:
            return found
    return None


async def statistics(client: OpenRouter, generation_id: str) -> Mapping[str, Any] | None:
    """What OpenRouter tells of a generation (`GET /generation`); None while it does not know it."""
    try:
        reply = await client.get("/generation", params={"id": generation_id})
    except OpenRouterError as error:
        if error.code is Code.NOT_FOUND:
            return None
        raise
    return responses.mapping(reply, "data")
