"""What OpenRouter answers: JSON and its fields, a stream of events, or a failure.

Whatever fails comes out as an `OpenRouterError`.
"""

from __future__ import annotations

import asyncio
import base64
import codecs
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

from openrouter_mcp.api.failures import failure
from openrouter_mcp.api.retry import never_sent
from openrouter_mcp.errors import NEXT_STEP, Code, OpenRouterError
from openrouter_mcp.text import parse_json

if TYPE_CHECKING:
    import httpx2

DRAIN_TIMEOUT = 0.1
MOST_BYTES = 64_000_000
"""Of one reply, decompressed."""
MOST_ERROR_BYTES = 1_000_000
"""Of the body of a failure, decompressed: what comes after them is not read."""
LONGEST_ID = 200
LARGEST_NUMBER = 10**15
"""Characters of an id that a reply can name."""
LONGEST_PREFIX = 200
"""Characters within which a data URL says what it holds."""
FOR_ADDRESSES = str.maketrans("-_", "+/")
"""The two digits of base64 that are others in addresses and file names."""
PERHAPS_BILLED = (
    "OpenRouter may have done its work all the same, and bills it then: see "
    "https://openrouter.ai/activity (or get_usage) before you call again."
)

T = TypeVar("T")
Json = dict[str, Any]
OnHeaders = Callable[[Mapping[str, str]], Awaitable[None]]
"""Gets the headers of a reply, which name its generation."""


class EventStream:
    """Server-sent events of one reply, as parsed JSON; `done` once `[DONE]` was read.

    What came is told from its first bytes, whatever its headers say: a reply that came in one
    piece after all gives its only event.
    """

    def __init__(self, response: httpx2.Response) -> None:
        self.done = False
        self._response = response
        self._bytes = read_bounded(response)
        self._begun = b""
        self._whole: Json | None = None

    async def is_one_piece(self) -> bool:
        """Whether the reply is JSON, or a page, instead of events."""
        while not (head := _without_mark(self._begun).lstrip()):
            if not (more := await anext(self._bytes, b"")):
                break
            # What is blank may be long, and says nothing.
            self._begun = more if self._begun.isspace() else self._begun + more
        return head[:1] in (b"{", b"[", b"<", b"")

    async def read_completion(self) -> Json:
        """The completion in a reply that came in one piece."""
        if self._whole is None:
            content = self._begun + b"".join([piece async for piece in self._bytes])
            body = _json_or_text(content)
            # An error beside what it has cost is an answer as good as one in a stream.
            if not isinstance(body, dict) or not (body.get("choices") or body.get("usage")):
                parsed(content, self._response.headers)
                raise unreadable(self._response.headers)
            self._whole, self.done = body, True
        return self._whole

    async def __aiter__(self) -> AsyncIterator[Json]:
        """Yield each event's object; what is no object, such as a keep-alive, is skipped."""
        import httpx2

        try:
            if self._whole or await self.is_one_piece():
                yield await self.read_completion()
                return
            events = aiter(httpx2.EventSource(self._as_events(), max_event_size=None))
            async for event in events:
                if event.data.lstrip().startswith("[DONE]"):
                    self.done = True
                    await _drain(events)
                    return
                if (chunk := _event(event.event, event.data)) is not None:
                    yield chunk
        except httpx2.RequestError as error:
            raise connection_failure(error) from None

    def _as_events(self) -> httpx2.Response:
        """The reply from its beginning, as a stream of events."""
        import httpx2

        async def content() -> AsyncIterator[bytes]:
            yield _without_mark(self._begun)
            async for piece in self._bytes:
                yield piece
            # An event that nothing follows has come all the same.
            yield b"\n\n"

        headers = {"content-type": "text/event-stream"}
        request = self._response.request
        return httpx2.Response(200, headers=headers, content=content(), request=request)


def _event(kind: str, data: str) -> Json | None:
    """The object of an event; an error that is told in any other way becomes one. None if none."""
    try:
        value = parse_json(data)
    except ValueError:
        value = data.strip() if kind == "error" else None
    if kind == "error" and not (isinstance(value, dict) and value.get("error")):
        return {"error": value or {"message": ""}}
    return value if isinstance(value, dict) else None


def _without_mark(content: bytes) -> bytes:
    """What comes after a byte order mark, which may itself come in pieces."""
    return b"" if codecs.BOM_UTF8.startswith(content) else content.removeprefix(codecs.BOM_UTF8)


async def read_bounded(response: httpx2.Response) -> AsyncGenerator[bytes]:
    """The bytes of a reply, decompressed. Raises `TOO_LARGE` where there are too many of them."""
    size = 0
    async for piece in response.aiter_bytes():
        size += len(piece)
        if size > MOST_BYTES:
            raise OpenRouterError(
                Code.TOO_LARGE,
                f"OpenRouter's reply has more than {MOST_BYTES // 1_000_000} MB, the most that is "
                "read of one. Ask for less at once.",
            )
        yield piece


async def bound_failure(response: httpx2.Response) -> None:
    """Keep the beginning of a failure's body alone. A hook of the HTTP client.

    The SDK reads such a body whole before it raises, of whatever size.
    """
    import httpx2

    if response.is_success:
        return
    headers, request = response.headers.copy(), response.request
    whole = httpx2.Response(
        response.status_code, headers=headers, stream=response.stream, request=request
    )
    content = bytearray()
    # Where it breaks off, the status says enough.
    with suppress(httpx2.TransportError, httpx2.DecodingError):
        async for piece in whole.aiter_bytes():
            content += piece
            if len(content) > MOST_ERROR_BYTES:
                break
    await whole.aclose()
    for name in ("content-encoding", "content-length", "transfer-encoding"):
        response.headers.pop(name, None)
    response.stream = httpx2.ByteStream(bytes(content[:MOST_ERROR_BYTES]))


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
    read: Callable[[], Awaitable[T]],
    on_headers: OnHeaders,
) -> T:
    """Read a reply in one piece; tell its headers unless it is an error, which costs nothing."""
    try:
        body = await translating_errors(read)
    except OpenRouterError as error:
        if error.http_status is None:
            await on_headers(response.headers)
        raise
    await on_headers(response.headers)
    return body


async def read_json(response: httpx2.Response) -> Any:
    """The JSON of a successful reply that is not read yet."""
    pieces = [piece async for piece in read_bounded(response)]
    return parsed(b"".join(pieces), response.headers)


def parsed(content: bytes, headers: Mapping[str, str]) -> Any:
    """The JSON of a successful reply; an error inside HTTP 200 or a foreign page is a failure."""
    body = _json_or_text(content)
    if isinstance(body, str):
        raise unreadable(headers)
    # With a status it is the state of a job, which was told as it should be.
    if isinstance(body, dict) and tells_error(body) and "status" not in body:
        raise failure(200, body, headers)
    return body


def tells_error(body: Mapping[str, Any]) -> bool:
    """Whether a reply, or an event of one, is an error, alone or beside what has come."""
    listed = body.get("errors") and body.keys().isdisjoint(("data", "choices", "results", "text"))
    return bool(body.get("error") or body.get("type") == "error" or listed)


def _json_or_text(content: bytes) -> Any:
    with suppress(ValueError):
        return parse_json(content)
    return content.decode("utf-8", "replace").strip()


def text(value: object, name: str) -> str:
    """The field as text; empty if it is none."""
    field = _field(value, name)
    return field if isinstance(field, str) else ""


def identifier(value: object, name: str) -> str:
    """The field as an id that can be asked for and kept; empty if it is none."""
    found = text(value, name)
    return found if len(found) <= LONGEST_ID and found.isascii() and found.isprintable() else ""


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
    """The field as a number of a size that can be meant; None if it is none."""
    field = _field(value, name)
    if isinstance(field, bool) or not isinstance(field, int | float):
        return None
    return float(field) if -LARGEST_NUMBER < field < LARGEST_NUMBER else None


def numeral(value: object, name: str) -> float | None:
    """The field as a number that may be written as text, as 2 or "2"; None if it is none."""
    field = _field(value, name)
    if not isinstance(field, str):
        return number(value, name)
    with suppress(ValueError):
        return number({name: float(field)}, name)
    return None


def measure(value: object, name: str) -> float | None:
    """The field as what is counted or measured, at least zero; None if it is no such number."""
    found = number(value, name)
    return None if found is None or found < 0 else found


def count(value: object, name: str) -> int:
    """The field as a whole number of tokens, seconds or the like; 0 if it is none."""
    return int(measure(value, name) or 0)


def base64_bytes(encoded: str) -> bytes:
    """What base64 holds; empty if it is damaged.

    It may be a data URL or have the prefix of one, be broken into lines, without padding, or made
    for addresses.
    """
    _, comma, after = encoded[:LONGEST_PREFIX].rpartition(",")
    text = after + encoded[LONGEST_PREFIX:] if comma else encoded
    digits = "".join((unquote(text) if "%" in text else text).split()).rstrip("=")
    try:
        return base64.b64decode(
            digits.translate(FOR_ADDRESSES) + "=" * (-len(digits) % 4), validate=True
        )
    except ValueError:
        return b""


def _field(value: object, name: str) -> object:
    # Nearly all of them are dicts, which Python tells from others far faster than any mapping.
    return value.get(name) if isinstance(value, dict | Mapping) else None


def no_such_id() -> OpenRouterError:
    """The failure of a look-up by what cannot stand in an address."""
    return OpenRouterError(
        Code.NOT_FOUND, "OpenRouter cannot be asked for such an id. Give another one."
    )


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
    except httpx2.InvalidURL as error:
        # An id that a reply made up can be too long, or too odd, to be asked for.
        raise no_such_id() from error


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
    return OpenRouterError(error.code, f"{error.once_paid.message} {PERHAPS_BILLED}")


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


def unreadable(headers: Mapping[str, str]) -> OpenRouterError:
    """The failure of a successful reply that is not what it should be."""
    kind = headers.get("content-type", "nothing readable").split(";")[0]
    what = "empty or broken JSON" if kind == "application/json" else f"{kind}, not JSON"
    return OpenRouterError(
        Code.UPSTREAM_ERROR,
        f"OpenRouter's reply was {what}. Call again; if it persists, check "
        "OPENROUTER_BASE_URL and the proxy.",
        retryable=True,
    )
