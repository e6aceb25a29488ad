"""What was paid has its receipt, also where nobody gets the result: cancelled, lost, broken off."""

from dataclasses import replace

import pytest

from openrouter_mcp.jobs import replies
from openrouter_mcp.jobs.table import JobRow, State
from openrouter_mcp.simulator.state import Script
from tests.support.results import ERROR, JOB, RECEIPT, call, text

CHEAP, OTHER = "openai/gpt-5-mini", "anthropic/claude-sonnet-5"
SLOW = Script(text="word " * 4000, chunk_delay=0.02)


@pytest.fixture
def impatient(configure) -> None:
    configure(OPENROUTER_WAIT_SECONDS="0.3")


async def begun(client, tool: str, **arguments) -> str:
    """The id of a job from which something has come."""
    started = await call(client, tool, **arguments)
    job_id = started.meta[JOB]["job_id"]
    while "characters so far" not in text(started):
        started = await call(client, "get_job", job_id=job_id)
    return job_id


async def test_a_cancelled_chat_has_the_receipt_of_what_runs_on(
    impatient, connect, simulator
) -> None:
    simulator.answer(SLOW)
    async with connect() as client:
        job_id = await begun(client, "chat", prompt="Count", model=CHEAP)
        stopped = await call(client, "get_job", job_id=job_id, cancel=True)
        again = await call(client, "get_job", job_id=job_id)
    assert not stopped.is_error
    assert again.meta[ERROR]["code"] == "CANCELLED"
    for result in (stopped, again):
        receipt = result.meta[RECEIPT]
        assert receipt["model"] == CHEAP
        assert receipt["generation_id"].startswith("gen-")
        assert text(result).splitlines()[-1].startswith(f"-- {CHEAP}")
        assert "you pay for it again" in text(result)


async def test_a_cancelled_comparison_has_the_cost_of_who_has_answered(
    impatient, connect, simulator
) -> None:
    simulator.answer(SLOW, model=OTHER)
    async with connect() as client:
        ask = {"prompt": "Hello", "models": [CHEAP, OTHER]}
        job_id = await begun(client, "compare_models", **ask)
        stopped = await call(client, "get_job", job_id=job_id, cancel=True)
    assert stopped.meta[RECEIPT]["requests"] == 2


async def test_a_lost_job_has_what_was_paid_until_then() -> None:
    row = JobRow("job_a", "run_agent", CHEAP, State.RUNNING, 0.0, 9.0, "gone", text="So far")
    kept = {"line": f"-- {CHEAP} | $0.01 | gen-1", "meta": {"cost": "0.01"}}
    result = replies.ended(replies.lost(replace(row, receipt=kept)))
    assert result.meta[RECEIPT] == {"cost": "0.01"}
    assert text(result).endswith(f"So far\n\n{kept['line']}")
    assert RECEIPT not in replies.ended(replies.lost(row)).meta


@pytest.mark.parametrize("told", [True, False])
async def test_a_chat_that_broke_off_before_its_first_word_has_its_receipt(
    client, simulator, told
) -> None:
    simulator.generation_misses = 0 if told else 9
    simulator.fail("cut_stream", path="/chat/completions", after=0)
    result = await call(client, "chat", prompt="Hello", model=CHEAP)
    assert result.is_error
    receipt = result.meta[RECEIPT]
    assert ("cost" in receipt) is told
    assert receipt["cost_pending"] is not told
    assert not result.meta[ERROR]["retryable"]
