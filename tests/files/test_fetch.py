"""Fetching: pinned to checked addresses, bounded in size and time, never with the key."""

import gc
import gzip
import ipaddress
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import fetch
from openrouter_mcp.files.fetch import Fetcher
from openrouter_mcp.settings import Settings

PUBLIC = "93.184.215.14"


def found(data: bytes, **headers: str) -> httpx2.Response:
    return httpx2.Response(200, headers=headers, stream=httpx2.ByteStream(data))


def fetcher(handler=None, *, names: dict[str, list[str]] | None = None, **limits) -> Fetcher:
    async def resolve(host: str, _port: int) -> list[str]:
        if names and host in names:
            return [names[host].pop(0)] if len(names[host]) > 1 else names[host]
        return [PUBLIC]

    transport = httpx2.MockTransport(handler) if handler else None
    return Fetcher(Settings(api_key="sk-or-secret", **limits), resolve=resolve, transport=transport)


async def refused(fetching: Fetcher, address: str = "https://example.org/a.bin") -> OpenRouterError:
    with pytest.raises(OpenRouterError) as caught:
        await fetching.fetch(address)
    return caught.value


async def test_the_connection_goes_to_the_address_that_was_checked():
    asked = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return found(b"text")

    spool = await fetcher(answer).fetch("https://example.org:8443/a.txt?b=1")
    with spool.open() as file:
        assert file.read() == b"text"
    (request,) = asked
    assert str(request.url) == f"https://{PUBLIC}:8443/a.txt?b=1"
    assert request.headers["host"] == "example.org:8443"
    assert request.extensions["sni_hostname"] == "example.org"
    assert "secret" not in str(request.headers)
    assert "authorization" not in request.headers


async def test_a_name_that_leads_to_a_private_address_is_never_asked():
    for ip in ("127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "::ffff:10.0.0.1", "fe80::1%lo"):
        error = await refused(fetcher(lambda _: pytest.fail("asked"), names={"example.org": [ip]}))
        assert error.code is Code.UNSAFE_URL
        assert "OPENROUTER_ALLOW_PRIVATE_URLS" in error.message


async def test_one_private_address_among_public_ones_is_enough_to_refuse():
    async def resolve(_host: str, _port: int) -> list[str]:
        return [PUBLIC, "127.0.0.1"]

    error = await refused(Fetcher(Settings(), resolve=resolve))
    assert error.code is Code.UNSAFE_URL


async def test_a_name_that_changes_its_answer_is_looked_up_once_for_each_request():
    asked = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.host)
        return found(b"text")

    changing = {"example.org": [PUBLIC, "127.0.0.1"]}
    await fetcher(answer, names=changing).fetch("https://example.org/")
    assert asked == [PUBLIC]


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1/",
        "//[::1]/",
        "http://0177.0.0.1/",
        "http://inside.example/",
        "file:///etc/passwd",
        "gopher://x/",
    ],
)
async def test_a_redirect_to_a_private_place_is_refused(location: str):
    def answer(request: httpx2.Request) -> httpx2.Response:
        assert request.url.host == PUBLIC
        return httpx2.Response(302, headers={"location": location})

    error = await refused(fetcher(answer, names={"inside.example": ["10.0.0.1"]}))
    # What httpx2 itself cannot read as an address is no answer at all.
    assert error.code in {Code.UNSAFE_URL, Code.NETWORK}


async def test_redirects_are_followed_and_counted():
    def answer(request: httpx2.Request) -> httpx2.Response:
        left = int(request.url.params["left"])
        if not left:
            return found(b"there")
        return httpx2.Response(302, headers={"location": f"/a?left={left - 1}"})

    assert (await fetcher(answer).fetch("https://example.org/a?left=5")).size == 5
    error = await refused(fetcher(answer), "https://example.org/a?left=6")
    assert "too often" in error.message


@pytest.mark.parametrize(
    ("status", "code"), [(404, "NOT_FOUND"), (403, "NETWORK"), (500, "NETWORK")]
)
async def test_a_failure_of_the_host_is_told(status: int, code: str):
    error = await refused(fetcher(lambda _: httpx2.Response(status)))
    assert error.code == code
    assert str(status) in error.message


async def test_what_comes_compressed_unasked_is_refused_unread():
    bomb = gzip.compress(bytes(10_000_000))
    headers = {"content-encoding": "gzip"}
    error = await refused(
        fetcher(lambda _: httpx2.Response(200, headers=headers, stream=httpx2.ByteStream(bomb)))
    )
    assert "compressed" in error.message


async def test_a_size_that_is_announced_is_refused_before_it_is_read():
    headers = {"content-length": "999999999"}
    error = await refused(fetcher(lambda _: httpx2.Response(200, headers=headers)))
    assert error.code is Code.TOO_LARGE


async def test_the_bytes_decide_which_limit_holds_whatever_the_type_says():
    png = b"\x89PNG\r\n\x1a\n\0" + bytes(20_000)

    def answer(_request: httpx2.Request) -> httpx2.Response:
        return found(png, **{"content-type": "video/mp4"})

    error = await refused(fetcher(answer, image_max_download_bytes=10_000))
    assert "OPENROUTER_IMAGE_MAX_DOWNLOAD_BYTES" in error.message
    assert (await fetcher(answer, video_max_download_bytes=1).fetch("https://x.org/")).size > 20_000


async def test_an_unknown_host_is_told():
    async def resolve(_host: str, _port: int) -> list[str]:
        raise socket.gaierror

    assert (await refused(Fetcher(Settings(), resolve=resolve))).code is Code.NETWORK


def test_a_temporary_file_lives_as_long_as_what_refers_to_it():
    spool = fetch.Spool()
    spool.finish()
    path, read = spool._path, spool.open
    del spool
    gc.collect()
    assert path.exists()
    del read
    gc.collect()
    assert not path.exists()


@contextmanager
def listening(reply) -> Iterator[str]:
    """A host on loopback that `reply` answers with its connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                try:
                    reply(connection)
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/a.mp4"
    thread.join(5)


OK = b"HTTP/1.1 200 OK\r\n\r\n"


async def test_an_endless_download_ends_at_its_limit():
    def endless(connection: socket.socket) -> None:
        connection.sendall(OK + b"\0\0\0\x18ftypmp42\0")
        while True:
            connection.sendall(bytes(65_536))

    limits = {"allow_private_urls": True, "video_max_download_bytes": 2_000_000}
    with listening(endless) as address:
        assert (await refused(Fetcher(Settings(**limits)), address)).code is Code.TOO_LARGE


async def test_a_slow_download_ends_in_time():
    def slow(connection: socket.socket) -> None:
        connection.sendall(OK)
        while True:
            connection.sendall(b"x")
            time.sleep(0.02)

    kinds = ("image", "audio", "video")
    limits = {f"{kind}_fetch_timeout_ms": 200 for kind in kinds}
    with listening(slow) as address:
        error = await refused(Fetcher(Settings(allow_private_urls=True, **limits)), address)
    assert error.code is Code.UPSTREAM_TIMEOUT


async def test_loopback_is_refused_for_real_unless_it_is_allowed():
    with listening(lambda connection: connection.sendall(OK + b"inside")) as address:
        assert (await refused(Fetcher(Settings()), address)).code is Code.UNSAFE_URL
        name = address.replace("127.0.0.1", "localtest.example")

        async def resolve(_host: str, _port: int) -> list[str]:
            return ["127.0.0.1"]

        assert (await refused(Fetcher(Settings(), resolve=resolve), name)).code is Code.UNSAFE_URL
        spool = await Fetcher(Settings(allow_private_urls=True)).fetch(address)
        assert spool.size == 6


def test_data_urls_are_decoded_within_their_limit():
    settings = Settings()
    assert fetch.decoded("data:text/plain;base64,aGk=", settings).size == 2
    assert fetch.decoded("data:,a%20b", settings).size == 3
    for wrong in ("data:text/plain;base64,%%%", "data:image/png;base64", "data:;base64,a"):
        with pytest.raises(OpenRouterError) as caught:
            fetch.decoded(wrong, settings)
        assert caught.value.code is Code.INVALID_INPUT
    with pytest.raises(OpenRouterError) as caught:
        fetch.decoded("data:;base64," + "A" * 40_000_000, settings)
    assert caught.value.code is Code.TOO_LARGE


# Addresses: what is public by its spelling, what is refused however it is written.


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1/a.png",
        "http://localhost/a.png",
        "http://LOCALHOST./a.png",
        "http://printer.local/a.png",
        "http://metadata.google.internal/",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "http://172.16.0.1/",
        "http://192.168.1.1/",
        "http://100.64.0.1/",
        "http://0.0.0.0/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://[::1]/",
        "http://[::]/",
        "http://[fe80::1]/",
        "http://[fc00::1]/",
        "http://[ff02::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:8.8.8.8]/",
        "http://[::127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[2001:0:7f00:1::]/",
        "http://0177.0.0.1/",
        "http://017700000001/",
        "http://0x7f.0.0.1/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://127.1/",
        "http://\u2460\u2461\u2466.0.0.1/",
        "http://user:secret@example.org/a.png",
        "http://example.org@127.0.0.1/",
        "http://example.org\\@127.0.0.1/",
        "http://example.org:99999/",
        "http://exa mple.org/",
        "http:///a.png",
        "http://[::1/",
        "ftp://example.org/a.png",
    ],
)
def test_an_address_that_is_not_public_is_refused_by_its_spelling(address: str):
    with pytest.raises(OpenRouterError) as caught:
        fetch.parsed(address)
    assert caught.value.code is Code.UNSAFE_URL
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("host", ["8.8.8.8", "example.org", "[2606:4700::1]", "EXAMPLE.org:8080"])
def test_a_public_address_is_taken(host: str):
    assert fetch.parsed(f"https://{host}/a.png").path == "/a.png"


def test_private_hosts_are_allowed_on_request_but_no_passwords():
    assert fetch.parsed("http://192.168.1.1/a.png", private=True).path == "/a.png"
    with pytest.raises(OpenRouterError):
        fetch.parsed("http://me:secret@192.168.1.1/a.png", private=True)


@pytest.mark.parametrize(
    ("ip", "public"),
    [("8.8.8.8", True), ("2606:4700::1", True), ("192.0.2.1", False), ("240.0.0.1", False)],
)
def test_reserved_addresses_are_not_public(ip: str, public: bool):
    assert fetch.is_public(ipaddress.ip_address(ip)) is public


def test_youtube_is_known_by_its_host_alone():
    pages = ["https://youtu.be/x", "https://www.youtube.com/watch?v=x", "https://m.youtube.com/x"]
    assert all(fetch.is_youtube(fetch.parsed(page)) for page in pages)
    others = ["https://youtube.com.evil.org/x", "https://evil.org/youtube.com"]
    assert not any(fetch.is_youtube(fetch.parsed(page)) for page in others)


def test_what_is_shown_of_an_address_has_no_query_and_one_line():
    assert fetch.shown("https://x.org/a?token=secret#b") == "https://x.org/a"
    assert "\n" not in fetch.shown("https://x.org/a\nb")


# Names and addresses of private networks, wherever they stand


PRIVATE = [
    *("http://[fec0::1]/a.png", "http://[feff::1]/a.png", "http://[3fff::1]/a.png"),
    *("http://metadata/a.png", "http://router/a.png", "http://intranet./a.png", "http://db:80/a"),
    *("http://api.default.svc/a.png", "http://api.default.svc.cluster.local/a.png"),
    *("http://metadata.google.internal/a.png", "http://nas.home/a.png", "http://x.home.arpa/a"),
    *("http://host.docker.internal/a.png", "http://10.0.0.1/a.png", "http://localhost/a.png"),
    *("http://[::ffff:10.0.0.1]/a.png", "http://a.consul/a.png", "http://2130706433/a.png"),
]


@pytest.mark.parametrize("address", PRIVATE)
async def test_names_of_private_networks_are_refused_unasked(address: str):
    def answer(request: httpx2.Request) -> httpx2.Response:
        pytest.fail(f"asked for {request.url}")

    assert (await refused(fetcher(answer), address)).code == Code.UNSAFE_URL
    with pytest.raises(OpenRouterError):
        fetch.parsed(address)
    fetch.parsed("https://example.org/internal/svc")


PARTS = [
    {"type": "image_url", "image_url": {"url": "{}"}},
    {"type": "image_url", "image_url": "{}"},
    {"type": "video_url", "video_url": {"url": "{}"}},
    {"type": "file", "file": {"filename": "a.pdf", "file_data": "{}"}},
    {"type": "input_audio", "input_audio": {"data": "{}", "format": "mp3"}},
    {"type": "input_image", "image_url": "{}"},
    {"type": "input_file", "file_url": "{}"},
]


def filled(value, address: str):
    return json.loads(json.dumps(value).replace("{}", address))


@pytest.mark.parametrize("part", PARTS, ids=str)
def test_addresses_in_parts_are_judged_like_files(part):
    for address in (*PRIVATE, "file:///etc/passwd", "FILE:///etc/passwd", " file:/etc/passwd"):
        body = {"messages": [{"role": "user", "content": [filled(part, address)]}]}
        with pytest.raises(OpenRouterError) as caught:
            fetch.check_parts(body)
        assert caught.value.code == Code.UNSAFE_URL
    for address in ("https://example.org/a.png", "data:image/png;base64,AAAA"):
        fetch.check_parts({"messages": [{"content": [filled(part, address)]}]})
    fetch.check_parts(filled(part, "http://10.0.0.1/a.png"), private=True)


def test_what_is_no_part_is_no_address():
    schema = {"properties": {"image_url": {"type": "string"}, "file": {"type": "string"}}}
    fetch.check_parts({"tools": [schema], "input": ["http://10.0.0.1", "file:///x"], "file": None})
    fetch.check_parts({"type": "input_audio", "input_audio": {"data": "//uQxAAAAA==", "url": 7}})
