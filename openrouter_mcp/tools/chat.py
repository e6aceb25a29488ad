"""Conversation: one answer from any model."""

from __future__ import annotations

from typing import Annotated

from fastmcp.tools import ToolResult, tool
from pydantic import Field

from openrouter_mcp import receipts, replies
from openrouter_mcp.answer import complete
from openrouter_mcp.app import App
from openrouter_mcp.arguments import Effort, JsonObject, Messages, Text, Texts, Tokens
from openrouter_mcp.progress import Progress
from openrouter_mcp.request import Ask, compose
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
    effort: Annotated[Effort, Field(description="Reasoning effort.")] = "",
    max_tokens: Annotated[Tokens, Field(description="Output limit, reasoning included.")] = 0,
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
    ask = Ask(prompt, messages, system, effort, max_tokens, options)
    request = compose(
        ask,
        await app.resolve(model or str(options.get("model", ""))),
        [await app.resolve(name) for name in fallbacks],
        app.settings,
    )
    async with progress:
        answer = await complete(app.client, request, progress)
    receipt = receipts.of_chat(request, answer)
    app.audit("chat", receipt, request.preview())
    return replies.chat(request, answer, receipt)
