"""`docs/clients.md`: what it says to copy starts this server, with variables that there are."""

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from openrouter_mcp import settings
from openrouter_mcp.settings import Settings
from tests.support import stdio

PAGE = (Path(__file__).parent.parent / "docs" / "clients.md").read_text("utf-8")
COMMAND = "/full/path/to/openrouter-mcp"
BLOCK = re.compile(r"^## (.+?)$|^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
READERS = {"json": json.loads, "toml": tomllib.loads, "yaml": yaml.safe_load}
CLIENTS = [
    "Claude Desktop",
    "Claude Code",
    "Cursor",
    "VS Code",
    "Codex",
    "Gemini CLI",
    "Windsurf",
    "Cline",
    "Zed",
    "opencode",
    "Qwen Code",
    "Continue",
    "LangChain",
    "Vercel AI SDK",
    "OpenAI Agents",
    "Pydantic AI",
]


def blocks() -> Iterator[tuple[str, str, str]]:
    """Each block with the client that it is for, and its language."""
    client = ""
    for match in BLOCK.finditer(PAGE):
        client = match[1] or client
        if match[2]:
            yield client, match[2], match[3]


def entries(value: Any) -> Iterator[dict[str, Any]]:
    """Every entry of a server, wherever it stands."""
    if isinstance(value, dict) and "command" in value:
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from entries(item)


def started(language: str, block: str) -> Iterator[tuple[list[str], dict[str, str]]]:
    """The command and the environment that a block says."""
    if language in READERS:
        for entry in entries(READERS[language](block)):
            command = entry["command"]
            command = command if isinstance(command, list) else [command, *entry.get("args", [])]
            yield command, entry.get("env") or entry["environment"]
        return
    if language == "python":
        ast.parse(block)
    given = re.findall(r'"(OPENROUTER_\w+)": "(.*?)"', block)
    yield re.findall(rf'"({COMMAND})"', block), dict(given)


STARTED = {
    client: start for client, language, block in blocks() for start in started(language, block)
}
BESIDE_THE_KEY = [
    {name: value for name, value in environment.items() if name != "OPENROUTER_API_KEY"}
    for _, environment in STARTED.values()
]


def test_each_client_has_a_block_and_a_row_of_limits() -> None:
    rows = PAGE.partition("## Limits")[2].partition("\n## ")[0]
    assert (
        re.findall(r"^\| ([A-Z]\w.*?|opencode) \| .+ \| .+ \| .+ \|", rows, re.MULTILINE) == CLIENTS
    )
    assert [client for client, _, _ in blocks()] == CLIENTS


@pytest.mark.parametrize(("command", "environment"), STARTED.values(), ids=STARTED)
def test_each_block_starts_our_command_with_variables_that_there_are(
    command: list[str], environment: dict[str, str]
) -> None:
    assert command == [COMMAND]
    variables = {settings.variable(name) for name in Settings.model_fields}
    assert {"OPENROUTER_API_KEY"} <= environment.keys() <= variables


@pytest.mark.parametrize("variables", [each for each in BESIDE_THE_KEY if each], ids=str)
async def test_the_variables_of_a_block_are_understood(
    variables: dict[str, str], connect, configure
) -> None:
    configure(**variables)
    assert settings.load().problems == ()
    async with connect() as client:
        tools = {tool.name for tool in await client.list_tools()}
    assert {"chat", "find_models", "get_job"} <= tools


async def test_the_entry_of_most_clients_starts_the_program(environment: dict[str, str]) -> None:
    async with stdio.server(environment) as process:
        answer = await process.initialize()
    assert answer["result"]["serverInfo"]["name"] == "openrouter-mcp"


def test_only_variables_that_there_are_are_named() -> None:
    named = set(re.findall(r"OPENROUTER_[A-Z_]+", PAGE))
    assert named <= {settings.variable(name) for name in Settings.model_fields}


def test_the_tables_of_conformance_are_written() -> None:
    scenarios = re.findall(r"^\| `[a-z0-9-]+` \| (passed|-) \| (passed|-) \|$", PAGE, re.MULTILINE)
    assert len(scenarios) > 40
    assert "**failed**" not in PAGE
