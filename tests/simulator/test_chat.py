import json
from datetime import UTC, datetime
from decimal import Decimal

import httpx2
import pytest

from openrouter_mcp.simulator.state import Script, Simulator
from tests.simulator.conftest import Api, chunks
from tests.support import oracle

METADATA = {"X-OpenRouter-Metadata": "enabled"}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
            "required": ["city", "days"],
        },
    },
}


def text(reply) -> str:
    return reply.json()["choices"][0]["message"]["content"]


def test_the_reply_has_the_official_shape_and_shows_what_was_asked(api: Api):
    reply = api.chat("Why is the sky blue?", headers=METADATA)
    body = reply.json()
    assert oracle.check_response("/chat/completions", body) == []
    assert text(reply) == "Simulated answer to: Why is the sky blue?"
    assert reply.headers["x-generation-id"] == body["id"]
    assert (body["provider"], body["service_tier"]) == ("Anthropic", "default")
    assert body["openrouter_metadata"]["attempt"] == 1


def test_a_stream_is_comments_role_text_finish_usage_done(api: Api):
    reply = api.chat(stream=True, headers=METADATA)
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.text.startswith(": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\ndata: {")
    assert reply.text.endswith("data: [DONE]\n\n")
    events = chunks(reply.text)
    assert [finding for chunk in events for finding in oracle.check_chunk(chunk)] == []
    assert {(chunk["provider"], chunk["id"]) for chunk in events} == {
        ("Anthropic", reply.headers["x-generation-id"])
    }
    *answer, finish, last = events
    assert answer[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    deltas = [chunk["choices"][0]["delta"]["content"] for chunk in answer]
    assert len(deltas) > 2
    assert "".join(deltas) == "Simulated answer to: Why is the sky blue?"
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert finish["choices"][0]["native_finish_reason"] == "end_turn"
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 11
    assert last["openrouter_metadata"]["strategy"] == "direct"


def test_reasoning_streams_before_the_text_and_is_counted(api: Api):
    events = api.stream(reasoning={"effort": "high"})
    assert [finding for chunk in events for finding in oracle.check_chunk(chunk)] == []
    deltas = [chunk["choices"][0]["delta"] for chunk in events if chunk["choices"]]
    thought = "".join(delta.get("reasoning", "") for delta in deltas)
    assert thought == "Thinking with high effort about: Why is the sky blue?"
    assert (
        "signature"
        in [delta for delta in deltas if "reasoning_details" in delta][-1]["reasoning_details"][0]
    )
    details = events[-1]["usage"]["completion_tokens_details"]
    assert details["reasoning_tokens"] == -(-len(thought) // 4)


def test_excluded_reasoning_is_billed_but_not_shown(api: Api):
    body = api.chat(reasoning={"effort": "high", "exclude": True}).json()
    assert "reasoning" not in body["choices"][0]["message"]
    assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0


def test_a_model_that_must_think_refuses_not_to_unless_it_is_meant_by_an_alias(api: Api):
    refused = api.chat(model="openai/gpt-5-mini", reasoning={"effort": "none"})
    assert refused.status_code == 400
    assert api.chat(model="~openai/gpt-mini-latest", reasoning_effort="none").status_code == 200


def test_a_function_that_the_prompt_names_is_called_with_valid_arguments(api: Api):
    body = api.chat("Use get_weather please", tools=[WEATHER]).json()
    assert oracle.check_response("/chat/completions", body) == []
    choice = body["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    (call,) = choice["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"city": "text", "days": 1}


def test_tool_calls_stream_in_fragments(api: Api, simulator: Simulator):
    simulator.answer(Script(tool_calls=[{"name": "get_weather", "arguments": {"city": "Oslo"}}]))
    events = api.stream(tools=[WEATHER])
    assert [finding for chunk in events for finding in oracle.check_chunk(chunk)] == []
    fragments = [
        fragment
        for chunk in events
        if chunk["choices"]
        for fragment in chunk["choices"][0]["delta"].get("tool_calls", [])
    ]
    assert fragments[0]["id"] == "call_1"
    assert fragments[0]["function"] == {"name": "get_weather", "arguments": ""}
    assert len(fragments) == 3
    arguments = "".join(fragment["function"]["arguments"] for fragment in fragments)
    assert json.loads(arguments) == {"city": "Oslo"}


def test_a_tool_result_ends_the_loop(api: Api):
    first = api.chat("Use get_weather please", tools=[WEATHER]).json()["choices"][0]["message"]
    messages = [
        {"role": "user", "content": "Use get_weather please"},
        {key: value for key, value in first.items() if value is not None},
        {"role": "tool", "tool_call_id": "call_1", "content": "12 degrees"},
    ]
    reply = api.chat(messages=messages, tools=[WEATHER])
    assert "12 degrees" in text(reply)
    assert reply.json()["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("choice", "called"), [("none", False), ("auto", False), ("required", True)]
)
def test_tool_choice_is_obeyed(api: Api, choice: str, called: bool):
    body = api.chat("Hello", tools=[WEATHER], tool_choice=choice).json()
    assert ("tool_calls" in body["choices"][0]["message"]) is called


def test_a_schema_gets_an_instance(api: Api):
    schema = {
        "type": "object",
        "properties": {
            "kind": {"enum": ["a", "b"]},
            "tags": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/tag"}},
            "extra": {"type": "string"},
        },
        "required": ["kind", "tags"],
        "$defs": {"tag": {"type": "string", "minLength": 2}},
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}}
    assert json.loads(text(api.chat(response_format=wanted))) == {"kind": "a", "tags": ["xx"]}
    assert "answer" in json.loads(text(api.chat(response_format={"type": "json_object"})))


def test_a_small_token_limit_cuts_the_answer(api: Api):
    body = api.chat(max_completion_tokens=3).json()
    assert body["choices"][0]["message"]["content"] == "Simulated an"
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] == 3


def test_reasoning_can_eat_the_whole_limit(api: Api):
    body = api.chat(model="openai/gpt-5-mini", max_tokens=5).json()
    assert body["choices"][0]["message"]["content"] == ""
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] == 5


def test_stop_cuts_before_the_sequence(api: Api):
    assert text(api.chat(stop=[" sky"])) == "Simulated answer to: Why is the"


def test_money_follows_the_catalogue(api: Api):
    usage = api.chat("x" * 400).json()["usage"]
    assert usage["prompt_tokens"] == 100
    expected = 100 * Decimal("0.000003") + usage["completion_tokens"] * Decimal("0.000015")
    assert usage["cost"] == float(expected)


def test_a_long_prompt_costs_more_only_strictly_above_the_threshold(api: Api, simulator: Simulator):
    simulator.answer("ok", times=2)
    at = api.chat("x" * 800_000).json()["usage"]
    assert at["prompt_tokens"] == 200_000
    assert at["cost"] == float(200_000 * Decimal("0.000003") + Decimal("0.000015"))
    above = api.chat("y" * 800_004).json()["usage"]
    assert above["cost"] == float(200_001 * Decimal("0.000006") + Decimal("0.0000225"))


@pytest.mark.parametrize(
    ("hour", "price"), [(12, "0.00000028"), (17, "0.00000014"), (0, "0.00000014")]
)
def test_prices_follow_the_clock(api: Api, simulator: Simulator, hour: int, price: str):
    simulator.clock = datetime(2026, 11, 21, hour, tzinfo=UTC).timestamp
    details = api.chat("x" * 400, model="deepseek/deepseek-v3.2").json()["usage"]["cost_details"]
    assert details["upstream_inference_prompt_cost"] == float(100 * Decimal(price))


def test_a_repeated_long_beginning_is_read_from_the_providers_cache(api: Api):
    assert api.chat("x" * 8000).json()["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    usage = api.chat("x" * 8000 + "tail").json()["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == 2000
    prompt = 2000 * Decimal("0.0000003") + 1 * Decimal("0.000003")
    assert usage["cost_details"]["upstream_inference_prompt_cost"] == float(prompt)


def test_a_search_is_counted_priced_and_cited(api: Api):
    body = api.chat(model="anthropic/claude-sonnet-5:online").json()
    assert oracle.check_response("/chat/completions", body) == []
    assert body["usage"]["server_tool_use_details"]["web_search_requests"] == 1
    assert body["usage"]["cost"] > 0.01
    assert body["choices"][0]["message"]["annotations"][0]["type"] == "url_citation"


def test_scripts_are_used_once_in_order_and_only_where_they_fit(api: Api, simulator: Simulator):
    simulator.answer("only for nano", model="openai/gpt-5-nano")
    simulator.answer("only for weather", prompt="weather")
    simulator.answer("first")
    simulator.answer("second, {echo}")
    assert text(api.chat("hi")) == "first"
    assert text(api.chat("hi")) == "second, Simulated answer to: hi"
    assert text(api.chat("weather?")) == "only for weather"
    assert text(api.chat("hi")) == "Simulated answer to: hi"
    assert text(api.chat("hi", model="openai/gpt-5-nano")) == "only for nano"


def test_a_reply_may_call_itself_by_another_name(api: Api, simulator: Simulator):
    simulator.answer(Script(model="acme-labs/anvil-2-20260915"))
    assert api.chat(model="acme-labs/anvil-2").json()["model"] == "acme-labs/anvil-2-20260915"


@pytest.mark.parametrize(
    ("model", "charged"), [("anthropic/claude-sonnet-5", False), ("google/gemini-3.5-flash", True)]
)
def test_leaving_a_stream_saves_money_only_with_some_providers(
    api: Api, simulator: Simulator, model: str, charged: bool
):
    simulator.fail("stall_mid_stream")
    with pytest.raises(httpx2.ReadTimeout):
        api.chat(model=model, stream=True, timeout=0.05)
    assert simulator.requests[0].ended.wait(10)
    assert (simulator.spent > 0) is charged
