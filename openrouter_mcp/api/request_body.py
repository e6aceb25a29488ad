"""Files inside a JSON body: read and made base64 in pieces while the body is sent."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.text import storable

PIECE = 3 * 2**17
"""Bytes read at a time; a multiple of three, so that the pieces join to one base64 text."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """A string of a JSON body: `prefix`, then the base64 of a file's bytes."""

    name: str
    """What the file is called, for people."""
    prefix: str
    size: int
    """Bytes of the file."""
    open: Callable[[], BinaryIO] = field(repr=False)
    """Opens it anew, as it was; raises `OSError`."""

    def __str__(self) -> str:
        return f"{self.prefix}... ({self.name}, {self.size:,} bytes)"

    @property
    def length(self) -> int:
        """Bytes of the string, without its quotes."""
        return len(self.prefix) + 4 * -(-self.size // 3)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The string in pieces. Raises `INVALID_INPUT` if the file is not what it was."""
        yield self.prefix.encode()
        try:
            file = await asyncio.to_thread(self.open)
        except OSError as error:
            raise self._changed(error.strerror or str(error)) from None
        try:
            left = self.size
            while left:
                data = await asyncio.to_thread(file.read, min(PIECE, left))
                if not data:
                    raise self._changed("it became shorter")
                left -= len(data)
                yield base64.b64encode(data)
        finally:
            file.close()

    def _changed(self, reason: str) -> OpenRouterError:
        return OpenRouterError(
            Code.INVALID_INPUT,
            f"{self.name} changed while it was sent ({reason}). Call again.",
        )


@dataclass(frozen=True)
class StreamedBody:
    """A JSON body whose files are read while it is sent; each call of it starts anew."""

    parts: tuple[bytes | Encoded, ...]

    @property
    def length(self) -> int:
        """Bytes of the whole."""
        return sum(len(p) if isinstance(p, bytes) else p.length for p in self.parts)

    async def __call__(self) -> AsyncIterator[bytes]:
        """The bytes in pieces."""
        for part in self.parts:
            if isinstance(part, bytes):
                yield part
            else:
                async for piece in part.pieces():
                    yield piece


def streamed(body: Mapping[str, Any]) -> StreamedBody | None:
    """The body with its files as base64; None if there is none in it."""
    if not _holds_file(body):
        return None
    mark = secrets.token_hex(16)
    files: list[Encoded] = []

    def marked(value: object) -> str:
        if not isinstance(value, Encoded):
            raise TypeError(f"{type(value).__name__} is no JSON")
        files.append(value)
        return mark

    text = json.dumps(body, default=marked, ensure_ascii=False, separators=(",", ":"))
    texts = [storable(part).encode() for part in text.split(mark)]
    joined: list[bytes | Encoded] = [texts[0]]
    for file, part in zip(files, texts[1:], strict=True):
        joined += [file, part]
    return StreamedBody(tuple(joined))


def _holds_file(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(map(_holds_file, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_file, value))
    return isinstance(value, Encoded)
