"""Media as the content parts that OpenRouter wants, one for each kind."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, BinaryIO

from openrouter_mcp import image_scaling
from openrouter_mcp.encoded import Encoded
from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.media_kinds import Kind
from openrouter_mcp.settings import Settings

ORIGINAL = "original"

Part = dict[str, Any]
"""A content part, whose media are `Encoded` or addresses."""


def part(
    name: str,
    kind: Kind,
    size: int,
    opened: Callable[[], BinaryIO],
    settings: Settings,
    image_detail: str = "",
) -> Part:
    """The content part of a file of this kind; its bytes are read again when it is sent. Blocks.

    `name` is shown to people and models. Raises `UNSUPPORTED_FORMAT`, `TOO_LARGE`.
    """
    if kind.name == "image":
        return _image(name, kind, size, opened, settings, image_detail)
    if kind.name == "audio":
        data = Encoded(name, "", size, opened)
        return {"type": "input_audio", "input_audio": {"data": data, "format": kind.type.format}}
    data = Encoded(name, _data_url(kind.type.mime), size, opened)
    if kind.name == "video":
        return {"type": "video_url", "video_url": {"url": data}}
    return {"type": "file", "file": {"filename": name.rpartition("/")[2], "file_data": data}}


def image_url(url: str | Encoded, image_detail: str = "") -> Part:
    """The part of an image at an address."""
    detail = {"detail": image_detail} if image_detail else {}
    return {"type": "image_url", "image_url": {"url": url, **detail}}


def video_url(url: str) -> Part:
    """The part of a video at an address."""
    return {"type": "video_url", "video_url": {"url": url}}


def _image(
    name: str,
    kind: Kind,
    size: int,
    opened: Callable[[], BinaryIO],
    settings: Settings,
    image_detail: str,
) -> Part:
    original = image_detail == ORIGINAL
    try:
        with opened() as file:
            made = image_scaling.fitted(file, kind.type, settings, original=original)
    except OpenRouterError as error:
        raise OpenRouterError(error.code, f"{name} {error.message}") from None
    if made is None:
        return image_url(Encoded(name, _data_url(kind.type.mime), size, opened), image_detail)
    data, made_type = made
    encoded = Encoded(name, _data_url(made_type.mime), len(data), lambda: io.BytesIO(data))
    return image_url(encoded, image_detail)


def _data_url(mime: str) -> str:
    return f"data:{mime};base64,"
