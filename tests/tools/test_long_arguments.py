"""Arguments of any length, and replies that they would make: short errors, and soon."""

import json
import os
from collections.abc import Iterator
from typing import Any
from zlib import crc32

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import PromptReference

from openrouter_mcp import results, server
from openrouter_mcp.results import ERROR_META
from openrouter_mcp.simulator.state import Simulator

MILLION = 1_000_000
MOST = 20_000
"""Bytes of a reply to an argument that is far too long."""
MOST_OF_ERRORS = 4_000
TEXTS = {
    "word": "x" * MILLION,
    "path": "a/" * (MILLION // 2),
    "id": "openai/" + "gpt-" * (MILLION // 4),
    "address": f"https://{'a' * MILLION}.example/x",
    "braces": "{," * (MILLION // 2),
    "markup": "<a" * (MILLION // 2),
    "nested": "[" * MILLION,
}
MANY = 200_000
EVERY = os.environ.get("EVERY") == "1"
"""Whether to try each kind with each argument, not only each kind and each tool once."""
LISTS: dict[str, list[Any]] = {
    "names": [f"item{number}" for number in range(MANY)],
    "objects": [{"a": 1}] * MANY,
    "messages": [{"role": "user", "content": "x"}] * MANY,
    "long": ["x" * MILLION] * 2,
}
WORD = TEXTS["word"]
OBJECTS: dict[str, dict[str, Any]] = {
    "name": {WORD: 1},
    "names": {f"k{number}": number for number in range(MANY)},
    "provider": {"provider": {"order": [WORD], "max_price": {"prompt": WORD}}},
    "models": {"models": [f"m{number}" for number in range(MANY)]},
    "limit": {"max_tokens": WORD},
    "type": {"type": "object", "properties": {"a": {"type": WORD}}},
    "reference": {"$ref": f"#/{WORD}"},
}
TOOLS = {tool.name: tool.parameters for tool in server._tools()}
REQUIRED = {"array": ["Hello"], "string": "Hello"}


def calls() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Tools and arguments, each time with one that is far too long, and its kind."""
    kinds = {"string": TEXTS, "array": TEXTS | LISTS, "object": OBJECTS}
    for tool, schema in TOOLS.items():
        fields = schema["properties"]
        plain = {name: fields[name].get("enum", [""])[0] for name in schema.get("required", [])}
        plain = {name: value or REQUIRED[fields[name]["type"]] for name, value in plain.items()}
        if "dry_run" in fields:
            plain["dry_run"] = True
        for name, field in fields.items():
            for kind, value in kinds.get(field["type"], {}).items():
                yield tool, kind, {**plain, name: value}


def few() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Those of the calls, in an order of no meaning, that bring another tool or another kind."""
    known: set[str] = set()
    for tool, kind, arguments in sorted(
        calls(), key=lambda call: crc32(call[0].encode() + call[1].encode())
    ):
        if not {tool, kind} <= known:
            known |= {tool, kind}
            yield tool, kind, arguments


def size(result: Any) -> int:
    return len(results.as_json(result))


@pytest.mark.timeout(600)
async def test_no_argument_is_echoed_at_length(client, simulator) -> None:
    found = []
    for tool, kind, arguments in calls() if EVERY else few():
        result = await client.call_tool(tool, arguments, raise_on_error=False)
        error = (result.meta or {}).get(ERROR_META, {})
        if size(result) > (MOST_OF_ERRORS if error else MOST) or error.get("code") == "INTERNAL":
            found.append((tool, kind, size(result), result.content[0].text[:200]))
    assert found == []


LONG = 10 * MILLION
"""More than a client takes in one line."""


@pytest.mark.parametrize(
    "message",
    [
        {"content": "Hi.", "reasoning": "x" * LONG},
        {"content": "x" * LONG},
        {
            "content": "Hi.",
            "annotations": [
                {"type": "url_citation", "url_citation": {"url": f"https://a.example/{'x' * LONG}"}}
            ],
        },
        {
            "tool_calls": [
                {
                    "id": "a",
                    "type": "function",
                    "function": {"name": "a", "arguments": json.dumps({"a": "x" * LONG})},
                }
            ]
        },
    ],
    ids=lambda message: [*message][-1],
)
async def test_a_reply_that_is_too_large_is_saved(
    configure, connect, simulator: Simulator, tmp_path, message: dict[str, Any]
) -> None:
    reply = {
        "id": "gen-1",
        "model": "openai/gpt-5-mini",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"cost": 0.0042, "prompt_tokens": 1, "completion_tokens": 1},
    }
    simulator.answer_raw(json.dumps(reply), path="/chat/completions", media_type="application/json")
    tool = {"type": "function", "function": {"name": "a"}}
    arguments = {
        "prompt": "Hi",
        "model": "openai/gpt-5-mini",
        "options": {"include_reasoning": True, "tools": [tool]},
    }
    configure(OPENROUTER_MAX_REPLY_CHARS=str(2 * LONG))
    async with connect() as client:
        result = await client.call_tool("chat", arguments, raise_on_error=False)
    assert size(result) < MILLION
    assert result.meta[results.RECEIPT_META]["cost"] == "0.0042"
    assert result.content[-1].text.splitlines()[-1].startswith("-- openai/gpt-5-mini")
    [saved] = (tmp_path / "output").glob("*.json")
    assert str(saved) in result.content[0].text
    assert b"x" * LONG in saved.read_bytes()


async def test_data_that_is_too_large_is_an_error_with_its_path(
    client, simulator: Simulator, tmp_path
) -> None:
    reply = {"data": {"id": "gen-1", "model": "m", "total_cost": 0.1, "router": "x" * LONG}}
    simulator.answer_raw(json.dumps(reply), path="/generation", media_type="application/json")
    arguments = {"generation_id": "gen-1"}
    result = await client.call_tool("get_generation", arguments, raise_on_error=False)
    assert size(result) < MOST
    assert result.meta[ERROR_META]["code"] == "TOO_LARGE"
    [saved] = (tmp_path / "output").glob("*.json")
    assert str(saved) in result.content[0].text


async def test_prompts_and_resources_are_bounded(client) -> None:
    word = "x" * LONG
    with pytest.raises(MCPError, match="No argument of a prompt has more than"):
        await client.get_prompt("pick_model", {"task": word})
    with pytest.raises(MCPError, match="No name of a prompt has more than"):
        await client.get_prompt(word, {})
    with pytest.raises(MCPError, match="No address of a resource has more than"):
        await client.read_resource(f"openrouter://models/{word}")
    reference = PromptReference(type="ref/prompt", name="compare")
    completed = await client.complete(reference, {"name": "models", "value": f"{word},a"})
    assert completed.values == []
