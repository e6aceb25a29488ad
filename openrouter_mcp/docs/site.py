"""Documents of OpenRouter's website: a plain visitor asks, without a key and within limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openrouter_mcp import __version__
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.text import clean

if TYPE_CHECKING:
    import httpx2

MAX_BYTES = 32_000_000
MAX_REDIRECTS = 5
MAX_CONNECTIONS = 4
# Seconds: for one document in all, and for one step of it.
TIME_LIMIT = 60.0
STEP_LIMIT = 15.0

CHECK_ADDRESS = "Check OPENROUTER_DOCS_URL and OPENROUTER_SKILLS_URL, then call again."
CALL_AGAIN = "Check the network and the proxy, then call again."


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document, or that it has not changed (`text` is None).

    `url` is where it was in the end; the other two are what to ask with the next time.
    """

    url: str
    text: str | None
    etag: str
    last_modified: str


@asynccontextmanager
async def connected() -> AsyncGenerator[httpx2.AsyncClient]:
    """The client for a few requests to `get`."""
    async with await asyncio.to_thread(_client) as client:
        yield client


def _client() -> httpx2.AsyncClient:
    import httpx2

    return httpx2.AsyncClient(
        headers={
            "User-Agent": f"openrouter-mcp/{__version__}",
            "Accept": "text/markdown, text/plain, */*;q=0.1",
        },
        timeout=httpx2.Timeout(STEP_LIMIT, pool=None),
        limits=httpx2.Limits(max_connections=MAX_CONNECTIONS),
        follow_redirects=False,
    )


async def get(
    client: httpx2.AsyncClient, url: str, *, etag: str = "", last_modified: str = ""
) -> Fetched:
    """The text at `url`, unless it is still the one that `etag` or `last_modified` stand for.

    Redirects are followed within the same origin. Raises `OpenRouterError`: NOT_FOUND, TOO_LARGE,
    UNSAFE_URL (a redirect elsewhere), UPSTREAM_ERROR, UPSTREAM_TIMEOUT, NETWORK.
    """
    import httpx2

    conditions = {"If-None-Match": etag, "If-Modified-Since": last_modified}
    request = client.build_request(
        "GET", url, headers={name: value for name, value in conditions.items() if value}
    )
    try:
        async with asyncio.timeout(TIME_LIMIT):
            return await _follow(client, request)
    except (TimeoutError, httpx2.TimeoutException):
        raise OpenRouterError(
            Code.UPSTREAM_TIMEOUT, f"{url} took too long. {CALL_AGAIN}", retryable=True
        ) from None
    except httpx2.HTTPError as error:
        reason = clean(error, 120) or type(error).__name__
        raise OpenRouterError(
            Code.NETWORK, f"{url} cannot be reached ({reason}). {CALL_AGAIN}", retryable=True
        ) from None


async def _follow(client: httpx2.AsyncClient, request: httpx2.Request) -> Fetched:
    start = request.url
    for _ in range(MAX_REDIRECTS + 1):
        response = await client.send(request, stream=True)
        try:
            following = response.next_request
            if following is None:
                return await _read(response)
        finally:
            await response.aclose()
        if _origin(following.url) != _origin(start):
            raise OpenRouterError(
                Code.UNSAFE_URL, f"{start} leads to another site. {CHECK_ADDRESS}", http_status=302
            )
        request = following
    raise OpenRouterError(Code.UPSTREAM_ERROR, f"{start} redirects in circles. {CHECK_ADDRESS}")


async def _read(response: httpx2.Response) -> Fetched:
    url, status = str(response.url), response.status_code
    etag, last_modified = (
        value if (value := response.headers.get(name, "")).isascii() else ""
        for name in ("ETag", "Last-Modified")
    )
    if status == 304:
        return Fetched(url, None, etag, last_modified)
    if status in (404, 410):
        raise OpenRouterError(
            Code.NOT_FOUND, f"There is nothing at {url}. {CHECK_ADDRESS}", http_status=status
        )
    if status != 200:
        raise OpenRouterError(
            Code.UPSTREAM_ERROR,
            f"{url} answered with status {status}. Call again later.",
            retryable=True,
            http_status=status,
        )
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_BYTES:
            raise OpenRouterError(
                Code.TOO_LARGE, f"{url} has more than {MAX_BYTES:,} bytes. {CHECK_ADDRESS}"
            )
    return Fetched(url, body.decode("utf-8", "replace"), etag, last_modified)


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
