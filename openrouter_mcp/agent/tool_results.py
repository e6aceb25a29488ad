"""What an MCP tool gave, as what a model can be told and shown. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import mcp.types as mt

from openrouter_mcp.errors import clean

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


def outcome(result: mt.CallToolResult, senses: Collection[str]) -> Outcome:
    """The result in words, with the media for which the model has one of the `senses`.

    `senses` are OpenRouter's input modalities. What cannot be passed on is described.
    """
    told = _told(result.content, senses)
    texts, structured = [told.text] if told.text else [], result.structured_content
    if structured is not None and not any(_says(said, structured) for said in _texts(result)):
        texts.append(json.dumps(structured, ensure_ascii=False))
    text = "\n".join(texts) or "(no content)"
    return replace(told, text=text, failed=bool(result.is_error))


def of_resource(result: mt.ReadResourceResult, senses: Collection[str]) -> Outcome:
    """What a resource holds, in the same way."""
    blocks = [mt.EmbeddedResource(type="resource", resource=each) for each in result.contents]
    told = _told(blocks, senses)
    return replace(told, text=told.text or "(no content)")


def _told(content: Sequence[mt.ContentBlock], senses: Collection[str]) -> Outcome:
    texts: list[str] = []
    parts: list[Mapping[str, Any]] = []
    for block in content:
        text, part = _converted(block, senses)
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


def _texts(result: mt.CallToolResult) -> list[str]:
    return [block.text for block in result.content if isinstance(block, mt.TextContent)]


def _says(text: str, structured: Any) -> bool:
    """Whether the text is the structured content once more, perhaps without its one name."""
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if isinstance(structured, dict) and len(structured) == 1:
        (only,) = structured.values()
        return value in (structured, only) or text == only
    return value == structured


def _converted(
    block: mt.ContentBlock, senses: Collection[str]
) -> tuple[str, Mapping[str, Any] | None]:
    match block:
        case mt.TextContent():
            return block.text, None
        case mt.ImageContent() | mt.AudioContent():
            return _media("", block.mime_type, block.data, senses)
        case mt.ResourceLink():
            about = [block.name, block.mime_type, f"{block.size:,} bytes" if block.size else ""]
            said = ", ".join(part for part in [*about, block.description] if part)
            return f"[link to the resource {block.uri}: {said}]", None
        case mt.EmbeddedResource(resource=mt.TextResourceContents() as resource):
            return f"[resource {resource.uri}]\n{resource.text}", None
        case mt.EmbeddedResource(resource=mt.BlobResourceContents() as resource):
            kind = resource.mime_type or "application/octet-stream"
            return _media(str(resource.uri), kind, resource.blob, senses)
    return f"[content of an unknown kind: {clean(block)}]", None


def _media(
    uri: str, kind: str, data: str, senses: Collection[str]
) -> tuple[str, Mapping[str, Any] | None]:
    """Text as such, media for a model that has the sense for it; a description of all else."""
    resource = f"resource {uri}" if uri else ""
    try:
        content = base64.b64decode(data)
    except binascii.Error:
        return f"[{kind} {resource}: its base64 is broken]", None
    if kind.startswith("text/"):
        return f"[{resource}]\n{content.decode('utf-8', 'replace')}", None
    name = f"[{kind}, {len(content):,} bytes{', ' + resource if uri else ''}"
    data = base64.b64encode(content).decode()
    if len(data) > LARGEST_MEDIA:
        return f"{name}: too large to pass on]", None
    if kind in IMAGES and "image" in senses:
        part = {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}}
        return f"{name}: shown below the results]", part
    if kind in SOUNDS and "audio" in senses:
        part = {"type": "input_audio", "input_audio": {"data": data, "format": SOUNDS[kind]}}
        return f"{name}: given below the results]", part
    return f"{name}: this model cannot take it]", None
