"""What every request passes between the protocol and the tools.

`Boundary` takes arguments tolerantly and turns failures into instructions; `in_its_version` stands
between it and the wire.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import Any

import mcp.types as mt
from fastmcp.exceptions import ValidationError
from fastmcp.prompts import PromptResult
from fastmcp.resources import ResourceResult
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import Tool, ToolResult
from fastmcp.tools.function_tool import FunctionTool
from mcp.server.context import CallNext as CallHandler
from mcp.server.context import HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError as PydanticError

from openrouter_mcp import credentials, results
from openrouter_mcp.app import App
from openrouter_mcp.errors import NEXT_STEP, Code, OpenRouterError
from openrouter_mcp.files import save
from openrouter_mcp.protocol import versions
from openrouter_mcp.protocol.wreckage import ends_of, wreckage
from openrouter_mcp.text import DEEPEST_JSON, did_you_mean, is_too_deep, nearest, validation_reason

log = logging.getLogger(__name__)

SHOWN_ISSUES = 8
ALWAYS_ANSWERS = "get_account"
"""The tool that tells what is wrong, whatever that is."""
STOPPING = {"stop", "options"}
"""Arguments that may hold texts at which an answer is to end."""
ABSENT = {Code.NOT_FOUND, Code.MODEL_NOT_FOUND, Code.INVALID_INPUT}
"""Failures of who reads a resource by an address that means none."""
LONGEST_ADDRESS = 2000
LONGEST_ARGUMENT = 500_000
"""Characters of an argument of a prompt, which holds them in its text."""


async def in_its_version(
    ctx: ServerRequestContext[Any, Any], call_next: CallHandler
) -> HandlerResult:
    """Leave out of a result what the client's version of the protocol does not know."""
    result = await call_next(ctx)
    if not isinstance(result, dict):
        return result
    return versions.legal(result, result.get("protocolVersion", ctx.protocol_version))


class Boundary(Middleware):
    """Checks requests before they reach a tool, and gives every failure a sentence and a code."""

    def __init__(
        self,
        tools: Sequence[FunctionTool],
        problems: Sequence[str],
        own_keys: Sequence[str] = (),
        unknown_limits: Sequence[str] = (),
    ) -> None:
        """`own_keys` are taken in no argument, and shown in no result.

        `unknown_limits` are sentences on variables that seem to limit the cost but do not: they
        stand before every paid reply.
        """
        self._warning = " ".join(unknown_limits)
        self._tools = {tool.name: tool for tool in tools}
        self._paid = {tool.name for tool in tools if "max_cost" in tool.parameters["properties"]}
        self._problems = problems
        self._own_keys = own_keys

    async def on_list_tools(
        self,
        context: MiddlewareContext[mt.ListToolsRequest],  # noqa: ARG002
        call_next: CallNext[mt.ListToolsRequest, Sequence[Tool]],  # noqa: ARG002
    ) -> Sequence[Tool]:
        """List the registered tools; FastMCP's own way would open a store for session state."""
        return list(self._tools.values())

    async def on_call_tool(
        self,
        context: MiddlewareContext[mt.CallToolRequestParams],
        call_next: CallNext[mt.CallToolRequestParams, ToolResult],  # noqa: ARG002
    ) -> ToolResult:
        """Run a tool. An argument that is null counts as not given.

        FastMCP's own way to the tool would open a store for session state.
        """
        given = context.message.arguments or {}
        arguments = {key: value for key, value in given.items() if value is not None}
        name = context.message.name
        result = await self._answer(name, arguments)
        # In the newest protocol it may be a question to the user instead.
        if not isinstance(result, ToolResult):
            return result
        if self._warning and name in self._paid:
            result = _beginning_with(self._warning, result)
        content = results.as_json(result)
        if credentials.hidden_in_line(content, self._own_keys) != content:
            result = results.without_keys(result, self._own_keys)
            content = results.as_json(result)
        shown = await self._shown(context, result)
        if shown is not result:
            result, content = shown, results.as_json(shown)
        if len(content) <= results.LARGEST_REPLY:
            return result
        return results.without_bulk(result, await _saved(context, content))

    async def _shown(
        self, context: MiddlewareContext[mt.CallToolRequestParams], result: ToolResult
    ) -> ToolResult:
        """The reply as long as the user wants it, what matters of it first."""
        settings = _app(context).settings
        if not settings.previews:
            result = results.without_previews(result)
        texts = [block.text for block in result.content if isinstance(block, mt.TextContent)]
        is_data = result.structured_content is not None
        is_cut = results.WHOLE_META in (result.meta or {})
        if sum(map(len, texts)) > settings.max_reply_chars and not (is_data or is_cut):
            text = "\n\n".join(texts)
            path, _ = await save.save_whole(settings, text, context.message.name, ".md")
            if path:
                result = results.shortened(result, path, settings.max_reply_chars)
        return results.with_head(result)

    async def _answer(self, name: str, arguments: dict[str, Any]) -> ToolResult:
        """The result of a tool, also where it failed."""
        try:
            self._check(name, arguments)
            return await self._tools[name].run(arguments)
        except OpenRouterError as error:
            return results.failed(error)
        except ValidationError as error:
            return results.failed(_invalid_arguments(name, error))
        except MCPError:
            # An error of the protocol is for the client's program, not for its model.
            raise
        except Exception:
            log.exception("%s failed", name)
            message = f"{name} failed. {NEXT_STEP[Code.INTERNAL]}"
            return results.failed(OpenRouterError(Code.INTERNAL, message))

    async def on_read_resource(
        self,
        context: MiddlewareContext[mt.ReadResourceRequestParams],
        call_next: CallNext[mt.ReadResourceRequestParams, ResourceResult],
    ) -> ResourceResult:
        """Read a resource, or say where one is saved that is larger than clients take."""
        _check_length("address of a resource", str(context.message.uri), LONGEST_ADDRESS)
        try:
            result = await call_next(context)
        except OpenRouterError as error:
            if error.code in ABSENT:
                # As FastMCP does for an address that no resource has.
                raise MCPError(mt.INVALID_PARAMS, error.message) from None
            raise
        content = "".join(str(item.content) for item in result.contents).encode()
        if len(content) <= results.LARGEST_REPLY // 2:
            return result
        return ResourceResult(await _saved(context, content))

    async def on_get_prompt(
        self,
        context: MiddlewareContext[mt.GetPromptRequestParams],
        call_next: CallNext[mt.GetPromptRequestParams, PromptResult],
    ) -> PromptResult:
        """Fill in a prompt, or name the arguments that it lacks."""
        name, given = context.message.name, context.message.arguments or {}
        _check_length("name of a prompt", name, LONGEST_ADDRESS)
        for argument, value in given.items():
            _check_length("argument of a prompt", argument + value, LONGEST_ARGUMENT)
        server = context.fastmcp_context
        prompt = await server.fastmcp.get_prompt(name) if server else None
        known = (prompt.arguments if prompt else None) or []
        lacking = [arg.name for arg in known if arg.required and not given.get(arg.name)]
        if lacking:
            raise MCPError(mt.INVALID_PARAMS, f"The prompt {name} needs: {', '.join(lacking)}.")
        return await call_next(context)

    def _check(self, name: str, arguments: dict[str, Any]) -> None:
        """Raise `INVALID_INPUT` for a wrong configuration, an unknown tool or argument."""
        if self._problems and name != ALWAYS_ANSWERS:
            raise OpenRouterError(
                Code.INVALID_INPUT,
                f"openrouter-mcp is misconfigured. {' '.join(self._problems)} Correct it "
                "in the MCP client's configuration and restart this server.",
            )
        if credentials.held_in(arguments, self._own_keys):
            raise OpenRouterError(
                Code.INVALID_INPUT,
                "These arguments hold a key of this server, which goes to no model, file or "
                "address. Take it out and call again.",
            )
        if name not in self._tools:
            raise _unknown("tool", name, list(self._tools))
        if is_too_deep(arguments):
            raise OpenRouterError(
                Code.INVALID_INPUT,
                f"The arguments of {name} have more than {DEEPEST_JSON} levels. Make them flatter "
                "and call again.",
            )
        known = self._tools[name].parameters["properties"]
        for argument in arguments.keys() - known.keys():
            raise _unknown(f"argument of {name}", argument, list(known))
        if "max_cost" in known:
            _check_ends(name, arguments, known)


def _beginning_with(warning: str, result: ToolResult) -> ToolResult:
    """The result with a sentence before it, wherever a client looks first."""
    data = result.structured_content
    return results.tool_result(
        [*results.text_blocks([warning]), *result.content],
        None if data is None else {"warning": warning, **data},
        result.meta,
        is_error=result.is_error,
    )


def _app(context: MiddlewareContext[Any]) -> App:
    assert context.fastmcp_context is not None  # noqa: S101 - every request has one
    return context.fastmcp_context.lifespan_context["app"]


async def _saved(context: MiddlewareContext[Any], content: bytes) -> str:
    """Save what is too large to be sent; a sentence that says where it is."""
    text = content.decode("utf-8", "replace")
    path, problem = await save.save_whole(_app(context).settings, text, "reply", ".json")
    size = f"This reply has {len(content):,} bytes, more than clients take."
    return f"{size} All of it is in {path}" if path else f"{size} {problem}"


def _check_ends(name: str, arguments: dict[str, Any], known: Collection[str]) -> None:
    """Refuse a paid call whose arguments have swallowed others, which may have been its limits."""
    for argument, value in arguments.items():
        for text in ends_of(value):
            found = wreckage(text, known)
            # What ends an answer may be just such a tag.
            if found and not (argument in STOPPING and found == text.strip()):
                raise OpenRouterError(
                    Code.INVALID_INPUT,
                    f"{argument} of {name} ends in {found}, markup of a tool call: it seems to "
                    "have swallowed the arguments that followed it. Nothing was sent. Call again "
                    f"with each argument apart; if {argument} is meant to end so, write a full "
                    "stop behind it.",
                )


def _check_length(what: str, value: str, most: int) -> None:
    """Refuse what would be sent back at its whole length."""
    if len(value) > most:
        raise MCPError(mt.INVALID_PARAMS, f"No {what} has more than {most:,} characters.")


def _unknown(what: str, name: str, known: Sequence[str]) -> OpenRouterError:
    near = nearest(name, known)
    hint = did_you_mean(near, f"There are: {', '.join(known)}.")
    message = f"{name[:60]!r} is no {what}. {hint}"
    return OpenRouterError(Code.INVALID_INPUT, message, suggestions=near)


def _invalid_arguments(name: str, error: ValidationError) -> OpenRouterError:
    """What is wrong with each argument, in a few words that do not repeat its value."""
    cause = error.__cause__
    if not isinstance(cause, PydanticError):
        return OpenRouterError(Code.INVALID_INPUT, f"{name}: {error}. Correct it and call again.")
    reasons = []
    for issue in cause.errors(include_url=False, include_context=False, include_input=False):
        missing = issue["type"] == "missing_argument"
        reason = "required" if missing else validation_reason(issue["msg"])
        reasons.append(f"{'.'.join(map(str, issue['loc']))}: {reason}")
    return OpenRouterError(
        Code.INVALID_INPUT,
        f"{name} cannot take these arguments: {'; '.join(reasons[:SHOWN_ISSUES])}. Correct them "
        "and call again.",
    )
