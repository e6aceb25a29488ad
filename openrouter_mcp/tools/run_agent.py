"""Delegation: a model works on a task with the user's other MCP servers."""

from typing import Annotated

from fastmcp.tools import ToolResult
from mcp.types import InputRequiredResult
from pydantic import Field

from openrouter_mcp.app import App
from openrouter_mcp.progress import Progress
from openrouter_mcp.tools.arguments import JsonObject, Text, Texts, Usd
from openrouter_mcp.tools.context import PAID, CurrentApp, CurrentProgress, tool


@tool(title="Run agent", tags={"chat"}, annotations=PAID, output_schema=None)
async def run_agent(
    task: Text,
    model: Text = "",
    system: Text = "",
    servers: Annotated[Texts, Field(description="Empty = all configured.")] = [],
    tools: Annotated[Texts, Field(description="Globs, as files__read_*.")] = [],
    max_steps: Annotated[int, Field(ge=0)] = 0,
    thread_id: Annotated[Text, Field(description="Continue a run.")] = "",
    max_cost: Usd = 0,
    dry_run: bool = False,
    options: JsonObject = {},
    app: App = CurrentApp,
    progress: Progress = CurrentProgress,
) -> ToolResult | InputRequiredResult:
    """Let a model do a task with the user's other MCP servers: by default read-only tools alone."""
    from openrouter_mcp.agent.task import Delegation, Task

    given = Task(task, model, system, servers, tools, max_steps, max_cost, thread_id, options)
    delegation = Delegation(app, app.mcp_servers, given)
    chosen = await delegation.check()
    if dry_run:
        return await delegation.dry_run(chosen)
    allowed = await delegation.consent(chosen, progress)
    if isinstance(allowed, InputRequiredResult):
        return allowed
    return await delegation.work(chosen, allowed, progress)
