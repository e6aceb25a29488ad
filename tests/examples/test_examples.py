"""The examples, run as a person would."""

import io
import json
import runpy
import sys
from pathlib import Path

import pytest

from openrouter_mcp.simulator.state import Script
from tests.support.processes import PEER
from tests.support.upstream import chats

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def run(configure, environment, monkeypatch, capfd):
    """Run an example, with its server as a process; returns what it prints."""

    def run(name: str, *arguments: str, typed: str = "") -> str:
        configure(PATH="", HOME=environment["OPENROUTER_OUTPUT_DIR"], COLUMNS="200")
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
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


def test_a_chat_with_an_agent_uses_tools_remembers_and_quits(
    run, configure, simulator, tmp_path
) -> None:
    note = tmp_path / "note.txt"
    note.write_text("the answer is 42")
    config = tmp_path / "mcp.json"
    servers = {"files": {"command": sys.executable, "args": [PEER]}}
    config.write_text(json.dumps({"mcpServers": servers}))
    configure(OPENROUTER_MCP_CONFIG=str(config))
    call = {"name": "files__read", "arguments": {"path": str(note)}}
    simulator.answer(Script(tool_calls=[call]))
    simulator.answer("It is 42.")
    simulator.answer("You asked for the answer.")
    typed = "What is the answer?\n\nWhat did I ask?\nquit\n"
    said = run("agent_chat.py", "anthropic/claude-sonnet-5", typed=typed)
    assert said.index("1. files__read(") < said.index("It is 42.") < said.index("You asked")
    assert said.count("-- anthropic/claude-sonnet-5 via Anthropic") == 2
    roles = [message["role"] for message in chats(simulator)[-1].body["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "user"]


def test_a_configuration_that_is_missing_is_told_in_a_sentence(
    run, configure, capfd, tmp_path
) -> None:
    configure(OPENROUTER_MCP_CONFIG=str(tmp_path / "none.json"))
    with pytest.raises(SystemExit) as ended:
        run("agent_chat.py")
    assert ended.value.code == 1
    said, failed = capfd.readouterr()
    assert "none.json cannot be read" in said
    assert failed == ""
