"""The tools that one run may use, of whichever servers: chosen, withheld, called."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import mcp.types as mt
from pydantic_core import from_json

from openrouter_mcp import credentials
from openrouter_mcp.agent.function_tools import FunctionTool, convert
from openrouter_mcp.files import secrets
from openrouter_mcp.files.kinds import media_type
from openrouter_mcp.mcp_client.servers import McpServer, ServerError
from openrouter_mcp.progress import Report
from openrouter_mcp.results import UNKNOWN_TYPE
from openrouter_mcp.settings import variable
from openrouter_mcp.text import clean, did_you_mean, nearest, parse_json, storable

IMAGES = {"image/png", "image/jpeg", "image/webp", "image/gif"}
SOUNDS = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/ogg": "ogg",
    "audio/flac": "flac",
    "audio/aac": "aac",
    "audio/mp4": "m4a",
}
LARGEST_MEDIA = 8 * 1024 * 1024
"""Base64 characters of one image or sound that is passed on."""
READ_RESULT = "read_result"
READ_RESULT_DEFINITION = {
    "type": "function",
    "function": {
        "name": READ_RESULT,
        "description": "Read on in a tool result that was cut.",
        "parameters": {
            "type": "object",
            "properties": {
                "result": {"type": "string", "description": "Its id, as in the cut result."},
                "offset": {"type": "integer", "description": "Character to begin at."},
            },
            "required": ["result", "offset"],
        },
    },
}
LONGEST_STORED = 4_000_000
"""Characters of one result; what comes after them is lost."""
DIGEST = 8
READ_RESOURCE = "read_resource"
READ_RESOURCE_DEFINITION = {
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
ALLOW = variable("agent_allow")
NEAREST = 3
SHOWN_NAMES = 12
MOST_TOOLS = 128
"""Functions that some providers take in one request."""


@dataclass(frozen=True)
class Outcome:
    """How one tool call ended."""

    text: str
    parts: tuple[Mapping[str, Any], ...] = ()
    """Images and sounds as content parts of a message."""
    failed: bool = False
    resources: tuple[str, ...] = ()
    """URIs that it names."""

    def summary(self) -> str:
        """A few words for the trace."""
        if self.failed:
            return f"error: {clean(self.text, 120)}"
        media = f" and {len(self.parts)} media" if self.parts else ""
        return f"{len(self.text):,} characters{media}"


def outcome_of_call(result: mt.CallToolResult, modalities: Collection[str]) -> Outcome:
    """The result as text, with the media that the model takes as content parts.

    `modalities` are the model's input modalities, in OpenRouter's words. Media that it does not
    take are described in the text.
    """
    found = _outcome_of(result.content, modalities)
    texts, structured = [found.text] if found.text else [], result.structured_content
    if structured is not None and not any(
        _repeats(said, structured) for said in _text_blocks(result)
    ):
        texts.append(json.dumps(structured, ensure_ascii=False))
    text = "\n".join(texts) or "(no content)"
    return replace(found, text=text, failed=bool(result.is_error))


def outcome_of_resource(result: mt.ReadResourceResult, modalities: Collection[str]) -> Outcome:
    """The contents of a resource, in the same way."""
    blocks = [mt.EmbeddedResource(type="resource", resource=each) for each in result.contents]
    found = _outcome_of(blocks, modalities)
    return replace(found, text=found.text or "(no content)")


def _outcome_of(content: Sequence[mt.ContentBlock], modalities: Collection[str]) -> Outcome:
    texts: list[str] = []
    parts: list[Mapping[str, Any]] = []
    for block in content:
        text, part = _text_and_part(block, modalities)
        if text:
            texts.append(text)
        if part:
            parts.append(part)
    named = (_uri(block) for block in content)
    return Outcome("\n".join(texts), tuple(parts), resources=tuple(uri for uri in named if uri))


def _uri(block: mt.ContentBlock) -> str:
    match block:
        case mt.ResourceLink():
            return str(block.uri)
        case mt.EmbeddedResource():
            return str(block.resource.uri)
    return ""


def _text_blocks(result: mt.CallToolResult) -> list[str]:
    return [block.text for block in result.content if isinstance(block, mt.TextContent)]


def _repeats(text: str, structured: Any) -> bool:
    """Whether the text only repeats the structured content, perhaps the value of its one field."""
    try:
        value = parse_json(text)
    except ValueError:
        value = text
    if isinstance(structured, dict) and len(structured) == 1:
        (only,) = structured.values()
        return value in (structured, only) or text == only
    return value == structured


def _text_and_part(
    block: mt.ContentBlock, modalities: Collection[str]
) -> tuple[str, Mapping[str, Any] | None]:
    match block:
        case mt.TextContent():
            return block.text, None
        case mt.ImageContent() | mt.AudioContent():
            return _media("", block.mime_type, block.data, modalities)
        case mt.ResourceLink():
            about = [block.name, block.mime_type, f"{block.size:,} bytes" if block.size else ""]
            said = ", ".join(part for part in [*about, block.description] if part)
            return f"[link to the resource {block.uri}: {said}]", None
        case mt.EmbeddedResource(resource=mt.TextResourceContents() as resource):
            return f"[resource {resource.uri}]\n{resource.text}", None
        case mt.EmbeddedResource(resource=mt.BlobResourceContents() as resource):
            return _media(str(resource.uri), resource.mime_type or "", resource.blob, modalities)
    return f"[content of an unknown kind: {clean(block)}]", None


def _media(
    uri: str, kind: str, data: str, modalities: Collection[str]
) -> tuple[str, Mapping[str, Any] | None]:
    """Text as such, media as a content part if the model takes them; else a description.

    Where no `kind` is told, the bytes tell it.
    """
    resource = f"resource {uri}" if uri else ""
    try:
        content = base64.b64decode(data)
    except binascii.Error:
        return f"[{kind or UNKNOWN_TYPE} {resource}: its base64 is broken]", None
    if not kind:
        known = media_type(content)
        kind = known.mime if known else UNKNOWN_TYPE
    if kind.startswith("text/"):
        return f"[{resource}]\n{content.decode('utf-8', 'replace')}", None
    name = f"[{kind}, {len(content):,} bytes{', ' + resource if uri else ''}"
    data = base64.b64encode(content).decode()
    if len(data) > LARGEST_MEDIA:
        return f"{name}: too large to pass on]", None
    if kind in IMAGES and "image" in modalities:
        part = {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}}
        return f"{name}: shown below the results]", part
    if kind in SOUNDS and "audio" in modalities:
        part = {"type": "input_audio", "input_audio": {"data": data, "format": SOUNDS[kind]}}
        return f"{name}: given below the results]", part
    return f"{name}: this model cannot take it]", None


class ResultPages:
    """The results of one run that were too long to be shown whole."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def shown(self, text: str, room: int) -> str:
        """The text, or its first `room` characters and how to read on."""
        if len(text) <= room:
            return text
        # Not a number: a conversation goes on in another run, whose results are others.
        digest = hashlib.sha256(storable(text).encode()).hexdigest()[:DIGEST]
        result = f"result-{digest}"
        self._texts[result] = text[:LONGEST_STORED]
        return self._page(result, 0, room, len(text))

    def read(self, arguments: str, room: int) -> Outcome:
        """What the model asked for with `READ_RESULT`."""
        try:
            given = from_json(arguments)
            result, offset = str(given["result"]), int(given.get("offset", 0))
        except (ValueError, TypeError, KeyError, AttributeError):
            return Outcome("Give result (an id) and offset (a number).", failed=True)
        text = self._texts.get(result)
        if text is None:
            known = ", ".join(self._texts) or "none"
            said = f"There is no cut result {result[:80]!r} in this run. There are: {known}."
            return Outcome(f"{said} For an earlier one, call its tool again.", failed=True)
        if not 0 <= offset < len(text):
            return Outcome(f"{result} has {len(text):,} characters.", failed=True)
        return Outcome(self._page(result, offset, room - 200, len(text)))

    def _page(self, result: str, offset: int, room: int, size: int) -> str:
        text = self._texts[result]
        page = text[offset : offset + room]
        end = offset + len(page)
        if end >= len(text):
            lost = " The rest was too long to keep." if size > len(text) else ""
            return page + lost
        return (
            f"{page}\n[Cut: characters {offset:,} to {end:,} of {size:,}. To read on, call "
            f'{READ_RESULT} with result="{result}", offset={end}.]'
        )


class ResourceLinks:
    """The resources that the results of one run have named."""

    def __init__(self) -> None:
        self._servers: dict[str, McpServer] = {}

    def remember(self, server: McpServer, outcome: Outcome) -> None:
        """Let the model read the resources that a result of this server names.

        One that another server has named before stays that server's.
        """
        for uri in outcome.resources:
            if len(self._servers) < MOST_LINKS:
                self._servers.setdefault(uri, server)

    async def read(self, arguments: str, seconds: float, modalities: Collection[str]) -> Outcome:
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
        outcome = await asyncio.to_thread(outcome_of_resource, result, modalities)
        self.remember(server, outcome)
        return outcome


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
    own_keys: Sequence[str] = ()
    """The secrets of this server, which go to no other and come from none."""
    shows_secrets: bool = False
    """Whether the user allows results that hold secrets."""
    links: ResourceLinks = field(default_factory=ResourceLinks)

    @property
    def definitions(self) -> list[dict[str, Any]]:
        """The `tools` of every request: those of the servers, and ours to read on in results."""
        own = [READ_RESULT_DEFINITION]
        if any(server.has_resources for server in self.servers.values()):
            own.append(READ_RESOURCE_DEFINITION)
        return [*(tool.definition for tool in self.offered.values()), *own]

    @property
    def manual(self) -> str:
        """What the system message says of the tools; empty where the definitions say it all."""
        manuals = [tool.manual for tool in self.offered.values() if tool.manual]
        return "\n\n".join([*self.absent, *manuals])

    def with_allowed(self, names: Collection[str]) -> Toolbox:
        """The toolbox with some of the withheld tools, which the user has agreed to."""
        agreed = {name: tool for name, tool in self.withheld.items() if name in names}
        withheld = {name: tool for name, tool in self.withheld.items() if name not in names}
        return replace(self, offered=self.offered | agreed, withheld=withheld)

    def resolve(self, name: str) -> str:
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
        name = self.resolve(name)
        return name not in self.offered or self.offered[name].read_only

    def notes(self) -> list[str]:
        """What the user should know: servers that are missing, tools that were held back."""
        notes = [*self.absent, *self.unmatched]
        for name, server in self.servers.items():
            if server.stray_lines:
                notes.append(
                    f"{name} printed {server.stray_lines:,} lines on stdout that are no MCP "
                    "messages; they were ignored."
                )
        if len(self.offered) > MOST_TOOLS:
            notes.append(
                f"The model was given {len(self.offered)} tools, and some providers take "
                f"{MOST_TOOLS} at most. Name fewer servers, or narrow them with tools."
            )
        if self.withheld:
            names, count = list(self.withheld), len(self.withheld)
            listed = f"{count} tool{'s' if count > 1 else ''}"
            # Where the tools are few, the setting to copy names each of them.
            if count > SHOWN_NAMES:
                listed = f"{', '.join(names[:SHOWN_NAMES])} and {count - SHOWN_NAMES} more"
            notes.append(
                f"Withheld, as it may change something: {listed}. To allow that, set "
                f"{ALLOW}={','.join(self._globs())} and restart this server."
            )
        return notes

    async def call(
        self, name: str, arguments: str, seconds: float, modalities: Collection[str]
    ) -> Outcome:
        """Run one call as the model wrote it; whatever is wrong comes back as a failed outcome.

        Our own keys go to no other server, and come from none; a result with what surely is a
        secret is kept back like such a file.
        """
        if credentials.held_in(arguments, self.own_keys):
            said = f"{name[:80]} was not run: its arguments hold a key of this server."
            return Outcome(said, failed=True)
        outcome = await self._call(name, arguments, seconds, modalities)
        text = credentials.hidden(outcome.text, self.own_keys)
        if not self.shows_secrets and (kind := await asyncio.to_thread(secrets.found_in, text)):
            said = f"The result of {name[:80]} holds {kind} and is kept back. Do without it."
            return Outcome(said, failed=True)
        return replace(outcome, text=text)

    async def _call(
        self, name: str, arguments: str, seconds: float, modalities: Collection[str]
    ) -> Outcome:
        if name == READ_RESOURCE:
            try:
                return await self.links.read(arguments, seconds, modalities)
            except ServerError as error:
                return Outcome(str(error), failed=True)
        name = self.resolve(name)
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
        found = await asyncio.to_thread(outcome_of_call, result, modalities)
        self.links.remember(server, found)
        return found

    def _unknown(self, name: str) -> str:
        if name in self.withheld:
            return f"{name} is withheld from you by the user's settings. Do without it."
        near = nearest(name, self.offered, most=NEAREST, likeness=0.4)
        hint = did_you_mean(near, "Use the tools that are listed.")
        return f"There is no tool {name[:80]!r}. {hint}"

    def _globs(self) -> list[str]:
        """The shortest setting that allows what is withheld, beside what it allows already."""
        further = list(self.withheld)
        if len(further) > SHOWN_NAMES:
            further = sorted({f"{tool.server}__*" for tool in self.withheld.values()})
        return [*self.allowed, *further]


async def open_toolbox(
    servers: Sequence[McpServer],
    globs: Sequence[str],
    allow: Sequence[str],
    report: Report,
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
            near = ends or nearest(glob, every, most=NEAREST, likeness=0.4)
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
