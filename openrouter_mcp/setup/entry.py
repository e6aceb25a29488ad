"""The entry of this server in the text of a configuration: put in, updated, taken out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from openrouter_mcp.mcp_client import jsonc
from openrouter_mcp.settings import variable
from openrouter_mcp.setup import toml
from openrouter_mcp.setup.clients import Client
from openrouter_mcp.setup.configuration import NAME, entries, find_entry, parse
from openrouter_mcp.setup.launch import Launch

KEY = variable("api_key")
INPUT = {
    "type": "promptString",
    "id": KEY,
    "description": "OpenRouter key",
    "password": True,
}
"""What makes VS Code ask for the key once, and keep it among its secrets."""
ASKED_FOR = f"${{input:{KEY}}}"
REFERENCES = ("$", "{env:", "{file:")
"""How the value of a variable begins that a client takes from elsewhere."""


def new_entry(client: Client, launch: Launch, key: str) -> dict[str, Any]:
    """The entry as it looks where there was none; without a variable where `key` is empty."""
    words = [launch.command, *launch.args]
    command = (
        {"command": words}
        if client.shape.joined
        else {
            "command": launch.command,
            "args": [*launch.args],
        }
    )
    variables = {client.shape.variables: {KEY: key}} if key else {}
    return {**client.shape.fixed, **command, **variables}


def added(client: Client, text: str, launch: Launch, key: str) -> str:
    """The configuration with an entry that starts `launch` and sets the key, unless it is empty.

    Of an entry that is there, only what has to change does. Raises `ValueError` with the line.
    """
    document = parse(client, text)
    held = entries(client, document)
    entry = find_entry(client, document)
    editor = toml if client.toml else jsonc
    if entry is None:
        path = (client.servers, free_name(client, document))
        text = editor.put(text, path, new_entry(client, launch, key))
    else:
        path = (client.servers, entry.name)
        for field, value in _fields(client, held[entry.name], launch, key):
            text = editor.put(text, (*path, *field), value)
    missing = not any(_is_input(item) for item in _inputs(document))
    if client.shape.prompts and missing and ASKED_FOR in text:
        text = jsonc.put(text, ("inputs", len(_inputs(document))), INPUT)
    return text


def removed(client: Client, text: str) -> str:
    """The configuration without any entry of ours, and without the input that only they use.

    Raises `ValueError` with the line.
    """
    document = parse(client, text)
    before = text
    while entry := find_entry(client, parse(client, text)):
        text = (toml if client.toml else jsonc).drop(text, (client.servers, entry.name))
    if text == before:
        return text
    if client.shape.prompts and ASKED_FOR not in text:
        for index in reversed(range(len(_inputs(document)))):
            if _is_input(_inputs(document)[index]):
                text = jsonc.drop(text, ("inputs", index))
    return text


def has_entry(client: Client, text: str) -> bool:
    """Whether a text is a configuration with an entry of this server."""
    try:
        return find_entry(client, parse(client, text)) is not None
    except ValueError:
        return False


def is_nothing_else(client: Client, text: str) -> bool:
    """Whether a configuration is what `install` writes where there was none."""
    document = parse(client, text)
    entry = find_entry(client, document)
    if entry is None:
        return False
    held = entries(client, document)[entry.name]
    made = (toml if client.toml else jsonc).put("", (client.servers, entry.name), held)
    if client.shape.prompts and _inputs(document):
        made = jsonc.put(made, ("inputs", 0), INPUT)
    return made == text


def says_the_same(client: Client, text: str, original: str) -> bool:
    """Whether the original says what a text does, so that nothing is lost by going back to it."""
    editor = toml if client.toml else jsonc
    try:
        said = _without_empty(client, parse(client, text))
        same = said == _without_empty(client, parse(client, original))
        return same and set(editor.comments(text)) <= set(editor.comments(original))
    except ValueError:
        return False


def free_name(client: Client, document: Mapping[str, Any]) -> str:
    """A name that no other server has, not even one whose entry is none."""
    servers = document.get(client.servers)
    held = servers if isinstance(servers, dict) else {}
    names = (NAME, "openrouter-mcp", *(f"openrouter-mcp-{number}" for number in range(2, 99)))
    return next(name for name in names if name not in held)


def _fields(
    client: Client, entry: Mapping[str, Any], launch: Launch, key: str
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """What an entry should hold, in the shape that it has."""
    base, name = (), "command"
    if isinstance(entry.get("transport"), dict):
        base, entry = ("transport",), entry["transport"]
    if isinstance(entry.get("command"), dict):
        base, name, entry = (*base, "command"), "path", entry["command"]
    if isinstance(entry.get(name), list):
        yield (*base, name), [launch.command, *launch.args]
    else:
        yield (*base, name), launch.command
        if launch.args or entry.get("args"):
            yield (*base, "args"), [*launch.args]
    variables = entry.get(client.shape.variables)
    held = variables.get(KEY) if isinstance(variables, dict) else None
    elsewhere = isinstance(held, str) and (client.shape.prompts or held.startswith(REFERENCES))
    if key and not elsewhere:
        yield (*base, client.shape.variables, KEY), key


def _inputs(document: Mapping[str, Any]) -> list[Any]:
    inputs = document.get("inputs")
    return inputs if isinstance(inputs, list) else []


def _is_input(item: Any) -> bool:
    return isinstance(item, dict) and item.get("id") == INPUT["id"]


def _without_empty(client: Client, document: Mapping[str, Any]) -> dict[str, Any]:
    """What a configuration says, where no servers and no inputs are as good as empty ones."""
    holders = {client.servers, "inputs"}
    return {name: value for name, value in document.items() if value or name not in holders}
