"""Changing one value of a JSON document with comments, and nothing else."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_mcp.mcp_client import jsonc

ENTRY = {"command": "/opt/openrouter-mcp", "args": [], "env": {"KEY": 'a "\\ b'}}
PATH = ("servers", "openrouter")

GAPS = st.sampled_from(
    ["", " ", "\n  ", "\r\n\t", "// a, }\n", "/* {\n, */", "//\r\n//\n", " /**/ // x\r\n  "]
)
STRINGS = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(
    ["//", "/*", '"', "\\", ",]", "servers", "openrouter"]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | STRINGS


@st.composite
def spelled(draw, value: object) -> str:
    """A value as JSON with comments, in any way that people could write it."""
    gap = lambda: draw(GAPS)  # noqa: E731 - a short word for what stands everywhere
    if isinstance(value, dict):
        items = [
            f"{gap()}{json.dumps(key, ensure_ascii=draw(st.booleans()))}{gap()}:{gap()}"
            f"{draw(spelled(item))}{gap()}"
            for key, item in value.items()
        ]
    elif isinstance(value, list):
        items = [f"{gap()}{draw(spelled(item))}{gap()}" for item in value]
    else:
        return json.dumps(value, ensure_ascii=draw(st.booleans()))
    trailing = f",{gap()}" if items and draw(st.booleans()) else ""
    brackets = "{}" if isinstance(value, dict) else "[]"
    return f"{brackets[0]}{','.join(items)}{trailing}{gap()}{brackets[1]}"


VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(STRINGS.filter(lambda key: key != "servers"), inner, max_size=3)
    ),
    max_leaves=6,
)
SERVERS = st.dictionaries(STRINGS.filter(lambda key: key != "openrouter"), VALUES, max_size=3)


@st.composite
def documents(draw) -> tuple[dict, str]:
    """A document with servers, and one of its spellings."""
    value = {
        **draw(st.dictionaries(STRINGS.filter(lambda key: key != "servers"), VALUES, max_size=2)),
        "servers": draw(SERVERS),
        **draw(st.dictionaries(st.sampled_from(["y", "z"]), VALUES, max_size=1)),
    }
    return value, draw(GAPS) + draw(spelled(value)) + draw(GAPS)


@given(documents())
def test_a_document_is_read_as_json_without_its_comments(document: tuple[dict, str]) -> None:
    value, text = document
    assert jsonc.parse(text) == value


@given(documents())
def test_what_is_put_in_is_there_and_all_else_as_it_was(document: tuple[dict, str]) -> None:
    value, text = document
    put = jsonc.put(text, PATH, ENTRY)
    assert jsonc.parse(put) == {
        **value,
        "servers": {**value["servers"], "openrouter": ENTRY},
    }
    assert is_kept(text, put)
    assert jsonc.comments(put) == jsonc.comments(text)


@given(documents())
def test_putting_it_in_twice_changes_nothing_more(document: tuple[dict, str]) -> None:
    put = jsonc.put(document[1], PATH, ENTRY)
    assert jsonc.put(put, PATH, ENTRY) == put


@given(documents())
def test_taking_it_out_gives_the_same_bytes_back(document: tuple[dict, str]) -> None:
    value, text = document
    dropped = jsonc.drop(jsonc.put(text, PATH, ENTRY), PATH)
    assert jsonc.parse(dropped) == value
    if value["servers"]:
        assert dropped == text
    assert jsonc.comments(dropped) == jsonc.comments(text)


@given(documents(), st.data())
def test_a_value_is_replaced_alone(document: tuple[dict, str], data: st.DataObject) -> None:
    value, text = document
    path = data.draw(st.sampled_from([*leaves(value)]))
    put = jsonc.put(text, path, "new")
    assert at(jsonc.parse(put), path) == "new"
    assert jsonc.comments(put) == jsonc.comments(text) or isinstance(at(value, path), dict | list)


@given(documents(), st.data())
def test_any_item_can_be_taken_out(document: tuple[dict, str], data: st.DataObject) -> None:
    value, text = document
    path = data.draw(st.sampled_from([*leaves(value)]))
    dropped = jsonc.parse(jsonc.drop(text, path))
    holder = at(value, path[:-1])
    del holder[path[-1]]
    assert dropped == value


def leaves(value: object, path: tuple = ()) -> list[tuple]:
    """The paths of all values below one."""
    pairs = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [found for key, item in pairs for found in [(*path, key), *leaves(item, (*path, key))]]


def at(value, path: tuple):
    for key in path:
        value = value[key]
    return value


def is_kept(text: str, put: str) -> bool:
    """Whether a text is what it was but for the entry, its comma and the blanks around it."""
    rest = iter(put)
    return all(character in rest for character in text)


FORMATTED = {
    "an empty file": ("", '{\n  "servers": {\n    "openrouter": 1\n  }\n}\n'),
    "comments alone": (
        "// mine\n",
        '// mine\n{\n  "servers": {\n    "openrouter": 1\n  }\n}\n',
    ),
    "an empty object": ("{}", '{\n  "servers": {\n    "openrouter": 1\n  }\n}'),
    "four blanks": (
        '{\n    "servers": {\n        "a": 1\n    }\n}\n',
        '{\n    "servers": {\n        "a": 1,\n        "openrouter": 1\n    }\n}\n',
    ),
    "tabs and the line ends of Windows": (
        '{\r\n\t"servers": {}\r\n}\r\n',
        '{\r\n\t"servers": {\r\n\t\t"openrouter": 1\r\n\t}\r\n}\r\n',
    ),
    "one line": ('{"servers": {"a": 1}}', '{"servers": {"a": 1, "openrouter": 1}}'),
    "no blank at all": ('{"servers":{"a":1}}', '{"servers":{"a":1,"openrouter":1}}'),
    "a comment behind the last": (
        '{\n  "servers": {\n    "a": 1 // one\n    // two\n  }\n}\n',
        '{\n  "servers": {\n    "a": 1, // one\n    // two\n    "openrouter": 1\n  }\n}\n',
    ),
    "a trailing comma": (
        '{\n  "servers": {\n    "a": 1, // one\n  },\n}\n',
        '{\n  "servers": {\n    "a": 1, // one\n    "openrouter": 1,\n  },\n}\n',
    ),
    "null": ('{\n  "servers": null\n}', '{\n  "servers": {\n    "openrouter": 1\n  }\n}'),
    "two of the same name": (
        '{"servers": 1, "servers": {"a": 1}}',
        '{"servers": 1, "servers": {"a": 1, "openrouter": 1}}',
    ),
}


@pytest.mark.parametrize("name", FORMATTED)
def test_an_entry_looks_like_its_neighbours(name: str) -> None:
    before, after = FORMATTED[name]
    assert jsonc.put(before, PATH, 1) == after


def test_an_item_is_added_to_a_list_and_taken_out_again() -> None:
    text = '{\n  "inputs": [\n    1 // one\n  ]\n}'
    put = jsonc.put(text, ("inputs", 1), 2)
    assert put == '{\n  "inputs": [\n    1, // one\n    2\n  ]\n}'
    assert jsonc.drop(put, ("inputs", 1)) == text
    assert jsonc.put("{}", ("inputs", 0), 2) == '{\n  "inputs": [\n    2\n  ]\n}'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{\n"a": 1,,\n}', "line 2: "),
        ('{"a": [,]}', "line 1: "),
        ('{\r\n"a": 1,\r\n"b" 2}', "line 3: "),
        ('{"a": "x}', "line 1: "),
        ("{\n/* a", "line 2: a comment that never ends"),
        ("{\n/*/", "line 2: a comment that never ends"),
        ("[1]", "line 1: the document is no object"),
        ('{\n"servers": "x"}', "line 2: servers is no object"),
        ('{\n"servers": []}', "line 2: servers is no object"),
        ('{"a": ' + "9" * 5000 + "}", "a number is too long"),
    ],
)
def test_what_is_no_such_document_is_refused_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        jsonc.put(text, PATH, 1)


@pytest.mark.parametrize("text", ["", "{}", '{"servers": {"a": 1}}', '{"servers": [1]}'])
def test_what_is_not_there_is_not_taken_out(text: str) -> None:
    assert jsonc.drop(text, PATH) == text
