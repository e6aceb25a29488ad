"""JSON that others wrote: what is there is read, what is odd is as if it were not."""

import pytest

from openrouter_mcp.api import responses
from openrouter_mcp.errors import OpenRouterError


@pytest.mark.parametrize("odd", [None, 7, -1.5, True, "", [], {}, [None], [["x"]]], ids=repr)
def test_what_is_odd_is_as_if_it_were_not_there(odd: object):
    assert responses.text({"a": odd}, "a") == ""
    assert responses.mapping({"a": odd}, "a") == {}
    assert responses.mappings({"a": odd}, "a") == []


@pytest.mark.parametrize("around", [{}, {"b": "x"}, None, "a", 7, [{"a": "x"}]], ids=repr)
def test_what_is_missing_is_empty(around: object):
    assert responses.text(around, "a") == ""
    assert responses.mapping(around, "a") == {}
    assert responses.mappings(around, "a") == []


def test_what_is_there_is_read():
    row = {"b": 1}
    assert responses.text({"a": "word"}, "a") == "word"
    assert responses.mapping({"a": row}, "a") == row
    assert responses.mappings({"a": [row, None, "x", row]}, "a") == [row, row]


@pytest.mark.parametrize("content", [b"", b'{"choices": ['])
def test_json_that_does_not_parse_is_called_empty_or_broken(content: bytes) -> None:
    with pytest.raises(OpenRouterError, match="reply was empty or broken JSON"):
        responses.parsed(content, {"content-type": "application/json"})
