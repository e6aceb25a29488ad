import asyncio

import pytest

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.models.catalogue import ENDPOINTS_MAX_AGE, Catalogue
from openrouter_mcp.models.filter import ModelFilter
from openrouter_mcp.state.document_cache import DocumentCache
from tests.support.clock import Clock

HOUR = 3600.0
ROWS = [
    {"id": "acme/owl:free", "canonical_slug": "acme/owl-dated", "created": 5},
    {"id": "acme/owl", "canonical_slug": "acme/owl-dated", "created": 5},
    {"id": "acme/owl", "canonical_slug": "acme/repeated"},
    {"id": "~acme/owl-latest", "alias_target": {"slug": "acme/owl"}},
    {"no": "id"},
    None,
]


class Client:
    """Answers by path and records what it was asked."""

    def __init__(self):
        self.answers = {
            "/models": {"data": ROWS},
            "/models/acme/owl/endpoints": {"data": {"endpoints": [{"tag": "acme"}, None]}},
        }
        self.asked = []

    async def get(self, path, *, params=None):
        self.asked.append((path, params))
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
async def cache(tmp_path, clock):
    cache = DocumentCache(tmp_path, clock=clock)
    yield cache
    await cache.aclose()


@pytest.fixture
def catalogue(client, cache):
    return Catalogue(client, cache, HOUR)


async def test_models_of_every_kind_are_asked_for_once(catalogue, client):
    await asyncio.gather(*(catalogue.models() for _ in range(20)))
    assert client.asked == [("/models", {"output_modalities": "all"})]


async def test_rows_that_are_no_models_or_repeated_are_left_out(catalogue):
    snapshot = await catalogue.models()
    assert [model.id for model in snapshot.models] == [
        "acme/owl:free",
        "acme/owl",
        "~acme/owl-latest",
    ]
    assert snapshot.fetched_at == 1_800_000_000.0
    assert not snapshot.stale


async def test_models_are_found_by_id_and_by_canonical_slug(catalogue):
    snapshot = await catalogue.models()
    assert snapshot.by_id["acme/owl:free"].variant == ":free"
    assert snapshot.by_canonical_slug["acme/owl-dated"].id == "acme/owl"
    assert snapshot.resolve("OWL", output="").id == "acme/owl"
    assert [model.id for model in snapshot.find(ModelFilter(query="owl"))] == [
        "acme/owl:free",
        "acme/owl",
    ]


async def test_a_document_is_indexed_once(catalogue, client, clock, cache):
    first = await catalogue.models()
    clock.now += HOUR
    client.answers["/models"] = {"data": ROWS[:1]}
    second = await catalogue.models()
    assert second.models is first.models
    assert second.stale
    await asyncio.gather(*cache._fetches.values())
    third = await catalogue.models()
    assert [model.id for model in third.models] == ["acme/owl:free"]
    assert not third.stale


@pytest.mark.parametrize("answer", [{"data": []}, {"data": [None]}, {"data": "x"}, {}, [], None])
async def test_an_empty_catalogue_is_a_failure(catalogue, client, answer):
    client.answers["/models"] = answer
    with pytest.raises(OpenRouterError) as caught:
        await catalogue.models()
    assert caught.value.code is Code.UPSTREAM_ERROR
    assert caught.value.retryable


async def test_an_empty_catalogue_does_not_replace_a_good_one(catalogue, client, clock, cache):
    await catalogue.models()
    clock.now += HOUR
    client.answers["/models"] = {"data": []}
    await catalogue.models()
    await asyncio.gather(*cache._fetches.values(), return_exceptions=True)
    assert len((await catalogue.models()).models) == 3


async def test_endpoints_are_at_most_five_minutes_old(catalogue, client, clock):
    path = "/models/acme/owl/endpoints"
    assert await catalogue.endpoints("acme/owl") == [{"tag": "acme"}]
    clock.now += ENDPOINTS_MAX_AGE - 1
    await catalogue.endpoints("acme/owl")
    assert [asked for asked, _ in client.asked].count(path) == 1
    clock.now += 1
    client.answers[path] = {"data": {"endpoints": [{"tag": "birch"}]}}
    assert await catalogue.endpoints("acme/owl") == [{"tag": "birch"}]


async def test_endpoints_are_served_old_when_openrouter_is_out_of_reach(catalogue, client, clock):
    await catalogue.endpoints("acme/owl")
    clock.now += HOUR - 1
    client.answers["/models/acme/owl/endpoints"] = OpenRouterError(Code.NETWORK, "Gone. Wait.")
    assert await catalogue.endpoints("acme/owl") == [{"tag": "acme"}]


@pytest.mark.parametrize("model_id", ["~acme/owl-latest", "acme/owl:nitro"])
async def test_an_alias_or_a_routing_suffix_shares_the_models_endpoints(catalogue, model_id):
    assert await catalogue.endpoints(model_id) == [{"tag": "acme"}]


@pytest.mark.parametrize("answer", [{}, [], {"data": []}, {"data": {"endpoints": None}}])
async def test_unreadable_endpoints_are_a_failure(catalogue, client, answer):
    client.answers["/models/acme/owl/endpoints"] = answer
    with pytest.raises(OpenRouterError, match=r"the endpoints of acme/owl is not readable"):
        await catalogue.endpoints("acme/owl")


@pytest.mark.parametrize(
    ("slug", "id_"),
    [
        ("acme/owl", "acme/owl"),
        ("acme/owl-dated", "acme/owl"),
        ("acme/owl-dated:free", "acme/owl:free"),
        ("acme/owl-dated:batch", None),
        ("acme/eagle", None),
        ("other", None),
    ],
)
async def test_a_slug_of_a_data_set_is_an_id_or_cannot_be_called(catalogue, slug, id_):
    model = (await catalogue.models()).routable(slug)
    assert (model.id if model else None) == id_
