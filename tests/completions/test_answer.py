"""Answers read chunk by chunk, and how they end."""

import asyncio
import copy
import json
from typing import Any

import httpx2
import pytest

from openrouter_mcp import settings
from openrouter_mcp.api.client import OpenRouter
from openrouter_mcp.api.responses import EventStream
from openrouter_mcp.completions import answer as answer_module
from openrouter_mcp.completions.answer import FURTHER_STEP, Answer, Listener, complete
from openrouter_mcp.completions.request import CallerRequest, compose
from openrouter_mcp.errors import NEXT_STEP, Code, OpenRouterError
from openrouter_mcp.models.names import Resolution
from openrouter_mcp.simulator.state import Script, Simulator
from openrouter_mcp.spending import receipts
from tests.api.test_client import SSE, replying
from tests.support.processes import until
from tests.support.timing import FAST

MODEL = "openai/gpt-5-mini"


def event(**fields: Any) -> str:
    head = {"id": "gen-1", "object": "chat.completion.chunk", "created": 1}
    return f"data: {json.dumps(head | fields)}\n\n"


def choice(finish_reason: str | None = None, **delta: Any) -> list[dict]:
    return [{"index": 0, "delta": delta, "finish_reason": finish_reason}]


async def read(*events: str) -> Answer:
    """The answer that these events make, read as they come from OpenRouter."""
    response = httpx2.Response(
        200,
        headers={"content-type": "text/event-stream"},
        content="".join(events).encode(),
        request=httpx2.Request("POST", "http://127.0.0.1"),
    )
    answer = Answer()
    async for chunk in EventStream(response):
        answer.add(chunk)
    return answer


async def test_a_plain_stream_gives_text_usage_and_who_answered():
    metadata = {"requested": "~acme/gem-latest", "strategy": "latest"}
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "cost": 0.0000425}
    who = {"model": "acme/gem-5", "provider": "Acme"}
    answer = await read(
        ": OPENROUTER PROCESSING\n\n",
        ": OPENROUTER PROCESSING\n\n",
        event(**who, choices=choice(role="assistant", content="")),
        event(**who, choices=choice(content="Hel")),
        "\n",
        event(**who, choices=choice("stop", content="lo")),
        event(**who, choices=[], usage=usage, openrouter_metadata=metadata),
        "data: [DONE]\n\n",
    )
    assert answer.text == "Hello"
    assert answer.finish_reason == "stop"
    assert (answer.generation_id, answer.model, answer.provider) == ("gen-1", "acme/gem-5", "Acme")
    assert answer.usage == usage
    assert answer.metadata == metadata
    assert answer.error is None
    assert answer.message() == {"role": "assistant", "content": "Hello"}


FORMAT = {"index": 0, "format": "anthropic-claude-v1"}
THOUGHT = {"type": "reasoning.text", "text": "Need weather", **FORMAT}


async def test_tool_calls_and_reasoning_are_put_together_from_fragments():
    name = {"index": 0, "id": "toolu_1", "type": "function"}
    name["function"] = {"name": "get_weather", "arguments": ""}
    arguments = [{"index": 0, "function": {"arguments": part}} for part in ('{"city":', '"Paris"}')]
    answer = await read(
        event(
            choices=choice(content="", reasoning="Need weather", reasoning_details=[THOUGHT]),
        ),
        event(
            choices=choice(
                reasoning_details=[{"type": "reasoning.text", "signature": "EqQB", **FORMAT}]
            )
        ),
        event(choices=choice(tool_calls=[name])),
        event(choices=choice(tool_calls=arguments[:1])),
        event(choices=choice(tool_calls=arguments[1:])),
        event(choices=choice("tool_calls", content=""), usage={"cost": 0.0015}),
        "data: [DONE]\n\n",
    )
    assert answer.reasoning == "Need weather"
    assert answer.finish_reason == "tool_calls"
    assert answer.message() == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "toolu_1",
                "type": "function",
                "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'},
            }
        ],
        "reasoning_details": [THOUGHT | {"signature": "EqQB"}],
    }


async def test_parallel_tool_calls_are_told_apart_by_their_index():
    def fragment(index: int, **fields: Any) -> str:
        function = {name: fields.pop(name) for name in ("name", "arguments") if name in fields}
        return event(choices=choice(tool_calls=[{"index": index, **fields, "function": function}]))

    answer = await read(
        fragment(0, id="a", name="first", arguments=""),
        fragment(1, id="b", name="second", arguments=""),
        fragment(1, arguments='{"y"'),
        fragment(0, arguments='{"x"'),
        fragment(0, arguments=":1}"),
        fragment(1, arguments=":2}"),
    )
    calls = answer.message()["tool_calls"]
    assert [call["id"] for call in calls] == ["a", "b"]
    assert [call["function"]["name"] for call in calls] == ["first", "second"]
    assert [call["function"]["arguments"] for call in calls] == ['{"x":1}', '{"y":2}']


@pytest.mark.parametrize("position", [{}, {"index": None}], ids=["missing", "null"])
async def test_tool_calls_without_an_index_stay_apart(position: dict):
    calls = [
        {**position, "id": name, "function": {"name": name, "arguments": "{}"}} for name in "ab"
    ]
    answer = await read(event(choices=choice("tool_calls", tool_calls=calls)))
    assert [call["id"] for call in answer.message()["tool_calls"]] == ["a", "b"]


async def test_tool_calls_that_share_an_index_are_told_apart_by_id_and_name():
    def fragment(id_: str, **function: str) -> str:
        return event(choices=choice(tool_calls=[{"index": 0, "id": id_, "function": function}]))

    answer = await read(
        fragment("a", name="first", arguments='{"x"'),
        # vLLM once gave every fragment an id of its own.
        fragment("a2", arguments=":1}"),
        fragment("b", name="second", arguments=""),
        fragment("", arguments='{"y":2}'),
    )
    functions = [call["function"] for call in answer.message()["tool_calls"]]
    assert functions == [
        {"name": "first", "arguments": '{"x":1}'},
        {"name": "second", "arguments": '{"y":2}'},
    ]


async def test_arguments_of_a_tool_call_may_come_as_an_object():
    call = {"index": 0, "id": "a", "function": {"name": "first", "arguments": {"x": [1]}}}
    answer = await read(event(choices=choice(tool_calls=[call])))
    (told,) = answer.message()["tool_calls"]
    assert told["function"]["arguments"] == '{"x": [1]}'


@pytest.mark.parametrize("nothing", ["", None], ids=repr)
async def test_a_late_signature_leaves_the_reasoning_as_it_was(nothing: str | None):
    """Providers send the signature in a fragment of its own, whose text is empty or null."""
    late = {"type": "reasoning.text", "text": nothing, "signature": "sig", **FORMAT}
    later = {"type": "reasoning.text", "text": nothing, "signature": None, **FORMAT}
    answer = await read(
        event(choices=choice(reasoning_details=[THOUGHT | {"text": "Need "}])),
        event(choices=choice(reasoning_details=[THOUGHT | {"text": "weather"}])),
        event(choices=choice(reasoning_details=[late])),
        event(choices=choice(reasoning_details=[later])),
    )
    assert answer.message()["reasoning_details"] == [THOUGHT | {"signature": "sig"}]


async def test_reasoning_details_go_back_unmodified():
    details = [
        {"type": "reasoning.summary", "summary": "Thought.", "index": 0, "id": None, "format": "a"},
        {"type": "reasoning.encrypted", "data": "gAAA", "index": 0, "id": "rs_1", "format": "a"},
        {"type": "reasoning.text", "text": None, "signature": None, "index": 1, "future": [1]},
        {
            "type": "reasoning.server_tool_call",
            "tool_name": "openrouter:web_search",
            "arguments": {"query": "x"},
            "index": 2,
        },
    ]
    answer = await read(event(choices=choice("stop", content="x", reasoning_details=details)))
    assert answer.message()["reasoning_details"] == details


async def test_annotations_are_collected_and_go_back():
    citation = {"type": "url_citation", "url_citation": {"url": "https://example.com"}}
    answer = await read(
        event(choices=choice(annotations=[citation])),
        event(choices=choice("stop", content="x", annotations=None)),
    )
    assert answer.message()["annotations"] == [citation]


async def test_odd_chunks_are_harmless():
    answer = await read(
        event(choices=[], debug={"echo_upstream_body": {"model": "acme"}}),
        event(),
        event(choices=None, usage=None),
        event(choices=[{"index": 0, "delta": None}]),
        event(choices=choice(content=None, reasoning=None, tool_calls=None, refusal=None)),
        event(choices=choice(content=[{"type": "text", "text": "parts"}, {"type": "image_url"}])),
        event(choices=[{"index": 0, "text": " and legacy"}]),
        event(model=None, provider=None, unknown_field={"a": 1}, choices=[]),
    )
    assert answer.text == "parts and legacy"
    assert answer.error is None


MESSAGE = {
    "role": "assistant",
    "content": "a",
    "reasoning": "b",
    "refusal": None,
    "reasoning_details": [THOUGHT],
    "annotations": [{"type": "url_citation", "url_citation": {"url": "https://a.test"}}],
    "images": [{"image_url": {"url": "https://a.test"}}],
    "audio": {"data": "", "transcript": "c"},
    "tool_calls": [{"index": 0, "id": "d", "function": {"name": "e", "arguments": "{}"}}],
}
WHOLE_CHUNK = {
    "id": "gen-1",
    "model": "acme/gem-5",
    "provider": "Acme",
    "service_tier": "default",
    "choices": [{"index": 0, "delta": MESSAGE, "finish_reason": "stop"}],
    "usage": {
        "prompt_tokens": 1,
        "cost": 0.5,
        "cost_details": {"upstream_inference_cost": 1},
        "prompt_tokens_details": {"cached_tokens": 1},
        "server_tool_use": {"web_search_requests": 1},
    },
    "openrouter_metadata": {
        "endpoints": {"available": [{"provider": "Acme", "selected": True}]},
        "attempts": [{"provider": "Acme", "status": 200}],
        "pipeline": [{"data": {"task_type": "code"}}],
    },
    "error": None,
}


def places(value: Any, *path: Any) -> list[tuple[Any, ...]]:
    """The paths to all that is inside a JSON value."""
    inside = list(value.items() if isinstance(value, dict) else enumerate(value))
    below = [places(v, *path, k) for k, v in inside if isinstance(v, dict | list)]
    return [*((*path, k) for k, _ in inside), *(place for some in below for place in some)]


@pytest.mark.parametrize("place", places(WHOLE_CHUNK), ids=lambda path: ".".join(map(str, path)))
def test_no_field_of_a_chunk_is_too_odd(place: tuple[Any, ...]):
    """Nothing that was paid for is lost to a field of another kind."""
    for odd in (None, "x", 7, True, [], {}, [None], ["x"], [[]], [{}]):
        chunk = copy.deepcopy(WHOLE_CHUNK)
        inner: Any = chunk
        for step in place[:-1]:
            inner = inner[step]
        inner[place[-1]] = odd
        answer = Answer()
        answer.add(chunk)
        answer.add(WHOLE_CHUNK)
        json.dumps(answer.message())
        request = compose(
            CallerRequest(prompt="hi"), Resolution(MODEL, None, ""), [], settings.Settings()
        )
        assert receipts.of_chat(request, answer).line()


async def test_half_a_character_is_shown_as_unreadable():
    """No protocol can carry it on: the client's connection would end with it."""
    answer = await read(
        event(choices=choice(content="so \ud83d")),
        event(choices=choice("stop", content=" and \ud83d\ude00")),
        "data: [DONE]\n\n",
    )
    assert answer.text == "so \ufffd and \N{GRINNING FACE}"


async def test_a_whole_message_is_read_like_a_delta():
    message = {"role": "assistant", "content": "Paris.", "reasoning": "Capital."}
    answer = await read(event(choices=[{"index": 0, "message": message, "finish_reason": "stop"}]))
    assert (answer.text, answer.reasoning) == ("Paris.", "Capital.")


@pytest.mark.parametrize(
    ("code", "expected", "status"),
    [(429, Code.RATE_LIMITED, 429), ("server_error", Code.UPSTREAM_ERROR, 502)],
)
async def test_an_error_chunk_keeps_the_text_before_it(
    code: int | str, expected: Code, status: int
):
    answer = await read(
        event(choices=choice(content="Half an")),
        event(error={"code": code, "message": "Broken"}, choices=choice("error", content="")),
    )
    assert answer.text == "Half an"
    assert answer.error is not None
    assert (answer.error.code, answer.error.http_status) == (expected, status)
    assert "Broken" in answer.error.message


async def test_an_error_in_a_choice_keeps_its_text():
    broken = {
        "index": 0,
        "finish_reason": "error",
        "message": {"role": "assistant", "content": "partial output..."},
        "error": {
            "code": 502,
            "message": "Provider disconnected mid-stream",
            "metadata": {"error_type": "provider_unavailable"},
        },
    }
    answer = await read(event(choices=[broken]))
    assert answer.text == "partial output..."
    assert answer.error is not None
    assert answer.error.code is Code.UPSTREAM_ERROR


# The real client against the simulator: how an answer concludes.


@pytest.fixture
async def openrouter(configure):
    client = OpenRouter(settings.load(), FAST)
    yield client
    await client.aclose()


async def said(openrouter: OpenRouter, report=None, **options: Any) -> Answer:
    request = compose(
        CallerRequest("Hi", options=options), Resolution(MODEL, None, ""), (), settings.load()
    )
    return await complete(openrouter, request, *([Listener(report)] if report else []))


async def test_a_chat_tells_who_answered_what_it_cost_and_how_long_it_took(
    simulator: Simulator, openrouter: OpenRouter
):
    simulator.answer("Hello there.")
    answer = await said(openrouter)
    assert answer.text == "Hello there."
    assert answer.error is None
    assert answer.model == MODEL
    assert answer.provider
    assert answer.usage["cost"] > 0
    assert answer.generation_id.startswith("gen-")
    assert answer.metadata["requested"] == MODEL
    assert answer.seconds > 0
    assert not answer.from_cache


async def test_a_second_identical_chat_may_come_from_the_cache(
    simulator: Simulator, openrouter: OpenRouter
):
    first = await said(openrouter, cache=True)
    second = await said(openrouter, cache=True)
    assert (first.from_cache, second.from_cache) == (False, True)
    assert second.text == first.text


async def test_reports_tell_how_far_it_is(simulator: Simulator, openrouter: OpenRouter):
    simulator.answer(Script(text="A longer answer in several pieces.", reasoning="Let me see."))
    told: list[str] = []

    async def report(message: str) -> None:
        told.append(message)

    await said(openrouter, report)
    assert told[0] == f"{MODEL}: {answer_module.NOT_STARTED}"
    assert any("thinking" in message for message in told)
    assert "characters" in told[-1]
    assert "several pieces." in told[-1]


@pytest.mark.parametrize(
    ("fault", "code", "text"),
    [
        ("null_content", Code.UPSTREAM_ERROR, ""),
        ("empty_content", Code.UPSTREAM_ERROR, ""),
        ("blank_finish", Code.UPSTREAM_ERROR, ""),
        ("refusal", Code.REFUSED, ""),
        ("content_filtered", None, "The beginning of"),
        ("reasoning_only", None, ""),
    ],
)
async def test_unpleasant_answers_are_concluded(
    simulator: Simulator, openrouter: OpenRouter, fault: str, code: Code | None, text: str
):
    simulator.fail(fault)
    answer = await said(openrouter)
    assert (answer.error.code if answer.error else None) is code
    assert answer.text == text
    if fault == "reasoning_only":
        assert answer.finish_reason == "length"
        assert answer.reasoning


async def test_a_filter_that_lets_nothing_through_is_a_refusal(
    simulator: Simulator, openrouter: OpenRouter
):
    simulator.fail("content_filtered", text="")
    answer = await said(openrouter)
    assert answer.error is not None
    assert answer.error.code is Code.REFUSED


async def test_a_refusal_is_told_in_one_line(simulator: Simulator, openrouter: OpenRouter):
    simulator.fail("refusal", text="No.\nReally <b>no</b>. " + "Never. " * 200)
    answer = await said(openrouter)
    assert answer.error is not None
    assert answer.error.message.startswith("The model refused: No. Really no . Never.")
    assert "\n" not in answer.error.message
    assert len(answer.error.message) < 500


@pytest.mark.parametrize("reason", ["error", "stop"])
async def test_a_finish_called_error_is_an_error_even_without_an_error_object(
    simulator: Simulator, openrouter: OpenRouter, reason: str
):
    simulator.answer(Script(text="Half an", finish_reason=reason))
    answer = await said(openrouter)
    assert answer.text == "Half an"
    assert (answer.error is not None) == (reason == "error")


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("cut_stream", Code.NETWORK),
        ("end_without_done", Code.UPSTREAM_ERROR),
        ("mid_stream_error", Code.RATE_LIMITED),
    ],
)
async def test_a_broken_stream_keeps_its_partial_text_and_is_not_repeated(
    simulator: Simulator, openrouter: OpenRouter, fault: str, code: Code
):
    simulator.answer("one two three four five six")
    simulator.fail(fault)
    answer = await said(openrouter)
    assert answer.text
    assert "one two three four five six".startswith(answer.text)
    assert answer.error is not None
    assert answer.error.code is code
    assert len(simulator.requests) == 1


@pytest.mark.parametrize("code", [Code.NO_CREDITS, Code.CONTEXT_TOO_LONG])
async def test_the_next_step_of_a_chat_is_told_whenever_it_fails(
    simulator: Simulator, openrouter: OpenRouter, code: Code
):
    types = {Code.NO_CREDITS: "payment_required", Code.CONTEXT_TOO_LONG: "context_length_exceeded"}
    faults = {Code.NO_CREDITS: "cannot_afford", Code.CONTEXT_TOO_LONG: "context_too_long"}
    simulator.fail(faults[code])
    with pytest.raises(OpenRouterError) as refused:
        await said(openrouter)
    simulator.fail("mid_stream_error", code=400, error_type=types[code])
    broken = (await said(openrouter)).error
    assert broken is not None
    for error in (refused.value, broken):
        assert error.code is code
        assert error.message.endswith(f"{NEXT_STEP[code]} {FURTHER_STEP[code]}")
    assert "max_tokens" in FURTHER_STEP[code]
    assert "openrouter/free" in FURTHER_STEP[Code.NO_CREDITS]


async def test_what_breaks_after_the_last_word_breaks_nothing(configure):
    said_all = event(choices=choice("stop", content="Done."))
    cut = SSE + b"Content-Length: 999\r\n\r\n" + said_all.encode()
    async with replying(cut) as address:
        configure(OPENROUTER_BASE_URL=address)
        client = OpenRouter(settings.load(), FAST)
        answer = await said(client)
        await client.aclose()
    assert (answer.text, answer.finish_reason) == ("Done.", "stop")
    assert answer.error is None


async def test_a_reply_that_cannot_be_read_is_known_by_its_generation(configure):
    """By its id OpenRouter tells what it cost."""
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX-Generation-Id: gen-7\r\n\r\n<p>"
    request = compose(CallerRequest("Hi"), Resolution(MODEL, None, ""), (), settings.load())
    heard: list[str] = []
    given = Answer()

    async def started(generation_id: str) -> None:
        heard.append(generation_id)

    async with replying(page) as address:
        configure(OPENROUTER_BASE_URL=address)
        client = OpenRouter(settings.load(), FAST)
        with pytest.raises(OpenRouterError) as failure:
            await complete(client, request, Listener(on_generation=started), given)
        await client.aclose()
    assert failure.value.code is Code.UPSTREAM_ERROR
    assert heard == ["gen-7"]
    assert (given.sent, given.generation_id) == (True, "gen-7")


async def test_the_kind_of_a_reply_is_told_in_any_spelling(configure):
    told = SSE.replace(b"text/event-stream", b"Text/Event-Stream; charset=UTF-8")
    async with replying(
        told + b"\r\n" + event(choices=choice("stop", content="Hi")).encode()
    ) as url:
        configure(OPENROUTER_BASE_URL=url)
        client = OpenRouter(settings.load(), FAST)
        assert (await said(client)).text == "Hi"
        await client.aclose()


async def test_a_string_code_in_the_middle_of_a_stream_is_understood(
    simulator: Simulator, openrouter: OpenRouter
):
    simulator.fail("mid_stream_error", code="server_error", error_type="server", message="Oops")
    answer = await said(openrouter)
    assert answer.error is not None
    assert answer.error.code is Code.UPSTREAM_ERROR
    assert "Oops" in answer.error.message


async def test_a_stream_that_breaks_before_its_first_chunk_is_raised(
    simulator: Simulator, openrouter: OpenRouter
):
    simulator.fail("cut_stream", after=0)
    simulator.answer("never seen")
    try:
        answer = await said(openrouter)
    except OpenRouterError as error:
        failure = error
    else:
        failure = answer.error
    assert failure is not None
    assert failure.code is Code.NETWORK
    assert len(simulator.requests) == 1


async def test_a_reply_in_one_piece_is_an_answer_too(simulator: Simulator, openrouter: OpenRouter):
    """HTTP 200 with JSON where a stream was asked for: nothing that was paid for may be lost."""
    simulator.fail("choice_error")
    answer = await said(openrouter)
    assert answer.text == "partial output..."
    assert answer.error is not None
    assert answer.error.code is Code.UPSTREAM_ERROR
    assert "disconnected mid-stream" in answer.error.message


async def test_an_error_inside_ok_is_raised(simulator: Simulator, openrouter: OpenRouter):
    simulator.fail("error_in_ok", times=None)
    with pytest.raises(OpenRouterError) as failure:
        await said(openrouter)
    assert failure.value.code is Code.UPSTREAM_ERROR
    assert "Google: upstream 503" in failure.value.message


async def test_cancelling_stops_the_answer(simulator: Simulator, openrouter: OpenRouter):
    simulator.fail("stall_mid_stream")
    task = asyncio.create_task(said(openrouter))
    await until(lambda: simulator.requests)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert simulator.requests[0].ended.wait(5)
    assert simulator.requests[0].disconnected
