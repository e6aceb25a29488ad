"""JSON schemas sent strictly, and answers held against them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_mcp.completions.json_output import parse, response_format
from openrouter_mcp.errors import Code, OpenRouterError

CITY = {"type": "object", "properties": {"city": {"type": "string"}}}


def test_an_open_schema_is_closed_since_providers_enforce_only_closed_ones() -> None:
    sent = response_format(CITY)["json_schema"]
    assert sent["strict"] is True
    assert sent["schema"] == {**CITY, "additionalProperties": False, "required": ["city"]}
    assert CITY == {"type": "object", "properties": {"city": {"type": "string"}}}


def test_what_a_schema_says_itself_is_left_alone() -> None:
    schema = {**CITY, "additionalProperties": True, "required": []}
    assert response_format(schema)["json_schema"]["schema"] == schema


def test_a_property_named_like_a_keyword_is_no_keyword() -> None:
    schema = {"type": "object", "properties": {"enum": CITY, "properties": {"type": "string"}}}
    closed = response_format(schema)["json_schema"]["schema"]
    assert closed["required"] == ["enum", "properties"]
    assert closed["properties"]["enum"]["required"] == ["city"]


def test_what_is_no_schema_is_refused() -> None:
    with pytest.raises(OpenRouterError, match="schema is not a JSON schema") as caught:
        response_format({"type": "objekt"})
    assert caught.value.code is Code.INVALID_INPUT


@pytest.mark.parametrize(
    "text",
    [
        '{"city": "Paris"}',
        '```json\n{"city": "Paris"}\n```',
        'Here you are:\n```\n{"city": "Paris",}\n```\nAnything else?',
        'Sure! {"city": "Paris",} Done.',
        ' {"city": "Paris" , }\n',
    ],
)
def test_fences_words_around_and_trailing_commas_are_forgiven(text: str) -> None:
    assert parse(text, CITY) == ({"city": "Paris"}, "")


def test_commas_inside_strings_are_no_trailing_commas() -> None:
    text = '{"city": "a,]b,}",}'
    assert parse(text, CITY) == ({"city": "a,]b,}"}, "")


def test_what_does_not_fit_is_told_with_its_place() -> None:
    value, problem = parse('{"city": 5}', CITY)
    assert value == {"city": 5}
    assert problem == "at $.city: 5 is not of type 'string'"


def test_prose_is_not_json() -> None:
    assert parse("Paris, of course.", CITY) == (None, "it is not JSON")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_every_json_value_survives(value: object) -> None:
    assert parse(json.dumps(value), {}) == (value, "")


@given(st.text())
def test_no_text_raises(text: str) -> None:
    parse(text, CITY)


@pytest.mark.parametrize(
    "combination",
    [
        {"allOf": [{"type": "object", "properties": {"b": {"type": "string"}}}]},
        {"anyOf": [{"required": ["b"]}, {"required": ["c"]}]},
        {"if": {"properties": {"a": {"const": "x"}}}, "then": {"required": ["b"]}},
    ],
    ids=repr,
)
def test_what_fits_a_combination_of_schemas_fits_what_is_sent(combination: dict):
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, **combination}
    value = json.dumps({"a": "x", "b": "y"})
    sent = response_format(schema)["json_schema"]["schema"]
    assert parse(value, schema)[1] == ""
    assert parse(value, sent)[1] == ""


@pytest.mark.parametrize("text", ['{"n": NaN}', '{"n": -Infinity}'])
def test_numbers_that_json_does_not_know_do_not_fit(text: str):
    schema = {"type": "object", "properties": {"n": {"type": "number"}}}
    assert parse(text, schema) == (None, "it is not JSON")
