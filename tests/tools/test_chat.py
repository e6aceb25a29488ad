"""`chat` as a client sees it, in both protocol eras: answers, receipts, failures."""

import json
import re
from collections.abc import AsyncIterator

import pytest
from fastmcp import Client

from openrouter_mcp.simulator.state import Script
from tests.support.eras import both_eras
from tests.support.results import ERROR, RECEIPT, text
from tests.support.upstream import AUTO, chats

FUNCTION = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
}


async def ask(client, **arguments):
    arguments = {"prompt": "Hello", "model": AUTO, **arguments}
    return await client.call_tool("chat", arguments, raise_on_error=False)


@both_eras
async def test_the_answer_stands_above_its_receipt(client, simulator) -> None:
    simulator.answer("Paris.")
    result = await ask(client, prompt="Capital of France?", model="anthropic/claude-sonnet-5")
    answer, receipt = text(result).split("\n\n")
    assert answer == "Paris."
    assert receipt.startswith("-- anthropic/claude-sonnet-5 via Anthropic | ")
    assert receipt.endswith(result.meta[RECEIPT]["generation_id"])
    assert result.structured_content is None


async def test_a_loose_name_is_resolved_and_the_receipt_tells_it(client, simulator) -> None:
    result = await ask(client, model="gemni flash")
    model = chats(simulator)[-1].body["model"]
    assert model.startswith("google/gemini")
    assert "flash" in model
    assert '"gemni flash"' in text(result).splitlines()[-1]


async def test_an_unknown_field_in_an_override_of_prices_breaks_no_call(client, simulator) -> None:
    id_ = "anthropic/claude-sonnet-5"
    simulator.model(id_)["pricing"]["overrides"] = [{"regions": ["eu"], "prompt": "0.00001"}]
    result = await ask(client, model=id_, dry_run=True)
    assert not result.is_error, text(result)


@both_eras
async def test_an_unknown_model_costs_nothing_and_names_the_nearest(client, simulator) -> None:
    result = await ask(client, model="clod sonnit 99")
    assert result.meta[ERROR]["code"] == "MODEL_NOT_FOUND"
    assert len(result.meta[ERROR]["suggestions"]) == 3
    assert chats(simulator) == []


async def test_a_router_tells_what_it_chose_and_why(client, simulator) -> None:
    result = await ask(client, model=AUTO)
    assert result.meta[RECEIPT]["model"] != AUTO
    assert f"chosen by {AUTO}" in text(result).splitlines()[-1]


async def test_a_fallback_answers_only_when_it_was_listed(client, simulator) -> None:
    first, second = "anthropic/claude-opus-5", "openai/gpt-5-mini"
    simulator.fail("provider_error", model=first, times=None)
    alone = await ask(client, model=first)
    assert alone.is_error
    result = await ask(client, model=first, fallbacks=[second])
    assert result.meta[RECEIPT]["model"] == second
    assert f"fallback from {first}" in text(result).splitlines()[-1]


async def test_reasoning_is_never_mistaken_for_the_answer(client, simulator) -> None:
    simulator.answer(Script(text="42", reasoning="Let me think."), times=2)
    plain = await ask(client)
    assert text(plain).startswith("42\n\n-- ")
    shown = await ask(client, options={"include_reasoning": True})
    assert text(shown).startswith("[reasoning]\nLet me think.\n[end of reasoning]\n\n42\n\n-- ")
    assert "include_reasoning" not in chats(simulator)[-1].body


async def test_the_callers_own_tools_come_back_as_parseable_json(client, simulator) -> None:
    simulator.answer(Script(tool_calls=[{"name": "weather", "arguments": {"city": "Paris"}}]))
    result = await ask(client, prompt="Weather?", options={"tools": [FUNCTION]})
    (call,) = json.loads(result.content[0].text)["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris"}
    assert result.meta["openrouter/message"]["tool_calls"] == [call]
    assert result.content[-1].text.splitlines()[-1].startswith("-- ")


async def test_in_a_thread_tool_calls_want_their_results_first(client, simulator):
    simulator.answer(Script(tool_calls=[{"name": "weather", "arguments": {"city": "Paris"}}]))
    began = await ask(client, prompt="Weather?", thread_id="new", options={"tools": [FUNCTION]})
    assert "send the tool messages alone" in text(began)
    (thread,) = re.findall(r'thread_id="(\w+)"', text(began))
    (tool_call,) = began.meta["openrouter/message"]["tool_calls"]
    refused = await ask(client, prompt="And now?", thread_id=thread)
    assert refused.meta["openrouter/error"]["code"] == "INVALID_INPUT"
    assert tool_call["id"] in text(refused)
    result = {"role": "tool", "tool_call_id": tool_call["id"], "content": "Rain."}
    assert not (await ask(client, prompt="", messages=[result], thread_id=thread)).is_error
    assert not (await ask(client, prompt="And now?", thread_id=thread)).is_error
    # Providers refuse tool calls in a request without tools.
    sent = simulator.requests[-1].body["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "assistant", "user"]
    assert "[weather gave]\nRain." in sent[1]["content"]


async def test_options_reach_openrouter_and_the_cache_is_told(client, simulator) -> None:
    options = {"temperature": 0.5, "cache": 60, "provider": {"ignore": ["Azure"]}}
    first = await ask(client, model="openai/gpt-5-mini", options=json.dumps(options))
    second = await ask(client, model="openai/gpt-5-mini", options=options)
    body = chats(simulator)[0].body
    assert (body["temperature"], body["provider"]) == (0.5, {"ignore": ["azure"]})
    assert not first.meta[RECEIPT]["from_cache"]
    assert second.meta[RECEIPT]["from_cache"]
    assert "$0 (from cache" in text(second).splitlines()[-1]


async def test_an_answer_cut_by_length_says_so(client, simulator) -> None:
    simulator.answer("word " * 50)
    result = await ask(client, max_tokens=10)
    assert not result.is_error
    assert "[Cut off at the output limit. Raise max_tokens (it was 10)" in text(result)


async def test_reasoning_that_ate_the_budget_is_shown_as_such(client, simulator) -> None:
    simulator.fail("reasoning_only", times=None)
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
        ("mid_stream_error", "RATE_LIMITED"),
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
    assert len(chats(simulator)) == 1


@pytest.fixture
async def impatient(configure, connect) -> AsyncIterator[Client]:
    """A client of a server that bears a second of silence."""
    configure(OPENROUTER_STALL_TIMEOUT_SECONDS="1")
    async with connect() as client:
        yield client


@pytest.mark.parametrize("fault", ["stall_before_headers", "stall_after_headers"])
async def test_a_silence_is_told_as_a_timeout(impatient, simulator, fault) -> None:
    simulator.fail(fault, path="/chat/completions", times=None)
    assert (await ask(impatient)).meta[ERROR]["code"] == "UPSTREAM_TIMEOUT"


async def test_a_silence_in_the_middle_keeps_what_had_arrived(impatient, simulator) -> None:
    simulator.answer("one two three four five six seven eight")
    simulator.fail("stall_mid_stream", path="/chat/completions")
    result = await ask(impatient)
    assert result.meta[ERROR]["code"] == "UPSTREAM_TIMEOUT"
    assert text(result).startswith("one two")
    assert len(chats(simulator)) == 1


@both_eras
async def test_a_short_wait_that_openrouter_asks_for_is_waited_and_told(client, simulator) -> None:
    simulator.fail("rate_limited", path="/chat/completions", retry_after=0)
    heard = []

    async def listen(progress: float, _total: float | None, message: str | None) -> None:
        heard.append((progress, message))

    result = await client.call_tool(
        "chat", {"prompt": "Hello", "model": AUTO}, progress_handler=listen
    )
    assert not result.is_error
    assert len(chats(simulator)) == 2
    assert [p for p, _ in heard] == sorted({p for p, _ in heard})


async def test_without_a_key_nothing_is_sent_and_the_way_to_one_is_shown(
    configure, connect, simulator, monkeypatch
) -> None:

    configure(OPENROUTER_API_KEY="")
    async with connect() as client:
        result = await ask(client)
        assert result.meta[ERROR]["code"] == "AUTH"
        assert "https://openrouter.ai/keys" in text(result)
        assert not (await client.call_tool("find_models", {})).is_error
    assert chats(simulator) == []


CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


async def test_an_answer_cut_by_length_is_continued_without_a_seam(client, simulator) -> None:
    simulator.answer(Script(text="Once upon a time there was a", finish_reason="length"))
    simulator.answer(Script(text="upon a time there was a king.", finish_reason="stop"))
    result = await ask(client, prompt="A tale", model="openai/gpt-5-mini")
    assert text(result).startswith("Once upon a time there was a king.\n\n-- ")
    assert result.meta[RECEIPT]["requests"] == 2
    assert "2 requests" in text(result).splitlines()[-1]
    assert [m["role"] for m in chats(simulator)[1].body["messages"]] == [
        "user",
        "assistant",
        "user",
    ]


async def test_continuing_stops_at_its_limits_and_says_so(client, simulator) -> None:
    simulator.answer(Script(text="on and ", finish_reason="length"), times=None)
    result = await ask(client, model="openai/gpt-5-mini")
    assert text(result).startswith("on and on and on and")
    assert len(chats(simulator)) == 3
    assert "[Cut off at the output limit. Raise max_tokens, or ask for the rest.]" in text(result)


async def test_reasoning_that_ate_the_budget_is_asked_again_with_less_effort(client, simulator):
    simulator.fail("reasoning_only")
    simulator.answer("42")
    result = await ask(client, model="anthropic/claude-sonnet-5")
    assert text(result).startswith("42\n\n")
    assert chats(simulator)[1].body["reasoning"]["effort"] in {"none", "minimal", "low"}


async def test_a_schema_gives_json_in_a_block_of_its_own(client, simulator) -> None:
    simulator.answer('```json\n{"city": "Paris",}\n```')
    result = await ask(client, model="openai/gpt-5-mini", schema=CITY)
    assert json.loads(result.content[0].text) == {"city": "Paris"}
    assert result.content[-1].text.startswith("-- ")
    body = chats(simulator)[0].body
    assert body["response_format"]["json_schema"]["strict"] is True
    assert body["provider"]["require_parameters"] is True


async def test_json_that_does_not_fit_is_mended_once_and_the_receipt_counts_it(client, simulator):
    simulator.answer('{"town": "Paris"}')
    simulator.answer('{"city": "Paris"}')
    result = await ask(client, model="openai/gpt-5-mini", schema=CITY)
    assert json.loads(result.content[0].text) == {"city": "Paris"}
    assert result.meta[RECEIPT]["requests"] == 2
    assert "city" in chats(simulator)[1].body["messages"][-1]["content"]


async def test_json_that_never_fits_is_an_error_that_shows_it(client, simulator) -> None:
    simulator.answer("I would rather not.", times=None)
    result = await ask(client, model="openai/gpt-5-mini", schema=CITY)
    assert result.is_error
    assert "I would rather not." in text(result)
    assert len(chats(simulator)) == 2


async def test_a_call_that_does_not_fit_max_cost_is_refused_before_it_is_sent(client, simulator):
    result = await ask(client, model="anthropic/claude-opus-5", max_tokens=50_000, max_cost=0.01)
    assert result.meta[ERROR]["code"] == "BUDGET_EXCEEDED"
    assert "lower max_tokens to " in text(result)
    assert "Set max_cost to 1." in text(result)
    assert chats(simulator) == []
    (allowed,) = [word for word in text(result).split() if word.startswith("1.")]
    agreed = await ask(
        client, model="anthropic/claude-opus-5", max_tokens=50_000, max_cost=float(allowed)
    )
    assert not agreed.is_error


async def test_max_cost_derives_an_output_limit_and_bounds_a_router(client, simulator) -> None:
    await ask(client, model="anthropic/claude-opus-5", max_cost=0.01)
    await ask(client, model=AUTO, max_cost=0.5)
    plain, router = (request.body for request in chats(simulator))
    assert 16 <= plain["max_completion_tokens"] < 500
    assert {"prompt", "completion"} == router["provider"]["max_price"].keys()


async def test_a_dry_run_shows_request_and_price_and_sends_nothing(client, simulator) -> None:
    result = await ask(
        client, prompt="Hello " * 100, model="openai/gpt-5-mini", max_tokens=100, dry_run=True
    )
    assert "Dry run: nothing was sent." in text(result)
    estimate = result.meta["openrouter/estimate"]
    assert 0 < float(estimate["usd_least"]) < float(estimate["usd_most"])
    assert '"tag": "openai"' in text(result)
    assert '"max_completion_tokens": 100' in text(result)
    assert chats(simulator) == []


async def test_a_dry_run_without_an_output_limit_takes_the_models_own(client) -> None:
    free = await ask(client, model="openai/gpt-5-mini", dry_run=True)
    known = (await ask(client, model="openai/gpt-5-mini", dry_run=True, max_tokens=100)).meta
    limit = free.meta["openrouter/estimate"]["output_tokens"]
    assert f"Output: {limit:,} tokens at most, all that the model can give" in text(free)
    own = (await client.call_tool("get_model", {"model": "openai/gpt-5-mini"})).structured_content
    assert limit == own["model"]["max_output"] > 100
    prices = [float(each["openrouter/estimate"]["usd_most"]) for each in (free.meta, known)]
    assert prices[0] > prices[1] * limit / 100 * 0.9
    assert "2 more requests may follow" in text(free)
    router = await ask(client, model=AUTO, dry_run=True)
    assert "no limit known: set max_tokens or max_cost" in text(router)


async def test_estimates_are_never_below_the_bill_nor_far_above_it(client, simulator) -> None:
    prompt = "The quick brown fox jumps over the lazy dog. " * 50
    for model in ("openai/gpt-5-mini", "anthropic/claude-opus-5", "google/gemini-3.5-flash"):
        simulator.answer(Script(text="word " * 2000, finish_reason="length"))
        known = {"prompt": prompt, "model": model, "max_tokens": 200}
        estimate = (await ask(client, **known, dry_run=True)).meta["openrouter/estimate"]
        most = float(estimate["usd_most"])
        simulator.answer(Script(text="word " * 160, finish_reason="stop"))
        paid = float((await ask(client, **known, max_cost=most)).meta[RECEIPT]["cost"])
        assert paid <= most <= 2 * paid


async def test_the_web_is_searched_and_its_pages_are_listed(client, simulator) -> None:
    result = await ask(client, prompt="News?", model="openai/gpt-5-mini", web=True)
    (tool,) = chats(simulator)[0].body["tools"]
    assert tool["type"] == "openrouter:web_search"
    assert "Sources:\n1. " in text(result)
    assert "web search" in text(result).splitlines()[-1]
    assert result.meta["openrouter/untrusted"] is True


async def test_files_go_to_the_model_and_not_into_the_reply(client, simulator, tmp_path) -> None:
    (tmp_path / "notes.txt").write_text("The code word is xylophone.")
    result = await ask(client, prompt="What is it?", files=[str(tmp_path / "*.txt")])
    content = chats(simulator)[0].body["messages"][0]["content"]
    assert "xylophone" in content[0]["text"]
    assert str(tmp_path / "notes.txt") in content[0]["text"].splitlines()[0]
    assert content[-1] == {"type": "text", "text": "What is it?"}
    shown = await ask(client, prompt="?", files=[str(tmp_path / "notes.txt")], dry_run=True)
    assert "Dry run" in text(shown)
    assert not result.is_error


async def test_a_long_reply_is_saved_and_its_head_shown(configure, connect, simulator, tmp_path):

    configure(OPENROUTER_MAX_REPLY_CHARS="1000", OPENROUTER_OUTPUT_DIR=str(tmp_path / "out"))
    simulator.answer("x" * 5000)
    async with connect() as client:
        result = await ask(client)
    (saved,) = (tmp_path / "out").iterdir()
    assert saved.read_text() == "x" * 5000
    assert str(saved) in text(result)
    assert text(result).count("x") < 1100


async def test_a_thread_remembers_and_any_model_continues_it(client, simulator, tmp_path) -> None:
    (tmp_path / "code.txt").write_text("xylophone")
    first = await ask(
        client,
        prompt="Remember this.",
        system="Be brief.",
        files=[str(tmp_path / "code.txt")],
        thread_id="new",
    )
    (thread,) = [w for w in text(first).split('"') if w.startswith("thread_")]
    second = await ask(client, prompt="What was it?", model="haiku", thread_id=thread)
    assert not second.is_error
    sequence = chats(simulator)[-1].body["messages"]
    assert [m["role"] for m in sequence] == ["system", "user", "assistant", "user"]
    assert "xylophone" in sequence[1]["content"][0]["text"]
    assert sequence[-1]["content"] == "What was it?"


async def test_a_failed_turn_leaves_the_thread_as_it_was(client, simulator) -> None:
    first = await ask(client, prompt="One", thread_id="new")
    (thread,) = [w for w in text(first).split('"') if w.startswith("thread_")]
    simulator.fail("insufficient_credits", path="/chat/completions")
    assert (await ask(client, prompt="Two", thread_id=thread)).is_error
    await ask(client, prompt="Three", thread_id=thread)
    said = [m["content"] for m in chats(simulator)[-1].body["messages"] if m["role"] == "user"]
    assert said == ["One", "Three"]


async def test_an_unknown_thread_is_refused_before_anything_is_sent(client, simulator) -> None:
    result = await ask(client, prompt="x", thread_id="thread_nowhere")
    assert result.meta[ERROR]["code"] == "NOT_FOUND"
    assert chats(simulator) == []


@both_eras
@pytest.mark.parametrize("action", ["accept", "decline"])
async def test_a_dear_call_asks_the_user_first(configure, connect, simulator, action) -> None:
    from fastmcp.client.elicitation import ElicitResult

    configure(OPENROUTER_CONFIRM_ABOVE="0.001")
    asked = []

    async def answer(message, _type, params, _context):
        asked.append(message)
        return ElicitResult(action=action)

    dear = {"model": "anthropic/claude-opus-5", "max_tokens": 1000}
    async with connect(elicitation_handler=answer) as client:
        result = await ask(client, **dear)
        await ask(client, model="openai/gpt-5-mini", max_tokens=20)
    assert len(asked) == 1
    assert "can cost up to $0.0301" in asked[0]
    assert result.is_error is (action == "decline")


@pytest.mark.parametrize("tool", ["chat", "complete_text"])
@pytest.mark.parametrize(
    ("cap", "step"),
    [
        ("0.5", "Raise OPENROUTER_MAX_COST_PER_CALL and restart this server to allow it, lower"),
        ("5", "Set max_cost to 1."),
    ],
)
async def test_max_cost_is_not_to_be_set_above_the_cap_of_a_call(
    configure, simulator, tool, cap, step, connect
) -> None:

    configure(OPENROUTER_MAX_COST_PER_CALL=cap)
    dear = {"model": "anthropic/claude-opus-5", "max_tokens": 50_000, "max_cost": 0.01}
    async with connect() as client:
        refused = await client.call_tool(tool, {"prompt": "Hi", **dear}, raise_on_error=False)
    assert refused.meta[ERROR]["code"] == "BUDGET_EXCEEDED"
    assert step in text(refused)
    assert chats(simulator) == []


async def test_json_is_never_cut_however_long_it_is(configure, simulator, connect) -> None:

    configure(OPENROUTER_MAX_REPLY_CHARS="1000")
    whole = {"city": "x" * 2000}
    simulator.answer(json.dumps(whole))
    async with connect() as client:
        result = await ask(client, model="openai/gpt-5-mini", schema=CITY)
    assert json.loads(result.content[0].text) == whole
    assert "characters; all are in" not in text(result)


async def test_fallbacks_in_options_may_be_one_bare_name(client, simulator) -> None:
    await ask(client, model="openai/gpt-5-mini", options={"models": "anthropic/claude-opus-5"})
    assert chats(simulator)[0].body["models"] == ["anthropic/claude-opus-5"]
