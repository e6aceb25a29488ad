"""Long tool results, page by page."""

import json
import re

import pytest

from openrouter_mcp.agent.toolbox import ResultPages


def of(shown: str) -> str:
    """The id of a result that is shown in part."""
    match = re.search(r'result="([\w-]+)"', shown)
    assert match
    return match[1]


def test_a_short_result_is_shown_whole() -> None:
    assert ResultPages().shown("short", 100) == "short"


def test_a_long_result_is_read_to_its_end_by_following_what_it_says() -> None:
    text = "".join(f"line {number}\n" for number in range(1000))
    pages = ResultPages()
    shown, read = pages.shown(text, 1000), ""
    while match := re.search(r'\n\[Cut: .*result="([\w-]+)", offset=(\d+)\.\]$', shown):
        read += shown[: match.start()]
        arguments = json.dumps({"result": match[1], "offset": int(match[2])})
        outcome = pages.read(arguments, 1000)
        assert not outcome.failed
        shown = outcome.text
        assert len(shown) <= 1000
    assert read + shown == text


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"result": "result-9", "offset": 0}',
        '{"result": "{id}", "offset": 99999}',
        "[" * 100_000,
    ],
)
def test_wrong_questions_are_answered(arguments) -> None:
    pages = ResultPages()
    shown = pages.shown("x" * 200, 100)
    assert pages.read(arguments.replace("{id}", of(shown)), 1000).failed


def test_the_text_of_another_run_cannot_be_read() -> None:
    earlier, pages = of(ResultPages().shown("x" * 200, 100)), ResultPages()
    assert of(pages.shown("y" * 200, 100)) != earlier
    outcome = pages.read(json.dumps({"result": earlier, "offset": 0}), 1000)
    assert outcome.failed
    assert "call its tool again" in outcome.text
