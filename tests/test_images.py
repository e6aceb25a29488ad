"""Previews that are small whatever the image, and references that are what they seem."""

import base64
import io
import os
import struct
import zlib

import pytest
from PIL import ExifTags, Image

from openrouter_mcp import images
from openrouter_mcp.errors import Code, OpenRouterError
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
    assert shown(encoded(noise(1500, 1500), "PNG")).format == "JPEG"
    assert shown(encoded(noise(1500, 1500, "RGBA"), "PNG")).format == "WEBP"


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


def test_a_photo_is_turned_before_it_is_sent(tmp_path) -> None:
    (tmp_path / "photo.jpg").write_bytes(tilted(60, 30))
    url = images.reference(Settings(), str(tmp_path / "photo.jpg"))
    sent = Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/jpeg;base64,"))))
    assert sent.size == (30, 60)
    assert not sent.getexif()


def test_an_upright_photo_is_sent_as_it_is(tmp_path) -> None:
    data = encoded(Image.new("RGB", (60, 30)), "JPEG")
    (tmp_path / "photo.jpg").write_bytes(data)
    url = images.reference(Settings(), str(tmp_path / "photo.jpg"))
    assert base64.b64decode(url.partition(",")[2]) == data


def test_the_bytes_say_what_an_image_is_and_not_its_name(tmp_path) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded(Image.new("RGB", (6, 3)), "PNG"))
    assert images.reference(Settings(), str(tmp_path / "a.jpg")).startswith("data:image/png;")


def test_an_image_that_is_too_large_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(images, "LARGEST_REFERENCE", 100)
    (tmp_path / "a.png").write_bytes(encoded(noise(60, 60), "PNG"))
    with pytest.raises(OpenRouterError) as refused:
        images.reference(Settings(), str(tmp_path / "a.png"))
    assert refused.value.code is Code.TOO_LARGE


def test_a_pipe_and_a_device_are_not_read(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    for name, code in (("pipe.png", Code.NOT_FOUND), ("zero.png", Code.UNSAFE_PATH)):
        with pytest.raises(OpenRouterError) as refused:
            images.reference(Settings(), str(tmp_path / name))
        assert refused.value.code is code
