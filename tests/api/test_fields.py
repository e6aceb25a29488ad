"""Fields of foreign JSON: what is there is read, what is odd is as if it were not."""

import pytest

from openrouter_mcp.api import fields


@pytest.mark.parametrize("odd", [None, 7, -1.5, True, "", [], {}, [None], [["x"]]], ids=repr)
def test_what_is_odd_is_as_if_it_were_not_there(odd: object):
    assert fields.text({"a": odd}, "a") == ""
    assert fields.mapping({"a": odd}, "a") == {}
    assert fields.mappings({"a": odd}, "a") == []


@pytest.mark.parametrize("around", [{}, {"b": "x"}, None, "a", 7, [{"a": "x"}]], ids=repr)
def test_what_is_missing_is_empty(around: object):
    assert fields.text(around, "a") == ""
    assert fields.mapping(around, "a") == {}
    assert fields.mappings(around, "a") == []


def test_what_is_there_is_read():
    row = {"b": 1}
    assert fields.text({"a": "word"}, "a") == "word"
    assert fields.mapping({"a": row}, "a") == row
    assert fields.mappings({"a": [row, None, "x", row]}, "a") == [row, row]
