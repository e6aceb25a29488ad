"""Where nothing is left, nothing is paid, whatever its price is thought to be."""

from decimal import Decimal

import pytest

from openrouter_mcp.simulator.state import Simulator
from tests.support.upstream import paid

CAP = Decimal("0.001")
RERANK = "cohere/rerank-v3.5"


def without_price(simulator: Simulator, model: str) -> None:
    simulator.catalogue = [
        {**row, "pricing": {}} if row["id"] == model else row for row in simulator.catalogue
    ]


async def code(client, tool: str, **arguments) -> str:
    result = await client.call_tool(tool, arguments, raise_on_error=False)
    return (result.meta or {}).get("openrouter/error", {}).get("code", "answered")


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("chat", {"prompt": "Hi", "model": "openrouter/auto"}),
        ("chat", {"prompt": "Hi", "model": "anthropic/claude-opus-5"}),
        ("complete_text", {"prompt": "Hi", "model": "openai/gpt-5-mini"}),
        ("rerank_documents", {"query": "a", "documents": ["a"], "model": RERANK}),
        ("embed_texts", {"texts": ["a"]}),
        ("generate_image", {"prompt": "A cat"}),
        ("generate_audio", {"text": "Hi"}),
        ("generate_video", {"prompt": "A cat"}),
    ],
)
async def test_nothing_left_is_nothing_left(connect, configure, simulator, tool, arguments):
    configure(OPENROUTER_MAX_COST_PER_DAY=str(CAP))
    without_price(simulator, RERANK)
    async with connect() as client:
        # One call overshoots: its price is another than the catalogue's.
        simulator.answer_raw(
            {"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]},
            {"choices": [], "usage": {"cost": 0.001}},
            "data: [DONE]\n\n",
        )
        spending = {"prompt": "Hi", "model": "openai/gpt-5-mini", "max_tokens": 16}
        assert await code(client, "chat", **spending) == "answered"
        sent = len(paid(simulator))
        assert await code(client, tool, **arguments) == "BUDGET_EXCEEDED"
        assert len(paid(simulator)) == sent


async def test_a_model_without_a_price_stays_within_the_cap_and_blocks_nobody(
    connect, configure, simulator
):
    configure(OPENROUTER_MAX_COST_PER_DAY="0.5")
    without_price(simulator, RERANK)
    ask = {"query": "a", "documents": ["a"], "model": RERANK}
    simulator.fail("cut_before_headers", path="/rerank")
    async with connect() as client:
        assert await code(client, "rerank_documents", **ask) == "NETWORK"
        spent = (await client.call_tool("get_account", {})).data["budgets"]["day_spent"]
        assert 0 < spent <= 0.1
        assert await code(client, "chat", prompt="Hi", model="openai/gpt-5-mini") == "answered"
