"""Which headers a request to OpenRouter carries: what HTTP and OpenRouter need, and who we are."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from openrouter_mcp import __version__
from openrouter_mcp.settings import Settings

if TYPE_CHECKING:
    import httpx2

KEPT = {
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "host",
    "range",
    "transfer-encoding",
}


class RequestHeaders:
    """The headers of all requests under one key."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def management(self) -> dict[str, str]:
        """The header that names the management key instead; none where there is no such key."""
        key = self._settings.management_key
        return {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}

    async def apply(self, request: httpx2.Request) -> None:
        """Keep what HTTP and OpenRouter need and add ours: the SDK also tells about itself."""
        import httpx2

        kept = {
            name: value
            for name, value in request.headers.items()
            if name in KEPT or name.startswith(("x-openrouter-", "x-anthropic-"))
        }
        management = self.management
        if request.headers.get("authorization") != management.get("Authorization"):
            management = {}
        request.headers = httpx2.Headers({**kept, **self._own, **management})

    @cached_property
    def _own(self) -> dict[str, str]:
        headers = {"User-Agent": f"openrouter-mcp/{__version__}"}
        if self._settings.api_key:
            headers["Authorization"] = f"Bearer {self._settings.api_key.get_secret_value()}"
        if self._settings.attribution:
            headers["HTTP-Referer"] = self._settings.http_referer
            headers["X-OpenRouter-Title"] = self._settings.app_title
            headers["X-OpenRouter-Categories"] = "cli-agent"
        return headers
