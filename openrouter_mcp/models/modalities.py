"""Whether a model takes the media that it is to be sent, asked before anything is paid. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.models.catalogue import Snapshot
from openrouter_mcp.models.model import Model

MODALITIES = {
    "image_url": "image",
    "input_audio": "audio",
    "video_url": "video",
    "file": "file",
}
"""OpenRouter's input modalities, by the type of the content part."""
SUGGESTED = 5


def of_parts(parts: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The modalities of content parts; texts go everywhere and count for none."""
    kinds = (part.get("type") for part in parts)
    return frozenset(MODALITIES[kind] for kind in kinds if kind in MODALITIES)


def of_messages(messages: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The modalities of all that is said in a conversation."""
    contents = (message.get("content") for message in messages)
    return of_parts(part for content in contents if isinstance(content, list) for part in content)


def takes(model: Model | None, needed: AbstractSet[str]) -> bool:
    """Whether a model takes all of these.

    Every model reads PDFs: OpenRouter parses them for those that do not themselves. A router finds
    a model that can, and one that the catalogue does not know may be able to.
    """
    return model is None or model.is_router or model.input_modalities >= needed - {"file"}


def refusal(snapshot: Snapshot, model: Model, needed: AbstractSet[str]) -> OpenRouterError:
    """Why this model, which does not take all of these, is not asked; with some that do."""
    able = [
        other.id
        for other in snapshot.models
        if takes(other, needed)
        and "text" in other.output_modalities
        and not (other.is_alias or other.is_router or other.variant)
    ]
    return OpenRouterError(
        Code.INVALID_INPUT,
        f"{model.id} takes {', '.join(sorted(model.input_modalities))}, and what it is to be sent "
        f"here needs {' and '.join(sorted(needed - {'file'}))}. These can: "
        f"{', '.join(able[:SUGGESTED]) or 'none'}. Name one of them, or ask with analyze_media, "
        "which chooses one itself.",
        suggestions=able[:SUGGESTED],
    )
