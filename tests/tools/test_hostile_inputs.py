"""Every hostile input through the tools themselves: refused by its code, nothing sent or paid."""

import base64
import io
import json
import os
import re
import struct
import tempfile
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx2
import pytest
from fastmcp import Client
from PIL import Image

from openrouter_mcp.files import attach, fetch
from tests.support.results import ERROR, call
from tests.support.upstream import paid

PNG = b"\x89PNG\r\n\x1a\n"


def png(width: int = 40, height: int = 30) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(buffer, "PNG")
    return buffer.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of(*chunks: bytes, size: int = 8) -> bytes:
    """A PNG with chunks before its pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes((size * 3 + 1) * min(size, 100))))
    return PNG + header + b"".join(chunks) + pixels + chunk(b"IEND", b"")


def text_bomb() -> bytes:
    """A comment that becomes a thousand times as large."""
    return png_of(chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(5_000_000))))


def gif_of(width: int, height: int) -> bytes:
    screen = b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\0\0" + bytes(6)
    return screen + b"," + struct.pack("<HHHH", 0, 0, width, height) + b"\0\x02\x01\0\0;"


def tiff_of(side: int) -> bytes:
    """A TIFF of so many pixels a side, of which there are none."""
    tags = [(256, side), (257, side), (258, 8), (259, 1), (262, 1), (273, 8), (278, side), (279, 1)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


FILES: dict[str, tuple[bytes, str]] = {
    "empty.png": (b"", "UNSUPPORTED_FORMAT"),
    "text.png": (b"no image", "UNSUPPORTED_FORMAT"),
    "page.png": (b"<html><script>alert(1)</script></html>", "UNSUPPORTED_FORMAT"),
    "script.svg": (b"<svg><script>alert(1)</script></svg>", "UNSUPPORTED_FORMAT"),
    "program.png": (b"MZ\x90\0" + bytes(60), "UNSUPPORTED_FORMAT"),
    "archive.png": (b"PK\x03\x04" + bytes(60), "UNSUPPORTED_FORMAT"),
    "gzip.png": (b"\x1f\x8b\x08\0" + bytes(60), "UNSUPPORTED_FORMAT"),
    "truncated.png": (png(300, 300)[:40], "UNSUPPORTED_FORMAT"),
    "header.jpg": (b"\xff\xd8\xff\xe0", "UNSUPPORTED_FORMAT"),
    "lying.jpg": (b"\xff\xd8\xff" + os.urandom(500), "UNSUPPORTED_FORMAT"),
    "short.webp": (b"RIFF\xff\xff\xff\xffWEBPVP8 ", "UNSUPPORTED_FORMAT"),
    "pixels.png": (png_of(size=60_000), "TOO_LARGE"),
    "pixels.gif": (gif_of(65_000, 65_000), "TOO_LARGE"),
    "pixels.tiff": (tiff_of(60_000), "TOO_LARGE"),
}
"""What a file holds, and how it is refused as an image to draw from."""
READ_AS_TEXT = {"text.png", "page.png", "script.svg"}
"""What harms nobody as a text that a model reads."""

PLACES: dict[str, str] = {
    "../../etc/passwd": "UNSAFE_PATH",
    "/etc/passwd": "UNSAFE_PATH",
    "file:///etc/passwd": "UNSAFE_PATH",
    "file://server/share/a.png": "INVALID_INPUT",
    "/proc/self/environ": "UNSAFE_PATH",
    "/proc/self/root/etc/passwd": "UNSAFE_PATH",
    "/dev/zero": "UNSAFE_PATH",
    "/dev/stdin": "UNSAFE_PATH",
    "outside.png": "UNSAFE_PATH",
    "zero.png": "UNSAFE_PATH",
    "inside/../../../outside/a.png": "UNSAFE_PATH",
    "{../../../../../../outside,.}/a.png": "UNSAFE_PATH",
    "../../outside/*.png": "UNSAFE_PATH",
    "pipe.png": "UNSUPPORTED_FORMAT",
    "folder.png": "NOT_FOUND",
    "a.png/b.png": "NOT_FOUND",
    "loop.png": "NOT_FOUND",
    "~/.ssh/id_rsa": "UNSAFE_PATH",
    "~/.SSH/id_rsa": "UNSAFE_PATH",
    "~/.\uff53\uff53\uff48/id_rsa": "UNSAFE_PATH",
    "~/.s\u200bsh/id_rsa": "UNSAFE_PATH",
    "~/.ssh./id_rsa": "UNSAFE_PATH",
    "~/SSH~1/id_rsa": "UNSAFE_PATH",
    "~/Library/a.png": "UNSAFE_PATH",
    "~/APPDATA/a.png": "UNSAFE_PATH",
    ".env": "UNSAFE_PATH",
    ".ENV": "UNSAFE_PATH",
    ".env::$DATA": "UNSAFE_PATH",
    ".env.": "UNSAFE_PATH",
    "key.pem": "UNSAFE_PATH",
    "innocent.png": "UNSAFE_PATH",
    "~/state/openrouter.db": "UNSAFE_PATH",
    "a\0.png": "INVALID_INPUT",
    "ftp://example.org/a.png": "INVALID_INPUT",
    "data:image/png;base64,%%%": "INVALID_INPUT",
}
"""Where a file is, and how it is refused."""

HOSTS = [
    *("127.0.0.1", "127.1", "localhost", "localhost.", "10.1.2.3", "172.16.0.1", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255"),
    *("[::1]", "[::]", "[fe80::1]", "[fd00:ec2::254]", "[ff02::1]", "[::ffff:169.254.169.254]"),
    *("[::127.0.0.1]", "[64:ff9b::a9fe:a9fe]", "[2002:7f00:1::]", "[2001:0:7f00:1::]"),
    *(
        "0177.0.0.1",
        "0x7f.0.0.1",
        "0x7f000001",
        "2130706433",
        "017700000001",
        "\uff11\uff12\uff17.0.0.1",
    ),
    *("metadata.google.internal", "printer.local", "router.lan", "nas.home.arpa"),
    *("user:secret@example.org", "example.org\\@127.0.0.1"),
]


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory at home with one innocent image, and traps around it."""
    home, work, outside = (tmp_path / name for name in ("home", "home/work", "outside"))
    for folder in (home / ".ssh", work / "folder.png", work / "inside", outside, home / "state"):
        folder.mkdir(parents=True)
    for file in (work / "a.png", outside / "a.png", work / ".env", work / "key.pem"):
        file.write_bytes(png())
    (home / ".ssh" / "id_rsa").write_bytes(png())
    (work / "outside.png").symlink_to(outside / "a.png")
    (work / "zero.png").symlink_to("/dev/zero")
    (work / "innocent.png").symlink_to(home / ".ssh" / "id_rsa")
    (work / "loop.png").symlink_to(work / "loop.png")
    os.mkfifo(work / "pipe.png")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(tempfile, "tempdir", str(work))
    monkeypatch.chdir(work)
    return work


@pytest.fixture
async def client(configure, work: Path, monkeypatch, connect) -> AsyncIterator[Client]:
    configure(OPENROUTER_INPUT_DIRS=str(work.parent), OPENROUTER_STATE_DIR="~/state")
    async with connect() as client:
        yield client


async def looked_at(client: Client, name: str):
    arguments = {"files": [name], "model": "google/gemini-3.5-flash"}
    return await client.call_tool("analyze_media", arguments, raise_on_error=False)


async def drawn_from(client: Client, name: str):
    arguments = {"prompt": "x", "references": [name], "model": "bytedance-seed/seedream-4.5"}
    return await client.call_tool("generate_image", arguments, raise_on_error=False)


async def filmed(client: Client, name: str):
    arguments = {"prompt": "x", "first_frame": name, "model": "google/veo-3.1"}
    return await client.call_tool("generate_video", arguments, raise_on_error=False)


WAYS = [looked_at, drawn_from, filmed]


def code(result) -> str:
    return (result.meta or {}).get("openrouter/error", {}).get("code", "")


@pytest.mark.parametrize("way", WAYS)
async def test_nothing_is_read_that_must_not_be(client, simulator, way: Callable) -> None:
    for name, expected in PLACES.items():
        result = await way(client, name)
        assert code(result) == expected, name
        assert "Traceback" not in result.content[0].text
    assert paid(simulator) == []


@pytest.mark.parametrize("way", WAYS)
async def test_no_host_is_reached_that_must_not_be(client, simulator, way: Callable) -> None:
    for host in HOSTS:
        for suffix in ("a.png", "a"):
            result = await way(client, f"http://{host}/{suffix}")
            assert code(result) == "UNSAFE_URL", host
            assert "secret" not in result.content[0].text
    assert paid(simulator) == []


@pytest.mark.parametrize("name", FILES)
async def test_no_hostile_file_is_drawn_from(client, simulator, work: Path, name: str) -> None:
    content, expected = FILES[name]
    (work / name).write_bytes(content)
    for way in (drawn_from, filmed):
        assert code(await way(client, name)) == expected
    assert paid(simulator) == []


@pytest.mark.parametrize("name", FILES)
async def test_a_hostile_file_is_refused_or_read_as_text(
    client, simulator, work: Path, name: str
) -> None:
    content, expected = FILES[name]
    (work / name).write_bytes(content)
    result = await looked_at(client, name)
    if name not in READ_AS_TEXT:
        assert code(result) == (expected if content else "INVALID_INPUT")
        assert paid(simulator) == []
        return
    (request,) = paid(simulator)
    assert request.body["messages"][0]["content"][1]["type"] == "text"


async def test_a_comment_that_becomes_huge_is_not_sent(client, simulator, work: Path) -> None:
    (work / "comment.png").write_bytes(text_bomb())
    await looked_at(client, "comment.png")
    await drawn_from(client, "comment.png")
    sent = [json.dumps(request.body) for request in paid(simulator)]
    assert len(sent) == 2
    for body in sent:
        (encoded,) = re.findall(r"data:image/png;base64,([^\"]+)", body)
        picture = base64.b64decode(encoded)
        assert b"IDAT" in picture
        assert b"Comment" not in picture
        assert len(picture) < 1000


# What only shows once a host has answered.


def moved(location: str) -> httpx2.Response:
    return httpx2.Response(302, headers={"Location": location})


REPLIES: dict[str, tuple[Callable[[], httpx2.Response], str]] = {
    "moved to loopback": (lambda: moved("http://127.0.0.1/a.png"), "UNSAFE_URL"),
    "moved to metadata": (lambda: moved("http://169.254.169.254/latest/meta-data"), "UNSAFE_URL"),
    "moved to a name that is private": (lambda: moved("http://inside.example/"), "UNSAFE_URL"),
    "moved to a file": (lambda: moved("file:///etc/passwd"), "UNSAFE_URL"),
    "moved in a circle": (lambda: moved("http://public.example/a"), "NETWORK"),
    "packed as gzip": (
        lambda: httpx2.Response(200, headers={"Content-Encoding": "gzip"}, stream=_stream(b"\x1f")),
        "NETWORK",
    ),
    "announced too large": (
        lambda: httpx2.Response(200, headers={"Content-Length": "9999999999"}, stream=_stream(b"")),
        "TOO_LARGE",
    ),
    "endless": (lambda: httpx2.Response(200, stream=_stream(png(), 50_000)), "TOO_LARGE"),
    "a page that is called an image": (
        lambda: httpx2.Response(
            200, headers={"Content-Type": "image/png"}, stream=_stream(b"<html>")
        ),
        "UNSUPPORTED_FORMAT",
    ),
    "missing": (lambda: httpx2.Response(404), "NOT_FOUND"),
}


class _stream(httpx2.AsyncByteStream):  # noqa: N801 - reads as a function
    """The bytes, and as many pieces of zeros after them."""

    def __init__(self, content: bytes, more: int = 0) -> None:
        self._content = content
        self._more = more

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content
        for _ in range(self._more):
            yield bytes(100_000)


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], httpx2.Response]], None]:
    """A web in which inside.example and changing.example lead here, and others far away."""

    def answer_with(reply: Callable[[], httpx2.Response]) -> None:
        looked_up: list[str] = []

        async def resolve(host: str, _port: int) -> list[str]:
            looked_up.append(host)
            changed = host == "changing.example" and looked_up.count(host) > 1
            return ["127.0.0.1" if changed or host == "inside.example" else "93.184.215.14"]

        transport = httpx2.MockTransport(lambda _request: reply())
        monkeypatch.setattr(
            attach, "Fetcher", lambda s: fetch.Fetcher(s, resolve=resolve, transport=transport)
        )

    return answer_with


@pytest.mark.parametrize("case", REPLIES)
async def test_a_hostile_host_is_given_up(
    configure, work, simulator, monkeypatch, web, case: str, connect
) -> None:
    reply, expected = REPLIES[case]
    web(reply)
    configure(OPENROUTER_IMAGE_MAX_DOWNLOAD_BYTES="1000000")
    async with connect() as client:
        for way in (drawn_from, filmed):
            assert code(await way(client, "http://public.example/a")) == expected
    assert paid(simulator) == []


async def test_a_name_that_leads_here_or_changes_its_answer_is_given_up(
    configure, work, simulator, monkeypatch, web, connect
) -> None:
    web(lambda: moved("http://changing.example/b"))
    async with connect() as client:
        for host in ("inside.example", "changing.example"):
            assert code(await drawn_from(client, f"http://{host}/a")) == "UNSAFE_URL"
    assert paid(simulator) == []


@pytest.mark.parametrize("address", ["http://169.254.169.254/a.png", "file:///etc/passwd"])
async def test_addresses_in_messages_and_options_reach_nobody(client, simulator, address) -> None:
    part = {"type": "image_url", "image_url": {"url": address}}
    messages = [{"role": "user", "content": [part]}]
    for tool, arguments in (
        ("chat", {"messages": messages, "model": "opus"}),
        ("chat", {"messages": messages, "model": "opus", "dry_run": True}),
        ("generate_video", {"prompt": "x", "options": {"input_references": [part]}}),
    ):
        result = await call(client, tool, **arguments)
        assert result.meta[ERROR]["code"] == "UNSAFE_URL", tool
    assert [request for request in simulator.requests if request.method == "POST"] == []
