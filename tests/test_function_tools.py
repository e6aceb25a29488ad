"""MCP tools as function tools that every provider takes."""

import json
import re

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.types import Tool, ToolAnnotations

from openrouter_mcp.function_tools import FunctionTool, convert, portable


def converted(schema=None, *, name="tool", server="srv", **fields) -> FunctionTool:
    return convert(server, [Tool(name=name, input_schema=schema or {}, **fields)])[0]


@given(st.lists(st.text(min_size=1, max_size=200), min_size=1, max_size=6, unique=True))
def test_every_name_is_safe_short_and_unique(names) -> None:
    tools = [Tool(name=name, input_schema={}) for name in names]
    made = [tool.name for tool in convert("1 server", tools)]
    assert len(set(made)) == len(names)
    for name in made:
        assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,63}", name)


def test_a_tool_that_is_listed_twice_is_one() -> None:
    assert len(convert("s", [Tool(name="x", input_schema={})] * 3)) == 1


def test_a_name_says_server_and_tool() -> None:
    assert converted(name="read_file", server="files").name == "files__read_file"


def test_two_servers_may_have_names_that_become_alike() -> None:
    first = convert("a b", [Tool(name="x", input_schema={})])
    second = convert("a.b", [Tool(name="x", input_schema={})], [first[0].name])
    assert first[0].name == "a_b__x"
    assert second[0].name.startswith("a_b__x_")


def test_a_tool_without_parameters_still_has_an_object() -> None:
    for schema in ({}, {"type": "object"}, {"type": "object", "properties": {}}):
        assert converted(schema).parameters == {"type": "object", "properties": {}}


def test_references_are_resolved_and_remote_ones_never_fetched() -> None:
    schema = {
        "type": "object",
        "$defs": {"Point": {"type": "object", "properties": {"x": {"type": "number"}}}},
        "properties": {
            "at": {"$ref": "#/$defs/Point"},
            "far": {"$ref": "http://127.0.0.1:9/schema.json"},
        },
    }
    tool = converted(schema)
    assert tool.parameters["properties"]["at"]["properties"]["x"] == {"type": "number"}
    assert "$ref" not in json.dumps(tool.parameters)
    assert tool.arguments('{"at": {"x": 1}, "far": 2}') == {"at": {"x": 1}, "far": 2}


def test_a_schema_that_refers_to_itself_is_kept() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    tool = converted(
        {"type": "object", "$defs": {"Node": node}, "properties": {"n": {"$ref": "#/$defs/Node"}}}
    )
    assert tool.arguments('{"n": {"next": {"next": {}}}}')
    with pytest.raises(ValueError, match=r"\$\.n"):
        tool.arguments('{"n": {"next": 3}}')


def test_strict_providers_get_no_constructs_that_they_refuse() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {
            "kind": {"const": "a"},
            "names": {"type": "array"},
            "pair": {"type": "array", "items": [{"type": "number"}, {"type": "string"}]},
            "size": {"type": ["integer", "null"], "minimum": 1, "description": "How many"},
            "any": True,
        },
        "required": ["kind", "gone"],
    }
    parameters, _ = portable(schema)
    assert parameters == {
        "type": "object",
        "properties": {
            "kind": {"enum": ["a"]},
            "names": {"type": "array", "items": {}},
            "pair": {"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "string"}]}},
            "size": {
                "description": "How many",
                "anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}],
            },
            "any": {},
        },
        "required": ["kind"],
    }
    jsonschema.Draft202012Validator.check_schema(parameters)


def test_a_property_may_be_named_like_a_keyword() -> None:
    schema = {"properties": {"const": {"type": "string"}, "$id": {"type": "string"}}}
    assert set(portable(schema)[0]["properties"]) == {"const", "$id"}


def test_alternatives_at_the_top_are_told_in_words_and_still_checked() -> None:
    schema = {
        "type": "object",
        "oneOf": [
            {"properties": {"id": {"type": "string"}}, "required": ["id"]},
            {"properties": {"url": {"type": "string"}}, "required": ["url"]},
        ],
    }
    tool = converted(schema, description="Fetch.")
    assert set(tool.parameters) == {"type", "properties"}
    assert set(tool.parameters["properties"]) == {"id", "url"}
    assert tool.description.startswith("Fetch.\n")
    assert '"required":["url"]' in tool.description
    assert tool.arguments('{"id": "1"}') == {"id": "1"}
    with pytest.raises(ValueError, match="valid under"):
        tool.arguments('{"id": "1", "url": "2"}')


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "not JSON"), ("[1]", "not a JSON object"), ('{"n": "x"}', r"\$\.n"), ("", "required")],
)
def test_wrong_arguments_are_explained(text, said) -> None:
    tool = converted({"properties": {"n": {"type": "integer"}}, "required": ["n"]})
    with pytest.raises(ValueError, match=said):
        tool.arguments(text)


def test_arguments_may_be_encoded_twice_or_left_out() -> None:
    assert converted({}).arguments("") == {}
    assert converted({}).arguments('"{\\"a\\": 1}"') == {"a": 1}


def test_a_schema_that_is_none_lets_the_server_judge() -> None:
    tool = converted({"properties": {"a": {"type": "nonsense"}}})
    assert tool.parameters == {"type": "object", "properties": {}}
    assert tool.arguments('{"a": 1}') == {"a": 1}


def test_only_a_declared_hint_makes_a_tool_read_only() -> None:
    assert not converted({}).read_only
    assert not converted({}, annotations=ToolAnnotations(destructive_hint=False)).read_only
    assert converted({}, annotations=ToolAnnotations(read_only_hint=True)).read_only


def test_globs_match_server_and_tool() -> None:
    tool = converted({}, name="read.file", server="my files")
    assert tool.name == "my_files__read_file"
    for glob in ("my files__read.*", "my_files__*", "*__read_file"):
        assert tool.matches([glob])
    assert not tool.matches(["files__*", "read_file"])


def test_a_long_description_is_cut_and_a_missing_one_is_the_title() -> None:
    assert len(converted({}, description="x" * 5000).description) == 1024
    assert converted({}, title="Read it").description == "Read it"
