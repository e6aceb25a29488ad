"""Files from foreign addresses: public hosts only, bounded in size and time. Never with our key."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import re
import socket
import tempfile
import weakref
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import SplitResult, unquote_to_bytes, urljoin, urlsplit

from openrouter_mcp import __version__
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files.kinds import HEAD, byte_limit, fetch_seconds, kind_of
from openrouter_mcp.settings import Settings, variable

if TYPE_CHECKING:
    import httpx2

ADDRESS = re.compile(r"(?:https?://|data:)", re.IGNORECASE)
IMAGE = re.compile(r"\.(?:png|jpe?g|webp|gif)$", re.IGNORECASE)
YOUTUBE = re.compile(r"(?:(?:www|m)\.)?youtube\.com|youtu\.be", re.IGNORECASE)
# Spellings of an IPv4 address beside the usual one: whole numbers, octal, hexadecimal, shortened.
NUMERIC = re.compile(r"(?:.*\.)?(?:\d+|0x[\da-f]*)\.?", re.IGNORECASE)
LOCAL_NAMES = frozenset(
    {
        *("localhost", "local", "localdomain", "internal", "intranet", "private", "corp", "lan"),
        *("home", "arpa", "svc", "cluster", "consul", "docker", "kubernetes", "metadata"),
    }
)
"""Last words of names that mean something in one network only."""
TUNNELS = tuple(
    ipaddress.ip_network(network)
    for network in ("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")
)
SITES = tuple(ipaddress.ip_network(network) for network in ("fec0::/10", "3fff::/20", "5f00::/16"))
"""Networks of one site, or of none, that some versions of Python take for global."""
PLACES = {"image_url": "url", "video_url": "url", "audio_url": "url", "file_url": "url"}
"""Fields of content parts that are an address, or an object that has it in this field."""
CONTENT = {"input_audio": "data", "file": "file_data"}
"""Fields of content parts whose data may be an address as well."""
CHARSET = re.compile(r";\s{0,9}charset=[\"']?([\w.:-]{2,40})", re.IGNORECASE)
LONGEST_TYPE = 200
"""Characters of a content type that are looked at."""
SCHEME = re.compile(r"\s{0,9}[a-z][a-z\d+.-]{0,19}:", re.IGNORECASE)
SHOWN = 200
READ_TIMEOUT = 15.0
"""Seconds without a byte after which a fetch is given up."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})
LARGEST = ("max_file_bytes", *(f"{k}_max_download_bytes" for k in ("image", "audio", "video")))
LONGEST = ("image_fetch_timeout_ms", "audio_fetch_timeout_ms", "video_fetch_timeout_ms")
MOST_REDIRECTS = ("image_max_redirects", "audio_max_redirects", "video_max_redirects")

Resolve = Callable[[str, int], Awaitable[list[str]]]
Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_address(name: str) -> bool:
    """Whether a name is an http(s) or data address rather than a path."""
    return ADDRESS.match(unquoted(name)) is not None


def is_data(address: str) -> bool:
    """Whether an address holds the file itself."""
    return address[:5].lower() == "data:"


def unquoted(name: str) -> str:
    """The name without spaces and quotes around it."""
    name = name.strip()
    quoted = len(name) > 1 and name[0] == name[-1] and name[0] in "\"'`"
    return name[1:-1].strip() if quoted else name


def shown(address: str) -> str:
    """An address on one line, without query and user, which may hold a secret."""
    plain = re.sub("//[^/]*@", "//", re.split("[?#]", address)[0])
    line = "".join(c if c.isprintable() else "\ufffd" for c in plain)
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}..."


def parsed(address: str, *, private: bool = False) -> SplitResult:
    """The parts of an http(s) address whose host is no private one by its spelling alone.

    Raises `UNSAFE_URL`. `private` allows private hosts.
    """
    try:
        parts = urlsplit(address)
        host, _ = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise unsafe(address, "cannot be understood. Check its spelling.") from None
    if parts.scheme not in {"http", "https"} or not host or re.search(r"[\s\\\x00-\x1f]", address):
        raise unsafe(address, "is no http(s) address of a file. Check its spelling.")
    if parts.username is not None or parts.password is not None:
        raise unsafe(address, "holds a user name or password. Give an address without.")
    if private:
        return parts
    try:
        ip = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        if NUMERIC.fullmatch(host) or not host.isascii():
            raise unsafe(
                address, "spells its host in an unusual way. Give its plain name or address."
            ) from None
        # A name of one word is looked up in the network's own domain.
        if "." not in host or host.rpartition(".")[2].lower() in LOCAL_NAMES:
            raise not_public(address, host) from None
    else:
        if not is_public(ip):
            raise not_public(address, host)
    return parts


def check_parts(value: object, *, private: bool = False) -> None:
    """Judge the addresses in a request's content parts like those of files.

    Raises `UNSAFE_URL`. `private` allows private hosts.
    """
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, Mapping):
            pending += item.values()
            for places, is_address_alone in ((PLACES, True), (CONTENT, False)):
                for name in item.keys() & places.keys():
                    _check_place(item[name], places[name], private, alone=is_address_alone)
        elif isinstance(item, list | tuple):
            pending += item


def _check_place(value: object, field: str, private: bool, *, alone: bool) -> None:
    where = value.get(field) if isinstance(value, Mapping) else value
    if not isinstance(where, str) or is_data(where) or not where:
        return
    # What is no address may be the base64 of the content itself.
    if alone or SCHEME.match(where):
        parsed(where, private=private)


def is_public(ip: Ip) -> bool:
    """Whether an address is one of the open internet, and not one that leads to another."""
    if isinstance(ip, ipaddress.IPv6Address) and (
        ip.ipv4_mapped is not None or any(ip in network for network in (*TUNNELS, *SITES))
    ):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def is_image(parts: SplitResult) -> bool:
    """Whether an address names an image, which OpenRouter fetches by itself."""
    return IMAGE.search(parts.path) is not None


def is_youtube(parts: SplitResult) -> bool:
    """Whether it is a page of YouTube, which some providers read as video."""
    return YOUTUBE.fullmatch(parts.hostname or "") is not None


def unsafe(address: str, why: str) -> OpenRouterError:
    """The refusal of an address."""
    return OpenRouterError(Code.UNSAFE_URL, f"{shown(address)} {why}")


def not_public(address: str, host: str) -> OpenRouterError:
    """The refusal of an address that is not on the open internet."""
    return unsafe(
        address,
        f"leads into a private network ({shown(host)}). Set {variable('allow_private_urls')}=1 if "
        "it is yours and meant.",
    )


class Spool:
    """Bytes in a temporary file, which is deleted with the last reference to this object."""

    def __init__(self, content_type: str = "") -> None:
        charset = CHARSET.search(content_type[:LONGEST_TYPE])
        self.charset = charset[1] if charset else ""
        """The encoding that is told of it; empty if none is."""
        descriptor, name = tempfile.mkstemp(prefix="openrouter-")
        self._path = Path(name)
        self.file: BinaryIO = open(descriptor, "wb")  # noqa: SIM115, PTH123 - closed by `finish`
        weakref.finalize(self, self._path.unlink, missing_ok=True)
        weakref.finalize(self, self.file.close)

    def finish(self) -> None:
        """Close the file for writing."""
        self.file.close()

    def open(self) -> BinaryIO:
        """Read it from the beginning."""
        return self._path.open("rb")

    def read(self) -> bytes:
        """All that was written."""
        return self._path.read_bytes()

    @property
    def size(self) -> int:
        """Bytes that were written."""
        return self._path.stat().st_size


async def look_up(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system knows them. Raises `OSError`."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Fetcher:
    """Downloads what callers name by address, within the limits of the settings."""

    def __init__(
        self,
        settings: Settings,
        *,
        resolve: Resolve = look_up,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._settings = settings
        self._resolve = resolve
        self._transport = transport

    async def fetch(self, address: str) -> Spool:
        """The bytes at an http(s) address, whatever type the reply claims for them.

        Raises `UNSAFE_URL`, `TOO_LARGE`, `NOT_FOUND`, `NETWORK`, `UPSTREAM_TIMEOUT`.
        """
        import httpx2

        seconds = max(getattr(self._settings, name) for name in LONGEST) / 1000
        try:
            async with asyncio.timeout(seconds) as deadline, self._client() as client:
                response = await self._follow(client, address)
                try:
                    return await self._store(address, response, deadline)
                finally:
                    await response.aclose()
        except (TimeoutError, httpx2.TimeoutException):
            raise OpenRouterError(
                Code.UPSTREAM_TIMEOUT,
                f"{shown(address)} was not there in time. Download it yourself and give "
                f"its path, or raise {variable('video_fetch_timeout_ms')} (or that of images, "
                "audio).",
                retryable=True,
            ) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError, OSError) as error:
            raise _failure(address, f"could not be fetched ({type(error).__name__})") from None

    def _client(self) -> httpx2.AsyncClient:
        import httpx2

        # No proxy and no .netrc: the connection goes to the address that was checked.
        return httpx2.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            timeout=READ_TIMEOUT,
            transport=self._transport,
            headers={"User-Agent": f"openrouter-mcp/{__version__}", "Accept-Encoding": "identity"},
        )

    async def _follow(self, client: httpx2.AsyncClient, address: str) -> httpx2.Response:
        """The successful reply at the end of all redirects, each of which is checked."""
        target = address
        for _ in range(max(getattr(self._settings, name) for name in MOST_REDIRECTS) + 1):
            response = await self._request(client, target)
            if response.status_code not in REDIRECTS:
                return await self._check_reply(address, response)
            location = response.headers.get("location", "")
            await response.aclose()
            target = urljoin(target, location)
        raise _failure(address, "redirects too often")

    async def _request(self, client: httpx2.AsyncClient, address: str) -> httpx2.Response:
        """One request, over a connection to an address that was checked."""
        import httpx2

        private = self._settings.allow_private_urls
        parts = parsed(address, private=private)
        host = (parts.hostname or "").encode("idna").decode()
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            found = await self._resolve(host, port)
        except OSError:
            raise _failure(address, f"names a host that is not known ({host})") from None
        if not private and not all(is_public(_ip(each)) for each in found):
            raise not_public(address, host)
        url = httpx2.URL(address)
        failure: httpx2.TransportError = httpx2.ConnectError("no address")
        for each in found:
            request = client.build_request(
                "GET",
                url.copy_with(host=each.partition("%")[0]),
                headers={"Host": url.netloc.decode()},
                extensions={"sni_hostname": host},
            )
            try:
                return await client.send(request, stream=True)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _check_reply(self, address: str, response: httpx2.Response) -> httpx2.Response:
        status = response.status_code
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if status == 200 and encoding in {"", "identity"}:
            return response
        await response.aclose()
        if status == 200:
            # Compressed although nobody asked for it: what it would become is not bounded.
            raise _failure(address, f"comes compressed ({encoding[:20]})")
        code = Code.NOT_FOUND if status in {404, 410} else Code.NETWORK
        raise _failure(address, f"answers HTTP {status}", code)

    async def _store(
        self, address: str, response: httpx2.Response, deadline: asyncio.Timeout
    ) -> Spool:
        begun = asyncio.get_running_loop().time()
        name = max(LARGEST, key=lambda each: getattr(self._settings, each))
        announced = response.headers.get("content-length", "")
        self._check_size(address, int(announced) if announced.isdecimal() else 0, name)
        spool = await asyncio.to_thread(Spool, response.headers.get("content-type", ""))
        head, size = b"", 0
        async for piece in response.aiter_raw():
            size += len(piece)
            if len(head) < HEAD:
                head += piece[:HEAD]
                if len(head) >= HEAD:
                    kind = kind_of(head)
                    name = byte_limit(kind, "max_download_bytes")
                    deadline.reschedule(begun + fetch_seconds(self._settings, kind))
            self._check_size(address, size, name)
            await asyncio.to_thread(spool.file.write, piece)
        await asyncio.to_thread(spool.finish)
        return spool

    def _check_size(self, address: str, size: int, name: str) -> None:
        limit = getattr(self._settings, name)
        if size > limit:
            raise OpenRouterError(
                Code.TOO_LARGE,
                f"{shown(address)} has more than the {limit:,} bytes that "
                f"{variable(name)} allows. Give a smaller file or raise that limit.",
            )


def _ip(text: str) -> Ip:
    return ipaddress.ip_address(text.partition("%")[0])


def _failure(address: str, why: str, code: Code = Code.NETWORK) -> OpenRouterError:
    return OpenRouterError(
        code,
        f"{shown(address)} {why}. Check the address, or download the file yourself and "
        "give its path.",
    )


def decoded(address: str, settings: Settings) -> Spool:
    """The bytes of a data URL. Blocks. Raises `INVALID_INPUT`, `TOO_LARGE`."""
    names = (f"{kind}_max_data_url_bytes" for kind in ("image", "audio", "video"))
    name = max(names, key=lambda each: getattr(settings, each))
    if len(address) // 4 * 3 > getattr(settings, name) + HEAD:
        raise OpenRouterError(
            Code.TOO_LARGE,
            f"A data URL has more than the {getattr(settings, name):,} bytes that "
            f"{variable(name)} allows. Save it to a file and give its path.",
        )
    try:
        content = _content(address)
    except ValueError:
        raise OpenRouterError(
            Code.INVALID_INPUT,
            "A data URL cannot be decoded. Give data:image/png;base64,... or the path of a file.",
        ) from None
    spool = Spool(address.partition(",")[0])
    spool.file.write(content)
    spool.finish()
    return spool


def _content(address: str) -> bytes:
    """What a data URL holds. Raises ValueError."""
    head, comma, data = address.partition(",")
    if not comma:
        raise ValueError
    if head.lower().endswith(";base64"):
        return base64.b64decode(data, validate=True)
    return unquote_to_bytes(data)
