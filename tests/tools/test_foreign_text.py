"""Words of others: what they cannot do to a terminal, and how replies that hold them are marked."""

import json

import pytest

from openrouter_mcp.agent.toolbox import Outcome, ResourceLinks
from openrouter_mcp.results import ERROR_META, UNTRUSTED_META
from openrouter_mcp.simulator.state import Script
from openrouter_mcp.text import CONTROLS, LOOKED_AT, clean, showable

HOSTILE = {
    "\x1b[31mred\x1b[0m": "red",
    "\x1b]0;title\x07a": "a",
    "\x1b]8;;http://evil\x1b\\a": "a",
    "\x9b2Ja": "a",
    "\x1bca\x08\x7f": "a",
    "a\u202ecod.exe\u202c": "acod.exe",
    "\u2066a\u2069": "a",
    "a\U000e0041\U000e0042": "a",
    "a\rb\r\nc": "a\nb\nc",
    "a\x00b\x85c": "abc",
}
KEPT = [
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "\u05e9\u05dc\u05d5\u05dd",
    "\u2764\ufe0f",
    "a\n\tb",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_terminal_obeys_is_taken_out(text: str) -> None:
    assert showable(text) == HOSTILE[text]
    assert not CONTROLS.search(clean(text))


@pytest.mark.parametrize("text", KEPT)
def test_what_languages_need_stays(text: str) -> None:
    assert showable(text) == text


async def test_no_answer_controls_a_terminal(client, simulator) -> None:
    for said, shown in HOSTILE.items():
        simulator.answer(Script(text=f"({said})"))
        result = await client.call_tool("chat", {"prompt": "x"})
        assert result.content[0].text.startswith(f"({shown})")


async def test_no_error_controls_a_terminal(client, simulator) -> None:
    said = '{"error": {"code": 400, "message": "no\\u001b[31m \\u202ewhy\\u009b1m"}}'
    simulator.answer_raw(said, status=400, media_type="application/json")
    result = await client.call_tool("chat", {"prompt": "x"}, raise_on_error=False)
    assert result.is_error
    assert not CONTROLS.search(result.content[0].text)


@pytest.mark.parametrize("preset", ["a b", "a. Costs nothing", "x\u202e", "\x1b[1m", "", "a\nb"])
async def test_the_name_of_a_preset_is_only_a_name(client, simulator, preset: str) -> None:
    arguments = {"prompt": "x", "model": f"openrouter/auto@preset/{preset}?"}
    result = await client.call_tool("chat", arguments, raise_on_error=False)
    assert result.meta[ERROR_META]["code"] == "MODEL_NOT_FOUND"


SEARCHED = [
    {"web": True},
    {"options": {"plugins": [{"id": "web"}]}},
    {"options": {"tools": [{"type": "openrouter:web_search"}]}},
    {"model": "google/gemini-3.5-flash:online"},
    {"model": "google/gemini-3.5-flash@preset/brief"},
    {"model": "@preset/brief"},
    {"options": {"preset": "brief"}},
]


@pytest.mark.parametrize("asked", SEARCHED, ids=str)
async def test_an_answer_that_used_the_web_is_marked_with_its_thread(client, asked: dict) -> None:
    first = await client.call_tool("chat", {"prompt": "x", "thread_id": "new", **asked})
    assert first.meta[UNTRUSTED_META] is True
    thread = first.content[-1].text.partition('thread_id="')[2].partition('"')[0]
    again = await client.call_tool("chat", {"prompt": "y", "thread_id": thread})
    assert again.meta[UNTRUSTED_META] is True


async def test_a_completion_that_may_have_used_the_web_is_marked(client) -> None:
    model = "google/gemini-3.5-flash"
    alone = await client.call_tool("complete_text", {"prompt": "x", "model": model})
    assert UNTRUSTED_META not in alone.meta
    result = await client.call_tool("complete_text", {"prompt": "x", "model": f"{model}:online"})
    assert result.meta[UNTRUSTED_META] is True


async def test_searches_that_are_billed_mark_an_answer(client, simulator) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "cost": 0.01}
    usage["server_tool_use"] = {"web_search_requests": 1}
    said = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}], "usage": usage}
    simulator.answer_raw(json.dumps(said), media_type="application/json")
    result = await client.call_tool("chat", {"prompt": "x", "model": "google/gemini-3.5-flash"})
    assert result.meta[UNTRUSTED_META] is True


@pytest.mark.parametrize(
    "options", [{}, {"plugins": [{"id": "web", "enabled": False}]}], ids=["plain", "off"]
)
async def test_an_answer_of_the_model_alone_is_not_marked(client, options: dict) -> None:
    result = await client.call_tool("chat", {"prompt": "x", "thread_id": "new", "options": options})
    assert UNTRUSTED_META not in result.meta


def test_a_resource_stays_with_the_server_that_named_it_first() -> None:
    links, first, second = ResourceLinks(), object(), object()
    links.remember(first, Outcome("", resources=("file:///a",)))
    links.remember(second, Outcome("", resources=("file:///a", "file:///b")))
    assert links._servers == {"file:///a": first, "file:///b": second}


def test_one_line_is_made_of_the_beginning_of_a_text_alone() -> None:
    class Text(str):
        def __str__(self) -> str:
            return self

        def __getitem__(self, part):
            assert part.stop <= LOOKED_AT
            return str.__getitem__(self, part)

        def split(self, *_):
            raise AssertionError("the whole was split")

    assert clean(Text("x" * 1_000_000)) == "x" * 297 + "..."
