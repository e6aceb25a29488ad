"""JSON of any schema and any answer: nothing that was paid is lost, or asked for twice."""

import json

import pytest

from openrouter_mcp.simulator.state import Simulator
from tests.support.upstream import chats
from tests.support.wire import DONE, ask, chunk, cost, said, usage

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def answered(text: str) -> list:
    return [chunk(content=text), chunk(finish="stop"), usage(), DONE]


@pytest.mark.parametrize(
    "schema",
    [
        {"name": "city", "strict": True, "schema": CITY},
        {"type": "json_schema", "json_schema": {"name": "city", "strict": True, "schema": CITY}},
        CITY,
    ],
)
async def test_a_wrapped_schema_is_sent_and_judged_unwrapped(client, simulator: Simulator, schema):
    simulator.answer_raw(*answered('{"city": "Paris"}'))
    result = await ask(client, schema=schema)
    assert not result.is_error
    assert json.loads(result.content[0].text) == {"city": "Paris"}
    (request,) = chats(simulator)
    sent = request.body["response_format"]["json_schema"]
    assert sent["schema"]["properties"] == CITY["properties"]


async def test_a_wrapping_around_no_schema_is_refused_before_paying(client, simulator: Simulator):
    result = await ask(client, schema={"name": "city", "schema": {"city": "string"}})
    assert "schema is not a JSON schema" in result.content[0].text
    assert chats(simulator) == []


@pytest.mark.parametrize(
    ("text", "schema", "value"),
    [
        ('<think>{"city": 1}?</think>{"city": "Paris"}', CITY, {"city": "Paris"}),
        ("null", {"type": "null"}, None),
        ('{"city": "\\ud83d"}', CITY, {"city": "?"}),
        ('{"city": "\ufeffParis"}', CITY, {"city": "\ufeffParis"}),
        ("[" * 200 + "]" * 200, {"type": "array"}, ...),
    ],
    ids=lambda value: repr(value)[:20],
)
async def test_an_answer_that_holds_the_value_costs_one_request(
    client, simulator: Simulator, text: str, schema: dict, value
):
    simulator.answer_raw(*answered(text))
    result = await ask(client, schema=schema)
    assert not result.is_error
    given = json.loads(result.content[0].text)
    assert value is ... or given == value
    assert len(chats(simulator)) == 1


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ('{"city": 5}', CITY),
        ('{"city": NaN}', CITY),
        ('{"n": NaN}', {"type": "object"}),
        ('{"n": 1e999}', {"type": "object"}),
        ("[" * 900 + "]" * 900, {"type": "array"}),
        ("[" * 900 + "]" * 900, CITY),
        ("[" * 100_000, CITY),
        ('{"a": ' * 900 + "1" + "}" * 900, {"type": "object"}),
        ("9" * 5_000, CITY),
        ("[1]", {"items": {"multipleOf": 1e-320}}),
        ("{}", {"allOf": [{"$ref": "#"}]}),
        ("no JSON", CITY),
    ],
    ids=lambda value: f"{str(value)[:20]}, {len(str(value))}",
)
async def test_an_answer_that_does_not_hold_it_is_shown_with_its_receipt(
    client, simulator: Simulator, text: str, schema: dict
):
    simulator.answer_raw(*answered(text), times=2)
    result = await ask(client, schema=schema)
    if result.is_error:
        assert result.meta["openrouter/error"]["code"] == "UPSTREAM_ERROR"
        assert said(result).startswith(text[:1000])
    else:
        json.loads(result.content[0].text, parse_constant=pytest.fail)
    assert str(cost(result)) == f"{0.0012 * len(chats(simulator)):.4f}"


async def test_neither_of_two_answers_that_do_not_fit_is_lost(client, simulator: Simulator):
    simulator.answer_raw(*answered("Paris, I think."))
    simulator.answer_raw(*answered("As JSON: Paris."))
    result = await ask(client, schema=CITY)
    assert result.is_error
    assert "Paris, I think." in said(result)
    assert "As JSON: Paris." in said(result)
    assert str(cost(result)) == "0.0024"
