"""Schemas that every provider takes, meaning what the server's own meant."""

import json
import re

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_mcp.agent.function_tools import portable, with_names


def of(**properties) -> dict:
    """What becomes of the properties of a schema."""
    schema = {"type": "object", "properties": properties}
    made = portable(schema).parameters
    jsonschema.Draft202012Validator.check_schema(made)
    return made["properties"]


def test_what_everybody_takes_stays_as_it_is() -> None:
    schema = {
        "type": "object",
        "properties": {
            "names": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
            "size": {"type": "integer", "minimum": 1, "default": 5, "deprecated": True},
            "when": {"type": "string", "format": "date-time", "pattern": "Z$"},
            "map": {"type": "object", "additionalProperties": {"type": "number"}},
        },
        "required": ["names"],
        "additionalProperties": False,
    }
    made = portable(schema)
    assert (made.parameters, made.words, made.renamed) == (schema, "", {})


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        ({"const": "a"}, {"type": "string", "enum": ["a"]}),
        ({"type": "array"}, {"type": "array", "items": {}}),
        (
            {"type": "array", "items": [{"type": "number"}, {"type": "string"}]},
            {"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "string"}]}},
        ),
        (
            {"type": ["integer", "null"], "minimum": 1, "description": "How many"},
            {
                "description": "How many",
                "anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}],
            },
        ),
        (
            {"type": ["string", "null"], "enum": ["a", None]},
            {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]},
        ),
        (
            {"enum": ["a", 1, None]},
            {
                "anyOf": [
                    {"type": "string", "enum": ["a"]},
                    {"type": "integer", "enum": [1]},
                    {"type": "null"},
                ]
            },
        ),
        ({"type": "number", "enum": [1, 2.5]}, {"type": "number", "enum": [1, 2.5]}),
        ({"type": "string", "enum": ["a", None]}, {"type": "string", "enum": ["a"]}),
        (
            {"type": "string", "format": "uri", "description": "Where."},
            {"type": "string", "description": "Where. (format: uri)"},
        ),
        ({"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 1}),
        ({"type": "number", "exclusiveMinimum": 0}, {"type": "number", "exclusiveMinimum": 0}),
        (
            {"$schema": "x", "$id": "y", "$comment": "z", "type": "object", "properties": {}},
            {"type": "object", "properties": {}},
        ),
        (True, {}),
    ],
)
def test_each_value_has_one_type_and_only_plain_keywords(schema, made) -> None:
    assert of(value=schema)["value"] == made


def test_a_property_that_must_not_be_given_is_left_out() -> None:
    assert of(never=False, ever={"type": "string"}) == {"ever": {"type": "string"}}


def test_a_property_may_be_named_like_a_keyword() -> None:
    assert set(of(**{"const": {}, "$id": {}, "required": {}})) == {"const", "_id", "required"}


def test_requirements_that_no_property_has_are_dropped() -> None:
    assert "required" not in portable({"properties": {}, "required": ["gone"]}).parameters


def test_alternatives_at_the_top_are_told_in_words() -> None:
    forms = [
        {"properties": {"id": {"type": "string"}}, "required": ["id"]},
        {"properties": {"url": {"type": "string"}}, "required": ["url"]},
    ]
    made = portable({"type": "object", "oneOf": forms})
    assert set(made.parameters) == {"type", "properties"}
    assert set(made.parameters["properties"]) == {"id", "url"}
    assert json.loads(made.words.partition("fit: ")[2]) == {"oneOf": forms}


def test_a_property_that_tells_alternatives_apart_keeps_all_its_values() -> None:
    forms = [
        {"properties": {"kind": {"const": kind}, kind: {}}, "required": ["kind", kind]}
        for kind in ("file", "page")
    ]
    parameters = portable({"anyOf": forms}).parameters
    assert parameters["properties"]["kind"] == {"type": "string", "enum": ["file", "page"]}
    assert parameters["required"] == ["kind"]


def test_all_of_is_put_together() -> None:
    parts = [{"properties": {n: {"type": "string"}}, "required": [n]} for n in ("a", "b")]
    parameters = portable({"allOf": parts}).parameters
    assert set(parameters["properties"]) == {"a", "b"}
    assert parameters["required"] == ["a", "b"]


def test_nothing_but_an_object_stands_at_the_top() -> None:
    schema = {"type": ["object", "null"], "not": {"required": ["a"]}, "enum": [{"a": 1}]}
    made = portable(schema)
    assert made.parameters == {"type": "object", "properties": {}}
    assert '"not"' in made.words


def test_a_schema_that_refers_to_itself_keeps_its_definitions() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    schema = {"$defs": {"Node": node}, "properties": {"first": {"$ref": "#/$defs/Node"}}}
    assert portable(schema).parameters == {"type": "object", **schema}


def test_names_that_providers_refuse_are_replaced_everywhere() -> None:
    schema = {
        "properties": {
            "user id": {"type": "string"},
            "user_id": {"type": "string"},
            "größe": {"type": "object", "properties": {"数量": {"type": "integer"}}},
        },
        "required": ["user id"],
        "dependentRequired": {"user id": ["größe"]},
        "default": {"user id": "x"},
        "anyOf": [{"required": ["größe"]}, {"required": ["user_id"]}],
    }
    made = portable(schema)
    (taken,) = (safe for safe, name in made.renamed.items() if name == "user id")
    (amount,) = (safe for safe, name in made.renamed.items() if name == "数量")
    assert taken.startswith("user_id_")
    assert made.parameters["required"] == [taken]
    assert made.parameters["dependentRequired"] == {taken: ["gr_e"]}
    assert made.parameters["default"] == {taken: "x"}
    assert made.words.endswith('{"anyOf":[{"required":["gr_e"]},{"required":["user_id"]}]}')
    inner = made.parameters["properties"]["gr_e"]
    assert inner["description"] == '"größe"'
    assert inner["properties"][amount] == {"type": "integer", "description": '"数量"'}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1, max_size=80), JSON, min_size=1, max_size=6))
def test_arguments_come_back_under_their_own_names(arguments) -> None:
    made = portable({"properties": {name: {} for name in arguments}})
    safe = {name: own for own, name in made.renamed.items()}
    for name in made.parameters["properties"]:
        assert re.fullmatch(r"[a-zA-Z0-9_.-]{1,64}", name)
    assert len(made.parameters["properties"]) == len(arguments)
    given_by_model = {safe.get(name, name): value for name, value in arguments.items()}
    back = with_names(given_by_model, made.renamed)
    assert set(back) == set(arguments)


KINDS = st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object"])
SCHEMAS = st.recursive(
    st.booleans()
    | st.fixed_dictionaries({"type": KINDS})
    | st.fixed_dictionaries({"type": st.lists(KINDS, min_size=1, max_size=3, unique=True)})
    | st.fixed_dictionaries({"enum": st.lists(JSON, min_size=1, max_size=3)})
    | st.fixed_dictionaries({"const": JSON}),
    lambda inner: (
        st.fixed_dictionaries({"properties": st.dictionaries(st.text(max_size=5), inner)})
        | st.fixed_dictionaries({"items": inner})
        | st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)})
        | st.fixed_dictionaries({"additionalProperties": inner})
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["a", "b c", "é"]), SCHEMAS), JSON)
def test_what_the_server_takes_the_model_may_say(properties, value) -> None:
    own = {"type": "object", "properties": properties}
    made = portable(own)
    jsonschema.Draft202012Validator.check_schema(made.parameters)
    safe = {name: said for said, name in made.renamed.items()}
    for name in properties:
        if jsonschema.Draft202012Validator(own).is_valid({name: value}):
            said = with_names({name: value}, safe)
            assert jsonschema.Draft202012Validator(made.parameters).is_valid(said)
