"""No text of others, however it is made, takes longer to read than in proportion to its length."""

import subprocess
import sys
from pathlib import Path

import pytest

from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.files import walk
from openrouter_mcp.files.kinds import SVG, media_type
from tests.support import patterns

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows measures no time of one process")
def test_every_pattern_and_every_reader_takes_linear_time() -> None:
    command = [sys.executable, "-m", "tests.support.deadline"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert (found.returncode, found.stdout.strip(), found.stderr) == (0, "", "")


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
