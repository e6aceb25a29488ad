"""How OpenRouter fails: the envelopes of its failures, and every fault by a readable name.

To add a fault, write a function here under `@fault(Stage...)`, or a row in one of the tables. What
needs no name, a test sends with `Simulator.answer_raw`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterable, AsyncIterator, Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from types import FunctionType
from typing import Any, TypeVar

from starlette.responses import JSONResponse, Response, StreamingResponse

from openrouter_mcp.simulator.answers import Script

Json = dict[str, Any]
Pieces = AsyncIterator[bytes]
Damage = Callable[[Pieces], Pieces]
Make = TypeVar("Make", bound=FunctionType)

KEEP_ALIVE = b": OPENROUTER PROCESSING\n\n"
HTML = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"
DOCS = "https://openrouter.ai/docs/errors"


# The envelopes.


class Refused(Exception):  # noqa: N818 it is a reply, not a defect
    """Raised by an endpoint to answer with a failure."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


class Cut(Exception):  # noqa: N818 it is an order to close the connection
    """Raised through the application to close the connection at once."""


def failure(
    status: int, message: str, *, headers: dict[str, str] | None = None, **metadata: object
) -> Response:
    """The standard envelope: `{"error": {"code", "message", "metadata"}}`."""
    error: Json = {"code": status, "message": message}
    if metadata:
        error["metadata"] = metadata
    return JSONResponse({"error": error}, status, headers)


def bad_request(message: str) -> Refused:
    """The failure (400) of a request that no endpoint can fulfil."""
    return Refused(failure(400, message, error_type="invalid_request"))


def invalid(code: str, path: list[str], message: str, **details: object) -> Response:
    """The validation envelope: a ZodError whose message is a JSON list of one issue."""
    issues = [{"code": code, "path": path, "message": message} | details]
    error = {"name": "ZodError", "message": json.dumps(issues)}
    return JSONResponse({"success": False, "error": error}, 400)


def event(data: Json) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(data).encode() + b"\n\n"


# The faults.


class Stage(Enum):
    """Where a fault strikes.

    - `EDGE` answers instead of the API, whatever the models would have said;
    - `UPSTREAM`: the providers of one model fail; in a chat with fallbacks the next one answers;
    - `ANSWER`: the model gives an unpleasant answer (the fault makes a `Script`);
    - `WIRE`: the reply is damaged on its way. The fault makes a function from the pieces of the
      reply's body (the events of a stream, the two halves of anything else) to other pieces;
      `after` counts the text deltas (or pieces) that it lets through first.
    """

    EDGE = "edge"
    UPSTREAM = "upstream"
    ANSWER = "answer"
    WIRE = "wire"


@dataclass(frozen=True)
class Kind:
    """One named fault: where it strikes, and what makes it from which parameters."""

    stage: Stage
    make: Callable[..., Any]


FAULTS: dict[str, Kind] = {}
"""Every fault by its name."""


def fault(stage: Stage) -> Callable[[Make], Make]:
    """Decorate a function that makes a fault, to enter it under its own name."""

    def enter(make: Make) -> Make:
        FAULTS[make.__name__] = Kind(stage, make)
        return make

    return enter


# In the standard envelope: status, message, error type.

EDGE: dict[str, tuple[int, str, str]] = {
    "missing_authentication": (401, "Missing Authentication header", ""),
    "no_credentials": (401, "No auth credentials found", ""),
    "unknown_user": (401, "User not found.", ""),
    "invalid_credentials": (401, "Invalid credentials", "authentication"),
    "insufficient_credits": (
        402,
        "Insufficient credits. Add more using https://openrouter.ai/credits",
        "",
    ),
    "cannot_afford": (
        402,
        "This request requires more credits, or fewer max_tokens. You requested up to 65536"
        " tokens, but can only afford 1200. To increase, visit"
        " https://openrouter.ai/credits and upgrade to a paid account",
        "payment_required",
    ),
    "key_limit_exceeded": (
        402,
        "Key limit exceeded (monthly limit). Manage it using https://openrouter.ai/keys",
        "",
    ),
    "management_key_required": (403, "Only management keys can perform this operation", ""),
    "guardrail_blocked": (403, "Request blocked: prompt injection patterns detected", ""),
    "moderation_flagged": (403, "Input was flagged", ""),
    "budget_exhausted": (403, "Budget exhausted for this API key", "permission_denied"),
    "not_found": (404, "Resource not found", "not_found"),
    "payload_too_large": (413, "Request body too large", "payload_too_large"),
    "masked_server_error": (500, "Internal Server Error", "server"),
}
UPSTREAM: dict[str, tuple[int, str, str]] = {
    "bad_request": (400, "Provider returned error", "invalid_request"),
    "context_too_long": (
        400,
        "This endpoint's maximum context length is 128000 tokens. However, you requested about"
        " 200000 tokens.",
        "context_length_exceeded",
    ),
    "request_timeout": (408, "Request timed out", ""),
    "conflict": (409, "Conflict", ""),
    "gone": (410, "Gone", ""),
    "precondition_failed": (412, "Precondition failed", "precondition_failed"),
    "unprocessable": (422, "Unprocessable", "unprocessable"),
    "rate_limited": (429, "Provider returned error", "rate_limit_exceeded"),
    "client_closed_request": (499, "Client closed request", ""),
    "server_error": (500, "Internal Server Error", "server"),
    "provider_error": (502, "Provider returned error", "provider_unavailable"),
    "provider_unavailable": (502, "Provider unavailable", "provider_unavailable"),
    "overloaded": (503, "No provider meets the requirements", "provider_overloaded"),
    "gateway_timeout": (504, "Provider timed out", "timeout"),
    "edge_timeout": (524, "Edge network timeout", ""),
    "provider_overloaded": (529, "Provider overloaded", "provider_overloaded"),
}
METADATA: dict[str, Json] = {
    "guardrail_blocked": {"patterns": ["ignore all previous instructions"]},
    "moderation_flagged": {
        "reasons": ["violence"],
        "flagged_input": "how to … bomb",
        "provider_name": "OpenAI",
        "model_slug": "openai/gpt-5-mini",
    },
    "rate_limited": {
        "provider_name": "Google",
        "raw": "The model is temporarily rate-limited upstream",
    },
    "provider_error": {"provider_name": "Google", "raw": "upstream 503"},
}
"""What some of them tell beside the error type."""


def standard(status: int, message: str, metadata: Json, retry_after: int | None = None) -> Response:
    """A failure in the standard envelope, with `Retry-After` (seconds) if given."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return failure(status, message, headers=headers, **metadata)


for _stage, _rows in ((Stage.EDGE, EDGE), (Stage.UPSTREAM, UPSTREAM)):
    for _name, (_status, _message, _type) in _rows.items():
        _metadata = METADATA.get(_name, {}) | ({"error_type": _type} if _type else {})
        FAULTS[_name] = Kind(_stage, partial(standard, _status, _message, _metadata))


def refused(name: str) -> Refused:
    """The failure that a fault of these tables makes, for when it is true."""
    return Refused(FAULTS[name].make())


# In the availability envelope: status, error type, message.

AVAILABILITY: dict[str, tuple[int, str, str]] = {
    "model_not_found": (400, "invalid_request", "{model} is not a valid model ID"),
    "wrong_endpoint": (400, "invalid_request", "{model} is not served on this endpoint"),
    "no_endpoints": (404, "not_found", "No endpoints found for {model}"),
    "model_deprecated": (404, "not_found", "{model} has been deprecated"),
    "model_unavailable_upstream": (404, "not_found", "{model} is gone upstream"),
    "capacity_exhausted": (
        429,
        "rate_limit_exceeded",
        "All providers for {model} are at capacity",
    ),
    "temporarily_unavailable": (
        503,
        "provider_overloaded",
        "{model} is temporarily unavailable",
    ),
    "region_restricted": (
        403,
        "permission_denied",
        "{model} is not available in your region",
    ),
    "privacy_restricted": (
        404,
        "not_found",
        "No endpoints for {model} match your data policy (zero data retention)."
        " Adjust at https://openrouter.ai/settings/privacy.",
    ),
    "constraint_filtered": (404, "not_found", "No endpoint of {model} meets the constraints"),
    "free_variant_ended": (404, "not_found", "The free period of {model} has ended"),
}


def availability(
    code: str,
    requested: str = "acme-labs/anvil-2",
    retry_after: int | None = None,
    fallbacks: list[str] | None = None,
    message: str = "",
    **details: Any,
) -> Response:
    """A failure about the model `requested`: no `error.code`, but `http_status` and details."""
    status, error_type, usual = AVAILABILITY[code]
    if fallbacks is not None:
        details["fallback_models"] = fallbacks
    error = {
        "message": message or usual.format(model=requested),
        "error_type": error_type,
        "http_status": status,
        "availability": {
            "code": code,
            "retryable": status in (429, 503),
            "retry_after": retry_after,
            "requested_models": [requested],
            "docs_url": f"{DOCS}#{code}",
        }
        | details,
    }
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return JSONResponse({"error": error}, status, headers)


for _name in AVAILABILITY:
    FAULTS[_name] = Kind(Stage.UPSTREAM, partial(availability, _name))


# In other shapes.

BODIES: dict[str, tuple[int, str]] = {
    "empty_500": (500, ""),
    "empty_200": (200, ""),
    "html_502": (502, HTML.format("502 Bad Gateway")),
    "html_524": (524, HTML.format("524: A timeout occurred")),
    "html_200": (200, HTML.format("Please sign in")),
    "malformed_json": (200, '{"id": "gen-x", "choices": ['),
    # The envelopes of the Responses and of the Messages skin.
    "responses_error": (
        400,
        '{"error":{"code":"invalid_prompt","message":"The prompt was refused"},'
        '"error_type":"invalid_prompt"}',
    ),
    "messages_error": (
        529,
        '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded",'
        '"error_type":"provider_overloaded"},"request_id":"gen-x"}',
    ),
}


def body(status: int, text: str) -> Response:
    """A reply with this text, HTML or JSON."""
    return Response(text, status, media_type="text/html" if "<" in text else "application/json")


for _name, (_status, _text) in BODIES.items():
    FAULTS[_name] = Kind(Stage.EDGE, partial(body, _status, _text))


@fault(Stage.EDGE)
def http_error(status: int, message: str = "Something failed", error_type: str = "") -> Response:
    """Any status in the standard envelope, without metadata unless there is an `error_type`."""
    metadata: Json = {"error_type": error_type} if error_type else {}
    return failure(status, message, **metadata)


@fault(Stage.EDGE)
def validation_failed() -> Response:
    """400 in the ZodError envelope."""
    return invalid("invalid_type", ["messages"], "Required")


@fault(Stage.EDGE)
def platform_rate_limited(reset_ms: int = 1_900_000_000_000) -> Response:
    """429 of OpenRouter itself for free models, with `X-RateLimit-*` headers."""
    headers = {
        "X-RateLimit-Limit": "50",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(reset_ms),
    }
    message = "Rate limit exceeded: free-models-per-day."
    message += " Add 10 credits to unlock 1000 free model requests per day"
    error = {"code": 429, "message": message, "metadata": {"headers": headers}}
    return JSONResponse({"error": error}, 429, headers)


@fault(Stage.EDGE)
def redirected(location: str, status: int = 307) -> Response:
    """A redirect, to another host for instance."""
    return Response(status_code=status, headers={"Location": location})


@fault(Stage.EDGE)
def raw(
    pieces: list[str | bytes | Json], status: int = 200, media_type: str = "text/event-stream"
) -> Response:
    """Exactly these pieces, one write each: text and bytes as they are, an object as an event."""

    async def written() -> Pieces:
        for piece in pieces:
            if isinstance(piece, dict):
                yield event(piece)
            else:
                yield piece.encode() if isinstance(piece, str) else piece

    return StreamingResponse(written(), status, media_type=media_type)


@fault(Stage.EDGE)
async def cut_before_headers() -> Response:
    """The connection closes before any byte of the reply."""
    raise Cut


@fault(Stage.EDGE)
async def stall_before_headers() -> Response:
    """Not even headers arrive, and the connection stays open."""
    await asyncio.Event().wait()
    raise Cut


@fault(Stage.UPSTREAM)
def error_in_ok() -> Response:
    """HTTP 200 with an error at the top level."""
    metadata = {"provider_name": "Google", "raw": "upstream 503"}
    error = {"code": 502, "message": "Provider returned error", "metadata": metadata}
    return JSONResponse({"error": error})


@fault(Stage.UPSTREAM)
def choice_error(text: str = "partial output...") -> Response:
    """HTTP 200 with the error in `choices[0]`, beside a partial text."""
    error = {
        "code": 502,
        "message": "Provider disconnected mid-stream",
        "metadata": {"error_type": "provider_unavailable"},
    }
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "finish_reason": "error", "message": message, "error": error}
    return JSONResponse({"id": "gen-x", "model": "openai/gpt-5.4", "choices": [choice]})


# Unpleasant answers.

ANSWERS: dict[str, partial[Script]] = {
    # Reasoning ate the budget.
    "reasoning_only": partial(Script, text="", reasoning="hmm " * 200, finish_reason="length"),
    "null_content": partial(Script, text=None, finish_reason="stop"),
    "empty_content": partial(Script, text="", finish_reason="stop"),
    # No token and no finish reason, which costs nothing.
    "blank_finish": partial(Script, text="", finish_reason=None),
    # The provider's filter cut the answer.
    "content_filtered": partial(Script, text="The beginning of", finish_reason="content_filter"),
}
for _name, _script in ANSWERS.items():
    FAULTS[_name] = Kind(Stage.ANSWER, _script)


@fault(Stage.ANSWER)
def refusal(text: str = "I cannot help with that.") -> Script:
    """The model refuses."""
    return Script(text=None, refusal=text, finish_reason="stop")


# On the wire.


def damaged(response: Response, damage: Damage) -> Response:
    """The same response with its body passing through `damage`."""
    if isinstance(response, StreamingResponse):
        response.body_iterator = damage(_bytes(response.body_iterator))
        return response
    body = bytes(response.body)
    middle = len(body) // 2
    streamed = StreamingResponse(damage(_each(body[:middle], body[middle:])), response.status_code)
    streamed.raw_headers = [pair for pair in response.raw_headers if pair[0] != b"content-length"]
    return streamed


async def _bytes(body: AsyncIterable[str | bytes | memoryview]) -> Pieces:
    async for piece in body:
        yield piece.encode() if isinstance(piece, str) else bytes(piece)


async def _each(*pieces: bytes) -> Pieces:
    for piece in pieces:
        yield piece


def delta(piece: bytes) -> str | None:
    """The text that a stream event carries; None once the answer is finished."""
    if not piece.startswith(b"data: "):
        return ""
    choices = [] if piece.startswith(b"data: [DONE]") else json.loads(piece[6:])["choices"]
    if not choices or choices[0]["finish_reason"]:
        return None
    return choices[0]["delta"].get("content") or ""


async def until(pieces: Pieces, after: int) -> Pieces:
    """The pieces up to the `after`-th text delta, or up to the last one if there are fewer."""
    passed = 0
    streaming = False
    async for piece in pieces:
        if piece.startswith(KEEP_ALIVE):
            streaming = True
        elif passed >= after or (streaming and delta(piece) is None):
            return
        elif not streaming or delta(piece):
            passed += 1
        yield piece


async def _silence(keep_alive: float) -> Pieces:
    """Wait for ever, with a comment every `keep_alive` seconds unless that is 0."""
    while True:
        await (asyncio.sleep(keep_alive) if keep_alive else asyncio.Event().wait())
        yield KEEP_ALIVE


async def _cut() -> Pieces:
    raise Cut
    yield b""


async def _after(first: Pieces, then: Pieces) -> Pieces:
    async for piece in first:
        yield piece
    async for piece in then:
        yield piece


@fault(Stage.WIRE)
def stall_after_headers(keep_alive: float = 0.0) -> Damage:
    """Headers arrive, then nothing, or comments every `keep_alive` seconds."""
    return lambda _: _silence(keep_alive)


@fault(Stage.WIRE)
def stall_mid_stream(after: int = 2, keep_alive: float = 0.0) -> Damage:
    """A partial answer, then nothing, or comments every `keep_alive` seconds."""
    return lambda pieces: _after(until(pieces, after), _silence(keep_alive))


@fault(Stage.WIRE)
def cut_stream(after: int = 2) -> Damage:
    """The connection closes after a partial answer: no usage, no `[DONE]`."""
    return lambda pieces: _after(until(pieces, after), _cut())


@fault(Stage.WIRE)
def end_without_done(after: int = 2) -> Damage:
    """The stream ends properly on the wire, but without usage and `[DONE]`."""
    return lambda pieces: until(pieces, after)


@fault(Stage.WIRE)
def mid_stream_error(
    after: int = 2,
    code: int | str = 429,
    message: str = "Rate limit exceeded",
    error_type: str = "rate_limit_exceeded",
) -> Damage:
    """An error chunk after a partial answer; `code` may be a string such as `server_error`."""

    async def damage(pieces: Pieces) -> Pieces:
        head: Json = {"id": "gen-x", "object": "chat.completion.chunk", "created": 1}
        async for piece in until(pieces, after):
            if piece.startswith(b"data: {"):
                head = {k: v for k, v in json.loads(piece[6:]).items() if k != "choices"}
            yield piece
        choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
        error = {"code": code, "message": message, "metadata": {"error_type": error_type}}
        yield event(head | {"error": error, "choices": [choice]})

    return damage


@fault(Stage.WIRE)
def malformed_event(after: int = 2) -> Damage:
    """One event of the stream holds broken JSON, then the stream goes on."""

    async def damage(pieces: Pieces) -> Pieces:
        passed = 0
        async for piece in pieces:
            passed += bool(delta(piece))
            if passed == after:
                passed += 1
                yield b'data: {"id": "gen-x", "choi\n\n'
            yield piece

    return damage


@fault(Stage.WIRE)
def slow_tokens(delay: float = 0.05) -> Damage:
    """Every piece arrives `delay` seconds after the one before."""

    async def damage(pieces: Pieces) -> Pieces:
        async for piece in pieces:
            await asyncio.sleep(delay)
            yield piece

    return damage


@fault(Stage.WIRE)
def leading_whitespace(lines: int = 3) -> Damage:
    """Blank lines as keep-alive before the reply."""
    return lambda pieces: _after(_each(b" \n" * lines), pieces)
