"""`openrouter-mcp install`, again, and `--remove` on computers of each system."""

import json
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from openrouter_mcp import programs
from openrouter_mcp.files.secrets import is_secret_path
from openrouter_mcp.mcp_client import jsonc
from openrouter_mcp.setup import config_file
from openrouter_mcp.setup.clients import CLIENTS
from openrouter_mcp.setup.configuration import installed
from openrouter_mcp.setup.install import Key, Options, Terminal, run
from openrouter_mcp.setup.launch import Launch
from openrouter_mcp.setup.machine import Machine
from tests.setup.test_configuration import FILES, file_of, write

SECRET = "sk-or-v1-0123456789abcdef"
OTHER_SECRET = "ghp_0123456789abcdef"
LAUNCH = Launch("/opt/a b/openrouter-mcp")
VARIABLES = {"OPENROUTER_API_KEY": SECRET}
INPUT = {
    "type": "promptString",
    "id": "OPENROUTER_API_KEY",
    "description": "OpenRouter key",
    "password": True,
}
STANDARD = {"command": LAUNCH.command, "args": [], "env": VARIABLES}
PROMPTING = {
    "type": "stdio",
    **STANDARD,
    "env": {"OPENROUTER_API_KEY": "${input:OPENROUTER_API_KEY}"},
}
ENTRIES = {
    **dict.fromkeys(FILES, STANDARD),
    "claude-code": {"type": "stdio", **STANDARD},
    "vscode": PROMPTING,
    "vscode-insiders": PROMPTING,
    "zed": {"source": "custom", **STANDARD},
    "opencode": {"type": "local", "command": [LAUNCH.command], "environment": VARIABLES},
}
BEFORE = """\
// My settings, which I care about.
{
  "theme": "dark", // at night
  "%s": {
    "github": { "command": "npx", "env": { "TOKEN": "ghp_0123456789abcdef" } },
    /* no more */
  },
}
"""
BEFORE_TOML = """\
model = "m" # mine

[mcp_servers.github]
command = "npx"
env = { TOKEN = "ghp_0123456789abcdef" }
# the end
"""
# A client's command, as far as it matters: it writes its file anew, and logs how it was called.
FAKE = """\
#!{python}
import json, os, sys
from pathlib import Path
path, log = Path({path!r}), Path({log!r})
words = sys.argv[1:]
log.write_text((log.read_text() if log.exists() else "") + json.dumps(words) + "\\n")
if {fails}:
    sys.exit("error: this version knows no such command")
document = json.loads(path.read_text()) if path.exists() else {{}}
document.update({besides})
servers = document.setdefault("mcpServers", {{}})
if "add" in words:
    launch = words[words.index("--") + 1 :] if "--" in words else words[-1:]
    entry = {{"command": launch[0], "args": launch[1:], "env": {{}}}}
    servers["openrouter"] = entry
elif "remove" in words:
    del servers["openrouter"]
path.write_text(json.dumps(document, indent=2))
"""


@dataclass
class Told:
    """A user who reads, and answers what is asked."""

    answer: bool | None = True
    lines: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)

    @property
    def terminal(self) -> Terminal:
        return Terminal(self.lines.append, None if self.answer is None else self._answered)

    def _answered(self, question: str) -> bool:
        self.questions.append(question)
        return bool(self.answer)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def install(machine: Machine, told: Told) -> Callable[..., int]:
    """The command on this computer, whose user agrees to all."""

    def call(
        *clients: str,
        launch: Launch = LAUNCH,
        key: Key = Key(SECRET),  # noqa: B008 - it never changes
        user: Told = told,
        **options: bool,
    ) -> int:
        return run(machine, Options(clients, **options), launch, key, user.terminal)

    return call


def original_of(client: str) -> str:
    row = next(each for each in CLIENTS if each.id == client)
    return BEFORE_TOML if row.toml else BEFORE % row.servers


def fake_command(
    machine: Machine, name: str, path: Path, *, fails: bool = False, besides=()
) -> Path:
    """A client's command on the PATH; the log of its calls."""
    folder = Path(machine.environment["PATH"])
    log = folder / f"{name}.log"
    program = folder / name
    program.write_text(
        FAKE.format(
            python=sys.executable,
            path=str(path),
            log=str(log),
            fails=fails,
            besides=dict(besides),
        ),
        "utf-8",
    )
    program.chmod(0o755)
    return log


posix_only = pytest.mark.skipif(programs.WINDOWS, reason="Windows runs no scripts by their #!")


@pytest.mark.parametrize("client", FILES)
def test_a_configuration_gets_the_entry_once_and_loses_it_again(
    machine: Machine, install, told: Told, client: str
) -> None:
    path = file_of(machine, client)
    before = original_of(client)
    write(path, before)
    row = next(each for each in CLIENTS if each.id == client)

    assert install() == 0
    after = path.read_text("utf-8")
    (found,) = installed(machine)
    assert (found.entry.command, found.problem) == (LAUNCH.command, "")
    assert [line for line in before.splitlines() if line not in after] == []
    if not row.toml:
        entry = {k: v for k, v in ENTRIES[client].items() if client != "opencode" or k != "args"}
        document = jsonc.parse(after)
        assert document[row.servers]["openrouter"] == entry
        assert document.get("inputs") == ([INPUT] if row.shape.prompts else None)
    assert (SECRET in after) is not row.shape.prompts
    assert SECRET not in told.text
    assert OTHER_SECRET not in told.text
    copy = path.with_name(f"{path.name}.bak")
    assert copy.read_text("utf-8") == before

    told.lines.clear()
    told.questions.clear()
    assert install() == 0
    assert told.questions == []
    assert path.read_text("utf-8") == after
    assert "is set up already" in told.text
    assert told.lines[-1] == "There is nothing to do."

    assert install(remove=True) == 0
    assert path.read_text("utf-8") == before
    assert install(remove=True) == 0
    assert "has no entry of this server" in told.text
    assert {each.name for each in path.parent.iterdir()} == {path.name, copy.name}


@pytest.mark.parametrize("client", FILES)
def test_a_configuration_is_made_where_there_was_none_and_goes_again(
    machine: Machine, install, client: str
) -> None:
    path = file_of(machine, client)
    write(path, "{}" if path.suffix != ".toml" else "")
    folder = machine.home / ".claude" if client == "claude-code" else path.parent
    folder.mkdir(exist_ok=True)
    path.unlink()
    (found,) = installed(machine)

    assert install() == 0
    assert found.path.is_file()
    if not programs.WINDOWS:
        assert stat.S_IMODE(found.path.stat().st_mode) == 0o600
    assert install(remove=True) == 0
    assert [*found.path.parent.iterdir()] == ([folder] if client == "claude-code" else [])


def test_a_file_that_someone_else_made_stays(machine: Machine, install) -> None:
    path = file_of(machine, "cursor")
    write(path, '{ "mcpServers": { "or": { "command": "openrouter-mcp" } } }')
    assert install(remove=True) == 0
    assert path.read_text("utf-8") == '{ "mcpServers": {} }'


def test_a_file_goes_though_its_entry_was_updated(machine: Machine, install) -> None:
    for client in ("vscode", "codex", "opencode"):
        file_of(machine, client).parent.mkdir(parents=True)
    assert install(key=Key("")) == 0
    assert install(launch=Launch("/new/openrouter-mcp", ("serve",))) == 0
    assert all(found.path.exists() for found in installed(machine))
    assert install(remove=True) == 0
    assert not any(found.path.exists() for found in installed(machine))


def test_all_clients_at_once(machine: Machine, install, told: Told) -> None:
    for client in FILES:
        write(file_of(machine, client), original_of(client))
    assert install(yes=True) == 0
    assert all(found.entry for found in installed(machine))
    assert told.questions == []
    assert install(remove=True, yes=True) == 0
    assert [file_of(machine, client).read_text("utf-8") for client in FILES] == [
        original_of(client) for client in FILES
    ]


def test_only_the_clients_that_were_named_change(machine: Machine, install, told: Told) -> None:
    for client in ("cursor", "zed"):
        write(file_of(machine, client), original_of(client))
    assert install("zed") == 0
    assert [found.client.id for found in installed(machine) if found.entry] == ["zed"]
    assert install("zed", "windsurf") == 1
    assert "Windsurf was not found on this computer." in told.lines


def test_where_no_client_is_found_the_user_learns_what_to_paste(install, told: Told) -> None:
    assert install() == 1
    entry = {**STANDARD, "env": {"OPENROUTER_API_KEY": "sk-or-v1-..."}}
    assert json.loads(told.lines[1]) == {"mcpServers": {"openrouter": entry}}
    assert "docs/clients.md" in told.lines[2]
    assert install(remove=True) == 0


@pytest.mark.parametrize("options", [{"dry_run": True}, {"dry_run": True, "yes": True}])
def test_a_dry_run_shows_and_changes_nothing(machine, install, told: Told, options) -> None:
    path = file_of(machine, "cursor")
    write(path, BEFORE % "mcpServers")
    assert install(**options) == 0
    assert path.read_text("utf-8") == BEFORE % "mcpServers"
    assert '+    "openrouter": {' in told.text
    assert "****" in told.text
    assert [*path.parent.iterdir()] == [path]
    assert told.questions == []


def test_nothing_is_written_where_nobody_can_be_asked(machine: Machine, install) -> None:
    user = Told(answer=None)
    write(file_of(machine, "cursor"), "{}")
    assert install(user=user) == 2
    assert file_of(machine, "cursor").read_text("utf-8") == "{}"
    assert "Run it again with --yes" in user.lines[-1]


def test_a_no_is_a_no(machine: Machine, install) -> None:
    user = Told(answer=False)
    write(file_of(machine, "cursor"), "{}")
    assert install(user=user) == 1
    assert file_of(machine, "cursor").read_text("utf-8") == "{}"
    assert user.questions == [
        "May the key in OPENROUTER_API_KEY stand in the files of Cursor, which only you can then "
        "read?",
        "Make these changes?",
    ]


def test_a_key_that_may_not_stand_in_files_does_not(machine, install, told: Told) -> None:
    class Careful(Told):
        def _answered(self, question: str) -> bool:
            return not question.startswith("May")

    user = Careful()
    write(file_of(machine, "cursor"), "{}")
    assert install(user=user) == 0
    entry = json.loads(file_of(machine, "cursor").read_text("utf-8"))["mcpServers"]["openrouter"]
    assert entry == {"command": LAUNCH.command, "args": []}
    assert "run `openrouter-mcp login`" in user.lines[-1]


@pytest.mark.parametrize("key", [Key(SECRET, in_keyring=True), Key("")])
def test_a_key_in_the_keyring_or_none_needs_no_variable(machine, install, told, key) -> None:
    for client in ("cursor", "vscode"):
        write(file_of(machine, client), "{}")
    assert install(key=key) == 0
    assert json.loads(file_of(machine, "cursor").read_text("utf-8")) == {
        "mcpServers": {"openrouter": {"command": LAUNCH.command, "args": []}}
    }
    asks = "input" in file_of(machine, "vscode").read_text("utf-8")
    assert asks is not key.in_keyring
    assert ("has no key there yet" in told.text) is not key.in_keyring


def test_an_earlier_entry_is_brought_up_to_date(machine: Machine, install, told: Told) -> None:
    path = file_of(machine, "cursor")
    text = """{
      "mcpServers": {
        "mine": { // by hand
          "args": ["openrouter-mcp"], "command": "uvx",
          "env": { "OPENROUTER_MAX_COST_PER_DAY": "5", "OPENROUTER_API_KEY": "old-key-of-mine-1" },
          "disabled": false
        },
        "openrouter": { "url": "https://mcp.openrouter.ai/mcp" }
      }
    }"""
    write(path, text)
    assert install() == 0
    after = text.replace('["openrouter-mcp"]', "[]").replace('"uvx"', f'"{LAUNCH.command}"')
    assert path.read_text("utf-8") == after.replace("old-key-of-mine-1", SECRET)
    assert "old-key" not in told.text
    assert '"**** (another one)"' in told.text or "****" in told.text
    assert install(remove=True) == 0
    assert set(json.loads(path.read_text("utf-8"))["mcpServers"]) == {"openrouter"}


@pytest.mark.parametrize(
    ("client", "reference"),
    [
        ("cursor", "${env:MY_KEY}"),
        ("opencode", "{env:MY_KEY}"),
        ("vscode", "${input:openrouter}"),
        ("vscode", "sk-or-v1-by-hand"),
    ],
)
def test_a_key_that_the_entry_takes_from_elsewhere_stays(
    machine: Machine, install, told: Told, client: str, reference: str
) -> None:
    row = next(each for each in CLIENTS if each.id == client)
    path = file_of(machine, client)
    command = [LAUNCH.command] if row.shape.joined else LAUNCH.command
    entry = {"command": command, row.shape.variables: {"OPENROUTER_API_KEY": reference}}
    write(path, {row.servers: {"openrouter": entry}})
    assert install() == 0
    assert json.loads(path.read_text("utf-8")) == {row.servers: {"openrouter": entry}}


def test_an_entry_that_is_disabled_stays_so_and_is_told(machine, install, told: Told) -> None:
    entry = {**STANDARD, "disabled": True}
    write(file_of(machine, "cursor"), {"mcpServers": {"openrouter": entry}})
    assert install() == 0
    assert "is set up already, but its entry is disabled." in told.text


@pytest.mark.parametrize(
    "stranger",
    [
        {"url": "https://mcp.openrouter.ai/mcp"},
        {"command": "npx", "args": ["-y", "openrouter-mcp"]},
        {"command": "bunx", "args": ["openrouter-mcp@latest"]},
        {"command": "docker", "args": ["run", "-i", "--name", "openrouter-mcp", "x/y"]},
        {"command": "docker", "args": ["run", "-i", "openrouter-mcp"]},
        {"command": "uvx", "args": ["mcp-server-git", "--repository", "openrouter-mcp"]},
        {"command": "uvx", "args": ["--with", "openrouter-mcp", "other"]},
        {"command": "uv", "args": ["--directory", "openrouter-mcp", "run", "server.py"]},
        {"command": "cmd", "args": ["/c", "npx", "openrouter-mcp"]},
        None,
        "a text",
    ],
)
def test_another_server_of_our_name_is_left_alone(machine: Machine, install, stranger) -> None:
    path = file_of(machine, "cursor")
    write(path, {"mcpServers": {"openrouter": stranger}})
    assert install() == 0
    servers = json.loads(path.read_text("utf-8"))["mcpServers"]
    assert servers == {"openrouter": stranger, "openrouter-mcp": STANDARD}
    assert install(remove=True) == 0
    assert json.loads(path.read_text("utf-8"))["mcpServers"] == {"openrouter": stranger}


def test_all_entries_of_ours_are_removed(machine: Machine, install) -> None:
    path = file_of(machine, "cursor")
    old, other = {"command": "/old/openrouter-mcp"}, {"command": "x"}
    write(path, {"mcpServers": {"or": old, "openrouter": STANDARD, "other": other}})
    assert install(remove=True) == 0
    assert json.loads(path.read_text("utf-8"))["mcpServers"] == {"other": other}


@pytest.mark.parametrize(
    ("client", "text", "problem"),
    [
        ("cursor", '{\n  "a": 1\n  "b": 2\n}', "line 3"),
        ("cursor", '{"mcpServers": []}', "line 1: mcpServers is no object"),
        ("codex", 'a = 1\nb = "\n', "line 2"),
        ("codex", "mcp_servers = 1\n", "mcp_servers is no table"),
    ],
)
def test_a_broken_configuration_is_left_alone(
    machine: Machine, install, told: Told, client: str, text: str, problem: str
) -> None:
    write(file_of(machine, client), text)
    write(file_of(machine, "zed"), "{}")
    assert install() == 1
    assert file_of(machine, client).read_text("utf-8") == text
    assert "is not changed: " in told.text
    assert problem in told.text
    assert [found.client.id for found in installed(machine) if found.entry] == ["zed"]


def test_a_byte_order_mark_and_line_ends_stay(machine: Machine, install) -> None:
    path = file_of(machine, "zed")
    before = b"\xef\xbb\xbf" + (BEFORE % "context_servers").replace("\n", "\r\n").encode()
    path.parent.mkdir(parents=True)
    path.write_bytes(before)
    assert install() == 0
    after = path.read_bytes()
    assert after.startswith(b"\xef\xbb\xbf//")
    assert after.count(b"\n") == after.count(b"\r\n") > before.count(b"\n")
    assert install(remove=True) == 0
    assert path.read_bytes() == before


@posix_only
def test_a_link_stays_one_and_permissions_stay(machine: Machine, install, tmp_path: Path) -> None:
    target, path = tmp_path / "dotfiles" / "mcp.json", file_of(machine, "cursor")
    write(target, "{}")
    target.chmod(0o640)
    path.parent.mkdir()
    path.symlink_to(target)
    assert install(key=Key("")) == 0
    assert (path.is_symlink(), stat.S_IMODE(target.stat().st_mode)) == (True, 0o640)
    assert install() == 0
    assert SECRET in target.read_text("utf-8")
    assert (path.is_symlink(), stat.S_IMODE(target.stat().st_mode)) == (True, 0o600)
    assert [*target.parent.iterdir()] == [target]
    assert install(remove=True) == 0
    assert (target.read_text("utf-8"), stat.S_IMODE(target.stat().st_mode)) == ("{}", 0o640)


def test_a_configuration_that_is_read_only_is_told(machine, install, told: Told) -> None:
    path = file_of(machine, "cursor")
    write(path, "{}")
    path.chmod(0o444)
    write(file_of(machine, "zed"), "{}")
    assert install() == 1
    assert path.read_text("utf-8") == "{}"
    assert "could not be written" in told.text
    assert "read-only" in told.text
    assert "Zed: done." in told.text
    path.chmod(0o644)


def test_a_configuration_that_another_program_holds_is_told(
    machine, install, told: Told, monkeypatch
) -> None:
    def refuse(self, target):
        raise PermissionError(13, "Access is denied")

    path = file_of(machine, "cursor")
    write(path, "{}")
    monkeypatch.setattr(Path, "replace", refuse)
    assert install() == 1
    assert path.read_text("utf-8") == "{}"
    assert "could not be written (Access is denied). Close Cursor" in told.text
    assert not [each for each in path.parent.iterdir() if each.suffix == ".tmp"]


def test_a_change_while_the_user_thinks_is_kept(machine: Machine, install) -> None:
    path = file_of(machine, "cursor")
    write(path, {})

    class Slow(Told):
        def _answered(self, question: str) -> bool:
            write(path, {"new": 1})
            return True

    assert install(user=Slow()) == 0
    document = json.loads(path.read_text("utf-8"))
    assert document == {"new": 1, "mcpServers": {"openrouter": STANDARD}}


def test_a_copy_that_has_the_key_is_told(machine: Machine, install, told: Told) -> None:
    path = file_of(machine, "cursor")
    write(path, {"mcpServers": {"openrouter": STANDARD}})
    assert install(launch=Launch("/new/openrouter-mcp")) == 0
    assert install(remove=True) == 0
    assert f"an earlier copy still has the entry: {path}.bak." in told.text


def test_an_older_copy_is_never_written_over(machine: Machine, install) -> None:
    path = file_of(machine, "cursor")
    for text in ('{"a": 1}', '{"a": 2}', '{"a": 1}'):
        write(path, text)
        assert install() == 0
        assert install(remove=True) == 0
        assert path.read_text("utf-8") == text
    copies = sorted(each.name for each in path.parent.iterdir() if each != path)
    assert copies == ["mcp.json.2.bak", "mcp.json.bak"]


@pytest.mark.parametrize("name", ["mcp.json", ".claude.json", "claude_desktop_config.json"])
def test_a_copy_is_as_secret_as_the_configuration(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    for text in "12":
        path.write_text(text)
        copy = config_file.back_up(path)
        assert is_secret_path([copy.name])


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"", b'{"b": 2}', None])
def test_a_copy_of_the_users_own_is_left_alone(machine, install, told, content) -> None:
    path = file_of(machine, "cursor")
    write(path, '{"a": 1}')
    own = path.with_name("mcp.json.bak")
    own.mkdir() if content is None else own.write_bytes(content)
    assert install() == 0
    assert path.with_name("mcp.json.2.bak").read_text("utf-8") == '{"a": 1}'
    assert install(remove=True) == 0
    assert path.read_text("utf-8") == '{"a": 1}'
    assert own.is_dir() if content is None else own.read_bytes() == content


def test_what_the_user_wrote_since_outlives_the_removal(machine: Machine, install) -> None:
    path = file_of(machine, "zed")
    write(path, '{\n  "a": 1\n}\n')
    assert install() == 0
    path.write_text(path.read_text("utf-8").replace('"a": 1,', '"a": 1, // new'), "utf-8")
    assert install(remove=True) == 0
    assert path.read_text("utf-8") == '{\n  "a": 1, // new\n  "context_servers": {}\n}\n'


@posix_only
@pytest.mark.parametrize("client", ["claude-code", "gemini"])
def test_a_clients_own_command_is_used_without_the_key(
    machine: Machine, install, told: Told, client: str
) -> None:
    path = file_of(machine, client)
    before = '{"a":   1,\n\n"mcpServers": {}}'
    write(path, before)
    name = next(each.program for each in CLIENTS if each.id == client)
    log = fake_command(machine, name, path)

    assert install() == 0
    words = json.loads(log.read_text())
    assert words[:4] == ["mcp", "add", "--scope", "user"]
    assert words[-1] == LAUNCH.command
    assert SECRET not in log.read_text()
    document = json.loads(path.read_text("utf-8"))
    assert document == {"a": 1, "mcpServers": {"openrouter": ENTRIES[client]}}
    assert path.read_text("utf-8").startswith('{"a":   1,\n\n"mcpServers": {')
    assert f"runs: {machine.environment['PATH']}/{name} mcp add" in told.text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    assert install() == 0
    assert len(log.read_text().splitlines()) == 1
    assert install(remove=True) == 0
    assert json.loads(log.read_text().splitlines()[-1])[:2] == ["mcp", "remove"]
    assert path.read_text("utf-8") == before


@posix_only
def test_what_a_clients_own_command_writes_besides_is_kept(machine: Machine, install) -> None:
    path = file_of(machine, "claude-code")
    write(path, '{"a":   1}')
    fake_command(machine, "claude", path, besides={"startups": 3})
    assert install() == 0
    assert json.loads(path.read_text("utf-8")) == {
        "a": 1,
        "startups": 3,
        "mcpServers": {"openrouter": STANDARD},
    }


@posix_only
def test_a_clients_command_that_fails_leaves_it_to_us(machine, install, told: Told) -> None:
    path = file_of(machine, "claude-code")
    write(path, {"a": 1})
    fake_command(machine, "claude", path, fails=True)
    assert install() == 0
    assert json.loads(path.read_text("utf-8"))["mcpServers"] == {
        "openrouter": ENTRIES["claude-code"]
    }
    assert "its own command failed (error: this version knows no such command)" in told.text
    assert install(remove=True) == 0
    assert json.loads(path.read_text("utf-8")) == {"a": 1}


@posix_only
def test_an_entry_that_is_there_is_not_left_to_the_clients_command(machine, install) -> None:
    path = file_of(machine, "claude-code")
    write(path, {"mcpServers": {"openrouter": {**STANDARD, "command": "openrouter-mcp"}}})
    log = fake_command(machine, "claude", path)
    assert install() == 0
    assert not log.exists()
    assert json.loads(path.read_text("utf-8"))["mcpServers"]["openrouter"] == STANDARD


@posix_only
def test_vs_code_gets_the_prompt_by_its_own_command(machine: Machine, install) -> None:
    (file_of(machine, "vscode").parents[1]).mkdir(parents=True)
    log = fake_command(machine, "code", machine.home / "elsewhere.json")
    assert install("vscode") == 0
    option, definition = json.loads(log.read_text())
    assert option == "--add-mcp"
    assert json.loads(definition) == {"name": "openrouter", **PROMPTING, "inputs": [INPUT]}
    # The command wrote nothing there, so the file was changed.
    assert json.loads(file_of(machine, "vscode").read_text("utf-8")) == {
        "servers": {"openrouter": PROMPTING},
        "inputs": [INPUT],
    }


def test_a_batch_file_is_not_run(machine: Machine, told: Told, monkeypatch) -> None:
    path = file_of(machine, "claude-code")
    write(path, {})
    (Path(machine.environment["PATH"]) / "claude.cmd").touch(0o755)
    monkeypatch.setattr(programs, "WINDOWS", True)
    assert machine.find("claude").endswith("claude.cmd")
    assert run(machine, Options(), LAUNCH, Key(SECRET), told.terminal) == 0
    assert "runs:" not in told.text
    assert "Claude Code: done." in told.text


def test_a_note_on_the_command_is_told(machine: Machine, install, told: Told) -> None:
    write(file_of(machine, "cursor"), {})
    assert install(launch=replace(LAUNCH, args=("x",), note="It passes.")) == 0
    assert told.lines[0] == "It passes."
    assert json.loads(file_of(machine, "cursor").read_text("utf-8"))["mcpServers"] == {
        "openrouter": {**STANDARD, "args": ["x"]}
    }
