"""The one OpenAI-SDK client: every request to OpenRouter goes through here, and nothing else does.

The SDK brings connections, proxies and certificates; this module adds what OpenRouter and our users
need of it: the key stays with the configured origin, failures are typed, one retry policy knows
which requests are safe to repeat, and every wait has an end.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urljoin, urlsplit

from openrouter_mcp import __version__
from openrouter_mcp.errors import NEXT_STEP, Code, OpenRouterError, duration, failure
from openrouter_mcp.settings import Settings

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI, Omit
    from tenacity import RetryCallState

ATTEMPTS = 3
PATIENCE = 20.0
CONNECT_TIMEOUT = 10.0
LOOK_UP_TIMEOUT = 60.0
DRAIN_TIMEOUT = 0.1
MAX_REDIRECTS = 3
REPEATABLE = {408, 429, 500, 502, 503, 504, 524, 529}
UNPAID = {429, 502, 503, 529}
OWN_HEADERS = {
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
}
NO_KEY = (
    "No OpenRouter key is set. Create one at https://openrouter.ai/keys, set OPENROUTER_API_KEY "
    "in the MCP client's configuration and restart this server."
)

T = TypeVar("T")
Report = Callable[[str], Awaitable[None]]
"""Tells a waiting person, in one sentence, what is going on."""


async def silent(_message: str) -> None:
    """A `Report` for whom nobody listens."""


class EventStream:
    """Server-sent events of one reply, as parsed JSON; `done` once `[DONE]` was read.

    A reply that came in one piece after all is the only event.
    """

    def __init__(self, response: httpx2.Response, whole: dict[str, Any] | None = None) -> None:
        self.headers: Mapping[str, str] = response.headers
        self.done = whole is not None
        self._response = response
        self._whole = whole

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        """Yield each event's object; comments and blank keep-alives are skipped."""
        import httpx2

        if self._whole is not None:
            yield self._whole
            return
        try:
            events = aiter(httpx2.EventSource(self._response))
            async for event in events:
                if event.data.startswith("[DONE]"):
                    self.done = True
                    await _drain(events)
                    return
                if isinstance(chunk := json.loads(event.data), dict):
                    yield chunk
        except ValueError:
            raise OpenRouterError(
                Code.UPSTREAM_ERROR,
                "OpenRouter's stream held data that is not JSON. Call again.",
                retryable=True,
            ) from None
        except httpx2.RequestError as error:
            raise _network(error) from None


class OpenRouter:
    """OpenRouter's endpoints under one key; made at first use, closed with the server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._base = settings.base_url

    @cached_property
    def sdk(self) -> AsyncOpenAI:
        """The OpenAI SDK; importing it takes long, so `warm_up` does it beforehand."""
        import httpx2
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient

        class Client(AsyncOpenAI):
            """The SDK without the headers that OPENAI_* variables ask for."""

            @property
            def default_headers(self) -> dict[str, str | Omit]:
                return {"Accept": "application/json", "Content-Type": "application/json"}

        key = self._settings.api_key
        timeout = httpx2.Timeout(self._settings.stall_timeout_seconds, connect=CONNECT_TIMEOUT)
        return Client(
            api_key=key.get_secret_value() if key else "none",
            base_url=self._base,
            max_retries=0,
            timeout=timeout,
            http_client=DefaultAsyncHttpxClient(
                follow_redirects=False,
                timeout=timeout,
                event_hooks={"request": [self._own_headers_only]},
            ),
        )

    def warm_up(self) -> None:
        """Import and build the SDK now, in whatever thread this runs."""
        import tenacity  # noqa: F401 - loaded here so that the first call does not wait for it

        _ = self.sdk

    async def aclose(self) -> None:
        """Close every connection."""
        if "sdk" in self.__dict__:
            await self.sdk.close()

    async def get(
        self, path: str, *, params: Mapping[str, str] | None = None, report: Report = silent
    ) -> Any:
        """Look something up: the parsed JSON of `GET path`. Safe to repeat, needs no key."""

        async def once() -> Any:
            response = await self._follow(path, params or {})
            try:
                return _parsed(await response.aread(), response.headers)
            finally:
                await response.aclose()

        async with self._time_limit(min(LOOK_UP_TIMEOUT, self._settings.request_timeout_seconds)):
            return await self._retrying(once, REPEATABLE, report, finding=True)

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        headers: Mapping[str, str] | None = None,
        report: Report = silent,
    ) -> AsyncGenerator[EventStream]:
        """Send a paid request and stream its reply; leaving the block closes the connection.

        Raises `OpenRouterError`; a reply that has begun is never asked for again.
        """
        self._require_key()

        async def once() -> httpx2.Response:
            return await self._send("post", path, body=body, headers=headers)

        async with self._time_limit(self._settings.request_timeout_seconds):
            response = await self._retrying(once, UNPAID, report)
            try:
                whole = None
                if "text/event-stream" not in response.headers.get("content-type", ""):
                    whole = await _typed(partial(_one_piece, response), finding=False)
                yield EventStream(response, whole)
            finally:
                await response.aclose()

    async def _follow(self, path: str, params: Mapping[str, str]) -> httpx2.Response:
        """GET with redirects, which stay at the configured origin."""
        import openai

        for _ in range(MAX_REDIRECTS):
            try:
                return await self._send("get", path, params=params)
            except openai.APIStatusError as error:
                if error.status_code not in {301, 302, 303, 307, 308}:
                    raise
                path, params = self._own_path(error.response.headers.get("location", "")), {}
        raise _redirected("in a circle")

    def _own_path(self, url: str) -> str:
        """The address of a redirect, if it stays where the key may go."""
        target = urljoin(f"{self._base}/", url)
        if urlsplit(target)[:2] != urlsplit(self._base)[:2]:
            raise _redirected("to another host")
        return target

    async def _send(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """One attempt; the reply is not read yet."""
        import httpx2
        from openai import AsyncStream

        options: Any = {"params": dict(params or {}), "headers": dict(headers or {})}
        if method == "get":
            reply = await self.sdk.get(
                path,
                cast_to=httpx2.Response,
                options=options,
                stream=True,
                stream_cls=AsyncStream[object],
            )
        else:
            reply = await self.sdk.post(
                path,
                cast_to=httpx2.Response,
                body=body,
                options=options,
                stream=True,
                stream_cls=AsyncStream[object],
            )
        # Asked for an httpx2.Response, the SDK hands it over as it came.
        return cast("httpx2.Response", reply)

    async def _retrying(
        self,
        once: Callable[[], Awaitable[T]],
        statuses: set[int],
        report: Report,
        *,
        finding: bool = False,
    ) -> T:
        """Run `once`, again after failures that are safe to repeat and short to wait for."""
        from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

        async def told(state: RetryCallState) -> None:
            wait = state.next_action.sleep if state.next_action else 0
            error = state.outcome.exception() if state.outcome else None
            reason = error.http_status or error.code if isinstance(error, OpenRouterError) else ""
            await report(
                f"OpenRouter answered {reason}; trying again in {duration(wait)} "
                f"(attempt {state.attempt_number + 1} of {ATTEMPTS})"
            )

        policy = AsyncRetrying(
            reraise=True,
            stop=stop_after_attempt(ATTEMPTS),
            wait=_wait,
            retry=retry_if_exception(lambda error: _repeat(error, statuses)),
            before_sleep=told,
        )
        async for attempt in policy:
            with attempt:
                return await _typed(once, finding=finding)
        raise AssertionError("tenacity either returned or raised")

    def _require_key(self) -> None:
        if self._settings.api_key is None:
            raise OpenRouterError(Code.AUTH, NO_KEY)

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

    async def _own_headers_only(self, request: httpx2.Request) -> None:
        """Keep what HTTP and OpenRouter need and add ours: the SDK also tells about itself."""
        kept = {
            name: value
            for name, value in request.headers.items()
            if name in OWN_HEADERS or name.startswith(("x-openrouter-", "x-anthropic-"))
        }
        request.headers.clear()
        request.headers.update({**kept, **self._identity})

    @cached_property
    def _identity(self) -> dict[str, str]:
        headers = {"User-Agent": f"openrouter-mcp/{__version__}"}
        if self._settings.api_key:
            headers["Authorization"] = f"Bearer {self._settings.api_key.get_secret_value()}"
        if self._settings.attribution:
            headers["HTTP-Referer"] = self._settings.http_referer
            headers["X-OpenRouter-Title"] = self._settings.app_title
            headers["X-OpenRouter-Categories"] = "cli-agent"
        return headers


async def _typed(once: Callable[[], Awaitable[T]], *, finding: bool) -> T:
    """Run `once`; the SDK's failures come out as `OpenRouterError`."""
    import httpx2
    import openai

    try:
        return await once()
    except openai.APIStatusError as error:
        response = error.response
        if response.is_redirect:
            raise _redirected("a paid request") from error
        body = _json_or_text(response.content)
        raise failure(response.status_code, body, response.headers, finding=finding) from error
    except (openai.APIConnectionError, httpx2.RequestError) as error:
        raise _network(error) from error


def _redirected(where: str) -> OpenRouterError:
    return OpenRouterError(
        Code.UPSTREAM_ERROR,
        f"OpenRouter redirects {where}, which is not followed. Check OPENROUTER_BASE_URL.",
    )


def _network(error: Exception) -> OpenRouterError:
    """A connection that failed, as two cases: nothing heard in time, or no connection at all."""
    import httpx2
    import openai

    cause = error.__cause__ or error
    connecting = isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
    if isinstance(error, openai.APITimeoutError | httpx2.TimeoutException) and not connecting:
        return OpenRouterError(
            Code.UPSTREAM_TIMEOUT,
            "OpenRouter stopped sending and stayed silent. Call again, or choose a faster model or "
            "another provider.",
            retryable=True,
        )
    what = "could not be reached" if connecting else "closed the connection before the end"
    return OpenRouterError(
        Code.NETWORK,
        f"OpenRouter {what}. {NEXT_STEP[Code.NETWORK]}",
        retryable=True,
    )


def _repeat(error: BaseException, statuses: set[int]) -> bool:
    """Whether a failure is worth and safe another attempt of the same request."""
    if not isinstance(error, OpenRouterError):
        return False
    if (error.retry_after or 0) > PATIENCE:
        return False
    if error.http_status is None:
        return error.code is Code.NETWORK and (statuses is REPEATABLE or _never_sent(error))
    return error.http_status in statuses and error.retryable


def _never_sent(error: OpenRouterError) -> bool:
    import httpx2

    cause = error.__cause__.__cause__ if error.__cause__ else None
    return isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)


def _wait(state: RetryCallState) -> float:
    from tenacity import wait_exponential_jitter

    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, OpenRouterError) and error.retry_after is not None:
        return error.retry_after
    return wait_exponential_jitter(multiplier=0.5, max=8)(state)


def _parsed(content: bytes, headers: Mapping[str, str]) -> Any:
    """The JSON of a successful reply; an error inside HTTP 200 or a foreign page is a failure."""
    body = _json_or_text(content)
    if isinstance(body, str):
        raise _foreign(headers)
    if isinstance(body, dict) and body.get("error"):
        raise failure(200, body, headers)
    return body


async def _one_piece(response: httpx2.Response) -> dict[str, Any]:
    """A reply that is no stream, if it is an answer nevertheless."""
    body = _json_or_text(await response.aread())
    if not isinstance(body, dict):
        raise _foreign(response.headers)
    if not body.get("choices"):
        raise failure(200, body, response.headers)
    return body


def _foreign(headers: Mapping[str, str]) -> OpenRouterError:
    kind = headers.get("content-type", "nothing readable").split(";")[0]
    return OpenRouterError(
        Code.UPSTREAM_ERROR,
        f"The reply was {kind} instead of OpenRouter's JSON. Call again; if it persists, check "
        "OPENROUTER_BASE_URL and the proxy.",
        retryable=True,
    )


def _json_or_text(content: bytes) -> Any:
    text = content.decode("utf-8", "replace").strip()
    with suppress(ValueError):
        return json.loads(text)
    return text


async def _drain(events: AsyncIterator[Any]) -> None:
    """Read to the end after `[DONE]`, so that the connection can be used again."""
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_TIMEOUT):
            async for _ in events:
                pass
