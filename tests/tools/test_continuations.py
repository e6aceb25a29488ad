"""An answer that was cut: what is asked for again, and what becomes of it."""

import json

import pytest

from openrouter_mcp.simulator.state import Simulator
from tests.support.upstream import chats
from tests.support.wire import DONE, MODEL, ask, chunk, cost, said, usage

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
LIMITS = [
    {"max_tokens": 20},
    {"options": {"max_tokens": 20}},
    {"options": {"max_completion_tokens": 20}},
]


def cut(text: str, **fields) -> list:
    return [chunk(content=text, **fields), chunk(finish="length"), usage(), DONE]


def whole(text: str) -> list:
    return [chunk(content=text), chunk(finish="stop"), usage(), DONE]


@pytest.mark.parametrize("limit", LIMITS, ids=str)
async def test_a_limit_of_the_caller_bounds_the_whole_call(client, simulator, limit: dict):
    simulator.answer_raw(*cut("Once upon a time"), times=None)
    result = await ask(client, **limit)
    assert not result.is_error
    assert said(result).startswith("Once upon a time\n\n[Cut off at the output limit.")
    assert len(chats(simulator)) == 1


@pytest.mark.parametrize("limit", LIMITS, ids=str)
async def test_thoughts_that_used_it_up_are_not_thought_again(client, simulator, limit: dict):
    simulator.answer_raw(*cut("", reasoning="Hm, let me see"), times=None)
    result = await ask(client, **limit)
    assert "used up by reasoning. Raise max_tokens (it was 20)" in said(result)
    assert len(chats(simulator)) == 1


async def test_json_that_it_cut_is_not_asked_for_again(client, simulator: Simulator):
    simulator.answer_raw(*cut('{"city": "Par'), times=None)
    result = await ask(client, schema=CITY, max_tokens=20)
    assert result.is_error
    assert said(result).startswith('{"city": "Par')
    assert len(chats(simulator)) == 1


async def test_json_is_mended_with_what_is_left_of_it(client, simulator: Simulator):
    simulator.answer_raw(*whole('{"town": "Paris"}'))
    simulator.answer_raw(*whole('{"city": "Paris"}'))
    result = await ask(client, schema=CITY, max_tokens=100)
    assert json.loads(result.content[0].text) == {"city": "Paris"}
    limits = [request.body["max_completion_tokens"] for request in chats(simulator)]
    assert limits == [100, 80]


async def test_it_holds_for_each_model_of_a_comparison(client, simulator: Simulator):
    simulator.answer_raw(*cut("Once upon a time"), times=None)
    asked = {"prompt": "Hi", "models": [MODEL, "anthropic/claude-sonnet-5"]}
    await client.call_tool("compare_models", {**asked, "options": {"max_tokens": 20}})
    assert len(chats(simulator)) == 2


async def test_a_dry_run_tells_of_no_requests_that_cannot_follow(client):
    plain, limited = [await ask(client, dry_run=True, max_tokens=limit) for limit in (0, 20)]
    assert "more requests may follow" in plain.content[0].text
    assert "may follow" not in limited.content[0].text


async def test_an_answer_that_a_default_cut_is_continued(connect, configure, simulator):
    configure(OPENROUTER_MAX_TOKENS="20")
    simulator.answer_raw(*cut("Once upon a time"))
    simulator.answer_raw(*whole(" there was a king."))
    async with connect() as client:
        result = await ask(client)
    assert said(result) == "Once upon a time there was a king."
    assert str(cost(result)) == "0.0024"


LONG = "A story in many words. " + " ".join(f"Sentence {n}." for n in range(80))


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ("Paris is the capital of Fra", "Paris is the capital of France.", 2),
        ("Paris is the capital of Fra", "\n\nParis is the capital of France.", 2),
        (LONG, LONG + " The end.", 2),
        (LONG, LONG[:700], 1),
        (LONG, LONG[:300] + " In short: the end.", 1),
        (LONG[:500], LONG[:300] + " And so on." * 50, 2),
    ],
    ids=lambda value: repr(value)[:5] + repr(value)[-15:],
)
async def test_a_continuation_that_begins_again_is_not_glued_on(
    client, simulator: Simulator, first: str, second: str, kept: int
):
    simulator.answer_raw(*cut(first))
    simulator.answer_raw(*whole(second))
    result = await ask(client)
    assert not result.is_error
    text = said(result)
    assert text.startswith((first, second.strip())[kept - 1])
    assert "began again instead of going on" in text
    assert ("[Cut off at the output limit" in text) is (kept == 1)
    assert text.count("Paris is the") + text.count("A story in") == 1
    assert str(cost(result)) == "0.0024"


@pytest.mark.parametrize(
    "second",
    [
        cut(""),
        cut("", reasoning="Let me think about how to go on."),
        whole(""),
        whole(" "),
        whole("there was a king."),
        [chunk(finish="content_filter"), usage(), DONE],
    ],
    ids=["cut", "thinking", "ended", "blank", "repeated", "filtered"],
)
async def test_one_that_adds_nothing_is_not_sent_a_second_time(client, simulator, second: list):
    first = "Once upon a time there was a king."
    simulator.answer_raw(*cut(first))
    simulator.answer_raw(*second, times=None)
    result = await ask(client)
    assert not result.is_error
    assert said(result).startswith(f"{first}\n\n[Cut off at the output limit.")
    assert len(chats(simulator)) == 2
    assert str(cost(result)) == "0.0024"


async def test_lines_that_begin_alike_are_no_second_beginning(client, simulator: Simulator):
    lines = [f'{{"time": "2026-11-26T10:00:{n:02}Z", "level": "info"}}\n' for n in range(30)]
    simulator.answer_raw(*cut("".join(lines[:15])))
    simulator.answer_raw(*whole("".join(lines[15:])))
    assert said(await ask(client)) == "".join(lines).strip()


BLOCK = '```json\n{"city": "Par'


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        (BLOCK, '```json\nis"}\n```', '```json\n{"city": "Paris"}\n```'),
        (BLOCK, '\n```json\nis"}', '```json\n{"city": "Paris"}'),
        ("```\none two thr", "```\nee four\n```", "```\none two three four\n```"),
        ("```py\nx = 1\n", "```\nThat is all.", "```py\nx = 1\n```\nThat is all."),
        ("See the code:\n", "```py\nx = 1\n```", "See the code:\n```py\nx = 1\n```"),
        ("He said: ", "I'm sorry, I was late.", "He said: I'm sorry, I was late."),
        ("It lives by ", "continuing its work.", "It lives by continuing its work."),
        ("I am ", "sorry that I left off.\nBye.", "I am sorry that I left off.\nBye."),
        ('{"city": "Par', '```json\nis"}\n```', '{"city": "Paris"}'),
    ],
    ids=range(9),
)
async def test_what_goes_on_is_joined_without_a_second_fence(
    client, simulator: Simulator, first: str, second: str, text: str
):
    simulator.answer_raw(*cut(first))
    simulator.answer_raw(*whole(second))
    assert said(await ask(client)) == text


@pytest.mark.parametrize(
    "comment",
    [
        "Continuing from where I left off:\n\n",
        "I apologize for the interruption. Continuing from where I left off...\n\n",
        "Sorry for the cut-off!\n",
        "Here is the rest of the answer:\n",
        "I\u2019m sorry, the last message was cut off:\n \n",
    ],
)
async def test_a_comment_in_a_line_of_its_own_is_no_part_of_the_answer(
    client, simulator: Simulator, comment: str
):
    simulator.answer_raw(*cut("Paris is the capital"))
    simulator.answer_raw(*whole(comment + " of France."))
    text = said(await ask(client))
    assert text.startswith("Paris is the capital of France.\n\nNote: ")
    assert comment.strip() in text


async def test_a_comment_within_a_line_is_marked(client, simulator: Simulator):
    simulator.answer_raw(*cut("Paris is the capital of Fra"))
    simulator.answer_raw(*whole("Sorry, I was cut off. France, as I said."))
    assert said(await ask(client)) == (
        "Paris is the capital of Fra\n\n[Asked to go on, it said:]\n\n"
        "Sorry, I was cut off. France, as I said."
    )


async def test_a_comment_before_a_second_beginning_does_not_hide_it(client, simulator: Simulator):
    simulator.answer_raw(*cut("Paris is the capital of Fra"))
    simulator.answer_raw(
        *whole("Sorry for the incomplete answer.\n\nParis is the capital of France.")
    )
    assert said(await ask(client)).startswith("Paris is the capital of France.\n\nNote: ")
