"""Rankings: which data set answers, how old data is told, and its rows as short tables."""

import pytest

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.models import rankings
from openrouter_mcp.models.catalogue import Snapshot
from openrouter_mcp.models.datasets import MAX_AGE, Market
from openrouter_mcp.models.rankings import RankingRequest, ranking
from openrouter_mcp.state.document_cache import Document, DocumentCache
from tests.support.clock import Clock

PRICING = {"prompt": "0.000003", "completion": "0.000015"}
SNAPSHOT = Snapshot.of(
    Document(
        [
            {"id": "acme/owl", "canonical_slug": "acme/owl-dated", "pricing": PRICING},
            {"id": "acme/owl:free", "canonical_slug": "acme/owl-dated"},
        ],
        0,
        False,
    )
)


def measured(slug: str, **fields) -> dict:
    return {"model_permaslug": slug, "display_name": slug.upper()} | fields


def test_an_index_orders_and_a_name_that_cannot_be_called_is_no_id():
    rows = [
        measured("acme/owl-dated", intelligence_index=50, coding_index=70),
        measured("acme/gone", intelligence_index=60, coding_index=40),
        measured("acme/unmeasured", intelligence_index=None),
    ]
    by_intelligence = rankings.analysis(rows, SNAPSHOT, "")
    assert [row.get("id", row.get("name")) for row in by_intelligence] == ["ACME/GONE", "acme/owl"]
    assert by_intelligence[1] == {
        "rank": 2,
        "id": "acme/owl",
        "intelligence": 50,
        "coding": 70,
        "agentic": None,
        "price": 6,
    }
    assert rankings.analysis(rows, SNAPSHOT, "Coding")[0]["id"] == "acme/owl"


def test_an_arena_shows_one_category():
    rows = [
        measured("acme/owl", category="website", elo=1200, win_rate=50),
        measured("acme/gone", category="website", elo=1300),
        measured("acme/owl", category="svg", elo=1500),
    ]
    assert [row["elo"] for row in rankings.arena(rows, SNAPSHOT, "")] == [1300, 1200]
    assert [row["elo"] for row in rankings.arena(rows, SNAPSHOT, "svg")] == [1500]


def test_openrouters_benchmarks_have_one_of_two_names_for_the_result():
    rows = [
        measured("acme/owl", benchmark_type="search_hle", primary_score=0.4, search_engine="exa"),
        measured("acme/owl", benchmark_type="gpqa_diamond", accuracy=0.7, avg_cost_per_task=0.01),
    ]
    assert rankings.own_benchmark(rows, SNAPSHOT, "")[0]["solved"] == 0.7
    assert rankings.own_benchmark(rows, SNAPSHOT, "search_hle") == [
        {"rank": 1, "id": "acme/owl", "solved": 0.4, "usd_per_task": None, "search_engine": "exa"}
    ]


def day(date: str, slug: str, billions: int) -> dict:
    return {"date": date, "model_permaslug": slug, "total_tokens": f"{billions}000000000"}


def test_tokens_are_summed_and_the_trend_is_that_of_the_share():
    rows = [
        day("2026-10-01", "acme/owl-dated", 10),
        day("2026-10-01", "other", 90),
        day("2026-10-02", "acme/owl-dated", 30),
        day("2026-10-02", "acme/owl-dated:free", 20),
        day("2026-10-02", "other", 150),
    ]
    assert rankings.models(rows, SNAPSHOT) == [
        {
            "rank": 1,
            "id": "acme/owl",
            "tokens_billion": 40.0,
            "share": "13.3%",
            "trend": "+50%",
        },
        {
            "rank": 2,
            "id": "acme/owl:free",
            "tokens_billion": 20.0,
            "share": "6.7%",
            "trend": "new",
        },
    ]


def test_one_day_has_no_trend_and_no_tokens_are_no_reason_to_fail():
    assert "trend" not in rankings.models([day("2026-10-01", "acme/owl", 1)], SNAPSHOT)[0]
    assert rankings.models([{"date": "2026-10-01", "total_tokens": None}], SNAPSHOT)
    assert rankings.models([], SNAPSHOT) == []


def test_apps_show_tokens_and_requests():
    rows = [{"rank": 1, "app_name": "Cline", "total_tokens": "2500000000", "total_requests": 7}]
    assert rankings.apps(rows) == [
        {"rank": 1, "app": "Cline", "tokens_billion": 2.5, "requests": 7}
    ]


TASKS = [
    {"tag": "code:debug", "macro_category": "code", "display_name": "Debug", "usage_share": 0.1},
    {
        "tag": "code:impl",
        "macro_category": "code",
        "display_name": "Code",
        "usage_share": 0.25,
        "models": [{"id": "acme/owl", "tag_usage_share": 0.5}, {"id": "acme/gone"}, {}, {}],
    },
    {"tag": "text:poem", "macro_category": "text", "display_name": "Poems", "usage_share": 0.2},
]


def test_tasks_come_by_share_with_three_models():
    shown = rankings.tasks(TASKS, SNAPSHOT, "")
    assert [row["tag"] for row in shown] == ["code:impl", "text:poem", "code:debug"]
    assert shown[0]["share"] == "25.0%"
    assert shown[0]["models"][0] == {"id": "acme/owl", "share": "50%"}
    assert len(shown[0]["models"]) == 3
    assert [row["tag"] for row in rankings.tasks(TASKS, SNAPSHOT, "CODE")] == [
        "code:impl",
        "code:debug",
    ]
    assert [row["tag"] for row in rankings.tasks(TASKS, SNAPSHOT, "text:poem")] == ["text:poem"]


def cell(app: str, turns: str, usd: float) -> dict:
    return {
        "app_slug": app,
        "turn_range": turns,
        "model_permaslug": "acme/owl",
        "median_session_cost_usd": usd,
    }


CELLS = [
    cell("cline", "10-49-turns", 2),
    cell("cline", "1-turn", 0.5),
    cell("quill", "1-turn", 0.1),
]


def test_sessions_come_by_length_then_cost():
    assert [row["median_usd"] for row in rankings.sessions(CELLS, SNAPSHOT, "")] == [0.1, 0.5, 2]
    assert [row["median_usd"] for row in rankings.sessions(CELLS, SNAPSHOT, "cline")] == [0.5, 2]
    assert [row["app"] for row in rankings.sessions(CELLS, SNAPSHOT, "1-turn")] == [
        "quill",
        "cline",
    ]


def test_an_unknown_category_is_refused():
    tables_of = {
        "beauty": lambda asked: rankings.analysis([], SNAPSHOT, asked),
        "sgv": lambda asked: rankings.arena(
            [measured("a/b", category="svg", elo=1)], SNAPSHOT, asked
        ),
        "cooking": lambda asked: rankings.tasks(TASKS, SNAPSHOT, asked),
        "clime": lambda asked: rankings.sessions(CELLS, SNAPSHOT, asked),
    }
    for asked, table in tables_of.items():
        with pytest.raises(OpenRouterError) as caught:
            table(asked)
        assert caught.value.code is Code.INVALID_INPUT


NOW = 1_790_000_000.0
EMPTY = {"data": [], "meta": {"as_of": "2026-09-20T02:00:00Z"}}


class Client:
    def __init__(self):
        self.asked = []

    async def get(self, path, *, params=None):
        self.asked.append((path, dict(params or {})))
        return EMPTY


@pytest.fixture
def clock():
    return Clock(NOW)


@pytest.fixture
async def market(clock, tmp_path):
    cache = DocumentCache(tmp_path, clock=clock)
    yield Market(Client(), cache)
    await cache.aclose()


@pytest.mark.parametrize(
    ("question", "path", "query"),
    [
        (RankingRequest("models"), "/datasets/rankings-daily", {"start_date": "2026-09-14"}),
        (
            RankingRequest("models", end_date="2026-02-08"),
            "/datasets/rankings-daily",
            {"start_date": "2026-02-01", "end_date": "2026-02-08"},
        ),
        (
            RankingRequest("models", "tool_calling", start_date="2026-01-01"),
            "/datasets/rankings-daily",
            {"modality": "tool_calling", "start_date": "2026-01-01"},
        ),
        (
            RankingRequest("models", "Legal"),
            "/datasets/rankings-daily",
            {"category": "legal", "period": "week"},
        ),
        (
            RankingRequest("apps", "coding", end_date="2026-02-01"),
            "/datasets/app-rankings",
            {"category": "coding", "end_date": "2026-02-01", "limit": "100"},
        ),
        (
            RankingRequest("apps", "cli-agent"),
            "/datasets/app-rankings",
            {"subcategory": "cli-agent", "limit": "100"},
        ),
        (RankingRequest("benchmarks"), "/benchmarks", {"source": "artificial-analysis"}),
    ],
    ids=["week", "week before", "modality", "category", "group", "subcategory", "benchmarks"],
)
async def test_each_question_asks_for_one_document(market, question, path, query):
    await ranking(SNAPSHOT, market, question, NOW)
    assert market.client.asked == [(path, query)]


@pytest.mark.parametrize("category", ["website", "agents/fullstack"])
async def test_a_category_of_the_arena_needs_no_source(market, category):
    with pytest.raises(OpenRouterError, match="There is none at present"):
        await ranking(SNAPSHOT, market, RankingRequest("benchmarks", category), NOW)
    ((_, query),) = market.client.asked
    assert query["source"] == "design-arena"


async def test_a_date_that_is_none_is_refused_before_it_is_sent(market):
    with pytest.raises(OpenRouterError, match="YYYY-MM-DD"):
        await ranking(SNAPSHOT, market, RankingRequest("models", end_date="June"), NOW)
    assert market.client.asked == []


async def test_a_longer_list_costs_no_further_request(market):
    for limit in (1, 5, 100):
        await ranking(SNAPSHOT, market, RankingRequest("apps", limit=limit), NOW)
    assert len(market.client.asked) == 1


async def test_old_data_is_told_by_its_date(market, clock):
    fresh = await ranking(SNAPSHOT, market, RankingRequest("sessions"), NOW)
    assert "fetched_at" not in fresh
    clock.now += MAX_AGE
    old = await ranking(SNAPSHOT, market, RankingRequest("sessions"), NOW)
    assert old["fetched_at"] == "2026-09-21T14:13+00:00"
    assert old["as_of"] == "2026-09-20"
