"""Paid requests that are no chat: their cost is asked for, kept within limits, added up."""

from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from typing import Any

import pytest
from fastmcp.tools import ToolResult

from openrouter_mcp import settings
from openrouter_mcp.app import App
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.jobs.jobs import Handle
from openrouter_mcp.models.names import Resolution
from openrouter_mcp.multimodal.plan import MediaPlan
from openrouter_mcp.progress import Progress, Report, silent
from openrouter_mcp.spending.estimate import Bound, media_bound
from openrouter_mcp.spending.paid_request import Purchase, settle_leftovers
from tests.support.timing import FAST

MODEL = Resolution("cohere/rerank-v3.5", None, "")
PRICE = Decimal("0.01")
BODY = {"model": MODEL.id, "query": "a", "documents": ["a"]}


def as_it_is(body: Mapping[str, Any], most: Decimal) -> Bound:
    return media_bound("/rerank", body, most)


@pytest.fixture
async def app(configure, monkeypatch) -> AsyncIterator[App]:
    configure(OPENROUTER_MAX_COST_PER_DAY="1")
    app = App(settings.load(), FAST)
    yield app
    await app.aclose()


class NeverPaid(MediaPlan):
    """A call that is refused."""

    async def perform(self, purchase: Purchase, handle: Handle) -> ToolResult:
        raise AssertionError("it is refused before")


def purchase_of(app: App, limit: Decimal | None = None, report: Report = silent) -> Purchase:
    client, budget = app.client, app.budget
    return Purchase(app.settings, client, budget, "rerank_documents", limit, report, "a test")


async def send_nowhere(_seconds: float, _message: str) -> None:
    """Progress that nobody sees."""


async def buy(app: App, purchase: Purchase, *, told: bool = False) -> None:
    async with purchase.request(MODEL, as_it_is(BODY, PRICE)) as paid:
        reply = await app.client.post("/rerank", paid.body, on_headers=paid.on_headers)
        if told:
            paid.read(reply)


async def test_a_cost_that_the_reply_does_not_tell_is_asked_for(app, simulator) -> None:
    simulator.generation_misses = 2
    bought = purchase_of(app)
    await buy(app, bought)
    receipt = await bought.receipt("1 search")
    assert (receipt.cost, receipt.provider) == (Decimal("0.002"), "Cohere")
    assert "| 1 search |" in receipt.line()
    assert receipt.budget == "today $0.002 of $1.00"


async def test_a_cost_that_is_not_known_in_time_is_pending_and_settled_later(app, simulator):
    simulator.generation_misses = 3
    bought = purchase_of(app)
    await buy(app, bought)
    receipt = await bought.receipt()
    assert receipt.cost is None
    assert "cost pending" in receipt.line()
    assert (await app.budget.remaining()).day_spent == Decimal("0.01")
    assert await settle_leftovers(app.client, app.budget) == 1
    assert (await app.budget.remaining()).day_spent == Decimal("0.002")


async def test_what_the_reply_tells_is_not_asked_for(app, simulator) -> None:
    bought = purchase_of(app)
    await buy(app, bought, told=True)
    await bought.receipt()
    assert [request.method for request in simulator.requests] == ["POST"]


async def test_several_requests_share_one_receipt_and_one_limit(app) -> None:
    bought = purchase_of(app, Decimal("0.012"))
    await buy(app, bought, told=True)
    await buy(app, bought, told=True)
    with pytest.raises(OpenRouterError) as refused:
        await buy(app, bought, told=True)
    assert refused.value.code is Code.BUDGET_EXCEEDED
    receipt = await bought.receipt()
    assert (receipt.cost, receipt.requests) == (Decimal("0.004"), 2)


async def test_a_limit_that_is_used_up_is_no_open_door(app) -> None:
    bought = purchase_of(app, Decimal("0.002"))
    async with bought.request(MODEL, as_it_is(BODY, Decimal("0.002"))) as paid:
        paid.usage = {"cost": 0.002}
    with pytest.raises(OpenRouterError, match="are spent"):
        await buy(app, bought)


async def test_who_finds_all_money_held_waits_for_it(app) -> None:
    held = await app.budget.reserve("chat", "acme/writer", Decimal("0.995"))
    told: list[str] = []

    async def report(message: str) -> None:
        told.append(message)
        await held.settle(Decimal("0.5"))

    await buy(app, purchase_of(app, report=report), told=True)
    assert told == ["waiting for money that other calls have reserved"]


async def test_money_that_waits_for_its_cost_to_be_told_comes_back(app, simulator) -> None:
    simulator.generation_misses = 3
    bought = purchase_of(app)
    async with bought.request(MODEL, as_it_is(BODY, Decimal("0.995"))) as paid:
        await app.client.post("/rerank", BODY, on_headers=paid.on_headers)
    assert (await app.budget.remaining()).day_spent == Decimal("0.995")
    await buy(app, bought, told=True)
    assert (await app.budget.remaining()).day_spent == Decimal("0.004")


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
    dear = NeverPaid(
        tool="rerank_documents",
        model=MODEL,
        path="/rerank",
        request={},
        most=Decimal("0.010000"),
        limit=other.budget.limit(Decimal(str(max_cost))),
    )
    with pytest.raises(OpenRouterError) as refused:
        await other.paid_calls.carry_out(dear, Progress(send_nowhere))
    await other.aclose()
    assert said in refused.value.message


async def test_a_request_that_can_never_fit_is_told_to_ask_for_less(app) -> None:
    with pytest.raises(OpenRouterError, match=r"\. Ask for less so that .* OPENROUTER_MAX_COST"):
        async with purchase_of(app).request(MODEL, as_it_is(BODY, Decimal(2))):
            pass


async def test_a_refused_request_costs_nothing(app, simulator) -> None:
    simulator.fail("no_endpoints", path="/rerank")
    with pytest.raises(OpenRouterError):
        await buy(app, purchase_of(app))
    assert (await app.budget.remaining()).day_spent == 0
