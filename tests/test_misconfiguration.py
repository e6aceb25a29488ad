"""What is missing or wrong in the configuration is told, and nothing is requested in vain."""

import json

import pytest
from fastmcp import Client

from openrouter_mcp import settings
from openrouter_mcp.api.client import PUBLIC, OpenRouter
from openrouter_mcp.errors import Code, OpenRouterError
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


PLACEHOLDERS = [
    "sk-or-v1-...",
    "sk-or-v1-\u2026",
    "sk-or-v1-xxxxxxxxxxxxxxxx",
    "sk-or-v1-",
    "sk-or-v1-your-key-here",
    "sk-or-v1-<your key>",
    "${input:openrouter-key}",
    "${OPENROUTER_API_KEY}",
    "$OPENROUTER_API_KEY",
    "$(pass openrouter)",
    "%OPENROUTER_API_KEY%",
    "{{openrouter_key}}",
    "YOUR_KEY",
    "YOUR_OPENROUTER_API_KEY",
    "your api key",
    "<your key>",
    "[KEY]",
    "changeme",
    "todo",
    "key-goes-here",
    "op://vault/openrouter/key",
    "sk-or-v1-0000000000000000",
    "undefined",
    '""',
]
OF_OTHERS = ["sk-ant-api03-abcdefghijkl", "sk-proj-abcdefghijkl", "gsk_abcdefghijkl"]
KEY = "sk-or-v1-" + "0123456789abcdef" * 4


@pytest.mark.parametrize("value", [*PLACEHOLDERS, *OF_OTHERS, "sk-or-v1-0123 456789"])
def test_what_can_be_no_key_counts_as_unset(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    for name in ("OPENROUTER_API_KEY", "OPENROUTER_MANAGEMENT_KEY"):
        monkeypatch.setenv(name, value)
    loaded = settings.load()
    assert loaded.api_key is loaded.management_key is None
    assert loaded.problems == ()
    for field, flaw in loaded.flaws.items():
        assert flaw.startswith(settings.variable(field))
        assert value.strip('"') == "" or value not in flaw
    assert list(loaded.own_keys) == ([] if value in PLACEHOLDERS else [value])


@pytest.mark.parametrize(
    "around",
    [
        "{}",
        " {}\n",
        '"{}"',
        "'{}'\r\n",
        "\u201c{}\u201d",
        "\ufeff{}\u200b",
        "Bearer {}",
        "Authorization: Bearer {}",
        "OPENROUTER_API_KEY={}",
        'export OPENROUTER_API_KEY="{}"',
        "{},",
    ],
)
def test_what_was_copied_along_with_a_key_is_left_out(
    monkeypatch: pytest.MonkeyPatch, around: str
) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", around.format(KEY))
    loaded = settings.load()
    assert loaded.api_key is not None
    assert loaded.api_key.get_secret_value() == KEY
    assert loaded.flaws == {}


@pytest.mark.parametrize("value", ["${input:openrouter-key}", "sk-ant-api03-abcdefghijkl"])
async def test_what_can_be_no_key_is_told_and_never_sent(
    configure, connect, simulator, value: str
) -> None:
    configure(OPENROUTER_API_KEY=value, OPENROUTER_MANAGEMENT_KEY=value)
    async with connect() as client:
        results = {
            name: await call(client, name, **arguments)
            for name, arguments in {**KEYED, "get_account": {}}.items()
        }
        assert not (await call(client, "find_models", query="opus")).is_error
    for name, result in results.items():
        assert value not in json.dumps(result.structured_content) + text(result)
        assert "OPENROUTER_API_KEY holds a" in text(result), name
    account = results["get_account"].structured_content
    assert account["credits"]["why"].startswith("OPENROUTER_MANAGEMENT_KEY holds a")
    assert asked_with_a_key(simulator) == []
    assert not any(value in str(request.headers) for request in simulator.requests)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("OPENROUTER_MAX_COST_PER_DAYS", "OPENROUTER_MAX_COST_PER_DAY"),
        ("openrouter_max_cost_per_dya", "OPENROUTER_MAX_COST_PER_DAY"),
        ("OPEN_ROUTER_MAX_COST_PER_CALL", "OPENROUTER_MAX_COST_PER_CALL"),
        ("OPENROUTER_DAILY_BUDGET", "OPENROUTER_MAX_COST_PER_DAY"),
        ("OPENROUTER_SESSION_LIMIT_USD", "OPENROUTER_MAX_COST_PER_SESSION"),
        ("OPENROUTER_SPEND_CAP", "OPENROUTER_MAX_COST_PER_CALL or OPENROUTER_MAX_COST_PER_DAY or"),
        ("OPENROUTER_CONFIRM_ABOVE_USD", "OPENROUTER_CONFIRM_ABOVE"),
    ],
)
async def test_a_limit_that_is_none_is_told_before_every_paid_reply(
    configure, connect, simulator, caplog, name: str, meant: str
) -> None:
    configure(**{name: "5"})
    async with connect() as client:
        account = (await call(client, "get_account")).structured_content
        chat = await call(client, "chat", prompt="Hi", model="opus")
        ranked = await call(client, "rerank_documents", query="Hi", documents=["Hello"])
        found = await call(client, "find_models", query="opus")
    [told] = account["problems"]
    assert told.startswith(f"{name} is no variable of openrouter-mcp, so it limits nothing.")
    assert f"Did you mean {meant}" in told
    assert told in caplog.text
    assert text(chat).startswith(told)
    assert chat.content[-1].text.splitlines()[-1].startswith("-- ")
    assert text(ranked).startswith(told)
    assert ranked.structured_content["warning"] == told
    assert ranked.structured_content["results"]
    assert told not in text(found)


async def test_other_unknown_variables_are_told_where_it_is_asked(
    configure, connect, simulator
) -> None:
    configure(OPENROUTER_KEY="secret-word", OPENROUTER_OUTPUTDIR="out", OPENROUTER_EMPTY="")
    async with connect() as client:
        account = (await call(client, "get_account")).structured_content
        chat = await call(client, "chat", prompt="Hi", model="opus")
    assert account["problems"] == [
        "OPENROUTER_KEY is no variable of openrouter-mcp. Did you mean OPENROUTER_API_KEY?",
        "OPENROUTER_OUTPUTDIR is no variable of openrouter-mcp. Did you mean "
        "OPENROUTER_OUTPUT_DIR?",
    ]
    assert "no variable" not in text(chat)


def test_every_variable_of_the_server_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in settings.Settings.model_fields:
        monkeypatch.setenv(settings.variable(field).lower(), "1")
    assert settings.load().unknown == {}


async def test_a_bad_variable_blocks_everything_but_get_account(
    configure, connect, simulator
) -> None:
    configure(OPENROUTER_MAX_COST_PER_DAY="ten")
    async with connect() as client:
        account = await call(client, "get_account")
        chat = await call(client, "chat", prompt="Hi", model="opus")
    assert not account.is_error
    assert account.structured_content["key"]["works"]
    [told] = account.structured_content["problems"]
    assert told.startswith("OPENROUTER_MAX_COST_PER_DAY: ")
    assert chat.meta[ERROR]["code"] == Code.INVALID_INPUT
    assert told in text(chat)


async def test_no_key_goes_to_an_address_that_nobody_chose(configure) -> None:
    configure(OPENROUTER_BASE_URL="proxy.example", OPENROUTER_MANAGEMENT_KEY=KEY)
    client = OpenRouter(settings.load())
    assert await client.key.find() == ""
    for path in ("/key", "/credits"):
        with pytest.raises(OpenRouterError, match="OPENROUTER_BASE_URL is no address") as caught:
            await client.get(path, management=True)
        assert caught.value.code is Code.AUTH


@pytest.mark.parametrize("tools", ["media", "multimdal,", "chta", "chat,modles"])
async def test_a_wrong_name_of_tools_is_answered_with_the_right_ones(
    configure, connect, tools: str
) -> None:
    configure(OPENROUTER_TOOLS=tools)
    async with connect() as client:
        assert len(await client.list_tools()) > 20
        for name in ("chat", "get_job"):
            result = await call(client, name, prompt="Hi")
            assert result.meta[ERROR]["code"] == Code.INVALID_INPUT
            assert "The modules are account, chat, models, multimodal; the tools" in text(result)
            assert "Did you mean" in text(result)
        account = await call(client, "get_account")
    assert account.structured_content["problems"]
