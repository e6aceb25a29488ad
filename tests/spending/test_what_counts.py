"""What counts against a limit: never what was not sent or was refused, always what is not told."""

import asyncio
import socket
import sqlite3
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from openrouter_mcp import settings
from openrouter_mcp.app import App
from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.money import parse_usd
from openrouter_mcp.simulator.state import Simulator
from openrouter_mcp.spending.paid_request import settle_leftovers
from tests.spending.test_purchase import BODY, MODEL, PRICE, as_it_is, buy, purchase_of
from tests.support.timing import FAST
from tests.support.upstream import chats
from tests.support.wire import DONE, chunk

IMPATIENT = replace(FAST, reservation=0)
OPUS = "anthropic/claude-opus-5"
UNTOLD = [chunk(content="And then "), chunk(finish="length"), DONE]


@pytest.fixture
def capped(configure) -> None:
    configure(OPENROUTER_MAX_COST_PER_DAY="1")


@pytest.fixture
async def app(capped):
    app = App(settings.load(), IMPATIENT)
    yield app
    await app.aclose()


async def spent(client) -> float:
    return (await client.call_tool("get_account", {})).data["budgets"]["day_spent"]


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.mark.parametrize("address", ["http://127.0.0.1:{closed}", "https://127.0.0.1:{open}"])
async def test_what_reaches_nobody_is_not_spent(configure, environment, address):
    port = environment["OPENROUTER_BASE_URL"].split(":")[2].split("/")[0]
    address = address.format(closed=closed_port(), open=port) + "/api/v1"
    configure(OPENROUTER_MAX_COST_PER_DAY="1", OPENROUTER_BASE_URL=address)
    app = App(settings.load(), IMPATIENT)
    for _ in range(3):
        with pytest.raises(OpenRouterError, match="could not be reached"):
            await buy(app, purchase_of(app))
    assert (await app.budget.remaining()).day_spent == 0
    await app.aclose()


@pytest.mark.parametrize("status", [301, 307, 400, 402, 403, 404, 413, 429, 502, 503, 529])
async def test_what_is_refused_is_not_spent(app, simulator: Simulator, status: int):
    simulator.answer_raw("no", status=status, media_type="text/html", path="/rerank", times=None)
    with pytest.raises(OpenRouterError):
        await buy(app, purchase_of(app))
    assert (await app.budget.remaining()).day_spent == 0


async def test_a_call_without_a_key_is_not_spent(connect, configure):
    configure(OPENROUTER_MAX_COST_PER_DAY="1", OPENROUTER_API_KEY="")
    async with connect() as client:
        result = await client.call_tool(
            "chat", {"prompt": "Hi", "model": OPUS}, raise_on_error=False
        )
        assert result.is_error
        assert await spent(client) == 0


async def test_a_call_that_is_cancelled_before_it_is_sent_is_not_spent(app):
    with pytest.raises(asyncio.CancelledError):
        async with purchase_of(app).request(MODEL, as_it_is(BODY, PRICE)):
            raise asyncio.CancelledError
    assert (await app.budget.remaining()).day_spent == 0


async def test_a_call_that_is_cancelled_between_two_attempts_is_not_spent(app, simulator):
    simulator.fail("rate_limited", path="/rerank", times=None)
    waiting = asyncio.Event()

    async def wait(_seconds: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    app.client.timing = replace(IMPATIENT, sleep=wait)
    buying = asyncio.create_task(buy(app, purchase_of(app)))
    await waiting.wait()
    buying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await buying
    assert (await app.budget.remaining()).day_spent == 0


async def test_what_was_sent_and_then_broke_counts_with_what_it_can_have_cost(app, simulator):
    simulator.fail("cut_before_headers", path="/rerank")
    with pytest.raises(OpenRouterError):
        await buy(app, purchase_of(app))
    assert (await app.budget.remaining()).day_spent == PRICE


async def test_a_chat_that_never_tells_its_cost_stays_within_its_limit(connect, simulator):
    simulator.answer_raw(*UNTOLD, times=None)
    async with connect(IMPATIENT) as client:
        asked = {"prompt": "Tell a story.", "model": OPUS, "max_cost": 0.01}
        await client.call_tool("chat", asked, raise_on_error=False)
    bodies = [request.body for request in chats(simulator)]
    row = simulator.model(OPUS)
    price = parse_usd(row["pricing"]["completion"])
    assert 0 < sum(body["max_completion_tokens"] * price for body in bodies) <= Decimal("0.01")


async def test_the_requests_of_one_call_share_its_limit_while_they_are_under_way(app, simulator):
    bought = purchase_of(app, Decimal("0.015"))
    async with bought.request(MODEL, as_it_is(BODY, PRICE)) as first:
        waiting = asyncio.create_task(buy(app, bought, told=True))
        await asyncio.sleep(0)
        assert simulator.requests == []
        first.usage = {"cost": 0.001}
    await waiting
    receipt = await bought.receipt()
    assert (receipt.cost, receipt.requests) == (Decimal("0.003"), 2)


async def test_a_cost_that_is_told_meanwhile_frees_the_limit_of_its_own_call(app, simulator):
    simulator.generation_misses = 3
    bought = purchase_of(app, Decimal("0.012"))
    app.client.timing = FAST
    await buy(app, bought)
    await buy(app, bought, told=True)
    assert [receipt.cost for receipt in bought.receipts] == [None, Decimal("0.002")]
    assert (await app.budget.remaining()).day_spent == Decimal("0.004")


async def test_many_costs_are_asked_for_together_and_none_too_often(app, simulator):
    for number in range(40):
        async with await app.budget.reserve("chat", "acme/writer", PRICE / 100) as held:
            await held.sent()
            await held.settle(None, generation_id=f"gen-unknown-{number}")
    assert await settle_leftovers(app.client, app.budget) == 0
    asked = [request.query["id"] for request in simulator.requests]
    assert sorted(asked) == sorted({*asked})
    assert len(asked) == 40


async def test_a_locked_file_refuses_what_a_cap_is_for_until_it_is_free_again(
    connect, configure, simulator, environment
):
    configure(OPENROUTER_MAX_COST_PER_DAY="1")
    path = Path(environment["OPENROUTER_STATE_DIR"], "state.db")
    async with connect(replace(IMPATIENT, store_lock=0)) as client:
        first = await client.call_tool("chat", {"prompt": "Hi", "model": OPUS})
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        refused = await client.call_tool(
            "chat", {"prompt": "Hi", "model": OPUS}, raise_on_error=False
        )
        assert refused.meta["openrouter/error"] == {"code": "BUDGET_EXCEEDED", "retryable": True}
        assert len(chats(simulator)) == 1
        holder.close()
        second = await client.call_tool("chat", {"prompt": "Hi", "model": OPUS})
        whole = [Decimal(each.meta["openrouter/receipt"]["cost"]) for each in (first, second)]
        assert await spent(client) == float(sum(whole))


async def test_without_a_cap_a_locked_file_loses_nothing(connect, simulator, environment):
    path = Path(environment["OPENROUTER_STATE_DIR"], "state.db")
    async with connect(replace(IMPATIENT, store_lock=0)) as client:
        await client.call_tool("chat", {"prompt": "Hi", "model": OPUS})
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        await client.call_tool("chat", {"prompt": "Hi", "model": OPUS, "thread_id": "new"})
        holder.close()
        used = (await client.call_tool("get_usage", {"by": "tool"})).data["here"]
        assert [(row["name"], row["calls"]) for row in used] == [("chat", 2)]
        threads = await client.call_tool("list_threads", {})
        assert "No conversations" not in threads.content[0].text
