"""Which file server the demo works with."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from openrouter_mcp.mcp_client.config import ServerConfig
from openrouter_mcp.mcp_client.servers import McpServer
from openrouter_mcp.simulator import demo_files

PEER = str(Path(__file__).parents[1] / "support/mcp_peer.py")


@pytest.fixture
def npx(tmp_path, monkeypatch):
    """Let this be what is called npx here."""

    def make(*, kind: str = "", tool: str = "read") -> None:
        script = tmp_path / "npx"
        script.write_text(f"#!/bin/sh\nexec {sys.executable} {PEER} '{kind}'\n")
        script.chmod(0o700)
        found = {"npx": str(script)}
        monkeypatch.setattr(shutil, "which", lambda name, **_: found.get(name, name))
        monkeypatch.setattr(demo_files, "TOOL", tool)

    return make


async def chosen(folder: Path) -> tuple[demo_files.FileServer, list[str]]:
    told: list[str] = []
    return await demo_files.chosen(folder, told.append), told


async def test_the_server_from_the_registry_is_used_where_npx_starts_it(npx, tmp_path) -> None:
    npx()
    server, told = await chosen(tmp_path)
    assert server.command == str(tmp_path / "npx")
    assert server.args[-2:] == (demo_files.PACKAGE, str(tmp_path))
    assert "from the npm registry" in server.what
    assert demo_files.PACKAGE in told[0]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"kind": "npm"}, "npm error code E404"),
        ({"tool": "write"}, "no write that declares itself read-only"),
    ],
)
async def test_otherwise_the_demo_has_its_own(npx, tmp_path, monkeypatch, fields, reason) -> None:
    npx(**fields)
    server, _ = await chosen(tmp_path)
    assert server.command == sys.executable
    assert reason in server.what


async def test_a_server_that_answers_too_slowly_is_given_up(npx, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(demo_files, "INSTALL_LIMIT", 0.1)
    npx(kind="hang")
    server, _ = await chosen(tmp_path)
    assert "took more than" in server.what


async def test_its_own_server_reads_the_files_of_its_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    (tmp_path / "notes.txt").write_text("Friday")
    server, told = await chosen(tmp_path)
    assert told == []
    assert "npx is not there" in server.what
    monkeypatch.undo()
    peer = McpServer(ServerConfig("files", command=server.command, args=server.args))
    (tool,) = await peer.tools()
    assert (tool.name, tool.annotations.read_only_hint) == (demo_files.TOOL, True)
    result = await peer.call(tool.name, {"path": str(tmp_path / "notes.txt")}, 10)
    assert "Friday" in json.dumps([block.text for block in result.content])
    await peer.aclose()
