"""What keeps a command of the user's inside the scratch copy, where the system has it.

Bubblewrap (Linux) and sandbox-exec (macOS) need no rights. In either, a command sees the system's
programs, the programs on the PATH and the copy; it writes to the copy alone, and has no network.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from openrouter_mcp import programs
from openrouter_mcp.files.sandbox import home, is_file, is_folder, real_path

SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/nix"),
    *("/gnu", "/snap", "/run/current-system", "/var/lib/snapd"),
)
"""Where programs and their libraries are. Nothing else of the system is seen."""
INSTALLED = ("lib", "libexec", "pyvenv.cfg")
"""What stands beside the folder of programs where all of it is one installation."""
LINKED = ("python", "python3", "node")
"""Programs that may be links into another installation."""
DEPENDENCIES = ("node_modules", ".venv", "venv")
"""Folders of the user's that a command may read in the place where they are: they are ignored."""
PROBE_LIMIT = 10.0
PR_SET_DUMPABLE = 4  # from linux/prctl.h
UNCONFINED = (
    "Commands ran unconfined, with all that this user may do: neither bubblewrap (bwrap) nor "
    "sandbox-exec works here."
)
PROFILE = """\
(version 1)
(allow default)
(deny network*)
(deny file-write*)
(deny file-read* (subpath (param "HOME")))
(allow file-read-metadata (subpath (param "HOME")))
(allow file-write* (literal "/dev/null") (literal "/dev/zero") (literal "/dev/tty"))
(allow file-read* file-write* (subpath (param "COPY")) (subpath (param "TEMPORARY")))
"""


@dataclass(frozen=True)
class Surroundings:
    """Where a command runs: the copy, and the user's folder that it stands for."""

    copy: Path
    folder: Path
    temporary: Path


@dataclass(frozen=True)
class Confinement:
    """One of the ways, or none."""

    program: str = ""
    """The path of what confines; empty where commands run unconfined."""

    @property
    def is_bubblewrap(self) -> bool:
        """Whether the copy is seen in the place of the user's folder."""
        return Path(self.program).name == "bwrap"

    def told(self) -> str:
        """What the user should know of how the commands ran."""
        if not self.program:
            return UNCONFINED
        name = "bubblewrap" if self.is_bubblewrap else "sandbox-exec"
        return f"Commands ran confined by {name}: without network, and writing to the copy alone."

    def seen(self, place: Surroundings) -> Path:
        """Where a command sees the copy."""
        return place.folder if self.is_bubblewrap else place.copy

    def wrapped(
        self, command: Sequence[str], place: Surroundings, environment: Mapping[str, str]
    ) -> list[str]:
        """The command as it is run."""
        if self.is_bubblewrap:
            return [self.program, *_bubblewrap(place, environment), "--", *command]
        if self.program:
            return [self.program, *_sandbox_exec(place, environment), *command]
        return [*command]


def find(environment: Mapping[str, str], place: Surroundings) -> Confinement:
    """What works on this system, with this copy. Blocks."""
    name = {"linux": "bwrap", "darwin": "sandbox-exec"}.get(sys.platform, "")
    confinement = Confinement(programs.find(name, environment) if name else "")
    if confinement.program and _works(confinement, environment, place):
        return confinement
    _hide_variables()
    return Confinement()


def _works(confinement: Confinement, environment: Mapping[str, str], place: Surroundings) -> bool:
    """Whether a command that does nothing can be run so."""
    nothing = programs.find("true", environment)
    command = confinement.wrapped([nothing], place, environment)
    try:
        done = subprocess.run(  # noqa: S603 - programs of the system by their full path
            command, env={}, cwd=place.copy, capture_output=True, timeout=PROBE_LIMIT
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return bool(nothing) and done.returncode == 0


def _hide_variables() -> None:
    """Show the variables of this process, which may hold the key, to no other of this user.

    Linux has them in /proc; what else a command may read is as the user's rights have it.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _bubblewrap(place: Surroundings, environment: Mapping[str, str]) -> Iterator[str]:
    yield from ("--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL")
    for path in SYSTEM:
        if is_folder(Path(path)):
            yield from ("--ro-bind", path, path)
    yield from ("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp")  # noqa: S108
    folder = str(place.folder)
    for path in _readable(environment):
        yield from ("--ro-bind", path, path)
    yield from ("--bind", str(place.copy), folder)
    for name in DEPENDENCIES:
        theirs = place.folder / name
        if is_folder(theirs) and not theirs.is_symlink() and _is_free(place.copy / name):
            yield from ("--ro-bind", str(theirs), str(theirs))
    yield from ("--chdir", folder)


def _is_free(path: Path) -> bool:
    """Whether nothing is there but the empty folder that bubblewrap makes to bind another on."""
    return not os.path.lexists(path) or (path.is_dir() and not any(path.iterdir()))


def _sandbox_exec(place: Surroundings, environment: Mapping[str, str]) -> Iterator[str]:
    readable = [*_readable(environment), *(str(place.folder / name) for name in DEPENDENCIES)]
    rules = "".join(f'(allow file-read* (subpath (param "P{i}")))\n' for i in range(len(readable)))
    parameters = {
        "HOME": str(real_path(home())),
        "COPY": str(place.copy),
        "TEMPORARY": str(place.temporary),
        **{f"P{number}": path for number, path in enumerate(readable)},
    }
    yield from ("-p", PROFILE + rules)
    for name, value in parameters.items():
        yield from ("-D", f"{name}={value}")


def _readable(environment: Mapping[str, str]) -> list[str]:
    """The installations on the PATH that are in no place of the system: in a home, mostly."""
    found: dict[str, None] = {}
    for entry in programs.search_path(environment).split(os.pathsep):
        folder = Path(entry)
        if is_folder(folder) and folder not in (home(), *home().parents):
            found |= dict.fromkeys(_installation(folder))
            for name in LINKED:
                if is_file(folder / name):
                    found |= dict.fromkeys(_installation(real_path(folder / name).parent))
    return list(found)


def _installation(folder: Path) -> Iterator[str]:
    """A folder of programs with what belongs to it; nothing where the system has it."""
    if any(folder.is_relative_to(place) for place in SYSTEM):
        return
    whole = folder.parent
    too_wide = whole in {home(), home() / ".local"} or whole in home().parents
    if not too_wide and any((whole / name).exists() for name in INSTALLED):
        yield str(whole)
        return
    yield str(folder)
    if (whole / "lib").is_dir() and whole == home() / ".local":
        yield str(whole / "lib")
