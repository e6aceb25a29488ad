"""JSON schemas sent strictly, and answers held against them."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openrouter_mcp.completions.json_output import parse, response_format, unwrapped
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


@example([["</think>"], []])
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


@pytest.mark.parametrize("text", ['{"n": 1e400}', '{"n": -1e999}'])
def test_a_number_too_large_for_json_does_not_fit(text: str):
    schema = {"type": "object", "properties": {"n": {"type": "number"}}}
    assert parse(text, schema) == (None, "it is not JSON")


@pytest.mark.parametrize(
    "wrapped",
    [
        {"name": "city", "strict": True, "schema": CITY},
        {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY}},
        {"schema": CITY},
        CITY,
    ],
    ids=repr,
)
def test_a_schema_is_taken_out_of_its_wrappings(wrapped: dict):
    assert unwrapped(wrapped) == CITY


def test_a_property_named_schema_is_no_wrapping():
    schema = {"type": "object", "properties": {"schema": {"type": "object"}}, "schema": {}}
    assert unwrapped(schema) == schema


@pytest.mark.parametrize(
    "schema",
    [
        {"city": "string"},
        {"city": {"type": "string"}},
        {"type": 5},
        {"type": "object", "properties": []},
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "#/$defs/none"},
        {"type": "object", "properties": {"a": {"$ref": "other.json#/a"}}},
        {"anyOf": [{"$dynamicRef": "#nobody"}]},
        json.loads('{"items":' * 500 + "{}" + "}" * 500),
    ],
    ids=lambda schema: json.dumps(schema)[:50],
)
def test_what_could_not_be_held_against_an_answer_is_refused(schema: dict):
    with pytest.raises(OpenRouterError, match="schema is not a JSON schema") as caught:
        response_format(schema)
    assert caught.value.code is Code.INVALID_INPUT
    assert len(caught.value.message) < 400


@pytest.mark.parametrize("schema", [{}, {"description": "anything"}])
def test_what_allows_everything_is_a_schema_all_the_same(schema: dict):
    response_format(schema)


@pytest.mark.parametrize(
    "text",
    [
        '<think>It could be {"city": "Rome"}.</think>\n{"city": "Paris"}',
        '<think>{"city": 5} does not fit.</think>{"city": "Paris"}',
        'First I thought {"town": "Rome"} but no: {"city": "Paris"} it is.',
        'An example is {"city": 1}. The answer:\n```json\n{"city": "Paris"}\n```',
        '[1] says so: {"city": "Paris"}',
        'It is 5" wide, so {"city": "Paris",}',
    ],
)
def test_an_answer_that_holds_what_was_asked_for_needs_no_second_request(text: str):
    schema = response_format(CITY)["json_schema"]["schema"]
    assert parse(text, schema) == ({"city": "Paris"}, "")


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": "^(a+)+$"},
        {"patternProperties": {"^(a+)+$": {"type": "null"}}, "additionalProperties": False},
        {"type": "string", "pattern": "("},
    ],
    ids=repr,
)
def test_no_pattern_of_a_schema_is_run(schema: dict):
    for value in ("a" * 60 + "!", {"a" * 60 + "!": 1}):
        if not isinstance(value, str) or "patternProperties" not in schema:
            problem = parse(json.dumps(value), schema)[1]
            assert problem == "" or "type" in problem


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ("[" * 100_000, CITY),
        ('{"a":' * 100_000, CITY),
        ('"' + "\\" * 99_999, CITY),
        ('{"' + '\\"' * 50_000, CITY),
        ("{" + "," * 100_000, CITY),
        ("9" * 10_000, CITY),
        ("1e308", {"multipleOf": 1e-320}),
        ("[" * 300 + "]" * 300, {"items": {"$ref": "#"}}),
        ("{}", {"allOf": [{"$ref": "#"}]}),
        ("{}", {"$ref": "https://example.com/schema.json"}),
        ('{"a": "\\ud83d"}', CITY),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_no_answer_and_no_schema_is_too_odd_to_be_judged(text: str, schema: dict):
    assert isinstance(parse(text, schema)[1], str)
