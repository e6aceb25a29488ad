"""Conversation: one answer from any model."""

from typing import Annotated

from fastmcp.tools import ToolResult, tool
from pydantic import Field

from openrouter_mcp import conversation
from openrouter_mcp.app import App
from openrouter_mcp.arguments import Effort, JsonObject, Messages, Text, Texts, Tokens, Usd
from openrouter_mcp.progress import Progress
from openrouter_mcp.request import Ask
from openrouter_mcp.tools.context import PAID, CurrentApp, CurrentProgress


@tool(title="Chat", tags={"chat"}, annotations=PAID, output_schema=None)
async def chat(
    prompt: Annotated[Text, Field(description="The question.")] = "",
    messages: Annotated[
        Messages, Field(description="Instead of prompt: a conversation, OpenAI format.")
    ] = [],
    model: Annotated[
        Text, Field(description="Id or loose name (opus, gemini flash); empty = default.")
    ] = "",
    fallbacks: Annotated[
        Texts, Field(description="Models to try in order when it fails. Else no other answers.")
    ] = [],
    system: Text = "",
    files: Annotated[
        Texts,
        Field(description="Paths, folders, globs. Contents go to the model, not to your context."),
    ] = [],
    web: Annotated[bool, Field(description="Let it search the web; sources are listed.")] = False,
    effort: Annotated[Effort, Field(description="Reasoning effort.")] = "",
    schema: Annotated[
        JsonObject, Field(description="JSON schema: the answer is JSON that fits it.")
    ] = {},
    max_tokens: Annotated[Tokens, Field(description="Output limit, reasoning included.")] = 0,
    max_cost: Annotated[
        Usd, Field(description="USD at most; at or above the estimate it is your consent.")
    ] = 0,
    dry_run: Annotated[bool, Field(description="Show request and price, send nothing.")] = False,
    options: Annotated[
        JsonObject,
        Field(
            description="Any OpenRouter parameter: temperature, provider, plugins, tools, "
            "service_tier...; also cache (true, seconds, refresh), include_reasoning."
        ),
    ] = {},
    app: App = CurrentApp,
    progress: Progress = CurrentProgress,
) -> ToolResult:
    """Ask any model on OpenRouter. The last line tells model, provider, tokens and cost."""
    attached = await app.files.parts(files)
    ask = Ask(
        prompt=prompt,
        messages=messages,
        system=system,
        effort=effort,
        max_tokens=max_tokens,
        options=options,
        schema=schema,
        web=web,
        attachments=attached.parts,
        notes=attached.notes,
    )
    request = await conversation.request(app, ask, model, fallbacks, max_cost)
    if dry_run:
        return await conversation.dry_run(app, request)
    return await conversation.answer(app, "chat", request, max_cost, progress)
