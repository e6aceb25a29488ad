import pytest

from openrouter_mcp.simulator.state import MANAGEMENT_KEY
from tests.simulator.conftest import Api
from tests.support import oracle

DATA = [
    "/benchmarks",
    "/datasets/rankings-daily",
    "/datasets/app-rankings",
    "/datasets/session-cost",
    "/classifications/task",
]
PUBLIC = ["/images/models", "/videos/models"]
ENDPOINTS = "/images/models/bytedance-seed/seedream-4.5/endpoints"


@pytest.mark.parametrize("path", [*DATA, *PUBLIC, ENDPOINTS])
def test_each_document_has_the_official_shape_and_rows(api: Api, path: str):
    reply = api.get(path).json()
    assert oracle.check_response(path, reply) == []
    assert reply.get("data") or reply["endpoints"]


@pytest.mark.parametrize("path", DATA)
def test_data_needs_a_key(api: Api, path: str):
    reply = api.http.get(path, headers={"Authorization": ""})
    assert reply.status_code == 401


@pytest.mark.parametrize("path", [*PUBLIC, ENDPOINTS])
def test_discovery_needs_no_key(api: Api, path: str):
    assert api.http.get(path, headers={"Authorization": ""}).status_code == 200


def test_data_endpoints_share_a_limit_of_thirty_a_minute(api: Api, simulator):
    now = 1_800_000_000.0
    simulator.clock = lambda: now
    replies = [api.get(DATA[number % len(DATA)]) for number in range(31)]
    assert [reply.status_code for reply in replies] == [200] * 30 + [429]
    assert replies[-1].headers["X-RateLimit-Limit"] == "30"
    assert oracle.check_error(429, replies[-1].json()) == []
    simulator.clock = lambda: now + 61
    assert api.get("/benchmarks").status_code == 200
    assert api.get("/providers").status_code == 200


def test_a_score_that_is_null_is_none(simulator, api: Api):
    model = next(row for row in simulator.catalogue if "benchmarks" in row)
    model["benchmarks"]["artificial_analysis"]["intelligence_index"] = None
    rows = api.get("/benchmarks", source="artificial-analysis").json()["data"]
    assert model["canonical_slug"] not in [row["model_permaslug"] for row in rows]


def test_a_source_narrows_the_benchmarks(api: Api):
    rows = api.get("/benchmarks", source="design-arena", category="website").json()["data"]
    assert rows
    assert {(row["source"], row["category"]) for row in rows} == {("design-arena", "website")}
    assert api.get("/benchmarks", source="rumour").status_code == 400


def test_rankings_are_bucketed_by_period(api: Api):
    query = {"start_date": "2026-10-05", "end_date": "2026-10-18"}
    weeks = api.get("/datasets/rankings-daily", period="week", **query).json()
    assert {row["date"] for row in weeks["data"]} == {"2026-10-05", "2026-10-12"}
    days = api.get("/datasets/rankings-daily", **query).json()
    assert len({row["date"] for row in days["data"]}) == 14
    total = sum(int(row["total_tokens"]) for row in days["data"])
    assert total == sum(int(row["total_tokens"]) for row in weeks["data"])


@pytest.mark.parametrize(
    "query",
    [
        {"category": "programming", "period": "day"},
        {"category": "gardening"},
        {"start_date": "yesterday"},
        {"start_date": "2026-10-18", "end_date": "2026-10-05"},
    ],
)
def test_rankings_refuse_what_openrouter_refuses(api: Api, query: dict[str, str]):
    assert api.get("/datasets/rankings-daily", **query).status_code == 400


def test_feedback_is_taken_from_management_keys_only(api: Api):
    body = {"generation_id": "gen-1", "category": "latency", "comment": "slow"}
    assert api.http.post("/generation/feedback", json=body).status_code == 403
    owner = {"Authorization": f"Bearer {MANAGEMENT_KEY}"}
    reply = api.http.post("/generation/feedback", json=body, headers=owner)
    assert oracle.check_response("/generation/feedback", reply.json()) == []
    wrong = api.http.post("/generation/feedback", json=body | {"category": "mood"}, headers=owner)
    assert wrong.status_code == 400


def test_a_text_model_has_no_image_endpoints(api: Api):
    assert api.get("/images/models/openai/gpt-5.4/endpoints").status_code == 404


@pytest.mark.parametrize(
    "query",
    [{"category": "legal"}, {"zdr": "true"}, {"region": "eu"}, {"min_tool_success_rate": "0.9"}],
)
def test_what_only_the_api_knows_filters_the_list(api: Api, query: dict[str, str]):
    some = {row["id"] for row in api.get("/models", **query).json()["data"]}
    every = {row["id"] for row in api.get("/models").json()["data"]}
    assert some
    assert some < every
