"""`compare_models` and `complete_text` as a client sees them, in both protocol eras."""

import pytest

from openrouter_mcp.simulator.state import Script

META = "openrouter/receipt"
ERROR = "openrouter/error"
THREE = ["anthropic/claude-sonnet-5", "openai/gpt-5-mini", "google/gemini-3.5-flash"]


async def compare(client, **arguments):
    arguments = {"prompt": "Hello", "models": THREE, **arguments}
    return await client.call_tool("compare_models", arguments, raise_on_error=False)


def text(result) -> str:
    return "\n".join(block.text for block in result.content)


def sent(simulator) -> list:
    return [r for r in simulator.requests if r.path.endswith("/chat/completions")]


async def test_every_model_answers_in_one_table_with_one_receipt(client, simulator) -> None:
    result = await compare(client)
    rows = [line for line in text(result).splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0][2:] for row in rows[1:]] == THREE
    assert [f"## {model}" in text(result) for model in THREE] == [True] * 3
    assert text(result).splitlines()[-1].startswith("-- 3 models | ")
    costs = [float(receipt["cost"]) for receipt in result.meta["openrouter/receipts"]]
    assert float(result.meta[META]["cost"]) == pytest.approx(sum(costs))


async def test_a_failing_model_hides_no_other(client, simulator) -> None:
    simulator.fail("provider_error", model=THREE[1], times=None)
    result = await compare(client)
    assert not result.is_error
    assert "| openai/gpt-5-mini | | | | | UPSTREAM_ERROR |" in text(result)
    assert "Simulated answer to: Hello" in text(result)


async def test_when_all_fail_the_first_reason_is_told(client, simulator) -> None:
    simulator.fail("insufficient_credits", path="/chat/completions", times=None)
    result = await compare(client)
    assert result.meta[ERROR]["code"] == "NO_CREDITS"


async def test_the_judge_is_blind_and_its_labels_are_mapped_back(client, simulator) -> None:
    for model, answer in zip(THREE, ("one", "two", "three"), strict=True):
        simulator.answer(answer, model=model)
    result = await compare(client, judge="anthropic/claude-opus-5")
    judged = sent(simulator)[-1].body
    assert judged["model"] == "anthropic/claude-opus-5"
    assert not any(model in judged["messages"][-1]["content"] for model in THREE)
    assert "Ranked blind by anthropic/claude-opus-5:" in text(result)
    assert len(result.meta["openrouter/receipts"]) == 4


async def test_without_names_a_spread_is_asked_and_explained(client, simulator) -> None:
    result = await compare(client, models=[])
    asked = {request.body["model"] for request in sent(simulator)}
    assert len(asked) >= 2
    assert text(result).count("intelligence index") == len(asked)


async def test_one_budget_bounds_all_of_them(client, simulator) -> None:
    refused = await compare(client, models=["opus", "sonnet"], max_cost=0.0001)
    assert refused.meta[ERROR]["code"] == "BUDGET_EXCEEDED"
    assert sent(simulator) == []
    result = await compare(client, max_cost=0.03)
    assert float(result.meta[META]["cost"]) <= 0.03


async def test_raw_text_goes_on_with_a_receipt(client, simulator) -> None:
    simulator.answer(Script(text=" a time, there was"))
    result = await client.call_tool(
        "complete_text",
        {"prompt": "Once upon", "model": "openai/gpt-5-mini", "max_tokens": 20, "stop": ["\n"]},
    )
    assert text(result).startswith("a time, there was\n\n-- openai/gpt-5-mini via ")
    body = simulator.requests[-1].body
    assert (body["prompt"], body["max_tokens"], body["stop"]) == ("Once upon", 20, ["\n"])


async def test_where_there_are_no_completions_chat_is_recommended(client, simulator) -> None:
    simulator.fail("not_found", path="/completions")
    result = await client.call_tool(
        "complete_text", {"prompt": "x", "model": "openai/gpt-5-mini"}, raise_on_error=False
    )
    assert result.meta[ERROR]["code"] == "MODEL_UNAVAILABLE"
    assert "Use chat" in text(result)
