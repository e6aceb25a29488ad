"""Images that an answer brings: in base64, as data URLs, or at addresses on the web."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from openrouter_mcp.api.responses import base64_bytes
from openrouter_mcp.errors import OpenRouterError
from openrouter_mcp.files.fetch import Fetcher
from openrouter_mcp.files.kinds import media_type
from openrouter_mcp.settings import Settings
from openrouter_mcp.text import clean

ELSEWHERE = "An image of the answer is at {address}; it was not fetched."
MOST_FETCHED = 20
"""Addresses that are fetched, or named, for one reply."""


@dataclass(frozen=True)
class Received:
    """What became of the images of an answer."""

    images: list[bytes]
    """Those that are whole."""
    notes: list[str]
    """Where those are that could not be fetched."""
    damaged: int


async def receive(settings: Settings, written: Sequence[str]) -> Received:
    """The images that an answer brings, those at addresses fetched if these are public."""
    addresses = [each for each in written if is_address(each)]
    tasks = [_fetched(settings, address) for address in addresses[:MOST_FETCHED]]
    fetched = dict(zip(addresses, await asyncio.gather(*tasks), strict=False))
    found, notes, damaged = [], [], 0
    for each in written:
        if is_address(each):
            data = fetched.get(each, b"")
            if not data and each in fetched:
                notes.append(ELSEWHERE.format(address=clean(each, 2000)))
        else:
            data = await asyncio.to_thread(image_bytes, each)
            damaged += not data
        found += [data] if data else []
    if (more := len(addresses) - MOST_FETCHED) > 0:
        notes.append(f"So are {more:,} more.")
    return Received(found, notes, damaged)


def is_address(image: str) -> bool:
    """Whether an image stands on the web and did not come itself."""
    return image.strip().lower().startswith(("http:", "https:"))


def image_bytes(image: str) -> bytes:
    """The image in a data URL or in base64; empty if it is damaged."""
    head, comma, text = image.partition(",")
    if comma and not head.lower().endswith(";base64"):
        return unquote_to_bytes(text)
    return base64_bytes(image)


async def _fetched(settings: Settings, address: str) -> bytes:
    """The image at an address; empty if there is none, or if it must not be fetched."""
    try:
        spool = await Fetcher(settings).fetch(address.strip())
    except OpenRouterError:
        return b""
    data = await asyncio.to_thread(spool.read)
    found = media_type(data)
    return data if found and found.mime.startswith("image/") else b""
