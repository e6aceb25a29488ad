"""Nothing of the working directory is imported or started, on no system."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from openrouter_mcp import programs
from openrouter_mcp.mcp_client.process import StdioProcess
from openrouter_mcp.timing import Timing

MODULES = (
    *("tenacity", "pydantic", "fastmcp", "filelock", "platformdirs", "openai", "mcp"),
    *("json", "argparse", "asyncio", "sqlite3", "logging", "typing_extensions", "text"),
)


def program(folder: Path, name: str) -> str:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o700)
    return str(path)


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory that holds programs under well-known names."""
    folder = tmp_path / "hostile"
    for name in ("ffmpeg", "ffmpeg.exe", "npx", "npx.cmd"):
        program(folder, name)
        program(folder / "bin", name)
    monkeypatch.chdir(folder)
    return folder


def test_no_module_of_the_working_directory_is_imported(tmp_path: Path, environment) -> None:
    folder = tmp_path / "hostile"
    folder.mkdir()
    for name in MODULES:
        (folder / f"{name}.py").write_text(f"import sys; sys.exit('{name} of the folder runs')")
    ended = subprocess.run(
        [sys.executable, "-m", "openrouter_mcp", "forget", "all"],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.stderr == ""
    assert "0 conversations deleted" in ended.stdout


@pytest.mark.parametrize("windows", [True, False])
@pytest.mark.parametrize("path", ["", ".", "bin", "./bin", ":bin:", "~", "{missing}"])
def test_no_program_of_the_working_directory_is_found(
    hostile: Path, monkeypatch: pytest.MonkeyPatch, path: str, windows: bool
) -> None:
    monkeypatch.setattr(programs, "WINDOWS", windows)
    environment = {"PATH": path.replace("{missing}", str(hostile / "missing")), "PATHEXT": ".EXE"}
    monkeypatch.setattr(os, "defpath", ":.")
    for name in ("ffmpeg", "npx", "./ffmpeg", "bin/ffmpeg"):
        assert programs.find(name, environment) == ""


def test_a_program_is_found_where_the_path_says(
    hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = program(tmp_path / "there", "ffmpeg")
    environment = {"PATH": f".:{hostile / 'missing'}:{tmp_path / 'there'}"}
    assert programs.find("ffmpeg", environment) == there
    assert programs.find(there, {"PATH": ""}) == there
    assert programs.search_path(environment) == f"{hostile / 'missing'}:{tmp_path / 'there'}"
    assert programs.find("missing", environment) == ""
    (tmp_path / "there" / "folder").mkdir()
    assert programs.find("folder", environment) == ""
    (tmp_path / "there" / "ffmpeg").chmod(0o600)
    if os.getuid():
        assert programs.find("ffmpeg", environment) == ""


def test_windows_finds_scripts_by_their_endings(
    hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "WINDOWS", True)
    there = program(tmp_path / "there", "npx.cmd")
    for environment in ({"Path": str(tmp_path / "there")}, {"PATH": str(tmp_path / "there")}):
        assert programs.find("npx", environment) == there
        assert programs.find("npx.cmd", environment) == there
    assert programs.find(str(tmp_path / "there" / "npx"), {}) == there


async def test_no_server_is_started_from_the_working_directory(hostile: Path) -> None:
    server = StdioProcess("npx", (), {"PATH": ".:bin:"}, "", Timing())
    with pytest.raises(FileNotFoundError):
        async with server.connect_session():
            pass
