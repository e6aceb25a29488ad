"""Commands in the copy: which are run, with what, and how they are ended."""

import asyncio
import os
import shutil
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fastmcp import Client

from openrouter_mcp.workspace import commands, confinement, folder, tools
from openrouter_mcp.workspace.commands import Commands, words_of
from openrouter_mcp.workspace.confinement import Confinement, Surroundings
from tests.support.processes import runs, until
from tests.support.trees import repository, state

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="links, pipes and modes as POSIX has them"
)

ALLOWED = ("pytest*", "npm test", "sh *", "./run.sh*")
BACKGROUND = "sleep 61 &\nif [ $1 ]; then exec sleep 62; fi\necho done\n"
OWN = f"sleep 65.{os.getpid()}"
"""Of this process alone: tests run in several at once."""
HOSTILE = [
    *("pytest; rm -rf /", "pytest && rm x", "pytest | sh", "pytest $(rm x)", "pytest `rm x`"),
    *("pytest > ../x", "pytest < /etc/passwd", "pytest & rm x", "pytest\nrm x", "pytest\rrm x"),
    *("pytest \\\nx", "pytest $HOME", "pytest ${IFS}x", "pytest\0x", "pytest \x1b[2J", "x" * 5000),
    *("FOO=1 pytest", "env pytest", " -c pytest", "npm test x", "npm", "rm pytest", "", "''"),
    *("pytest '", "PYTEST", "=pytest"),
]


@pytest.mark.parametrize("command", HOSTILE)
def test_what_is_no_allowed_command_is_not_run(command) -> None:
    with pytest.raises(ValueError, match=r"."):
        words_of(command, ALLOWED)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("pytest", ["pytest"]),
        ("  pytest -k 'a or b' ", ["pytest", "-k", "a or b"]),
        ('pytest "tests/é.py"', ["pytest", "tests/é.py"]),
        ("npm test", ["npm", "test"]),
    ],
)
def test_an_allowed_command_is_a_program_and_its_arguments(command, words) -> None:
    assert words_of(command, ALLOWED) == words


@pytest.fixture(params=["unconfined", "confined"])
def confined(request, monkeypatch) -> bool:
    """Whether commands run confined; skipped where nothing confines."""
    if request.param == "unconfined":
        monkeypatch.setattr(confinement, "find", lambda *_: Confinement())
        return False
    program = shutil.which("bwrap")
    if not program:
        pytest.skip("bubblewrap is not installed")
    return True


@pytest.fixture
def at_work(tmp_path, scratches, monkeypatch):
    """What runs commands in a copy, with `sh` for anything."""
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-v1-secret")
    monkeypatch.setenv("SECRET", "s3cret")

    @asynccontextmanager
    async def begin():
        files = {"a.txt": "a\n", "run.sh": ("program", "#!/bin/sh\npwd"), "go.sh": BACKGROUND}
        user = repository(tmp_path / "user", files)
        before = state(user, with_git=True)
        found = folder.find(scratches._settings, str(user))
        async with scratches.open(found) as scratch:
            made = Commands(scratch, ALLOWED)
            async with Client(tools.server(made.tools())) as client:

                async def run(command: str) -> str:
                    result = await client.call_tool(
                        "run_command", {"command": command}, raise_on_error=False
                    )
                    return "".join(block.text for block in result.content)

                yield run, scratch, made
        assert state(user, with_git=True) == before

    return begin


async def test_the_copy_is_home_and_nothing_else_is_told(at_work, confined) -> None:
    async with at_work() as (run, scratch, made):
        said = await run("sh -c env")
        variables = dict(line.split("=", 1) for line in said.splitlines()[1:])
        # The shell adds some itself.
        assert variables.keys() - {"PWD", "OLDPWD", "SHLVL", "_"} == {
            *("PATH", "HOME", "LANG", "TMPDIR")
        }
        assert variables["HOME"] == variables["PWD"]
        assert (await run("./run.sh")).splitlines() == ["[exit code 0]", variables["HOME"]]
        assert (await run("sh -c 'exit 3'")) == "[exit code 3]"
        assert [check.passed for check in made.checks] == [True, True, False]
        assert ("unconfined" in made.notes()[0]) is not confined
        (scratch.root / "b.txt").write_text("b\n")
        await run("sh -c 'mv a.txt c.txt'")
        changes = [change.line() for change in await scratch.work(scratch.changes)]
    assert changes == ["A b.txt +1 -0", "R a.txt -> c.txt +0 -0"]


async def test_output_is_bounded_and_its_ends_are_shown(at_work, confined, monkeypatch) -> None:
    monkeypatch.setattr(commands, "MOST_OUTPUT", 1_000_000)
    async with at_work() as (run, _, _made):
        said = await run("sh -c 'seq 20000'")
        assert said.startswith("[exit code 0]\n1\n2\n")
        assert said.endswith("\n20000")
        assert "bytes ...]" in said
        assert len(said) < 20_000
        assert "bytes of output" in await run("sh -c yes")


async def test_time_is_bounded_and_children_end_too(at_work, confined, monkeypatch) -> None:
    monkeypatch.setattr(commands, "TIME_LIMIT", 0.5)
    async with at_work() as (run, _, _made):
        assert (await run("sh go.sh wait")).startswith("[stopped after 0.5 s]")
        await until(lambda: not _commands_with("sleep 61") + _commands_with("sleep 62"))


async def test_what_goes_on_in_the_background_is_ended(at_work, confined) -> None:
    async with at_work() as (run, _, _made):
        assert await run("sh go.sh") == "[exit code 0]\ndone"
        await until(lambda: not _commands_with("sleep 61"))


@pytest.mark.skipif(sys.platform != "linux", reason="no other system tells what runs")
async def test_what_leaves_its_session_is_ended_too(at_work, confined) -> None:
    async with at_work() as (run, scratch, _made):
        (scratch.root / "leave.sh").write_text("setsid -f sleep 63\nsetsid sleep 63 &\necho done\n")
        assert await run("sh leave.sh") == "[exit code 0]\ndone"
        await until(lambda: not _commands_with("sleep 63"))


async def test_a_caller_that_goes_ends_the_command(at_work, confined) -> None:
    async with at_work() as (_, _scratch, made):
        running = asyncio.create_task(made.run_command(f"sh -c '{OWN}'"))
        await until(lambda: _commands_with(OWN))
        running.cancel()
        await asyncio.wait([running])
        await until(lambda: not _commands_with(OWN))


async def test_a_signal_that_ends_the_server_ends_the_command(at_work, confined) -> None:
    async with at_work() as (_, _scratch, made):
        running = asyncio.create_task(made.run_command(f"sh -c '{OWN}'"))
        await until(lambda: _commands_with(OWN))
        commands.kill_all()
        assert "signal" in await running or "exit code 137" in await running
        await until(lambda: not _commands_with(OWN))


def _commands_with(words: str) -> list[int]:
    """The processes that were started with these words; Linux alone tells."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            line = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if line.strip() == words and runs(int(place.name)):
            found.append(int(place.name))
    return found


async def test_a_confined_command_sees_and_reaches_nothing_else(
    at_work, confined, tmp_path
) -> None:
    if not confined:
        pytest.skip("nothing confines it")
    (tmp_path / "secret").write_text("s3cret")
    home = os.path.expanduser("~")  # noqa: PTH111
    async with at_work() as (run, scratch, _):
        assert "s3cret" not in await run(f"sh -c 'cat {tmp_path}/secret'")
        assert "id_rsa" not in await run(f"sh -c 'ls -a {home}/.ssh'")
        assert "a.txt" not in await run(f"sh -c 'ls {scratch.tree.parent}'")
        assert "exit code 0" not in await run("sh -c 'touch /etc/x /usr/x'")
        assert "exit code 0" not in await run("sh -c 'echo x >/dev/tcp/127.0.0.1/80'")
        interfaces = await run("sh -c 'cat /proc/net/dev'")
        assert "lo:" in interfaces
        assert "eth" not in interfaces
        await run("sh -c 'ln -s /etc link'")
        assert (scratch.root / "link").is_symlink()
    assert not Path("/etc/x").exists()


async def test_the_dependencies_of_the_folder_are_read_in_their_place(
    at_work, confined, tmp_path
) -> None:
    if not confined:
        pytest.skip("they are not in the copy")
    async with at_work() as (run, _, _made):
        user = tmp_path / "user"
        (user / "node_modules").mkdir()
        (user / "node_modules" / "x.js").write_text("theirs")
        assert "theirs" in await run("sh -c 'cat node_modules/x.js'")
        assert "exit code 0" not in await run("sh -c 'echo mine >node_modules/x.js'")
        assert (user / "node_modules" / "x.js").read_text() == "theirs"
        shutil.rmtree(user / "node_modules")


def test_without_the_variable_there_is_no_such_tool() -> None:
    assert Commands(None, ()).tools() == []


def test_the_profile_of_macos_names_the_copy_as_a_parameter(tmp_path) -> None:
    place = Surroundings(tmp_path / 'a"b', tmp_path / "user", tmp_path / "t")
    confined = Confinement("/usr/bin/sandbox-exec")
    wrapped = confined.wrapped(["true"], place, {"PATH": "/usr/bin"})
    assert wrapped[0] == "/usr/bin/sandbox-exec"
    assert f'COPY={tmp_path}/a"b' in wrapped
    assert 'a"b' not in wrapped[wrapped.index("-p") + 1]
    assert wrapped[-1] == "true"
    assert confined.seen(place) == place.copy


@pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap is Linux's")
def test_a_confinement_that_does_not_work_is_none(tmp_path, monkeypatch) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    place = Surroundings(tmp_path, tmp_path, tmp_path)
    path = f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin"
    assert confinement.find({"PATH": path}, place) == Confinement()
    assert "unconfined" in Confinement().told()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_what_runs_unconfined_cannot_read_the_variables_of_the_server(tmp_path: Path) -> None:
    """The one process of root may, so the mark of the process is looked at."""
    code = (
        "import ctypes, pathlib, sys;"
        "from openrouter_mcp.workspace.confinement import Surroundings, find;"
        "here = pathlib.Path(sys.argv[1]);"
        "found = find({'PATH': ''}, Surroundings(here, here, here));"
        "print(repr(found.program), ctypes.CDLL(None).prctl(3))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["''", "0"]
