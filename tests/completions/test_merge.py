"""Usage, reasoning and sources come out as they went in, however they are cut and repeated."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_mcp.completions.merge import (
    add_once,
    add_reasoning_details,
    citations,
    content_text,
    merged_usage,
    reasoning_text,
)

USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 20,
    "cost": 0.0012,
    "is_byok": False,
    "completion_tokens_details": {"reasoning_tokens": 5},
}


@pytest.mark.parametrize(
    "reports",
    [
        [USAGE],
        [USAGE, USAGE],
        [{"prompt_tokens": 9, "completion_tokens": 1}, USAGE],
        [USAGE, {"prompt_tokens": 0, "completion_tokens": 0, "cost": 0}],
        [USAGE, {"cost": None, "completion_tokens_details": None}],
        [{"cost": None}, USAGE, {}],
        [USAGE, {"completion_tokens_details": {"reasoning_tokens": 0}}],
    ],
)
def test_usage_only_grows(reports: list[dict[str, Any]]):
    merged: dict[str, Any] = {}
    for report in reports:
        merged = merged_usage(merged, report)
    assert merged == USAGE


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, ""),
        ("Hi", "Hi"),
        ([{"type": "text", "text": "Hi"}, {"type": "text", "text": None}, None, " you"], "Hi you"),
        ({"type": "text", "text": "Hi"}, "Hi"),
        (
            [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"text": "Hi"}],
            "Hi",
        ),
        (7, ""),
    ],
)
def test_content_is_text_in_any_of_its_forms(content: object, text: str):
    assert content_text(content) == text


@pytest.mark.parametrize(
    "said",
    [
        {"reasoning": "hm"},
        {"reasoning_content": "hm"},
        {"reasoning": "hm", "reasoning_content": "hm"},
        {"reasoning": None, "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "h"}, {"summary": "m"}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
        {"content": [{"type": "thinking", "thinking": "hm"}]},
    ],
)
def test_reasoning_is_told_once_wherever_it_stands(said: dict[str, Any]):
    assert reasoning_text(said) == "hm"


def details(*pieces: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for piece in pieces:
        add_reasoning_details(found, [piece])
    return found


def sealed(id_: str | None, data: str, **more: Any) -> dict[str, Any]:
    return {"type": "reasoning.encrypted", "id": id_, "data": data, **more}


def words(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "reasoning.text", "text": text, **more}


@pytest.mark.parametrize(
    "items",
    [
        [sealed("rs_1", "a", index=0), sealed("rs_2", "b", index=0)],
        [sealed("rs_1", "a"), sealed("rs_2", "b"), sealed("rs_3", "c")],
        [sealed(None, "a", index=0), sealed(None, "b", index=0)],
        [sealed(None, "a"), sealed(None, "b")],
        [words("one", signature="s1", index=0), words("two", signature="s2", index=0)],
        [words("one", index=0), words("two", index=1)],
        [words("one", id="a"), words("two", id="b")],
        [words("one", index=0), sealed("rs_1", "a", index=0), words("two", index=1)],
    ],
)
def test_reasoning_of_its_own_stays_apart(items: list[dict[str, Any]]):
    assert details(*items) == items


def test_what_is_sealed_and_comes_again_is_there_once():
    item = sealed("rs_1", "a", index=0)
    assert details(item, item) == [item]


@given(data=st.data(), texts=st.lists(st.text(min_size=1), min_size=1, max_size=3))
def test_pieces_of_a_thought_become_the_thought(data, texts):
    marked = data.draw(st.sampled_from(["index", "id", "neither"]))
    texts = texts[:1] if marked == "neither" else texts
    pieces, whole = [], []
    for number, text in enumerate(texts):
        mark = (
            {} if marked == "neither" else {marked: number if marked == "index" else f"r{number}"}
        )
        cut = data.draw(st.integers(0, len(text)))
        pieces += [words(text[:cut], **mark), words(text[cut:], **mark)]
        pieces.append({"type": "reasoning.text", "signature": f"s{number}", **mark})
        whole.append(words(text, signature=f"s{number}", **mark))
    assert details(*pieces) == whole


def test_annotations_that_come_with_every_chunk_are_there_once():
    first = {"type": "url_citation", "url_citation": {"url": "https://a.example"}}
    second = {"type": "url_citation", "url_citation": {"url": "https://b.example"}}
    found: list[dict[str, Any]] = []
    for chunk in ([first], [first, second], [first, second]):
        add_once(found, chunk)
    assert found == [first, second]


def test_citations_outside_of_annotations_are_sources():
    said = {
        "citations": ["https://a.example", None, 7, {"url": "https://b.example", "title": "B"}],
        "search_results": [{"title": "C", "url": "https://c.example"}],
    }
    assert citations(said) == [
        {"url": "https://a.example", "title": ""},
        {"url": "https://b.example", "title": "B"},
        {"url": "https://c.example", "title": "C"},
    ]


@pytest.mark.parametrize("kind", [{}, [], None, 5])
def test_a_part_of_an_odd_type_is_read_all_the_same(kind: object):
    assert content_text([{"type": kind, "text": "Hello."}]) == "Hello."
