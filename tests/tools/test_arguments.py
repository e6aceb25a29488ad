"""Argument types: tolerant in what they take, flat in what they show."""

import json
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from openrouter_mcp.completions.options import Effort
from openrouter_mcp.tools.arguments import (
    MOST_ITEMS,
    JsonObject,
    Messages,
    Text,
    Texts,
    Tokens,
    Usd,
)

KINDS = {
    "Text": Text,
    "Texts": Texts,
    "JsonObject": JsonObject,
    "Messages": Messages,
    "Tokens": Tokens,
    "Usd": Usd,
    "Effort": Effort,
}


def take(kind: Any, value: object) -> Any:
    return TypeAdapter(kind).validate_python(value)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (["a", "b"], ["a", "b"]),
        ([], []),
        ("a", ["a"]),
        ("a, b", ["a, b"]),
        ("", []),
        ("  ", []),
        ('["a", "b"]', ["a", "b"]),
        (' ["a"] ', ["a"]),
        ("[]", []),
        ([4], ["4"]),
        ("[4, 4.5]", ["4", "4.5"]),
    ],
    ids=repr,
)
def test_texts_take_a_list_a_json_string_or_one_bare_string(given: object, taken: list[str]):
    assert take(Texts, given) == taken


@pytest.mark.parametrize("given", ['["a"', 5, [{"a": 1}], [None], [True], {"a": 1}], ids=repr)
def test_texts_refuse_what_cannot_be_meant(given: object):
    with pytest.raises(ValidationError):
        take(Texts, given)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({"a": 1}, {"a": 1}),
        ('{"a": {"b": [1, null]}}', {"a": {"b": [1, None]}}),
        (' {"a": 1} ', {"a": 1}),
        ("{}", {}),
        ("", {}),
        ("  ", {}),
    ],
    ids=repr,
)
def test_an_object_may_come_as_a_json_string(given: object, taken: dict):
    assert take(JsonObject, given) == taken


@pytest.mark.parametrize("given", ['{"a": 1', "a=1", "[1]", "5", [], 5], ids=repr)
def test_an_object_refuses_what_is_none(given: object):
    with pytest.raises(ValidationError):
        take(JsonObject, given)


@pytest.mark.parametrize(
    ("kind", "given"), [(Texts, '["secret"'), (JsonObject, '{"secret"')], ids=["list", "object"]
)
def test_broken_json_is_told_without_echoing_it(kind: Any, given: str):
    with pytest.raises(ValidationError) as refusal:
        take(kind, given)
    [issue] = refusal.value.errors(include_input=False, include_url=False, include_context=False)
    assert "does not parse" in issue["msg"]
    assert "secret" not in issue["msg"]


MESSAGE = {"role": "user", "content": "Hello"}


@pytest.mark.parametrize(
    "given",
    [
        [MESSAGE],
        MESSAGE,
        '[{"role": "user", "content": "Hello"}]',
        '{"role":"user","content":"Hello"}',
    ],
    ids=["list", "one", "json list", "json object"],
)
def test_messages_come_as_a_list_one_message_or_json(given: object):
    assert take(Messages, given) == [MESSAGE]


def test_messages_refuse_bare_text():
    with pytest.raises(ValidationError):
        take(Messages, "Hello")


@pytest.mark.parametrize(("given", "taken"), [("x", "x"), (4, "4"), (4.5, "4.5"), ("", "")])
def test_a_number_given_for_text_is_meant_as_written(given: object, taken: str):
    assert take(Text, given) == taken


@pytest.mark.parametrize("given", [True, ["x"], {"x": 1}], ids=repr)
def test_text_refuses_other_kinds(given: object):
    with pytest.raises(ValidationError):
        take(Text, given)


@pytest.mark.parametrize(
    ("kind", "given"),
    [(Tokens, -1), (Tokens, 1.5), (Usd, -0.01), (Usd, float("inf")), (Usd, float("nan"))],
    ids=lambda value: repr(value) if isinstance(value, int | float) else "",  # no addresses
)
def test_amounts_are_finite_and_not_negative(kind: Any, given: float):
    with pytest.raises(ValidationError):
        take(kind, given)


def test_amounts_come_as_numbers_or_digits():
    assert take(Tokens, "8") == 8
    assert take(Usd, "0.5") == 0.5


def test_the_efforts_are_openrouters():
    efforts = {"none", "minimal", "low", "medium", "high", "xhigh", "max"}
    assert set(get_args(Effort)) == efforts | {""}


@pytest.mark.parametrize("name", KINDS)
def test_schemas_are_flat(name: str):
    schema = str(TypeAdapter(KINDS[name]).json_schema())
    assert "anyOf" not in schema
    assert "null" not in schema


@pytest.mark.parametrize("written", [list, json.dumps])
@pytest.mark.parametrize(("kind", "item"), [(Texts, "a"), (Messages, {"role": "user"})])
def test_lists_that_would_hold_up_other_calls_are_refused(kind: Any, item: object, written):
    assert len(take(kind, written([item] * MOST_ITEMS))) == MOST_ITEMS
    with pytest.raises(ValidationError, match="takes at most 10,000 items"):
        take(kind, written([item] * (MOST_ITEMS + 1)))
