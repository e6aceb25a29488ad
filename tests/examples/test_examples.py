"""The examples, run as a person would; `agent_chat.py` has a test of its own."""

import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def run(configure, environment, monkeypatch, capfd):
    """Run an example, with its server as a process; returns what it prints."""

    def run(name: str) -> str:
        configure(PATH="", HOME=environment["OPENROUTER_OUTPUT_DIR"])
        monkeypatch.setattr(sys, "argv", [name])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capfd.readouterr().out

    return run


def test_the_budget_example_asks_ten_times_and_shows_the_ledger(run) -> None:
    said = run("budget.py")
    assert "\n10. -- anthropic/claude-haiku-5" in said
    assert "'calls': 10" in said


def test_the_comparison_example_shows_three_answers_and_a_verdict(run) -> None:
    assert "-- 3 models" in run("compare.py")


def test_the_media_example_draws_describes_speaks_and_writes_down(run, environment) -> None:
    assert "-- openai/whisper-1" in run("media.py")
    saved = Path(environment["OPENROUTER_OUTPUT_DIR"]).iterdir()
    assert sorted(path.suffix for path in saved) == [".jpg", ".mp3", ".srt"]
