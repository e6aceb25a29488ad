"""Media that new ones are made from: full size, upright, without metadata, and nothing else."""

import base64
import io
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from PIL import ExifTags, Image, PngImagePlugin

from openrouter_mcp.api.request_body import Encoded
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files.attach import Attachments, Files
from openrouter_mcp.settings import Settings

IMAGES = ("image",)


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


async def refer(*names: str, kinds=IMAGES, most=16, detail="", **fields) -> Attachments:
    files = Files(Settings(state_dir=Path("~/state"), **fields))
    return await files.references(list(names), kinds, most, detail)


async def refused(*names: str, **fields) -> OpenRouterError:
    with pytest.raises(OpenRouterError) as caught:
        await refer(*names, **fields)
    return caught.value


async def sent(part) -> bytes:
    """The bytes that an image brings to OpenRouter."""
    url: Encoded = part["image_url"]["url"]
    text = b"".join([piece async for piece in url.pieces()])
    return base64.b64decode(text.partition(b",")[2], validate=True)


async def shown(*names: str, **fields) -> Image.Image:
    (part,) = (await refer(*names, **fields)).parts
    return Image.open(io.BytesIO(await sent(part)))


def photo(path: Path) -> Path:
    """A large photo that its camera took on the side, and which camera that was."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "Secret Camera"
    Image.new("RGB", (3000, 20), "red").save(path, "JPEG", exif=exif, icc_profile=b"profile")
    return path


async def test_a_photo_is_upright_in_full_size_and_tells_nothing_of_the_camera(work: Path):
    photo(work / "a.jpg")
    image = await shown("a.jpg")
    assert (image.format, image.size) == ("JPEG", (20, 3000))
    assert not image.getexif()
    assert image.info["icc_profile"] == b"profile"


async def test_an_image_that_tells_nothing_is_sent_byte_by_byte(work: Path):
    for kind in ("PNG", "JPEG", "WEBP", "GIF"):
        Image.new("RGB", (3000, 20), "red").save(work / "a", kind)
        (part,) = (await refer("a")).parts
        assert await sent(part) == (work / "a").read_bytes()


async def test_what_a_png_says_beside_its_pixels_is_left_out(work: Path):
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", "somebody")
    Image.radial_gradient("L").save(work / "a.png", pnginfo=texts)
    image = await shown("a.png")
    assert (image.format, getattr(image, "text", None)) == ("PNG", {})
    with Image.open(work / "a.png") as before:
        assert image.convert("L").tobytes() == before.tobytes()


async def test_the_original_is_sent_on_request(work: Path):
    (part,) = (await refer(str(photo(work / "a.jpg")), detail="original")).parts
    assert await sent(part) == (work / "a.jpg").read_bytes()


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "AVIF"])
async def test_other_images_are_converted_in_full_size(kind: str, work: Path):
    Image.new("RGB", (2000, 10), "red").save(work / "a", kind)
    image = await shown("a")
    assert (image.format, image.size) == ("JPEG", (2000, 10))


async def test_globs_braces_home_and_file_addresses_are_understood(work: Path):
    for name in ("a.png", "b.jpg", "c.png"):
        Image.new("RGB", (4, 4)).save(work / name)
    (work / "notes.txt").write_text("no image")
    assert len((await refer("*.{png,jpg}")).parts) == 3
    assert len((await refer("~/work/a.png", (work / "b.jpg").as_uri(), "a.png")).parts) == 2
    folder = await refer(".")
    assert len(folder.parts) == 3
    assert folder.notes == ["Skipped 1 unsuitable file (notes.txt)."]


async def test_the_limit_of_the_settings_holds_before_an_image_is_read(work: Path):
    photo(work / "a.jpg")
    error = await refused("a.jpg", image_max_bytes=100)
    assert error.code is Code.TOO_LARGE
    assert "OPENROUTER_IMAGE_MAX_BYTES" in error.message


async def test_more_than_are_taken_are_refused_before_any_is_fetched(work: Path):
    for number in range(3):
        Image.new("RGB", (4, 4)).save(work / f"{number}.png")
    assert len((await refer("*.png", most=3)).parts) == 3
    error = await refused("*.png", "http://127.0.0.1:1/none", most=3, allow_private_urls=True)
    assert error.code is Code.INVALID_INPUT
    assert "at most 3" in error.message


async def test_other_kinds_are_refused_where_they_are_named(work: Path):
    (work / "a.wav").write_bytes(b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0")
    (work / "a.svg").write_text("<svg><script>alert(1)</script></svg>")
    (work / "empty.png").touch()
    for name in ("a.wav", "a.svg", "empty.png", "https://youtu.be/abc", "data:,text"):
        error = await refused(name)
        assert error.code is Code.UNSUPPORTED_FORMAT
        assert "is no image, which is needed here" in error.message
    assert (await refer("a.wav", kinds=("image", "audio"))).parts[0]["type"] == "input_audio"


PRIVATE = [
    "http://127.0.0.1/a.png",
    "http://10.0.0.7/a.png",
    "http://169.254.169.254/latest/a.png",
    "http://0177.0.0.1/a.png",
    "http://0x7f.1/a.png",
    "http://2130706433/a.png",
    "http://[::1]/a.png",
    "http://[::ffff:127.0.0.1]/a.png",
    "http://[64:ff9b::7f00:1]/a.png",
    "http://localhost/a.png",
    "http://printer.local/a.png",
    "http://user:secret@example.org/a.png",
]


@pytest.mark.parametrize("address", PRIVATE)
async def test_an_image_on_a_private_host_is_refused_though_nobody_here_would_fetch_it(address):
    error = await refused(address)
    assert error.code is Code.UNSAFE_URL
    assert "secret" not in error.message


async def test_an_image_on_a_public_host_is_left_to_openrouter():
    (part,) = (await refer("https://example.org/a.png?size=1")).parts
    assert part == {"type": "image_url", "image_url": {"url": "https://example.org/a.png?size=1"}}


@pytest.fixture
def private_host() -> Iterator[str]:
    """An image on this computer, which OpenRouter cannot reach."""
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(buffer, "PNG")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(buffer.getvalue())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as host:
        thread = threading.Thread(target=host.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{host.server_port}/a.png"
        host.shutdown()
        thread.join()


async def test_an_image_on_the_users_own_network_is_fetched_here(private_host: str):
    image = await shown(private_host, allow_private_urls=True)
    assert (image.format, image.size) == ("PNG", (4, 4))
