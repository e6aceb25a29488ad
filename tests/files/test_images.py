"""Previews are small, upright and silent about the camera, whatever the image."""

import base64
import io
import os
import struct
import zlib

import pytest
from PIL import ExifTags, Image

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import images, kinds
from openrouter_mcp.settings import Settings


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    return Image.frombytes(mode, (width, height), os.urandom(width * height * len(mode)))


def shown(data: bytes) -> Image.Image:
    content = images.preview(data)
    assert content
    raw = base64.b64decode(content.data)
    assert len(raw) <= images.LARGEST_PREVIEW
    image = Image.open(io.BytesIO(raw))
    assert Image.MIME[image.format or ""] == content.mime_type
    return image


def tilted(width: int, height: int) -> bytes:
    """A photo that its camera took on the side, and where it was taken."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "Secret Camera"
    return encoded(Image.new("RGB", (width, height), "red"), "JPEG", exif=exif)


def bomb() -> bytes:
    """A small PNG that would become 40,000 by 40,000 pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_a_preview_has_at_most_768_pixels_a_side(kind: str) -> None:
    assert shown(encoded(Image.new("RGB", (2000, 1000), "red"), kind)).size == (768, 384)


def test_a_small_image_is_not_enlarged() -> None:
    assert shown(encoded(Image.new("RGB", (40, 20)), "PNG")).size == (40, 20)


def test_a_preview_stays_within_its_bytes_even_for_noise() -> None:
    assert shown(encoded(noise(800, 800), "PNG")).format == "JPEG"
    assert shown(encoded(noise(800, 800, "RGBA"), "PNG")).format == "WEBP"


def test_what_is_transparent_stays_so() -> None:
    image = shown(encoded(Image.new("RGBA", (9, 9), (255, 0, 0, 0)), "PNG"))
    assert image.convert("RGBA").getpixel((4, 4))[3] == 0
    palette = Image.new("P", (9, 9))
    assert shown(encoded(palette, "PNG", transparency=0)).mode == "RGBA"


def test_a_preview_is_upright_and_tells_nothing_of_the_camera() -> None:
    image = shown(tilted(60, 30))
    assert image.size == (30, 60)
    assert not image.getexif()


@pytest.mark.parametrize(
    "data",
    [b"", b"no image", encoded(Image.new("RGB", (90, 90)), "PNG")[:60], bomb(), b"<svg></svg>"],
    ids=["empty", "text", "truncated", "bomb", "svg"],
)
def test_what_cannot_be_shown_has_no_preview(data: bytes) -> None:
    assert images.preview(data) is None


@pytest.mark.parametrize(
    ("mode", "side", "fits"),
    [("L", 8_900, True), ("L", 9_900, False), ("RGB", 7_000, True), ("RGB", 7_200, False)],
)
def test_an_image_is_bounded_by_the_memory_that_it_takes(mode: str, side: int, fits: bool) -> None:
    image = Image.new(mode, (1, 1))
    image._size = (side, side)
    assert (images._memory(image) <= images.MOST_MEMORY) is fits


def test_a_large_grey_image_is_refused_before_it_is_decoded(monkeypatch) -> None:
    header = struct.pack(">IIBBBBB", 9_900, 9_900, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(99)))]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("decoded"))
    with pytest.raises(OpenRouterError, match="400 MB") as caught:
        images.fitted(io.BytesIO(data), kinds.PNG, Settings(), images.Fit.SEEN)
    assert caught.value.code is Code.TOO_LARGE
    assert images.preview(data) is None
