"""The bytes of `/audio/speech`: sound and nothing else, within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from openrouter_mcp.api import responses
from openrouter_mcp.api.client import UNTIL_DONE
from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.spending.purchase import Purchase

if TYPE_CHECKING:
    import httpx2

LARGEST = 200_000_000
"""Bytes of one reply: more than an hour of samples."""
REPORT_EVERY = 250_000


@dataclass(frozen=True)
class Sound:
    """Sound as it came, and the words that were spoken where they were told."""

    data: bytes
    content_type: str
    transcript: str = ""


async def fetch(
    purchase: Purchase, path: str, body: Mapping[str, Any], most: Decimal | None
) -> Sound:
    """Pay for one piece of sound. Raises `OpenRouterError`, also for an error in place of sound."""
    async with purchase.request(most) as bill:
        bill.name_provider = True
        async with purchase.app.client.open(
            "post", path, body, silence=UNTIL_DONE, report=purchase.report
        ) as response:
            await bill.identify(response.headers)
            kind = response.headers.get("content-type", "")
            data = await responses.typed(lambda: _read(response, purchase, str(body["model"])))
            if not kind.lower().startswith(("audio/", "application/octet-stream")):
                responses.parsed(data, response.headers)
                raise unreadable()
    if not data:
        raise unreadable()
    return Sound(data, kind)


async def _read(response: httpx2.Response, purchase: Purchase, model: str) -> bytes:
    data, reported = bytearray(), 0
    async for piece in response.aiter_bytes():
        data += piece
        if len(data) > LARGEST:
            raise OpenRouterError(
                Code.UPSTREAM_ERROR,
                f"The sound has more than {LARGEST:,} bytes. Give a shorter text.",
            )
        if len(data) >= reported + REPORT_EVERY:
            reported = len(data)
            await purchase.report(f"{model}: {reported:,} bytes of sound")
    return bytes(data)


def unreadable() -> OpenRouterError:
    """The failure of a reply that is no sound."""
    return OpenRouterError(
        Code.UPSTREAM_ERROR,
        "What came is no sound that can be played. Call again, or choose another model.",
        retryable=True,
    )
