"""What goes into a stream comes out of it, in whatever pieces, order and company it travels."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openrouter_mcp.api.responses import EventStream
from openrouter_mcp.completions.answer import Answer

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
CALLS = st.lists(
    st.tuples(st.sampled_from(["f", "g"]), st.dictionaries(TEXT, st.integers(), min_size=1)),
    max_size=2,
)
NOISE = st.sampled_from(
    [
        ": OPENROUTER PROCESSING\n\n",
        "\n",
        "data:\n\n",
        "data: no JSON\n\n",
        "data: null\n\n",
        'data: {"id": "gen-1", "choices": []}\n\n',
        'data: {"choices": [{"index": 0, "delta": {}}]}\n\n',
        'data: {"choices": null, "usage": null}\n\n',
        "retry: 10\n\n",
        "event: ping\ndata: {}\n\n",
    ]
)


def pieces(data: Any, text: str) -> list[str]:
    """The text cut at random places."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def deltas(data: Any, text: str, reasoning: str, calls: list) -> list[dict[str, Any]]:
    """An answer as the deltas of a stream, each with fields that mean nothing."""
    thought = data.draw(st.sampled_from(["reasoning", "reasoning_content"]))
    made: list[dict[str, Any]] = [{thought: piece} for piece in pieces(data, reasoning)]
    made += [{"content": piece} for piece in pieces(data, text)]
    for number, (name, arguments) in enumerate(calls):
        for at, piece in enumerate(pieces(data, json.dumps(arguments))):
            first = {"id": f"call_{number}", "function": {"name": name, "arguments": piece}}
            later = {"function": {"arguments": piece}}
            made.append({"tool_calls": [{"index": number, **(later if at else first)}]})
    return [{**_odd(data), **delta} for delta in made]


def _odd(data: Any) -> dict[str, Any]:
    names = st.sampled_from(["role", "logprobs", "refusal", "annotations", "images", "extra"])
    return data.draw(st.dictionaries(names, st.sampled_from([None, "", [], {}]), max_size=2))


def cuts_of(data: Any, content: bytes) -> list[int]:
    """Random places to cut these bytes at."""
    return sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=6)))


async def read(content: bytes, media_type: str, cuts: list[int]) -> Answer:
    """The answer in these bytes, which come cut at these places."""

    async def body() -> AsyncIterator[bytes]:
        for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
            yield content[start:end]

    response = httpx2.Response(
        200,
        headers={"content-type": media_type},
        content=body(),
        request=httpx2.Request("POST", "http://127.0.0.1"),
    )
    answer = Answer()
    async for chunk in EventStream(response):
        answer.add(chunk)
    return answer


@settings(max_examples=settings.default.max_examples // 2)  # each draws dozens of values
@given(
    data=st.data(),
    text=TEXT,
    reasoning=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    calls=CALLS,
    cost=st.decimals(0, 1, places=6, allow_nan=False),
)
async def test_a_stream_gives_what_was_put_into_it(data, text, reasoning, calls, cost):
    usage = {"prompt_tokens": 3, "completion_tokens": 7, "cost": float(cost)}
    chunks = [
        {"id": "gen-1", "model": "acme/gem", "choices": [{"index": index, "delta": delta}]}
        for delta in deltas(data, text, reasoning, calls)
        for index in [data.draw(st.sampled_from([0, 0, None]))]
    ]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    reports = [usage, {**usage, "cost": 0}, {"cost": None}, usage]
    told = data.draw(st.lists(st.sampled_from(reports), max_size=2))
    for report in [*told, usage]:
        at = data.draw(st.integers(0, len(chunks)))
        chunks.insert(at, {"id": "gen-1", "choices": [], "usage": report})
    if data.draw(st.booleans()):
        # Some providers end with the whole message.
        whole = {"role": "assistant", "content": text, "reasoning": reasoning or None}
        chunks.append({"choices": [{"index": 0, "message": whole, "finish_reason": "stop"}]})
    lines = [f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n" for chunk in chunks]
    for noise in data.draw(st.lists(NOISE, max_size=4)):
        lines.insert(data.draw(st.integers(0, len(lines))), noise)
    mark = data.draw(st.sampled_from(["", "\ufeff"]))
    media_type = data.draw(st.sampled_from(["text/event-stream", "application/json"]))
    content = (mark + "".join(lines) + "data: [DONE]\n\n").encode()
    answer = await read(content, media_type, cuts_of(data, content))
    assert (answer.text, answer.reasoning) == (text, reasoning)
    found = [(call["id"], call["function"]["name"]) for call in answer.tool_calls]
    assert found == [(f"call_{number}", name) for number, (name, _) in enumerate(calls)]
    sent = [json.loads(call["function"]["arguments"]) for call in answer.tool_calls]
    assert sent == [arguments for _, arguments in calls]
    assert answer.usage["cost"] == float(cost)
    assert answer.error is None
    assert answer.finish_reason == "stop"
    assert (answer.generation_id, answer.model) == ("gen-1", "acme/gem")


@given(data=st.data(), text=TEXT)
async def test_one_piece_gives_what_was_put_into_it(data, text):
    names = st.sampled_from(["refusal", "annotations", "tool_calls", "audio"])
    odd = data.draw(st.dictionaries(names, st.sampled_from([None, [], {}])))
    message = {"role": "assistant", "content": text, **odd}
    body = {"id": "gen-1", "choices": [{"message": message, "finish_reason": "stop"}]}
    before = data.draw(st.sampled_from(["", "\n \n", "\ufeff"]))
    media_type = data.draw(st.sampled_from(["text/event-stream", "application/json", "text/plain"]))
    content = (before + json.dumps(body)).encode()
    answer = await read(content, media_type, cuts_of(data, content))
    assert answer.text == text


@pytest.mark.parametrize("form", ["data: {}\n\ndata: [DONE]\n\n", "{}", " \n{}"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
async def test_the_first_bytes_may_come_one_by_one(mark, form):
    said = json.dumps({"choices": [{"message": {"content": "é"}}]}, ensure_ascii=False)
    content = (mark + form.replace("{}", said)).encode()
    for cut in range(1, 9):
        for cuts in ([cut], list(range(1, cut))):
            answer = await read(content, "text/event-stream", cuts)
            assert answer.text == "é", cuts
