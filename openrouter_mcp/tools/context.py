"""What a tool is made with and what it is given: descriptions, the app, progress, consent."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import mcp.types as mt
from fastmcp import prompts, resources, tools
from fastmcp.dependencies import CurrentContext, Depends
from fastmcp.server.context import Context
from mcp.types import ToolAnnotations

from openrouter_mcp.app import App
from openrouter_mcp.progress import Answer, Progress

PAID = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True
)
LOOK_UP = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=True
)

Function = TypeVar("Function", bound=Callable[..., Any])


def tool(**fields: Any) -> Callable[[Function], Function]:
    """FastMCP's `tool`, with the docstring moved into the description."""
    return _described(tools.tool, fields)


def prompt(**fields: Any) -> Callable[[Function], Function]:
    """FastMCP's `prompt`, with the docstring moved into the description."""
    return _described(prompts.prompt, fields)


def resource(uri: str, **fields: Any) -> Callable[[Function], Function]:
    """FastMCP's `resource`, with the docstring moved into the description."""
    return _described(partial(resources.resource, uri), fields)


def _described(
    register: Callable[..., Any], fields: dict[str, Any]
) -> Callable[[Function], Function]:
    # FastMCP parses a docstring that it finds with a library that loads slowly.
    def decorate(function: Function) -> Function:
        description, function.__doc__ = inspect.getdoc(function), None
        return register(description=description, **fields)(function)

    return decorate


QUESTIONS_RETURNED_SINCE = "2026-07-28"
"""From this protocol version on a tool returns its question and is called with the answer."""
YES_OR_NO = {
    "type": "object",
    "properties": {"ok": {"type": "boolean", "title": "Proceed?", "default": False}},
    "required": ["ok"],
}


async def confirm(context: Context, key: str, message: str) -> Answer:
    """The user's yes or no to `message`; None where the client cannot ask.

    The tool has to return an `InputRequiredResult`: the client then calls it again, from its
    beginning, with the answer, so nothing costly may come before. `key` names the question among
    those of one tool, so it has to change with what is asked.
    """
    capabilities = context.session.client_capabilities
    if not (capabilities and capabilities.elicitation):
        return None
    request = context.request_context
    if request is None or request.protocol_version < QUESTIONS_RETURNED_SINCE:
        reply = await context.elicit(message, bool)
        return reply.action == "accept" and bool(reply.data)
    answers = context.input_responses or {}
    if key not in answers:
        params = mt.ElicitRequestFormParams(message=message, requested_schema=YES_OR_NO)
        question = mt.ElicitRequest(method="elicitation/create", params=params)
        return mt.InputRequiredResult(result_type="input_required", input_requests={key: question})
    answer = answers[key]
    return (
        isinstance(answer, mt.ElicitResult)
        and answer.action == "accept"
        and bool((answer.content or {}).get("ok"))
    )


def _app(context: Context = CurrentContext()) -> App:
    return context.lifespan_context["app"]


def _progress(context: Context = CurrentContext()) -> Progress:
    async def send(seconds: float, message: str) -> None:
        await context.report_progress(seconds, message=message)

    timing = context.lifespan_context["app"].timing
    return Progress(send, confirm=partial(confirm, context), timing=timing)


CurrentApp = Depends(_app)
CurrentProgress = Depends(_progress)
