"""Every reply is one of the protocol version that the client speaks, by its official schema."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema.validators import validator_for

from openrouter_mcp import settings
from openrouter_mcp.handshake import LEGACY, LISTS, MODERN
from openrouter_mcp.server import TOOLS, build
from tests.support import calls
from tests.support.opening import ENVELOPE, INITIALIZED, initialize, request, together
from tests.support.timing import FAST

SCHEMAS = Path(__file__).parent / "support" / "protocol"
"""Those of https://github.com/modelcontextprotocol/modelcontextprotocol, as far as replies go."""
RESULTS = {
    "initialize": "InitializeResult",
    "server/discover": "DiscoverResult",
    "tools/list": "ListToolsResult",
    "prompts/list": "ListPromptsResult",
    "resources/list": "ListResourcesResult",
    "resources/templates/list": "ListResourceTemplatesResult",
    "prompts/get": "GetPromptResult",
    "resources/read": "ReadResourceResult",
}
OPEN = {"ResultMetaObject", "MetaObject", "JSONObject", "JSONValue"}
"""What the protocol leaves to us."""
VERSIONS = [*LEGACY, MODERN]
LINKS = {"generate_image", "generate_audio", "generate_video", "embed_texts", "transcribe_audio"}
"""Tools whose files come with a link."""
DATA = {"find_models", "get_model", "recommend_model", "get_rankings", "list_providers"} | {
    "rerank_documents",
    "get_account",
    "get_usage",
    "get_generation",
    "send_feedback",
}
FAILING = {"get_generation", "send_feedback", "run_agent"}
"""Nothing has been generated yet, and no other server is configured."""


@cache
def validator(version: str, result: str) -> Any:
    """Of one kind of result: what its version does not name is an error."""
    schema = json.loads((SCHEMAS / f"{version}.json").read_text("utf-8"))
    key = "$defs" if "$defs" in schema else "definitions"
    for name, definition in schema[key].items():
        if "properties" in definition and name not in OPEN:
            definition["additionalProperties"] = False
    schema["$ref"] = f"#/{key}/{result}"
    return validator_for(schema)(schema)


def errors(version: str, method: str, result: Any) -> Iterator[str]:
    for error in validator(version, RESULTS.get(method, "CallToolResult")).iter_errors(result):
        yield f"{method}: {error.json_path} {error.message[:200]}"
        for inner in error.context or ():
            yield f"    {inner.message[:200]}"


@pytest.mark.parametrize("version", VERSIONS)
def test_every_reply_is_of_the_clients_version(version, configure, tmp_path) -> None:
    arguments = calls.arguments(tmp_path)
    assert arguments.keys() == {tool.__name__ for tool in TOOLS}
    envelope = {"_meta": ENVELOPE} if version == MODERN else {}
    asked = [request(method, method, **envelope) for method in LISTS]
    if version == MODERN:
        early = [request("server/discover", "server/discover", **envelope), *asked]
    else:
        first = initialize("initialize", protocolVersion=version)
        early = [first, INITIALIZED, *asked]
    late = [
        request(name, "tools/call", name=name, arguments=given, **envelope)
        for name, given in arguments.items()
    ]
    late += [
        request("prompts/get", "prompts/get", name="pick_model", arguments={"task": "x"}),
        request("resources/read", "resources/read", uri="openrouter://models/openai/gpt-5-mini"),
        # The real server lists them too.
        request("again", "tools/list", **envelope),
    ][2 * bool(envelope) :]
    configure(OPENROUTER_VIDEO_POLL_INTERVAL_MS="10")
    lines = together(early, late, build(settings.load(), FAST))
    replies = {reply["id"]: reply["result"] for reply in map(json.loads, lines) if "id" in reply}
    assert replies.pop("again") == replies["tools/list"]
    wrong = [
        error for method, result in replies.items() for error in errors(version, method, result)
    ]
    assert wrong == []
    results = {name: replies[name] for name in arguments}
    assert {name for name, result in results.items() if result.get("isError")} == FAILING
    kinds = {
        name: {block["type"] for block in result["content"]} for name, result in results.items()
    }
    knows = version >= "2025-06-18"
    assert {name for name, found in kinds.items() if "resource_link" in found} == (
        LINKS if knows else set()
    )
    assert {name for name, result in results.items() if "structuredContent" in result} == (
        DATA - FAILING if knows else set()
    )
    for name in LINKS:
        # Where a link is not known, the path and the kind of the file stand in its place.
        told = "\n".join(block.get("text", "") for block in results[name]["content"])
        lines = [line for line in told.splitlines() if line.startswith(str(tmp_path / "output"))]
        assert lines
        assert any("/" in line.partition(" (")[2] for line in lines) is not knows
