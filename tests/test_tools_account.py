"""Feedback against the simulator."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from openrouter_mcp import settings
from openrouter_mcp.app import App
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.simulator.state import MANAGEMENT_KEY
from openrouter_mcp.tools.account import send_feedback

Make = Callable[..., Awaitable[App]]


@pytest.fixture
async def make(configure) -> AsyncIterator[Make]:
    apps = []

    async def app(**variables: str) -> App:
        configure(**variables)
        apps.append(App.make(settings.load()))
        return apps[-1]

    yield app
    for made in apps:
        await made.aclose()


async def test_feedback_goes_out_with_the_management_key(make: Make, simulator):
    app = await make(OPENROUTER_MANAGEMENT_KEY=MANAGEMENT_KEY)
    assert await send_feedback("gen-1", "latency", "Slow.", app=app) == {"sent": True}
    sent = simulator.requests[-1]
    assert sent.headers["authorization"] == f"Bearer {MANAGEMENT_KEY}"
    assert sent.body == {"generation_id": "gen-1", "category": "latency", "comment": "Slow."}


async def test_an_ordinary_key_is_tried_and_its_refusal_explained(make: Make, simulator):
    app = await make()
    with pytest.raises(OpenRouterError, match="OPENROUTER_MANAGEMENT_KEY") as caught:
        await send_feedback("gen-1", "other", app=app)
    assert caught.value.code is Code.PERMISSION
    assert len(simulator.requests) == 1


async def test_an_unknown_key_is_named(make: Make):
    app = await make(OPENROUTER_MANAGEMENT_KEY="sk-or-v1-unknown")
    with pytest.raises(OpenRouterError) as caught:
        await send_feedback("gen-1", "other", app=app)
    assert caught.value.code is Code.AUTH


async def test_an_unknown_generation_is_not_found(make: Make):
    app = await make(OPENROUTER_MANAGEMENT_KEY=MANAGEMENT_KEY)
    with pytest.raises(OpenRouterError, match="receipt") as caught:
        await send_feedback("1", "other", app=app)
    assert caught.value.code is Code.NOT_FOUND
