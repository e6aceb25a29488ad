"""`compare_models` and `complete_text` as a client sees them, in both protocol eras."""

import json
import re

import pytest
from fastmcp.client.elicitation import ElicitResult
from PIL import Image

from openrouter_mcp.simulator.state import Script
from tests.support.eras import both_eras
from tests.support.results import ERROR, RECEIPT, text
from tests.support.upstream import chats

THREE = ["anthropic/claude-sonnet-5", "openai/gpt-5-mini", "google/gemini-3.5-flash"]


async def compare(client, **arguments):
    arguments = {"prompt": "Hello", "models": THREE, **arguments}
    return await client.call_tool("compare_models", arguments, raise_on_error=False)


async def test_every_model_answers_in_one_table_with_one_receipt(client, simulator) -> None:
    result = await compare(client)
    rows = [line for line in text(result).splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0][2:] for row in rows[1:]] == THREE
    assert [f"## {model}" in text(result) for model in THREE] == [True] * 3
    assert text(result).splitlines()[-1].startswith("-- 3 models | ")
    costs = [float(receipt["cost"]) for receipt in result.meta["openrouter/receipts"]]
    assert float(result.meta[RECEIPT]["cost"]) == pytest.approx(sum(costs))


async def test_answers_about_media_are_marked_as_untrusted(client, tmp_path) -> None:
    (tmp_path / "a.txt").write_text("text")
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    vision = [THREE[0], THREE[2]]
    seen = await compare(client, models=vision, files=[str(tmp_path / "a.png")])
    read = await compare(client, models=vision, files=[str(tmp_path / "a.txt")])
    assert seen.meta["openrouter/untrusted"] is True
    assert "openrouter/untrusted" not in read.meta


async def test_files_are_compared_by_models_that_take_them(client, simulator, tmp_path) -> None:
    film = tmp_path / "a.mp4"
    film.write_bytes(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom")
    refused = await compare(client, files=[str(film)])
    assert refused.meta[ERROR]["code"] == "INVALID_INPUT"
    assert f"{THREE[0]} takes file, image, text" in text(refused)
    # All that the simulated catalogue has for videos is by one author.
    spread = await compare(client, models=[], files=[str(film)])
    assert "Name the models to compare" in text(spread)
    assert chats(simulator) == []


async def test_a_failing_model_hides_no_other(client, simulator) -> None:
    simulator.fail("provider_error", model=THREE[1], times=None)
    result = await compare(client)
    assert not result.is_error
    assert "| openai/gpt-5-mini | | | | | UPSTREAM_ERROR |" in text(result)
    assert "Simulated answer to: Hello" in text(result)


async def test_when_all_fail_the_first_reason_is_told(client, simulator) -> None:
    simulator.fail("insufficient_credits", path="/chat/completions", times=None)
    result = await compare(client)
    assert result.meta[ERROR]["code"] == "NO_CREDITS"


async def test_when_all_fail_alike_it_says_when_to_call_again(client, simulator) -> None:
    for model, seconds in zip(THREE, (3, 40, 5), strict=True):
        simulator.fail("rate_limited", model=model, times=None, retry_after=seconds)
    error = (await compare(client)).meta[ERROR]
    assert (error["code"], error["retryable"]) == ("RATE_LIMITED", True)
    assert error["retry_after"] == 40


async def test_when_they_fail_differently_the_first_decides(client, simulator) -> None:
    simulator.fail("insufficient_credits", model=THREE[0], times=None)
    simulator.fail("provider_error", model=THREE[1], times=None)
    simulator.fail("insufficient_credits", model=THREE[2], times=None)
    error = (await compare(client)).meta[ERROR]
    assert (error["code"], error["retryable"]) == ("NO_CREDITS", False)


JUDGE = "anthropic/claude-opus-5"


def answers(simulator) -> None:
    for model, answer in zip(THREE, ("one", "two", "three"), strict=True):
        simulator.answer(answer, model=model)


def labelled(body) -> dict[str, str]:
    """Who wrote which answer of those that a judge reads."""
    wrote = dict(zip(("one", "two", "three"), THREE, strict=True))
    read = body["messages"][-1]["content"]
    assert not any(model in read for model in THREE)
    return {label: wrote[words] for label, words in re.findall(r"<answer (.)>\n(\w+)", read)}


def judges(simulator, *models: str) -> list[dict[str, str]]:
    """What the judges have read, in the order of the requests."""
    bodies = [request.body for request in chats(simulator)]
    return [labelled(body) for body in bodies if body["model"] in models]


async def test_the_judge_is_blind_and_its_labels_are_mapped_back(client, simulator) -> None:
    answers(simulator)
    said = [{"answer": "Answer B.", "reason": "Best."}, {"answer": "C", "reason": "Less good."}]
    simulator.answer(json.dumps({"ranking": said}), model=JUDGE)
    said = [{"answer": "B", "reason": "Yes."}, {"answer": "A", "reason": "Good."}]
    simulator.answer(json.dumps({"ranking": said}), model=JUDGE)
    result = await compare(client, judge=JUDGE)
    first, second = judges(simulator, JUDGE)
    # The second order is the first one, turned round.
    assert [*second.values()] == [*first.values()][::-1]
    assert (
        f"Ranked blind by {JUDGE}; 2 readings in two orders:\n"
        f"1. {first['B']} (mean place 1): Best.\n"
        f"2. {first['C']} (mean place 2): Less good.\n"
        f"3. {first['A']} (mean place 3): not ranked\n"
        f"Agreement: 2 of 2 readings have {first['B']} first."
    ) in text(result)
    assert len(result.meta["openrouter/receipts"]) == 5


async def test_a_judge_that_goes_by_the_order_makes_a_tie(client, simulator) -> None:
    answers(simulator)
    said = [{"answer": label, "reason": f"It is {label}."} for label in "ABC"]
    simulator.answer(json.dumps({"ranking": said}), model=JUDGE, times=2)
    told = text(await compare(client, judge=[JUDGE]))
    assert told.count("tied, mean place 2") == 3
    assert "Agreement: 0 of 2 readings have" in told
    assert f"{JUDGE} chose otherwise when the order changed." in told


async def test_ties_and_several_judges_are_told(client, simulator) -> None:
    answers(simulator)
    other = "google/gemini-3.5-flash"
    tie = {"ranking": [{"answer": "A = C", "reason": "Alike."}, {"answer": "B", "reason": "No."}]}
    for judge in (JUDGE, "openai/gpt-5.4"):
        simulator.answer(json.dumps(tie), model=judge, times=2)
    simulator.fail("provider_error", model="openai/gpt-5.4", times=None)
    told = text(await compare(client, models=[*THREE[:2], other], judge=[JUDGE, "openai/gpt-5.4"]))
    assert told.count("tied, mean place 1.5") == 2
    assert "tied first." in told
    assert "The panel is degraded: 2 of 4 readings failed." in told
    assert "[openai/gpt-5.4 could not judge: " in told


async def test_without_names_a_spread_is_asked_and_explained(client, simulator) -> None:
    result = await compare(client, models=[])
    asked = {request.body["model"] for request in chats(simulator)}
    assert len(asked) >= 2
    assert text(result).count("intelligence index") == len(asked)


async def test_one_budget_bounds_all_of_them(client, simulator) -> None:
    refused = await compare(client, models=["opus", "sonnet"], max_cost=0.0001)
    assert refused.meta[ERROR]["code"] == "BUDGET_EXCEEDED"
    assert chats(simulator) == []
    result = await compare(client, max_cost=0.03)
    assert float(result.meta[RECEIPT]["cost"]) <= 0.03


async def test_raw_text_goes_on_with_a_receipt(client, simulator) -> None:
    simulator.answer(Script(text=" a time, there was"))
    result = await client.call_tool(
        "complete_text",
        {"prompt": "Once upon", "model": "openai/gpt-5-mini", "max_tokens": 20, "stop": ["\n"]},
    )
    assert text(result).startswith("a time, there was\n\n-- openai/gpt-5-mini via ")
    body = simulator.requests[-1].body
    assert (body["prompt"], body["max_tokens"], body["stop"]) == ("Once upon", 20, ["\n"])


async def test_where_there_are_no_completions_chat_is_recommended(client, simulator) -> None:
    simulator.fail("not_found", path="/completions")
    result = await client.call_tool(
        "complete_text", {"prompt": "x", "model": "openai/gpt-5-mini"}, raise_on_error=False
    )
    assert result.meta[ERROR]["code"] == "MODEL_UNAVAILABLE"
    assert "Use chat" in text(result)


async def test_a_refusal_tells_that_max_cost_is_shared(client, simulator) -> None:
    refused = await compare(client, models=["opus", "sonnet"], judge="sonnet", max_cost=0.0001)
    assert "Each of the 4 calls has an equal share" in text(refused)
    assert "4 times that" in text(refused)


async def test_a_dry_run_tells_of_the_judge_and_sends_nothing(client, simulator) -> None:
    result = await compare(client, judge="opus", dry_run=True)
    assert text(result).endswith(
        "Beside these, opus reads the question and all answers, in two orders."
    )
    assert chats(simulator) == []


async def test_a_judge_that_ranks_nothing_is_not_told_as_a_ranking(client, simulator) -> None:
    simulator.answer('{"ranking": []}', model="anthropic/claude-opus-5", times=2)
    result = await compare(client, judge="anthropic/claude-opus-5")
    assert text(result).count("could not judge: It ranked none of the answers.") == 1
    assert len(result.meta["openrouter/receipts"]) == 5


async def test_a_slow_comparison_shows_and_keeps_what_has_come(
    configure, connect, simulator
) -> None:
    configure(OPENROUTER_WAIT_SECONDS="0.6")
    simulator.answer(Script(text="piece " * 500, chunk_delay=0.02), times=None)
    async with connect() as client:
        started = await compare(client, models=THREE[:2])
        assert "piece piece" in text(started)
        job_id = started.meta["openrouter/job"]["job_id"]
        stopped = await client.call_tool("get_job", {"job_id": job_id, "cancel": True})
    for model in THREE[:2]:
        assert f"## {model}\n\npiece piece" in text(stopped)
    assert "may bill the whole answer" in text(stopped)


DEAR = {
    "compare_models": {"models": THREE[:2], "options": {"max_tokens": 1000}},
    "complete_text": {"model": THREE[0], "max_tokens": 1000},
}


@both_eras
@pytest.mark.parametrize("tool", DEAR)
@pytest.mark.parametrize("action", ["accept", "decline"])
async def test_what_is_dear_is_asked_first(configure, connect, simulator, tool, action) -> None:
    configure(OPENROUTER_CONFIRM_ABOVE="0.001")
    asked = []

    async def answer(message, _type, params, _context):
        asked.append(message)
        return ElicitResult(action=action)

    async with connect(elicitation_handler=answer) as client:
        result = await client.call_tool(
            tool, {"prompt": "Hello", **DEAR[tool]}, raise_on_error=False
        )
    assert len(asked) == 1
    assert "can cost up to $0.0" in asked[0]
    assert result.is_error is (action == "decline")


@both_eras
@pytest.mark.parametrize("tool", DEAR)
async def test_max_cost_is_no_consent_where_nobody_can_be_asked(
    configure, connect, simulator, tool
) -> None:
    configure(OPENROUTER_CONFIRM_ABOVE="0.001")
    arguments = {"prompt": "Hello", **DEAR[tool]}
    async with connect() as client:
        refused = await client.call_tool(tool, arguments, raise_on_error=False)
        assert refused.meta[ERROR]["code"] == "BUDGET_EXCEEDED"
        assert all(request.method == "GET" for request in simulator.requests)
        arguments["max_cost"] = 0.1
        assert (await client.call_tool(tool, arguments, raise_on_error=False)).is_error
        assert all(request.method == "GET" for request in simulator.requests)


async def test_a_router_is_asked_for_no_raw_text(client, simulator) -> None:
    result = await client.call_tool("complete_text", {"prompt": "Once"}, raise_on_error=False)
    assert result.meta[ERROR]["code"] == "INVALID_INPUT"
    assert "openrouter/auto chooses by a conversation" in text(result)
    assert all(request.method == "GET" for request in simulator.requests)
