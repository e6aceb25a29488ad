"""Resources that tool results name: a model may read those, each from the server that named it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import TYPE_CHECKING

from pydantic_core import from_json

from openrouter_mcp.agent.tool_results import Outcome, of_resource

if TYPE_CHECKING:
    from openrouter_mcp.mcp_client.servers import McpServer

READ_RESOURCE = "read_resource"
DEFINITION = {
    "type": "function",
    "function": {
        "name": READ_RESOURCE,
        "description": "Read a resource that a tool result has named, by its URI.",
        "parameters": {
            "type": "object",
            "properties": {"uri": {"type": "string"}},
            "required": ["uri"],
        },
    },
}
MOST_LINKS = 1000
"""Of one run; what comes after them cannot be read."""
SHOWN_LINKS = 5


class ResourceLinks:
    """The resources that the results of one run have named."""

    def __init__(self) -> None:
        self._servers: dict[str, McpServer] = {}

    def heed(self, server: McpServer, outcome: Outcome) -> None:
        """Let what this server's result names be read."""
        for uri in outcome.resources:
            if uri in self._servers or len(self._servers) < MOST_LINKS:
                self._servers[uri] = server

    async def read(self, arguments: str, seconds: float, senses: Collection[str]) -> Outcome:
        """What the model asked for with `READ_RESOURCE`. Raises what `McpServer.read` raises.

        Source: `resources/read`.
        """
        try:
            uri = str(from_json(arguments)["uri"])
        except (ValueError, TypeError, KeyError):
            return Outcome("Give uri, as a tool result has named it.", failed=True)
        server = self._servers.get(uri)
        if server is None:
            known = ", ".join([*self._servers][-SHOWN_LINKS:]) or "none"
            said = f"No result of this run has named {uri[:200]!r}. The last ones named: {known}."
            return Outcome(said, failed=True)
        result = await server.read(uri, seconds)
        outcome = await asyncio.to_thread(of_resource, result, senses)
        self.heed(server, outcome)
        return outcome
