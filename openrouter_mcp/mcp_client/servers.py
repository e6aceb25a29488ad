"""One of the user's other MCP servers: started on demand, kept warm, restarted, closed."""

from __future__ import annotations

import asyncio
import contextvars
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import httpx2
import mcp.types as mt
from anyio import BrokenResourceError, ClosedResourceError
from fastmcp import Client
from fastmcp.client.logging import LogMessage
from fastmcp.client.transports import SSETransport, StreamableHttpTransport
from fastmcp.client.transports.base import ClientTransport
from mcp import MCPError
from pydantic import ValidationError

from openrouter_mcp import __version__, settings
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.mcp_client import config as mcp_config
from openrouter_mcp.mcp_client.config import ITSELF, ServerConfig
from openrouter_mcp.mcp_client.process import StdioProcess
from openrouter_mcp.mcp_client.session import LenientClient
from openrouter_mcp.settings import NAME, Settings, variable
from openrouter_mcp.text import clean, duration, nearest
from openrouter_mcp.timing import Timing

SLACK = 5.0
"""Seconds after which a limit of the SDK that did not work is enforced."""
FAILURES = (
    MCPError,
    RuntimeError,
    ValueError,
    OSError,
    TimeoutError,
    httpx2.HTTPError,
    BrokenResourceError,
    ClosedResourceError,
    ExceptionGroup,
)
"""What a connection that does not work raises; FastMCP wraps some of it in RuntimeError."""
REQUEST_ERRORS = {mt.INVALID_PARAMS, mt.METHOD_NOT_FOUND, mt.INTERNAL_ERROR, mt.REQUEST_TIMEOUT}
"""Errors of one request, on a connection that works."""

MOST_PAGES = 100
"""Of one list of tools."""
MOST_TOOLS = 2000
"""Of one server; those after them are not looked at."""
ADDRESS = re.compile(r"(https?://)(?:[^/\s@]*@)?([^\s?'\"]*)(?:\?[^\s'\"]*)?")
T = TypeVar("T")


class ServerError(Exception):
    """What went wrong with a server, in a sentence for the trace and for the model."""


class McpServer:
    """One server of the configuration. Nothing is started before it is needed."""

    def __init__(
        self,
        config: ServerConfig,
        timing: Timing = Timing(),
        in_process: ClientTransport | None = None,
    ) -> None:
        """`in_process` is the way to a server of ours, which no configuration names."""
        self.config = config
        self._timing = timing
        self._in_process = in_process
        self._transport: ClientTransport | None = None
        self._opening: asyncio.Task[Client] | None = None

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self.config.name

    @property
    def stray_lines(self) -> int:
        """Lines on stdout that were no MCP messages, since it was started."""
        return self._transport.stray_lines if isinstance(self._transport, StdioProcess) else 0

    @property
    def has_resources(self) -> bool:
        """Whether it says that it has resources; False before it is started. None of ours has."""
        opening = self._opening
        if self._in_process or opening is None or not opening.done():
            return False
        if opening.cancelled() or opening.exception():
            return False
        capabilities = opening.result().server_capabilities
        return bool(capabilities and capabilities.resources)

    async def tools(self) -> list[mt.Tool]:
        """What it offers, after starting it, again if it has died since. Raises `ServerError`."""
        warm = self._opening is not None
        try:
            return await self._request(_every_tool, self._timing.server_start)
        except ServerError:
            if not warm or self._opening is not None:
                raise
        return await self._request(_every_tool, self._timing.server_start)

    async def call(
        self, tool: str, arguments: dict[str, Any], seconds: float, *, as_task: bool = False
    ) -> mt.CallToolResult:
        """Run one of its tools. Raises `ServerError` where no result comes within `seconds`.

        `as_task` is for tools that the specification of 2025-11-25 lets run only so.
        """

        async def ask(client: Client) -> mt.CallToolResult:
            if as_task:
                return await _result_of_task(client, tool, arguments, seconds)
            return await client.call_tool_mcp(tool, arguments, timeout=seconds)

        return await self._request(ask, seconds)

    async def read(self, uri: str, seconds: float) -> mt.ReadResourceResult:
        """One of its resources. Raises `ServerError` where it does not come within `seconds`."""

        async def ask(client: Client) -> mt.ReadResourceResult:
            async with asyncio.timeout(seconds):
                return await client.read_resource_mcp(uri)

        return await self._request(ask, seconds)

    async def aclose(self) -> None:
        """Stop it; the next use starts it again."""
        opening, self._opening = self._opening, None
        if opening is None:
            return
        opening.cancel()
        await asyncio.wait({opening})
        if not opening.cancelled() and not opening.exception():
            with suppress(*FAILURES):
                await opening.result().close()

    async def _request(self, ask: Callable[[Client], Awaitable[T]], seconds: float) -> T:
        """The answer to one request; a broken connection is closed, and the next one opens anew."""
        client = await self._connect()
        opening, transport = self._opening, self._transport
        try:
            # The SDK's own limit comes first and tells the server to stop.
            async with asyncio.timeout(seconds + SLACK):
                return await ask(client)
        except FAILURES as error:
            if _broken(client, transport, error):
                # Another call may have opened it anew already.
                if self._opening is opening:
                    await self.aclose()
                reason = _without_secrets(error)
                if isinstance(transport, StdioProcess):
                    reason = transport.end_reason()
                message = f"{self.name} is gone: {reason}. It is started again at its next use."
            elif isinstance(error, TimeoutError) or _timed_out(error):
                message = f"{self.name} did not answer within {duration(seconds)}."
            else:
                message = f"{self.name} answered: {clean(error)}"
            raise ServerError(message) from None

    async def _connect(self) -> Client:
        if self.config.problem:
            raise ServerError(f"{self.name} cannot be used: {self.config.problem}.")
        if self._opening is None:
            # Of no call: it outlives the one that needs it first.
            self._opening = asyncio.create_task(self._open(), context=contextvars.Context())
        opening = self._opening
        try:
            return await asyncio.shield(opening)
        except ServerError:
            if self._opening is opening:
                self._opening = None
            raise

    async def _open(self) -> Client:
        transport = self._in_process or _transport(self.config, self._timing)
        self._transport = transport
        client = LenientClient(
            transport,
            init_timeout=self._timing.server_start,
            client_info=mt.Implementation(name=NAME, version=__version__),
            log_handler=_ignore,
        )
        begun = time.monotonic()
        try:
            # The client's own limit is gentler, and does not hold for a connection that hangs.
            async with asyncio.timeout(self._timing.server_start + SLACK):
                await client.__aenter__()
        except FAILURES as error:
            with suppress(*FAILURES):
                await client.close()
            limit = self._timing.server_start
            late = f"it said nothing within {duration(limit)}"
            reason = _reason(transport, error, late if time.monotonic() - begun >= limit else "")
            raise ServerError(f"{self.name} did not start: {reason}.") from None
        # However it was started, and wherever it runs.
        if client.server_info and client.server_info.name == NAME:
            await client.close()
            raise ServerError(f"{self.name} cannot be used: {ITSELF}.")
        return client


def _transport(config: ServerConfig, timing: Timing) -> ClientTransport:
    if config.command:
        marker = {variable("inside_agent"): "1"}
        env = {**config.env, **marker}
        return StdioProcess(config.command, config.args, env, config.cwd, timing)
    kind = SSETransport if config.sse else StreamableHttpTransport
    return kind(config.url, headers=dict(config.headers))


async def _every_tool(client: Client) -> list[mt.Tool]:
    """The tools on all pages, each name once; a page that brings nothing new is the last."""
    found: dict[str, mt.Tool] = {}
    cursor = None
    for _ in range(MOST_PAGES):
        page = await client.list_tools_mcp(cursor=cursor)
        new = {tool.name: tool for tool in page.tools if tool.name not in found}
        found |= new
        cursor = page.next_cursor
        if not cursor or (page.tools and not new) or len(found) >= MOST_TOOLS:
            break
    return [*found.values()][:MOST_TOOLS]


async def _result_of_task(
    client: Client, tool: str, arguments: dict[str, Any], seconds: float
) -> mt.CallToolResult:
    """Begin a task and wait for its result."""
    ttl = int(seconds * 1000)
    params = mt.CallToolRequestParams(name=tool, arguments=arguments, task=mt.TaskMetadata(ttl=ttl))
    try:
        begun = await client.session.send_request(
            mt.CallToolRequest(params=params), mt.CreateTaskResult
        )
    except ValidationError as error:
        # The SDK expects the result of an ordinary call here, and shows what came instead.
        begun = mt.CreateTaskResult.model_validate(error.errors()[0]["input"])
    wanted = mt.GetTaskPayloadRequestParams(task_id=begun.task.task_id)
    return await client.session.send_request(
        mt.GetTaskPayloadRequest(params=wanted), mt.CallToolResult, seconds
    )


def _reason(transport: ClientTransport, error: BaseException, late: str) -> str:
    """Why a server did not start; `late` says that it took too long, if it did."""
    if isinstance(transport, StdioProcess) and transport.ended:
        return transport.end_reason()
    if late:
        return late
    while error.__cause__:
        error = error.__cause__
    return _without_secrets(error) or type(error).__name__


def _without_secrets(error: BaseException) -> str:
    """What went wrong with a connection, without the secrets that addresses may hold."""
    return clean(ADDRESS.sub(r"\1\2", str(error)))


def _broken(client: Client, transport: ClientTransport | None, error: BaseException) -> bool:
    """Whether the connection has to be opened anew."""
    if not client.is_connected():
        return True
    code = error.error.code if isinstance(error, MCPError) else 0
    if isinstance(transport, StdioProcess):
        return transport.ended or code == mt.CONNECTION_CLOSED
    # A server that was restarted knows the session no more, and says so in many ways.
    return code not in REQUEST_ERRORS


def _timed_out(error: BaseException) -> bool:
    return isinstance(error, MCPError) and error.error.code == mt.REQUEST_TIMEOUT


async def _ignore(_message: LogMessage) -> None:
    """What a server logs is for the people who run it."""


class McpServers:
    """All servers of the configuration, which is read again for each run."""

    def __init__(self, settings: Settings, timing: Timing = Timing()) -> None:
        self._settings = settings
        self._timing = timing
        self._servers: dict[str, McpServer] = {}

    async def named(self, names: Sequence[str]) -> list[McpServer]:
        """These servers, or all; nothing is started yet.

        Raises `INVALID_INPUT` for a name, or a configuration, that cannot be used.
        """
        path, environment = self._settings.mcp_config, settings.environment()
        configured = await asyncio.to_thread(mcp_config.read, path, environment)
        for name in names:
            if name not in configured:
                raise _unknown(name, list(configured))
        return [await self._server(configured[name]) for name in dict.fromkeys(names or configured)]

    async def aclose(self) -> None:
        """Stop every server."""
        servers, self._servers = list(self._servers.values()), {}
        await asyncio.gather(*(server.aclose() for server in servers))

    async def _server(self, config: ServerConfig) -> McpServer:
        """The warm server, unless its configuration has changed."""
        known = self._servers.get(config.name)
        if known is not None and known.config == config:
            return known
        if known is not None:
            await known.aclose()
        server = self._servers[config.name] = McpServer(config, self._timing)
        return server


def _unknown(name: str, configured: list[str]) -> OpenRouterError:
    near = nearest(name, configured)
    return OpenRouterError(
        Code.INVALID_INPUT,
        f"No server {name[:60]!r} is configured in {variable('mcp_config')}. There are: "
        f"{', '.join(configured)}.",
        suggestions=near,
    )
