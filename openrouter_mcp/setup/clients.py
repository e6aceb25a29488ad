"""The MCP clients that are known: how to find them, and how their configuration looks.

A path begins with the name of a folder in `Machine.roots`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class ConfigFile:
    """A configuration file in a folder that is there where the client is installed."""

    folder: str
    file: str
    sign: str = ""
    """The folder that says so, where it is another one."""


@dataclass(frozen=True)
class Shape:
    """How one server looks in the configuration of a client."""

    fixed: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """The fields that are the same for every server."""
    variables: str = "env"
    """The field with the environment variables."""
    joined: bool = False
    """Whether `command` is a list that holds the arguments too."""
    prompts: bool = False
    """Whether the client can ask for a variable and keep it as a secret: `inputs` of VS Code."""


STANDARD = Shape()


@dataclass(frozen=True)
class Client:
    """One MCP client."""

    id: str
    title: str
    files: tuple[ConfigFile, ...]
    """The first whose file is there counts, else the first whose folder is."""
    servers: str = "mcpServers"
    """The field that holds the servers by their names."""
    shape: Shape = STANDARD
    toml: bool = False
    program: str = ""
    """Its command, which on the PATH says that the client is installed."""
    add: tuple[str, ...] = ()
    """Arguments of its command that add a server: by how it starts, or by an entry in JSON."""
    remove: tuple[str, ...] = ()
    """Arguments of its command that remove a server."""
    reload: str = "Restart it."
    """What the user does so that the client sees the change."""


CODE = Shape(fixed={"type": "stdio"}, prompts=True)
CLINE = "User/globalStorage/saoudrizwan.claude-dev"

CLIENTS = (
    Client(
        "claude-desktop",
        "Claude Desktop",
        (
            # Windows gives what came as a package a roaming folder of its own.
            ConfigFile("packages/Claude_*/LocalCache/Roaming/Claude", "claude_desktop_config.json"),
            ConfigFile("applications/Claude", "claude_desktop_config.json"),
        ),
        reload="Quit it (not only its window) and open it again.",
    ),
    Client(
        "claude-code",
        "Claude Code",
        (ConfigFile("claude", ".claude.json", sign="home/.claude"),),
        shape=Shape(fixed={"type": "stdio"}),
        program="claude",
        add=("mcp", "add", "--scope", "user", "{name}", "--", "{launch}"),
        remove=("mcp", "remove", "--scope", "user", "{name}"),
        reload="Start a new session.",
    ),
    Client(
        "cursor",
        "Cursor",
        (ConfigFile("home/.cursor", "mcp.json"),),
        program="cursor",
    ),
    Client(
        "vscode",
        "VS Code",
        (ConfigFile("applications/Code", "User/mcp.json"),),
        servers="servers",
        shape=CODE,
        program="code",
        add=("--add-mcp", "{json}"),
        reload="Run `MCP: List Servers` in it and start openrouter.",
    ),
    Client(
        "vscode-insiders",
        "VS Code Insiders",
        (ConfigFile("applications/Code - Insiders", "User/mcp.json"),),
        servers="servers",
        shape=CODE,
        program="code-insiders",
        add=("--add-mcp", "{json}"),
        reload="Run `MCP: List Servers` in it and start openrouter.",
    ),
    Client(
        "codex",
        "Codex",
        (ConfigFile("codex", "config.toml"),),
        servers="mcp_servers",
        toml=True,
        program="codex",
        add=("mcp", "add", "{name}", "--", "{launch}"),
        remove=("mcp", "remove", "{name}"),
        reload="Start a new session.",
    ),
    Client(
        "gemini",
        "Gemini CLI",
        (ConfigFile("home/.gemini", "settings.json"),),
        program="gemini",
        add=("mcp", "add", "--scope", "user", "{name}", "{launch}"),
        remove=("mcp", "remove", "--scope", "user", "{name}"),
        reload="Start a new session, in a folder that it trusts.",
    ),
    Client(
        "windsurf",
        "Windsurf",
        (ConfigFile("home/.codeium/windsurf", "mcp_config.json"),),
        program="windsurf",
    ),
    Client(
        "cline",
        "Cline",
        (
            ConfigFile("home/.cline", "data/settings/cline_mcp_settings.json"),
            *(
                ConfigFile(f"applications/{editor}/{CLINE}", "settings/cline_mcp_settings.json")
                for editor in ("Code", "Code - Insiders", "Cursor", "Windsurf", "VSCodium")
            ),
        ),
        program="cline",
        reload="It reads the file by itself.",
    ),
    Client(
        "zed",
        "Zed",
        (ConfigFile("zed", "settings.json"),),
        servers="context_servers",
        shape=Shape(fixed={"source": "custom"}),
        program="zed",
        reload="It reads the file by itself.",
    ),
    Client(
        "opencode",
        "opencode",
        tuple(
            ConfigFile("config/opencode", name)
            for name in ("opencode.jsonc", "opencode.json", "config.json")
        ),
        servers="mcp",
        shape=Shape(fixed={"type": "local"}, variables="environment", joined=True),
        program="opencode",
        # Its own command writes all servers anew, and cannot remove one.
        reload="Start a new session.",
    ),
)
