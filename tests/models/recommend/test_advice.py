"""Advice joined from several documents, some of which are wrong, late or missing."""

import asyncio

import pytest

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.models.catalogue import Catalogue
from openrouter_mcp.models.datasets import Market
from openrouter_mcp.models.recommend.advice import Question, advise
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
        return await advise(catalogue, market, Question(task, **wanted), NOW)

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
