"""Images as bytes: references that are sent, previews that are shown."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from mcp.types import ImageContent

from openrouter_mcp import paths, signatures
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.paths import Guard
from openrouter_mcp.settings import Settings
from openrouter_mcp.signatures import GIF, JPEG, PNG, WEBP, media_type

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST_SIDE = 768
LARGEST_PREVIEW = 200_000
"""Bytes of a preview before they become base64."""
MOST_PIXELS = 120_000_000
"""Pixels above which an image is taken for a decompression bomb."""
QUALITIES = (85, 70, 50, 30)
SMALLER = 0.7
LARGEST_REFERENCE = 20_000_000
"""Bytes of one image that is sent along."""
REFERENCE_TYPES = (PNG, JPEG, WEBP, GIF)


def preview(data: bytes) -> ImageContent | None:
    """An image small enough to look at in a conversation; None for what cannot be shown. Blocks."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MOST_PIXELS:
                return None
            image.draft("RGB", (LARGEST_SIDE, LARGEST_SIDE))
            small = _small(image)
            encoded, mime = _encoded(small)
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError):
        return None
    return ImageContent(type="image", data=base64.b64encode(encoded).decode(), mime_type=mime)


def _small(image: Image) -> Image:
    """The image upright, at most 768 pixels a side, without what the file says about it."""
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(image)
    upright.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    transparent = "A" in upright.getbands() or "transparency" in upright.info
    return upright.convert("RGBA" if transparent else "RGB")


def _encoded(image: Image) -> tuple[bytes, str]:
    """The image within the size, as JPEG or where it is transparent as WebP."""
    kind, mime = ("WEBP", WEBP.mime) if image.mode == "RGBA" else ("JPEG", JPEG.mime)
    while True:
        for quality in QUALITIES:
            buffer = io.BytesIO()
            image.save(buffer, kind, quality=quality)
            if buffer.tell() <= LARGEST_PREVIEW:
                return buffer.getvalue(), mime
        image = image.resize([max(1, int(side * SMALLER)) for side in image.size])


def reference(settings: Settings, name: str) -> str:
    """The address of an image to send along: http(s) as it is, a local file as data URL. Blocks.

    Raises `UNSAFE_PATH`, `NOT_FOUND`, `TOO_LARGE`, `UNSUPPORTED_FORMAT`, `INVALID_INPUT`.
    """
    address = name.strip()
    if address.lower().startswith(("https://", "http://")):
        return address
    if address.lower().startswith("data:"):
        return _checked_data_url(address)
    path = paths.absolute(address)
    real = Guard(settings).resolve(path)
    try:
        with paths.open_file(real) as file:
            data = file.read(LARGEST_REFERENCE + 1)
    except OSError as error:
        raise OpenRouterError(
            Code.NOT_FOUND,
            f"{paths.display(path)} cannot be read ({error.strerror or error}). Name an image "
            "file, or the https address of one.",
        ) from None
    return _data_url(data, paths.display(path))


def _checked_data_url(address: str) -> str:
    head, _, encoded = address.partition(",")
    try:
        data = base64.b64decode(encoded, validate=True)
    except ValueError:
        data = b""
    if not data or not head.lower().endswith(";base64"):
        raise OpenRouterError(
            Code.INVALID_INPUT, "A data URL of a reference is not base64. Give a path instead."
        )
    return _data_url(data, "A data URL")


def _data_url(data: bytes, what: str) -> str:
    if len(data) > LARGEST_REFERENCE:
        raise OpenRouterError(
            Code.TOO_LARGE,
            f"{what} has more than {LARGEST_REFERENCE:,} bytes. Give a smaller image.",
        )
    found = media_type(data[: signatures.HEAD])
    if found not in REFERENCE_TYPES:
        raise OpenRouterError(
            Code.UNSUPPORTED_FORMAT,
            f"{what} is no PNG, JPEG, WebP or GIF image. Convert it and call again.",
        )
    data = _upright(data) if found is JPEG else data
    return f"data:{found.mime};base64,{base64.b64encode(data).decode()}"


def _upright(data: bytes) -> bytes:
    """A photo turned as its camera was held; as it came where it is upright or not readable."""
    from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as image:
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
            if orientation in {0, 1} or image.width * image.height > MOST_PIXELS:
                return data
            buffer, profile = io.BytesIO(), image.info.get("icc_profile")
            upright = ImageOps.exif_transpose(image)
            upright.save(buffer, "JPEG", quality=95, icc_profile=profile, exif=b"")
            return buffer.getvalue()
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError):
        return data
