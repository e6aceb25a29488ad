"""Previews of images, small enough to be shown in a conversation."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from mcp.types import ImageContent

from openrouter_mcp.files.signatures import JPEG, WEBP

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST_SIDE = 768
LARGEST_PREVIEW = 200_000
"""Bytes of a preview before they become base64."""
MOST_PIXELS = 120_000_000
"""Pixels above which an image is taken for a decompression bomb."""
QUALITIES = (85, 70, 50, 30)
SMALLER = 0.7


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
