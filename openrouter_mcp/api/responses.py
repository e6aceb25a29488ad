"""What OpenRouter answers: JSON and its fields, a stream of events, or a failure.

Whatever fails comes out as an `OpenRouterError`.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from openrouter_mcp.api.failures import failure
from openrouter_mcp.api.retry import never_sent
from openrouter_mcp.errors import NEXT_STEP, Code, OpenRouterError

if TYPE_CHECKING:
    import httpx2

DRAIN_TIMEOUT = 0.1
PERHAPS_BILLED = (
    "OpenRouter may have done its work all the same, and bills it then: see "
    "https://openrouter.ai/activity (or get_usage) before you call again."
)
HALF_CHARACTER = re.compile(r"\\u[dD]")
"""How JSON spells one of the two halves that make up some characters, such as emoji."""

T = TypeVar("T")
Json = dict[str, Any]
OnHeaders = Callable[[Mapping[str, str]], Awaitable[None]]
"""Gets the headers of a reply, which name its generation."""


class EventStream:
    """Server-sent events of one reply, as parsed JSON; `done` once `[DONE]` was read.

    A reply that came in one piece after all is the only event.
    """

    def __init__(self, response: httpx2.Response, whole: dict[str, Any] | None = None) -> None:
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
                if isinstance(chunk := _json(event.data), dict):
                    yield chunk
        except ValueError:
            raise OpenRouterError(
                Code.UPSTREAM_ERROR,
                "OpenRouter's stream held data that is not JSON. Call again.",
                retryable=True,
            ) from None
        except httpx2.RequestError as error:
            raise connection_failure(error) from None


async def _drain(events: AsyncIterator[Any]) -> None:
    """Read to the end after `[DONE]`, so that the connection can be used again."""
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_TIMEOUT):
            async for _ in events:
                pass


async def ignore_headers(_headers: Mapping[str, str]) -> None:
    """An `OnHeaders` that does nothing."""


async def read_reply(
    response: httpx2.Response,
    read: Callable[[httpx2.Response], Awaitable[T]],
    on_headers: OnHeaders,
) -> T:
    """Read a reply in one piece; tell its headers unless it is an error, which costs nothing."""
    try:
        body = await translating_errors(partial(read, response))
    except OpenRouterError as error:
        if error.http_status is None:
            await on_headers(response.headers)
        raise
    await on_headers(response.headers)
    return body


async def read_json(response: httpx2.Response) -> Any:
    """The JSON of a successful reply that is not read yet."""
    return parsed(await response.aread(), response.headers)


async def read_completion(response: httpx2.Response) -> dict[str, Any]:
    """The completion in a successful reply that came in one piece though a stream was wanted."""
    body = _json_or_text(await response.aread())
    if not isinstance(body, dict):
        raise _foreign(response.headers)
    if not body.get("choices"):
        raise failure(200, body, response.headers)
    return body


def parsed(content: bytes, headers: Mapping[str, str]) -> Any:
    """The JSON of a successful reply; an error inside HTTP 200 or a foreign page is a failure."""
    body = _json_or_text(content)
    if isinstance(body, str):
        raise _foreign(headers)
    # With a status it is the state of a job, which was told as it should be.
    if isinstance(body, dict) and body.get("error") and "status" not in body:
        raise failure(200, body, headers)
    return body


def _json_or_text(content: bytes) -> Any:
    text = content.decode("utf-8", "replace").strip()
    with suppress(ValueError):
        return _json(text)
    return text


def _json(text: str) -> Any:
    """The JSON value; half a character, which nothing could store or send, is replaced."""
    value = json.loads(text)
    if HALF_CHARACTER.search(text):
        units = json.dumps(value, ensure_ascii=False).encode("utf-16-le", "surrogatepass")
        return json.loads(units.decode("utf-16-le", "replace"))
    return value


def text(value: object, name: str) -> str:
    """The field as text; empty if it is none."""
    field = _field(value, name)
    return field if isinstance(field, str) else ""


def mapping(value: object, name: str) -> Json:
    """The field as an object; empty if it is none."""
    field = _field(value, name)
    return field if isinstance(field, dict) else {}


def mappings(value: object, name: str) -> list[Json]:
    """The objects in the list that the field is; empty if it is none."""
    field = _field(value, name)
    return [item for item in field if isinstance(item, dict)] if isinstance(field, list) else []


def texts(value: object, name: str) -> list[str]:
    """The texts in the list that the field is; empty if it is none."""
    field = _field(value, name)
    return [item for item in field if isinstance(item, str)] if isinstance(field, list) else []


def number(value: object, name: str) -> float | None:
    """The field as a finite number; None if it is none."""
    field = _field(value, name)
    if isinstance(field, bool) or not isinstance(field, int | float):
        return None
    try:
        return float(field) if math.isfinite(field) else None
    except OverflowError:
        return None


def _field(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, Mapping) else None


async def translating_errors(attempt: Callable[[], Awaitable[T]], *, look_up: bool = False) -> T:
    """Run `attempt`; failures of the SDK and of the transport come out as `OpenRouterError`.

    `look_up` is as for `failure`.
    """
    import httpx2
    import openai

    try:
        return await attempt()
    except openai.APIStatusError as error:
        response = error.response
        if response.is_redirect:
            raise redirected("a paid request") from error
        body = _json_or_text(response.content)
        raise failure(response.status_code, body, response.headers, look_up=look_up) from error
    except (openai.APIConnectionError, httpx2.RequestError) as error:
        raise connection_failure(error) from error


@contextmanager
def warning_of_billing() -> Generator[None]:
    """Where the answer to a paid request is lost in this block, the error says so."""
    try:
        yield
    except OpenRouterError as error:
        if not error.retryable or error.http_status is not None or never_sent(error):
            raise
        raise perhaps_billed(error) from error


def perhaps_billed(error: OpenRouterError) -> OpenRouterError:
    """The failure of a paid request that may have been served: another one might be paid twice."""
    return OpenRouterError(error.code, f"{error.message} {PERHAPS_BILLED}")


def cut_stream() -> OpenRouterError:
    """The failure of a stream that ended as if it were whole, and is not."""
    return perhaps_billed(
        OpenRouterError(
            Code.UPSTREAM_ERROR,
            "The stream from OpenRouter was cut before its end. Call again, or choose another "
            "provider.",
        )
    )


def redirected(where: str) -> OpenRouterError:
    """A redirect that the key must not follow."""
    return OpenRouterError(
        Code.UPSTREAM_ERROR,
        f"OpenRouter redirects {where}, which is not followed. Check OPENROUTER_BASE_URL.",
    )


def connection_failure(error: Exception) -> OpenRouterError:
    """The failure of a connection: no byte in time, or no connection at all."""
    import httpx2
    import openai

    cause = error.__cause__ or error
    if isinstance(cause, OpenRouterError):
        # A file in the request could not be read to its end.
        return cause
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


def _foreign(headers: Mapping[str, str]) -> OpenRouterError:
    kind = headers.get("content-type", "nothing readable").split(";")[0]
    what = "empty or broken JSON" if kind == "application/json" else f"{kind}, not JSON"
    return OpenRouterError(
        Code.UPSTREAM_ERROR,
        f"OpenRouter's reply was {what}. Call again; if it persists, check "
        "OPENROUTER_BASE_URL and the proxy.",
        retryable=True,
    )
