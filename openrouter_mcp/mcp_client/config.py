"""The user's other MCP servers, read from the JSON that Claude Desktop, Cursor and VS Code use."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.mcp_client import jsonc
from openrouter_mcp.programs import COMMAND, distribution_name
from openrouter_mcp.settings import variable
from openrouter_mcp.text import clean, parse_json

CONFIG = variable("mcp_config")
PLACEHOLDER = re.compile(r"\$\{([^{}]*)\}")
ITSELF = "it is this server itself, which never uses its own tools"
ADDRESS = re.compile(r"https?://[^/]", re.IGNORECASE)
SSE = re.compile(r"/sse/?(?:[?#]|$)")
STARTER = re.compile(r"-.*|/c|uvx?|tool|run|pipx|py|python[\d.]*w?|env|\w+=.*|cmd", re.IGNORECASE)
"""A word before the name of the Python program that is started."""
OPTIONS_OF_UV = {"--directory", "--project", "--python", "-p", "--with", "--with-editable"}
"""Options whose value is not what is started."""
VERSION_OR_EXTRA = re.compile(r"[@=<>~!\[].*")


@dataclass(frozen=True)
class ServerConfig:
    """How to reach one server: a command to start, or an address. `problem` says why it cannot."""

    name: str
    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = ""
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    sse: bool = False
    """Whether the address speaks SSE, the transport before Streamable HTTP."""
    problem: str = ""


def _as_text(value: object) -> object:
    """The variables as a shell would have them; those that are null are not set."""
    if not isinstance(value, dict):
        return value
    switches = {True: "true", False: "false"}
    return {
        name: switches[item] if isinstance(item, bool) else item
        for name, item in value.items()
        if item is not None
    }


Variables = Annotated[dict[str, str], BeforeValidator(_as_text)]


class _Entry(BaseModel):
    """One server as it stands in the file; unknown fields are other programs' business."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    kind: Literal["", "stdio", "http", "streamable-http", "streamableHttp", "sse"] = Field(
        "", validation_alias=AliasChoices("type", "transport")
    )
    command: str = ""
    args: list[str] = []
    env: Variables = {}
    env_file: str = Field("", validation_alias="envFile")
    cwd: str = ""
    url: str = Field("", validation_alias=AliasChoices("url", "serverUrl"))
    headers: Variables = {}
    disabled: bool = False


def read(path: Path | None, environment: Mapping[str, str]) -> dict[str, ServerConfig]:
    """Every server of the file at `path` by its name, placeholders filled in. Blocks.

    Raises `INVALID_INPUT` where there is no such file, or nothing of the kind in it.
    """
    if path is None:
        raise _unusable(
            "No MCP servers are configured for run_agent. Set it to the path of a JSON file with "
            "mcpServers, such as Claude Desktop's or Cursor's"
        )
    path = path.expanduser()
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise _unusable(f"{path} cannot be read ({reason})") from None
    try:
        document = parse_json(jsonc.plain(text))
    except ValueError as error:
        raise _unusable(f"{path} is not JSON ({error})") from None
    servers = _servers(document)
    if not servers:
        raise _unusable(f"{path} has no servers: it needs an object mcpServers (or servers)")
    known = {**_predefined(path.parent), **environment}
    return {name: _read_entry(name, entry, known, path.parent) for name, entry in servers.items()}


def _unusable(reason: str) -> OpenRouterError:
    return OpenRouterError(Code.INVALID_INPUT, f"{CONFIG}: {reason}. Correct it and call again.")


def _servers(document: Any) -> dict[str, Any]:
    """The servers under whichever name a client gives them."""
    if not isinstance(document, dict):
        return {}
    nested = document.get("mcp")
    within = [document, nested] if isinstance(nested, dict) else [document]
    for holder in within:
        for name in ("mcpServers", "servers"):
            if isinstance(holder.get(name), dict):
                return holder[name]
    return {}


def _predefined(folder: Path) -> dict[str, str]:
    """The placeholders of VS Code and Cursor; their settings lie in a folder of the workspace."""
    folder = folder.resolve()
    workspace = folder.parent if folder.name in {".vscode", ".cursor"} else folder
    return {
        "userHome": str(Path.home()),
        "workspaceFolder": str(workspace),
        "workspaceFolderBasename": workspace.name,
        "pathSeparator": os.sep,
        "/": os.sep,
    }


def _read_entry(name: str, raw: Any, known: Mapping[str, str], folder: Path) -> ServerConfig:
    if not isinstance(raw, dict):
        return ServerConfig(name, problem="its entry is not understood (it is no object)")
    try:
        entry = _Entry.model_validate({key: item for key, item in raw.items() if item is not None})
    except ValidationError as error:
        issues = error.errors(include_url=False, include_input=False, include_context=False)
        wrong = "; ".join(f"{'.'.join(map(str, i['loc']))}: {i['msg']}" for i in issues)
        return ServerConfig(name, problem=f"its entry is not understood ({clean(wrong)})")
    unresolved: list[str] = []

    def filled(text: str) -> str:
        return PLACEHOLDER.sub(_filling(known, unresolved), text)

    cwd = Path(known["workspaceFolder"], Path(filled(entry.cwd)).expanduser())
    command = filled(entry.command)
    if PurePath(command).name != command:
        # Not that of this server's working directory, which its client chose.
        command = str(Path(cwd, Path(command).expanduser()))
    config = ServerConfig(
        name,
        command=command,
        args=tuple(filled(argument) for argument in entry.args),
        env={key: filled(value) for key, value in entry.env.items()},
        cwd=str(cwd) if entry.cwd else "",
        url=filled(entry.url),
        headers={key: filled(value) for key, value in entry.headers.items()},
        sse=entry.kind == "sse" or (not entry.kind and bool(SSE.search(entry.url))),
    )
    env_file = folder / Path(filled(entry.env_file)).expanduser() if entry.env_file else None
    if problem := _problem(entry, config, unresolved):
        return ServerConfig(name, problem=problem)
    try:
        further = _variables(env_file) if env_file else {}
    except ValueError as error:
        return ServerConfig(name, problem=f"its envFile {env_file} {error}")
    return replace(config, env={**further, **config.env})


def _variables(path: Path) -> dict[str, str]:
    """The variables in a file of KEY=VALUE lines. Raises `ValueError` with what is wrong."""
    from dotenv.parser import parse_stream

    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError("cannot be read (it is not UTF-8)") from None
    variables = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or (binding.key and binding.value is None):
            line = binding.original.line + binding.original.string.rstrip().count("\n")
            raise ValueError(f"has no KEY=VALUE in line {line}")
        if binding.key:
            variables[binding.key] = binding.value or ""
    return variables


def _filling(known: Mapping[str, str], unresolved: list[str]) -> Callable[[re.Match[str]], str]:
    """What stands for `${VAR}`, `${env:VAR}`, `${VAR:-default}` and what VS Code defines."""

    def fill(match: re.Match[str]) -> str:
        name, has_default, default = match[1].removeprefix("env:").partition(":-")
        if name in known:
            return known[name]
        if has_default:
            return default
        unresolved.append(match[0])
        return ""

    return fill


def _problem(entry: _Entry, config: ServerConfig, unresolved: list[str]) -> str:
    if entry.disabled:
        return "it is disabled in the configuration"
    if bool(config.command) == bool(config.url) and not unresolved:
        return "its entry needs either command or url"
    if unresolved:
        names = ", ".join(dict.fromkeys(unresolved))
        return (
            f"its entry needs {names}, which is not set. Set it in the environment of "
            "openrouter-mcp, or write the value into the configuration"
        )
    if config.url and not ADDRESS.match(config.url):
        return "its url is no http or https address"
    if starts_this_server(config.command, config.args):
        return ITSELF
    return ""


def starts_this_server(command: str, args: Iterable[str]) -> bool:
    """Whether a command starts openrouter-mcp: by its name, its package, or its module's path.

    What another program is told may have that name too: a folder, or another project's package.
    """
    own = {COMMAND, _project(distribution_name())}
    previous = ""
    for token in (PurePath(command.replace("\\", "/")).name, *args):
        word = re.sub(r"\.(exe|cmd|py)$", "", token, flags=re.IGNORECASE)
        is_own = _project(word) in own or PurePath(token).match("openrouter_mcp/__main__.py")
        if is_own and previous not in OPTIONS_OF_UV:
            return True
        if not (STARTER.fullmatch(word) or previous.startswith("-")):
            return False
        previous = token
    return False


def _project(token: str) -> str:
    """The name of a project as package indexes compare it, without a version or extras."""
    return re.sub(r"[-_.]+", "-", VERSION_OR_EXTRA.sub("", token)).lower()
