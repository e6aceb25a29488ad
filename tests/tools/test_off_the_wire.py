"""Whatever comes back: nothing that was paid is lost, and nothing is made up."""

import json

import pytest

from openrouter_mcp.simulator.state import Simulator
from tests.support.wire import DONE, ID, USAGE, ask, chunk, cost, message, said, usage

HELLO = [chunk(content="Hel"), chunk(content="lo."), chunk(finish="stop"), usage(), DONE]


@pytest.mark.parametrize(
    "pieces",
    [
        HELLO,
        ["data:\n\n", "data: \n\n", *HELLO],
        [HELLO[0], "data: not JSON at all\n\n", "data: {broken\n\n", *HELLO[1:]],
        [HELLO[0], "data: null\n\n", "data: 7\n\n", "data: []\n\n", *HELLO[1:]],
        [b"\xef\xbb\xbf: OPENROUTER PROCESSING\n\n", *HELLO],
        ["\n\n\n", *HELLO],
        [*HELLO[:-1], usage(cost=0, prompt_tokens=0, completion_tokens=0), DONE],
        [*HELLO[:-1], usage(), usage(), DONE],
        [*HELLO[:-1], {"id": ID, "choices": [], "usage": None}, DONE],
        [chunk(content="Hel"), chunk(content="lo."), {**message(content="Hello."), "usage": USAGE}],
        [message(content="Hello."), DONE],
        [chunk(content="Hel", index=None), *HELLO[1:]],
        [chunk(content=[{"type": "text", "text": "Hel"}]), *HELLO[1:]],
        [*HELLO[:2], {**HELLO[2], "usage": USAGE}, {**HELLO[2], "usage": USAGE}, DONE],
        [*HELLO[:-2], f"data: {json.dumps(usage())}"],
        [f"data: {json.dumps(event)}\r\n\r\n" for event in HELLO[:-1]],
        ["id: 1\nretry: 5\nevent: message\n" + f"data: {json.dumps(HELLO[0])}\n\n", *HELLO[1:]],
    ],
)
async def test_an_answer_is_what_was_said_at_what_it_cost(client, simulator: Simulator, pieces):
    simulator.answer_raw(*pieces)
    result = await ask(client)
    assert not result.is_error
    assert (said(result), str(cost(result))) == ("Hello.", "0.0012")


@pytest.mark.parametrize("media_type", ["application/json", "text/plain", "text/html", ""])
async def test_events_are_told_from_their_bytes(client, simulator: Simulator, media_type: str):
    simulator.answer_raw(*HELLO, media_type=media_type)
    assert said(await ask(client)) == "Hello."


@pytest.mark.parametrize("media_type", ["text/event-stream", "application/json", "text/plain"])
@pytest.mark.parametrize("before", ["", "\n\n  ", "\ufeff"])
async def test_one_piece_is_told_from_its_bytes(client, simulator, media_type: str, before: str):
    simulator.answer_raw(before + json.dumps(message(content="Hello.")), media_type=media_type)
    result = await ask(client)
    assert (said(result), str(cost(result))) == ("Hello.", "0.0012")


async def test_an_event_may_be_as_large_as_a_reply(client, simulator: Simulator):
    sealed = {"type": "reasoning.encrypted", "id": "rs_1", "data": "x" * 1_500_000}
    simulator.answer_raw(chunk(reasoning_details=[sealed]), *HELLO)
    assert said(await ask(client)) == "Hello."


@pytest.mark.parametrize(
    "event",
    [
        'event: error\ndata: {"type":"error","message":"Overloaded","code":529}\n\n',
        'data: {"type":"error","message":"Overloaded","code":529}\n\n',
        'event: error\ndata: {"error":{"message":"Overloaded","code":529}}\n\n',
        "event: error\ndata: Overloaded\n\n",
        'data: {"error":"Overloaded"}\n\n',
    ],
)
async def test_an_error_among_events_is_an_error_with_what_had_come(client, simulator, event: str):
    simulator.answer_raw(chunk(content="Half an"), event, usage(), DONE)
    result = await ask(client, thread_id="new")
    assert result.is_error
    assert said(result).startswith("Half an")
    assert "Overloaded" in said(result)
    assert str(cost(result)) == "0.0012"
    assert "No conversations" in (await client.call_tool("list_threads", {})).content[0].text
    assert "Continue this conversation" not in said(result)


async def test_an_error_event_that_says_nothing_is_an_error(client, simulator: Simulator):
    simulator.answer_raw(chunk(content="Half an"), "event: error\ndata: {}\n\n", usage(), DONE)
    assert (await ask(client)).is_error


async def test_what_a_choice_says_in_two_places_is_said_once(client, simulator: Simulator):
    both = {"index": 0, "text": "Good morning.", "delta": {"content": "Good morning."}}
    simulator.answer_raw({"choices": [both]}, *HELLO[2:])
    assert said(await ask(client)) == "Good morning."


async def test_choices_are_told_apart_by_digits_too(client, simulator: Simulator):
    simulator.answer_raw(
        *({"choices": [{"index": n, "delta": {"content": f"No. {n}"}}]} for n in "01"), *HELLO[2:]
    )
    assert said(await ask(client)) == "[Choice 1]\nNo. 0\n\n[Choice 2]\nNo. 1"


async def test_several_choices_stay_apart(client, simulator: Simulator):
    simulator.answer_raw(
        chunk(content="Red", index=0),
        chunk(content="Blue", index=1),
        chunk(content=" one.", index=0),
        chunk(content=" one.", index=1),
        *HELLO[2:],
    )
    assert said(await ask(client)) == "[Choice 1]\nRed one.\n\n[Choice 2]\nBlue one."


@pytest.mark.parametrize(
    "pieces",
    [
        [chunk(content=" \n"), chunk(finish="stop"), usage(), DONE],
        [chunk(content="<think>Hm."), chunk(content="</think>\n", finish="stop"), usage(), DONE],
        [chunk(tool_calls=[{"function": {"arguments": "{}"}}], finish="stop"), usage(), DONE],
        [chunk(finish="stop"), usage(), DONE],
    ],
)
async def test_nothing_is_called_an_answer_that_says_nothing(client, simulator: Simulator, pieces):
    simulator.answer_raw(*pieces)
    result = await ask(client)
    assert result.is_error
    assert "without saying anything" in said(result)
    assert str(cost(result)) == "0.0012"


@pytest.mark.parametrize(
    "fields",
    [
        {"citations": ["https://a.example/x"]},
        {"search_results": [{"title": "A", "url": "https://a.example/x"}]},
    ],
)
async def test_citations_beside_the_choices_are_sources(client, simulator: Simulator, fields: dict):
    simulator.answer_raw({**HELLO[0], **fields}, {**HELLO[1], **fields}, *HELLO[2:])
    text = said(await ask(client))
    assert text.count("https://a.example/x") == 1
    assert "Sources:" in text


async def test_flat_annotations_are_sources_each_once(client, simulator: Simulator):
    flat = {"type": "url_citation", "url": "https://a.example/x", "title": "A"}
    simulator.answer_raw(chunk(annotations=[flat]), chunk(annotations=[flat]), *HELLO)
    assert said(await ask(client)).endswith("Sources:\n1. A https://a.example/x")


async def test_calls_that_a_chat_hands_out_can_be_sent_back(client, simulator: Simulator):
    calls = [
        {"index": 0, "function": {"name": "get_weather", "arguments": ""}},
        {"index": 1, "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}},
    ]
    simulator.answer_raw(chunk(tool_calls=calls), chunk(finish="tool_calls"), usage(), DONE)
    result = await ask(client, thread_id="new")
    handed = json.loads(result.content[0].text)["tool_calls"]
    assert [json.loads(call["function"]["arguments"]) for call in handed] == [{}, {"city": "Paris"}]
    ids = [call["id"] for call in handed]
    assert all(ids)
    assert len({*ids}) == 2
    assert result.meta["openrouter/message"]["tool_calls"] == handed


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "/a", "a.example", ""])
async def test_what_has_no_address_on_the_web_is_no_source(client, simulator: Simulator, url: str):
    nested = {"type": "url_citation", "url_citation": {"url": url, "title": "A"}}
    simulator.answer_raw(
        {**chunk(content="Hello.", annotations=[nested]), "citations": [url]}, *HELLO[2:]
    )
    assert said(await ask(client)) == "Hello."


@pytest.mark.parametrize(
    ("pieces", "billed"),
    [
        ([chunk(content="Half an")], True),
        ([chunk(reasoning="Hm")], True),
        ([], False),
    ],
)
async def test_an_error_after_a_part_of_the_answer_is_not_to_be_called_again(
    client, simulator: Simulator, pieces: list, billed
):
    error = {"error": {"code": 429, "message": "Slow down", "metadata": {}}}
    simulator.answer_raw(*pieces, error, DONE)
    result = await ask(client)
    assert result.meta["openrouter/error"]["retryable"] is not billed
    assert ("Call again" in said(result)) is not billed
    assert ("get_usage" in said(result)) is billed


async def test_errors_in_a_list_are_an_error_too(client, simulator: Simulator):
    simulator.answer_raw(json.dumps({"errors": [{"message": "Too hot"}]}), media_type="text/plain")
    simulator.answer_raw({"errors": [{"message": "Too hot"}]}, DONE)
    for _ in range(2):
        assert "OpenRouter: Too hot." in (await ask(client)).content[0].text


async def test_what_follows_a_paid_part_is_not_advised_to_be_called_again(
    client, simulator: Simulator
):
    simulator.answer_raw(chunk(content="Half an"), chunk(finish="length"), usage(), DONE)
    simulator.fail("rate_limited", times=None)
    result = await ask(client)
    assert "It could not be completed" in said(result)
    assert "Call again" not in said(result)


FAILS = {"error": {"code": 429, "message": "Slow down"}}
COMPARED = {"prompt": "Hello", "models": ["openai/gpt-5-mini", "anthropic/claude-sonnet-5"]}


@pytest.mark.parametrize("pieces", [[], [chunk(content="Half an")]], ids=["nothing", "a part"])
@pytest.mark.parametrize("spent", [None, 0.0012])
async def test_a_comparison_that_fails_within_its_streams_is_an_error(
    client, simulator: Simulator, pieces, spent
):
    wait = {"error": {**FAILS["error"], "metadata": {"headers": {"Retry-After": "7"}}}}
    told = [usage(cost=spent)] if spent else []
    simulator.answer_raw(*pieces, FAILS, *told, DONE)
    simulator.answer_raw(*pieces, wait, *told, DONE)
    asked = {**COMPARED, "judge": "openai/gpt-5-mini"}
    result = await client.call_tool("compare_models", asked, raise_on_error=False)
    assert result.is_error
    assert result.content[0].text.startswith("[None of the models answered.")
    error = result.meta["openrouter/error"]
    free = not (pieces or spent)
    assert (error["code"], error["retryable"]) == ("RATE_LIMITED", free)
    assert error.get("retry_after") == (7 if free else None)
    assert str(result.meta["openrouter/receipt"].get("cost")) == ("0.0024" if spent else "None")
    assert len([r for r in simulator.requests if r.method == "POST"]) == 2


async def test_a_judge_that_fails_after_paid_answers_is_not_to_be_called_again(
    client, simulator: Simulator
):
    for _ in COMPARED["models"]:
        simulator.answer_raw(*HELLO)
    simulator.answer_raw(FAILS, DONE)
    result = await client.call_tool("compare_models", {**COMPARED, "judge": "openai/gpt-5-mini"})
    assert "could not judge: OpenRouter: Slow down." in result.content[0].text
    assert "Call again" not in result.content[0].text
