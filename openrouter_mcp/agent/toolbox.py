"""The tools that one run may use, of whichever servers: chosen, withheld, called."""

from __future__ import annotations

import asyncio
import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from openrouter_mcp.agent import resource_links, result_pages
from openrouter_mcp.agent.function_tools import FunctionTool, convert
from openrouter_mcp.agent.resource_links import READ_RESOURCE, ResourceLinks
from openrouter_mcp.agent.tool_results import Outcome, outcome
from openrouter_mcp.api.retry import Report
from openrouter_mcp.mcp_client.servers import McpServer, ServerError
from openrouter_mcp.settings import variable

ALLOW = variable("agent_allow")
NEAREST = 3
SHOWN_NAMES = 12
MOST_TOOLS = 128
"""Functions that some providers take in one request."""


@dataclass(frozen=True)
class Toolbox:
    """Tools by the names under which the model calls them."""

    servers: dict[str, McpServer]
    offered: dict[str, FunctionTool]
    withheld: dict[str, FunctionTool]
    """Those that may change something and that the user has not allowed."""
    absent: tuple[str, ...]
    """A sentence for each server that does not work."""
    allowed: tuple[str, ...] = ()
    """What the setting allows already, as globs."""
    unmatched: tuple[str, ...] = ()
    """A sentence for each glob of the caller that means no tool."""
    links: ResourceLinks = field(default_factory=ResourceLinks)

    @property
    def definitions(self) -> list[dict[str, Any]]:
        """The `tools` of every request: those of the servers, and ours to read on in results."""
        own = [result_pages.DEFINITION]
        if any(server.has_resources for server in self.servers.values()):
            own.append(resource_links.DEFINITION)
        return [*(tool.definition for tool in self.offered.values()), *own]

    @property
    def manual(self) -> str:
        """What the system message says of the tools; empty where the definitions say it all."""
        manuals = [tool.manual for tool in self.offered.values() if tool.manual]
        return "\n\n".join([*self.absent, *manuals])

    def with_allowed(self, names: Collection[str]) -> Toolbox:
        """The toolbox with some of the withheld tools, which the user has agreed to."""
        agreed = {name: tool for name, tool in self.withheld.items() if name in names}
        kept = {name: tool for name, tool in self.withheld.items() if name not in names}
        return replace(self, offered=self.offered | agreed, withheld=kept)

    def known(self, name: str) -> str:
        """The tool that a model means: it may leave out the server, or write the name its own way.

        What could mean several tools, or none, comes back as it is.
        """
        every = self.offered | self.withheld
        if name in every:
            return name
        said = _plain(name.removeprefix("functions."))
        meant = {
            tool.name for tool in every.values() if said in map(_plain, (tool.name, tool.tool))
        }
        return meant.pop() if len(meant) == 1 else name

    def is_read_only(self, name: str) -> bool:
        """Whether calls of this tool may run beside others; an unknown one does nothing."""
        name = self.known(name)
        return name not in self.offered or self.offered[name].read_only

    def notes(self) -> list[str]:
        """What the user should know: servers that are missing, tools that were held back."""
        notes = [*self.absent, *self.unmatched]
        for name, server in self.servers.items():
            if server.strayed:
                notes.append(
                    f"{name} printed {server.strayed:,} lines on stdout that are no MCP messages; "
                    "they were ignored."
                )
        if len(self.offered) > MOST_TOOLS:
            notes.append(
                f"The model was given {len(self.offered)} tools, and some providers take "
                f"{MOST_TOOLS} at most. Name fewer servers, or narrow them with tools."
            )
        if self.withheld:
            names, count = list(self.withheld), len(self.withheld)
            listed = f"{count} tool{'s' if count > 1 else ''}"
            # The setting itself names the few.
            if count > SHOWN_NAMES:
                listed = f"{', '.join(names[:SHOWN_NAMES])} and {count - SHOWN_NAMES} more"
            notes.append(
                f"Withheld, as it may change something: {listed}. To allow that, set "
                f"{ALLOW}={','.join(self._globs())} and restart this server."
            )
        return notes

    async def call(
        self, name: str, arguments: str, seconds: float, senses: Collection[str]
    ) -> Outcome:
        """Run one call as the model wrote it; whatever is wrong comes back as a failed outcome."""
        if name == READ_RESOURCE:
            try:
                return await self.links.read(arguments, seconds, senses)
            except ServerError as error:
                return Outcome(str(error), failed=True)
        name = self.known(name)
        tool = self.offered.get(name)
        if tool is None:
            return Outcome(self._unknown(name), failed=True)
        try:
            # In a thread: the schema is the server's, the arguments are the model's, of any size.
            given = await asyncio.to_thread(tool.arguments, arguments)
        except ValueError as error:
            said = f"{name} was not run: {error}. Correct the arguments and call it again."
            return Outcome(said, failed=True)
        server = self.servers[tool.server]
        try:
            result = await server.call(tool.tool, given, seconds, as_task=tool.as_task)
        except ServerError as error:
            return Outcome(str(error), failed=True)
        told = await asyncio.to_thread(outcome, result, senses)
        self.links.heed(server, told)
        return told

    def _unknown(self, name: str) -> str:
        if name in self.withheld:
            return f"{name} is withheld from you by the user's settings. Do without it."
        near = difflib.get_close_matches(name, self.offered, n=NEAREST, cutoff=0.4)
        hint = f"Did you mean {' or '.join(near)}?" if near else "Use the tools that are listed."
        return f"There is no tool {name[:80]!r}. {hint}"

    def _globs(self) -> list[str]:
        """The shortest setting that allows what is withheld, beside what it allows already."""
        further = list(self.withheld)
        if len(further) > SHOWN_NAMES:
            further = sorted({f"{tool.server}__*" for tool in self.withheld.values()})
        return [*self.allowed, *further]


async def opened(
    servers: Sequence[McpServer], globs: Sequence[str], allow: Sequence[str], report: Report
) -> Toolbox:
    """The tools of these servers, all started at once; with `globs`, only those that match.

    Offered is what declares itself read-only, and what `allow` names.
    """
    await report(f"starting {', '.join(server.name for server in servers)}")
    replies = await asyncio.gather(*(_listed(server) for server in servers))
    every: dict[str, FunctionTool] = {}
    for server, reply in zip(servers, replies, strict=True):
        if isinstance(reply, ServerError):
            continue
        for tool in await asyncio.to_thread(convert, server.name, reply, [*every]):
            every[tool.name] = tool
    offered: dict[str, FunctionTool] = {}
    withheld: dict[str, FunctionTool] = {}
    for name, tool in every.items():
        if not globs or tool.matches(globs):
            free = tool.read_only or tool.matches(allow)
            (offered if free else withheld)[name] = tool
    return Toolbox(
        {server.name: server for server in servers},
        offered,
        withheld,
        absent=tuple(str(reply) for reply in replies if isinstance(reply, ServerError)),
        allowed=tuple(allow),
        unmatched=tuple(_unmatched(globs, every)),
    )


def _unmatched(globs: Sequence[str], every: Mapping[str, FunctionTool]) -> Iterator[str]:
    """What the caller should know of globs that mean no tool."""
    for glob in globs:
        if not any(tool.matches([glob]) for tool in every.values()):
            ends = [name for name, tool in every.items() if tool.tool == glob]
            near = ends or difflib.get_close_matches(glob, every, n=NEAREST, cutoff=0.4)
            there = ", ".join(near or [*every][:SHOWN_NAMES]) or "none"
            what = "Nearest" if near else "There are"
            yield f"tools: {glob[:80]!r} means no tool of these servers. {what}: {there}."


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_")


async def _listed(server: McpServer) -> list | ServerError:
    try:
        return await server.tools()
    except ServerError as error:
        return error
