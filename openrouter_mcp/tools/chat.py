"""Conversation: one answer from any model, or the answers of several side by side.

What a tool needs of the package it imports when it is called: the start of the server is the
shorter for it.
"""

import time
from typing import Annotated

from fastmcp.tools import ToolResult
from mcp.types import InputRequiredResult
from pydantic import Field

from openrouter_mcp.app import App
from openrouter_mcp.completions.options import Effort
from openrouter_mcp.progress import Progress
from openrouter_mcp.tools.arguments import JsonObject, Messages, Text, Texts, Tokens, Usd
from openrouter_mcp.tools.context import LOOK_UP, PAID, CurrentApp, CurrentProgress, tool


@tool(
    title="Chat",
    tags={"chat"},
    annotations=PAID,
    output_schema=None,
    hint="second opinion, ask another model or LLM, gpt, claude, gemini, deepseek, grok, llama, "
    "qwen, mistral, translate, summarize, review, web search",
    always_load=True,
)
async def chat(
    model: Annotated[
        Text, Field(description="Id or loose name (opus, gemini flash); empty = default.")
    ] = "",
    max_cost: Annotated[Usd, Field(description="USD at most.")] = 0,
    dry_run: Annotated[bool, Field(description="Show request and price, send nothing.")] = False,
    thread_id: Annotated[
        Text, Field(description='"new" begins a conversation, its id goes on with it.')
    ] = "",
    effort: Annotated[Effort, Field(description="Reasoning effort.")] = "",
    max_tokens: Annotated[Tokens, Field(description="Output limit, reasoning included.")] = 0,
    web: Annotated[bool, Field(description="Let it search the web; sources are listed.")] = False,
    fallbacks: Annotated[
        Texts, Field(description="Models to try in order when it fails. Else no other answers.")
    ] = [],
    prompt: Annotated[Text, Field(description="The question.")] = "",
    system: Text = "",
    files: Annotated[
        Texts,
        Field(
            description="Paths, folders, globs, URLs: text, images, audio, video, PDF. Contents go "
            "to the model, not to your context."
        ),
    ] = [],
    messages: Annotated[
        Messages, Field(description="Instead of prompt: a conversation, OpenAI format.")
    ] = [],
    schema: Annotated[
        JsonObject, Field(description="JSON schema: the answer is JSON that fits it.")
    ] = {},
    options: Annotated[
        JsonObject,
        Field(
            description="Any OpenRouter parameter: temperature, provider, plugins, tools, "
            "service_tier, cache (true, seconds, refresh), include_reasoning..."
        ),
    ] = {},
    app: App = CurrentApp,
    progress: Progress = CurrentProgress,
) -> ToolResult | InputRequiredResult:
    """Ask any model on OpenRouter. The last line tells model, provider, tokens and cost."""
    from openrouter_mcp.chat.conversation import ChatCall
    from openrouter_mcp.completions.request import CallerRequest
    from openrouter_mcp.files import parts

    asked = CallerRequest(
        prompt=prompt,
        messages=messages,
        system=system,
        effort=effort,
        max_tokens=max_tokens,
        options=options,
        schema=schema,
        web=web,
        model=model,
        fallbacks=fallbacks,
        max_cost=max_cost,
        thread_id=thread_id,
        attached=await app.files.parts(files, image_detail=parts.detail(options)),
    )
    return await app.paid_calls.carry_out(ChatCall(app, asked), progress, dry_run=dry_run)


@tool(
    title="Compare models",
    tags={"chat"},
    annotations=PAID,
    output_schema=None,
    hint="side by side, gpt vs gemini vs deepseek, best answer, vote, judge",
)
async def compare_models(
    *,
    models: Annotated[
        Texts, Field(description="2 to 8; empty = a spread of the catalogue's best.")
    ] = [],
    judge: Annotated[Texts, Field(description="Models that rank the answers blind.")] = [],
    max_cost: Annotated[Usd, Field(description="USD for all together.")] = 0,
    dry_run: bool = False,
    prompt: Text,
    system: Text = "",
    files: Texts = [],
    options: JsonObject = {},
    app: App = CurrentApp,
    progress: Progress = CurrentProgress,
) -> ToolResult | InputRequiredResult:
    """One prompt on several models at once: a table of cost, speed, tokens, and the answers."""
    from openrouter_mcp.chat import compare
    from openrouter_mcp.completions.request import CallerRequest
    from openrouter_mcp.files import parts

    asked = CallerRequest(
        tool="compare_models",
        prompt=prompt,
        system=system,
        options=options,
        max_cost=max_cost,
        attached=await app.files.parts(files, image_detail=parts.detail(options)),
    )
    comparison = await compare.plan_comparison(app, asked, models, judge)
    return await app.paid_calls.carry_out(comparison, progress, dry_run=dry_run)


@tool(
    title="Complete text",
    tags={"chat"},
    annotations=PAID,
    output_schema=None,
    hint="autocomplete, continue a text, fill in the middle, base model",
)
async def complete_text(
    *,
    model: Text = "",
    max_cost: Usd = 0,
    dry_run: bool = False,
    max_tokens: Tokens = 0,
    stop: Texts = [],
    prompt: Annotated[Text, Field(description="The text to go on with.")],
    options: JsonObject = {},
    app: App = CurrentApp,
    progress: Progress = CurrentProgress,
) -> ToolResult | InputRequiredResult:
    """Raw text completion, for base models; questions are for chat."""
    from openrouter_mcp.chat.conversation import plan_completion
    from openrouter_mcp.completions.request import CallerRequest

    asked = CallerRequest(
        tool="complete_text",
        prompt=prompt,
        model=model,
        max_tokens=max_tokens,
        stop=stop,
        max_cost=max_cost,
        options=options,
    )
    completion = await plan_completion(app, asked)
    return await app.paid_calls.carry_out(completion, progress, dry_run=dry_run)


@tool(
    title="Run agent",
    tags={"chat"},
    annotations=PAID,
    output_schema=None,
    hint="delegate, subagent, sub-agent, agent of another model, autonomous, tool use",
)
async def run_agent(
    *,
    model: Text = "",
    max_cost: Usd = 0,
    dry_run: bool = False,
    thread_id: Annotated[Text, Field(description="Continue a run.")] = "",
    workspace: Annotated[
        Text, Field(description="Folder: it works in a copy; you get a patch, never applied.")
    ] = "",
    models: Annotated[Texts, Field(description="2 to 4, a patch each.")] = [],
    judge: Texts = [],
    max_steps: Annotated[int, Field(ge=0)] = 0,
    servers: Annotated[
        Texts, Field(description="Empty = all configured; none with workspace.")
    ] = [],
    tools: Annotated[Texts, Field(description="Globs, as files__read_*.")] = [],
    task: Text,
    system: Text = "",
    options: JsonObject = {},
    app: App = CurrentApp,
    progress: Progress = CurrentProgress,
) -> ToolResult | InputRequiredResult:
    """Let a model do a task: with the user's MCP servers (read-only by default), or change code."""
    from openrouter_mcp.agent.contest import plan
    from openrouter_mcp.agent.work import AgentTask

    given = AgentTask(
        task=task,
        model=model,
        system=system,
        servers=servers,
        tools=tools,
        max_steps=max_steps,
        max_cost=max_cost,
        thread_id=thread_id,
        options=options,
        workspace=workspace,
        models=models,
        judge=judge,
    )
    delegation = await plan(app, given)
    return await app.paid_calls.carry_out(delegation, progress, dry_run=dry_run)


@tool(
    title="List threads",
    tags={"chat"},
    annotations=LOOK_UP,
    output_schema=None,
    hint="conversation history, earlier chats, resume",
)
async def list_threads(
    thread_id: Annotated[Text, Field(description="Show this one in full.")] = "",
    app: App = CurrentApp,
) -> ToolResult:
    """Conversations, newest first."""
    from openrouter_mcp.files import save
    from openrouter_mcp.threads import replies

    if not thread_id:
        return replies.listed(await app.threads.list(), time.time())
    row, messages = await app.threads.show(thread_id)
    text = replies.whole(messages)
    return replies.shown(row, await save.shown_text(app.settings, text, row.id, from_end=True))
