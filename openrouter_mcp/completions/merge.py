"""What a stream says in pieces, put together: usage, reasoning, sources. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from openrouter_mcp.api import responses

Json = dict[str, Any]

TEXT_FIELDS = ("text", "summary")
"""Where the words of a reasoning detail are; they come in pieces."""
SEALED = "reasoning.encrypted"
"""Reasoning that only its provider can read: two of them are never one."""
MOST_SOURCES = 1000
WEB = re.compile(r"https?://\w", re.IGNORECASE)


def merged_usage(before: Mapping[str, Any], now: Mapping[str, Any]) -> Json:
    """Usage as both reports tell it. Counters and costs only grow while an answer comes.

    A later report may lack what an earlier one said, or hold zeros in its place.
    """
    merged = dict(before)
    for name, value in now.items():
        known = merged.get(name)
        if isinstance(value, Mapping) and isinstance(known, Mapping):
            merged[name] = merged_usage(known, value)
        elif isinstance(value, int | float) and isinstance(known, int | float):
            merged[name] = max(known, value)
        elif value is not None or name not in merged:
            merged[name] = value
    return merged


def content_text(content: object) -> str:
    """The text of a content field: null, a string, one part, or a list of parts."""
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, list):
        return content if isinstance(content, str) else ""
    return "".join(
        part if isinstance(part, str) else responses.text(part, "text")
        for part in content
        if not _is_thought(part)
    )


def reasoning_text(said: Mapping[str, Any]) -> str:
    """The reasoning in a delta or message, told once, wherever it stands."""
    for name in ("reasoning", "reasoning_content"):
        if text := content_text(said.get(name)):
            return text
    details = responses.mappings(said, "reasoning_details")
    if text := "".join(responses.text(each, name) for each in details for name in TEXT_FIELDS):
        return text
    thoughts = filter(_is_thought, responses.mappings(said, "content"))
    return "".join(content_text(part.get("thinking")) for part in thoughts)


def add_reasoning_details(details: list[Json], said: Iterable[Mapping[str, Any]]) -> None:
    """Add streamed reasoning details, which have to go back unmodified, to those before them.

    Pieces of one detail share its type, and its id and index where they have one. What is sealed
    or signed is complete: what follows it begins another.
    """
    for piece in said:
        if piece.get("type") == SEALED and piece in details:
            continue
        before = _continued(details, piece)
        if before is None:
            details.append(dict(piece))
            continue
        for name, value in piece.items():
            known = before.get(name)
            if name in (*TEXT_FIELDS, "data") and isinstance(known, str) and isinstance(value, str):
                before[name] = known + value
            elif value is not None or name not in before:
                before[name] = value


def add_once(sources: list[Json], found: Iterable[Mapping[str, Any]]) -> None:
    """Add annotations or citations, each once: some providers repeat all with every chunk."""
    for source in found:
        if source not in sources and len(sources) < MOST_SOURCES:
            sources.append(dict(source))


def cited(annotation: Mapping[str, Any]) -> Json:
    """The page that an annotation cites, nested or flat; empty if it cites none."""
    return _page(responses.mapping(annotation, "url_citation") or annotation)


def citations(said: Mapping[str, Any]) -> list[Json]:
    """The sources that stand outside of annotations, each as `url` and `title`."""
    listed = [said.get(name) for name in ("citations", "search_results")]
    items = [item for each in listed if isinstance(each, list) for item in each]
    pages = (_page({"url": item} if isinstance(item, str) else item) for item in items)
    return [page for page in pages if page]


def _page(source: object) -> Json:
    """A source as `url` and `title`; empty if its address is none of the web."""
    url = "%20".join(responses.text(source, "url").split())
    return {"url": url, "title": responses.text(source, "title")} if WEB.match(url) else {}


def _continued(details: list[Json], piece: Mapping[str, Any]) -> Json | None:
    """The detail that a piece goes on with; None if it begins one."""
    for before in reversed(details):
        if before.get("type") != piece.get("type"):
            continue
        ids, places = (before.get("id"), piece.get("id")), (before.get("index"), piece.get("index"))
        if None not in ids and ids[0] != ids[1]:
            continue
        if None not in places and places[0] != places[1]:
            continue
        same = (None not in ids) or (None not in places) or before is details[-1]
        return before if same and not _is_whole(before, piece, ids) else None
    return None


def _is_whole(before: Mapping[str, Any], piece: Mapping[str, Any], ids: tuple[Any, Any]) -> bool:
    """Whether nothing can be missing from a detail that a piece could belong to."""
    if before.get("type") == SEALED:
        return bool(before.get("data") and piece.get("data")) and None in ids
    return bool(before.get("signature")) and any(piece.get(name) for name in TEXT_FIELDS)


def _is_thought(part: object) -> bool:
    return responses.text(part, "type") in {"thinking", "reasoning"}
