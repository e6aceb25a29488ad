"""Media as the content parts that OpenRouter wants, one for each kind."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from openrouter_mcp.api.request_body import Encoded
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import fetch, images
from openrouter_mcp.files.images import Fit
from openrouter_mcp.files.kinds import Kind, KindName, MediaType
from openrouter_mcp.settings import Settings

ORIGINAL = "original"
IMAGE_TOKENS = 3_000
"""Tokens of an image of 1568 pixels a side with those models that make most of it."""
BYTES_PER_TOKEN = {"input_audio": 100, "video_url": 300, "file": 40}
"""Fewer than common files have, so that counts are not too low."""
UNSEEN_TOKENS = {"image_url": 2 * IMAGE_TOKENS, "video_url": 200_000, "file": 50_000}
"""Tokens to plan with for what is only known by its address."""
DETAILS = ("auto", "low", "high", ORIGINAL)

Part = dict[str, Any]
"""A content part, whose media are `Encoded` or addresses."""


@dataclass(frozen=True)
class Purpose:
    """What a call wants the files for that it names."""

    image_detail: str = ""
    """OpenRouter's: with "original" images are sent as they are."""
    fit: Fit = Fit.SEEN
    """How images are fitted otherwise."""
    kinds: tuple[KindName, ...] = ()
    """The only kinds of media that it takes; none = all, and texts."""
    most: int = 0
    """Most files; 0 = as many as the settings allow."""
    media_in_folders: bool = False
    """Whether folders, and globs without a suffix, bring more than texts."""


def of_file(
    name: str,
    kind: Kind,
    size: int,
    opened: Callable[[], BinaryIO],
    settings: Settings,
    purpose: Purpose,
) -> tuple[list[Part], list[str]]:
    """The content part of a file of this kind, and notes on what is left out of it. Blocks.

    Its bytes are read again when it is sent. `name` is shown to people and models. Large images
    may become several parts. Raises `UNSUPPORTED_FORMAT`, `TOO_LARGE`.
    """
    if kind.name == "image":
        return _image(name, kind, size, opened, settings, purpose)
    if kind.name == "audio":
        data = Encoded(name, "", size, opened)
        sound = {"data": data, "format": kind.type.format}
        return [{"type": "input_audio", "input_audio": sound}], []
    data = Encoded(name, _data_url(kind.type.mime), size, opened)
    if kind.name == "video":
        return [{"type": "video_url", "video_url": {"url": data}}], []
    document = {"filename": name.rpartition("/")[2], "file_data": data}
    return [{"type": "file", "file": document}], []


def take_detail(options: dict[str, Any]) -> str:
    """Take `image_detail` out of the options of an endpoint without it. Raises `INVALID_INPUT`."""
    asked = detail(options)
    options.pop("image_detail", None)
    return asked


def detail(options: Mapping[str, Any]) -> str:
    """How closely images are to be looked at: `options.image_detail`. Raises `INVALID_INPUT`."""
    asked = options.get("image_detail") or ""
    if asked and asked not in DETAILS:
        raise OpenRouterError(
            Code.INVALID_INPUT,
            f"options.image_detail takes {', '.join(DETAILS)}. Correct that and call again.",
            suggestions=DETAILS,
        )
    return asked


def name(part: Mapping[str, Any]) -> str:
    """What the media of a part are called: the file's name, or the address."""
    content = part[part["type"]]
    where = content.get("url") or content.get("data") or content.get("file_data")
    return where.name if isinstance(where, Encoded) else fetch.shown(str(where))


def tokens(part: Mapping[str, Any]) -> int:
    """Tokens of a part's media, on the high side; 0 for text."""
    kind = {"input_video": "video_url"}.get(str(part.get("type")), str(part.get("type")))
    content = part.get(kind)
    if kind not in {*BYTES_PER_TOKEN, *UNSEEN_TOKENS} or not isinstance(content, Mapping):
        return 0
    size = size_of(content)
    if kind == "image_url":
        return IMAGE_TOKENS * (2 if content.get("detail") == ORIGINAL or not size else 1)
    return size // BYTES_PER_TOKEN[kind] + 1_000 if size else UNSEEN_TOKENS.get(kind, 0)


def has_no_known_length(part: Mapping[str, Any]) -> bool:
    """Whether it is a video or a document of which only the address or the id is known."""
    kind = {"input_video": "video_url"}.get(str(part.get("type")), str(part.get("type")))
    content = part.get(kind)
    return kind in {"video_url", "file"} and isinstance(content, Mapping) and not size_of(content)


def size_of(content: Mapping[str, Any]) -> int:
    """Bytes of what a media part holds; 0 for what is only known by its address or its id."""
    where = content.get("url") or content.get("data") or content.get("file_data") or ""
    if isinstance(where, Encoded):
        return where.size
    address = str(where).lower().startswith(("http://", "https://"))
    return 0 if address else len(str(where)) * 3 // 4


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
    purpose: Purpose,
) -> tuple[list[Part], list[str]]:
    image_detail = purpose.image_detail
    fit = Fit.ORIGINAL if image_detail == ORIGINAL else purpose.fit
    try:
        with opened() as file:
            made = images.fitted(file, kind.type, settings, fit)
    except OpenRouterError as error:
        raise OpenRouterError(error.code, f"{name} {error.message}") from None
    if not made.pictures:
        url = Encoded(name, _data_url(kind.type.mime), size, opened)
        return [image_url(url, image_detail)], []
    pieces = len(made.pictures)
    names = [f"{name} (piece {at} of {pieces})" for at in range(1, pieces + 1)]
    content = [
        image_url(_held(each, *picture), image_detail)
        for each, picture in zip(names if pieces > 1 else [name], made.pictures, strict=True)
    ]
    return content, [f"{name}: {'; '.join(made.remarks)}."] if made.remarks else []


def _held(name: str, data: bytes, kind: MediaType) -> Encoded:
    """What is kept in memory until it is sent."""
    return Encoded(name, _data_url(kind.mime), len(data), lambda: io.BytesIO(data))


def _data_url(mime: str) -> str:
    return f"data:{mime};base64,"
