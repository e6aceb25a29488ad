"""The account tools as a client sees them, in both protocol eras."""

import asyncio
import json
import os
from dataclasses import replace

import pytest

from openrouter_mcp import settings
from openrouter_mcp.account.generation import generation
from openrouter_mcp.account.overview import overview
from openrouter_mcp.account.usage import usage
from openrouter_mcp.app import App
from openrouter_mcp.results import ERROR_META
from openrouter_mcp.simulator.state import MANAGEMENT_KEY, Script
from tests.api.test_client import OK, replying
from tests.support.eras import both_eras
from tests.support.results import ERROR, RECEIPT, call, text
from tests.support.timing import FAST
from tests.support.upstream import AUTO


async def account_of(client) -> dict:
    return (await client.call_tool("get_account", {})).structured_content


async def test_with_a_key_everything_that_a_key_may_know_is_told(client, simulator) -> None:
    told = await account_of(client)
    assert told["key"]["works"] is True
    assert told["openrouter"]["reachable"] is True
    assert told["openrouter"]["latency_ms"] >= 0
    assert "OPENROUTER_MANAGEMENT_KEY" in told["credits"]["why"]
    assert "sk-or-v1-simulator" not in json.dumps(told)


async def test_without_a_key_it_answers_and_says_what_is_missing(configure, connect, simulator):
    configure(OPENROUTER_API_KEY="")
    async with connect() as client:
        told = await account_of(client)
    assert told["key"]["works"] is False
    assert "set OPENROUTER_API_KEY" in told["key"]["why"]
    assert told["openrouter"]["reachable"] is True


async def test_a_directory_whose_name_is_no_text_is_told(configure, connect, tmp_path):
    configure(OPENROUTER_STATE_DIR=str(tmp_path / os.fsdecode(b"caf\xe9")))
    async with connect() as client:
        result = await client.call_tool("get_account", {})
    assert result.structured_content["state"]["directory"] == str(tmp_path / "caf?")
    assert json.loads(text(result)) == result.structured_content


async def test_a_management_key_adds_the_balance(configure, connect, simulator) -> None:
    configure(OPENROUTER_MANAGEMENT_KEY=MANAGEMENT_KEY)
    async with connect() as client:
        told = await account_of(client)
    assert told["credits"]["balance"] == 100
    assert MANAGEMENT_KEY not in json.dumps(told)


async def test_a_bad_key_and_no_network_are_told_and_do_not_fail(configure, connect, simulator):
    configure(OPENROUTER_API_KEY="sk-or-v1-unknown")
    async with connect() as client:
        assert (await account_of(client))["key"]["works"] is False
    configure(OPENROUTER_BASE_URL="http://127.0.0.1:9/api/v1")
    async with connect() as client:
        assert (await account_of(client))["openrouter"]["reachable"] is False


async def test_an_openrouter_that_hangs_is_told_soon(configure, connect, simulator):
    configure(OPENROUTER_MANAGEMENT_KEY=MANAGEMENT_KEY)
    simulator.fail("stall_before_headers", times=None)
    async with connect(replace(FAST, look_up=0.2)) as client:
        async with asyncio.timeout(5):
            told = await account_of(client)
            used = (await client.call_tool("get_usage", {})).structured_content
    assert told["openrouter"]["reachable"] is False
    for why in (told["key"]["why"], told["credits"]["why"], used["account"]["why"]):
        assert "did not answer within" in why


async def test_usage_adds_up_what_the_receipts_said(client, simulator) -> None:
    costs = []
    for _ in range(3):
        result = await client.call_tool("chat", {"prompt": "Hello", "model": "openai/gpt-5-mini"})
        costs.append(float(result.meta["openrouter/receipt"]["cost"]))
    found = (await client.call_tool("get_usage", {"by": "tool"})).structured_content
    assert [(row["name"], row["calls"]) for row in found["here"]] == [("chat", 3)]
    assert found["here"][0]["usd"] == pytest.approx(sum(costs))


async def test_a_generation_that_cost_nothing_says_so(client, simulator) -> None:
    free = {"prompt": "Hello", "model": "openai/gpt-oss-20b:free"}
    result = await client.call_tool("chat", free)
    generation_id = result.meta["openrouter/receipt"]["generation_id"]
    found = await client.call_tool("get_generation", {"generation_id": generation_id})
    assert found.structured_content["total_cost"] == 0


async def test_a_generation_that_openrouter_does_not_know_gives_the_ledgers_row(client, simulator):
    result = await client.call_tool("chat", {"prompt": "Hello", "model": AUTO})
    generation_id = result.meta["openrouter/receipt"]["generation_id"]
    simulator.fail("not_found", path="/generation", times=None)
    found = await client.call_tool("get_generation", {"generation_id": generation_id})
    assert found.structured_content["ledger"]["tool"] == "chat"
    assert "missing" in found.structured_content


async def test_an_unknown_generation_is_not_found(client, simulator) -> None:
    result = await client.call_tool(
        "get_generation", {"generation_id": "gen-nowhere"}, raise_on_error=False
    )
    assert result.meta[ERROR]["code"] == "NOT_FOUND"


async def test_no_generation_is_asked_for_without_an_id(client, simulator) -> None:
    result = await client.call_tool("get_generation", {"generation_id": ""}, raise_on_error=False)
    assert result.meta[ERROR]["code"] == "INVALID_INPUT"
    assert simulator.requests == []


@both_eras
async def test_a_slow_call_becomes_a_job_that_is_followed_to_its_end(configure, connect, simulator):
    configure(OPENROUTER_WAIT_SECONDS="0.2")
    simulator.answer(Script(text="one two three four", chunk_delay=0.2))
    async with connect() as client:
        started = await client.call_tool("chat", {"prompt": "Count", "model": AUTO})
        job_id = started.meta["openrouter/job"]["job_id"]
        assert f'get_job(job_id="{job_id}")' in text(started)
        for _ in range(50):
            result = await client.call_tool("get_job", {"job_id": job_id})
            if "openrouter/job" not in (result.meta or {}):
                break
        assert text(result).startswith("one two three four\n\n-- ")
        assert job_id in text(await client.call_tool("get_job", {}))


@both_eras
async def test_get_job_is_offered_whatever_is_left_out(configure, connect, simulator) -> None:
    configure(OPENROUTER_TOOLS="models")
    async with connect() as client:
        names = {tool.name for tool in await client.list_tools()}
    assert {"get_job", "find_models"} <= names
    assert "chat" not in names


async def test_a_cap_per_day_shows_in_receipts_and_refuses_in_the_end(
    configure, connect, simulator
):
    configure(OPENROUTER_MAX_COST_PER_DAY="0.02")
    ask = {"prompt": "Hello", "model": "anthropic/claude-opus-5", "max_tokens": 400}
    async with connect() as client:
        first = await client.call_tool("chat", ask)
        assert " of $0.02 | gen-" in text(first).splitlines()[-1]
        refused = await client.call_tool("chat", {**ask, "max_tokens": 2000}, raise_on_error=False)
    assert refused.meta[ERROR]["code"] == "BUDGET_EXCEEDED"
    assert "OPENROUTER_MAX_COST_PER_DAY" in text(refused) or "$0.02" in text(refused)


async def test_two_servers_on_one_file_keep_one_cap_together(configure, connect, simulator) -> None:
    configure(OPENROUTER_MAX_COST_PER_DAY="0.003")
    ask = {"prompt": "Hello", "model": "anthropic/claude-opus-5", "max_tokens": 20}
    async with connect() as one, connect() as two:
        calls = [call(client, "chat", **ask) for _ in range(10) for client in (one, two)]
        results = await asyncio.gather(*calls)
    paid = [result.meta[RECEIPT]["cost"] for result in results if not result.is_error]
    assert {r.meta[ERROR]["code"] for r in results if r.is_error} == {"BUDGET_EXCEEDED"}
    assert 0.002 < sum(map(float, paid)) <= 0.003


async def test_threads_are_listed_and_shown(client, simulator) -> None:
    await client.call_tool("chat", {"prompt": "A question", "model": AUTO, "thread_id": "new"})
    listed = text(await client.call_tool("list_threads", {}))
    thread_id = listed.split(" | ")[0]
    assert "A question" in listed
    shown = text(await client.call_tool("list_threads", {"thread_id": thread_id}))
    assert "[user]\nA question\n\n[assistant]\nSimulated answer" in shown


async def test_documentation_is_searched(client, simulator) -> None:
    result = await client.call_tool("search_docs", {"query": "provider routing order"})
    assert result.meta["openrouter/untrusted"] is True
    assert "provider" in text(result).lower()


async def test_feedback_needs_a_management_key_and_says_so(client, simulator) -> None:
    result = await client.call_tool(
        "send_feedback",
        {"generation_id": "gen-1", "category": "other", "comment": "test"},
        raise_on_error=False,
    )
    assert result.meta[ERROR]["code"] in {"PERMISSION", "NOT_FOUND"}


@pytest.mark.parametrize(
    "told",
    [b"[]", b'{"data": 7}', b'{"data": [7]}', b'{"data": [{"requests": "x", "usage": []}]}'],
)
async def test_what_openrouter_tells_in_no_known_way_is_left_out(configure, told: bytes):
    async with replying(OK + b"\r\n" + told) as address:
        configure(OPENROUTER_BASE_URL=address, OPENROUTER_MANAGEMENT_KEY=MANAGEMENT_KEY)
        app = App(settings.load(), FAST)
        known = await overview(app)
        spent = await usage(app, 7, "model")
        ran = await generation(app, "gen-1", content=True)
        await app.aclose()
    assert known["credits"] == {"why": "OpenRouter did not tell the balance."}
    assert sum(row["usd"] for row in spent["account"]["rows"]) == 0
    assert ran["content"] == {}


async def test_usage_of_many_models_is_a_page(configure, connect, simulator) -> None:
    rows = [{"date": "2026-11-25", "model": f"m{n}", "usage": n, "requests": 1} for n in range(200)]
    simulator.answer_raw(
        json.dumps({"data": rows}), path="/activity", media_type="application/json", times=None
    )
    configure(OPENROUTER_MANAGEMENT_KEY=MANAGEMENT_KEY)
    async with connect() as client:
        used = (await client.call_tool("get_usage", {"limit": 10})).structured_content
    shown = used["account"]["rows"]
    assert [row["name"] for row in shown] == [*(f"m{n}" for n in range(199, 189, -1)), "190 others"]
    assert shown[-1]["requests"] == 190
    assert sum(row["usd"] for row in shown) == sum(range(200))


@pytest.mark.parametrize("character", ["x", "é"])
async def test_an_id_that_no_address_holds_is_not_asked_for(client, simulator, character):
    arguments = {"generation_id": character * 10_000, "content": True}
    result = await client.call_tool("get_generation", arguments, raise_on_error=False)
    assert result.meta[ERROR_META]["code"] == "NOT_FOUND"
    assert simulator.requests == []
