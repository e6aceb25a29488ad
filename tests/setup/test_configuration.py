"""Which clients are on a computer, and what their configurations start."""

import json
from pathlib import Path

import pytest

from openrouter_mcp import programs
from openrouter_mcp.setup.clients import CLIENTS
from openrouter_mcp.setup.configuration import Entry, find_clients, installed
from openrouter_mcp.setup.machine import Machine

APPLICATIONS = {
    "linux": ".config",
    "macos": "Library/Application Support",
    "windows": "AppData/Roaming",
}
FILES = {
    "claude-desktop": "{applications}/Claude/claude_desktop_config.json",
    "claude-code": ".claude.json",
    "cursor": ".cursor/mcp.json",
    "vscode": "{applications}/Code/User/mcp.json",
    "vscode-insiders": "{applications}/Code - Insiders/User/mcp.json",
    "codex": ".codex/config.toml",
    "gemini": ".gemini/settings.json",
    "windsurf": ".codeium/windsurf/mcp_config.json",
    "cline": ".cline/data/settings/cline_mcp_settings.json",
    "zed": "{zed}/settings.json",
    "opencode": ".config/opencode/opencode.json",
}
ZED = {"linux": ".config/zed", "macos": ".config/zed", "windows": "AppData/Roaming/Zed"}
OURS = {"command": "/opt/openrouter-mcp", "args": ["serve"], "env": {"OPENROUTER_API_KEY": "k"}}


def file_of(machine: Machine, client: str) -> Path:
    """The configuration of a client in a home."""
    name = FILES[client].format(applications=APPLICATIONS[machine.system], zed=ZED[machine.system])
    return machine.home / name


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")


def only(machine: Machine) -> tuple[Entry | None, str]:
    """What is found of the only client."""
    (found,) = installed(machine)
    return found.entry, found.problem


@pytest.mark.parametrize("client", FILES)
def test_each_client_is_found_by_its_configuration(machine: Machine, client: str) -> None:
    path = file_of(machine, client)
    write(path, "")
    others = [(found.id, where) for found, where in find_clients(machine) if found.id != client]
    assert (client, path) in [(found.id, where) for found, where in find_clients(machine)]
    assert others == []


def test_the_table_has_the_clients_that_the_tests_know() -> None:
    assert [client.id for client in CLIENTS] == list(FILES)


def test_a_new_computer_has_no_client(machine: Machine) -> None:
    assert installed(machine) == []


def test_a_client_that_never_wrote_its_configuration_is_found_by_its_folder(
    machine: Machine,
) -> None:
    (machine.home / ".claude").mkdir()
    (machine.home / ".config/opencode").mkdir(parents=True)
    assert {client.id: path for client, path in find_clients(machine)} == {
        "claude-code": machine.home / ".claude.json",
        "opencode": machine.home / ".config/opencode/opencode.jsonc",
    }


def test_a_client_is_found_by_its_command(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "bin" / ("codex.exe" if programs.WINDOWS else "codex")).touch(0o755)
    assert [(client.id, path) for client, path in find_clients(machine)] == [
        ("codex", machine.home / ".codex/config.toml")
    ]


def test_variables_move_configurations(machine: Machine, tmp_path: Path) -> None:
    for name in ("codex", "claude"):
        write(tmp_path / name / {"codex": "config.toml", "claude": ".claude.json"}[name], "")
    moved = Machine(
        machine.system,
        machine.home,
        {"CODEX_HOME": str(tmp_path / "codex"), "CLAUDE_CONFIG_DIR": str(tmp_path / "claude")},
    )
    assert [path.parent.name for _, path in find_clients(moved)] == ["claude", "codex"]


def test_claude_desktop_of_a_windows_package_reads_a_folder_of_its_own(tmp_path: Path) -> None:
    machine = Machine("windows", tmp_path, {})
    write(tmp_path / "AppData/Roaming/Claude/claude_desktop_config.json", {})
    package = tmp_path / "AppData/Local/Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude"
    package.mkdir(parents=True)
    ((_, path),) = find_clients(machine)
    assert path == tmp_path / "AppData/Roaming/Claude/claude_desktop_config.json"
    write(package / "claude_desktop_config.json", {})
    ((_, path),) = find_clients(machine)
    assert path == package / "claude_desktop_config.json"


def test_an_entry_is_told_with_the_names_of_its_variables(machine: Machine) -> None:
    write(file_of(machine, "cursor"), {"mcpServers": {"mine": OURS, "other": {"command": "x"}}})
    variables = ("OPENROUTER_API_KEY",)
    assert only(machine) == (Entry("mine", "/opt/openrouter-mcp", ("serve",), variables), "")


def test_comments_and_a_byte_order_mark_do_not_hinder(machine: Machine) -> None:
    text = '\ufeff// mine\n{"context_servers": {"or": {"command": "openrouter-mcp",},},}'
    write(file_of(machine, "zed"), text)
    assert only(machine) == (Entry("or", "openrouter-mcp", (), ()), "")


@pytest.mark.parametrize(
    ("client", "servers"),
    [
        ("zed", {"context_servers": {"a": {"command": {"path": "/x/openrouter-mcp.exe"}}}}),
        ("cline", {"mcpServers": {"a": {"transport": {"command": "/x/openrouter-mcp.exe"}}}}),
        ("opencode", {"mcp": {"a": {"command": ["/x/openrouter-mcp.exe"]}}}),
        ("vscode", {"servers": {"a": {"command": "/x/openrouter-mcp.exe"}}}),
    ],
)
def test_each_shape_of_an_entry_is_understood(machine: Machine, client, servers) -> None:
    write(file_of(machine, client), servers)
    entry = next(found.entry for found in installed(machine) if found.client.id == client)
    assert entry == Entry("a", "/x/openrouter-mcp.exe", (), ())


def test_codex_is_read_as_toml(machine: Machine) -> None:
    text = '[mcp_servers.openrouter]\ncommand = "python"\nargs = ["-m", "openrouter_mcp"]\n'
    write(file_of(machine, "codex"), text + "enabled = false\n")
    assert only(machine) == (
        Entry("openrouter", "python", ("-m", "openrouter_mcp"), (), disabled=True),
        "",
    )


@pytest.mark.parametrize(
    ("client", "text", "problem"),
    [
        ("cursor", '{\n"mcpServers": {"a" 1}}', "line 2: Expecting ':' delimiter"),
        ("cursor", "[]", "line 1: the document is no object"),
        ("cursor", '{"a": 1}\n/* x', "line 2: a comment that never ends"),
        ("cursor", "[" * 5000, "line 1: the document is no object"),
        ("cursor", '{"a":' * 100_000, "a number is too long or an object too deep"),
        ("codex", "a = 1\nb = \n", "Invalid value (at line 2, column 5)"),
    ],
)
def test_a_broken_configuration_is_told_with_its_line(machine, client, text, problem) -> None:
    write(file_of(machine, client), text)
    assert only(machine) == (None, problem)


def test_a_configuration_in_another_encoding_is_told(machine: Machine) -> None:
    path = file_of(machine, "cursor")
    path.parent.mkdir()
    path.write_bytes("{}".encode("utf-16"))
    assert only(machine) == (None, "it is not UTF-8")


@pytest.mark.parametrize("servers", [None, [], {"a": None}, {"a": {"command": None, "args": 1}}])
def test_odd_servers_are_no_entry(machine: Machine, servers) -> None:
    write(file_of(machine, "cursor"), {"mcpServers": servers})
    assert only(machine) == (None, "")
