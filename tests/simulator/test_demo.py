"""`openrouter-mcp demo`, as a person without a key would run it, and its choice of a server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from openrouter_mcp.simulator import demo
from scripts import session

PEER = str(Path(__file__).parents[1] / "support/mcp_peer.py")


def test_the_demo_shows_every_kind_of_tool_and_ends_well() -> None:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("OPENROUTER_")}
    shown = subprocess.run(
        [sys.executable, "-m", "openrouter_mcp", "demo"],
        env={**inherited, "COLUMNS": "400"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "SIMULATED" in shown.stdout
    assert "A-lighthouse-at-dusk.jpg" in shown.stdout
    assert "1. files__read_text_file(" in shown.stdout
    assert "It comes on Friday" in shown.stdout
    assert '"code": "MODEL_NOT_FOUND"' in shown.stdout
    assert "M greeting.py +1 -1" in shown.stdout
    assert "code && git apply " in shown.stdout
    assert shown.stdout.count("\n  -- ") == 5
    assert "--npx takes one" in shown.stdout
    assert "npx fetches" not in shown.stdout
    # Else `make picture` draws it again.
    picture = session.PICTURE.read_text("utf-8")
    assert session.words(picture) == session.words(session.draw(shown.stdout))


@pytest.fixture
def npx(tmp_path, monkeypatch):
    """A program that does what npx does."""

    def make(*, kind: str = "", tool: str = "read") -> str:
        script = tmp_path / "npx"
        script.write_text(f"#!/bin/sh\nexec {sys.executable} {PEER} '{kind}'\n")
        script.chmod(0o700)
        monkeypatch.setattr(demo, "READ", tool)
        return str(script)

    return make


async def test_the_server_from_the_registry_is_used_where_npx_starts_it(npx, tmp_path, capsys):
    server, what = await demo.file_server(tmp_path, npx())
    assert server["command"] == str(tmp_path / "npx")
    assert server["args"][-2:] == [demo.PACKAGE, str(tmp_path)]
    assert "from the npm registry" in what
    assert demo.PACKAGE in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"kind": "npm"}, "npm error code E404"),
        ({"kind": "crash"}, "no token is set"),
        ({"tool": "write"}, "no write that declares itself read-only"),
    ],
)
async def test_otherwise_the_demo_has_its_own(npx, tmp_path, fields, reason) -> None:
    server, what = await demo.file_server(tmp_path, npx(**fields))
    assert server["command"] == sys.executable
    assert reason in what


async def test_a_server_that_answers_too_slowly_is_given_up(npx, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(demo, "INSTALL_LIMIT", 0.1)
    server, what = await demo.file_server(tmp_path, npx(kind="hang"))
    assert server["command"] == sys.executable
    assert "took more than" in what


async def test_its_own_server_reads_the_files_of_its_folder(tmp_path, capsys) -> None:
    (tmp_path / "notes.txt").write_text("Friday")
    server, what = await demo.file_server(tmp_path)
    assert capsys.readouterr().out == ""
    assert "--npx takes one from the npm registry" in what
    assert "npx is not there" in (await demo.file_server(tmp_path, ""))[1]
    log = tmp_path / "server.log"
    transport = StdioTransport(server["command"], server["args"], keep_alive=False, log_file=log)
    async with Client(transport) as client:
        (tool,) = await client.list_tools()
        assert (tool.name, tool.annotations.read_only_hint) == (demo.READ, True)
        result = await client.call_tool(tool.name, {"path": str(tmp_path / "notes.txt")})
        assert result.content[0].text == "Friday"
