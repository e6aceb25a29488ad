"""How clients start the server that `install` was started from."""

import sys
from pathlib import Path

import pytest

from openrouter_mcp.setup import launch
from openrouter_mcp.setup.launch import Launch, LaunchError, current

COMMAND = "openrouter-mcp.exe" if sys.platform == "win32" else "openrouter-mcp"


def command_in(folder: Path) -> Path:
    folder.mkdir(parents=True)
    path = folder / COMMAND
    path.touch(0o755)
    return path


def nothing(program: str) -> str:
    """A PATH with no programs."""
    return ""


def test_the_command_is_told_with_its_full_path(tmp_path: Path, monkeypatch) -> None:
    path = command_in(tmp_path / "bin")
    assert current(str(path), nothing) == Launch(str(path))
    monkeypatch.chdir(tmp_path)
    assert current(str(Path("bin", COMMAND)), nothing) == Launch(str(path))


def test_a_link_stays_one_as_what_it_leads_to_moves(tmp_path: Path) -> None:
    path = command_in(tmp_path / "tools/openrouter-mcp/bin")
    link = tmp_path / COMMAND
    try:
        link.symlink_to(path)
    except OSError:
        pytest.skip("this user may make no links")
    assert current(str(link), nothing) == Launch(str(link))


@pytest.mark.parametrize("argv0", ["/x/openrouter_mcp/__main__.py", "-m", "openrouter-mcp", ""])
def test_what_is_no_command_is_started_as_a_module(argv0: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert current(argv0, nothing) == Launch(sys.executable, ("-m", "openrouter_mcp"))


PASSING = [
    ".cache/uv/archive-v0/Ab3/bin",
    "AppData/Local/uv/cache/builds-v0/.tmp1/Scripts",
    ".cache/uv/environments-v2/openrouter-1/bin",
    ".local/share/pipx/.cache/123abc/bin",
    ".cache/pipx/123abc/bin",
]


@pytest.mark.parametrize("folder", PASSING)
def test_a_command_for_one_use_becomes_the_one_that_made_it(
    tmp_path: Path, monkeypatch, folder: str
) -> None:
    path = command_in(tmp_path / folder)
    monkeypatch.setattr(launch, "_source", lambda: "/src/openrouter-mcp")
    found = current(str(path), lambda program: f"/bin/{program}")
    assert (found.command, found.args) == (
        "/bin/uvx",
        ("--from", "/src/openrouter-mcp", "openrouter-mcp"),
    )
    assert "for one use" in found.note


@pytest.mark.parametrize(("source", "uvx"), [("", "/bin/uvx"), ("/src", "")])
def test_a_command_for_one_use_is_refused_where_nothing_would_last(
    tmp_path: Path, monkeypatch, source: str, uvx: str
) -> None:
    path = command_in(tmp_path / PASSING[0])
    monkeypatch.setattr(launch, "_source", lambda: source)
    with pytest.raises(LaunchError, match=r"uv tool install \."):
        current(str(path), lambda program: uvx)


@pytest.mark.parametrize(
    ("recorded", "source"),
    [
        ('{"url": "file://HERE", "dir_info": {}}', "HERE"),
        ('{"url": "file:///no/such/folder"}', ""),
        ('{"url": "https://example.com/a.whl"}', ""),
        ("{", ""),
        (None, ""),
    ],
)
def test_the_folder_of_the_installation_is_the_recorded_one(
    tmp_path: Path, monkeypatch, recorded: str | None, source: str
) -> None:
    class Distribution:
        def read_text(self, name: str) -> str | None:
            return recorded and recorded.replace("file://HERE", tmp_path.as_uri())

    monkeypatch.setattr("importlib.metadata.distribution", lambda name: Distribution())
    assert launch._source() == source.replace("HERE", str(tmp_path))
