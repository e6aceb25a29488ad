"""No text of others, however it is made, takes longer to read than in proportion to its length."""

import sys

import pytest

from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.files import walk
from openrouter_mcp.files.kinds import SVG, media_type
from tests.support import deadline, patterns
from tests.support.processes import PROCESSES


@pytest.mark.skipif(sys.platform == "win32", reason="Windows measures no time of one process")
def test_every_pattern_and_every_reader_takes_linear_time() -> None:
    found = PROCESSES.SimpleQueue()
    process = PROCESSES.Process(target=deadline.find, args=(found,))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert found.get() == []


def test_every_pattern_is_found_with_the_way_in_which_it_is_used() -> None:
    found = {(use.where, use.function) for use in patterns.uses()}
    assert {("stdio.ID", "findall"), ("files.save.ENDING", "fullmatch")} <= found
    assert ("files.kinds._COMPILED", "match") in found
    assert any(use.pattern.pattern == "[45][0-9]{2}" for use in patterns.uses())


def test_a_drawing_is_known_behind_many_comments() -> None:
    comments = b"<!-- a -->" * 60
    assert media_type(b'<?xml version="1.0"?>' + comments + b"<!DOCTYPE svg []><svg>") is SVG
    assert media_type(comments + b"<html>") is None
    assert media_type(b"<!-- <svg> -->") is None


def test_braces_are_counted_before_they_are_written_out() -> None:
    assert walk.alternatives("a.{png,{jpg,jpeg}}") == ["a.png", "a.jpg", "a.jpeg"]
    assert walk.alternatives("{a}{,b}") == ["{a}", "{a}b"]
    for name in ("{,}" * 40, "{" + "," * 20_000 + "}"):
        with pytest.raises(OpenRouterError, match="more than"):
            walk.alternatives(name)
