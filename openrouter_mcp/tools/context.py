"""What a tool is made with and what it is given: descriptions, the app, progress, consent."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import mcp.types as mt
from fastmcp import prompts, resources, tools
from fastmcp.dependencies import CurrentContext, Depends
from fastmcp.server.context import Context
from mcp.types import ToolAnnotations
from pydantic import ValidationError

from openrouter_mcp.app import App
from openrouter_mcp.progress import Decision, Progress
from openrouter_mcp.timing import Timing

PAID = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True
)
LOOK_UP = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=True
)

SEARCH_HINT = "anthropic/searchHint"
ALWAYS_LOAD = "anthropic/alwaysLoad"
"""Names in the `_meta` of a tool."""

Function = TypeVar("Function", bound=Callable[..., Any])


def tool(*, hint: str, always_load: bool = False, **fields: Any) -> Callable[[Function], Function]:
    """FastMCP's `tool`, with the docstring moved into the description.

    `hint` has the words with which people look for it, where a client searches tools instead of
    loading them all; `always_load` is for the few that it is to load all the same.
    """
    meta = {SEARCH_HINT: hint, **({ALWAYS_LOAD: True} if always_load else {})}
    return _described(tools.tool, {**fields, "meta": meta})


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
YES_OR_NO = {"type": "object", "title": "Go on?", "properties": {}}
"""A form without fields: accepting it is the yes."""
DECISIONS = {"decline": Decision.DECLINED, "cancel": Decision.CANCELLED}


async def confirm(
    context: Context, message: str, patience: float = Timing.user_answer
) -> Decision | mt.InputRequiredResult:
    """Ask the user a question, and wait for `patience` seconds where the client is asked at once.

    The tool has to return an `InputRequiredResult`: the client then calls it again, from its
    beginning, with the answer, so nothing costly may come before.
    """
    if not _can_ask(context):
        return Decision.CANNOT_ASK
    request = context.request_context
    if request is None or request.protocol_version < QUESTIONS_RETURNED_SINCE:
        return await _ask_now(context, message, patience)
    # An answer counts for this question alone.
    key = f"confirm-{hashlib.sha256(message.encode('utf-8', 'replace')).hexdigest()[:16]}"
    answers = context.input_responses or {}
    if key in answers:
        return _decision(answers[key])
    params = mt.ElicitRequestFormParams(message=message, requested_schema=YES_OR_NO)
    question = mt.ElicitRequest(method="elicitation/create", params=params)
    return mt.InputRequiredResult(result_type="input_required", input_requests={key: question})


def _can_ask(context: Context) -> bool:
    """Whether the client shows forms; one that names no mode of asking means these."""
    capabilities = context.session.client_capabilities
    asking = capabilities.elicitation if capabilities else None
    return asking is not None and (asking.form is not None or asking.url is None)


async def _ask_now(context: Context, message: str, patience: float) -> Decision:
    """Ask in the middle of the call, as clients of earlier protocol versions expect it."""
    from mcp.shared.exceptions import MCPError

    try:
        async with asyncio.timeout(patience):
            answer = await context.session.elicit_form(message, YES_OR_NO, context.request_id)
    except (MCPError, ValidationError, TimeoutError):
        return Decision.FAILED
    return _decision(answer)


def _decision(answer: object) -> Decision:
    if not isinstance(answer, mt.ElicitResult):
        return Decision.FAILED
    if answer.action == "accept":
        # The form asks for nothing, but some clients have a box for the yes.
        refused = any(value is False for value in (answer.content or {}).values())
        return Decision.DECLINED if refused else Decision.YES
    return DECISIONS[answer.action]


def _app(context: Context = CurrentContext()) -> App:
    return context.lifespan_context["app"]


def _progress(context: Context = CurrentContext()) -> Progress:
    async def send(seconds: float, message: str) -> None:
        await context.report_progress(seconds, message=message)

    timing = context.lifespan_context["app"].timing
    asking = partial(confirm, context, patience=timing.user_answer)
    return Progress(send, confirm=asking, timing=timing, age=timing.age(context.request_id))


CurrentApp = Depends(_app)
CurrentProgress = Depends(_progress)
