"""Our own keys leave in nothing that is sent, kept or shown, whichever way they come."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from fastmcp import Client
from mcp.types import TextContent

from openrouter_mcp import credentials, results, settings
from openrouter_mcp.api.client import OpenRouter
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.simulator.state import INFERENCE_KEY
from tests.support.results import ERROR, call, text

MANAGEMENT = "sk-or-v1-management"
CALLS = [
    ("chat", {"prompt": "My key is {}."}),
    ("chat", {"messages": [{"role": "user", "content": [{"type": "text", "text": "{}"}]}]}),
    ("chat", {"messages": json.dumps([{"role": "user", "content": "{}"}])}),
    ("chat", {"prompt": "Hi", "system": "{}"}),
    ("chat", {"prompt": "Hi", "options": {"user": "{}"}}),
    ("chat", {"prompt": "Hi", "options": {"metadata": {"{}": "x"}}}),
    ("chat", {"prompt": "Hi", "files": ["https://example.org/?key={}"]}),
    ("chat", {"prompt": "Hi", "files": ["https://example.org/{encoded}.png"]}),
    ("chat", {"prompt": "Hi", "dry_run": True, "model": "{}"}),
    ("complete_text", {"prompt": "{}", "model": "opus"}),
    ("compare_models", {"prompt": "{}", "models": ["opus", "sonnet"]}),
    ("generate_image", {"prompt": "{}"}),
    ("generate_audio", {"text": "{}"}),
    ("embed_texts", {"texts": ["{}"]}),
    ("rerank_documents", {"query": "x", "documents": ["{}"]}),
    ("send_feedback", {"generation_id": "gen-1", "category": "other", "comment": "{}"}),
    ("get_generation", {"generation_id": "{}"}),
    ("search_docs", {"query": "{}"}),
    ("run_agent", {"task": "{}"}),
]


def with_key(value, key: str):
    encoded = quote(key, safe="").replace("-", "%2D")
    return json.loads(json.dumps(value).replace("{}", key).replace("{encoded}", encoded))


@pytest.mark.parametrize("key", [INFERENCE_KEY, MANAGEMENT])
async def test_no_argument_takes_a_key(configure, connect, simulator, key: str) -> None:
    configure(OPENROUTER_MANAGEMENT_KEY=MANAGEMENT)
    async with connect() as client:
        for tool, arguments in CALLS:
            result = await call(client, tool, **with_key(arguments, key))
            assert result.meta[ERROR]["code"] == "INVALID_INPUT", (tool, arguments)
            assert "a key of this server" in text(result)
            assert key not in str(vars(result))
    assert [request for request in simulator.requests if request.method == "POST"] == []


async def test_a_file_with_a_key_is_not_sent(client: Client, simulator, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text(f"my key: {INFERENCE_KEY}")
    result = await call(client, "chat", prompt="What is in it?", files=[str(tmp_path / "notes.md")])
    assert result.meta[ERROR]["code"] == "UNSAFE_PATH"
    assert simulator.requests == []


async def test_no_result_shows_a_key(client: Client, simulator) -> None:
    simulator.answer(f"Your key is {INFERENCE_KEY}.")
    result = await call(client, "chat", prompt="Hi", model="opus")
    assert INFERENCE_KEY not in str(vars(result))
    assert credentials.HIDDEN in text(result)


async def test_the_client_of_openrouter_sends_none_either(configure, simulator) -> None:
    client = OpenRouter(settings.load())
    for attempt in (
        lambda: client.get(f"/generation?id={INFERENCE_KEY}"),
        lambda: client.get("/generation", params={"id": INFERENCE_KEY}),
        lambda: client.post("/embeddings", {"input": [INFERENCE_KEY]}),
    ):
        with pytest.raises(OpenRouterError) as caught:
            await attempt()
        assert caught.value.code == Code.INVALID_INPUT
    await client.aclose()
    assert simulator.requests == []


def test_a_result_is_freed_of_keys_in_all_its_parts() -> None:
    key = "sk-or-v1-0123456789"
    result = results.tool_result(
        [TextContent(type="text", text=f"a {key} b")], {"row": [key]}, {"about": {key: key}}
    )
    assert key not in str(results.without_keys(result, [key]))
    assert results.without_keys(result, ["short"]) is result
    assert results.without_keys(result, []) is result


@pytest.mark.parametrize(
    "spelled",
    [
        r"\u0073k-or-v1-0123456789",
        r"sk\u002Dor-v1-0123456789",
        json.dumps(json.dumps({"a": ["sk-or-v1-0123456789"]})),
        json.dumps(r"sk-\u006fr-v1-0123456789"),
        "sk%2Dor-v1-0123456789",
    ],
)
def test_a_key_is_found_however_it_is_spelled(spelled: str) -> None:
    assert credentials.held_in({"a": [spelled]}, ["sk-or-v1-0123456789"])
    assert not credentials.held_in({"a": [spelled]}, ["sk-or-v1-9876543210"])


def test_a_line_is_freed_of_keys_that_json_escapes() -> None:
    keys = ['q"uoted\\key-', "schl\u00fcssel-1234"]
    for as_ascii in (False, True):
        line = json.dumps({"a": keys}, ensure_ascii=as_ascii).encode()
        shown = json.loads(credentials.hidden_in_line(line, keys))
        assert shown == {"a": [credentials.HIDDEN] * 2}
