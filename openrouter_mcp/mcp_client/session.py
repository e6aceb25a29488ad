"""MCP results of other servers, read leniently: what can be used is, whatever stands beside it.

The SDK validates a result as a whole, so that one odd field would lose every tool of a server, or
all that a call has given. Its dispatcher hands over results as they came: here they are rebuilt of
the fields that this server reads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastmcp import Client
from fastmcp.client.transports.base import TransportOptions
from mcp import ClientSession
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.types import CallToolResult

Json = dict[str, Any]

HINTS = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")
ABOUT_RESULTS = {"_meta", "content", "isError", "resultType", "structuredContent"}
MEDIA = {"image", "audio"}


class LenientClient(Client):
    """FastMCP's client with a `LenientSession`, whatever the transport."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._transport_options = TransportOptions(session_class=LenientSession)


class LenientSession(ClientSession):
    """A session whose results are mended before the SDK validates them."""

    def __init__(self, read_stream: Any, write_stream: Any, **options: Any) -> None:
        super().__init__(dispatcher=_Mending(read_stream, write_stream), **options)

    async def validate_tool_result(self, name: str, result: CallToolResult) -> None:
        """Take results that do not fit the tool's output schema: a model reads them."""


class _Mending(JSONRPCDispatcher):
    async def send_raw_request(self, method: str, *arguments: Any, **options: Any) -> Json:
        return mended(method, await super().send_raw_request(method, *arguments, **options))


def mended(method: str, result: Json) -> Json:
    """The result of a request as the specification has it, with all that can be used of it."""
    match method:
        case "tools/list":
            tools = [made for tool in _items(result.get("tools")) if (made := _tool(tool))]
            return {**_without_odd_cursor(result), "tools": tools}
        # A task, or a question to the user, is no result yet.
        case "tools/call" if "task" not in result and not _is_question(result):
            return _call_result(result)
        case "resources/read" if not _is_question(result):
            contents = [_resource(each) for each in _items(result.get("contents"))]
            return {**result, "contents": contents}
    return result


def _is_question(result: Json) -> bool:
    return result.get("resultType") not in (None, "complete")


def _without_odd_cursor(result: Json) -> Json:
    cursor = result.get("nextCursor")
    if isinstance(cursor, str) and cursor:
        return result
    return {name: value for name, value in result.items() if name != "nextCursor"}


def _items(value: object) -> list[Any]:
    """The items of a list that may be null, hold null, or be a single item."""
    return [item for item in (value if isinstance(value, list) else [value]) if item is not None]


def _text(fields: Mapping[str, Any], *names: str) -> Json:
    """Those of the fields that are text."""
    return {name: fields[name] for name in names if isinstance(fields.get(name), str)}


def _tool(tool: object) -> Json | None:
    """A tool, of what is well formed in it; None for one that nobody could call."""
    if not isinstance(tool, dict) or not _text(tool, "name").get("name"):
        return None
    schema = _schema(tool.get("inputSchema"))
    if schema is None:
        return None
    hints, execution = tool.get("annotations"), tool.get("execution")
    hints = hints if isinstance(hints, dict) else {}
    flags = {name: hints[name] for name in HINTS if isinstance(hints.get(name), bool)}
    made = {**_text(tool, "name", "title", "description"), "inputSchema": schema}
    made["annotations"] = {**_text(hints, "title"), **flags}
    if isinstance(execution, dict) and execution.get("taskSupport") == "required":
        made["execution"] = {"taskSupport": "required"}
    return made


def _schema(schema: object) -> Json | None:
    """A schema of arguments, which are an object; None for what is no such schema."""
    if schema is None:
        return {"type": "object"}
    if not isinstance(schema, dict):
        return None
    kind = schema.get("type")
    if kind is not None and kind != "object" and "object" not in (_items(kind)):
        return None
    made = {name: value for name, value in schema.items() if value is not None}
    properties, required = made.get("properties", {}), made.get("required", [])
    if not isinstance(properties, dict):
        return None
    if "properties" in made:
        made["properties"] = {
            name: value if isinstance(value, dict | bool) else {}
            for name, value in properties.items()
        }
    if "required" in made:
        made["required"] = [name for name in _items(required) if isinstance(name, str)]
    if not isinstance(made.get("$schema", ""), str):
        del made["$schema"]
    return {**made, "type": "object"}


def _call_result(result: Json) -> Json:
    """The result of a call; what stands in none of its fields is content too."""
    blocks = [_block(item) for item in _items(result.get("content"))]
    structured = result.get("structuredContent")
    made: Json = {name: result[name] for name in ("_meta", "resultType") if name in result}
    if isinstance(structured, dict):
        made["structuredContent"] = structured
    elif structured is not None:
        blocks.append(_said(structured))
    rest = {name: value for name, value in result.items() if name not in ABOUT_RESULTS}
    if rest and not blocks and structured is None:
        blocks.append(_said(rest))
    failed = str(result.get("isError")).casefold() in {"true", "1"}
    return {**made, "content": blocks, "isError": failed}


def _block(block: object) -> Json:
    """One block of content; as text where it is none that is known."""
    if not isinstance(block, dict):
        return _said(block)
    kind, texts = block.get("type"), _text(block, "text", "data", "mimeType", "uri", "name")
    if kind in MEDIA and "data" in texts:
        return {"type": kind, "data": texts["data"], "mimeType": texts.get("mimeType", "")}
    if kind == "resource" and block.get("resource") is not None:
        return {"type": kind, "resource": _resource(block["resource"])}
    if kind == "resource_link" and "uri" in texts:
        size = block.get("size")
        link = {"name": texts["uri"], **_text(block, "name", "uri", "description", "mimeType")}
        return {**link, "type": kind, **({"size": size} if type(size) is int else {})}
    if "text" in texts:
        return _said(texts["text"])
    return _said(
        {name: value for name, value in block.items() if (name, value) != ("type", "text")}
    )


def _resource(resource: object) -> Json:
    """The contents of a resource, as text or as base64."""
    if not isinstance(resource, dict):
        return {"uri": "", "text": _said(resource)["text"]}
    made = {"uri": "", **_text(resource, "uri", "mimeType")}
    if found := _text(resource, "text") or _text(resource, "blob"):
        return {**made, **found}
    rest = {name: value for name, value in resource.items() if name not in {*made, "_meta"}}
    return {**made, "text": _said(rest)["text"]}


def _said(value: object) -> Json:
    """A block of text: text as such, anything else as JSON; an object that says nothing as none."""
    if isinstance(value, Mapping):
        value = {name: inner for name, inner in value.items() if inner is not None} or ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return {"type": "text", "text": text}
