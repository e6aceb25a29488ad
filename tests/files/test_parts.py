"""Images, audio, video and PDF among `files`: told by their bytes, sent byte-exact."""

import base64
import hashlib
import io
import os
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

from openrouter_mcp.api.request_body import PIECE, Encoded, streamed
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files.attach import Attachments, Files
from openrouter_mcp.settings import Settings

MP4 = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"
KINDS = {
    "wav": (b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0", "input_audio"),
    "mp3": (b"ID3\x04\0\0\0\0\0\0\xff\xfb", "input_audio"),
    "flac": (b"fLaC\0\0\0\x22", "input_audio"),
    "ogg": (b"OggS\0\x02\0\0\0\0\0\0\0\0OpusHead", "input_audio"),
    "m4a": (b"\0\0\0\x18ftypM4A \0\0\0\0", "input_audio"),
    "aac": (b"\xff\xf1\x50\x80\0\x1f\xfc", "input_audio"),
    "aiff": (b"FORM\0\0\0\0AIFFCOMM", "input_audio"),
    "mp4": (MP4, "video_url"),
    "mov": (b"\0\0\0\x14ftypqt  \0\0\0\0", "video_url"),
    "mpeg": (b"\0\0\x01\xba\x44\0\x04", "video_url"),
    "webm": (b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1fB\x86\x81\x01B\x82\x84webm", "video_url"),
    "pdf": (b"%PDF-1.7\n%plain text\n", "file"),
}
# A red image of 32 by 16 pixels.
HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAXxtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAA"
    "AAAAAAAAACJpbG9jAAAAAERAAAEAAQAAAAABoAABAAAAAAAAACsAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABo"
    "dmMxAAAAAA5waXRtAAAAAAABAAAA/GlwcnAAAADcaXBjbwAAAHVodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEA"
    "GEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQApQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbqrprm4CGgwIAAAAyAAAAD"
    "AIRiAAEABkQBwXPBiQAAABNjb2xybmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABAAAAAQAAAAChjbGFwAAAAIAAAAAEA"
    "AAAQAAAAAf///+AAAAAC////0AAAAAIAAAAQcGl4aQAAAAADCAgIAAAAGGlwbWEAAAAAAAAAAQABBYECAwWEAAAAM21k"
    "YXQAAAAnKAGvGSFgQkDvXaW//4jK/5iBf67W3ymSgKaXBNeImQsDgYCNkZ04"
)


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


async def attach(*names: str, image_detail: str = "", media: bool = False, **fields) -> Attachments:
    settings = Settings(state_dir=Path("~/state"), **fields)
    return await Files(settings).parts(
        list(names), image_detail=image_detail, media_in_folders=media
    )


async def refused(*names: str, **fields) -> OpenRouterError:
    with pytest.raises(OpenRouterError) as caught:
        await attach(*names, **fields)
    return caught.value


def encoded(part) -> Encoded:
    content = part[part["type"]]
    return content.get("url") or content.get("data") or content.get("file_data")


async def sent(part) -> bytes:
    """The bytes that a part brings to OpenRouter."""
    text = b"".join([piece async for piece in encoded(part).pieces()])
    return base64.b64decode(text.rpartition(b",")[2], validate=True)


def image(path: Path, size=(40, 30), **options) -> Path:
    Image.new(options.pop("mode", "RGB"), size, "red").save(path, **options)
    return path


@pytest.mark.parametrize("kind", KINDS)
async def test_the_kind_is_told_by_the_bytes_and_not_by_the_name(kind: str, work: Path):
    head, type_ = KINDS[kind]
    data = head + bytes(range(256)) * 40
    (work / "a.txt").write_bytes(data)
    (part,) = (await attach("a.txt")).parts
    assert part["type"] == type_
    assert await sent(part) == data
    if type_ == "input_audio":
        assert part["input_audio"]["format"] == kind
    else:
        assert f"/{kind};base64," in encoded(part).prefix


async def test_text_that_begins_like_media_stays_text(work: Path):
    texts = ["ID3 tags are", "GIF89a is a header", "BM is a prefix", "OggS", "RIFFxxxxWAVE"]
    for number, text in enumerate([*texts, "<svg><script>alert(1)</script></svg>"]):
        (work / f"{number}.png").write_text(text)
        (part,) = (await attach(f"{number}.png")).parts
        assert part["type"] == "text"
        assert text in part["text"]
    (work / "utf16.txt").write_bytes("Grüße".encode("utf-16"))
    assert "Grüße" in (await attach("utf16.txt")).parts[0]["text"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
async def test_an_image_that_is_not_too_large_arrives_byte_exact(kind: str, work: Path):
    path = image(work / "a.bin", (1568, 20), format=kind)
    (part,) = (await attach("a.bin")).parts
    assert await sent(part) == path.read_bytes()
    assert encoded(part).prefix == f"data:image/{kind.lower()};base64,"


async def test_a_larger_image_is_scaled_turned_upright_and_freed_of_metadata(work: Path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    exif[0x010E] = "at home"
    image(work / "a.jpg", (3000, 1000), exif=exif)
    (part,) = (await attach("a.jpg")).parts
    with Image.open(io.BytesIO(await sent(part))) as scaled:
        assert scaled.format == "JPEG"
        assert scaled.size == (523, 1568)
        assert not scaled.getexif()


async def test_the_original_is_sent_on_request(work: Path):
    path = image(work / "a.jpg", (3000, 1000))
    (part,) = (await attach("a.jpg", image_detail="original")).parts
    assert await sent(part) == path.read_bytes()
    assert part["image_url"]["detail"] == "original"


@pytest.mark.parametrize(("kind", "to"), [("BMP", "JPEG"), ("TIFF", "JPEG"), ("AVIF", "JPEG")])
async def test_other_images_are_converted(kind: str, to: str, work: Path):
    image(work / "a.bin", format=kind)
    (part,) = (await attach("a.bin")).parts
    with Image.open(io.BytesIO(await sent(part))) as converted:
        assert (converted.format, converted.size) == (to, (40, 30))


@pytest.mark.skipif(not find_spec("pillow_heif"), reason="pillow-heif is not installed")
async def test_a_photo_in_heic_is_converted_by_its_plug_in(work: Path):
    (work / "a.heic").write_bytes(HEIC)
    (part,) = (await attach("a.heic")).parts
    with Image.open(io.BytesIO(await sent(part))) as converted:
        assert (converted.format, converted.size) == ("JPEG", (32, 16))


async def test_a_photo_in_heic_is_refused_without_the_plug_in_which_is_named(
    work: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (work / "a.heic").write_bytes(HEIC)
    error = await refused("a.heic")
    assert error.code is Code.UNSUPPORTED_FORMAT
    assert error.message.startswith("a.heic is a HEIC image")
    assert "pillow-heif" in error.message


async def test_transparency_survives_scaling(work: Path):
    image(work / "a.png", (2000, 10), mode="RGBA")
    (part,) = (await attach("a.png")).parts
    with Image.open(io.BytesIO(await sent(part))) as scaled:
        assert (scaled.format, scaled.mode) == ("PNG", "RGBA")


async def test_a_damaged_image_is_refused(work: Path):
    data = image(work / "a.png", (300, 300)).read_bytes()
    for damaged in (data[:40], data[:20], b"\xff\xd8\xff\0lies", b"GIF89a\0\0"):
        (work / "a.png").write_bytes(damaged)
        error = await refused("a.png")
        assert error.code is Code.UNSUPPORTED_FORMAT
        assert "a.png is a damaged" in error.message


async def test_a_decompression_bomb_is_refused_before_it_unpacks(work: Path):
    import struct
    import zlib

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk
    png += struct.pack(">I", zlib.crc32(chunk)) + struct.pack(">I", 0) + b"IDAT" + bytes(4)
    (work / "a.png").write_bytes(png)
    assert (await refused("a.png")).code is Code.TOO_LARGE


async def test_limits_hold_for_each_kind_before_anything_is_read(work: Path):
    (work / "a.mp4").write_bytes(MP4 + bytes(1000))
    error = await refused("a.mp4", video_max_bytes=1000)
    assert error.code is Code.TOO_LARGE
    assert "OPENROUTER_VIDEO_MAX_BYTES allows 1,000" in error.message
    assert (await attach("a.mp4", max_file_bytes=10, max_files_bytes=10)).parts


async def test_an_empty_file_a_folder_and_a_pipe_with_the_name_of_an_image(work: Path):
    (work / "empty.png").touch()
    empty = await attach("empty.png")
    assert empty.parts == [{"type": "text", "text": "File: empty.png\n"}]
    assert empty.notes == ["empty.png is empty."]
    (work / "folder.png").mkdir()
    assert (await refused("folder.png")).code is Code.NOT_FOUND
    os.mkfifo(work / "pipe.png")
    assert (await refused("pipe.png")).code is Code.UNSUPPORTED_FORMAT
    assert (await refused("/dev/zero")).code is Code.UNSAFE_PATH


async def test_folders_bring_media_only_where_they_are_meant(work: Path):
    image(work / "a.png")
    (work / "b.txt").write_text("text")
    assert [p["type"] for p in (await attach(".")).parts] == ["text"]
    assert [p["type"] for p in (await attach(".", media=True)).parts] == ["image_url", "text"]
    assert [p["type"] for p in (await attach("*.png")).parts] == ["image_url"]


async def test_addresses_of_images_and_youtube_are_passed_on_unfetched():
    addresses = ["https://example.org/a.PNG?size=1", "https://youtu.be/abc"]
    attachments = await attach(*addresses)
    assert attachments.parts == [
        {"type": "image_url", "image_url": {"url": addresses[0]}},
        {"type": "video_url", "video_url": {"url": addresses[1]}},
    ]
    assert attachments.paths == addresses
    assert (await refused("http://192.168.0.1/a.png")).code is Code.UNSAFE_URL


async def test_data_urls_are_told_by_their_bytes_too(work: Path):
    data = image(work / "a.png").read_bytes()
    url = f"data:text/plain;base64,{base64.b64encode(data).decode()}"
    attachments = await attach(url, "data:,hello")
    assert attachments.parts[0]["type"] == "image_url"
    assert await sent(attachments.parts[0]) == data
    assert attachments.parts[1]["text"].endswith("\nhello")
    assert all(len(str(path)) < 100 for path in attachments.paths)
    error = await refused(url, image_max_data_url_bytes=10)
    assert "OPENROUTER_IMAGE_MAX_DATA_URL_BYTES" in error.message


async def test_data_urls_of_one_size_are_not_mixed_up():
    names = [f"data:;base64,{base64.b64encode(MP4 + each).decode()}" for each in (b"1", b"2")]
    parts = (await attach(*names)).parts
    assert [(await sent(part))[-1:] for part in parts] == [b"1", b"2"]


async def test_a_file_that_changes_before_it_is_sent_is_refused(work: Path):
    (work / "a.mp4").write_bytes(MP4)
    (part,) = (await attach("a.mp4")).parts
    (work / "a.mp4").write_bytes(MP4 + b"more")
    with pytest.raises(OpenRouterError, match="changed while it was sent"):
        await sent(part)


async def test_a_link_that_takes_the_place_of_a_file_is_not_followed(work: Path):
    (work / "a.mp4").write_bytes(MP4)
    (work / "secret").write_bytes(MP4)
    (part,) = (await attach("a.mp4")).parts
    (work / "a.mp4").unlink()
    (work / "a.mp4").symlink_to(work / "secret")
    with pytest.raises(OpenRouterError):
        await sent(part)


async def test_a_body_is_streamed_in_pieces_of_known_length(work: Path):
    data = MP4 + os.urandom(2 * PIECE + 1)
    (work / "a.mp4").write_bytes(data)
    (part,) = (await attach("a.mp4")).parts
    body = streamed({"model": "x", "messages": [{"content": ["ü", part, part]}]})
    assert body is not None
    pieces = [piece async for piece in body()]
    assert sum(map(len, pieces)) == body.length
    assert max(map(len, pieces)) <= PIECE * 4 // 3
    assert b"".join(pieces) == b"".join([piece async for piece in body()])
    assert streamed({"model": "x"}) is None


async def test_a_hundred_megabytes_arrive_with_the_same_digest(work: Path):
    whole = hashlib.sha256()
    with (work / "a.mp4").open("wb") as file:
        file.write(MP4)
        file.truncate(100_000_000)
    with (work / "a.mp4").open("rb") as file:
        whole = hashlib.file_digest(file, "sha256")
    (part,) = (await attach("a.mp4")).parts
    arrived = hashlib.sha256()
    async for piece in encoded(part).pieces():
        arrived.update(base64.b64decode(piece) if not piece.startswith(b"data:") else b"")
    assert arrived.hexdigest() == whole.hexdigest()
