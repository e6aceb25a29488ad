"""Money for one request, where several calls and processes want it."""

import asyncio

import pytest

from openrouter_mcp import settings
from openrouter_mcp.api.client import OpenRouter
from openrouter_mcp.simulator.state import Script
from openrouter_mcp.spending.paid_request import cost_of
from tests.api.test_client import OK, replying
from tests.support.timing import FAST
from tests.support.upstream import AUTO


async def test_a_router_leaves_money_for_other_calls(configure, connect, simulator) -> None:
    configure(OPENROUTER_MAX_COST_PER_DAY="1", OPENROUTER_WAIT_SECONDS="0.5")
    simulator.answer(Script(text="word " * 200, chunk_delay=0.05), prompt="Count")
    async with connect() as client:
        slow = await client.call_tool("chat", {"prompt": "Count", "model": AUTO})
        assert slow.meta["openrouter/job"]["state"] == "running"
        quick = await client.call_tool("chat", {"prompt": "Hello", "model": AUTO})
    assert "today $" in quick.content[-1].text


async def test_who_finds_all_money_held_waits_for_it(configure, connect, simulator) -> None:
    configure(OPENROUTER_MAX_COST_PER_DAY="0.01")
    simulator.answer(Script(text="word " * 20, chunk_delay=0.05))
    async with connect() as client:
        ask = {"prompt": "Hello", "model": "anthropic/claude-opus-5"}
        asked = [client.call_tool("chat", ask) for _ in range(2)]
        results = await asyncio.gather(*asked)
    assert [result.is_error for result in results] == [False, False]
    bodies = [r.body for r in simulator.requests if r.path.endswith("/chat/completions")]
    assert all(body["max_completion_tokens"] > 16 for body in bodies)


@pytest.mark.parametrize("told", [b"[]", b'{"data": 7}', b'{"data": {"total_cost": []}}'])
async def test_a_cost_that_is_told_in_no_known_way_is_not_known_yet(configure, told: bytes):
    async with replying(OK + b"\r\n" + told) as address:
        configure(OPENROUTER_BASE_URL=address)
        client = OpenRouter(settings.load(), FAST)
        assert await cost_of(client, "gen-1") is None
        await client.aclose()
