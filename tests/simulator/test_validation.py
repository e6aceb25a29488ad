import json
from typing import Any

import pytest

from tests.simulator.conftest import Api
from tests.support import oracle

USER = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    ("fields", "path"), [({"max_token": 5}, []), ({"messages": []}, ["messages"])]
)
def test_an_unknown_or_a_missing_field_is_refused_with_its_place(
    api: Api, fields: dict[str, Any], path: list[str]
):
    reply = api.chat(**fields)
    error = reply.json()
    assert reply.status_code == 400
    assert (error["success"], error["error"]["name"]) == (False, "ZodError")
    assert [issue["path"] for issue in json.loads(error["error"]["message"])] == [path]


def test_a_body_that_is_not_json_is_refused(api: Api):
    reply = api.http.post("/chat/completions", content=b"{oops")
    assert reply.status_code == 400
    assert oracle.check_error(400, reply.json()) == []


def test_everything_documented_is_accepted_together(api: Api):
    part = [
        {"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
        {"type": "video_url", "video_url": {"url": "https://example.org/a.mp4"}},
        {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
        },
    ]
    body: dict[str, Any] = {
        "model": "google/gemini-3.5-flash",
        "models": ["openai/gpt-5.4"],
        "messages": [
            {"role": "system", "content": "Be brief."},
            USER,
            {"role": "assistant", "content": "Hello", "reasoning": "r", "annotations": []},
            {"role": "user", "content": part},
        ],
        "provider": {
            "order": ["google-vertex"],
            "sort": "throughput",
            "data_collection": "deny",
            "max_price": {"prompt": "5", "completion": "25"},
            "allow_fallbacks": True,
        },
        "plugins": [{"id": "file-parser", "pdf": {"engine": "cloudflare-ai"}}],
        "tools": [
            {"type": "openrouter:web_search", "parameters": {"max_results": 3}},
            {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},
        ],
        "tool_choice": "auto",
        "reasoning": {"effort": "low", "exclude": True},
        "verbosity": "low",
        "include_reasoning": True,
        "max_tool_calls": 5,
        "stop_server_tools_when": [{"type": "step_count_is", "step_count": 5}],
        "max_completion_tokens": 1000,
        "temperature": 0,
        "top_p": 1,
        "seed": 7,
        "stop": ["END"],
        "response_format": {"type": "text"},
        "session_id": "mcp-1",
        "service_tier": "auto",
        "metadata": {"a": "b"},
        "user": "u",
        "parallel_tool_calls": None,
        "web_search_options": {"search_context_size": "low"},
    }
    assert oracle.check_request("/chat/completions", body) == []
    assert api.http.post("/chat/completions", json=body).status_code == 200
