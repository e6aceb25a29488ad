"""MCP tools as function tools that every provider takes."""

import json
import re

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.types import Tool, ToolAnnotations

from openrouter_mcp.agent.function_tools import FunctionTool, convert, portable_schema, with_names


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


# Schemas that every provider takes, meaning what the server's own meant.


def of(**properties) -> dict:
    """What becomes of the properties of a schema."""
    schema = {"type": "object", "properties": properties}
    made = portable_schema(schema).parameters
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
    made = portable_schema(schema)
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
    assert "required" not in portable_schema({"properties": {}, "required": ["gone"]}).parameters


def test_alternatives_at_the_top_are_told_in_words() -> None:
    forms = [
        {"properties": {"id": {"type": "string"}}, "required": ["id"]},
        {"properties": {"url": {"type": "string"}}, "required": ["url"]},
    ]
    made = portable_schema({"type": "object", "oneOf": forms})
    assert set(made.parameters) == {"type", "properties"}
    assert set(made.parameters["properties"]) == {"id", "url"}
    assert json.loads(made.words.partition("fit: ")[2]) == {"oneOf": forms}


def test_a_property_that_tells_alternatives_apart_keeps_all_its_values() -> None:
    forms = [
        {"properties": {"kind": {"const": kind}, kind: {}}, "required": ["kind", kind]}
        for kind in ("file", "page")
    ]
    parameters = portable_schema({"anyOf": forms}).parameters
    assert parameters["properties"]["kind"] == {"type": "string", "enum": ["file", "page"]}
    assert parameters["required"] == ["kind"]


def test_all_of_is_put_together() -> None:
    parts = [{"properties": {n: {"type": "string"}}, "required": [n]} for n in ("a", "b")]
    parameters = portable_schema({"allOf": parts}).parameters
    assert set(parameters["properties"]) == {"a", "b"}
    assert parameters["required"] == ["a", "b"]


def test_nothing_but_an_object_stands_at_the_top() -> None:
    schema = {"type": ["object", "null"], "not": {"required": ["a"]}, "enum": [{"a": 1}]}
    made = portable_schema(schema)
    assert made.parameters == {"type": "object", "properties": {}}
    assert '"not"' in made.words


def test_a_schema_that_refers_to_itself_keeps_its_definitions() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    schema = {"$defs": {"Node": node}, "properties": {"first": {"$ref": "#/$defs/Node"}}}
    assert portable_schema(schema).parameters == {"type": "object", **schema}


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
    made = portable_schema(schema)
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
    made = portable_schema({"properties": {name: {} for name in arguments}})
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
    made = portable_schema(own)
    jsonschema.Draft202012Validator.check_schema(made.parameters)
    safe = {name: said for said, name in made.renamed.items()}
    for name in properties:
        if jsonschema.Draft202012Validator(own).is_valid({name: value}):
            said = with_names({name: value}, safe)
            assert jsonschema.Draft202012Validator(made.parameters).is_valid(said)
