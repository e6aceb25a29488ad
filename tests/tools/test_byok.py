"""With keys of the user's own, what the providers bill counts as what OpenRouter takes."""

import json
import sys
from decimal import Decimal
from typing import Any

import pytest

from openrouter_mcp import settings
from openrouter_mcp.account.usage import usage
from openrouter_mcp.app import App
from openrouter_mcp.simulator.state import BYOK_FEE, MANAGEMENT_KEY
from tests.api.test_client import OK, replying
from tests.support.processes import PEER
from tests.support.results import ERROR, RECEIPT, call, text
from tests.support.timing import FAST
from tests.tools.test_odd_replies import recording

CHEAP = "openai/gpt-5-mini"
ASK: dict[str, dict[str, Any]] = {
    "chat": {"prompt": "Hello", "model": CHEAP},
    "complete_text": {"prompt": "Hello", "model": CHEAP},
    "compare_models": {"prompt": "Hello", "models": [CHEAP, "anthropic/claude-sonnet-5"]},
    "run_agent": {"task": "Hello", "model": CHEAP},
    "generate_image": {"prompt": "A fox"},
    "generate_audio": {"text": "Hello"},
    "generate_video": {"prompt": "A fox", "model": "google/veo-3.1"},
    "transcribe_audio": {"file": "speech.wav"},
    "embed_texts": {"texts": ["a"], "save_to": "vectors.jsonl"},
    "rerank_documents": {"query": "a", "documents": ["a", "b"]},
}


@pytest.fixture
def arguments(tmp_path):
    def arguments(tool: str) -> dict[str, Any]:
        (tmp_path / "speech.wav").write_bytes(recording())
        file = {"file": str(tmp_path / "speech.wav")} if tool == "transcribe_audio" else {}
        return ASK[tool] | file

    return arguments


@pytest.mark.parametrize("tool", ASK)
async def test_receipt_ledger_and_usage_have_both_parts(
    configure, connect, simulator, arguments, tmp_path, tool
) -> None:
    config = tmp_path / "mcp.json"
    peer = {"command": sys.executable, "args": [PEER]}
    config.write_text(json.dumps({"mcpServers": {"files": peer}}))
    configure(OPENROUTER_MCP_CONFIG=str(config))
    simulator.byok = True
    async with connect() as client:
        result = await call(client, tool, **arguments(tool))
        found = (await call(client, "get_usage", by="tool")).structured_content
    assert not result.is_error, text(result)
    receipt = result.meta[RECEIPT]
    told = [each["known"] for each in simulator.generations.values()]
    fee = sum(Decimal(str(each["total_cost"])) for each in told)
    upstream = sum(Decimal(str(each["upstream_inference_cost"])) for each in told)
    assert (Decimal(receipt["fee"]), Decimal(receipt["upstream_cost"])) == (fee, upstream)
    assert Decimal(receipt["cost"]) == fee + upstream
    assert "on your own key" in text(result)
    (row,) = found["here"]
    assert row["usd"] == pytest.approx(float(fee + upstream), abs=1e-8)
    assert row["usd_on_own_keys"] == pytest.approx(float(upstream), abs=1e-8)


async def test_a_cap_counts_what_the_provider_bills(configure, connect, simulator) -> None:
    cap = Decimal("0.001")
    configure(OPENROUTER_MAX_COST_PER_DAY=str(cap))
    simulator.byok = True
    ask = {"prompt": "Hello", "model": "anthropic/claude-opus-5", "max_tokens": 20}
    async with connect() as client:
        results = [await call(client, "chat", **ask) for _ in range(12)]
    refused = [result for result in results if result.is_error]
    assert {result.meta[ERROR]["code"] for result in refused} == {"BUDGET_EXCEEDED"}
    assert simulator.spent * (1 + 1 / BYOK_FEE) <= cap


async def test_an_upstream_cost_that_comes_late_counts_once_it_is_known(connect, simulator) -> None:
    simulator.byok = True
    simulator.generation_misses = 99
    async with connect() as client:
        result = await call(client, "generate_audio", text="Hello")
        assert "cost pending" in text(result)
        found = (await call(client, "get_usage", by="tool")).structured_content
        assert found["here"][0]["usd"] == 0
    simulator.generations[result.meta[RECEIPT]["generation_id"]]["misses"] = 0
    # Another server asks at once, this one after a pause.
    async with connect() as client:
        found = (await call(client, "get_usage", by="tool")).structured_content
    assert found["here"][0]["usd"] > found["here"][0]["usd_on_own_keys"] > 0


async def test_without_own_keys_the_upstream_cost_is_no_addition(client, simulator) -> None:
    result = await call(client, "chat", prompt="Hello", model=CHEAP)
    assert not {"fee", "upstream_cost"} & result.meta[RECEIPT].keys()
    found = (await call(client, "get_usage")).structured_content
    assert "usd_on_own_keys" not in found["here"][0]


async def test_the_account_counts_it_too(configure) -> None:
    row = {"date": "2026-11-25", "model": "acme/a", "requests": 1, "usage": 0.001}
    told = json.dumps({"data": [{**row, "byok_usage_inference": 0.02}, row]})
    async with replying(OK + b"\r\n" + told.encode()) as address:
        configure(OPENROUTER_BASE_URL=address, OPENROUTER_MANAGEMENT_KEY=MANAGEMENT_KEY)
        app = App(settings.load(), FAST)
        spent = await usage(app, 7, "model")
        await app.aclose()
    known = {"name": "acme/a", "requests": 2, "usd": 0.022, "usd_on_own_keys": 0.02}
    assert spent["account"] == {"rows": [known]}
