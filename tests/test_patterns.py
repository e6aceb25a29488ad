"""No text of others, however it is made, takes longer to read than in proportion to its length."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.files import walk
from openrouter_mcp.files.kinds import SVG, media_type
from openrouter_mcp.files.sandbox import Guard
from openrouter_mcp.settings import Settings
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


@pytest.mark.parametrize("rule", ["*a*a*a*b", "*a*/*a*/b", "x/**/a/**/b"])
def test_a_costly_rule_of_a_gitignore_is_left_out_by_name(tmp_path: Path, rule: str) -> None:
    (tmp_path / ".gitignore").write_text(f"*.log\n{rule}\n**/build/**/*.o\n")
    for name in ("a.log", "a.txt"):
        (tmp_path / name).write_text("a")
    guard = Guard(Settings(input_dirs=str(tmp_path)))
    found = walk.Walk(tmp_path, tmp_path, guard, threading.Event())
    assert [path.name for path, _ in found.files(walk.ALL_INSIDE) if path.name[0] != "."] == [
        "a.txt"
    ]
    assert f"1 costly rule of .gitignore ({rule})" in found.skipped.sentence()
