"""The models tools against the simulator: as functions, and as a client sees them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from fastmcp import Client, FastMCP
from fastmcp.server.lifespan import lifespan

from openrouter_mcp import settings
from openrouter_mcp.app import App
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.simulator.models import UPSCALER
from openrouter_mcp.tools.models import (
    find_models,
    get_model,
    get_rankings,
    list_providers,
    recommend_model,
)
from tests.support.timing import FAST

TOOLS = [find_models, get_model, recommend_model, get_rankings, list_providers]
TOKEN_BUDGET = 920
PAGE_BUDGET = 1200


@pytest.fixture
async def app(configure) -> AsyncIterator[App]:
    app = App(settings.load(), FAST)
    yield app
    await app.aclose()


async def ids(app: App, **arguments) -> list[str]:
    return [row["id"] for row in (await find_models(**arguments, app=app))["models"]]


def tokens(value: object) -> float:
    return len(json.dumps(value, separators=(",", ":")).encode()) / 4


async def test_a_bare_page_is_twenty_models_and_says_how_to_go_on(app):
    page = await find_models(app=app)
    assert len(page["models"]) == 20
    assert page["next"].endswith("offset=20")
    assert "filtered_by" not in page
    assert tokens(page) < PAGE_BUDGET
    rest = await find_models(offset=20, limit=100, app=app)
    assert "next" not in rest
    assert len(page["models"]) + len(rest["models"]) == page["total"]


async def test_filters_combine_and_are_told(app):
    page = await find_models(
        query="claude",
        input=["pdf"],
        supports=["TOOLS"],
        provider="google vertex",
        max_price=7,
        min_context=150_000,
        zdr=True,
        app=app,
    )
    assert {row["id"] for row in page["models"]} == {
        "anthropic/claude-sonnet-5",
        "anthropic/claude-sonnet-4.5",
        "anthropic/claude-haiku-5",
        "anthropic/claude-haiku-4.5",
    }
    assert page["filtered_by"] == {
        "query": "claude",
        "input": ("file",),
        "supports": ("tools",),
        "provider": "Google",
        "max_price": 7,
        "min_context": 150_000,
        "zdr": True,
    }


@pytest.mark.parametrize("asked", ["deepinfra", "DeepInfra", "deepinfra/fp8", "Deep Infra"])
async def test_a_provider_is_known_by_slug_name_or_tag(app, asked):
    found = await ids(app, provider=asked, limit=100)
    assert "deepseek/deepseek-v3.2" in found
    assert "openai/gpt-5.4" not in found


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        ("popularity", "anthropic/claude-sonnet-5"),
        ("coding", "anthropic/claude-opus-5"),
        ("tool_success", "anthropic/claude-opus-5"),
    ],
)
async def test_orders_of_the_api_and_of_the_benchmarks(app, sort, first):
    assert (await ids(app, sort=sort, input=["file"]))[0] == first


async def test_the_quickest_come_first_by_throughput(app, simulator):
    quickest = await ids(app, sort="throughput", limit=3)
    listed = [request.query for request in simulator.requests][-1]
    assert listed == {"output_modalities": "all", "sort": "throughput-high-to-low"}
    assert quickest != await ids(app, limit=3)


async def test_a_category_narrows_and_orders(app):
    found = await ids(app, category="Legal", limit=100)
    assert found
    assert len(found) < len(await ids(app, limit=100))


async def test_an_order_that_cannot_be_had_is_told_and_the_models_still_come(app, simulator):
    await find_models(app=app)
    simulator.fail("platform_rate_limited", path="/models", times=None)
    page = await find_models(sort="popularity", app=app)
    assert len(page["models"]) == 20
    assert page["order_missing"]


@pytest.mark.parametrize(
    ("arguments", "suggestion"),
    [
        ({"provider": "deepinfar"}, "deepinfra"),
        ({"category": "programing"}, "programming"),
        ({"supports": ["tolls"]}, "tools"),
        ({"author": "antropic"}, "anthropic"),
        ({"output": ["vidio"]}, "video"),
    ],
)
async def test_a_word_that_no_model_could_fit_is_refused_with_the_nearest(
    app, arguments, suggestion
):
    with pytest.raises(OpenRouterError) as caught:
        await find_models(**arguments, app=app)
    assert caught.value.code is Code.INVALID_INPUT
    assert caught.value.suggestions[0] == suggestion


async def test_a_model_comes_with_its_endpoints_and_their_data_policy(app):
    answer = await get_model("opus", app=app)
    assert "opus" in answer["resolved"]
    assert "missing" not in answer
    card = answer["model"]
    assert card["id"] == "anthropic/claude-opus-5"
    assert "high" in card["reasoning"]["supported_efforts"]
    first, *_ = card["endpoints"]
    assert first["tag"] == "anthropic"
    assert first["zdr"] is True
    assert first["datacenters"] == ["US"]
    assert first["latency_ms"]["p50"] < first["latency_ms"]["p90"]


async def test_conditional_prices_are_told_in_words(app):
    card = (await get_model("anthropic/claude-sonnet-5", app=app))["model"]
    assert card["price_overrides"][0]["when"] == "prompt over 200,000 tokens"


async def test_every_call_survives_a_price_line_that_is_not_understood(app, simulator):
    id_ = "anthropic/claude-sonnet-5"
    odd = {"regions": ["eu"], "min_prompt_tokens": "many", "utc_days": 6, "prompt": "0.00001"}
    simulator.model(id_)["pricing"] |= {"audio": "1e400", "overrides": [odd, "dear"]}
    card = (await get_model(id_, app=app))["model"]
    assert card["price_overrides"][0]["prompt"] == 10
    assert id_ in await ids(app, query="sonnet", sort="price")
    advice = await recommend_model(task="coding", app=app)
    assert advice["models"]


async def test_an_alias_shows_the_endpoints_of_its_target(app):
    card = (await get_model("~openai/gpt-latest", app=app))["model"]
    assert card["alias_of"] == "openai/gpt-5.4"
    assert "openai" in [offer["tag"] for offer in card["endpoints"]]


async def test_an_image_model_shows_prices_by_the_image(app):
    card = (await get_model("seedream", app=app))["model"]
    assert "prices" not in card
    offer = card["image_endpoints"][0]
    assert "output_image: $0.05 per image (2k)" in offer["prices"]
    assert offer["parameters"]["resolution"] == ["1K", "2K", "4K"]


async def test_a_video_model_shows_prices_by_the_second(app):
    card = (await get_model("google/veo-3.1", app=app))["model"]
    assert card["video"]["prices"]["per-video-second"] == "0.40"
    assert card["video"]["durations_seconds"] == [4, 6, 8]


async def test_a_speech_model_shows_its_voices(app):
    assert "alloy" in (await get_model("openai/gpt-4o-mini-tts", app=app))["model"]["voices"]


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("openai/gpt-99", "openai/gpt-5.4"), ("~openai/gpt-larest", "~openai/gpt-latest")],
)
async def test_a_wrong_id_gets_the_nearest_live_ones(app, wrong, near):
    with pytest.raises(OpenRouterError) as caught:
        await get_model(wrong, app=app)
    assert caught.value.code is Code.MODEL_NOT_FOUND
    assert near in caught.value.suggestions


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("/models/*/endpoints", "endpoints"),
        ("/endpoints/zdr", "zero data retention"),
        ("/providers", "providers"),
        ("/images/*", "image prices"),
    ],
)
async def test_a_missing_source_is_told_and_the_rest_still_comes(app, simulator, path, source):
    simulator.fail("platform_rate_limited", path=path, times=None)
    answer = await get_model("seedream", app=app)
    assert set(answer["missing"]) == {source}
    assert answer["model"]["id"] == "bytedance-seed/seedream-4.5"


async def test_without_a_key_the_speed_is_told_to_be_missing(configure):
    configure(OPENROUTER_API_KEY="")
    app = App(settings.load(), FAST)
    answer = await get_model("opus", app=app)
    assert "latency, throughput" in answer["missing"]
    await app.aclose()


async def test_advice_comes_with_reason_score_date_cost_and_health(app):
    advice = await recommend_model(task="coding", app=app)
    first, *others = advice["models"]
    assert first["model"] == "anthropic/claude-opus-5"
    assert first["why"].startswith("highest score of")
    assert first["scored_by"].startswith("Artificial Analysis coding index, 20")
    assert first["score_per_dollar"] == 7.9
    assert first["cost"] == 0.04375
    assert first["uptime_percent"] == 99.5
    assert first["latency_ms"] == 900
    assert first["provider"] == "google-vertex"
    assert any("code requests" in share for share in first["used"])
    assert len(others) == 4
    assert advice["missing"] == {}
    assert set(advice["sources"]) == {"benchmarks", "task shares", "usage"}


async def test_the_same_data_gives_the_same_advice(app):
    first = await recommend_model(task="agents", needs=["json"], app=app)
    assert await recommend_model(task="agents", needs=["json"], app=app) == first


async def test_cost_is_that_of_the_prompt(app):
    short = await recommend_model(task="coding", prompt="Hi.", app=app)
    long = await recommend_model(task="coding", prompt="Word " * 60_000, app=app)
    assert short["models"][0]["cost"] < long["models"][0]["cost"]
    assert all(row["model"] != "tessera/mosaic-7b" for row in long["models"])


async def test_needs_are_kept(app):
    advice = await recommend_model(task="chat", needs=["zdr", "vision"], max_price=5, app=app)
    zdr = {"azure", "amazon-bedrock", "anthropic", "google-vertex", "together", "fireworks", "groq"}
    for row in advice["models"]:
        card = (await get_model(row["model"], app=app))["model"]
        assert "image" in card["kinds"]
        assert row["provider"].partition("/")[0] in zdr
        assert (3 * row["price_in"] + row["price_out"]) / 4 <= 5


async def test_an_expiring_model_is_advised_only_when_asked_for(app):
    hidden = await recommend_model(task="bulk", needs=["tools"], max_price=1, app=app)
    shown = await recommend_model(task="roleplay", needs=["expiring"], max_price=1, app=app)
    assert hidden["considered"] < shown["considered"]


@pytest.mark.parametrize(
    ("task", "output", "price"),
    [
        ("images of cats", "image", "output_image: $0.05 per image (2k)"),
        ("a video clip", "video", "per-video-second"),
        ("embeddings", "embeddings", None),
        ("rerank", "rerank", None),
        ("text to speech", "speech", None),
        ("transcribe", "transcription", None),
    ],
)
async def test_media_tasks_get_models_that_make_it_with_their_prices(app, task, output, price):
    advice = await recommend_model(task=task, app=app)
    assert advice["models"]
    for row in advice["models"]:
        card = (await get_model(row["model"], app=app))["model"]
        assert output in card["kinds"].partition("->")[2]
        assert price is None or price in row["price"]


async def test_what_only_enlarges_videos_is_not_advised_for_making_them(app):
    advice = await recommend_model(task="a video clip", app=app)
    assert UPSCALER not in [row["model"] for row in advice["models"]]
    assert UPSCALER in await ids(app, output=["video"])


async def test_what_is_not_known_of_endpoints_is_told(app, simulator):
    simulator.fail("platform_rate_limited", path="/models/*/endpoints", times=None)
    advice = await recommend_model(task="coding", app=app)
    assert "endpoints" in advice["missing"]
    assert all("provider" not in row for row in advice["models"])
    assert len(advice["models"]) == 5


async def test_advice_survives_without_the_data_sets(app, simulator):
    for path in ("/benchmarks", "/datasets/*", "/classifications/*"):
        simulator.fail("platform_rate_limited", path=path, times=None)
    advice = await recommend_model(task="coding", app=app)
    assert [*advice["missing"]] == ["benchmarks, task shares, usage"]
    assert advice["models"][0]["model"] == "anthropic/claude-opus-5"
    assert advice["models"][0]["score"] == 79


async def test_when_nothing_fits_it_is_said_what_to_loosen(app):
    with pytest.raises(OpenRouterError, match="Drop a need") as caught:
        await recommend_model(task="coding", needs=["video"], max_price=0.0001, app=app)
    assert caught.value.code is Code.NOT_FOUND


@pytest.mark.parametrize(
    ("arguments", "first"),
    [
        ({"kind": "benchmarks"}, {"rank": 1, "id": "anthropic/claude-opus-5"}),
        ({"kind": "benchmarks", "source": "design-arena"}, {"elo": 1370}),
        ({"kind": "benchmarks", "source": "openrouter"}, {"solved": 0.64}),
        ({"kind": "models"}, {"id": "anthropic/claude-sonnet-5"}),
        ({"kind": "models", "category": "programming"}, {"id": "anthropic/claude-opus-5"}),
        ({"kind": "apps", "category": "coding"}, {"app": "Cline"}),
        ({"kind": "apps", "category": "cli-agent"}, {"app": "Hermes Agent"}),
        ({"kind": "tasks"}, {"tag": "code:general_impl"}),
        ({"kind": "sessions", "category": "cline"}, {"app": "cline", "turns": "1-turn"}),
    ],
)
async def test_each_ranking_is_short_dated_and_attributed(app, arguments, first):
    ranking = await get_rankings(**arguments, app=app)
    assert ranking["rows"][0].items() >= first.items()
    assert len(ranking["rows"]) <= 10
    assert ranking["total"] >= len(ranking["rows"])
    assert ranking["as_of"].startswith("20")
    assert ranking["attribution"].startswith("Source: ")
    assert "fetched_at" not in ranking


async def test_a_retired_model_is_a_name_and_no_id(app):
    rows = (await get_rankings("benchmarks", limit=100, app=app))["rows"]
    retired = [row for row in rows if "id" not in row]
    assert [row["name"] for row in retired] == ["Anvil 0"]


async def test_dates_are_passed_on(app):
    dates = {"start_date": "2026-10-01", "end_date": "2026-10-02"}
    ranking = await get_rankings("models", **dates, app=app)
    assert "2026-10-01 to 2026-10-02" in ranking["about"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"kind": "benchmarks", "category": "beauty"},
        {"kind": "benchmarks", "source": "rumour"},
        {"kind": "benchmarks", "source": "design-arena", "category": "fashion/svg"},
        {"kind": "models", "category": "gardening"},
        {"kind": "models", "start_date": "yesterday"},
        {"kind": "tasks", "category": "cooking"},
    ],
)
async def test_what_no_ranking_has_is_refused(app, arguments):
    with pytest.raises(OpenRouterError) as caught:
        await get_rankings(**arguments, app=app)
    assert caught.value.code is Code.INVALID_INPUT


async def test_providers_tell_where_they_are_and_what_they_retain(app):
    answer = await list_providers(app=app)
    by_slug = {row["slug"]: row for row in answer["providers"]}
    assert by_slug["mistral"]["headquarters"] == "FR"
    assert by_slug["openai"]["zdr_endpoints"] == 0
    assert by_slug["azure"]["zdr_endpoints"] > 0
    assert "privacy_policy_url" not in by_slug["azure"]


async def test_the_list_of_providers_is_bounded(app, simulator):
    rows = [
        {"slug": f"p{n}", "name": "P" * 10_000, "datacenters": ["DE"] * 999} for n in range(300)
    ]
    body = json.dumps({"data": rows})
    simulator.answer_raw(body, path="/providers", media_type="application/json")
    answer = await list_providers(app=app)
    assert (len(answer["providers"]), answer["total"]) == (200, 300)
    assert answer["next"] == "100 more: name a part of one with query"
    assert len(json.dumps(answer)) < 200_000


async def test_a_query_finds_by_name_or_by_country_with_the_policies(app):
    named = await list_providers("goog", app=app)
    assert [row["slug"] for row in named["providers"]] == ["google-vertex", "google-ai-studio"]
    assert named["providers"][0]["privacy_policy_url"].startswith("https://")
    french = await list_providers("fr", app=app)
    assert [row["slug"] for row in french["providers"]] == ["mistral"]


async def test_fifty_calls_of_three_servers_ask_for_each_document_once(configure, simulator):
    calls = [
        lambda app: find_models(sort="popularity", app=app),
        lambda app: find_models(provider="azure", zdr=True, app=app),
        lambda app: get_model("opus", app=app),
        lambda app: recommend_model(task="coding", app=app),
        lambda app: get_rankings("models", app=app),
        lambda app: get_rankings("tasks", app=app),
        lambda app: list_providers(app=app),
    ]
    async with AsyncExitStack() as stack:
        apps = [App(settings.load(), FAST) for _ in range(3)]
        for app in apps:
            stack.push_async_callback(app.aclose)
        await asyncio.gather(
            *(calls[number % len(calls)](apps[number % 3]) for number in range(51))
        )
    asked = [(request.path, tuple(request.query.items())) for request in simulator.requests]
    assert len(asked) == len(set(asked))


async def test_clients_see_flat_short_schemas_and_may_send_json_text(configure):
    @lifespan
    async def share(_server):
        app = App(settings.load(), FAST)
        yield {"app": app}
        await app.aclose()

    async with Client(FastMCP("models", tools=TOOLS, lifespan=share)) as client:
        tools = await client.list_tools()
        seen = [
            {"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema}
            for tool in tools
        ]
        assert "anyOf" not in json.dumps(seen)
        assert tokens(seen) < TOKEN_BUDGET
        assert all(tool.annotations.read_only_hint for tool in tools)
        found = await client.call_tool("find_models", {"input": '["image", "file"]', "limit": 2})
        assert found.structured_content["filtered_by"]["input"] == ["image", "file"]
