"""What is missing or wrong in the configuration is told, and nothing is requested in vain."""

from fastmcp import Client

from openrouter_mcp.api.client import PUBLIC
from openrouter_mcp.errors import Code
from openrouter_mcp.simulator.app import ENDPOINTS
from tests.support.results import ERROR, call, text

PAID = {
    "chat": {"prompt": "Hi"},
    "complete_text": {"prompt": "Hi", "model": "opus"},
    "compare_models": {"prompt": "Hi", "models": ["opus", "sonnet"]},
    "generate_image": {"prompt": "A cat"},
    "generate_audio": {"text": "Hi"},
    "generate_video": {"prompt": "A cat"},
    "embed_texts": {"texts": ["Hi"]},
    "rerank_documents": {"query": "Hi", "documents": ["Hello"]},
}
KEYED = {
    **PAID,
    "get_rankings": {"kind": "benchmarks"},
    "get_generation": {"generation_id": "gen-1"},
    "send_feedback": {"generation_id": "gen-1", "category": "other"},
}
PUBLIC_TOOLS = {
    "find_models": {"query": "opus"},
    "get_model": {"model": "opus"},
    "recommend_model": {"task": "coding"},
    "list_providers": {},
    "search_docs": {"query": "streaming"},
    "get_account": {},
    "get_usage": {},
    "get_job": {},
    "list_threads": {},
}


def asked_with_a_key(simulator) -> list[str]:
    """The paths of all requests that OpenRouter answers only with a key."""
    needing = {each.path.split("{")[0] for each in ENDPOINTS if each.access != "public"}
    paths = [each.path for each in simulator.requests if not each.path.startswith(PUBLIC)]
    return [path for path in paths if path.startswith(tuple(needing))]


def test_what_is_asked_without_a_key_is_what_anyone_may_ask() -> None:
    public = {each.path for each in ENDPOINTS if each.access == "public" and each.method == "GET"}
    assert public == {path for path in public if path.startswith(PUBLIC)}


async def test_without_a_key_nothing_is_asked_that_needs_one(
    connect, simulator, monkeypatch
) -> None:
    monkeypatch.delenv("OPENROUTER_API_KEY")
    async with connect() as client:
        for name, arguments in KEYED.items():
            result = await call(client, name, **arguments)
            assert result.meta[ERROR]["code"] == Code.AUTH, name
            assert "https://openrouter.ai/keys" in text(result)
        for name, arguments in PUBLIC_TOOLS.items():
            result = await call(client, name, **arguments)
            assert not result.is_error, text(result)
        advice = (await call(client, "recommend_model", task="coding")).structured_content
        assert await call_jobs(client) == []
    assert asked_with_a_key(simulator) == []
    assert advice["models"]
    ((what, why),) = advice["missing"].items()
    assert what == "benchmarks, task shares, usage"
    assert "OPENROUTER_API_KEY" in why


async def call_jobs(client: Client) -> list:
    """What `get_job` lists."""
    return (await call(client, "get_job")).meta.get("openrouter/job", [])
