"""JSON of any schema and any answer: nothing that was paid is lost, or asked for twice."""

import json

import pytest

from openrouter_mcp.simulator.state import Simulator
from openrouter_mcp.text import DEEPEST_JSON
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
        ("[" * DEEPEST_JSON + "]" * DEEPEST_JSON, {"type": "array"}, ...),
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
        ("{}", {"anyOf": [{"$ref": "#"}, {"type": "string"}]}),
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
        assert text[:1000] in said(result)
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


LINKED = {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"allOf": [{"$ref": "#"}]},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
        LINKED,
        {"type": "array", "items": {"$ref": "#"}, "minItems": 1},
        {"not": {}},
        {"enum": []},
        {"type": "string", "enum": [1, 2]},
        {"type": "string", "const": 5},
        {"type": "integer", "minimum": 5, "maximum": 1},
        {"allOf": [{"type": "string"}, {"type": "integer"}]},
        {"type": "object", "properties": {"a": False}, "required": ["a"]},
        {"type": "object", "additionalProperties": False, "required": ["a"]},
    ],
    ids=lambda schema: str(schema)[:50],
)
async def test_a_schema_that_nothing_can_fit_is_refused_before_paying(
    client, simulator: Simulator, schema: dict
):
    result = await ask(client, schema=schema)
    assert result.meta["openrouter/error"]["code"] == "INVALID_INPUT"
    assert "no value can ever fit it" in result.content[0].text
    assert chats(simulator) == []


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({**LINKED, "required": []}, '{"next": {}}'),
        ({**LINKED, "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}}, None),
        ({"type": "array", "items": {"$ref": "#"}}, "[[], [[]]]"),
        ({"type": ["string", "null"], "enum": ["a", None]}, "null"),
        ({"type": "object", "properties": {"a": {"not": {}}}}, "{}"),
        ({"const": {"$ref": "#"}}, '{"$ref": "#"}'),
        ({"type": "number", "enum": [1, 2.5]}, "1"),
        ({"allOf": [{"type": "number"}, {"type": "integer"}]}, "3"),
        ({"type": "object", "properties": {"a": {}}, "required": ["b"]}, '{"b": 1}'),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_schema_that_something_fits_is_sent(client, simulator: Simulator, schema, text):
    simulator.answer_raw(*answered(text or '{"next": {"next": null}}'))
    assert not (await ask(client, schema=schema)).is_error


async def test_a_schema_that_cannot_be_judged_is_not_paid_twice(client, simulator: Simulator):
    simulator.answer_raw(*answered("{}"), times=None)
    result = await ask(client, schema={"anyOf": [{"$ref": "#"}, {"type": "string"}]})
    assert result.is_error
    assert said(result).startswith("{}")
    assert len(chats(simulator)) == 1
