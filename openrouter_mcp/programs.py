"""Where programs are: on the PATH, never in the working directory, which others may have filled.

`shutil.which` looks there first on Windows, and follows relative entries of the PATH everywhere.
This program is known by the name of its command, and to pip by the name of its distribution.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

WINDOWS = os.name == "nt"
ENDINGS = ".COM;.EXE;.BAT;.CMD"
COMMAND = "openrouter-mcp"
"""The command of this project, whatever pyproject.toml calls the distribution that has it."""


@cache
def distribution_name() -> str:
    """The name by which pip and uvx know this project; empty where it is not installed. Blocks."""
    from importlib.metadata import entry_points

    commands = entry_points(group="console_scripts", name=COMMAND)
    own = (each.dist for each in commands if each.module.startswith("openrouter_mcp."))
    return next((each.name for each in own if each), "")


def search_path(environment: Mapping[str, str]) -> str:
    """The PATH of an environment without its relative entries."""
    entries = _value("PATH", environment, os.defpath).split(os.pathsep)
    return os.pathsep.join(entry for entry in entries if Path(entry).is_absolute())


def find(program: str, environment: Mapping[str, str]) -> str:
    """The absolute path of a program, by its name or path; empty where there is none."""
    for path in _candidates(program, environment):
        # Path.is_file raises where somebody else's folder is on the way.
        is_file = path.is_absolute() and os.path.isfile(path)  # noqa: PTH113
        if is_file and os.access(path, os.X_OK):
            return str(path)
    return ""


def _candidates(program: str, environment: Mapping[str, str]) -> Iterator[Path]:
    folders = [""] if Path(program).name != program else search_path(environment).split(os.pathsep)
    endings = [""]
    if WINDOWS:
        known = _value("PATHEXT", environment, ENDINGS).lower().split(";")
        endings = [""] if Path(program).suffix.lower() in known else known
    for folder in folders:
        for ending in endings:
            yield Path(folder, f"{program}{ending}")


def _value(name: str, environment: Mapping[str, str], otherwise: str) -> str:
    """A variable, whose name may be spelled in any case on Windows."""
    for key, value in environment.items():
        if key == name or (WINDOWS and key.upper() == name):
            return value
    return otherwise
