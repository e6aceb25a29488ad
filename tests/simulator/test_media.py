"""The endpoints that are no chat: their shapes, their strictness, what they charge."""

import base64
from decimal import Decimal
from typing import Any

import pytest

from openrouter_mcp.simulator.state import Simulator
from tests import oracle
from tests.simulator.conftest import Api

RERANK = {"model": "cohere/rerank-v3.5", "query": "red fox", "documents": ["a dog", "a red fox"]}
EMBED = {"model": "openai/text-embedding-3-small", "input": ["red fox " * 20, "a dog"]}
REQUESTS: dict[str, dict[str, Any]] = {"/rerank": RERANK, "/embeddings": EMBED}
PATHS = sorted(REQUESTS)


@pytest.mark.parametrize("path", PATHS)
def test_the_request_of_these_tests_is_one_that_openrouter_documents(path: str):
    assert oracle.check_request(path, REQUESTS[path]) == []


@pytest.mark.parametrize("path", PATHS)
def test_an_unknown_field_is_refused(api: Api, path: str):
    reply = api.http.post(path, json=REQUESTS[path] | {"modle": "x"})
    assert (reply.status_code, reply.json()["error"]["name"]) == (400, "ZodError")


@pytest.mark.parametrize("path", PATHS)
def test_a_model_of_another_kind_is_told_where_to_go(api: Api, path: str):
    reply = api.http.post(path, json=REQUESTS[path] | {"model": "openai/gpt-5-mini"})
    assert reply.json()["error"]["availability"]["code"] == "wrong_endpoint"
    reply = api.http.post(path, json=REQUESTS[path] | {"model": "nobody/nothing"})
    assert reply.json()["error"]["availability"]["code"] == "model_not_found"


@pytest.mark.parametrize("path", PATHS)
def test_a_generation_is_charged_and_can_be_looked_up(api: Api, simulator: Simulator, path: str):
    simulator.generation_misses = 1
    before = simulator.balance
    reply = api.http.post(path, json=REQUESTS[path])
    assert reply.status_code == 200
    id_ = reply.headers["x-generation-id"]
    assert api.get("/generation", id=id_).status_code == 404
    known = api.get("/generation", id=id_).json()
    assert oracle.check_response("/generation", known) == []
    assert before - simulator.balance == Decimal(str(known["data"]["total_cost"])) > 0


@pytest.mark.parametrize("path", PATHS)
def test_without_money_nothing_is_made(api: Api, simulator: Simulator, path: str):
    simulator.balance = Decimal(0)
    assert api.http.post(path, json=REQUESTS[path]).status_code == 402


def test_rerank_orders_by_shared_words(api: Api):
    reply = api.http.post("/rerank", json=RERANK | {"top_n": 1}).json()
    assert oracle.check_response("/rerank", reply) == []
    assert [row["index"] for row in reply["results"]] == [1]
    assert reply["results"][0]["relevance_score"] == 1


def test_embeddings_are_near_for_texts_that_share_words(api: Api):
    reply = api.http.post("/embeddings", json=EMBED | {"input": ["a red fox", "red fox", "snow"]})
    assert oracle.check_response("/embeddings", reply.json()) == []
    one, other, far = (row["embedding"] for row in reply.json()["data"])
    assert sum(a * b for a, b in zip(one, other, strict=True)) > 0.7
    assert abs(sum(a * b for a, b in zip(one, far, strict=True))) < 0.5


def test_embeddings_come_as_base64_and_in_fewer_dimensions(api: Api):
    body = EMBED | {"encoding_format": "base64", "dimensions": 8}
    reply = api.http.post("/embeddings", json=body).json()
    assert oracle.check_response("/embeddings", reply) == []
    assert [len(base64.b64decode(row["embedding"])) for row in reply["data"]] == [32, 32]


def test_a_text_beyond_the_context_is_refused(api: Api):
    reply = api.http.post("/embeddings", json=EMBED | {"input": "word " * 9000})
    assert reply.json()["error"]["metadata"]["error_type"] == "context_length_exceeded"
