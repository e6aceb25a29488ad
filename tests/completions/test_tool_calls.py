"""Tool calls come out as they went in, in whatever pieces and with whatever marks they come."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_mcp.completions.tool_calls import ToolCalls, sendable

NAMES = st.sampled_from(["get_weather", "search", "f"])
VALUES = st.recursive(
    st.one_of(st.text(max_size=8), st.integers(-9, 9), st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
ARGUMENTS = st.dictionaries(st.text(min_size=1, max_size=5), VALUES, min_size=1, max_size=3)
CALLS = st.lists(st.tuples(NAMES, ARGUMENTS), min_size=1, max_size=4)


def assembled(*fragments: dict[str, Any]) -> list[tuple[str, str, str]]:
    calls = ToolCalls()
    for fragment in fragments:
        calls.add(fragment)
    return [
        (call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in calls.as_sent()
    ]


def fragment(index: Any = ..., id_: Any = ..., name: Any = ..., arguments: Any = ...) -> dict:
    function = {k: v for k, v in (("name", name), ("arguments", arguments)) if v is not ...}
    fields = (("index", index), ("id", id_), ("function", function))
    return {k: v for k, v in fields if v is not ...}


@given(data=st.data(), calls=CALLS)
def test_what_providers_send_comes_out_as_the_calls_that_it_means(data, calls):
    indexes = data.draw(st.sampled_from(["own", "absent", "null", "zero", "drifting"]))
    ids = data.draw(st.sampled_from(["first", "every", "never"]))
    names = data.draw(st.sampled_from(["first", "every", "first, then empty", "first, then null"]))
    if names == "every" and indexes == "drifting":
        ids = "every"
    fragments, count = [], 0
    for number, (name, given_arguments) in enumerate(calls):
        text = json.dumps(given_arguments)
        cuts = sorted(data.draw(st.lists(st.integers(1, max(1, len(text) - 1)), max_size=4)))
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        pieces = [piece for piece in pieces if piece]
        if data.draw(st.booleans()):
            pieces.insert(0, "")
        for at, piece in enumerate(pieces):
            later = {"first": ..., "every": name, "first, then empty": "", "first, then null": None}
            place = {"own": number, "absent": ..., "null": None, "zero": 0, "drifting": count}
            known = ids == "every" or (ids == "first" and at == 0)
            count += 1
            fragments.append(
                fragment(
                    place[indexes],
                    f"call_{number}" if known else ...,
                    name if at == 0 else later[names],
                    piece,
                )
            )
    found = assembled(*fragments)
    assert [(name, json.loads(text)) for _, name, text in found] == calls
    if ids != "never":
        assert [id_ for id_, _, _ in found] == [f"call_{n}" for n in range(len(calls))]


@given(data=st.data(), calls=st.lists(st.tuples(NAMES, ARGUMENTS), min_size=2, max_size=3))
def test_calls_that_come_side_by_side_stay_apart(data, calls):
    texts = [json.dumps(arguments) for _, arguments in calls]
    heads = [fragment(n, f"c{n}", name, "") for n, (name, _) in enumerate(calls)]
    pieces = [
        (n, text[at : at + 3]) for n, text in enumerate(texts) for at in range(0, len(text), 3)
    ]
    order = data.draw(st.permutations(range(len(calls))))
    by_call = {n: [fragment(n, arguments=piece) for m, piece in pieces if m == n] for n in order}
    mixed = []
    while any(by_call.values()):
        n = data.draw(st.sampled_from([n for n in by_call if by_call[n]]))
        mixed.append(by_call[n].pop(0))
    found = assembled(*heads, *mixed)
    assert found == [(f"c{n}", name, texts[n]) for n, (name, _) in enumerate(calls)]


WHOLE = '{"city": "Paris"}'


@pytest.mark.parametrize(
    ("fragments", "expected"),
    [
        pytest.param(
            [fragment(0, "a", "f", WHOLE), fragment(0, "a", "f", WHOLE)],
            [("a", "f", WHOLE)],
            id="the whole call again",
        ),
        pytest.param(
            [
                fragment(0, "a", "f", "{}"),
                fragment(0, arguments='{"city":'),
                fragment(0, arguments='"Paris"}'),
            ],
            [("a", "f", '{"city":"Paris"}')],
            id="an empty object first",
        ),
        pytest.param(
            [
                fragment(0, "a", "f", '{"city":'),
                fragment(0, arguments=' "Paris"}'),
                fragment(0, arguments=WHOLE),
            ],
            [("a", "f", WHOLE)],
            id="everything again at the end",
        ),
        pytest.param(
            [fragment(0, "f", "f", '{"n": 1}'), fragment(1, "f", "f", '{"n": 2}')],
            [("f", "f", '{"n": 1}'), ("f", "f", '{"n": 2}')],
            id="the name as the id of two calls",
        ),
        pytest.param(
            [fragment(None, "a", "f", ""), fragment(None, "b", "g", "")],
            [("a", "f", ""), ("b", "g", "")],
            id="calls without arguments",
        ),
        pytest.param(
            [
                fragment(0, "a", "f", '{"a'),
                fragment(0, "x", ..., '": 1'),
                fragment(0, "y", ..., "}"),
            ],
            [("a", "f", '{"a": 1}')],
            id="another id for every fragment",
        ),
        pytest.param(
            [fragment(0, "a"), fragment(0, ..., "f", ""), fragment(0, arguments=WHOLE)],
            [("a", "f", WHOLE)],
            id="the name after the id",
        ),
        pytest.param(
            [fragment(0, ..., "f", {"city": "Paris"})],
            [("", "f", WHOLE)],
            id="an object of arguments",
        ),
        pytest.param(
            [
                fragment(0, "a", "get_", ""),
                fragment(0, ..., "wea", ""),
                fragment(0, "a", "ther", '{"city":'),
                fragment(0, ..., "get_weather", ' "Paris"}'),
            ],
            [("a", "get_weather", WHOLE)],
            id="a name in pieces",
        ),
        pytest.param(
            [fragment(0, ..., "get_"), fragment(0, ..., "weather"), fragment(0, "a", ..., WHOLE)],
            [("a", "get_weather", WHOLE)],
            id="a name in pieces before the id",
        ),
        pytest.param(
            [fragment(..., "a", "get_"), fragment(..., ..., "weather"), fragment(arguments=WHOLE)],
            [("a", "get_weather", WHOLE)],
            id="a name in pieces without an index",
        ),
        pytest.param(
            [fragment(0, "a", "get_weather"), fragment(0, "a", "get_weather", WHOLE)],
            [("a", "get_weather", WHOLE)],
            id="a whole name again",
        ),
        pytest.param(
            [fragment(0, "a", "f", ""), fragment(0, "b", "g", "")],
            [("a", "f", ""), ("b", "g", "")],
            id="another id is another call",
        ),
        pytest.param([fragment(arguments="}")], [], id="a fragment of nothing"),
        pytest.param([{"function": None}, {"id": 3, "index": {}}], [], id="odd fields"),
    ],
)
def test_odd_calls(fragments, expected):
    assert assembled(*fragments) == expected


def test_the_calls_of_a_whole_message_stand_for_the_fragments_before_them():
    calls = ToolCalls()
    calls.add(fragment(0, "a", "f", '{"ci'))
    calls.replace(
        [fragment(id_="a", name="f", arguments=WHOLE), fragment(id_="b", name="f", arguments=WHOLE)]
    )
    assert [call["id"] for call in calls.as_sent()] == ["a", "b"]


def test_what_a_provider_adds_to_a_call_goes_back_with_it():
    calls = ToolCalls()
    calls.add(
        {**fragment(0, "a", "f", WHOLE), "extra_content": {"google": {"thought_signature": "s"}}}
    )
    assert calls.as_sent()[0]["extra_content"] == {"google": {"thought_signature": "s"}}


def test_calls_are_sent_back_with_ids_of_their_own_and_objects_as_arguments():
    calls = ToolCalls()
    for said in (
        fragment(0, ..., "f", "7"),
        fragment(1, ..., "g h", ""),
        fragment(2, ..., "f", WHOLE),
    ):
        calls.add(said)
    sent = sendable({"role": "assistant", "content": None, "tool_calls": calls.as_sent()})
    ids = [call["id"] for call in sent["tool_calls"]]
    assert all(ids)
    assert len(set(ids)) == 3
    assert all(isinstance(json.loads(c["function"]["arguments"]), dict) for c in sent["tool_calls"])
    assert sent["tool_calls"][1]["function"]["name"] == "g_h"


def test_blanks_between_arguments_are_arguments_though_the_name_comes_again() -> None:
    calls = ToolCalls()
    for piece in ('{"0": {"":', " ", "null}}"):
        calls.add({"index": 0, "function": {"name": "get_weather", "arguments": piece}})
    (call,) = calls.as_sent()
    assert json.loads(call["function"]["arguments"]) == {"0": {"": None}}
