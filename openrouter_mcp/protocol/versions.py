"""What each version of the protocol knows: a reply to an older client holds nothing newer.

Sources: the schemas of the MCP specification, one for each version.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SINCE = {
    "annotations": "2025-03-26",
    "completions": "2025-03-26",
    "_meta": "2025-06-18",
    "outputSchema": "2025-06-18",
    "structuredContent": "2025-06-18",
    "title": "2025-06-18",
    "icons": "2025-11-25",
    "websiteUrl": "2025-11-25",
}
"""The first version that knows a field. A whole result could have `_meta` from the beginning."""
LINKS_SINCE = "2025-06-18"
NEWEST = max(SINCE.values())
NESTED = {
    "arguments",
    "capabilities",
    "content",
    "contents",
    "messages",
    "prompts",
    "resources",
    "resourceTemplates",
    "serverInfo",
    "tools",
}
"""Fields whose own fields the protocol names too."""


def legal(result: Mapping[str, Any], version: str) -> dict[str, Any]:
    """The result of a request without what `version` does not know; links become lines of text."""
    if version >= NEWEST:
        return dict(result)
    meta = {"_meta": result["_meta"]} if "_meta" in result else {}
    return {**_known(result, version), **meta}


def _known(value: Any, version: str) -> Any:
    if isinstance(value, list):
        return [_known(item, version) for item in value]
    if not isinstance(value, Mapping):
        return value
    if value.get("type") == "resource_link" and version < LINKS_SINCE:
        return {"type": "text", "text": _told(value)}
    return {
        name: _known(field, version) if name in NESTED else field
        for name, field in value.items()
        if SINCE.get(name, version) <= version
    }


def _told(link: Mapping[str, Any]) -> str:
    """A link in words: the path or address, and what is there."""
    from urllib.parse import unquote

    where = link["uri"]
    if where.startswith("file://"):
        where = unquote(where.removeprefix("file://"))
        has_drive = where[2:3] == ":"
        where = where[1:] if has_drive else where
    size = f"{link['size']:,} bytes" if "size" in link else ""
    about = ", ".join(filter(None, [link.get("mimeType"), size]))
    return f"{where} ({about})" if about else where
