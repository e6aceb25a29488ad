"""A paid call that names no model says so in its receipt, and one that names one does not."""

import json
import sys

import pytest

from openrouter_mcp.server import _tools
from tests.support import calls
from tests.support.processes import PEER
from tests.support.results import RECEIPT, call, text

PAID = {tool.name for tool in _tools() if "max_cost" in tool.parameters["properties"]}
UNNAMED = "no model was named"


@pytest.mark.parametrize("default", ["", "opus"])
async def test_it_is_told_that_no_model_was_named(
    configure, connect, simulator, tmp_path, default
) -> None:
    config = tmp_path / "mcp.json"
    config.write_text(
        json.dumps({"mcpServers": {"files": {"command": sys.executable, "args": [PEER]}}})
    )
    configure(OPENROUTER_MCP_CONFIG=str(config), OPENROUTER_VIDEO_POLL_INTERVAL_MS="10")
    if default:
        configure(OPENROUTER_MCP_CONFIG=str(config), OPENROUTER_DEFAULT_MODEL=default)
    arguments = calls.arguments(tmp_path)
    tools = PAID - {"complete_text"} if not default else {"chat", "run_agent", "complete_text"}
    async with connect() as client:
        for tool in sorted(tools):
            given = {name: value for name, value in arguments[tool].items() if name != "model"}
            result = await call(client, tool, **given)
            assert UNNAMED in result.meta[RECEIPT]["why"], text(result)
            assert UNNAMED in text(result)


async def test_a_model_that_was_named_needs_no_reason(client) -> None:
    for named in ({"model": "openai/gpt-5-mini"}, {"options": {"model": "openai/gpt-5-mini"}}):
        assert UNNAMED not in text(await call(client, "chat", prompt="Hi", **named))
