"""Images as models take them (in a common format, upright, no larger than of use), and previews."""

from __future__ import annotations

import base64
import io
import re
import threading
from dataclasses import replace
from enum import Enum, auto
from typing import TYPE_CHECKING, BinaryIO

from mcp.types import ImageContent

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files.kinds import (
    AVIF,
    BMP,
    GIF,
    HEIC,
    JPEG,
    PNG,
    SVG,
    TIFF,
    WEBP,
    MediaType,
    media_type,
)
from openrouter_mcp.files.save import Save
from openrouter_mcp.results import UNKNOWN_TYPE, SavedFile
from openrouter_mcp.settings import Settings

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 100_000_000
"""Pixels in memory above which an image is taken for a decompression bomb."""
FORMATS = {
    PNG: "PNG",
    JPEG: "JPEG",
    WEBP: "WEBP",
    GIF: "GIF",
    BMP: "BMP",
    TIFF: "TIFF",
    AVIF: "AVIF",
    HEIC: "HEIF",
}
TAKEN = {PNG, JPEG, WEBP, GIF}
"""The formats that models take."""
FULL_QUALITY = 95
"""Quality of what is written anew in its full size."""
LARGEST_SIDE = 768
"""Pixels of the longer side of a preview."""
LARGEST_PREVIEW = 200_000
"""Bytes of a preview before they become base64."""
QUALITIES = (85, 70, 50, 30)
"""Qualities of a preview, tried one after the other until it is small enough."""
SMALLER = 0.7
"""By what a preview is scaled that even the lowest quality does not make small enough."""
ACTIVE = re.compile(rb"<script|\son[a-z]+\s*=|javascript:|<foreignObject", re.IGNORECASE)
"""What an SVG has that is more than a drawing."""
METADATA = ("exif", "xmp", "XML:com.adobe.xmp", "photoshop", "comment")

_decoding = threading.Lock()
"""One image at a time: decoded they are large."""


class Fit(Enum):
    """What an image is sent for, which says how much of it is sent."""

    SEEN = auto()
    """Scaled to `OPENROUTER_IMAGE_MAX_DIMENSION` where it is larger, upright, no metadata."""
    # New images are made of the pixels themselves, so that scaling would blur them.
    DRAWN_FROM = auto()
    """Every pixel, upright, no metadata."""
    ORIGINAL = auto()
    """The file as it is."""


def fitted(
    file: BinaryIO, kind: MediaType, settings: Settings, fit: Fit
) -> tuple[bytes, MediaType] | None:
    """The image as it is to be sent; None if that is just as it is. Blocks.

    Raises `UNSUPPORTED_FORMAT` and `TOO_LARGE`, with the end of a sentence that begins with the
    file's name.
    """
    from PIL import Image, UnidentifiedImageError

    if kind is HEIC:
        _read_heic()
    try:
        with _decoding, Image.open(file, formats=[FORMATS[kind]]) as image:
            if fit is Fit.ORIGINAL and kind in TAKEN:
                return None
            seen = fit is Fit.SEEN
            longest = settings.image_max_dimension if seen else max(image.size)
            larger = max(image.size) > longest
            if larger:
                # JPEG can be read at a fraction of its size.
                image.draft("RGB", (longest, longest))
            if image.width * image.height > MOST_PIXELS:
                raise _too_many_pixels()
            image.load()
            if kind in TAKEN and not larger and (seen or not _has_metadata(image)):
                return None
            quality = settings.image_jpeg_quality if seen else FULL_QUALITY
            return _encoded(image, kind, longest, quality)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels() from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as error:
        reason = str(error).partition("<")[0].strip(" '") or type(error).__name__
        raise OpenRouterError(
            Code.UNSUPPORTED_FORMAT,
            f"is a damaged {kind.format.upper()} image ({reason}). Export it anew.",
        ) from None


def preview(data: bytes) -> ImageContent | None:
    """An image small enough to look at in a conversation; None for what cannot be shown. Blocks."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MOST_PIXELS:
                return None
            image.draft("RGB", (LARGEST_SIDE, LARGEST_SIDE))
            encoded, mime = _encoded_preview(_upright(image, LARGEST_SIDE))
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError):
        return None
    return ImageContent(type="image", data=base64.b64encode(encoded).decode(), mime_type=mime)


def save_image(save: Save, data: bytes) -> SavedFile:
    """One image as a file with a preview, named after what it is. Blocks."""
    found = media_type(data)
    if found is None or not found.mime.startswith("image/"):
        return _noted(save(data, ".bin", UNKNOWN_TYPE), "This is no image of a known kind.")
    saved = save(data, found.suffix, found.mime)
    if found is not SVG:
        return replace(saved, preview=preview(data))
    if ACTIVE.search(data):
        return _noted(saved, "It holds scripts: open it with care.")
    return saved


def _noted(saved: SavedFile, note: str) -> SavedFile:
    return replace(saved, note=f"{saved.note} {note}".strip())


def _encoded(image: Image, kind: MediaType, longest: int, quality: int) -> tuple[bytes, MediaType]:
    """The image upright and at most `longest` pixels a side, with nothing but its colours."""
    profile = image.info.get("icc_profile")
    upright = _upright(image, longest)
    result = PNG if upright.mode == "RGBA" else JPEG
    if kind in {PNG, WEBP}:
        result = kind
    buffer = io.BytesIO()
    upright.info = {}
    upright.save(buffer, FORMATS[result], quality=quality, icc_profile=profile)
    return buffer.getvalue(), result


def _upright(image: Image, longest: int) -> Image:
    """The image upright, at most `longest` pixels a side, as RGB or, if transparent, as RGBA."""
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(image)
    upright = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    upright.thumbnail((longest, longest))
    return upright


def _has_metadata(image: Image) -> bool:
    """Whether a file holds more than its pixels: how the camera was held, where and when."""
    texts = getattr(image, "text", None)  # those of a PNG
    return bool(texts or image.getexif() or any(name in image.info for name in METADATA))


def _read_heic() -> None:
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        raise OpenRouterError(
            Code.UNSUPPORTED_FORMAT,
            "is a HEIC image, which takes a plug-in to read. Install pillow-heif beside this "
            "server, or export the image as JPEG.",
        ) from None
    register_heif_opener()


def _too_many_pixels() -> OpenRouterError:
    return OpenRouterError(
        Code.TOO_LARGE,
        f"unpacks to more than {MOST_PIXELS:,} pixels. Give a smaller image.",
    )


def _encoded_preview(image: Image) -> tuple[bytes, str]:
    """The image within the size, as JPEG or where it is transparent as WebP."""
    kind, mime = ("WEBP", WEBP.mime) if image.mode == "RGBA" else ("JPEG", JPEG.mime)
    while True:
        for quality in QUALITIES:
            buffer = io.BytesIO()
            image.save(buffer, kind, quality=quality)
            if buffer.tell() <= LARGEST_PREVIEW:
                return buffer.getvalue(), mime
        image = image.resize([max(1, int(side * SMALLER)) for side in image.size])
