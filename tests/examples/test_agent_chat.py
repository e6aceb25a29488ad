"""The example `agent_chat.py`, as a person would run it."""

import json
import subprocess
import sys
from pathlib import Path

from openrouter_mcp.simulator.state import Script
from tests.support.processes import PEER

ROOT = Path(__file__).parents[2]


def test_a_chat_uses_tools_remembers_and_quits(simulator, environment, tmp_path) -> None:
    note = tmp_path / "note.txt"
    note.write_text("the answer is 42")
    servers = {"files": {"command": sys.executable, "args": [PEER]}}
    config = tmp_path / "mcp.json"
    config.write_text(json.dumps({"mcpServers": servers}))
    call = {"name": "files__read", "arguments": {"path": str(note)}}
    simulator.answer(Script(tool_calls=[call]))
    simulator.answer("It is 42.")
    simulator.answer("You asked for the answer.")
    chat = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "agent_chat.py"), "anthropic/claude-sonnet-5"],
        input="What is the answer?\n\nWhat did I ask?\nquit\n",
        env={**environment, "OPENROUTER_MCP_CONFIG": str(config), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    said = chat.stdout
    assert said.index("1. files__read(") < said.index("It is 42.") < said.index("You asked")
    assert said.count("-- anthropic/claude-sonnet-5 via Anthropic") == 2
    sent = [r.body for r in simulator.requests if r.path.endswith("/chat/completions")]
    roles = [message["role"] for message in sent[-1]["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "user"]


def test_a_configuration_that_is_missing_is_told_in_a_sentence(environment, tmp_path) -> None:
    chat = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "agent_chat.py")],
        env={**environment, "OPENROUTER_MCP_CONFIG": str(tmp_path / "none.json"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert chat.returncode == 1
    assert "none.json cannot be read" in chat.stdout
    assert chat.stderr == ""
