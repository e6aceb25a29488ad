"""Whether a paid request can have cost anything: the transport tells, whatever is raised later."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from openrouter_mcp.errors import OpenRouterError

if TYPE_CHECKING:
    import httpx2

NOT_BILLED = frozenset({502, 503, 529})
"""Server errors before the first byte, by which no provider has done any work."""
MAYBE_BILLED = frozenset({408, 499})
"""The client errors that come after the work may have begun."""


def is_refusal(status: int) -> bool:
    """Whether OpenRouter bills nothing for a request that it answers with this HTTP status."""
    return (300 <= status < 500 and status not in MAYBE_BILLED) or status in NOT_BILLED


class Delivery:
    """A paid request on its way, with all its attempts."""

    def __init__(self) -> None:
        self.may_cost = False
        """Whether OpenRouter may have got the request, and has not refused it."""

    async def trace(self, event: str, details: Mapping[str, Any]) -> None:
        """Take what the transport does (httpx's `trace` extension)."""
        if event.endswith("send_request_body.started"):
            # A proxy gets a request of its own before.
            self.may_cost = details["request"].method == b"POST"
        elif event.endswith("send_request_body.failed"):
            # Without the rest of a file that could not be read, the request is none.
            self.may_cost = not isinstance(details["exception"], OpenRouterError)

    def answered(self, status: int) -> None:
        """OpenRouter has answered with this HTTP status."""
        if is_refusal(status):
            self.may_cost = False


_watched: ContextVar[Delivery | None] = ContextVar("delivery", default=None)


@contextmanager
def watched() -> Generator[Delivery]:
    """What becomes of the paid request that is sent in this block."""
    delivery = Delivery()
    token = _watched.set(delivery)
    try:
        yield delivery
    finally:
        _watched.reset(token)


async def watch_request(request: httpx2.Request) -> None:
    """Let the transport tell of this attempt. A hook of the HTTP client."""
    delivery = _watched.get()
    if delivery and request.method == "POST":
        request.extensions = {**request.extensions, "trace": delivery.trace}


async def watch_response(response: httpx2.Response) -> None:
    """Tell how OpenRouter has answered. A hook of the HTTP client."""
    delivery = _watched.get()
    if delivery and response.request.method == "POST":
        delivery.answered(response.status_code)
