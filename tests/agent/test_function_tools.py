"""MCP tools as function tools that every provider takes."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.types import Tool, ToolAnnotations

from openrouter_mcp.agent.function_tools import FunctionTool, convert


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


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "not JSON"), ("[1]", "not a JSON object"), ('{"n": "x"}', r"\$\.n"), ("", "required")],
)
def test_wrong_arguments_are_explained(text, said) -> None:
    tool = converted({"properties": {"n": {"type": "integer"}}, "required": ["n"]})
    with pytest.raises(ValueError, match=said):
        tool.arguments(text)


@pytest.mark.parametrize("text", ["[" * 100_000, r'{"a": "\ud800"}'], ids=["nested", "half"])
def test_arguments_that_no_message_could_carry_are_refused(text) -> None:
    with pytest.raises(ValueError, match="not JSON"):
        converted().arguments(text)


def test_arguments_may_nest_as_deeply_as_the_schema_lets_them() -> None:
    inner = {"anyOf": [{"type": "null"}, {"allOf": [{"$ref": "#"}]}]}
    schema = {"type": "object", "properties": {"a": inner}}
    text = '{"a": ' * 150 + "{}" + "}" * 150
    assert json.dumps(converted(schema).arguments(text)) == text


@pytest.mark.parametrize(
    "asked",
    [
        {"properties": {"pattern": {"type": "string", "pattern": "^(a+)+$"}}},
        {"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False},
        {"patternProperties": {"^(a+)+$": {}}, "unevaluatedProperties": False},
    ],
)
def test_a_pattern_of_a_server_stops_nobody(asked) -> None:
    endless = "a" * 60 + "!"
    given = {"pattern": endless, endless: 1} if "properties" not in asked else {"pattern": endless}
    tool = converted({"type": "object", "required": ["pattern"], **asked})
    assert tool.arguments(json.dumps(given)) == given
    with pytest.raises(ValueError, match="required"):
        tool.arguments("{}")


def test_arguments_may_be_encoded_twice_or_left_out() -> None:
    assert converted({}).arguments("") == {}
    assert converted({}).arguments('"{\\"a\\": 1}"') == {"a": 1}


def test_a_schema_that_is_none_is_told_and_the_server_judges() -> None:
    tool = converted({"properties": {"a": {"type": "nonsense"}}})
    assert tool.parameters == {"type": "object", "properties": {}}
    assert '"nonsense"' in tool.description
    assert tool.arguments('{"a": 1}') == {"a": 1}


def test_older_drafts_are_understood() -> None:
    pair = {"type": "array", "items": [{"type": "integer"}, {"type": "string"}]}
    for declared in ({}, {"$schema": "http://json-schema.org/draft-07/schema#"}):
        tool = converted({**declared, "type": "object", "properties": {"pair": pair}})
        assert tool.parameters["properties"]["pair"]["type"] == "array"
        assert tool.arguments('{"pair": [1, "a"]}') == {"pair": [1, "a"]}
        with pytest.raises(ValueError, match=r"\$\.pair"):
            tool.arguments('{"pair": ["a", 1]}')


def test_properties_are_called_by_their_own_names_when_the_tool_is() -> None:
    filters = {"type": "object", "properties": {"sort by": {"type": "string"}}}
    tool = converted(
        {
            "type": "object",
            "properties": {
                "user id": {"type": "integer", "description": "Whose."},
                "filters": {"type": "array", "items": filters},
            },
            "required": ["user id"],
        }
    )
    assert tool.parameters["required"] == ["user_id"]
    assert tool.parameters["properties"]["user_id"]["description"] == '"user id" Whose.'
    said = '{"user_id": 1, "filters": [{"sort_by": "age"}]}'
    assert tool.arguments(said) == {"user id": 1, "filters": [{"sort by": "age"}]}
    with pytest.raises(ValueError, match="user id"):
        tool.arguments("{}")


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


def test_a_long_description_goes_on_elsewhere_and_a_missing_one_is_the_title() -> None:
    tool = converted({}, description="x" * 5000)
    assert len(tool.definition["function"]["description"]) == 1024
    assert tool.manual == f"About srv__tool:\n{'x' * 5000}"
    assert converted({}, title="Read it").definition["function"]["description"] == "Read it"
    assert converted({}, title="Read it").manual == ""
