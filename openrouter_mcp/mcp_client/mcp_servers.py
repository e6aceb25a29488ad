"""The user's other MCP servers, as their configuration names them."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from openrouter_mcp import settings
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.mcp_client import config as mcp_config
from openrouter_mcp.mcp_client.config import ServerConfig
from openrouter_mcp.settings import Settings, variable

if TYPE_CHECKING:
    from openrouter_mcp.mcp_client.servers import McpServer


class McpServers:
    """All servers of the configuration, which is read again for each run."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
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
        # FastMCP's client takes a while to load: not on the way to the handshake.
        from openrouter_mcp.mcp_client.servers import McpServer

        known = self._servers.get(config.name)
        if known is not None and known.config == config:
            return known
        if known is not None:
            await known.aclose()
        server = self._servers[config.name] = McpServer(config)
        return server


def _unknown(name: str, configured: list[str]) -> OpenRouterError:
    near = difflib.get_close_matches(name, configured, n=3, cutoff=0.5)
    return OpenRouterError(
        Code.INVALID_INPUT,
        f"No server {name[:60]!r} is configured in {variable('mcp_config')}. There are: "
        f"{', '.join(configured)}.",
        suggestions=near,
    )
