"""Git, on a repository of our own alone.

A folder that a model works on may hold anything, and Git runs programs that a repository's
configuration names: hooks, filters, `core.fsmonitor`, `diff.external`, `core.sshCommand`. So Git
never runs with the user's repository as its own. It gets a private directory with a configuration
that this module writes, and reads no other one; of the user's it reads a copy of the index, the
`.gitignore` and the `.gitattributes` files, which name nothing that is run. `git worktree add`
would do neither, and would write into the user's `.git`.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from openrouter_mcp import programs
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.text import clean

LONGEST = 120.0
"""Seconds that one command of Git may take."""
NOT_OURS = (
    *("node_modules/", "__pycache__/", "*.pyc", ".pytest_cache/", ".ruff_cache/", ".mypy_cache/"),
    *(".hypothesis/", ".tox/", ".nox/", ".coverage", ".venv/", ".DS_Store", "*.egg-info/"),
    *("/.cache/", "/.local/", "/.npm/", "/.node_repl_history", "/.python_history"),
    *("/.cargo/registry/", "/.cargo/.*", "/.gradle/", "/.m2/", "/.nuget/", "/.dotnet/"),
    *("/.config/configstore/", "/go/pkg/"),
)
"""What commands leave behind, also in their home, which is the copy.

A file of these names that the folder has already is copied, and one that a model writes counts.
"""
CONFIGURATION = """\
[core]
	repositoryFormatVersion = 0
	bare = false
	autocrlf = false
	safecrlf = false
	fileMode = {modes}
	symlinks = true
	ignoreCase = false
	precomposeUnicode = false
	quotePath = false
	fsmonitor = false
	untrackedCache = false
	splitIndex = false
	compression = 1
	hooksPath = {nowhere}
	attributesFile = {nowhere}
	excludesFile = {nowhere}
	pager = cat
[gc]
	auto = 0
[maintenance]
	auto = false
[protocol]
	allow = never
[rerere]
	enabled = false
[submodule]
	recurse = false
[commit]
	gpgSign = false
[user]
	name = workspace
	email = workspace@localhost
"""
ATTRIBUTES = "* -text !eol !diff !merge\n"
"""Lines keep their ends, and every file is compared by what it holds.

A `filter` or `merge` that is named there is none, since no configuration says what it runs. `ident`
and `working-tree-encoding` stay as the folder's `.gitattributes` have them: `git apply`
heeds them too when it reads and writes the user's files.
"""
PLAIN = "* -text !eol !diff !merge -ident -working-tree-encoding\n"
"""The same for files that are not in the encoding that their attributes name."""
ADVICE = " Name another folder, or report this."
"""How the message of a `GitError` ends."""
INHERITED = ("SYSTEMROOT", "SYSTEMDRIVE", "TEMP", "TMP", "COMSPEC", "PATHEXT", "WINDIR")
"""What programs on Windows do not start without."""


class GitError(OpenRouterError):
    """A command of Git that failed, with what it said."""


def find(environment: Mapping[str, str]) -> str:
    """The path of Git. Raises `INVALID_INPUT` where it is not installed."""
    if program := programs.find("git", environment):
        return program
    raise OpenRouterError(
        Code.INVALID_INPUT,
        "A workspace needs Git, which was not found on the PATH of this server. Install it (see "
        "https://git-scm.com) and restart this server.",
    )


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that any program needs, and where it finds others."""
    needed = {name: environment[name] for name in INHERITED if name in environment}
    return {**needed, "PATH": programs.search_path(environment)}


class Repository:
    """A private Git directory with a working tree somewhere else. Blocks: call it in threads."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self.directory = directory
        self._program = find(environment)
        self._environment = {
            **inherited(environment),
            "HOME": str(directory),
            "XDG_CONFIG_HOME": str(directory),
            "LC_ALL": "C",
            "GIT_DIR": str(directory),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_SYSTEM": os.devnull,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_LITERAL_PATHSPECS": "1",
        }
        self._running: set[subprocess.Popen[bytes]] = set()
        self._guarded = threading.Lock()
        self._closed = False

    def make(self, excluded: str = "") -> None:
        """Make the directory, or see to its configuration anew. `excluded` are rules to ignore by.

        Raises `OSError`.
        """
        for name in ("objects", "refs/heads", "info"):
            (self.directory / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        modes = "false" if os.name == "nt" else "true"
        configuration = CONFIGURATION.format(modes=modes, nowhere=os.devnull)
        rules = "\n".join((*NOT_OURS, excluded))
        for name, text in (
            ("config", configuration),
            ("info/attributes", ATTRIBUTES),
            ("info/exclude", rules),
        ):
            (self.directory / name).write_text(text, "utf-8", "surrogateescape")
        if not (self.directory / "HEAD").exists():
            (self.directory / "HEAD").write_text("ref: refs/heads/none\n", "ascii")

    def unlock(self) -> None:
        """Delete the locks that a command of Git has left, which was ended."""
        for left in self.directory.glob("*.lock"):
            left.unlink(missing_ok=True)

    def take_encodings_as_they_are(self) -> None:
        """Compare all files by their bytes, whatever encoding their attributes name."""
        (self.directory / "info/attributes").write_text(PLAIN, "ascii")

    def run(
        self,
        *arguments: str,
        tree: Path,
        folder: Path | None = None,
        given: bytes = b"",
        fine: Collection[int] = (0,),
        further: Mapping[str, str] | None = None,
        seconds: float = LONGEST,
    ) -> bytes:
        """What a command writes, with `tree` as its working tree. Raises `GitError`.

        It runs in `folder`, else at the top of the tree. `fine` are the exit codes that are no
        failure.
        """
        with self._process(arguments, tree, folder, further) as process:
            try:
                written, said = process.communicate(given, seconds)
            except subprocess.TimeoutExpired:
                raise _too_slow(arguments[0], seconds) from None
        if process.returncode not in fine:
            raise failed(arguments[0], said)
        return written

    def write(self, file: BinaryIO, *arguments: str, tree: Path) -> None:
        """Let a command write into an open file. Raises `GitError`."""
        with self._process(arguments, tree, output=file) as process:
            try:
                _, said = process.communicate(timeout=LONGEST)
            except subprocess.TimeoutExpired:
                raise _too_slow(arguments[0], LONGEST) from None
        if process.returncode:
            raise failed(arguments[0], said)

    def head(
        self, *arguments: str, tree: Path, most: int, seconds: float, fine: Collection[int] = (0,)
    ) -> tuple[bytes, bool]:
        """The first `most` bytes that a command writes, and whether these are all.

        It is ended after so many `seconds`. Its paths are patterns. Raises `GitError`.
        """
        patterns = {"GIT_LITERAL_PATHSPECS": "0"}
        with self._process(arguments, tree, further=patterns) as process:
            limit = threading.Timer(seconds, process.kill)
            limit.start()
            try:
                written = process.stdout.read(most + 1) if process.stdout else b""
                whole = len(written) <= most and process.wait(seconds) >= 0
                said = process.stderr.read(most) if whole and process.stderr else b""
            finally:
                limit.cancel()
        if whole and process.returncode not in fine:
            raise failed(arguments[0], said)
        return written[:most], whole

    def close(self) -> None:
        """End what runs, and start nothing any more."""
        with self._guarded:
            self._closed = True
            for process in self._running:
                process.kill()

    @contextmanager
    def _process(
        self,
        arguments: Sequence[str],
        tree: Path,
        folder: Path | None = None,
        further: Mapping[str, str] | None = None,
        output: BinaryIO | int = subprocess.PIPE,
    ) -> Generator[subprocess.Popen[bytes]]:
        environment = {**self._environment, "GIT_WORK_TREE": str(tree), **(further or {})}
        with self._guarded:
            if self._closed:
                raise closed()
            process = subprocess.Popen(  # noqa: S603 - Git by its full path, without a shell
                [self._program, *arguments],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.PIPE,
                cwd=folder or tree,
                env=environment,
            )
            self._running.add(process)
        try:
            with process:
                try:
                    yield process
                finally:
                    if process.poll() is None:
                        with suppress(OSError):
                            process.kill()
                            process.wait()
                        self.unlock()
        finally:
            with self._guarded:
                self._running.discard(process)


def _too_slow(command: str, seconds: float) -> OpenRouterError:
    return OpenRouterError(
        Code.JOB_FAILED,
        f"git {command} took more than {seconds:.0f} seconds in the workspace. Name a smaller "
        "folder.",
    )


def closed() -> OpenRouterError:
    """What comes of work that is asked for when its workspace has gone."""
    return OpenRouterError(Code.CANCELLED, "The workspace is closed.")


def failed(command: str, said: bytes) -> GitError:
    """The failure of a command of Git, with the first of what it said."""
    words = clean(said.decode("utf-8", "replace"), 300) or "it said nothing"
    return GitError(
        Code.JOB_FAILED,
        f"git {command} failed in the copy of the workspace: {words}{ADVICE}",
    )
