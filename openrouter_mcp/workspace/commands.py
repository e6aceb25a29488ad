"""The commands that the user allows, run in the scratch copy.

No shell reads them: a command is one program with its arguments. It has no key, and nothing of the
user's environment but the PATH.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Annotated

from fastmcp.tools.function_tool import FunctionTool
from pydantic import Field

from openrouter_mcp import programs
from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.settings import environment
from openrouter_mcp.text import clean, showable
from openrouter_mcp.workspace import confinement
from openrouter_mcp.workspace.confinement import DEPENDENCIES, Confinement, Surroundings
from openrouter_mcp.workspace.folder import MOST_BYTES
from openrouter_mcp.workspace.git import inherited
from openrouter_mcp.workspace.scratch import Scratch
from openrouter_mcp.workspace.tools import WRITES, tool
from openrouter_mcp.workspace.tree import RefusedError

LONGEST_COMMAND = 2000
OF_A_SHELL = frozenset(";|&<>$`\\")
"""What only a shell would understand."""
TIME_LIMIT = 100.0
"""Seconds that one command may run; a tool call ends a little later by itself."""
MOST_OUTPUT = 20_000_000
"""Bytes after which a command is stopped."""
SHOWN_HEAD, SHOWN_TAIL = 4_000, 12_000
"""Bytes that the model sees of what a command writes."""
PASSED = "exit code 0"
PIECE = 65_536
DRAINED = 2.0
"""Seconds until the output of a command that was killed is surely read."""


@dataclass(frozen=True)
class Check:
    """One command that was run."""

    command: str
    outcome: str
    """As "exit code 0"."""
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether the command says that all is well."""
        return self.outcome == PASSED

    def line(self) -> str:
        """The check as one line of a reply."""
        return f"{clean(self.command, 200)}: {self.outcome}, {self.seconds:.1f} s"


def words_of(command: str, allowed: Sequence[str]) -> list[str]:
    """The program and its arguments. Raises `ValueError` with why a command is not run."""
    command = command.strip()
    if len(command) > LONGEST_COMMAND or not command.isprintable():
        raise ValueError(
            "A command is one line of printable characters. Give a shorter, plain one."
        )
    if found := OF_A_SHELL.intersection(command):
        raise ValueError(
            f"No shell runs it, so {' '.join(sorted(found))} cannot be used. Give one program with "
            "its arguments."
        )
    if not any(fnmatchcase(command, glob) for glob in allowed):
        raise ValueError(f"The user allows only these commands: {', '.join(allowed)}.")
    words = shlex.split(command)
    if not words or "=" in words[0] or words[0].startswith("-"):
        raise ValueError("It has to begin with the name of a program.")
    return words


class Commands:
    """The tool `run_command` of one run, and what was run with it."""

    def __init__(self, scratch: Scratch | None, allowed: Sequence[str]) -> None:
        self._scratch = scratch
        self._allowed = allowed
        self._confinement: Confinement | None = None
        self.checks: list[Check] = []

    def tools(self) -> list[FunctionTool]:
        """The tool, where the user allows any command."""
        return [tool(self.run_command, WRITES)] if self._allowed else []

    def notes(self) -> list[str]:
        """How the commands ran, if any did."""
        return [self._confinement.told()] if self._confinement and self.checks else []

    async def run_command(
        self, command: Annotated[str, Field(description="As the user allows; there is no shell.")]
    ) -> str:
        """Run a check in the workspace, as tests or a linter: its exit code and its output."""
        if self._scratch is None:
            raise RefusedError("There is no copy to work in: this is a dry run.")
        try:
            words = words_of(command, self._allowed)
        except ValueError as error:
            raise RefusedError(f"It was not run. {error}") from None
        running = _Running()
        try:
            return await self._scratch.work(partial(self._run, self._scratch, running, words))
        except OpenRouterError as error:
            raise RefusedError(error.message) from None
        finally:
            # A caller that has gone leaves a thread behind, which ends with the command.
            running.kill()

    def _run(self, scratch: Scratch, running: _Running, words: list[str]) -> str:
        place = Surroundings(scratch.root, scratch.folder.path, scratch.temporary)
        if self._confinement is None:
            self._confinement = confinement.find(environment(), place)
        seen = self._confinement.seen(place)
        temporary = "/tmp" if self._confinement.is_bubblewrap else str(place.temporary)  # noqa: S108
        outer = environment()
        inner = {
            **inherited(outer),
            "HOME": str(seen),
            "PWD": str(seen),
            "LANG": "C.UTF-8",
            "TMPDIR": temporary,
        }
        command = [_program(words[0], place, self._confinement, inner), *words[1:]]
        begun = time.monotonic()
        try:
            outcome, output = running.finish(
                self._confinement.wrapped(command, place, outer), place, inner
            )
        except OSError as error:
            raise RefusedError(f"It was not run: {error.strerror}.") from None
        self.checks.append(Check(shlex.join(words), outcome, time.monotonic() - begun))
        return f"[{outcome}]\n{output}".strip()


def _program(
    name: str, place: Surroundings, confined: Confinement, variables: Mapping[str, str]
) -> str:
    """The path of a program: on the PATH, in the copy, or among the folder's dependencies."""
    if Path(name).name == name:
        if found := programs.find(name, variables):
            return found
        raise RefusedError(f"There is no program {clean(name, 100)} on the PATH of this server.")
    path = Path(os.path.normpath(name))
    if ".." in path.parts:
        raise RefusedError("The path of a program cannot lead out of the workspace.")
    is_theirs = path.parts[0] in DEPENDENCIES and not (place.copy / path).exists()
    base = place.folder if is_theirs else confined.seen(place)
    return str(base / path)


_running: set[_Running] = set()
"""The commands of this process, for `kill_all`."""


class _Running:
    """A command under way, with all that it starts. `kill` may come from another thread."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False
        # A signal's handler may come in between.
        self._guarded = threading.RLock()
        self._head = bytearray()
        self._tail = bytearray()
        self._size = 0

    def finish(
        self, command: Sequence[str], place: Surroundings, variables: Mapping[str, str]
    ) -> tuple[str, str]:
        """Run it to its end, or to one of its limits: how it ended, and its output. Blocks."""
        with self._guarded:
            if self._killed:
                return "it was cancelled", ""
            process = self._process = subprocess.Popen(  # noqa: S603 - no shell, and allowed
                [*command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=place.copy,
                env=dict(variables),
                start_new_session=True,
            )
            _running.add(self)
        _limit(process.pid)
        reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        reader.start()
        try:
            code = process.wait(TIME_LIMIT)
            outcome = f"exit code {code}" if code >= 0 else f"ended by signal {-code}"
        except subprocess.TimeoutExpired:
            outcome = f"stopped after {TIME_LIMIT:g} s"
        # What it left running holds its output open.
        self.kill()
        process.wait()
        _end_all_with(f"TMPDIR={place.temporary}")
        reader.join(DRAINED)
        with self._guarded:
            self._process = None
            _running.discard(self)
        if self._size > MOST_OUTPUT:
            outcome = f"stopped after {MOST_OUTPUT:,} bytes of output"
        return outcome, self._output()

    def kill(self) -> None:
        """End it with all that it started."""
        with self._guarded:
            self._killed = True
            if self._process is None:
                return
            with suppress(ProcessLookupError, PermissionError):
                if sys.platform == "win32":
                    self._process.kill()
                else:
                    os.killpg(self._process.pid, signal.SIGKILL)

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is None:
            return
        with process.stdout as stdout, suppress(ValueError, OSError):
            while piece := os.read(stdout.fileno(), PIECE):
                self._size += len(piece)
                room = SHOWN_HEAD - len(self._head)
                self._head += piece[:room] if room > 0 else b""
                self._tail = (self._tail + piece[max(room, 0) :])[-SHOWN_TAIL:]
                if self._size > MOST_OUTPUT:
                    self.kill()

    def _output(self) -> str:
        left_out = self._size - len(self._head) - len(self._tail)
        cut = f"\n[... {left_out:,} bytes ...]\n".encode() if left_out > 0 else b""
        return showable((bytes(self._head) + cut + bytes(self._tail)).decode("utf-8", "replace"))


def kill_all() -> None:
    """End every command with all that it started, at once: for a signal that ends us as well."""
    for running in [*_running]:
        running.kill()


def _end_all_with(variable: str) -> None:
    """End what runs in a session of its own and has this variable, where the system tells that."""
    if sys.platform == "linux":
        for path in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):
                if os.fsencode(variable) in path.read_bytes().split(b"\0"):
                    os.kill(int(path.parent.name), signal.SIGKILL)


def _limit(process_id: int) -> None:
    """Bound the files and the processor time of a command, where another process can do that."""
    if sys.platform == "linux":
        import resource

        limits = {
            resource.RLIMIT_FSIZE: MOST_BYTES,
            resource.RLIMIT_CPU: int(4 * TIME_LIMIT),
            resource.RLIMIT_CORE: 0,
        }
        for kind, most in limits.items():
            with suppress(OSError, ValueError):
                resource.prlimit(process_id, kind, (most, most))
