"""Images as models take them: in a common format, upright, not larger than they look at."""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING, BinaryIO

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.settings import Settings
from openrouter_mcp.signatures import (
    AVIF,
    BMP,
    GIF,
    HEIC,
    JPEG,
    PNG,
    TIFF,
    WEBP,
    MediaType,
)

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 100_000_000
"""Pixels in memory above which an image is taken for a decompression bomb."""
READERS = {
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

_decoding = threading.Lock()
"""One image at a time: decoded they are large."""


def fitted(
    file: BinaryIO, kind: MediaType, settings: Settings, *, original: bool
) -> tuple[bytes, MediaType] | None:
    """The image as it is to be sent; None if that is just as it is. Blocks.

    One that is larger than the setting is scaled, turned upright and freed of metadata, unless
    the `original` is wanted. Raises `UNSUPPORTED_FORMAT` and `TOO_LARGE`, with the end of a
    sentence that begins with the file's name.
    """
    from PIL import Image, UnidentifiedImageError

    if kind is HEIC:
        _read_heic()
    try:
        with _decoding, Image.open(file, formats=[READERS[kind]]) as image:
            if original and kind in TAKEN:
                return None
            longest = max(image.size) if original else settings.image_max_dimension
            larger = max(image.size) > longest
            if larger:
                # JPEG can be read at a fraction of its size.
                image.draft("RGB", (longest, longest))
            if image.width * image.height > MOST_PIXELS:
                raise _bomb()
            image.load()
            if kind in TAKEN and not larger:
                return None
            return _encoded(image, kind, longest, settings.image_jpeg_quality)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _bomb() from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as error:
        reason = str(error).partition("<")[0].strip(" '") or type(error).__name__
        raise OpenRouterError(
            Code.UNSUPPORTED_FORMAT,
            f"is a damaged {kind.format.upper()} image ({reason}). Export it anew.",
        ) from None


def _encoded(image: Image, kind: MediaType, longest: int, quality: int) -> tuple[bytes, MediaType]:
    """The image upright and at most `longest` pixels a side, with nothing but its colours."""
    from PIL import ImageOps

    profile = image.info.get("icc_profile")
    upright = ImageOps.exif_transpose(image)
    transparent = upright.has_transparency_data
    upright = upright.convert("RGBA" if transparent else "RGB")
    upright.thumbnail((longest, longest))
    result = PNG if transparent else JPEG
    if kind in {PNG, WEBP}:
        result = kind
    buffer = io.BytesIO()
    upright.info = {}
    upright.save(buffer, READERS[result], quality=quality, icc_profile=profile)
    return buffer.getvalue(), result


def _read_heic() -> None:
    try:
        from pillow_heif import register_heif_opener  # ty: ignore[import-not-found]
    except ImportError:
        raise OpenRouterError(
            Code.UNSUPPORTED_FORMAT,
            "is a HEIC image, which takes a plug-in to read. Install pillow-heif beside this "
            "server, or export the image as JPEG.",
        ) from None
    register_heif_opener()


def _bomb() -> OpenRouterError:
    return OpenRouterError(
        Code.TOO_LARGE,
        f"unpacks to more than {MOST_PIXELS:,} pixels. Give a smaller image.",
    )
