"""Schemas of strangers: nothing is fetched, no pattern is run, and the time is bounded."""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import jsonschema
import pytest

from openrouter_mcp.agent.function_tools import convert
from openrouter_mcp.completions import json_output, schemas
from openrouter_mcp.errors import Code, OpenRouterError
from tests.support.upstream import paid

OBJECT = {"type": "object", "properties": {"a": {"type": "string"}}}


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A host that takes connections and stays silent."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def asked(server: socket.socket) -> bool:
    try:
        server.accept()
    except BlockingIOError:
        return False
    return True


def elsewhere(address: str) -> list[dict]:
    """Schemas that lead to an address, each in another way."""
    return [
        {"$ref": address},
        {"type": "object", "properties": {"a": {"$ref": address}}},
        {"$defs": {"a": {"$ref": address}}, **OBJECT},
        {"type": "object", "allOf": [{"$dynamicRef": f"{address}#a"}]},
        {"$id": address, "$ref": "other"},
        {"$id": f"{address}/", **OBJECT, "not": {"$ref": "a.json"}},
        {"type": "object", "properties": {"a": {"$id": address, "$ref": "#/$defs/none"}}},
        {"type": "object", "unevaluatedProperties": {"$ref": address}},
    ]


async def test_no_schema_makes_the_server_fetch_or_read_anything(
    client, simulator, listener, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text('{"const": "secret"}')
    for address in (f"http://127.0.0.1:{listener.getsockname()[1]}/a", secret.as_uri(), "a.json"):
        for schema in elsewhere(address):
            arguments = {"prompt": "x", "schema": schema}
            result = await client.call_tool("chat", arguments, raise_on_error=False)
            assert result.meta["openrouter/error"]["code"] == "INVALID_INPUT", schema
            assert "const" not in result.content[0].text
    assert not asked(listener)
    assert paid(simulator) == []


def test_an_identifier_neither_fetches_nor_harms(listener) -> None:
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/a"
    inner = {"$id": address, "$schema": address, "type": "object"}
    schema = {"$schema": address, "$id": address, "properties": {"a": inner, "b": {"$ref": "#"}}}
    assert schemas.problem(schema) == ""
    assert schemas.errors(schema, {"a": {}, "b": {"a": {}}}) == []
    assert len(schemas.errors(schema, {"b": {"a": 1}})) == 1
    assert not asked(listener)


def test_the_schema_of_another_server_fetches_nothing(listener) -> None:
    import mcp.types as mt

    address = f"http://127.0.0.1:{listener.getsockname()[1]}/a"
    for schema in elsewhere(address):
        tool = mt.Tool(name="a", input_schema={**schema, "type": "object"}, output_schema=schema)
        (made,) = convert("server", [tool])
        with suppress(ValueError):
            made.arguments('{"a": "b"}')
    assert not asked(listener)


@pytest.mark.parametrize(
    "pattern", ["(" * 5000, "(a+)+$", "[", "(?P<a>", "a{99999999999}"], ids=range(5)
)
@pytest.mark.parametrize("keyword", ["pattern", "patternProperties", "format"])
def test_no_pattern_is_compiled(pattern: str, keyword: str) -> None:
    value = {"pattern": pattern, "patternProperties": {pattern: {}}, "format": "regex"}[keyword]
    schema = {"type": "object", "properties": {"a": {keyword: value}}, "default": pattern}
    assert schemas.problem(schema) == ""
    assert schemas.errors(schema, {"a": "a" * 50}) == []


TWICE = {"type": "object", "properties": {"x": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}}
DOUBLING = {
    "$ref": "#/$defs/a0",
    "$defs": {
        **{f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(50)},
        "a50": {"type": "string"},
    },
}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({**TWICE, "required": ["x"]}, json.loads('{"x": ' * 60 + "1" + "}" * 60)),
        (DOUBLING, "a"),
        ({**DOUBLING, "unevaluatedProperties": False}, "a"),
        ({"allOf": [{"$ref": "#"}, {"$ref": "#"}]}, 1),
    ],
    ids=["nested", "doubling", "unevaluated", "endless"],
)
def test_references_that_multiply_are_given_up(schema: dict, value: object) -> None:
    assert schemas.problem(schema) == ""
    with pytest.raises(schemas.UnjudgedError):
        schemas.errors(schema, value)


def test_a_recursive_schema_is_held_against_a_large_value() -> None:
    tree = {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#"}}}}
    value = {"kids": [{"kids": [{}] * 90}] * 100}
    assert schemas.errors(tree, value) == []
    value["kids"][99]["kids"][0]["kids"] = 1
    assert schemas.errors(tree, value)


def test_items_are_compared_in_linear_time() -> None:
    schema = {"type": "array", "uniqueItems": True}
    many = [{"a": number} for number in range(20_000)]
    assert schemas.errors(schema, many) == []
    assert [error.message for error in schemas.errors(schema, [*many, {"a": 7}])]
    assert schemas.problem({"required": [*range(5000), "a"]}) != ""


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"items": [{}] * 20_000}, "10,000 values"),
        (json.loads('{"items": ' * 100 + "{}" + "}" * 100), "64 levels"),
        ({"enum": [*range(20_000)]}, "10,000 values"),
    ],
    ids=["wide", "deep", "enum"],
)
def test_a_schema_has_bounds(schema: dict, said: str) -> None:
    with pytest.raises(OpenRouterError, match=said) as caught:
        json_output.response_format(schema)
    assert caught.value.code is Code.INVALID_INPUT


@pytest.mark.parametrize("draft", [jsonschema.Draft4Validator, jsonschema.Draft7Validator])
def test_older_drafts_are_tamed_too(draft) -> None:
    schema = {"definitions": {"a": {"type": "string", "pattern": "(a+)+$"}}}
    schema |= {"properties": {"x": {"$ref": "#/definitions/a"}}, "additionalProperties": False}
    assert schemas.problem(schema, draft) == ""
    assert schemas.errors(schema, {"x": "a" * 40 + "!"}, draft) == []
    assert len(schemas.errors(schema, {"x": 1, "y": 2}, draft)) == 2
