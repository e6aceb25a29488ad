"""Reading the configuration that other MCP clients use."""

import json
from pathlib import Path

import pytest

from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.mcp_client import config as mcp_config
from openrouter_mcp.mcp_client.config import ServerConfig, read


@pytest.fixture
def written(tmp_path):
    def write(document, environment=None) -> dict[str, ServerConfig]:
        path = tmp_path / "mcp.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return read(path, environment or {})

    return write


def one(written, entry, **environment) -> ServerConfig:
    return written({"mcpServers": {"x": entry}}, environment)["x"]


def test_claude_desktop_and_cursor_say_mcp_servers(written) -> None:
    entry = {"command": "npx", "args": ["-y", "files", "/srv"], "env": {"A": "1"}, "cwd": "/srv"}
    config = one(written, entry)
    assert (config.command, config.args) == ("npx", ("-y", "files", "/srv"))
    assert (config.env, config.cwd, config.problem) == ({"A": "1"}, "/srv", "")


def test_vs_code_says_servers(written) -> None:
    entry = {"type": "http", "url": "http://127.0.0.1:1/mcp", "headers": {"X-A": "b"}}
    for document in ({"servers": {"net": entry}}, {"mcp": {"servers": {"net": entry}}}):
        config = written(document)["net"]
        assert (config.url, config.headers, config.sse) == (entry["url"], {"X-A": "b"}, False)


def test_sse_is_known_by_its_type_or_its_address(written) -> None:
    assert one(written, {"type": "sse", "url": "http://127.0.0.1:1/x"}).sse
    assert one(written, {"url": "http://127.0.0.1:1/sse"}).sse
    assert one(written, {"url": "http://127.0.0.1:1/sse/?token=x"}).sse
    assert not one(written, {"type": "http", "url": "http://127.0.0.1:1/sse"}).sse


def test_comments_and_trailing_commas_are_forgiven_outside_strings(written) -> None:
    document = """{
      // mine
      "mcpServers": { /* all
      of them */
        "x": {"command": "run", "args": ["http://a//b", "/* kept */", "a,]",], }, // last
      },
    }"""
    assert written(document)["x"].args == ("http://a//b", "/* kept */", "a,]")


def test_a_mistake_behind_comments_is_told_with_its_place(written) -> None:
    with pytest.raises(OpenRouterError, match=r"line 2 column 9"):
        written('{ /* a\n*/ "x": ]}')


def test_placeholders_are_filled_from_the_environment(written) -> None:
    entry = {
        "command": "${HOME_BIN}/run",
        "args": ["${env:WHO}", "${ABSENT:-nobody}", "${userHome}/x"],
        "env": {"TOKEN": "Bearer ${SECRET}"},
    }
    config = one(written, entry, HOME_BIN="/bin", WHO="me", SECRET="s3")
    assert config.command == "/bin/run"
    assert config.args == ("me", "nobody", f"{Path.home()}/x")
    assert config.env == {"TOKEN": "Bearer s3"}


def test_variables_come_from_a_file_beside_the_configuration_too(written, tmp_path) -> None:
    (tmp_path / "my.env").write_text(
        "# secrets\n\nexport A=1\nB = 'two words'  # said\nC=\"x # y\\nz\"\nD=p=q # note\nE=\n"
    )
    entry = {"command": "run", "envFile": "my.env", "env": {"A": "2"}}
    assert one(written, entry).env == {
        "A": "2",
        "B": "two words",
        "C": "x # y\nz",
        "D": "p=q",
        "E": "",
    }


def test_the_folder_of_the_workspace_is_known(tmp_path) -> None:
    folder = tmp_path / "project" / ".vscode"
    folder.mkdir(parents=True)
    (tmp_path / "project" / ".env").write_text("TOKEN=t")
    entry = {
        "command": "run",
        "args": ["${workspaceFolder}", "${workspaceFolderBasename}"],
        "envFile": "${workspaceFolder}/.env",
    }
    (folder / "mcp.json").write_text(json.dumps({"servers": {"x": entry}}))
    config = read(folder / "mcp.json", {})["x"]
    assert config.args == (str(tmp_path / "project"), "project")
    assert config.env == {"TOKEN": "t"}


@pytest.mark.parametrize(
    ("given", "meant"), [("sub", "{folder}/sub"), ("{folder}/x", "{folder}/x"), ("~", "{home}")]
)
def test_a_server_works_in_a_folder_beside_the_configuration(
    written, tmp_path, given, meant
) -> None:
    names = {"folder": str(tmp_path), "home": str(Path.home())}
    entry = {"command": "run", "cwd": given.format(**names)}
    assert one(written, entry).cwd == meant.format(**names)


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "No such file"), (b"A=1\n\nnonsense\n", "line 3"), (b"\xff=1", "not UTF-8")],
)
def test_a_file_of_variables_that_cannot_be_read_is_told(written, tmp_path, text, said) -> None:
    if text is not None:
        (tmp_path / "my.env").write_bytes(text)
    config = one(written, {"command": "run", "envFile": "my.env"})
    assert str(tmp_path / "my.env") in config.problem
    assert said in config.problem


def test_what_cannot_be_filled_is_reported_by_name(written) -> None:
    entry = {"command": "run", "env": {"A": "${input:token}", "B": "${env:GONE}"}}
    config = one(written, entry)
    assert "${input:token}, ${env:GONE}" in config.problem
    assert not config.command


def test_numbers_and_switches_are_what_a_shell_would_have(written) -> None:
    entry = {"command": "run", "args": [8080], "env": {"PORT": 1, "ON": True, "NONE": None}}
    config = one(written, entry)
    assert (config.args, config.env) == (("8080",), {"PORT": "1", "ON": "true"})


@pytest.mark.parametrize(
    "entry",
    [
        {"command": "openrouter-mcp"},
        {"command": "/home/me/.local/bin/openrouter-mcp"},
        {"command": "C:\\Tools\\openrouter-mcp.exe"},
        {"command": "uvx", "args": ["openrouter-mcp"]},
        {"command": "uvx", "args": ["openrouter-mcp@latest"]},
        {"command": "uv", "args": ["tool", "run", "openrouter-mcp==0.1"]},
        {"command": "python", "args": ["-m", "openrouter_mcp"]},
        {"command": "python", "args": ["/src/openrouter_mcp/__main__.py"]},
        {"command": "uvx", "args": ["--from", "/src", "openrouter-mcp"]},
        {"command": "uv", "args": ["run", "--directory", "/src", "python", "-m", "openrouter_mcp"]},
        {"command": "pipx", "args": ["run", "--spec", "/src", "openrouter-mcp", "serve"]},
        {"command": "cmd", "args": ["/c", "uvx", "openrouter-mcp"]},
        {"command": "/usr/bin/env", "args": ["A=b", "openrouter-mcp"]},
    ],
)
def test_it_recognises_itself(written, entry) -> None:
    assert "itself" in one(written, entry).problem


def test_it_recognises_itself_under_the_name_of_its_distribution(written, monkeypatch) -> None:
    monkeypatch.setattr(mcp_config, "distribution_name", lambda: "Acme.Router")
    assert "itself" in one(written, {"command": "uvx", "args": ["acme-router[heic]@1.0"]}).problem


@pytest.mark.parametrize(
    "arguments", [["/home/me/openrouter-mcp"], ["--root", "C:/src/openrouter_mcp"]]
)
def test_a_folder_of_its_name_is_not_itself(written, arguments) -> None:
    assert one(written, {"command": "mcp-server-filesystem", "args": arguments}).problem == ""


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"command": "run", "disabled": True}, "disabled"),
        ({}, "command or url"),
        ({"command": "run", "url": "http://127.0.0.1"}, "command or url"),
        ({"command": ["run"]}, "not understood"),
        ({"url": "not an address"}, "no http or https address"),
        ({"type": "sse", "url": "file:///etc/passwd"}, "no http or https address"),
        ("run", "not understood (it is no object)"),
        ({"command": "run", "args": None, "env": None, "cwd": None, "url": None}, ""),
    ],
)
def test_an_entry_that_cannot_be_used_says_why(written, entry, said) -> None:
    problem = one(written, entry).problem
    assert said in problem
    assert bool(said) == bool(problem)


@pytest.mark.parametrize("document", ["{", "[]", "{}", '{"mcpServers": {}}'])
def test_a_file_without_servers_is_refused_with_its_variable(written, document) -> None:
    with pytest.raises(OpenRouterError, match="OPENROUTER_MCP_CONFIG"):
        written(document)


def test_a_missing_file_or_setting_is_refused_with_its_variable(tmp_path) -> None:
    for path in (None, tmp_path / "absent.json"):
        with pytest.raises(OpenRouterError, match="OPENROUTER_MCP_CONFIG"):
            read(path, {})


def test_a_relative_command_is_one_of_the_workspace(written, tmp_path, monkeypatch) -> None:
    (tmp_path / "hostile").mkdir()
    monkeypatch.chdir(tmp_path / "hostile")
    assert one(written, {"command": "./run"}).command == str(tmp_path / "run")
    assert one(written, {"command": "bin/run", "cwd": "/srv"}).command == "/srv/bin/run"
    assert one(written, {"command": "/usr/bin/run"}).command == "/usr/bin/run"
    assert one(written, {"command": "run"}).command == "run"
