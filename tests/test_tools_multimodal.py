"""The multimodal tools as a client sees them, in both protocol eras."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastmcp import Client

from openrouter_mcp import purchase, retries, server, settings
from openrouter_mcp.tools import multimodal

META = "openrouter/receipt"
ERROR = "openrouter/error"
ESTIMATE = "openrouter/estimate"
TOOLS = [multimodal.rerank_documents]
FOXES = ["a lazy dog", "the quick red fox", "a red door"]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "output"


@pytest.fixture
async def client(configure, output, mode, monkeypatch) -> AsyncIterator[Client]:
    """A client of a server with these tools; nothing is waited for long."""
    monkeypatch.setattr(retries, "PATIENCE", 2.0)
    monkeypatch.setattr(purchase, "LOOK_UPS", (0.0, 0.0))
    monkeypatch.setattr(server, "TOOLS", TOOLS)
    configure(OPENROUTER_OUTPUT_DIR=str(output))
    async with Client(server.build(settings.load()), mode=mode) as client:
        yield client


async def call(client, name: str, **arguments):
    return await client.call_tool(name, arguments, raise_on_error=False)


def text(result) -> str:
    return "\n".join(block.text for block in result.content if block.type == "text")


def paid(simulator) -> list:
    return [request for request in simulator.requests if request.method == "POST"]


async def test_documents_come_back_in_order_with_scores_and_a_receipt(client, simulator) -> None:
    result = await call(client, "rerank_documents", query="red fox", documents=FOXES)
    data = result.structured_content
    assert [row["index"] for row in data["results"]] == [1, 2, 0]
    assert data["results"][0] == {"index": 1, "score": 1.0, "text": FOXES[1]}
    assert data["receipt"]["model"] == "cohere/rerank-v3.5"
    assert data["receipt"]["cost"] == "0.002"
    assert "most used below $0.01 for a search" in data["receipt"]["line"]
    assert json.loads(text(result)) == data


async def test_only_the_best_documents_are_asked_for(client, simulator) -> None:
    result = await call(client, "rerank_documents", query="fox", documents=FOXES, top_n=1)
    assert len(result.structured_content["results"]) == 1
    assert paid(simulator)[0].body["top_n"] == 1


async def test_files_are_documents_under_their_paths(client, simulator, tmp_path) -> None:
    (tmp_path / "a.txt").write_text("dogs bark")
    (tmp_path / "b.txt").write_text("foxes scream\nat night")
    result = await call(client, "rerank_documents", query="foxes", files=[str(tmp_path)])
    best = result.structured_content["results"][0]
    assert best["file"] == str(tmp_path / "b.txt")
    assert best["text"] == "foxes scream at night"
    assert paid(simulator)[0].body["documents"] == ["dogs bark", "foxes scream\nat night"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"query": "x"}, "Give documents, files, or both"),
        ({"query": " ", "documents": ["a"]}, "query is empty"),
        ({"query": "x", "documents": ["a", " "]}, "documents[1] is empty"),
    ],
)
async def test_nothing_to_order_is_refused_before_paying(client, simulator, arguments, said):
    result = await call(client, "rerank_documents", **arguments)
    assert result.meta[ERROR]["code"] == "INVALID_INPUT"
    assert said in text(result)
    assert paid(simulator) == []


async def test_a_model_of_another_kind_is_refused_with_ones_that_can(client, simulator) -> None:
    result = await call(
        client, "rerank_documents", query="x", documents=["a"], model="openai/gpt-5-mini"
    )
    assert result.meta[ERROR]["code"] == "INVALID_INPUT"
    assert result.meta[ERROR]["suggestions"] == ["cohere/rerank-v3.5"]
    assert paid(simulator) == []


async def test_a_dry_run_of_an_order_shows_its_price_and_sends_nothing(client, simulator) -> None:
    result = await call(client, "rerank_documents", query="x", documents=FOXES, dry_run=True)
    assert "Cost: $0.002 at most" in text(result)
    assert result.meta[ESTIMATE]["usd_most"] == "0.002"
    assert result.structured_content["pending"]["text"] == text(result)
    assert paid(simulator) == []


async def test_an_order_dearer_than_max_cost_is_refused(client, simulator) -> None:
    known = {"query": "x", "documents": FOXES}
    result = await call(client, "rerank_documents", **known, max_cost=0.001)
    assert result.meta[ERROR]["code"] == "BUDGET_EXCEEDED"
    assert "Set max_cost to 0.002" in text(result)
    assert paid(simulator) == []
    assert not (await call(client, "rerank_documents", **known, max_cost=0.002)).is_error


async def test_a_failure_of_the_provider_is_an_instruction(client, simulator) -> None:
    simulator.fail("no_endpoints", path="/rerank")
    result = await call(client, "rerank_documents", query="x", documents=FOXES)
    assert result.meta[ERROR]["code"] == "MODEL_UNAVAILABLE"


async def test_a_reply_that_is_no_order_is_an_error(client, simulator) -> None:
    simulator.fail("error_in_ok", path="/rerank")
    result = await call(client, "rerank_documents", query="x", documents=FOXES)
    assert result.is_error


async def test_a_model_without_a_listed_price_is_bounded_by_the_provider(client, simulator) -> None:
    row = simulator.model("cohere/rerank-v3.5")
    row["pricing"].pop("request")
    result = await call(client, "rerank_documents", query="x", documents=FOXES, max_cost=0.01)
    assert not result.is_error
    assert paid(simulator)[0].body["provider"] == {"max_price": {"request": "0.010000"}}
