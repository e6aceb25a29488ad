"""Every kind of media reaches OpenRouter byte by byte, or as the one re-encoding we document."""

import base64
import functools
import hashlib
import io
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from fastmcp import Client
from PIL import Image

NOISE = os.urandom(5_000)


def drawn(kind: str, width: int = 40, height: int = 30) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(buffer, kind)
    return buffer.getvalue()


EXACT = {
    "a.png": drawn("PNG"),
    "a.jpg": drawn("JPEG"),
    "a.webp": drawn("WEBP"),
    "a.gif": drawn("GIF"),
    "a.wav": b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0" + NOISE,
    "a.mp3": b"ID3\x04\0\0\0\0\0\0\xff\xfb" + NOISE,
    "a.flac": b"fLaC\0\0\0\x22" + NOISE,
    "a.m4a": b"\0\0\0\x18ftypM4A \0\0\0\0" + NOISE,
    "a.ogg": b"OggS\0\x02\0\0\0\0\0\0\0\0vorbis" + NOISE,
    "a.opus": b"OggS\0\x02\0\0\0\0\0\0\0\0OpusHead" + NOISE,
    "a.aac": b"\xff\xf1\x50\x80\0\x1f\xfc" + NOISE,
    "a.aiff": b"FORM\0\0\0\0AIFFCOMM" + NOISE,
    "a.mp4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + NOISE,
    "a.mpeg": b"\0\0\x01\xba\x44\0\x04" + NOISE,
    "a.mov": b"\0\0\0\x14ftypqt  \0\0\0\0" + NOISE,
    "a.webm": b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1fB\x86\x81\x01B\x82\x84webm" + NOISE,
    "a.pdf": b"%PDF-1.7\n" + NOISE,
}
CONVERTED = {
    "a.bmp": (drawn("BMP"), (40, 30)),
    "a.tiff": (drawn("TIFF"), (40, 30)),
    "a.avif": (drawn("AVIF"), (40, 30)),
    "large.jpg": (drawn("JPEG", 3136, 20), (1568, 10)),
}
FORMS = ["path", "file address", "data URL", "http address"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / "media"
    folder.mkdir()
    for name, data in {**EXACT, **{name: data for name, (data, _) in CONVERTED.items()}}.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
async def client(configure, monkeypatch: pytest.MonkeyPatch, connect) -> AsyncIterator[Client]:
    configure(OPENROUTER_ALLOW_PRIVATE_URLS="1")
    async with connect() as client:
        yield client


class _Silent(SimpleHTTPRequestHandler):
    """A host that calls every file a text."""

    def guess_type(self, path: object) -> str:
        return "text/plain"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        """Say nothing."""


@pytest.fixture
def host(folder: Path) -> Iterator[str]:
    """The folder as the user's own web host."""
    handler = functools.partial(_Silent, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as host:
        thread = threading.Thread(target=host.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{host.server_port}"
        host.shutdown()
        thread.join()


def spelled(form: str, file: Path, host: str) -> str:
    """A file as a caller may name it; whatever type is told of it is wrong."""
    match form:
        case "path":
            return str(file)
        case "file address":
            return file.as_uri()
        case "data URL":
            return f"data:text/html;base64,{base64.b64encode(file.read_bytes()).decode()}"
    return f"{host}/{file.name}"


async def arrived(
    client: Client, simulator, form: str, names: list[Path], host: str
) -> list[bytes]:
    """What one question about these files brings to OpenRouter."""
    files = [spelled(form, name, host) for name in names]
    result = await client.call_tool("analyze_media", {"files": files}, raise_on_error=False)
    assert not result.is_error, result.content[0].text
    (request,) = [request for request in simulator.requests if request.method == "POST"]
    media = [part for part in request.body["messages"][0]["content"] if part["type"] != "text"]
    contents = [part[part["type"]] for part in media]
    urls = [c.get("url") or c.get("data") or c.get("file_data") for c in contents]
    return [base64.b64decode(url.rpartition(",")[2], validate=True) for url in urls]


@pytest.mark.parametrize("form", FORMS)
async def test_every_kind_arrives_with_its_digest(client, simulator, folder, host, form) -> None:
    found = await arrived(client, simulator, form, [folder / name for name in EXACT], host)
    digests = [hashlib.sha256(data).hexdigest() for data in found]
    assert digests == [hashlib.sha256(data).hexdigest() for data in EXACT.values()]


@pytest.mark.parametrize("form", FORMS)
async def test_other_and_larger_images_arrive_as_jpeg(
    client, simulator, folder, host, form
) -> None:
    found = await arrived(client, simulator, form, [folder / name for name in CONVERTED], host)
    for data, (_, size) in zip(found, CONVERTED.values(), strict=True):
        with Image.open(io.BytesIO(data)) as image:
            assert (image.format, image.size) == ("JPEG", size)
            red, green, blue = image.split()
            assert red.getextrema()[0] > 250
            assert max(green.getextrema()[1], blue.getextrema()[1]) < 5
