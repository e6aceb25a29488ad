"""The boundary between the protocol and the tools, which every call passes."""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import mcp.types as mt
from fastmcp.exceptions import ToolError, ValidationError
from fastmcp.prompts import PromptResult
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import Tool, ToolResult
from fastmcp.tools.function_tool import FunctionTool
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError as PydanticError

from openrouter_mcp import results
from openrouter_mcp.app import App
from openrouter_mcp.errors import NEXT_STEP, Code, OpenRouterError
from openrouter_mcp.text import nearest

if TYPE_CHECKING:
    from openrouter_mcp.api.client import OpenRouter


WARM_UP_DELAY = 0.5
FIRST_CALL = (
    "openrouter_mcp.chat.conversation",
    "openrouter_mcp.multimodal.video_job",
    "openrouter_mcp.state.store",
    "filelock",
    "sqlite3",
    "tenacity",
    # FastMCP's session state, which it asks for at every call.
    "key_value.aio.adapters.pydantic",
    "key_value.aio.stores.memory",
)
"""What the first paid call needs and the handshake did without."""
SHOWN_ISSUES = 8


class Boundary(Middleware):
    """Between the protocol and the tools: tolerant with arguments, exact about failures."""

    def __init__(self, tools: Sequence[FunctionTool], problems: Sequence[str]) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._problems = problems
        self._warming = False

    async def on_list_tools(
        self,
        context: MiddlewareContext[mt.ListToolsRequest],
        call_next: CallNext[mt.ListToolsRequest, Sequence[Tool]],  # noqa: ARG002
    ) -> Sequence[Tool]:
        """Answer from the registered tools: the ordinary way opens a store for session state."""
        self._warm_up(context)
        return list(self._tools.values())

    async def on_call_tool(
        self,
        context: MiddlewareContext[mt.CallToolRequestParams],
        call_next: CallNext[mt.CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Run a tool; whatever goes wrong comes back as a sentence and a code."""
        name = context.message.name
        given = context.message.arguments or {}
        arguments = {key: value for key, value in given.items() if value is not None}
        message = context.message.model_copy(update={"arguments": arguments})
        try:
            self._check(name, arguments)
            return await call_next(context.copy(message=message))
        except OpenRouterError as error:
            return _failed(error)
        except ValidationError as error:
            return _failed(_invalid(name, error))
        except ToolError:
            return _failed(
                OpenRouterError(Code.INTERNAL, f"{name} failed. {NEXT_STEP[Code.INTERNAL]}")
            )

    async def on_get_prompt(
        self,
        context: MiddlewareContext[mt.GetPromptRequestParams],
        call_next: CallNext[mt.GetPromptRequestParams, PromptResult],
    ) -> PromptResult:
        """Name the arguments that a prompt lacks."""
        name, given = context.message.name, context.message.arguments or {}
        server = context.fastmcp_context
        prompt = await server.fastmcp.get_prompt(name) if server else None
        wanted = (prompt.arguments if prompt else None) or []
        lacking = [arg.name for arg in wanted if arg.required and not given.get(arg.name)]
        if lacking:
            raise MCPError(mt.INVALID_PARAMS, f"The prompt {name} needs: {', '.join(lacking)}.")
        return await call_next(context)

    def _check(self, name: str, arguments: dict[str, Any]) -> None:
        """Refuse what cannot be meant, naming the nearest thing that can."""
        if self._problems:
            raise OpenRouterError(
                Code.INVALID_INPUT,
                f"openrouter-mcp is misconfigured. {' '.join(self._problems)} Mend it in the MCP "
                "client's configuration and restart this server.",
            )
        if name not in self._tools:
            raise _unknown("tool", name, list(self._tools))
        known = self._tools[name].parameters["properties"]
        for argument in arguments.keys() - known.keys():
            raise _unknown(f"argument of {name}", argument, list(known))

    def _warm_up(self, context: MiddlewareContext[Any]) -> None:
        """Once the handshake is over, import the SDK beside it: the first call need not wait."""
        server = context.fastmcp_context
        if self._warming or server is None:
            return
        self._warming = True
        app: App = server.lifespan_context["app"]
        asyncio.get_running_loop().call_later(WARM_UP_DELAY, self._load, app)

    def _load(self, app: App) -> None:
        threading.Thread(target=_import_the_rest, args=[app.client], daemon=True).start()
        self._preloading = asyncio.create_task(app.catalogue.preload())


def _import_the_rest(client: OpenRouter) -> None:
    """Spare the first paid call the imports."""
    for module in FIRST_CALL:
        importlib.import_module(module)
    client.warm_up()


def _failed(error: OpenRouterError) -> ToolResult:
    return results.failed(error)


def _unknown(what: str, name: str, known: list[str]) -> OpenRouterError:
    near = nearest(name, known)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(known)}."
    return OpenRouterError(
        Code.INVALID_INPUT, f"{name[:60]!r} is no {what}. {hint}", suggestions=near
    )


def _invalid(name: str, error: ValidationError) -> OpenRouterError:
    """Arguments of the wrong kind, each in a few words, without echoing what was sent."""
    cause = error.__cause__
    if not isinstance(cause, PydanticError):
        return OpenRouterError(Code.INVALID_INPUT, f"{name}: {error}. Correct it and call again.")
    issues = cause.errors(include_url=False, include_context=False, include_input=False)
    said = [f"{'.'.join(map(str, issue['loc']))}: {_said(issue)}" for issue in issues]
    return OpenRouterError(
        Code.INVALID_INPUT,
        f"{name} cannot take these arguments: {'; '.join(said[:SHOWN_ISSUES])}. Correct them and "
        "call again.",
    )


def _said(issue: Any) -> str:
    if issue["type"] == "missing_argument":
        return "required"
    said = str(issue["msg"]).removeprefix("Value error, ")
    return said[:1].lower() + said[1:]
