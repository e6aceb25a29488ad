"""How a client starts this server: by the command that runs now, as long as that will last."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from openrouter_mcp.programs import COMMAND, distribution_name

PASSING = re.compile(r"/(?:archive|builds|environments)-v\d+/|/pipx/\.cache/|/\.cache/pipx/")
"""Folders of the environments that uvx and `pipx run` make for one use."""


class LaunchError(Exception):
    """No command that would last is known; the text says what to do."""


@dataclass(frozen=True)
class Launch:
    """The command and the arguments that start this server."""

    command: str
    args: tuple[str, ...] = ()
    note: str = ""
    """What the user should know about it."""


def current(argv0: str, find: Callable[[str], str]) -> Launch:
    """How this very process was started, for good. Blocks.

    `find` gives the path of a program. Raises `LaunchError` where the command is one that passes.
    """
    started = Path(argv0).absolute()
    if sys.platform == "win32" and not started.suffix:
        started = started.with_suffix(".exe")
    if started.stem != COMMAND or not started.is_file():
        return _lasting(Launch(sys.executable, ("-m", "openrouter_mcp")), find)
    return _lasting(Launch(str(started)), find)


def _lasting(launch: Launch, find: Callable[[str], str]) -> Launch:
    if not PASSING.search(launch.command.replace("\\", "/")):
        return launch
    source, uvx = _source(), find("uvx")
    if not source or not uvx:
        raise LaunchError(
            f"{launch.command} is in an environment for one use, which may be gone tomorrow. "
            "Install it for good (`uv tool install .` or `pipx install .` in the checkout), "
            f"then run `{COMMAND} install` again."
        )
    return Launch(
        uvx,
        ("--from", source, COMMAND),
        note=(
            "This runs in an environment of uvx for one use, so the clients get the command "
            f"`uvx --from {source} {COMMAND}`. For a quicker start, run `uv tool install .` there "
            f"and `{COMMAND} install` again."
        ),
    )


def _source() -> str:
    """The folder or wheel that this was installed from; empty where that is not known."""
    url = urlsplit(direct_url().get("url", ""))
    path = url2pathname(unquote(url.path)) if url.scheme == "file" else ""
    return path if path and Path(path).exists() else ""


def direct_url() -> dict[str, Any]:
    """Where this was installed from, as pip recorded it; empty where that is an index. Blocks.

    Source: https://packaging.python.org/en/latest/specifications/direct-url.
    """
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        recorded = distribution(distribution_name()).read_text("direct_url.json")
        return json.loads(recorded or "{}")
    except (PackageNotFoundError, ValueError):
        return {}
