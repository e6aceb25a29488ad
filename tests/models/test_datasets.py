"""OpenRouter's documents beside the catalogue: read, cached, fetched once."""

import asyncio

import pytest

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.models.datasets import MAX_AGE, STALE_WHILE_REVALIDATE, Market
from openrouter_mcp.state.document_cache import DocumentCache
from tests.support.clock import Clock

LIMITED = OpenRouterError(Code.RATE_LIMITED, "Too many. Wait.", http_status=429)


class Client:
    """Answers by path and records what it was asked."""

    def __init__(self):
        self.answers = {}
        self.asked = []

    async def get(self, path, *, params=None):
        self.asked.append((path, dict(params or {})))
        await asyncio.sleep(0)
        answer = self.answers[path]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def market(client, clock, tmp_path):
    cache = DocumentCache(tmp_path, clock=clock)
    yield Market(client, cache)
    await cache.aclose()


async def test_a_listing_is_ids_in_openrouters_order(market, client):
    client.answers["/models"] = {"data": [{"id": "b/2"}, {"id": "a/1"}, {"no": "id"}, None]}
    assert await market.listed(zdr="true") == ["b/2", "a/1"]
    assert client.asked == [("/models", {"output_modalities": "all", "zdr": "true"})]


async def test_each_query_is_a_document_of_its_own_and_asked_for_once(market, client):
    client.answers["/models"] = {"data": [{"id": "a/1"}]}
    queries = [{"zdr": "true"}, {"category": "legal"}] * 20
    await asyncio.gather(*(market.listed(**query) for query in queries))
    assert len(client.asked) == 2


async def test_endpoints_that_retain_nothing_are_grouped_by_model(market, client):
    rows = [{"model_id": "a/1", "tag": "x"}, {"model_id": "a/1", "tag": "y"}]
    client.answers["/endpoints/zdr"] = {"data": [*rows, {"model_id": "b/2", "tag": "x"}]}
    assert await market.zdr_tags() == {"a/1": ["x", "y"], "b/2": ["x"]}


async def test_image_endpoints_come_without_data_around_them(market, client):
    client.answers["/images/models/a/1:free/endpoints"] = {"id": "a/1:free", "endpoints": [{}]}
    assert await market.image_endpoints("a/1:free") == [{}]


async def test_a_data_set_keeps_its_meta(market, client):
    client.answers["/benchmarks"] = {"data": [{"elo": 1}], "meta": {"as_of": "2026-10-01"}}
    document = await market.benchmarks("design-arena", "agents")
    assert document.data == {"data": [{"elo": 1}], "meta": {"as_of": "2026-10-01"}}
    assert client.asked == [("/benchmarks", {"source": "design-arena", "arena": "agents"})]


async def test_a_data_set_without_meta_is_one_nevertheless(market, client):
    client.answers["/datasets/session-cost"] = {"data": []}
    assert (await market.session_costs()).data == {"data": [], "meta": {}}


async def test_a_document_is_fetched_anew_after_an_hour_in_the_background(market, client, clock):
    client.answers["/providers"] = {"data": [{"slug": "old"}]}
    await market.providers()
    clock.now += MAX_AGE - 1
    await market.providers()
    assert len(client.asked) == 1
    client.answers["/providers"] = {"data": [{"slug": "new"}]}
    clock.now += 1
    assert await market.providers() == [{"slug": "old"}]
    await asyncio.gather(*market.cache._fetches.values())
    assert await market.providers() == [{"slug": "new"}]


async def test_what_is_more_than_a_day_late_is_waited_for(market, client, clock):
    client.answers["/providers"] = {"data": [{"slug": "old"}]}
    await market.providers()
    client.answers["/providers"] = {"data": [{"slug": "new"}]}
    clock.now += MAX_AGE + STALE_WHILE_REVALIDATE
    assert await market.providers() == [{"slug": "new"}]


async def test_at_the_limit_the_last_data_is_served_with_its_date(market, client, clock):
    client.answers["/classifications/task"] = {"data": {"classifications": [], "as_of": "then"}}
    first = await market.tasks()
    client.answers["/classifications/task"] = LIMITED
    clock.now += 2 * STALE_WHILE_REVALIDATE
    second = await market.tasks()
    assert second.stale
    assert second.fetched_at == first.fetched_at
    assert second.data["as_of"] == "then"


async def test_at_the_limit_without_data_the_limit_is_the_answer(market, client):
    client.answers["/benchmarks"] = LIMITED
    with pytest.raises(OpenRouterError) as caught:
        await market.benchmarks("openrouter")
    assert caught.value.code is Code.RATE_LIMITED


@pytest.mark.parametrize("answer", [None, [], {}, {"data": None}, {"data": {"x": 1}}, "page"])
async def test_what_is_no_document_is_unreadable(market, client, answer):
    paths = ("/models", "/providers", "/benchmarks", "/classifications/task", "/videos/models")
    client.answers = dict.fromkeys(paths, answer)
    asked = (
        market.listed,
        market.providers,
        lambda: market.benchmarks("openrouter"),
        market.tasks,
        market.video_models,
    )
    for ask in asked:
        with pytest.raises(OpenRouterError) as caught:
            await ask()
        assert caught.value.code is Code.UPSTREAM_ERROR
