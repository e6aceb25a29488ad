"""What `openrouter-mcp install` makes of its arguments."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from openrouter_mcp import cli, settings
from openrouter_mcp.setup import launch

SECRET = "sk-or-v1-0123456789abcdef"


@pytest.fixture
def command(tmp_path: Path, monkeypatch, configure, capsys) -> Callable[..., tuple[int, str]]:
    """The exit code and what was printed, in a home with Cursor."""
    (tmp_path / ".cursor").mkdir()
    configure(OPENROUTER_API_KEY=SECRET)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "APPDATA", "LOCALAPPDATA", "CODEX_HOME", "CLAUDE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "")

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["openrouter-mcp", "install", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out + told.err

    return call


def entry_in(home: Path) -> dict:
    path = home / ".cursor" / "mcp.json"
    return json.loads(path.read_text("utf-8"))["mcpServers"]["openrouter"]


def test_yes_installs_and_remove_takes_it_out(command, tmp_path: Path) -> None:
    code, told = command("--yes")
    assert (code, SECRET in told) == (0, False)
    assert entry_in(tmp_path) == {
        "command": sys.executable,
        "args": ["-m", "openrouter_mcp"],
        "env": {"OPENROUTER_API_KEY": SECRET},
    }
    assert command("-y", "cursor")[0] == 0
    assert command("--client", "cursor", "--remove", "--yes")[0] == 0
    assert [*(tmp_path / ".cursor").iterdir()] == []


def test_without_a_terminal_nothing_is_written(command, tmp_path: Path) -> None:
    code, told = command()
    assert (code, told.splitlines()[-1]) == (
        2,
        "Nothing was changed, because there is no terminal to ask on. Run it again with --yes, "
        "or in a terminal.",
    )
    assert [*(tmp_path / ".cursor").iterdir()] == []
    assert command("--dry-run")[0] == 0


@pytest.mark.parametrize("answer", ["y", "Yes ", "n", ""])
def test_in_a_terminal_the_user_is_asked(command, tmp_path, monkeypatch, answer: str) -> None:
    questions = []

    def asked(question: str) -> str:
        questions.append(question)
        return answer

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", asked)
    agreed = answer.strip().lower() in {"y", "yes"}
    assert command()[0] == (0 if agreed else 1)
    assert (tmp_path / ".cursor" / "mcp.json").exists() is agreed
    assert questions[-1] == "Make these changes? [y/N] "


def test_a_terminal_that_closes_is_a_no(command, tmp_path: Path, monkeypatch) -> None:
    def closed(question: str) -> str:
        raise EOFError

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", closed)
    assert command()[0] == 1
    assert [*(tmp_path / ".cursor").iterdir()] == []


def test_an_unknown_client_is_answered_with_the_known_ones(command) -> None:
    code, told = command("emacs")
    assert code == 2
    assert "emacs is none of: claude-desktop, claude-code, cursor" in told


def test_a_command_that_will_not_last_is_not_installed(command, monkeypatch, tmp_path) -> None:
    def refuse(argv0, find):
        raise launch.LaunchError("It is gone tomorrow.")

    monkeypatch.setattr(launch, "current", refuse)
    assert command("--yes") == (1, "It is gone tomorrow.\n")
    assert [*(tmp_path / ".cursor").iterdir()] == []


def test_a_key_in_the_keyring_stands_in_no_file(command, keyring, tmp_path: Path) -> None:
    keyring.set_password("openrouter-mcp", settings.load().base_url, SECRET)
    assert command("--yes")[0] == 0
    assert entry_in(tmp_path) == {"command": sys.executable, "args": ["-m", "openrouter_mcp"]}


@pytest.mark.parametrize("name", ["install", "login", "logout", "doctor", "forget all", "--help"])
def test_who_stops_a_command_sees_no_traceback(monkeypatch, capsys, name: str) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["openrouter-mcp", *name.split()])
    monkeypatch.setattr(settings, "load", stopped)
    monkeypatch.setattr("argparse.ArgumentParser.print_help", stopped)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "\nStopped.\n"
