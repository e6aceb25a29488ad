"""Paid requests that are no chat: their cost is asked for, kept within limits, added up."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest

from openrouter_mcp import settings
from openrouter_mcp.app import App
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.models.names import Resolution
from openrouter_mcp.progress import silent
from openrouter_mcp.spending import paid_request
from openrouter_mcp.spending.paid_request import Plan, Purchase
from tests.support.timing import FAST

PLAN = Plan(
    tool="rerank_documents",
    model=Resolution("cohere/rerank-v3.5", None, ""),
    path="/rerank",
    request={},
    most=Decimal("0.01"),
    subject="a test",
)
BODY = {"model": PLAN.model.id, "query": "a", "documents": ["a"]}


@pytest.fixture
async def app(configure, monkeypatch) -> AsyncIterator[App]:
    monkeypatch.setattr(paid_request, "LOOK_UPS", (0.0, 0.0, 0.0))
    configure(OPENROUTER_MAX_COST_PER_DAY="1")
    app = App(settings.load(), FAST)
    yield app
    await app.aclose()


async def buy(app: App, purchase: Purchase, *, told: bool = False) -> None:
    async with purchase.request(Decimal("0.01")) as bill:
        reply = await app.client.post("/rerank", BODY)
        await bill.identify(reply.headers)
        if told:
            bill.read(reply.body)


async def test_a_cost_that_the_reply_does_not_tell_is_asked_for(app, simulator) -> None:
    simulator.generation_misses = 2
    bought = Purchase(app, PLAN, None, silent)
    await buy(app, bought)
    receipt = await bought.receipt("1 search")
    assert (receipt.cost, receipt.provider) == (Decimal("0.002"), "Cohere")
    assert "| 1 search |" in receipt.line()
    assert receipt.budget == "today $0.002 of $1.00"


async def test_a_cost_that_is_not_known_in_time_is_pending_and_settled_later(app, simulator):
    simulator.generation_misses = 3
    bought = Purchase(app, PLAN, None, silent)
    await buy(app, bought)
    receipt = await bought.receipt()
    assert receipt.cost is None
    assert "cost pending" in receipt.line()
    assert (await app.budget.left()).day_spent == Decimal("0.01")
    assert await app.settle() == 1
    assert (await app.budget.left()).day_spent == Decimal("0.002")


async def test_what_the_reply_tells_is_not_asked_for(app, simulator) -> None:
    bought = Purchase(app, PLAN, None, silent)
    await buy(app, bought, told=True)
    await bought.receipt()
    assert [request.method for request in simulator.requests] == ["POST"]


async def test_several_requests_share_one_receipt_and_one_limit(app) -> None:
    bought = Purchase(app, PLAN, Decimal("0.012"), silent)
    await buy(app, bought, told=True)
    await buy(app, bought, told=True)
    with pytest.raises(OpenRouterError) as refused:
        await buy(app, bought, told=True)
    assert refused.value.code is Code.BUDGET_EXCEEDED
    receipt = await bought.receipt()
    assert (receipt.cost, receipt.requests) == (Decimal("0.004"), 2)


async def test_a_limit_that_is_used_up_is_no_open_door(app) -> None:
    bought = Purchase(app, PLAN, Decimal("0.002"), silent)
    async with bought.request(Decimal("0.002")) as bill:
        bill.usage = {"cost": 0.002}
    with pytest.raises(OpenRouterError, match="are spent"):
        await buy(app, bought)


async def test_who_finds_all_money_held_waits_for_it(app) -> None:
    held = await app.budget.reserve("chat", "acme/writer", Decimal("0.995"))
    told: list[str] = []

    async def report(message: str) -> None:
        told.append(message)
        await held.settle(Decimal("0.5"))

    await buy(app, Purchase(app, PLAN, None, report), told=True)
    assert told == ["waiting for money that other calls have reserved"]


async def test_money_that_waits_for_its_cost_to_be_told_comes_back(app, simulator) -> None:
    simulator.generation_misses = 3
    bought = Purchase(app, replace(PLAN, most=Decimal("0.995")), None, silent)
    async with bought.request(Decimal("0.995")) as bill:
        await bill.identify((await app.client.post("/rerank", BODY)).headers)
    assert (await app.budget.left()).day_spent == Decimal("0.995")
    await buy(app, bought, told=True)
    assert (await app.budget.left()).day_spent == Decimal("0.004")


@pytest.mark.parametrize(
    ("variables", "max_cost", "said"),
    [
        ({}, 0.009, "more than max_cost ($0.009). Set max_cost to 0.01 to allow it, ask for less"),
        (
            {"OPENROUTER_MAX_COST_PER_CALL": "0.005"},
            0.02,
            "more than OPENROUTER_MAX_COST_PER_CALL ($0.005). Raise OPENROUTER_MAX_COST_PER_CALL",
        ),
    ],
)
async def test_the_limit_that_refuses_is_the_one_to_raise(
    app, configure, variables, max_cost, said
) -> None:
    configure(**variables)
    other = App(settings.load(), FAST)
    dear = replace(PLAN, most=Decimal("0.010000"))
    with pytest.raises(OpenRouterError) as refused:
        await paid_request.carry_out(
            other, dear, None, max_cost=max_cost, dry_run=False, progress=None
        )
    await other.aclose()
    assert said in refused.value.message


async def test_a_request_that_can_never_fit_is_told_to_ask_for_less(app) -> None:
    with pytest.raises(OpenRouterError, match=r"\. Ask for less so that .* OPENROUTER_MAX_COST"):
        async with Purchase(app, PLAN, None, silent).request(Decimal(2)):
            pass


async def test_a_refused_request_costs_nothing(app, simulator) -> None:
    simulator.fail("no_endpoints", path="/rerank")
    with pytest.raises(OpenRouterError):
        await buy(app, Purchase(app, PLAN, None, silent))
    assert (await app.budget.left()).day_spent == 0
