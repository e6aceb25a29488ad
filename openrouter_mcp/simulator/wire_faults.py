"""Faults on the wire: replies that stop, stall, crawl or arrive damaged.

Each makes a wrapper `(pieces) -> pieces` around the pieces of a reply's body: the events of a
stream, the two halves of anything else. `after` counts text deltas (or pieces) let through first.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterable, AsyncIterator, Callable

from starlette.responses import Response, StreamingResponse

from openrouter_mcp.simulator.fault import Register, Stage

Pieces = AsyncIterator[bytes]
Damage = Callable[[Pieces], Pieces]
wire = Register(Stage.WIRE)
before = Register(Stage.EDGE)
KEEP_ALIVE = b": OPENROUTER PROCESSING\n\n"


def event(data: dict[str, object]) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(data).encode() + b"\n\n"


class Cut(Exception):  # noqa: N818 it is an order to close the connection
    """Raised through the application to close the connection at once."""


def damaged(response: Response, damage: Damage) -> Response:
    """The same response with its body passing through `damage`."""
    if isinstance(response, StreamingResponse):
        response.body_iterator = damage(_bytes(response.body_iterator))
        return response
    body = bytes(response.body)
    streamed = StreamingResponse(damage(_halves(body)), response.status_code)
    streamed.raw_headers = [pair for pair in response.raw_headers if pair[0] != b"content-length"]
    return streamed


async def _bytes(body: AsyncIterable[str | bytes | memoryview]) -> Pieces:
    async for piece in body:
        yield piece.encode() if isinstance(piece, str) else bytes(piece)


async def _halves(body: bytes) -> Pieces:
    middle = len(body) // 2
    yield body[:middle]
    yield body[middle:]


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


@before
async def cut_before_headers() -> Response:
    """The connection closes before any byte of the reply."""
    raise Cut


@before
async def stall_before_headers() -> Response:
    """Not even headers arrive, and the connection stays open."""
    await asyncio.Event().wait()
    raise Cut


@wire
def stall_after_headers(keep_alive: float = 0.0) -> Damage:
    """Headers arrive, then nothing, or comments every `keep_alive` seconds."""
    return lambda _: silence(keep_alive)


@wire
def stall_mid_stream(after: int = 2, keep_alive: float = 0.0) -> Damage:
    """A partial answer, then nothing, or comments every `keep_alive` seconds."""

    async def damage(pieces: Pieces) -> Pieces:
        async for piece in until(pieces, after):
            yield piece
        async for piece in silence(keep_alive):
            yield piece

    return damage


async def silence(keep_alive: float) -> Pieces:
    """Wait for ever, with a comment every `keep_alive` seconds unless that is 0."""
    while True:
        await (asyncio.sleep(keep_alive) if keep_alive else asyncio.Event().wait())
        yield KEEP_ALIVE


@wire
def cut_stream(after: int = 2) -> Damage:
    """The connection closes after a partial answer: no usage, no `[DONE]`."""

    async def damage(pieces: Pieces) -> Pieces:
        async for piece in until(pieces, after):
            yield piece
        raise Cut

    return damage


@wire
def end_without_done(after: int = 2) -> Damage:
    """The stream ends properly on the wire, but without usage and `[DONE]`."""

    async def damage(pieces: Pieces) -> Pieces:
        async for piece in until(pieces, after):
            yield piece

    return damage


@wire
def mid_stream_error(
    after: int = 2,
    code: int | str = 429,
    message: str = "Rate limit exceeded",
    error_type: str = "rate_limit_exceeded",
) -> Damage:
    """An error chunk after a partial answer; `code` may be a string such as `server_error`."""

    async def damage(pieces: Pieces) -> Pieces:
        head: dict[str, object] = {"id": "gen-x", "object": "chat.completion.chunk", "created": 1}
        async for piece in until(pieces, after):
            if piece.startswith(b"data: {"):
                head = {k: v for k, v in json.loads(piece[6:]).items() if k != "choices"}
            yield piece
        choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
        error = {"code": code, "message": message, "metadata": {"error_type": error_type}}
        yield event(head | {"error": error, "choices": [choice]})

    return damage


@wire
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


@wire
def slow_tokens(delay: float = 0.05) -> Damage:
    """Every piece arrives `delay` seconds after the one before."""

    async def damage(pieces: Pieces) -> Pieces:
        async for piece in pieces:
            await asyncio.sleep(delay)
            yield piece

    return damage


@wire
def leading_whitespace(lines: int = 3) -> Damage:
    """Blank lines as keep-alive before the reply."""

    async def damage(pieces: Pieces) -> Pieces:
        yield b" \n" * lines
        async for piece in pieces:
            yield piece

    return damage
