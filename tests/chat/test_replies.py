"""Answers and failures as an MCP client sees them."""

import json
from dataclasses import replace
from typing import Any

import pytest

from openrouter_mcp.chat import replies
from openrouter_mcp.chat.exchange import Exchange
from openrouter_mcp.completions.answer import Answer
from openrouter_mcp.completions.request import CallerRequest, compose
from openrouter_mcp.completions.tool_calls import ToolCalls
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.models.names import Resolution
from openrouter_mcp.settings import Settings

BROKEN = OpenRouterError(Code.NETWORK, "OpenRouter went away. Call again.", retryable=True)
CALL = {
    "index": 0,
    "id": "call_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
}


class Shown:
    """A reply taken apart."""

    def __init__(
        self,
        answer: Answer,
        max_tokens: int = 0,
        options: dict[str, Any] | None = None,
        schema: dict[str, Any] | None = None,
        **outcome: Any,
    ) -> None:
        request = compose(
            CallerRequest("Hi", max_tokens=max_tokens, options=options or {}, schema=schema or {}),
            Resolution("acme/gem", None, ""),
            (),
            Settings(),
        )
        exchange = Exchange(request, [answer], [request], text=answer.text, error=answer.error)
        exchange = replace(exchange, **outcome)
        receipt = exchange.receipt
        result = replies.chat(exchange, answer.text)
        self.blocks = [block.text for block in result.content]
        self.meta = result.meta
        self.is_error = result.is_error
        self.receipt = receipt
        assert result.structured_content is None
        assert self.blocks[-1].splitlines()[-1] == receipt.line()
        assert result.meta["openrouter/receipt"] == receipt.meta()


def test_an_answer_is_its_text_and_the_receipt():
    shown = Shown(Answer(text=" Hello\n\nthere. \n", finish_reason="stop"))
    assert shown.blocks == [f"Hello\n\nthere.\n\n{shown.receipt.line()}"]
    assert not shown.is_error
    assert set(shown.meta) == {"openrouter/receipt"}


def test_tool_calls_are_json_as_it_stands_between_text_and_receipt():
    details = [{"type": "reasoning.encrypted", "data": "gAAA", "index": 0}]
    answer = Answer(
        text="Let me look.",
        calls=ToolCalls([CALL]),
        reasoning_details=details,
        finish_reason="tool_calls",
    )
    shown = Shown(answer)
    said, calls, ending = shown.blocks
    assert said == "Let me look."
    without_index = {name: value for name, value in CALL.items() if name != "index"}
    assert json.loads(calls) == {"tool_calls": [without_index]}
    assert "Run them" in ending
    assert not shown.is_error
    assert shown.meta["openrouter/message"] == {
        "role": "assistant",
        "content": "Let me look.",
        "tool_calls": [without_index],
        "reasoning_details": details,
    }


def test_tool_calls_alone_come_first():
    calls, _ = Shown(Answer(calls=ToolCalls([CALL]), finish_reason="tool_calls")).blocks
    assert json.loads(calls)["tool_calls"][0]["function"]["name"] == "get_weather"


def test_an_error_after_partial_text_keeps_the_text():
    shown = Shown(Answer(text="Half an", error=BROKEN))
    expected = "Half an\n\n[The answer stops here. OpenRouter went away. Call again.]\n\n"
    assert shown.blocks == [expected + shown.receipt.line()]
    assert shown.is_error
    assert shown.meta["openrouter/error"] == BROKEN.meta()


def test_an_error_without_text_does_not_speak_of_an_answer():
    shown = Shown(Answer(error=BROKEN))
    assert shown.blocks[0].startswith("[OpenRouter went away. Call again.]")
    assert shown.is_error


@pytest.mark.parametrize(("limit", "named"), [(0, ""), (1200, "(it was 1,200)")])
def test_an_answer_cut_by_length_says_what_to_change(limit: int, named: str):
    shown = Shown(Answer(text="Once upon", finish_reason="length"), max_tokens=limit)
    text, ending, _ = shown.blocks[0].split("\n\n")
    assert text == "Once upon"
    assert ending.startswith("[Cut off at the output limit. Raise max_tokens")
    assert named in ending
    assert ("it was" in ending) == bool(limit)


def test_reasoning_that_ate_the_budget_is_shown_with_what_to_change():
    shown = Shown(Answer(reasoning="hmm", finish_reason="length"), max_tokens=16)
    reasoning, ending, _ = shown.blocks[0].split("\n\n")
    assert reasoning == "[reasoning]\nhmm\n[end of reasoning]"
    assert ending.startswith("[No answer: the output limit was used up by reasoning.")
    assert "lower effort" in ending


def test_a_filtered_answer_is_marked():
    shown = Shown(Answer(text="The beginning of", finish_reason="content_filter"))
    assert "[Cut off by the provider's content filter." in shown.blocks[0]
    assert not shown.is_error


LONG = "think " * 1000


def test_reasoning_is_cut_in_the_text_and_whole_in_the_meta():
    answer = Answer(text="Done.", reasoning=LONG, finish_reason="stop")
    shown = Shown(answer, options={"include_reasoning": True})
    reasoning, text, _ = shown.blocks[0].split("\n\n")
    body = reasoning.removeprefix("[reasoning]\n").removesuffix(" [...]\n[end of reasoning]")
    assert body == LONG[:2000].strip()
    assert text == "Done."
    assert shown.meta["openrouter/reasoning"] == LONG


def test_reasoning_that_was_not_asked_for_is_not_shown():
    shown = Shown(Answer(text="Done.", reasoning=LONG, finish_reason="stop"))
    assert "think" not in shown.blocks[0]
    assert "openrouter/reasoning" not in shown.meta


def test_reasoning_stands_before_the_text_and_the_calls():
    answer = Answer(
        text="So:", reasoning="hmm", calls=ToolCalls([CALL]), finish_reason="tool_calls"
    )
    said, calls, _ = Shown(answer, options={"include_reasoning": True}).blocks
    assert said == "[reasoning]\nhmm\n[end of reasoning]\n\nSo:"
    assert json.loads(calls)


def test_json_that_fits_a_schema_is_a_block_of_its_own():
    value = {"city": "Zürich", "sizes": [1, 2]}
    answer = Answer(text="```json\n{}```", finish_reason="stop")
    block, receipt = Shown(answer, schema={"type": "object"}, value=value).blocks
    assert json.loads(block) == value
    assert "Zürich" in block
    assert receipt.startswith("-- ")


def test_json_that_does_not_fit_is_shown_as_it_came():
    answer = Answer(text='{"city":', finish_reason="stop")
    shown = Shown(answer, schema={"type": "object"}, value={}, error=BROKEN)
    assert shown.blocks[0].startswith('{"city":\n\n[OpenRouter went away.')
    assert shown.is_error


def test_sources_are_listed_once_and_mark_the_reply_as_untrusted():
    pages = [("https://a.example", "A\n<b>page</b>"), ("https://b.example", None)]
    citations = [
        {"type": "url_citation", "url_citation": {"url": url, "title": title}}
        for url, title in (*pages, pages[0])
    ]
    odd = [{"type": "file"}, {"url_citation": {"title": "no address"}}]
    shown = Shown(Answer(text="So.", finish_reason="stop", annotations=[*citations, *odd]))
    _, sources, _ = shown.blocks[0].split("\n\n")
    assert sources.splitlines() == [
        "Sources:",
        "1. A page https://a.example",
        "2. https://b.example",
    ]
    assert shown.meta["openrouter/untrusted"] is True


def test_doubts_about_the_options_stand_above_the_receipt():
    shown = Shown(Answer(text="Hi.", finish_reason="stop"), options={"temprature": 1})
    assert shown.blocks[0].splitlines()[-3].startswith("Note: options.temprature was sent")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(),
        Answer(text="x\n"),
        Answer(text="x", finish_reason="length"),
        Answer(text="x", reasoning="r", calls=ToolCalls([CALL]), error=BROKEN),
        Answer(calls=ToolCalls([CALL])),
        Answer(finish_reason="content_filter", error=BROKEN),
        Answer(reasoning="r", finish_reason="stop"),
    ],
    ids=["nothing", "text", "cut", "all", "calls", "filtered", "reasoning"],
)
def test_no_block_is_empty_and_the_last_line_is_the_receipt(answer: Answer):
    assert all(block.strip() for block in Shown(answer).blocks)
