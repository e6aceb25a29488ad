"""How the money of one request ends, whatever happens to the request."""

import asyncio
from decimal import Decimal

import pytest

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.settings import Settings
from openrouter_mcp.spending.budget import Budget
from openrouter_mcp.spending.ledger import State
from openrouter_mcp.state.store import Store


@pytest.fixture
async def budget(tmp_path):
    store = Store(tmp_path)
    yield Budget(Settings(max_cost_per_day=Decimal(5)), store, clock=lambda: 1_700_000_000.0)
    await store.aclose()


def failure(status):
    return OpenRouterError(Code.UPSTREAM_ERROR, "It failed. Call again.", http_status=status)


async def ended(budget, error=None, *, sent=True, generation_id=""):
    """How a reservation of $1 ends that is left with this error, and what it still takes away."""
    caught = None
    try:
        async with await budget.reserve("chat", "acme/writer", Decimal(1)) as reservation:
            if sent:
                await reservation.sent()
            if generation_id:
                await reservation.generation(generation_id)
            if error:
                raise error
    except (OpenRouterError, asyncio.CancelledError) as raised:
        caught = raised
    assert caught is error
    return reservation.entry.state, (await budget.remaining()).day_spent


async def test_what_was_never_sent_is_released(budget):
    assert await ended(budget, asyncio.CancelledError(), sent=False) == (State.RELEASED, 0)


@pytest.mark.parametrize("status", [400, 401, 402, 404, 429, 502, 503, 529])
async def test_what_openrouter_refused_is_released(budget, status):
    assert await ended(budget, failure(status)) == (State.RELEASED, 0)


@pytest.mark.parametrize("status", [None, 408, 499, 500, 504, 524])
async def test_what_may_be_billed_though_it_failed_counts_as_reserved(budget, status):
    assert await ended(budget, failure(status)) == (State.SETTLED, 1)


async def test_a_failure_in_the_middle_of_an_answer_is_looked_up(budget):
    assert await ended(budget, failure(502), generation_id="gen-1") == (State.PENDING, 1)


async def test_a_cancelled_answer_is_looked_up(budget):
    end = await ended(budget, asyncio.CancelledError(), generation_id="gen-1")
    assert end == (State.PENDING, 1)


async def test_what_was_cancelled_before_any_byte_counts_as_reserved(budget):
    assert await ended(budget, asyncio.CancelledError()) == (State.SETTLED, 1)


async def test_what_was_settled_stays_settled_though_the_rest_is_cancelled(budget):
    reservation = await budget.reserve("chat", "acme/writer", Decimal(1))
    settled = asyncio.Event()

    async def call():
        async with reservation:
            await reservation.sent()
            await reservation.settle(Decimal("0.25"))
            settled.set()
            await asyncio.Event().wait()

    calling = asyncio.create_task(call())
    await settled.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert (await budget.remaining()).day_spent == Decimal("0.25")


async def test_a_cost_that_comes_after_all_settles_it(budget):
    async with await budget.reserve("chat", "acme/writer", Decimal(1)) as reservation:
        await reservation.sent()
        await reservation.settle(None, generation_id="gen-1")
        await reservation.settle(Decimal("0.25"))
    assert (await budget.find("gen-1")).cost == Decimal("0.25")


async def test_sending_that_is_cancelled_sends_nothing(budget):
    reservation = await budget.reserve("chat", "acme/writer", Decimal(1))

    async def send():
        async with reservation:
            await reservation.sent()

    sending = asyncio.create_task(send())
    await asyncio.sleep(0)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert (await budget.remaining()).day_spent == 0
