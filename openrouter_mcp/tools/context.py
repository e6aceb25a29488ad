"""What every tool gets from the server that runs it: the app, progress, annotations."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from fastmcp import prompts, resources, tools
from fastmcp.dependencies import CurrentContext, Depends
from fastmcp.server.context import Context
from mcp.types import ToolAnnotations

from openrouter_mcp.app import App
from openrouter_mcp.progress import Progress
from openrouter_mcp.tools.consent import confirm

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
    """A docstring that FastMCP finds it also parses, with a library that loads slowly."""

    def decorate(function: Function) -> Function:
        description, function.__doc__ = inspect.getdoc(function), None
        return register(description=description, **fields)(function)

    return decorate


def _app(context: Context = CurrentContext()) -> App:
    return context.lifespan_context["app"]


def _progress(context: Context = CurrentContext()) -> Progress:
    async def send(seconds: float, message: str) -> None:
        await context.report_progress(seconds, message=message)

    return Progress(send, confirm=partial(confirm, context))


CurrentApp = Depends(_app)
CurrentProgress = Depends(_progress)
