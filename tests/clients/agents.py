"""How each agent program is set up in a folder of its own, and started with a scripted model."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]
TASK = "Go."
"""What the agent is asked; the scripted model does not read it."""


ALLOWED = ("--allowedTools", "mcp__openrouter")


@dataclass(frozen=True)
class Setup:
    """Where an agent may write, how it reaches the model, and how it starts the server."""

    folder: Path
    model: str
    """Address of the scripted model."""
    server: Sequence[str]
    variables: Mapping[str, str]
    timeout: int
    """Seconds that a tool call may take; 0 = what the agent gives it by itself."""

    def write(self, name: str, content: str | Json) -> Path:
        """A file in the folder, which is the agent's home."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        return path

    def servers(self, **fields: Any) -> Json:
        """`mcpServers` as most agents read it."""
        command, *arguments = self.server
        entry = {"command": command, "args": arguments, "env": dict(self.variables)}
        if self.timeout:
            entry["timeout"] = self.timeout * 1000
        return {"mcpServers": {"openrouter": entry | fields}}


@dataclass(frozen=True)
class Start:
    """The program, its arguments, and its environment."""

    program: str
    arguments: Sequence[str | Path]
    environment: Mapping[str, str]


def claude_code(setup: Setup) -> Start:
    """Claude Code."""
    servers = setup.write("mcp.json", setup.servers())
    return Start(
        "claude",
        ["-p", TASK, "--mcp-config", servers, "--strict-mcp-config", *ALLOWED],
        {
            "ANTHROPIC_BASE_URL": setup.model,
            "ANTHROPIC_API_KEY": "key",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            "MCP_CONNECTION_NONBLOCKING": "0",
            # The scripted model cannot search for tools.
            "ENABLE_TOOL_SEARCH": "false",
        },
    )


def codex(setup: Setup) -> Start:
    """Codex."""
    command, *arguments = setup.server
    provider = {"name": "local", "base_url": f"{setup.model}/v1", "wire_api": "responses"}
    tables = {
        "model_providers.local": provider | {"env_key": "MODEL_KEY"},
        "mcp_servers.openrouter": {
            "command": command,
            "args": arguments,
            "default_tools_approval_mode": "approve",
            **({"tool_timeout_sec": setup.timeout} if setup.timeout else {}),
        },
        "mcp_servers.openrouter.env": dict(setup.variables),
    }
    lines = ['model = "scripted"', 'model_provider = "local"']
    for name, fields in tables.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in fields.items()]
    home = setup.write(".codex/config.toml", "\n".join(lines)).parent
    return Start(
        "codex",
        ["exec", "--skip-git-repo-check", TASK],
        {"CODEX_HOME": str(home), "MODEL_KEY": "key"},
    )


def gemini_cli(setup: Setup) -> Start:
    """Gemini CLI."""
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "general": {"enableAutoUpdate": False},
        "telemetry": {"enabled": False},
    }
    setup.write(".gemini/settings.json", settings | setup.servers())
    return Start(
        "gemini",
        ["-m", "gemini-2.5-flash", "-p", TASK, "--yolo", "--skip-trust"],
        {"GEMINI_API_KEY": "key", "GOOGLE_GEMINI_BASE_URL": setup.model},
    )


def opencode(setup: Setup) -> Start:
    """opencode."""
    entry: Json = {"type": "local", "command": [*setup.server]}
    entry["environment"] = dict(setup.variables)
    if setup.timeout:
        entry["timeout"] = setup.timeout * 1000
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": f"{setup.model}/v1", "apiKey": "key"},
        "models": {"scripted": {"tool_call": True}},
    }
    settings = {"autoupdate": False, "provider": {"local": provider}, "mcp": {"openrouter": entry}}
    setup.write(".config/opencode/opencode.json", settings)
    return Start(
        "opencode",
        ["run", "-m", "local/scripted", TASK],
        {"OPENCODE_DISABLE_MODELS_FETCH": "1"},
    )


def qwen_code(setup: Setup) -> Start:
    """Qwen Code."""
    settings = {
        "security": {"auth": {"selectedType": "openai"}},
        "general": {"enableAutoUpdate": False},
        "telemetry": {"enabled": False},
    }
    # The scripted model cannot search for tools.
    setup.write(".qwen/settings.json", settings | setup.servers(alwaysLoadTools=True))
    return Start(
        "qwen",
        ["-p", TASK, "--yolo"],
        {
            "OPENAI_API_KEY": "key",
            "OPENAI_BASE_URL": f"{setup.model}/v1",
            "OPENAI_MODEL": "scripted",
        },
    )


AGENTS: dict[str, tuple[str, Callable[[Setup], Start]]] = {
    "Claude Code": ("@anthropic-ai/claude-code@2.1.332", claude_code),
    "Codex": ("@openai/codex@0.171.0", codex),
    "Gemini CLI": ("@google/gemini-cli@0.61.0", gemini_cli),
    "opencode": ("opencode-ai@1.18.33", opencode),
    "Qwen Code": ("@qwen-code/qwen-code@0.24.4", qwen_code),
}
"""Each agent's package in npm, and how it is set up."""
