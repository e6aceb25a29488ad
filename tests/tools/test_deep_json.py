"""JSON that nests too deeply, wherever it comes from: a failure of that datum alone."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from openrouter_mcp import settings
from openrouter_mcp.results import ERROR_META, RECEIPT_META
from openrouter_mcp.text import DEEPEST_JSON, MOST_CONTAINERS, MOST_ITEMS, is_too_deep, parse_json

DEPTHS = [DEEPEST_JSON + 2, 300, 800, 50_000]
"""What only we refuse, what the protocol's parser does, nearly and surely what Python's does."""


def lists(depth: int) -> str:
    return "[" * depth + "]" * depth


def objects(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


def nested(depth: int) -> dict[str, Any]:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize("depth", DEPTHS)
def test_the_reader_refuses_what_could_not_be_handed_on(depth: int) -> None:
    for text in (lists(depth), objects(depth)):
        with pytest.raises(ValueError, match="levels"):
            parse_json(text)
    assert parse_json(lists(DEEPEST_JSON))
    assert not is_too_deep("a")


@pytest.mark.parametrize("depth", [DEEPEST_JSON + 2, DEEPEST_JSON + 40])
@pytest.mark.parametrize("name", ["options", "schema", "messages"])
async def test_deep_arguments_are_refused(client, name: str, depth: int) -> None:
    deep: Any = nested(depth)
    if name == "messages":
        deep = [{"role": "user", "content": deep}]
    for value in (deep, json.dumps(deep)):
        arguments = {"prompt": "x", name: value} if name != "messages" else {name: value}
        result = await client.call_tool("chat", arguments, raise_on_error=False)
        assert result.meta[ERROR_META]["code"] == "INVALID_INPUT"


@pytest.mark.parametrize("depth", DEPTHS)
async def test_a_deep_look_up_is_an_unreadable_one(client, simulator, depth: int) -> None:
    for path in ("/models", "/credits", "/providers"):
        reply = f'{{"data": {objects(depth)}}}'
        simulator.answer_raw(reply, path=path, media_type="application/json", times=None)
    for tool, arguments in {
        "find_models": {"query": "x"},
        "list_providers": {},
        "get_account": {},
    }.items():
        result = await client.call_tool(tool, arguments, raise_on_error=False)
        if result.is_error:
            assert result.meta[ERROR_META]["code"] in {"UPSTREAM_ERROR", "NETWORK"}


@pytest.mark.parametrize("depth", DEPTHS)
async def test_a_paid_text_survives_what_stands_beside_it(client, simulator, depth: int) -> None:
    deltas = [
        '{"content": "Paris."}',
        f'{{"annotations": {lists(depth)}}}',
        f'{{"reasoning_details": [{objects(depth)}]}}',
    ]
    head = 'data: {"id":"gen-1","model":"m","choices":[{"index":0,"delta":'
    usage = (
        f'{{"cost":0.002,"prompt_tokens":1,"completion_tokens":1,"a":{lists(DEEPEST_JSON - 9)}}}'
    )
    end = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":'
    simulator.answer_raw(
        *(f"{head}{delta}}}]}}\n\n" for delta in deltas),
        f"{end}{usage}}}\n\n",
        "data: [DONE]\n\n",
    )
    result = await client.call_tool("chat", {"prompt": "x"}, raise_on_error=False)
    assert "Paris." in result.content[0].text
    assert result.meta[RECEIPT_META]["cost"] == "0.002"


@pytest.mark.parametrize("depth", DEPTHS)
async def test_a_deep_answer_is_shown_with_its_receipt(client, simulator, depth: int) -> None:
    said = json.dumps({"choices": [{"index": 0, "delta": {"content": lists(depth)}}]})
    end = {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"cost": 0.002}}
    for _ in range(2):
        simulator.answer_raw(f"data: {said}\n\n", end, "data: [DONE]\n\n")
    arguments = {"prompt": "x", "schema": {"type": "array"}}
    result = await client.call_tool("chat", arguments, raise_on_error=False)
    assert result.meta[RECEIPT_META]["cost"] == "0.004"
    assert lists(depth)[:99] in result.content[0].text


@pytest.mark.parametrize("content", [lists(50_000), objects(800), lists(300), "{", "\0" * 99])
async def test_a_cache_file_that_cannot_be_read_is_set_aside(
    connect, simulator, environment, content: str
) -> None:
    async with connect() as client:
        await client.call_tool("find_models", {"query": "claude"})
    cached = Path(environment["OPENROUTER_STATE_DIR"]).rglob("*.json")
    damaged = [path for path in cached if path.write_text(content)]
    assert damaged
    simulator.requests.clear()
    async with connect() as client:
        found = await client.call_tool("find_models", {"query": "claude"})
    assert found.structured_content["models"]
    assert simulator.requests
    assert all(path.with_suffix(".damaged").exists() for path in damaged if path.exists())


@pytest.mark.parametrize("content", [lists(50_000), objects(300), "{", "null", "[]", "7", ""])
async def test_a_record_that_somebody_damaged_is_told(
    connect, simulator, environment, content: str
) -> None:
    async with connect() as client:
        begun = await client.call_tool("chat", {"prompt": "x", "thread_id": "new"})
        (thread,) = set(re.findall(r"\bthread_[a-z2-7]{10}\b", begun.content[0].text))
    database = Path(environment["OPENROUTER_STATE_DIR"]) / "state.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE messages SET message = ?", (content,))
        connection.execute(
            "INSERT INTO jobs (id, tool, title, state, created, updated, expires, owner, lease, "
            "text, result) VALUES ('job_aaaaaaaaaa', 'chat', 'x', 'done', 1, 1, 1e12, 'x', 1, '', "
            "?)",
            (content or "x",),
        )
    async with connect() as client:
        for tool, arguments in {
            "chat": {"prompt": "x", "thread_id": thread},
            "list_threads": {"thread_id": thread},
            "get_job": {"job_id": "job_aaaaaaaaaa"},
        }.items():
            result = await client.call_tool(tool, arguments, raise_on_error=False)
            assert result.meta[ERROR_META]["code"] in {"NOT_FOUND", "JOB_FAILED"}, tool
            assert "damaged" in result.content[0].text
        listed = await client.call_tool("get_job", {}, raise_on_error=False)
        assert not listed.is_error


@pytest.mark.parametrize("depth", DEPTHS)
def test_deep_settings_are_told(configure, depth: int) -> None:
    configure(OPENROUTER_PROVIDER_ORDER=lists(depth), OPENROUTER_PROVIDER_MAX_PRICE=objects(depth))
    assert any("PROVIDER_ORDER" in problem for problem in settings.load().problems)


@pytest.mark.parametrize(
    ("value", "count"),
    [("[]", MOST_CONTAINERS), ('{"a":{}}', MOST_CONTAINERS), ("1", MOST_ITEMS + 1)],
)
def test_json_of_too_many_values_is_not_read(value: str, count: int) -> None:
    with pytest.raises(ValueError, match="too many values"):
        parse_json("[" + f"{value}," * count + "1]")


def test_what_stands_in_texts_are_no_values() -> None:
    listing = '[{"a": 1}, "\\"' * 400_000
    assert parse_json(json.dumps({"a": listing})) == {"a": listing}
