"""What only OpenRouter's servers know: orders of the list, providers, media prices, data sets.

Each document is kept for an hour in the cache that the catalogue uses: data endpoints allow 30
requests a minute and 500 a day.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from openrouter_mcp.api.responses import measure, text
from openrouter_mcp.models.catalogue import Client, unreadable
from openrouter_mcp.state.document_cache import Document, DocumentCache
from openrouter_mcp.text import DAY

CATEGORIES = (
    *("programming", "roleplay", "marketing", "marketing/seo", "technology", "science"),
    *("translation", "legal", "finance", "health", "trivia", "academia"),
)
"""The use cases by which OpenRouter sorts what models are used for."""

UPSCALER_PARAMETERS = ("creativity", "upscale_factor")
"""What only models that enlarge videos take."""

MOST_TOKENS = 10**18
"""More than all models together can have used."""
MAX_AGE = 3600.0
STALE_WHILE_REVALIDATE = DAY


@dataclass(frozen=True, slots=True)
class Market:
    """OpenRouter's lists and data sets beside the catalogue, each fetched once an hour at most.

    A method returns the rows, or the whole document where its `meta` says what to cite. Every
    method raises `OpenRouterError` while there is neither an answer nor a copy on disk.
    """

    client: Client
    cache: DocumentCache

    async def listed(self, **query: str) -> list[str]:
        """Ids of every kind of model that fit `query`, in OpenRouter's order (GET /models)."""
        document = await self._document(
            "/models",
            lambda reply: [row["id"] for row in _with_id(reply)],
            {"output_modalities": "all", **query},
        )
        return document.data

    async def providers(self) -> list[dict[str, Any]]:
        """Every provider: name, slug, headquarters, datacenters, policies (GET /providers)."""
        document = await self._document(
            "/providers", lambda reply: [row for row in _rows(reply) if text(row, "slug")]
        )
        return document.data

    async def zdr_tags(self) -> dict[str, list[str]]:
        """Tags of the endpoints that retain no data, by model id (GET /endpoints/zdr)."""

        def read(reply: object) -> dict[str, list[str]]:
            tags: dict[str, list[str]] = {}
            for row in _rows(reply):
                tags.setdefault(str(row.get("model_id")), []).append(str(row.get("tag")))
            return tags

        return (await self._document("/endpoints/zdr", read)).data

    async def image_models(self) -> list[dict[str, Any]]:
        """What the endpoints of each image model take together (GET /images/models)."""
        return (await self._document("/images/models", _with_id)).data

    async def image_endpoints(self, model_id: str) -> list[dict[str, Any]]:
        """Who draws with this model, for what price (GET /images/models/{id}/endpoints)."""
        path = f"/images/models/{quote(model_id, safe='/:~')}/endpoints"
        return (await self._document(path, lambda reply: _rows(reply, "endpoints"))).data

    async def video_models(self) -> list[dict[str, Any]]:
        """What each video model takes and costs (GET /videos/models)."""
        return (await self._document("/videos/models", _with_id)).data

    async def benchmarks(self, source: str, arena: str = "") -> Document:
        """One source's results with their `meta` (GET /benchmarks)."""
        query = {"source": source} | ({"arena": arena} if arena else {})
        return await self._document("/benchmarks", _whole, query)

    async def daily_rankings(self, **query: str) -> Document:
        """Tokens by model and period with their `meta` (GET /datasets/rankings-daily)."""
        return await self._document("/datasets/rankings-daily", _whole, query)

    async def app_rankings(self, **query: str) -> Document:
        """Tokens by app with their `meta` (GET /datasets/app-rankings)."""
        return await self._document("/datasets/app-rankings", _whole, query)

    async def session_costs(self) -> Document:
        """Median USD of a session by app, model and turns (GET /datasets/session-cost)."""
        return await self._document("/datasets/session-cost", _whole, {"limit": "500"})

    async def tasks(self) -> Document:
        """Shares of requests by task, with each task's models (GET /classifications/task)."""

        def read(reply: object) -> dict[str, Any]:
            data = reply.get("data") if isinstance(reply, dict) else None
            rows = _rows(data, "classifications")
            return {**data, "classifications": rows} if isinstance(data, dict) else {}

        return await self._document("/classifications/task", read)

    async def _document(
        self, path: str, read: Callable[[object], Any], query: dict[str, str] | None = None
    ) -> Document:
        query = query or {}
        name = path.strip("/") + (f"?{urlencode(sorted(query.items()))}" if query else "")

        async def fetch() -> Any:
            reply = await self.client.get(path, params=query)
            try:
                return read(reply)
            except TypeError:
                raise unreadable(path) from None

        return await self.cache.get(
            name, fetch, MAX_AGE, stale_while_revalidate=STALE_WHILE_REVALIDATE
        )


def _rows(reply: object, field: str = "data") -> list[dict[str, Any]]:
    """The rows of a reply. Raises TypeError where there is no list of them."""
    rows = reply.get(field) if isinstance(reply, dict) else None
    if not isinstance(rows, list):
        raise TypeError
    return [row for row in rows if isinstance(row, dict)]


def _with_id(reply: object) -> list[dict[str, Any]]:
    """The rows that name a model. Raises TypeError where there is no list of them."""
    return [row for row in _rows(reply) if text(row, "id")]


def total_tokens(row: Mapping[str, Any]) -> int:
    """The tokens of a row of a ranking, which may be text; 0 where it tells none of sense."""
    try:
        tokens = int(row.get("total_tokens") or 0)
    except (ValueError, TypeError, OverflowError):
        return 0
    return tokens if 0 < tokens < MOST_TOKENS else 0


def share_of(row: Mapping[str, Any], name: str) -> float:
    """A part of all, 0 to 1; 0 where the row tells none of sense."""
    share = measure(row, name) or 0.0
    return share if share <= 1 else 0.0


def _whole(reply: object) -> dict[str, Any]:
    """Rows and `meta` of a data set."""
    rows = _rows(reply)
    meta = reply.get("meta") if isinstance(reply, dict) else None
    return {"data": rows, "meta": meta if isinstance(meta, dict) else {}}


def is_upscaler(row: Mapping[str, Any]) -> bool:
    """Whether a row of `GET /videos/models` enlarges videos instead of making them."""
    return any(is_said(row.get(name)) for name in UPSCALER_PARAMETERS)


def is_said(value: object) -> bool:
    """Whether a field of a row says anything: null, empty and absent do not, whatever is in it."""
    if isinstance(value, Mapping):
        return any(map(is_said, value.values()))
    if isinstance(value, list):
        return any(map(is_said, value))
    return value.strip() != "" if isinstance(value, str) else value is not None
