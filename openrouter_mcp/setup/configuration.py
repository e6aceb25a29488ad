"""What the configurations of the clients on this computer say about this server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openrouter_mcp.files.sandbox import is_file, is_folder
from openrouter_mcp.mcp_client import jsonc
from openrouter_mcp.mcp_client.config import starts_this_server
from openrouter_mcp.setup import toml
from openrouter_mcp.setup.clients import CLIENTS, Client
from openrouter_mcp.setup.config_file import load
from openrouter_mcp.setup.machine import Machine

NAME = "openrouter"
"""What the entry is called where no other server has that name."""


@dataclass(frozen=True)
class Entry:
    """How a configuration starts this server."""

    name: str
    command: str
    args: tuple[str, ...]
    variables: tuple[str, ...]
    """The names of the environment variables that it sets."""
    disabled: bool = False


@dataclass(frozen=True)
class Installed:
    """A client that is on this computer."""

    client: Client
    path: Path
    """Its configuration, which need not be there yet."""
    entry: Entry | None = None
    problem: str = ""
    """Why its configuration cannot be read."""


def installed(machine: Machine) -> list[Installed]:
    """The clients on this computer, with the entry of this server in each. Blocks."""
    return [_read(client, path) for client, path in find_clients(machine)]


def find_clients(machine: Machine) -> Iterator[tuple[Client, Path]]:
    """The clients on this computer, each with the path of its configuration. Blocks."""
    for client in CLIENTS:
        files, present = [], bool(machine.find(client.program))
        for place in client.files:
            for folder in machine.paths(place.folder):
                path = folder / place.file
                sign = machine.paths(place.sign)[0] if place.sign else folder
                # Of several files the first that is there counts, else the first whose folder is.
                files.append((not is_file(path), not is_folder(sign), len(files), path))
        absent, unsigned, _, path = min(files)
        if present or not (absent and unsigned):
            yield client, path


def parse(client: Client, text: str) -> dict[str, Any]:
    """What a configuration says. Raises `ValueError` with the line that is wrong."""
    return toml.parse(text) if client.toml else jsonc.parse(text)


def entries(client: Client, document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The servers of a configuration by their names."""
    servers = document.get(client.servers)
    found = servers.items() if isinstance(servers, dict) else ()
    return {name: entry for name, entry in found if isinstance(entry, dict)}


def find_entry(client: Client, document: Mapping[str, Any]) -> Entry | None:
    """The first entry that starts this server, if possible that of its usual name."""
    found = entries(client, document)
    for name in sorted(found, key=lambda name: name != NAME):
        entry = _understood(name, found[name], client)
        if starts_this_server(entry.command, entry.args):
            return entry
    return None


def _read(client: Client, path: Path) -> Installed:
    try:
        return Installed(client, path, find_entry(client, parse(client, load(path))))
    except ValueError as error:
        return Installed(client, path, problem=str(error))


def _understood(name: str, entry: Mapping[str, Any], client: Client) -> Entry:
    """An entry in any of the shapes that the versions of a client have had."""
    nested = entry.get("transport"), entry.get("command")
    fields = {**entry, **next((holder for holder in nested if isinstance(holder, dict)), {})}
    command = fields.get("path", fields.get("command"))
    words = command if isinstance(command, list) else [command, *_list(fields.get("args"))]
    words = [word for word in words if isinstance(word, str)]
    variables = fields.get(client.shape.variables)
    return Entry(
        name,
        words[0] if words else "",
        tuple(words[1:]),
        tuple(variables) if isinstance(variables, dict) else (),
        entry.get("disabled") is True or entry.get("enabled") is False,
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
