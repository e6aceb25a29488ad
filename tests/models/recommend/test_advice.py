"""Advice: who may be advised, by which endpoint, and documents that are wrong, late or missing."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.models.catalogue import Catalogue
from openrouter_mcp.models.datasets import Market
from openrouter_mcp.models.model import Model
from openrouter_mcp.models.prices import Demand
from openrouter_mcp.models.recommend.advice import (
    RecommendationRequest,
    advise,
    best_endpoint,
    eligible,
    price_of,
)
from openrouter_mcp.models.recommend.tasks import Needs, needed, understand
from openrouter_mcp.state.document_cache import DocumentCache

NOW = 1_790_000_000.0
MISSING = OpenRouterError(Code.NETWORK, "Gone. Wait.")


def model(slug: str, coding: float, price: str, **fields) -> dict:
    return {
        "id": f"acme/{slug}",
        "canonical_slug": f"acme/{slug}-dated",
        "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
        "pricing": {"prompt": price, "completion": price},
        "context_length": 100_000,
        "benchmarks": {"artificial_analysis": {"coding_index": coding}} if coding else None,
    } | fields


class Client:
    """Answers by path; endpoints are healthy unless said otherwise."""

    def __init__(self):
        self.answers = {
            "/models": {
                "data": [
                    model("top", 80, "0.00001"),
                    model("mid", 70, "0.000002"),
                    model("low", 60, "0.0000002"),
                    model("gift", 50, "0.000001"),
                    model("gift:free", 0, "0", canonical_slug="acme/gift-dated"),
                    model("unmeasured", 0, "0.000001"),
                ]
            },
            "/benchmarks": {"data": [], "meta": {"as_of": "2026-09-01T00:00:00Z"}},
            "/datasets/rankings-daily": {"data": [], "meta": {"as_of": "2026-09-02"}},
            "/classifications/task": {
                "data": {"as_of": "2026-09-03", "window_days": 7, "classifications": []}
            },
        }

    async def get(self, path, *, params=None):
        await asyncio.sleep(0)
        offers = {"data": {"endpoints": [{"tag": "acme", "status": 0, "uptime_last_30m": 99}]}}
        answer = self.answers.get(path, offers)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def client():
    return Client()


@pytest.fixture
async def ask(client, tmp_path):
    cache = DocumentCache(tmp_path)
    catalogue, market = Catalogue(client, cache, 3600), Market(client, cache)

    async def advised(task="coding", **wanted):
        return await advise(catalogue, market, RecommendationRequest(task, **wanted), NOW)

    yield advised
    await cache.aclose()


def ids(advice):
    return [row["model"].removeprefix("acme/") for row in advice["models"]]


async def test_the_ladder_leaves_out_what_is_not_measured(ask):
    assert ids(await ask()) == ["top", "mid", "low", "gift"]


@pytest.mark.parametrize("ill", [{"status": -5}, {"uptime_last_30m": 12.5}])
async def test_a_model_whose_endpoints_are_all_ill_is_left_out(ask, client, ill):
    path = "/models/acme/top/endpoints"
    client.answers[path] = {"data": {"endpoints": [{"tag": "acme", **ill}]}}
    assert ids(await ask()) == ["mid", "low", "gift"]


async def test_the_data_set_corrects_the_catalogues_copy_and_dates_the_score(ask, client):
    client.answers["/benchmarks"]["data"] = [
        {"model_permaslug": "acme/mid-dated", "coding_index": 90},
        {"model_permaslug": "acme/mid-dated", "coding_index": 85},
        {"model_permaslug": "acme/retired", "coding_index": 99},
        {"model_permaslug": "acme/low", "coding_index": None},
    ]
    advice = await ask()
    assert ids(advice)[0] == "mid"
    assert advice["models"][0]["score"] == 90
    assert advice["models"][0]["scored_by"] == "Artificial Analysis coding index, 2026-09-01"


async def test_without_the_data_set_the_catalogues_copy_counts(ask, client):
    client.answers["/benchmarks"] = MISSING
    advice = await ask()
    assert ids(advice)[0] == "top"
    assert advice["missing"] == {"benchmarks": "Gone. Wait."}
    assert "benchmarks" not in advice["sources"]


async def test_a_citation_is_passed_on(ask, client):
    client.answers["/benchmarks"]["meta"]["citation"] = "Source: Somebody"
    sources = (await ask())["sources"]
    assert sources["benchmarks"] == "Source: Somebody"
    assert sources["usage"].endswith("as of 2026-09-02.")


async def test_use_is_weighted_by_how_frequent_each_kind_of_task_is(ask, client):
    client.answers["/classifications/task"]["data"]["classifications"] = [
        {
            "tag": "code:impl",
            "usage_share": 0.3,
            "models": [{"id": "acme/low", "tag_usage_share": 0.5}],
        },
        {
            "tag": "code:debug",
            "usage_share": 0.1,
            "models": [{"id": "acme/low", "tag_usage_share": 0.1}, {"id": "acme/retired"}],
        },
        {
            "tag": "text:poem",
            "usage_share": 0.9,
            "models": [{"id": "acme/top", "tag_usage_share": 1}],
        },
    ]
    rows = {row["model"]: row for row in (await ask())["models"]}
    assert rows["acme/low"]["used"] == ["40.0% of code requests, 7 days to 2026-09-03"]
    assert "used" not in rows["acme/top"]


async def test_use_by_tokens_counts_what_can_be_called(ask, client):
    client.answers["/datasets/rankings-daily"]["data"] = [
        {"date": "2026-08-31", "model_permaslug": "acme/mid-dated", "total_tokens": "25"},
        {"date": "2026-08-31", "model_permaslug": "other", "total_tokens": "75"},
    ]
    rows = {row["model"]: row for row in (await ask())["models"]}
    assert rows["acme/mid"]["used"] == ["25.0% of programming tokens, month to 2026-09-02"]


async def test_a_free_model_has_the_score_of_the_paid_one(ask, client):
    rows = client.answers["/models"]["data"]
    rows += [
        model(f"{slug}:free", 0, "0", canonical_slug=f"acme/{slug}-dated")
        for slug in ("top", "mid")
    ]
    advice = await ask(needs=["free"])
    assert ids(advice) == ["top:free", "mid:free", "gift:free"]
    assert advice["models"][0]["score"] == 80


async def test_the_prompt_is_priced_and_must_fit(ask):
    advice = await ask(prompt="x" * 150_000)
    assert advice["cost_for"].startswith("50,00")
    with pytest.raises(OpenRouterError) as caught:
        await ask(prompt="x" * 600_000)
    assert caught.value.code is Code.NOT_FOUND


async def test_two_scales_are_never_in_one_ranking(ask, client):
    arena = [{"arena": "models", "category": "website", "elo": 1300}]
    for row in client.answers["/models"]["data"][1:4]:
        row["benchmarks"]["design_arena"] = arena
    advice = await ask("website")
    assert "top" not in ids(advice)
    scales = {row["scored_by"].partition(",")[0] for row in advice["models"]}
    assert scales == {"Design Arena website Elo"}
    assert all("score_per_dollar" not in row for row in advice["models"])


MOMENT = datetime(2026, 11, 1, tzinfo=UTC)


def candidate(id_: str, output: str = "text", price: str = "0.000001", **fields) -> Model:
    inputs = fields.pop("inputs", ["text"])
    row = {
        "id": id_,
        "architecture": {"input_modalities": inputs, "output_modalities": [output]},
        "pricing": {"prompt": price, "completion": price},
        "context_length": 100_000,
        "supported_parameters": ["tools"],
    }
    parsed = Model.parse(row | fields)
    assert parsed
    return parsed


MODELS = [
    candidate("acme/plain"),
    candidate("acme/seer", inputs=["text", "image"], supported_parameters=["reasoning"]),
    candidate("acme/vast", context_length=1_000_000, hugging_face_id="acme/vast"),
    candidate("acme/dear", price="0.0001"),
    candidate("acme/ending", expiration_date="2026-11-09"),
    candidate("acme/lasting", expiration_date="2098-12-31"),
    candidate("acme/gift:free", price="0"),
    candidate("acme/plain:batch"),
    candidate("~acme/plain-latest"),
    candidate("openrouter/auto", price="-1"),
    candidate("acme/easel", output="image", price="0"),
]


def eligible_for(
    task: str = "chat", *needs: str, max_price: float = 0, min_context: int = 0
) -> list[str]:
    fitting = eligible(
        MODELS,
        understand(task),
        needed(needs, ["tools", "reasoning"]),
        max_price=max_price,
        min_context=min_context,
        now=MOMENT.timestamp(),
    )
    return [one.id.removeprefix("acme/") for one in fitting]


def test_aliases_variants_routers_and_the_expiring_are_left_out():
    assert eligible_for() == ["plain", "seer", "vast", "dear", "lasting"]


@pytest.mark.parametrize(
    ("need", "ids"),
    [
        ("tools", ["plain", "vast", "dear", "lasting"]),
        ("vision", ["seer"]),
        ("reasoning", ["seer"]),
        ("open", ["vast"]),
        ("free", ["gift:free"]),
        ("routers", ["openrouter/auto"]),
        ("expiring", ["plain", "seer", "vast", "dear", "ending", "lasting"]),
    ],
)
def test_each_need_is_a_must(need: str, ids: list[str]):
    assert eligible_for("chat", need) == ids


def test_price_and_context_are_limits():
    assert eligible_for(max_price=1) == ["plain", "seer", "vast", "lasting"]
    assert eligible_for(min_context=500_000) == ["vast"]
    assert eligible_for("long documents") == ["vast"]


def test_a_task_needs_its_kind_of_output_whose_price_has_other_units():
    assert eligible_for("images", max_price=1) == ["easel"]


def test_the_price_is_of_all_tokens_and_unknown_where_tokens_are_not_paid():
    demand = Demand(3000, 1000)
    assert price_of(MODELS[0], demand, MOMENT) == Decimal("0.004")
    assert price_of(MODELS[-1], demand, MOMENT) is None
    assert price_of(MODELS[-2], demand, MOMENT) is None


def offer(tag: str, price: str = "1", **fields) -> dict:
    return {"tag": tag, "pricing": {"prompt": price, "completion": price}} | fields


def best(*offers: dict, needs: Needs | None = None, zdr: set[str] | None = None) -> str | None:
    chosen = best_endpoint(offers, needs or Needs(), zdr)
    return chosen["tag"] if chosen else None


def test_the_cheapest_endpoint_is_best_and_the_quicker_of_two():
    slow = offer("slow", latency_last_30m={"p50": 900})
    quick = offer("quick", latency_last_30m={"p50": 200})
    assert best(slow, quick, offer("dear", "2", latency_last_30m={"p50": 1})) == "quick"


@pytest.mark.parametrize("ill", [{"status": -2}, {"uptime_last_30m": 94.9}])
def test_a_failing_endpoint_is_never_best(ill: dict):
    assert best(offer("ill", "0.1", **ill), offer("well", uptime_last_30m=None)) == "well"
    assert best(offer("ill", **ill)) is None


@pytest.mark.parametrize("odd", ["dear", "-1", None, [], "NaN"])
def test_an_endpoint_without_a_readable_price_comes_last(odd):
    assert best(offer("odd", odd), offer("dear", "9")) == "dear"
    assert best(offer("odd", odd)) == "odd"


def test_a_service_tier_is_best_only_when_alone():
    flex = offer("acme/flex", "0.5", service_tier="flex")
    assert best(flex, offer("acme")) == "acme"
    assert best(flex) == "acme/flex"


def test_with_zero_retention_needed_only_such_endpoints_count():
    needs = needed(["zdr"], [])
    assert best(offer("keeper", "0.1"), offer("clean"), needs=needs, zdr={"clean"}) == "clean"
    assert best(offer("keeper"), needs=needs, zdr=set()) is None
    assert best(offer("keeper"), needs=needs, zdr=None) == "keeper"
