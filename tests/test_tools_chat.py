"""`chat` as a client sees it, in both protocol eras: answers, receipts, failures."""

import json

import pytest

from openrouter_mcp import client as client_module
from openrouter_mcp.simulator.state import Script

META = "openrouter/receipt"
ERROR = "openrouter/error"
AUTO = "openrouter/auto"
FUNCTION = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
}


@pytest.fixture(autouse=True)
def _impatient(configure, monkeypatch) -> None:
    monkeypatch.setattr(client_module, "PATIENCE", 2.0)
    configure(OPENROUTER_STALL_TIMEOUT_SECONDS="0.3")


async def ask(client, **arguments):
    arguments = {"prompt": "Hello", "model": AUTO, **arguments}
    return await client.call_tool("chat", arguments, raise_on_error=False)


def text(result) -> str:
    return "\n".join(block.text for block in result.content)


def sent(simulator) -> list:
    return [r for r in simulator.requests if r.path.endswith("/chat/completions")]


async def test_the_answer_stands_above_its_receipt(client, simulator) -> None:
    simulator.answer("Paris.")
    result = await ask(client, prompt="Capital of France?", model="anthropic/claude-sonnet-5")
    answer, receipt = text(result).split("\n\n")
    assert answer == "Paris."
    assert receipt.startswith("-- anthropic/claude-sonnet-5 via Anthropic | ")
    assert receipt.endswith(result.meta[META]["generation_id"])
    assert result.structured_content is None


async def test_a_loose_name_is_resolved_and_the_receipt_tells_it(client, simulator) -> None:
    result = await ask(client, model="gemni flash")
    model = sent(simulator)[-1].body["model"]
    assert model.startswith("google/gemini")
    assert "flash" in model
    assert '"gemni flash"' in text(result).splitlines()[-1]


async def test_an_unknown_model_costs_nothing_and_names_the_nearest(client, simulator) -> None:
    result = await ask(client, model="clod sonnit 99")
    assert result.meta[ERROR]["code"] == "MODEL_NOT_FOUND"
    assert len(result.meta[ERROR]["suggestions"]) == 3
    assert sent(simulator) == []


async def test_a_router_tells_what_it_chose_and_why(client, simulator) -> None:
    result = await ask(client, model=AUTO)
    assert result.meta[META]["model"] != AUTO
    assert f"chosen by {AUTO}" in text(result).splitlines()[-1]


async def test_a_fallback_answers_only_when_it_was_listed(client, simulator) -> None:
    first, second = "anthropic/claude-opus-5", "openai/gpt-5-mini"
    simulator.fail("provider_error", model=first, times=None)
    alone = await ask(client, model=first)
    assert alone.is_error
    result = await ask(client, model=first, fallbacks=[second])
    assert result.meta[META]["model"] == second
    assert f"fallback from {first}" in text(result).splitlines()[-1]


async def test_reasoning_is_never_mistaken_for_the_answer(client, simulator) -> None:
    simulator.answer(Script(text="42", reasoning="Let me think."), times=2)
    plain = await ask(client)
    assert text(plain).startswith("42\n\n-- ")
    shown = await ask(client, options={"include_reasoning": True})
    assert text(shown).startswith("[reasoning]\nLet me think.\n[end of reasoning]\n\n42\n\n-- ")
    assert "include_reasoning" not in sent(simulator)[-1].body


async def test_the_callers_own_tools_come_back_as_parseable_json(client, simulator) -> None:
    simulator.answer(Script(tool_calls=[{"name": "weather", "arguments": {"city": "Paris"}}]))
    result = await ask(client, prompt="Weather?", options={"tools": [FUNCTION]})
    (call,) = json.loads(result.content[0].text)["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris"}
    assert result.meta["openrouter/message"]["tool_calls"] == [call]
    assert result.content[-1].text.splitlines()[-1].startswith("-- ")


async def test_options_reach_openrouter_and_the_cache_is_told(client, simulator) -> None:
    options = {"temperature": 0.5, "cache": 60, "provider": {"ignore": ["Azure"]}}
    first = await ask(client, model="openai/gpt-5-mini", options=json.dumps(options))
    second = await ask(client, model="openai/gpt-5-mini", options=options)
    body = sent(simulator)[0].body
    assert (body["temperature"], body["provider"]) == (0.5, {"ignore": ["azure"]})
    assert not first.meta[META]["from_cache"]
    assert second.meta[META]["from_cache"]
    assert "$0 (from cache" in text(second).splitlines()[-1]


async def test_an_answer_cut_by_length_says_so(client, simulator) -> None:
    simulator.answer("word " * 50)
    result = await ask(client, max_tokens=10)
    assert not result.is_error
    assert "[Cut off at the output limit. Raise max_tokens (it was 10)" in text(result)


async def test_reasoning_that_ate_the_budget_is_shown_as_such(client, simulator) -> None:
    simulator.fail("reasoning_only")
    result = await ask(client)
    assert "[reasoning]" in text(result)
    assert "[No answer: the output limit was used up by reasoning." in text(result)


@pytest.mark.parametrize(
    ("fault", "parameters", "code"),
    [
        ("missing_authentication", {}, "AUTH"),
        ("unknown_user", {}, "AUTH"),
        ("insufficient_credits", {}, "NO_CREDITS"),
        ("rate_limited", {"retry_after": 60}, "RATE_LIMITED"),
        ("platform_rate_limited", {}, "RATE_LIMITED"),
        ("moderation_flagged", {}, "REFUSED"),
        ("guardrail_blocked", {}, "REFUSED"),
        ("html_502", {}, "UPSTREAM_ERROR"),
        ("html_524", {}, "UPSTREAM_TIMEOUT"),
        ("empty_500", {}, "UPSTREAM_ERROR"),
        ("error_in_ok", {}, "UPSTREAM_ERROR"),
        ("html_200", {}, "UPSTREAM_ERROR"),
        ("malformed_json", {}, "UPSTREAM_ERROR"),
        ("context_too_long", {}, "CONTEXT_TOO_LONG"),
        ("null_content", {}, "UPSTREAM_ERROR"),
        ("refusal", {}, "REFUSED"),
        ("stall_before_headers", {}, "UPSTREAM_TIMEOUT"),
        ("stall_after_headers", {}, "UPSTREAM_TIMEOUT"),
        ("cut_before_headers", {}, "NETWORK"),
        ("redirected", {"location": "http://127.0.0.1:9/elsewhere"}, "UPSTREAM_ERROR"),
    ],
)
async def test_a_failure_is_a_sentence_and_a_code(client, simulator, fault, parameters, code):
    simulator.fail(fault, path="/chat/completions", times=None, **parameters)
    result = await ask(client)
    assert result.is_error
    assert result.meta[ERROR]["code"] == code
    message = text(result)
    assert len(message) < 500
    assert "<" not in message
    assert message.splitlines()[0].rstrip("]").endswith(".")
    simulator.faults.clear()
    assert not (await ask(client)).is_error


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("cut_stream", "NETWORK"),
        ("end_without_done", "UPSTREAM_ERROR"),
        ("stall_mid_stream", "UPSTREAM_TIMEOUT"),
        ("mid_stream_error", "RATE_LIMITED"),
        ("malformed_event", "UPSTREAM_ERROR"),
    ],
)
async def test_an_answer_that_broke_off_keeps_what_had_arrived(client, simulator, fault, code):
    simulator.answer("one two three four five six seven eight")
    simulator.fail(fault, path="/chat/completions")
    result = await ask(client)
    assert result.is_error
    assert result.meta[ERROR]["code"] == code
    assert text(result).startswith("one two")
    assert "[The answer stops here. " in text(result)
    assert text(result).splitlines()[-1].startswith("-- ")
    assert len(sent(simulator)) == 1


async def test_a_short_wait_that_openrouter_asks_for_is_waited_and_told(client, simulator) -> None:
    simulator.fail("rate_limited", path="/chat/completions", retry_after=0)
    heard = []

    async def listen(progress: float, _total: float | None, message: str | None) -> None:
        heard.append((progress, message))

    result = await client.call_tool(
        "chat", {"prompt": "Hello", "model": AUTO}, progress_handler=listen
    )
    assert not result.is_error
    assert len(sent(simulator)) == 2
    assert [p for p, _ in heard] == sorted({p for p, _ in heard})


async def test_without_a_key_nothing_is_sent_and_the_way_to_one_is_shown(
    configure, mode, simulator, monkeypatch
) -> None:
    from fastmcp import Client

    from openrouter_mcp import settings
    from openrouter_mcp.server import build

    configure(OPENROUTER_API_KEY="")
    async with Client(build(settings.load()), mode=mode) as client:
        result = await ask(client)
        assert result.meta[ERROR]["code"] == "AUTH"
        assert "https://openrouter.ai/keys" in text(result)
        assert not (await client.call_tool("find_models", {})).is_error
    assert sent(simulator) == []
