"""Long tool results, page by page."""

import json
import re

import pytest

from openrouter_mcp.result_pages import ResultPages


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
        '{"result": "result-1", "offset": 99999}',
    ],
)
def test_wrong_questions_are_answered(arguments) -> None:
    pages = ResultPages()
    pages.shown("x" * 200, 100)
    assert pages.read(arguments, 1000).failed


def test_the_text_of_another_run_cannot_be_read() -> None:
    ResultPages().shown("x" * 200, 100)
    assert ResultPages().read('{"result": "result-1", "offset": 0}', 1000).failed
