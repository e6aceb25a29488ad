"""Which data set answers a question, and how old data is told."""

import pytest

from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.models.catalogue import Snapshot
from openrouter_mcp.models.datasets import MAX_AGE, Market
from openrouter_mcp.models.rankings import Question, ranking
from openrouter_mcp.state.document_cache import Document, DocumentCache
from tests.support.clock import Clock

NOW = 1_790_000_000.0
SNAPSHOT = Snapshot.of(Document([{"id": "acme/owl"}], NOW, False))
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
        (Question("models"), "/datasets/rankings-daily", {"start_date": "2026-09-14"}),
        (
            Question("models", end_date="2026-02-08"),
            "/datasets/rankings-daily",
            {"start_date": "2026-02-01", "end_date": "2026-02-08"},
        ),
        (
            Question("models", "tool_calling", start_date="2026-01-01"),
            "/datasets/rankings-daily",
            {"modality": "tool_calling", "start_date": "2026-01-01"},
        ),
        (
            Question("models", "Legal"),
            "/datasets/rankings-daily",
            {"category": "legal", "period": "week"},
        ),
        (
            Question("apps", "coding", end_date="2026-02-01"),
            "/datasets/app-rankings",
            {"category": "coding", "end_date": "2026-02-01", "limit": "100"},
        ),
        (
            Question("apps", "cli-agent"),
            "/datasets/app-rankings",
            {"subcategory": "cli-agent", "limit": "100"},
        ),
        (Question("benchmarks"), "/benchmarks", {"source": "artificial-analysis"}),
    ],
    ids=["week", "week before", "modality", "category", "group", "subcategory", "benchmarks"],
)
async def test_each_question_asks_for_one_document(market, question, path, query):
    await ranking(SNAPSHOT, market, question, NOW)
    assert market.client.asked == [(path, query)]


@pytest.mark.parametrize("category", ["website", "agents/fullstack"])
async def test_a_category_of_the_arena_needs_no_source(market, category):
    with pytest.raises(OpenRouterError, match="There is none at present"):
        await ranking(SNAPSHOT, market, Question("benchmarks", category), NOW)
    ((_, query),) = market.client.asked
    assert query["source"] == "design-arena"


async def test_a_date_that_is_none_is_refused_before_it_is_sent(market):
    with pytest.raises(OpenRouterError, match="YYYY-MM-DD"):
        await ranking(SNAPSHOT, market, Question("models", end_date="June"), NOW)
    assert market.client.asked == []


async def test_a_longer_list_costs_no_further_request(market):
    for limit in (1, 5, 100):
        await ranking(SNAPSHOT, market, Question("apps", limit=limit), NOW)
    assert len(market.client.asked) == 1


async def test_old_data_is_told_by_its_date(market, clock):
    fresh = await ranking(SNAPSHOT, market, Question("sessions"), NOW)
    assert "fetched_at" not in fresh
    clock.now += MAX_AGE
    old = await ranking(SNAPSHOT, market, Question("sessions"), NOW)
    assert old["fetched_at"] == "2026-09-21T14:13+00:00"
    assert old["as_of"] == "2026-09-20"
