"""The one OpenAI-SDK client: every request to OpenRouter goes through here, and nothing else does.

The SDK brings connections, proxies and certificates; this module adds what OpenRouter and our users
need of it: the key stays with the configured origin, failures become `OpenRouterError`, one retry
policy knows which requests are safe to repeat, and every wait has an end.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext, suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import urljoin, urlsplit

from openrouter_mcp import __version__, credentials
from openrouter_mcp.api.delivery import watch_request, watch_response
from openrouter_mcp.api.key import ApiKey
from openrouter_mcp.api.request_body import StreamedBody, streamed
from openrouter_mcp.api.responses import (
    EventStream,
    OnHeaders,
    bound_failure,
    ignore_headers,
    no_such_id,
    read_json,
    read_reply,
    redirected,
    translating_errors,
    warning_of_billing,
)
from openrouter_mcp.api.retry import REPEATABLE, UNPAID, retrying
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.progress import Report, silent
from openrouter_mcp.settings import Settings
from openrouter_mcp.text import duration
from openrouter_mcp.timing import Timing

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI, Omit

CONNECT_TIMEOUT = 10.0
LOOK_UP_TIMEOUT = 60.0
LONGEST_ADDRESS = 8_000
"""Characters of what is looked up, more than any id has."""
MEDIA_READ_TIMEOUT = 300.0
"""Seconds without a byte where none comes until all is done: an image may take two minutes."""
MAX_REDIRECTS = 3
SENT_HEADERS = {
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "host",
    "range",
    "transfer-encoding",
}
"""The SDK's headers that are sent; it has others, which tell about itself."""
KEY_INSIDE = (
    "This holds a key of this server, which is never sent to a model. Take it out and call again."
)
NO_PROXY = (
    "The proxy of this computer cannot be used. Correct HTTPS_PROXY, HTTP_PROXY or ALL_PROXY (an "
    "http address) in the environment of this server, then restart it."
)
NO_CERTIFICATES = (
    "The certificates of this computer cannot be read. Correct SSL_CERT_FILE or SSL_CERT_DIR in "
    "the environment of this server, then restart it."
)

PUBLIC = (
    "/models",
    "/providers",
    "/endpoints/zdr",
    "/images/models",
    "/videos/models",
)
"""What anyone may look up, and what is below it; all else is asked for with a key only."""

Method = Literal["get", "post"]
Body = Mapping[str, Any] | Callable[[], AsyncIterable[bytes]]
"""JSON, or a factory of its bytes. What is large (also JSON with an `Encoded` file) is streamed."""


class RequestHeaders:
    """The headers of all requests under one key."""

    def __init__(self, settings: Settings, key: ApiKey) -> None:
        self._settings = settings
        self._key = key

    @property
    def management(self) -> dict[str, str]:
        """The header that names the management key instead; none where there is no such key."""
        key = None if self._settings.is_wrong("base_url") else self._settings.management_key
        return {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}

    async def apply(self, request: httpx2.Request) -> None:
        """Keep the headers that HTTP and OpenRouter need, and add ours."""
        import httpx2

        sent = {
            name: value
            for name, value in request.headers.items()
            if name in SENT_HEADERS or name.startswith(("x-openrouter-", "x-anthropic-"))
        }
        management = self.management
        if request.headers.get("authorization") != management.get("Authorization"):
            management = {}
        key = await self._key.find()
        authorization = {"Authorization": f"Bearer {key}"} if key else {}
        request.headers = httpx2.Headers({**sent, **self._own, **authorization, **management})

    @cached_property
    def _own(self) -> dict[str, str]:
        headers = {"User-Agent": f"openrouter-mcp/{__version__}"}
        if self._settings.attribution:
            headers["HTTP-Referer"] = self._settings.http_referer
            headers["X-OpenRouter-Title"] = self._settings.app_title
            headers["X-OpenRouter-Categories"] = "cli-agent"
        return headers


class OpenRouter:
    """OpenRouter's endpoints under one key; made at first use, closed with the server."""

    def __init__(self, settings: Settings, timing: Timing = Timing()) -> None:
        self.timing = timing
        self._settings = settings
        self._base = settings.base_url
        self.key = ApiKey(settings)
        self._headers = RequestHeaders(settings, self.key)
        self._building = threading.Lock()

    @property
    def sdk(self) -> AsyncOpenAI:
        """The OpenAI SDK; importing it takes long, so `warm_up` does it beforehand."""
        with self._building:
            return self._sdk

    @cached_property
    def _sdk(self) -> AsyncOpenAI:
        import httpx2
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient

        class Client(AsyncOpenAI):
            """The SDK without the headers that OPENAI_* variables ask for."""

            @property
            def default_headers(self) -> dict[str, str | Omit]:
                return {"Accept": "application/json", "Content-Type": "application/json"}

        timeout = self._timeout()
        try:
            http_client = DefaultAsyncHttpxClient(
                follow_redirects=False,
                timeout=timeout,
                event_hooks={
                    "request": [self._headers.apply, watch_request],
                    "response": [watch_response, bound_failure],
                },
            )
        except OSError:
            raise OpenRouterError(Code.NETWORK, NO_CERTIFICATES) from None
        except (httpx2.InvalidURL, ValueError, ImportError):
            raise OpenRouterError(Code.NETWORK, NO_PROXY) from None
        return Client(
            api_key="none",  # `RequestHeaders` brings it
            base_url=self._base,
            max_retries=0,
            timeout=timeout,
            http_client=http_client,
        )

    def warm_up(self) -> None:
        """Import and build the SDK now, in whatever thread this runs; calls tell what fails."""
        with suppress(OpenRouterError):
            _ = self.sdk

    async def aclose(self) -> None:
        """Close every connection."""
        if "_sdk" in self.__dict__:
            await self._sdk.close()

    async def get(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        management: bool = False,
        report: Report = silent,
    ) -> Any:
        """Look something up: the parsed JSON of `GET path`. Safe to repeat.

        `management` says that the management key is to be used where there is one. Raises `AUTH`
        where a key is needed and there is none.
        """
        headers = self._headers.management if management else {}
        if not headers and not f"{path}/".startswith(tuple(f"{each}/" for each in PUBLIC)):
            await self.key.require()
        if sum(map(len, (path, *(params or {}).values()))) > LONGEST_ADDRESS:
            raise no_such_id()

        async def attempt() -> Any:
            response = await self._follow(path, params or {}, headers)
            try:
                return await read_json(response)
            finally:
                await response.aclose()

        async with self._time_limit(min(LOOK_UP_TIMEOUT, self._settings.request_timeout_seconds)):
            return await retrying(
                partial(translating_errors, attempt, look_up=True), REPEATABLE, report, self.timing
            )

    async def post(
        self,
        path: str,
        body: Body,
        *,
        management: bool = False,
        public: bool = False,
        read_timeout: float = 0.0,
        on_headers: OnHeaders = ignore_headers,
        report: Report = silent,
    ) -> Any:
        """Send a request whose answer is one piece of JSON, and return that JSON, parsed.

        `read_timeout` is as for `open`, `on_headers` as for `stream`. The request is repeated only
        where it is sure not to be paid twice. Requests under the management key cost nothing, and
        those that are `public`, which need no key. Raises `OpenRouterError`.
        """
        async with self.open(
            "post",
            path,
            body,
            headers=self._headers.management if management else {},
            public=public,
            paid=not (management or public),
            read_timeout=read_timeout,
            report=report,
        ) as response:
            return await read_reply(response, partial(read_json, response), on_headers)

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        body: Body,
        *,
        headers: Mapping[str, str] | None = None,
        on_headers: OnHeaders = ignore_headers,
        report: Report = silent,
    ) -> AsyncGenerator[EventStream]:
        """Send a paid request and stream its reply; leaving the block closes the connection.

        `on_headers` gets the headers of a reply that may cost something, even if the rest of it
        then breaks: they name the generation. A request whose reply has begun is never repeated.
        Raises `OpenRouterError`.
        """
        async with self.open("post", path, body, headers=headers, report=report) as response:
            stream = EventStream(response)
            kind = response.headers.get("content-type", "").lower()
            if "text/event-stream" in kind or not await translating_errors(stream.is_one_piece):
                await on_headers(response.headers)
            else:
                await read_reply(response, stream.read_completion, on_headers)
            yield stream

    @asynccontextmanager
    async def open(
        self,
        method: Method,
        path: str,
        body: Body | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        public: bool = False,
        paid: bool = True,
        read_timeout: float = 0.0,
        report: Report = silent,
    ) -> AsyncGenerator[httpx2.Response]:
        """A successful reply that is not read yet, for bytes; leaving the block closes it.

        `public` says that no key is needed, `paid` whether a post costs something. `read_timeout`
        is how many seconds may pass without a byte, where OPENROUTER_STALL_TIMEOUT_SECONDS allows
        fewer. What goes wrong while the reply is read is the transport's own error: read it inside
        `translating_errors`. Raises `OpenRouterError`.
        """
        if not public and "Authorization" not in (headers or {}):
            await self.key.require()
        send = partial(
            self._send, method, path, body=body, headers=headers, read_timeout=read_timeout
        )
        statuses = REPEATABLE if method == "get" else UNPAID
        warning = warning_of_billing() if method == "post" and paid else nullcontext()
        with warning:
            async with self._time_limit(self._settings.request_timeout_seconds):
                response = await retrying(
                    partial(translating_errors, send, look_up=method == "get"),
                    statuses,
                    report,
                    self.timing,
                )
                try:
                    yield response
                finally:
                    await response.aclose()

    async def _follow(
        self, path: str, params: Mapping[str, str], headers: Mapping[str, str]
    ) -> httpx2.Response:
        """GET with redirects, which stay at the configured origin."""
        import openai

        for _ in range(MAX_REDIRECTS):
            try:
                return await self._send("get", path, params=params, headers=headers)
            except openai.APIStatusError as error:
                if error.status_code not in {301, 302, 303, 307, 308}:
                    raise
                path, params = self._own_path(error.response.headers.get("location", "")), {}
        raise redirected("in a circle")

    def _own_path(self, url: str) -> str:
        """The address of a redirect, if it stays where the key may go."""
        target = urljoin(f"{self._base}/", url)
        if urlsplit(target)[:2] != urlsplit(self._base)[:2]:
            raise redirected("to another host")
        return target

    async def _send(
        self,
        method: Method,
        path: str,
        *,
        body: Body | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        read_timeout: float = 0.0,
    ) -> httpx2.Response:
        """One attempt; the reply is not read yet."""
        import httpx2
        from openai import AsyncStream

        if credentials.held_in([path, params, body], self._settings.own_keys):
            raise OpenRouterError(Code.INVALID_INPUT, KEY_INSIDE)
        options: Any = {"params": dict(params or {}), "headers": dict(headers or {})}
        options["timeout"] = self._timeout(read_timeout)
        unread: Any = {
            "cast_to": httpx2.Response,
            "options": options,
            "stream": True,
            "stream_cls": AsyncStream[object],
        }
        if method == "get":
            reply = await self.sdk.get(path, **unread)
        else:
            content = body if callable(body) else streamed(body or {})
            if isinstance(content, StreamedBody):
                options["headers"]["Content-Length"] = str(content.length)
            sent: Any = {"content": content()} if content else {"body": body}
            reply = await self.sdk.post(path, **sent, **unread)
        # Asked for an httpx2.Response, the SDK hands it over as it came.
        return cast("httpx2.Response", reply)

    def _timeout(self, read_timeout: float = 0.0) -> httpx2.Timeout:
        import httpx2

        seconds = max(read_timeout, self._settings.stall_timeout_seconds)
        return httpx2.Timeout(seconds, connect=CONNECT_TIMEOUT)

    @asynccontextmanager
    async def _time_limit(self, seconds: float) -> AsyncGenerator[None]:
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            raise OpenRouterError(
                Code.UPSTREAM_TIMEOUT,
                f"OpenRouter had not finished after {duration(seconds)}. Ask for less or choose a "
                "faster model; OPENROUTER_REQUEST_TIMEOUT_SECONDS sets the limit.",
                retryable=True,
            ) from None
